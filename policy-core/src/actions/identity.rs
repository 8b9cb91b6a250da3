//! What `oauth` and `openid-connect` share: the application, the session, the cookie.
//!
//! Source: ngrok documentation, oauth and openid-connect (2026-08-07); rules after error codes 383–390.

use std::time::Duration;

use crate::cel::Unrendered;
use crate::exchange::{Asked, Effect, Identity, LoginProvider, LoginQuestion, LoginReply, Reply, Secret};
use crate::message::RequestView;
use crate::outcome::Ending;
use crate::reader::Fields;
use crate::run::{Next, Run, StepDigest};
use crate::schema::{
    Boolean, Context, DurationField, Entries, EntryKeys, Field, Interpolated, Items, Literal, Text, needs,
};
use crate::source::Spanned;

pub(super) static AUTH_ID: Field<Literal> = Field::optional(
    "auth_id",
    Literal(128),
    "Tells apart the cookies and paths of several logins on one endpoint.",
);
pub(super) static CLIENT_ID: Field<Interpolated> =
    Field::optional("client_id", Interpolated::up_to(4_096), "The application's id; needs `client_secret`.");
pub(super) static CLIENT_SECRET: Field<Interpolated> =
    Field::optional("client_secret", Interpolated::SECRET, "The application's secret; needs `client_id`.");
pub(super) static SCOPES: Field<Items<Literal>> =
    Field::optional("scopes", Items::new(Literal(1_024)), "What the application asks the provider for.");
pub(super) static AUTHZ_URL_PARAMS: Field<Entries<Literal>> = Field::optional(
    "authz_url_params",
    Entries { keys: EntryKeys::Any, value: Literal(4_096), min: 0, max: usize::MAX },
    "Parameters that are added to the provider's login page.",
);
pub(super) static MAX_SESSION_DURATION: Field<DurationField> = Field::optional(
    "max_session_duration",
    DurationField::any().like(12 * 3_600),
    "When a login ends, however much it is used.",
);
pub(super) static USERINFO_REFRESH_INTERVAL: Field<DurationField> = Field::optional(
    "userinfo_refresh_interval",
    DurationField::any().like(3_600),
    "How often the provider is asked whether the user is still the same.",
);
pub(super) static ALLOW_CORS_PREFLIGHT: Field<Boolean> = Field::default(
    "allow_cors_preflight",
    Boolean,
    "false",
    "Lets CORS preflight requests pass without a login.",
);
pub(super) static AUTH_COOKIE_DOMAIN: Field<Literal> = Field::optional(
    "auth_cookie_domain",
    Literal(253),
    "The domain of the cookie; the endpoint must lie in it.",
);

/// A name and a value.
type Parameter = (Spanned<Box<str>>, Spanned<Box<str>>);

/// A login: the application that asks for it, and how long it lasts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// Tells apart several logins on one endpoint.
    pub auth_id: Option<Spanned<Box<str>>>,
    /// Id and secret of the application; the provider's managed one, if there is none.
    pub client: Option<(Text, Text)>,
    /// What the application asks for.
    pub scopes: Vec<Spanned<Box<str>>>,
    /// Parameters of the login page.
    pub authz_url_params: Vec<Parameter>,
    /// When a login ends.
    pub max_session: Option<Duration>,
    /// When an unused login ends.
    pub idle_session: Option<Duration>,
    /// How often the provider is asked again.
    pub userinfo_refresh: Option<Duration>,
    /// True if preflight requests pass.
    pub allow_cors_preflight: bool,
    /// The domain of the cookie.
    pub auth_cookie_domain: Option<Spanned<Box<str>>>,
}

impl Login {
    pub(super) fn read<'d>(
        fields: &Fields<'d>,
        idle_session: &Field<DurationField>,
        cx: &Context<'_, 'd>,
    ) -> Option<Self> {
        let (id, secret) = (cx.optional(fields, &CLIENT_ID), cx.optional(fields, &CLIENT_SECRET));
        let (auth_id, scopes) = (cx.optional(fields, &AUTH_ID), cx.optional(fields, &SCOPES));
        let params = cx.optional(fields, &AUTHZ_URL_PARAMS);
        let max = cx.optional(fields, &MAX_SESSION_DURATION);
        let (idle, refresh) =
            (cx.optional(fields, idle_session), cx.optional(fields, &USERINFO_REFRESH_INTERVAL));
        let (preflight, domain) =
            (cx.read(fields, &ALLOW_CORS_PREFLIGHT), cx.optional(fields, &AUTH_COOKIE_DOMAIN));
        let client = match (id?, secret?) {
            (Some(id), Some(secret)) => Some((id, secret)),
            (Some(id), None) => return needs((CLIENT_ID.name(), id.span), CLIENT_SECRET.name(), cx),
            (None, Some(secret)) => return needs((CLIENT_SECRET.name(), secret.span), CLIENT_ID.name(), cx),
            (None, None) => None,
        };
        Some(Self {
            auth_id: auth_id?,
            client,
            scopes: scopes?.unwrap_or_default(),
            authz_url_params: params?.unwrap_or_default(),
            max_session: max?,
            idle_session: idle?,
            userinfo_refresh: refresh?,
            allow_cors_preflight: preflight?,
            auth_cookie_domain: domain?,
        })
    }

    pub(super) fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.client.iter().for_each(|(id, secret)| [id, secret].into_iter().for_each(&mut *each));
    }
}

/// The results of a login, below a path, and what sets them; the names of two are spelt differently by the two actions.
macro_rules! login_results {
    ($base:literal, $session:literal, $refreshed:literal $(, $more:ident)?) => {
        const ID: ActionResult<String> =
            ActionResult::text(concat!($base, ".identity.id"), REQUEST, "the id of the user");
        const EMAIL: ActionResult<String> =
            ActionResult::text(concat!($base, ".identity.email"), REQUEST, "the user's e-mail address");
        const NAME: ActionResult<String> =
            ActionResult::text(concat!($base, ".identity.name"), REQUEST, "the user's name");
        const PROVIDER_USER_ID: ActionResult<String> = ActionResult::text(
            concat!($base, ".identity.provider_user_id"),
            REQUEST,
            "the user's id at the provider",
        );
        const SESSION_ID: ActionResult<String> =
            ActionResult::text(concat!($base, ".identity.", $session), REQUEST, "the id of the session");
        const ACCESS_TOKEN: ActionResult<String> =
            ActionResult::text(concat!($base, ".access_token"), REQUEST, "the provider's access token");
        const REFRESH_TOKEN: ActionResult<String> =
            ActionResult::text(concat!($base, ".refresh_token"), REQUEST, "the provider's refresh token");
        const EXPIRES_AT: ActionResult<Value> =
            ActionResult::any(concat!($base, ".expires_at"), REQUEST, "when the access token ends");
        const TIMED_OUT: ActionResult<bool> = ActionResult::bool(
            concat!($base, ".session_timed_out"),
            REQUEST,
            "true if the session was unused for too long",
        );
        const TOO_OLD: ActionResult<bool> = ActionResult::bool(
            concat!($base, ".session_max_duration_reached"),
            REQUEST,
            "true if the session was too old",
        );
        const REFRESHED: ActionResult<bool> =
            ActionResult::bool(concat!($base, ".", $refreshed), REQUEST, "true if the provider was asked again");
        const ERROR_CODE: ActionResult<String> =
            ActionResult::text(concat!($base, ".error.code"), REQUEST, "ngrok's code of the fault");
        const ERROR_MESSAGE: ActionResult<String> =
            ActionResult::text(concat!($base, ".error.message"), REQUEST, "the fault in words");

        /// Sets the results that both actions have.
        fn set_results(run: &mut Run<'_>, identity: &Identity) {
            run.set_result(&ID, &*identity.id);
            run.set_result(&EMAIL, &*identity.email);
            run.set_result(&NAME, &*identity.name);
            run.set_result(&PROVIDER_USER_ID, &*identity.provider_user_id);
            run.set_result(&SESSION_ID, &*identity.session_id);
            run.set_result(&ACCESS_TOKEN, &*identity.access_token);
            run.set_result(&REFRESH_TOKEN, &*identity.refresh_token);
            run.set_result(&EXPIRES_AT, identity.expires_at.map_or(Value::Null, Value::Timestamp));
            run.set_result(&TIMED_OUT, identity.session_timed_out);
            run.set_result(&TOO_OLD, identity.session_max_duration_reached);
            run.set_result(&REFRESHED, identity.userinfo_refreshed);
            run.set_result(&ERROR_CODE, "");
            run.set_result(&ERROR_MESSAGE, "");
        }

        const RESULTS: &[vocabulary::Declared] = &[
            ID.declared(),
            EMAIL.declared(),
            NAME.declared(),
            PROVIDER_USER_ID.declared(),
            SESSION_ID.declared(),
            ACCESS_TOKEN.declared(),
            REFRESH_TOKEN.declared(),
            EXPIRES_AT.declared(),
            TIMED_OUT.declared(),
            TOO_OLD.declared(),
            REFRESHED.declared(),
            ERROR_CODE.declared(),
            ERROR_MESSAGE.declared(),
            $($more.declared(),)?
        ];
    };
}
pub(super) use login_results;

/// True for a request by which a browser asks whether it may send another one (Fetch, 2.2.2).
fn is_preflight(request: &RequestView<'_>) -> bool {
    request.method() == "OPTIONS"
        && ["origin", "access-control-request-method"].iter().all(|name| request.header(name).is_some())
}

impl Login {
    /// Asks who is logged in.
    ///
    /// # Errors
    /// If an expression has no value.
    pub(super) fn ask(&self, provider: LoginProvider, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        if self.allow_cors_preflight && run.request().is_some_and(|request| is_preflight(&request)) {
            return Ok(Next::GoOn);
        }
        let client = match &self.client {
            Some((id, secret)) => {
                Some((run.render(&id.template)?.into(), Secret::new(run.render(&secret.template)?)))
            }
            None => None,
        };
        let question = LoginQuestion {
            action: run.by,
            provider,
            auth_id: self.auth_id.as_ref().map(|id| id.value.clone()),
            client,
            scopes: self.scopes.iter().map(|scope| scope.value.clone()).collect(),
            authz_url_params: self
                .authz_url_params
                .iter()
                .map(|(name, value)| (name.value.clone(), value.value.clone()))
                .collect(),
            max_session: self.max_session,
            idle_session: self.idle_session,
            userinfo_refresh: self.userinfo_refresh,
            auth_cookie_domain: self.auth_cookie_domain.as_ref().map(|domain| domain.value.clone()),
        };
        Ok(run.ask(Effect::LogIn, Asked::Login(question.into())))
    }

    /// Who is logged in, or what comes next without anybody.
    ///
    /// # Errors
    /// If the login failed.
    pub(super) fn replied(
        &self,
        reply: Reply,
        run: &mut Run<'_>,
    ) -> Result<Result<Box<Identity>, Next>, Unrendered> {
        let Reply::Login(reply) = reply else { return Ok(Err(Next::End(Ending::Closed))) };
        Ok(match *reply {
            LoginReply::LoggedIn(identity) => Ok(identity),
            LoginReply::Answer(response) => Err(run.respond(*response)?),
            LoginReply::Failed(reason) => {
                return Err(Unrendered::unusable(format!("the login failed: {reason}")));
            }
        })
    }

    pub(super) fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(&format!(
            "{:?} {:?} {:?} {} {:?}",
            self.max_session,
            self.idle_session,
            self.userinfo_refresh,
            self.allow_cors_preflight,
            self.auth_id.iter().chain(&self.auth_cookie_domain).map(|it| &*it.value).collect::<Vec<_>>(),
        ));
        digest.number(self.client.iter().len() as u64);
        self.client.iter().flat_map(|(id, secret)| [id, secret]).for_each(|text| digest.template(text));
        digest.number(self.scopes.len() as u64);
        self.scopes.iter().for_each(|scope| digest.text(&scope.value));
        self.authz_url_params.iter().for_each(|(name, value)| {
            digest.text(&name.value);
            digest.text(&value.value);
        });
    }
}
