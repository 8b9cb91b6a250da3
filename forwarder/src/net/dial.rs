//! Reaches a service: directly, or through a proxy.
//!
//! Names are looked up by the system or by given resolvers, and behind a proxy by the proxy. One deadline bounds all of
//! it. What a proxy is told as a password is in no message and no `Debug`.
//!
//! In order: a [`Connection`] and its errors (`connection`), the URL of a proxy and the one of the `environment`, when to come
//! `later`, why TLS failed (`fault`), how a proxy is asked (`http`, `socks`), `names` that are looked up, the `race` of
//! addresses, and the `dialer`.

mod connection;
mod dialer;
mod environment;
pub(crate) mod fault;
mod http;
mod later;
mod names;
mod proxy;
pub(crate) mod race;
mod socks;

pub use connection::Connection;
pub use dialer::Dialer;
pub use environment::{EnvironmentError, proxy_of_environment};
pub use later::retry_after;
pub use proxy::{ProxyScheme, ProxyUrl, ProxyUrlError};

#[cfg(test)]
mod tests;
