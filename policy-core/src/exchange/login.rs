//! Logins: who is to log in how, and who is logged in.

use std::fmt;
use std::time::Duration;

use super::{ActionId, Secret};
use crate::cel::Timestamp;
use crate::message::Response;

/// Where people log in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginProvider {
    /// A provider of OAuth by ngrok's name, such as `google`.
    OAuth(&'static str),
    /// A provider of OpenID Connect, by the URL of its issuer.
    OpenIdConnect(Box<str>),
}

/// A login that a policy asks for. The host keeps sessions, and answers requests below the paths of logins itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginQuestion {
    /// The action.
    pub action: ActionId,
    /// Where.
    pub provider: LoginProvider,
    /// Tells apart several logins on one endpoint.
    pub auth_id: Option<Box<str>>,
    /// Id and secret of the application; the provider's managed one, if there is none.
    pub client: Option<(Box<str>, Secret)>,
    /// What the application asks for.
    pub scopes: Vec<Box<str>>,
    /// Parameters of the login page.
    pub authz_url_params: Vec<(Box<str>, Box<str>)>,
    /// When a login ends.
    pub max_session: Option<Duration>,
    /// When an unused login ends.
    pub idle_session: Option<Duration>,
    /// How often the provider is asked again.
    pub userinfo_refresh: Option<Duration>,
    /// The domain of the cookie.
    pub auth_cookie_domain: Option<Box<str>>,
}

/// Who is logged in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The id of the user.
    pub id: String,
    /// The user's e-mail address.
    pub email: String,
    /// The user's name.
    pub name: String,
    /// The user's id at the provider.
    pub provider_user_id: String,
    /// The id of the session.
    pub session_id: String,
    /// The provider's access token.
    pub access_token: String,
    /// The provider's refresh token.
    pub refresh_token: String,
    /// The identity token, of OpenID Connect.
    pub identity_token: String,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// True if the session before was unused for too long.
    pub session_timed_out: bool,
    /// True if the session before was too old.
    pub session_max_duration_reached: bool,
    /// True if the provider was asked again.
    pub userinfo_refreshed: bool,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens are secrets.
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a host says of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginReply {
    /// Somebody is logged in.
    LoggedIn(Box<Identity>),
    /// Nobody is: the client is answered this, as a rule a redirect to the provider.
    Answer(Box<Response>),
    /// The login failed: why, in words.
    Failed(Box<str>),
}
