//! `openid-connect`: sends users to an OpenID Connect provider to log in.
//!
//! Source: ngrok documentation, openid-connect (2026-08-07). The action was called `oidc` in places, and its
//! results still are; the idle time is spelt in two ways, both read.

use std::fmt;

use super::identity::{
    ALLOW_CORS_PREFLIGHT, AUTH_COOKIE_DOMAIN, AUTH_ID, AUTHZ_URL_PARAMS, CLIENT_ID, CLIENT_SECRET, Login,
    MAX_SESSION_DURATION, SCOPES, USERINFO_REFRESH_INTERVAL, login_results,
};
use super::{ActionType, Ends, REQUEST_PHASE};
use crate::cel::{Unrendered, Value};
use crate::exchange::{Asked, Identity, LoginProvider, Reply};
use crate::ir::Lowering;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
use crate::schema::{Context, Declared, DurationField, Field, Text, WebUrl};
use crate::vocabulary::{self, ActionResult, REQUEST};

static ISSUER_URL: Field<WebUrl> = Field::required(
    "issuer_url",
    WebUrl { interpolated: false },
    "issuer_url: https://login.example.com",
    "The provider; it must serve OpenID Connect Discovery.",
);
static IDLE_SESSION_DURATION: Field<DurationField> =
    Field::optional("idle_session_duration", DurationField::any().like(3_600), "When an unused login ends.")
        .or_named(&["idle_session_timeout"]);

const IDENTITY_TOKEN: ActionResult<String> =
    ActionResult::text("actions.ngrok.oidc.identity_token", REQUEST, "the provider's identity token");

login_results!("actions.ngrok.oidc", "current_session_id", "user_info_refreshed", IDENTITY_TOKEN);

/// Sends users to an OpenID Connect provider to log in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenIdConnect {
    /// The provider.
    pub issuer_url: Text,
    /// The application and its sessions.
    pub login: Login,
}

impl ActionType for OpenIdConnect {
    const NAME: &'static str = "openid-connect";
    const OLD_NAMES: &'static [&'static str] = &["oidc"];
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("a redirect to the login, while not logged in");
    const FIELDS: Declared = &[
        &ISSUER_URL,
        &AUTH_ID,
        &CLIENT_ID,
        &CLIENT_SECRET,
        &SCOPES,
        &AUTHZ_URL_PARAMS,
        &MAX_SESSION_DURATION,
        &IDLE_SESSION_DURATION,
        &USERINFO_REFRESH_INTERVAL,
        &ALLOW_CORS_PREFLIGHT,
        &AUTH_COOKIE_DOMAIN,
    ];
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/openid-connect.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let issuer_url = cx.read(fields, &ISSUER_URL);
        let login = Login::read(fields, &IDLE_SESSION_DURATION, cx);
        Some(Self { issuer_url: issuer_url?, login: login? })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        each(&self.issuer_url);
        self.login.texts(each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }
}

impl Execute for OpenIdConnect {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let issuer = run.render(&self.issuer_url.template)?;
        self.login.ask(LoginProvider::OpenIdConnect(issuer.into()), run)
    }

    fn resumed(&self, run: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let identity = match self.login.replied(reply, run)? {
            Ok(identity) => identity,
            Err(next) => return Ok(next),
        };
        if run.keeps_results {
            set_results(run, &identity);
            run.set_result(&IDENTITY_TOKEN, &*identity.identity_token);
        }
        Ok(Next::GoOn)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(<Self as ActionType>::NAME);
        digest.template(&self.issuer_url);
        self.login.digest(digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(<Self as ActionType>::NAME)
    }
}
