//! The network, as edge and agent use it.
//!
//! In order: options of a `socket`, how one is had that can `listen` and how connections are `accept`ed, how many of them
//! one of the `sources` may have and how often it may fail (`limit`), the `host` of a request and the `http_server`, the
//! `proxy_protocol`, certificates and trust ([`tls`]), connections that are made ([`dial`]) and carried ([`relay`]).

pub(crate) mod accept;
pub mod dial;
pub(crate) mod host;
pub(crate) mod http_server;
#[cfg(unix)]
pub(crate) mod limit;
#[cfg(unix)]
pub(crate) mod listen;
pub mod proxy_protocol;
pub mod relay;
pub(crate) mod socket;
pub(crate) mod sources;
pub mod tls;
