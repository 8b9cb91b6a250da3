//! Settings of agents and edges, as far as more than their own file has to know them: which are declared, and which
//! have values that are for nobody's eyes.

pub(crate) mod agent;
mod tls;

use std::fmt;

use crate::schema::Declared;

pub use agent::{AgentSettings, ConnectCas, ConsoleUi, LogFormat, LogLevel, UpdateChannel};
pub use tls::AgentTls;
pub(crate) use tls::TLS;

/// The declared fields.
pub(crate) const FIELDS: &[Declared] = &[agent::FIELDS, &[&TLS]];

/// The path of a private key in the configuration of an edge, where some paste the key itself.
pub(crate) const PRIVATE_KEY: &str = "private_key";

/// Secret keys that no declaration has: those of tunnels of version 2, and of edges.
pub(crate) const SECRET_KEYS: &[&str] =
    &["basic_auth", "key", "request_header", "response_header", PRIVATE_KEY];

/// Something that must not be shown; its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
