//! `verify-webhook`: lets webhooks pass whose signature is right.
//!
//! Source: ngrok documentation, verify-webhook (2026-08-07), with its list of providers.

mod challenge;
mod schemes;
mod signature;
#[cfg(test)]
mod tests;
mod twilio;
mod verify;

use std::fmt;

use self::challenge::{Challenge, challenge};
use self::schemes::{Scheme, scheme};
use self::signature::{Signed, one};
use super::{ActionType, Ends, REQUEST_PHASE, Unsupported};
use crate::cel::Unrendered;
use crate::diagnostic::did_you_mean;
use crate::ir::Lowering;
use crate::message::{Response, Side};
use crate::ngrok;
use crate::outcome::Ending;
use crate::parse::NodeRef;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, HttpRefusal, Next, Run, StepDigest};
use crate::schema::{Boolean, Context, Declared, Field, Interpolated, Kind, Text};
use crate::source::Spanned;
use crate::vocabulary::{self, ActionResult, REQUEST};

/// Every provider.
pub const PROVIDERS: &[&str] = &[
    "aftership",
    "airship",
    "alchemy",
    "autodesk",
    "bitbucket",
    "bolt",
    "box",
    "brex",
    "buildkite",
    "calendly",
    "castle",
    "chargify",
    "circleci",
    "clearbit",
    "clerk",
    "coinbase",
    "contentful",
    "docusign",
    "dropbox",
    "facebook_graph_api",
    "facebook_messenger",
    "frameio",
    "github",
    "gitlab",
    "go1",
    "graphcms",
    "heroku",
    "hostedhooks",
    "hubspot",
    "instagram",
    "intercom",
    "jira",
    "launch_darkly",
    "linear",
    "mailchimp",
    "mailgun",
    "microsoft_teams",
    "modern_treasury",
    "mongodb",
    "mux",
    "orb",
    "orbit",
    "pagerduty",
    "pinwheel",
    "plivo",
    "pusher",
    "sendgrid",
    "sentry",
    "shopify",
    "signal_sciences",
    "slack",
    "sns",
    "sonatype",
    "square",
    "stripe",
    "svix",
    "terraform",
    "tiktok",
    "trendmicro_conformity",
    "twilio",
    "twitter",
    "typeform",
    "vmware",
    "webex",
    "whatsapp",
    "worldline",
    "xero",
    "zendesk",
    "zoom",
];

static PROVIDER: Field<Provider> =
    Field::required("provider", Provider, "provider: github", "Who sends the webhooks.");
static SECRET: Field<Interpolated> = Field::required(
    "secret",
    Interpolated::SECRET,
    "secret: \"${secrets.get('webhooks', 'github')}\"",
    "What the provider signs with.",
);
static ENFORCE: Field<Boolean> =
    Field::default("enforce", Boolean, "true", "`false` sets the results and lets everything pass.");

const VERIFIED: ActionResult<bool> =
    ActionResult::bool("actions.ngrok.verify_webhook.verified", REQUEST, "true if the signature is right");
const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.verify_webhook.error.code", REQUEST, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.verify_webhook.error.message", REQUEST, "the fault in words");

/// Bytes that are signed for one step.
const BYTES_A_STEP: usize = 64;

/// Lets webhooks pass whose signature is right.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyWebhook {
    /// Who sends them.
    pub provider: Spanned<&'static str>,
    /// What they are signed with.
    pub secret: Text,
    /// False lets everything pass.
    pub enforce: bool,
}

impl ActionType for VerifyWebhook {
    const NAME: &'static str = "verify-webhook";
    const OLD_NAMES: &'static [&'static str] = &["webhook-validation"];
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("403");
    const FIELDS: Declared = &[&PROVIDER, &SECRET, &ENFORCE];
    const RESULTS: &'static [vocabulary::Declared] =
        &[VERIFIED.declared(), ERROR_CODE.declared(), ERROR_MESSAGE.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/verify-webhook.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (provider, secret) = (cx.read(fields, &PROVIDER), cx.read(fields, &SECRET));
        let enforce = cx.read(fields, &ENFORCE);
        Some(Self { provider: provider?, secret: secret?, enforce: enforce? })
    }

    fn enforced(&self) -> bool {
        self.enforce
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        each(&self.secret);
    }

    fn not_run(&self) -> Option<Unsupported> {
        let Spanned { value: name, span } = self.provider;
        scheme(name).is_none().then(|| Unsupported {
            span: Some(span),
            what: format!("the webhook provider `{name}`"),
            help: "`policy explain verify-webhook` lists the providers that it runs",
        })
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }
}

impl VerifyWebhook {
    /// Goes on after a check.
    fn ended(&self, failure: Option<String>, run: &mut Run<'_>) -> Next {
        if run.keeps_results {
            let code = failure.as_ref().map(|_| ngrok::ERR_NGROK_3204.to_string());
            run.set_result(&VERIFIED, failure.is_none());
            run.set_result(&ERROR_CODE, code.unwrap_or_default());
            run.set_result(&ERROR_MESSAGE, failure.clone().unwrap_or_default());
        }
        match failure.filter(|_| self.enforce) {
            None => Next::GoOn,
            Some(_) => Next::End(Ending::Denied),
        }
    }

    /// Reads the body and checks the signature.
    fn check(&self, scheme: &Scheme, run: &mut Run<'_>) -> Result<Checked, Unrendered> {
        // Without the header nothing need be read.
        if let Some(failure) = run.request().and_then(|it| one(&it, scheme.header(&it)).err()) {
            return Ok(Checked::Failed(failure.to_string()));
        }
        let secret = run.render(&self.secret.template)?;
        let body = match scheme.signs_body().then(|| run.body(Side::Request)) {
            None => None,
            Some(Ok(Ok(body))) => Some(body),
            Some(Ok(Err(ask))) => return Ok(Checked::Not(ask)),
            // What cannot be read cannot be verified.
            Some(Err(unreadable)) => return Ok(Checked::Failed(unreadable.error.to_string())),
        };
        let body = body.as_deref().unwrap_or_default();
        run.charge((body.len() / BYTES_A_STEP) as u64, || "checking the signature".to_owned())?;
        let (Some(request), Some(sent)) = (run.request(), run.facts.request_view(None)) else {
            return Ok(Checked::Failed("there is no request".to_owned()));
        };
        let (url, now) = (sent.url().raw(), run.facts.now());
        let signed = Signed { request: &request, url, body, secret: secret.as_bytes(), now };
        Ok(match scheme.verify(signed) {
            Ok(()) => {
                let challenge = challenge(self.provider.value);
                Checked::Verified(challenge.and_then(|it| it.signed(body, secret.as_bytes())))
            }
            Err(failure) => Checked::Failed(failure.to_string()),
        })
    }
}

/// What came out.
enum Checked {
    /// The body is to be read first.
    Not(Next),
    /// Why the request is not verified.
    Failed(String),
    /// It is; what a challenge is answered.
    Verified(Option<Response>),
}

impl Execute for VerifyWebhook {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        // INVARIANT: others do not compile.
        let Some(scheme) = scheme(self.provider.value) else { return Ok(Next::End(Ending::Closed)) };
        let challenged = challenge(self.provider.value).and_then(|it| it.unsigned(&run.request()?));
        if let Some(answer) = challenged {
            return run.respond(answer);
        }
        match self.check(scheme, run)? {
            Checked::Not(ask) => Ok(ask),
            Checked::Failed(failure) => Ok(self.ended(Some(failure), run)),
            Checked::Verified(challenge) => match (self.ended(None, run), challenge) {
                (_, Some(answer)) => run.respond(answer),
                (next, None) => Ok(next),
            },
        }
    }

    fn checks_times(&self) -> bool {
        true
    }

    fn refusal(&self) -> HttpRefusal {
        let status = challenge(self.provider.value).map_or(403, Challenge::refusal);
        HttpRefusal { status, code: Some(ngrok::ERR_NGROK_3204) }
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.text(self.provider.value);
        digest.number(u64::from(self.enforce));
        digest.template(&self.secret);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", Self::NAME, self.provider.value, if self.enforce { "403" } else { "look" })
    }
}

/// One of [`PROVIDERS`].
#[derive(Clone, Copy, Debug)]
struct Provider;

impl Kind for Provider {
    type Value = Spanned<&'static str>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Spanned<&'static str>> {
        let text = cx.reader.text(node, what)?;
        let provider = PROVIDERS.iter().copied().find(|provider| *provider == text.value);
        if provider.is_none() {
            let message = format!("unknown webhook provider `{}`", crate::diagnostic::shorten(text.value));
            let near = did_you_mean(text.value, PROVIDERS.iter().copied());
            let found = crate::diagnostic::Diagnostic::new(&crate::reader::INVALID_VALUE, text.span, message);
            cx.reader.report(match near {
                Some(near) => {
                    found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, text.content, near)
                }
                None => found.with_help("`policy explain verify-webhook` lists the providers"),
            });
        }
        provider.map(|provider| Spanned::new(provider, text.span))
    }

    fn describe(&self) -> String {
        format!("one of {} names, see below", PROVIDERS.len())
    }
}
