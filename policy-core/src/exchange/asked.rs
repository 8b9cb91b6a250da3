//! What an effect is about, beyond its kind.

use std::sync::Arc;

use super::{Circuit, Inspection, LoginQuestion, Outbound, RateLimit, TlsSettings};

/// What a host needs to know to perform the open effect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Asked {
    /// A request is to be counted.
    Rate {
        /// Its limit.
        limit: RateLimit,
        /// The client's combination of values as one text: each has a count of its own.
        key: Box<str>,
    },
    /// Whether a request may pass.
    Circuit(Circuit),
    /// A secret.
    Secret {
        /// Its vault.
        vault: Arc<str>,
        /// Its name there.
        name: Arc<str>,
    },
    /// A set of keys (RFC 7517, 5) at a URL.
    KeySet(Box<str>),
    /// A request that is to be sent.
    Outbound(Box<Outbound>),
    /// A login.
    Login(Box<LoginQuestion>),
    /// An inspection.
    Inspection(Inspection),
    /// The end of TLS.
    Tls(Box<TlsSettings>),
}
