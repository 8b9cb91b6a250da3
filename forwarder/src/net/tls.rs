//! TLS: whom a client trusts, and the one provider of cryptography.
//!
//! The provider of cryptography is always named, never taken from the process.

pub mod client;
pub(crate) mod files;
mod unverified;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub(crate) use unverified::unverified_config;

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
