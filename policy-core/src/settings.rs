//! Declared fields of rules, agents and edges, as far as more than their own reader has to know them: what a file is told
//! by, and which values are for nobody's eyes.

pub(crate) mod agent;
mod certificate;
mod policy;
pub(crate) mod rule;
mod tls;
pub(crate) mod tunnel;

use std::fmt;

use crate::schema::Declared;

pub use agent::{AgentSettings, ConnectCas, ConsoleUi, LogFormat, LogLevel, UpdateChannel};
pub(crate) use certificate::CERTIFICATE_FILES;
pub use certificate::CertificateFiles;
pub(crate) use policy::{TRAFFIC_POLICY, TRAFFIC_POLICY_FILE};
pub use tls::AgentTls;
pub(crate) use tls::TLS;

/// The declared fields.
pub(crate) const FIELDS: &[Declared] =
    &[rule::FIELDS, agent::FIELDS, tunnel::FIELDS, &[&TLS, &certificate::TLS]];

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
