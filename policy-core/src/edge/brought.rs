//! What an edge lets agents bring online: the rules, for the edge itself and for whoever asks what an edge would do.

use std::fmt;
use std::ops::RangeInclusive;

use super::EdgeConfig;
use crate::url::{Binding, EndpointUrl, Scheme};

/// The public addresses that agents may have at an edge.
///
/// ```
/// use policy_core::{edge::PublicAddresses, url::EndpointUrl};
/// let addresses = PublicAddresses { name: "edge.example.com".into(), ports: 20_000..=20_999 };
/// let has = |url| addresses.has(&EndpointUrl::parse(url).expect("a URL"));
/// assert!(has("tcp://edge.example.com:20022"));
/// assert!(!has("tcp://edge.example.com:22") && !has("tcp://other.example.com:20022"));
/// assert_eq!(addresses.to_string(), "edge.example.com, ports 20000 to 20999");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddresses {
    /// The name of the edge, their host.
    pub name: Box<str>,
    /// Their ports.
    pub ports: RangeInclusive<u16>,
}

impl PublicAddresses {
    /// Those of a configuration; `None` if agents bring internal endpoints only.
    #[must_use]
    pub fn from_config(config: &EdgeConfig) -> Option<Self> {
        let name = config.agents.as_ref()?.names.first()?.clone();
        Some(Self { name, ports: config.public_tcp_ports.clone()? })
    }

    /// True if a URL is one of them.
    #[must_use]
    pub fn has(&self, url: &EndpointUrl) -> bool {
        url.host() == &*self.name && url.port().is_some_and(|port| self.ports.contains(&port))
    }
}

impl fmt::Display for PublicAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ports {} to {}", self.name, self.ports.start(), self.ports.end())
    }
}

/// A protocol whose endpoints an edge does not serve.
///
/// ```
/// use policy_core::{edge::NotServed, url::Scheme};
/// assert_eq!(NotServed::check(Scheme::Tcp), Ok(()));
/// let refused = NotServed::check(Scheme::Https).expect_err("not yet");
/// assert_eq!(refused.to_string(), "an edge serves tcp endpoints, not yet https");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotServed(Scheme);

impl NotServed {
    /// Whether an edge serves endpoints of a protocol, public or internal.
    ///
    /// # Errors
    /// It does not.
    pub const fn check(scheme: Scheme) -> Result<(), Self> {
        match scheme {
            Scheme::Tcp => Ok(()),
            Scheme::Http | Scheme::Https | Scheme::Tls => Err(Self(scheme)),
        }
    }
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an edge serves tcp endpoints, not yet {}", self.0.name())
    }
}

impl std::error::Error for NotServed {}

/// How an endpoint takes its URL: two endpoints share one only if both allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it can be reached from.
    pub binding: Binding,
    /// True if endpoints with the same URL share its traffic.
    pub pooling: bool,
}

/// Why an endpoint cannot have a URL that another one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// Not both allow pooling.
    NotPooled,
    /// They have different bindings.
    Binding,
    /// Both are public, and one of them listens.
    Public,
}

impl Claim {
    /// Whether an endpoint may come online beside one that has its URL.
    ///
    /// # Errors
    /// Why it may not.
    pub fn beside(self, other: Self) -> Result<(), Taken> {
        match (self.binding, other.binding) {
            (one, other) if one != other => Err(Taken::Binding),
            (Binding::Internal, _) if self.pooling && other.pooling => Ok(()),
            (Binding::Internal, _) => Err(Taken::NotPooled),
            (Binding::Public | Binding::Kubernetes, _) => Err(Taken::Public),
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPooled => "another endpoint has this URL, and not both allow pooling",
            Self::Binding => "another endpoint has this URL, with another binding",
            Self::Public => "another endpoint has this URL, and public endpoints of an edge share none",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shared_by_internal_endpoints_that_both_allow_it() {
        for (one, other, expected) in [
            ((Binding::Internal, true), (Binding::Internal, true), Ok(())),
            ((Binding::Internal, true), (Binding::Internal, false), Err(Taken::NotPooled)),
            ((Binding::Internal, false), (Binding::Internal, false), Err(Taken::NotPooled)),
            ((Binding::Public, true), (Binding::Public, true), Err(Taken::Public)),
            ((Binding::Public, true), (Binding::Internal, true), Err(Taken::Binding)),
        ] {
            let claim = |(binding, pooling)| Claim { binding, pooling };
            assert_eq!(claim(one).beside(claim(other)), expected, "{one:?} {other:?}");
            assert_eq!(claim(other).beside(claim(one)), expected, "{other:?} {one:?}");
        }
    }
}
