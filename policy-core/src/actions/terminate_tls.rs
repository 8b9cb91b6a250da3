//! `terminate-tls`: ends TLS at the endpoint instead of passing it through.
//!
//! Source: ngrok documentation, terminate-tls (2026-08-07). On https endpoints TLS ends there anyway.

use std::fmt;

use super::{ActionType, CONNECT_PHASE};
use crate::cel::Unrendered;
use crate::exchange::{Ability, Asked, ClientVerification, Effect, Reply, Secret, TlsSettings, TlsVersion};
use crate::ir::Lowering;
use crate::outcome::Ending;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
use crate::schema::{Choice, Context, Declared, Field, Interpolated, Items, OneOrMore, Text, needs};
use crate::url::Scheme;
use crate::vocabulary::{self, ActionResult, Declared as Variable, TLS};

const VERSIONS: Choice<TlsVersion> = Choice { of: &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)] };

static MIN_VERSION: Field<Choice<TlsVersion>> =
    Field::default("min_version", VERSIONS, "1.2", "The oldest version that is accepted.");
static MAX_VERSION: Field<Choice<TlsVersion>> =
    Field::default("max_version", VERSIONS, "1.3", "The newest version that is accepted.");
static SERVER_PRIVATE_KEY: Field<Interpolated> = Field::optional(
    "server_private_key",
    PEM_SECRET,
    "The key of the endpoint's certificate, in PEM; needs `server_certificate`.",
);
static SERVER_CERTIFICATE: Field<Interpolated> = Field::optional(
    "server_certificate",
    Interpolated::SOME,
    "The endpoint's certificate and its chain, in PEM; needs `server_private_key`.",
);
static AUTHORITIES: Field<OneOrMore<Interpolated>> = Field::optional(
    "mutual_tls_certificate_authorities",
    OneOrMore(Items::new(Interpolated::SOME).some()),
    "Authorities whose certificates clients must show, in PEM or by id `ca_…`.",
);
static VERIFICATION: Field<Choice<ClientVerification>> = Field::default(
    "mutual_tls_verification_strategy",
    Choice {
        of: &[
            ("require-and-verify", ClientVerification::RequireAndVerify),
            ("require-any", ClientVerification::RequireAny),
            ("request", ClientVerification::Request),
        ],
    },
    "require-and-verify",
    "What is asked of clients, if there are authorities.",
);

/// Keys are longer than other secrets.
const PEM_SECRET: Interpolated = Interpolated::SECRET.sized(1 << 16);

const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.terminate_tls.error.code", TLS, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.terminate_tls.error.message", TLS, "the fault in words");

/// Ends TLS at the endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TerminateTls {
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The newest version.
    pub max_version: TlsVersion,
    /// Key and certificate of the endpoint.
    pub server: Option<(Text, Text)>,
    /// Authorities of client certificates.
    pub authorities: Vec<Text>,
    /// What is asked of clients.
    pub verification: ClientVerification,
}

impl ActionType for TerminateTls {
    const NAME: &'static str = "terminate-tls";
    const PHASES: PhaseSet = CONNECT_PHASE;
    const SCHEMES: &'static [Scheme] = &[Scheme::Https, Scheme::Tls];
    const FIELDS: Declared =
        &[&MIN_VERSION, &MAX_VERSION, &SERVER_PRIVATE_KEY, &SERVER_CERTIFICATE, &AUTHORITIES, &VERIFICATION];
    const REWRITES: bool = true;
    const NEEDS: Option<Ability> = Some(Ability::EndTls);
    const RUNS: PhaseSet = Self::PHASES;
    const RESULTS: &'static [Variable] = vocabulary::handshake!(
        "actions.ngrok.terminate_tls",
        TLS,
        Variable::new(
            "actions.ngrok.terminate_tls.warnings",
            "list(dyn)",
            TLS,
            "what was odd about the handshake"
        ),
        ERROR_CODE.declared(),
        ERROR_MESSAGE.declared(),
    );
    const MORE_RESULTS: &'static [&'static [Variable]] = &[
        vocabulary::certificate!(
            "actions.ngrok.terminate_tls.client",
            "client's",
            TLS,
            Variable::new(
                "actions.ngrok.terminate_tls.client.pem",
                "string",
                TLS,
                "the client's certificate in PEM"
            ),
        ),
        vocabulary::certificate!("actions.ngrok.terminate_tls.server", "endpoint's", TLS),
    ];
    const PAGE: &'static str = include_str!("../../../docs/actions/terminate-tls.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (min, max) = (cx.read(fields, &MIN_VERSION), cx.read(fields, &MAX_VERSION));
        let (key, certificate) =
            (cx.optional(fields, &SERVER_PRIVATE_KEY), cx.optional(fields, &SERVER_CERTIFICATE));
        let (authorities, verification) = (cx.optional(fields, &AUTHORITIES), cx.read(fields, &VERIFICATION));
        let server = match (key?, certificate?) {
            (Some(key), Some(certificate)) => Some((key, certificate)),
            (Some(key), None) => {
                return needs((SERVER_PRIVATE_KEY.name(), key.span), SERVER_CERTIFICATE.name(), cx);
            }
            (None, Some(certificate)) => {
                return needs((SERVER_CERTIFICATE.name(), certificate.span), SERVER_PRIVATE_KEY.name(), cx);
            }
            (None, None) => None,
        };
        let (min_version, max_version) = (min?, max?);
        if min_version > max_version {
            let at = fields.field(MIN_VERSION.name()).map_or(cx.owner.1, |field| field.value.span());
            cx.invalid(at, "`min_version` is above `max_version`", "no client could connect; swap them");
            return None;
        }
        Some(Self {
            min_version,
            max_version,
            server,
            authorities: authorities?.unwrap_or_default(),
            verification: verification?,
        })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.server.iter().for_each(|(key, it)| [key, it].into_iter().for_each(&mut *each));
        self.authorities.iter().for_each(each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }
}

impl Execute for TerminateTls {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let server = match &self.server {
            Some((key, certificate)) => {
                let key = Secret::new(run.render(&key.template)?);
                Some((key, run.render(&certificate.template)?.into()))
            }
            None => None,
        };
        let authorities = self.authorities.iter().map(|it| Ok(run.render(&it.template)?.into()));
        let settings = TlsSettings {
            min_version: self.min_version,
            max_version: self.max_version,
            server,
            authorities: authorities.collect::<Result<_, Unrendered>>()?,
            verification: self.verification,
        };
        Ok(run.ask(Effect::EndTls, Asked::Tls(settings.into())))
    }

    fn resumed(&self, run: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let Reply::TlsEnded(ended) = reply else { return Ok(Next::End(Ending::Closed)) };
        match *ended {
            Ok(values) => {
                if run.keeps_results {
                    let all = Self::RESULTS.iter().chain(Self::MORE_RESULTS.iter().copied().flatten());
                    run.set_named(all, "actions.ngrok.terminate_tls.", values)?;
                    run.set_result(&ERROR_CODE, "");
                    run.set_result(&ERROR_MESSAGE, "");
                }
                Ok(Next::GoOn)
            }
            Err(reason) => Err(Unrendered::unusable(format!("the TLS handshake failed: {reason}"))),
        }
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.text(&format!("{:?} {:?} {:?}", self.min_version, self.max_version, self.verification));
        digest.number(u64::from(self.server.is_some()));
        self.server.iter().flat_map(|(key, it)| [key, it]).for_each(|text| digest.template(text));
        digest.templates(&self.authorities);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}
