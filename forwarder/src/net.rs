//! The network, as edge and agent use it.
//!
//! In order: options of a `socket`, the `host` of a request, how many connections one of the `sources` may have and how
//! often it may fail (`limit`), the `proxy_protocol`, certificates and trust ([`tls`]), connections that are made
//! ([`dial`]) and carried ([`relay`]).

pub mod dial;
pub(crate) mod host;
#[cfg(unix)]
pub(crate) mod limit;
pub mod proxy_protocol;
pub mod relay;
pub(crate) mod socket;
#[cfg(unix)]
pub(crate) mod sources;
pub mod tls;
