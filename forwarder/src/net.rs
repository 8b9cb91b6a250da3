//! The network, as edge and agent use it.
//!
//! In order: options of a `socket`, how connections are `accept`ed and how many of them one of the `sources` may have, the
//! `host` of a request and the `http_server`, the `proxy_protocol`, whom a client trusts ([`tls`]), connections that are
//! made ([`dial`]) and carried ([`relay`]).

pub(crate) mod accept;
pub mod dial;
pub(crate) mod host;
pub(crate) mod http_server;
pub mod proxy_protocol;
/// [`relay::relay`] carries bytes both ways until both ends have finished.
pub mod relay;
pub(crate) mod socket;
pub(crate) mod sources;
pub mod tls;
