//! `oauth`: sends users to an OAuth provider to log in.
//!
//! Source: ngrok documentation, oauth (2026-08-07).

use std::fmt;

use super::identity::{
    ALLOW_CORS_PREFLIGHT, AUTH_COOKIE_DOMAIN, AUTH_ID, AUTHZ_URL_PARAMS, CLIENT_ID, CLIENT_SECRET, Login,
    MAX_SESSION_DURATION, SCOPES, USERINFO_REFRESH_INTERVAL, login_results,
};
use super::{ActionType, Ends, REQUEST_PHASE};
use crate::cel::{Unrendered, Value};
use crate::diagnostic::Diagnostic;
use crate::exchange::{Asked, Identity, LoginProvider, Reply};
use crate::ir::Lowering;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
use crate::schema::{Choice, Context, Declared, DurationField, Field, RELATED_FIELD, Text};
use crate::vocabulary::{self, ActionResult, REQUEST};

/// An OAuth provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthProvider {
    /// Amazon.
    Amazon,
    /// Facebook.
    Facebook,
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Google.
    Google,
    /// LinkedIn.
    LinkedIn,
    /// Microsoft.
    Microsoft,
    /// Twitch.
    Twitch,
}

const PROVIDERS: &[(&str, OAuthProvider)] = &[
    ("amazon", OAuthProvider::Amazon),
    ("facebook", OAuthProvider::Facebook),
    ("github", OAuthProvider::GitHub),
    ("gitlab", OAuthProvider::GitLab),
    ("google", OAuthProvider::Google),
    ("linkedin", OAuthProvider::LinkedIn),
    ("microsoft", OAuthProvider::Microsoft),
    ("twitch", OAuthProvider::Twitch),
];

impl OAuthProvider {
    /// ngrok's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        PROVIDERS.iter().find(|(_, provider)| *provider == self).map_or("", |(name, _)| name)
    }
}

static PROVIDER: Field<Choice<OAuthProvider>> = Field::required(
    "provider",
    Choice { of: PROVIDERS },
    "provider: google",
    "Whose login is used; amazon and facebook need an application of your own.",
);
static IDLE_SESSION_TIMEOUT: Field<DurationField> =
    Field::optional("idle_session_timeout", DurationField::any().like(3_600), "When an unused login ends.")
        .formerly(&["idle_session_duration"]);

login_results!("actions.ngrok.oauth", "current_provider_session_id", "userinfo_refreshed");

/// Sends users to an OAuth provider to log in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OAuth {
    /// Whose login is used.
    pub provider: OAuthProvider,
    /// The application and its sessions.
    pub login: Login,
}

impl ActionType for OAuth {
    const NAME: &'static str = "oauth";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("a redirect to the login, while not logged in");
    const FIELDS: Declared = &[
        &PROVIDER,
        &AUTH_ID,
        &CLIENT_ID,
        &CLIENT_SECRET,
        &SCOPES,
        &AUTHZ_URL_PARAMS,
        &MAX_SESSION_DURATION,
        &IDLE_SESSION_TIMEOUT,
        &USERINFO_REFRESH_INTERVAL,
        &ALLOW_CORS_PREFLIGHT,
        &AUTH_COOKIE_DOMAIN,
    ];
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/oauth.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let provider = cx.read(fields, &PROVIDER);
        let login = Login::read(fields, &IDLE_SESSION_TIMEOUT, cx)?;
        let provider = provider?;
        if login.client.is_none() {
            if let Some(scope) = login.scopes.first() {
                let message = "`scopes` cannot be chosen for ngrok's managed application";
                let found = Diagnostic::new(&RELATED_FIELD, scope.span, message);
                cx.reader.report(found.with_help("add `client_id` and `client_secret`, or remove `scopes`"));
                return None;
            }
            if matches!(provider, OAuthProvider::Amazon | OAuthProvider::Facebook) {
                let at = fields.field(PROVIDER.name()).map_or(cx.owner.1, |field| field.value.span());
                let message = "this provider needs an application of your own";
                let found = Diagnostic::new(&RELATED_FIELD, at, message);
                cx.reader
                    .report(found.with_help("add `client_id` and `client_secret`, or name another provider"));
                return None;
            }
        }
        Some(Self { provider, login })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.login.texts(each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }
}

impl Execute for OAuth {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        self.login.ask(LoginProvider::OAuth(self.provider.name()), run)
    }

    fn resumed(&self, run: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let identity = match self.login.replied(reply, run)? {
            Ok(identity) => identity,
            Err(next) => return Ok(next),
        };
        if run.keeps_results {
            set_results(run, &identity);
        }
        Ok(Next::GoOn)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(<Self as ActionType>::NAME);
        digest.text(&format!("{:?}", LoginProvider::OAuth(self.provider.name())));
        self.login.digest(digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(<Self as ActionType>::NAME)
    }
}
