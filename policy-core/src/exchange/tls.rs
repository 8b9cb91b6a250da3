//! TLS that a policy ends at the endpoint: how, and what came of it.

use super::Secret;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// What is asked of clients, if there are authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientVerification {
    /// A certificate of one of the authorities.
    RequireAndVerify,
    /// Any certificate.
    RequireAny,
    /// A certificate, which need not come.
    Request,
}

/// How TLS is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSettings {
    /// The oldest version.
    pub min_version: TlsVersion,
    /// The newest version.
    pub max_version: TlsVersion,
    /// Key and certificate in PEM; the endpoint's own, if there are none.
    pub server: Option<(Secret, Box<str>)>,
    /// Authorities of clients: certificates in PEM, or ids.
    pub authorities: Vec<Box<str>>,
    /// What is asked of clients.
    pub verification: ClientVerification,
}
