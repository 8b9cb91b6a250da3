//! What `oauth` and `openid-connect` share: the application, the session, the cookie.
//!
//! Source: ngrok documentation, oauth and openid-connect (2026-08-07); rules after error codes 383–390.

use std::time::Duration;

use crate::reader::Fields;
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
            (Some(id), None) => return needs(("client_id", id.span), "client_secret", cx),
            (None, Some(secret)) => return needs(("client_secret", secret.span), "client_id", cx),
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

/// The results of a login, below a path; the last two names are spelt differently by the two actions.
macro_rules! login_results {
    ($base:literal, $session:literal, $refreshed:literal $(, $extra:literal: $doc:literal)*) => {
        &[
            $crate::vocabulary::Declared::new(concat!($base, ".identity.id"), "string", $crate::vocabulary::REQUEST, "the id of the user"),
            $crate::vocabulary::Declared::new(concat!($base, ".identity.email"), "string", $crate::vocabulary::REQUEST, "the user's e-mail address"),
            $crate::vocabulary::Declared::new(concat!($base, ".identity.name"), "string", $crate::vocabulary::REQUEST, "the user's name"),
            $crate::vocabulary::Declared::new(concat!($base, ".identity.provider_user_id"), "string", $crate::vocabulary::REQUEST, "the user's id at the provider"),
            $crate::vocabulary::Declared::new(concat!($base, ".identity.", $session), "string", $crate::vocabulary::REQUEST, "the id of the session"),
            $crate::vocabulary::Declared::new(concat!($base, ".access_token"), "string", $crate::vocabulary::REQUEST, "the provider's access token"),
            $crate::vocabulary::Declared::new(concat!($base, ".refresh_token"), "string", $crate::vocabulary::REQUEST, "the provider's refresh token"),
            $crate::vocabulary::Declared::new(concat!($base, ".expires_at"), "dyn", $crate::vocabulary::REQUEST, "when the access token ends"),
            $crate::vocabulary::Declared::new(concat!($base, ".session_timed_out"), "bool", $crate::vocabulary::REQUEST, "true if the session was unused for too long"),
            $crate::vocabulary::Declared::new(concat!($base, ".session_max_duration_reached"), "bool", $crate::vocabulary::REQUEST, "true if the session was too old"),
            $crate::vocabulary::Declared::new(concat!($base, ".", $refreshed), "bool", $crate::vocabulary::REQUEST, "true if the provider was asked again"),
            $($crate::vocabulary::Declared::new(concat!($base, ".", $extra), "string", $crate::vocabulary::REQUEST, $doc),)*
            $crate::vocabulary::Declared::new(concat!($base, ".error.code"), "string", $crate::vocabulary::REQUEST, "ngrok's code of the fault"),
            $crate::vocabulary::Declared::new(concat!($base, ".error.message"), "string", $crate::vocabulary::REQUEST, "the fault in words"),
        ]
    };
}
pub(super) use login_results;
