//! TLS of the agents' listener: the certificate that the edge shows, and whom an agent trusts.
//!
//! An edge shows a certificate it was given, or one that it makes under an authority of its own. That authority
//! is bound to the names of the edge (X.509 name constraints): whoever trusts it trusts it for nothing else.
//!
//! The provider of cryptography is always named, never taken from the process.

#[cfg(unix)]
mod authority;
pub mod client;
mod files;
#[cfg(unix)]
mod identity;
#[cfg(unix)]
mod issue;
mod unverified;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

#[cfg(unix)]
pub use authority::{AuthorityFile, rotate, show};
#[cfg(unix)]
pub use identity::AgentIdentity;
#[cfg(unix)]
pub use issue::fingerprint;
pub(crate) use unverified::unverified_config;

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
