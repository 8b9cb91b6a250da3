//! Shares of the connections that may be open: no source, endpoint or authtoken takes all.
//!
//! A connection beyond a share is closed at once, since it would wait for its own kind. Only where all places are taken
//! does one wait, and the accept loop with it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policy_core::edge::{EdgeConfig, endpoint_share};

use super::{ListenerKey, key};
use crate::identity::{CredentialId, network};
use crate::sources::{self, Sources};

/// How often the log tells that connections wait or are refused.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Who connections are counted for, beside their source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// An endpoint of the configuration.
    Endpoint(ListenerKey),
    /// All public endpoints that agents have with one authtoken.
    Authtoken(CredentialId),
}

/// The shares of an edge, and who holds how much.
#[derive(Debug)]
pub(crate) struct Shares {
    /// How many connections may be open.
    connections: usize,
    sources: Arc<Sources>,
    holders: Mutex<HashMap<Holder, usize>>,
    told: Mutex<Option<Instant>>,
}

/// The place of one connection, given back with the value.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    holder: Holder,
    _source: sources::Place,
}

/// Who has all it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    Source(IpAddr, usize),
    Endpoint(Box<str>, usize),
    Authtoken(CredentialId, usize),
    /// The endpoint is not in the configuration any more.
    Removed,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source, max) => {
                let bits = if source.is_ipv6() { "/64" } else { "" };
                write!(
                    f,
                    "source {source}{bits} has {max} open connections, the most for one source \
                     (`limits.max_connections_per_source`)"
                )
            }
            Self::Endpoint(name, max) => write!(
                f,
                "endpoint `{name}` has {max} open connections, the most it may have (its `max_connections`)"
            ),
            Self::Authtoken(credential, max) => write!(
                f,
                "the public endpoints of authtoken {credential} have {max} open connections, the most for one \
                 authtoken (half of `limits.max_connections`)"
            ),
            Self::Removed => f.write_str(super::registry::REMOVED),
        }
    }
}

impl Shares {
    pub(super) fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self {
            connections,
            // The number comes with each connection, as a reload may change it.
            sources: Sources::new(usize::MAX),
            holders: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// How many connections may be open.
    pub(super) const fn connections(&self) -> usize {
        self.connections
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        // No code panics while it holds the lock.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, by the shares that a configuration gives.
    pub(super) fn admit(
        self: &Arc<Self>,
        config: &EdgeConfig,
        holder: &Holder,
        source: IpAddr,
    ) -> Result<Share, Beyond> {
        let of_source = config.limits.source_share(self.connections);
        let place = self.sources.admit_within(source, self.beside_others(of_source));
        let place = place.ok_or_else(|| Beyond::Source(network(source), of_source))?;
        let (max, beyond) = match holder {
            Holder::Endpoint(listener) => {
                let endpoint = config.endpoints.iter().find(|endpoint| key(endpoint) == *listener);
                let endpoint = endpoint.ok_or(Beyond::Removed)?;
                let given = endpoint.max_connections.as_ref().map(|given| given.value);
                let others = config.endpoints.len() > 1 || config.public_tcp_ports.is_some();
                let max = endpoint_share(given, self.connections, others);
                (max, Beyond::Endpoint(endpoint.name.value.clone(), max))
            }
            Holder::Authtoken(credential) => {
                let max = endpoint_share(None, self.connections, true);
                (max, Beyond::Authtoken(*credential, max))
            }
        };
        let mut holders = self.holders();
        let held = holders.get(holder).copied().unwrap_or(0);
        if held >= self.beside_others(max) {
            return Err(beyond);
        }
        holders.insert(holder.clone(), held + 1);
        drop(holders);
        Ok(Share { shares: Arc::clone(self), holder: holder.clone(), _source: place })
    }

    /// Who may have all waits like everybody.
    const fn beside_others(&self, max: usize) -> usize {
        if max >= self.connections { usize::MAX } else { max }
    }

    /// True if it is time to tell that connections wait or are refused.
    pub(super) fn is_time_to_tell(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = told.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if is_time {
            *told = Some(Instant::now());
        }
        is_time
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut holders = self.shares.holders();
        if let Some(held) = holders.get_mut(&self.holder) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                holders.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::generation::load;

    /// Endpoints `a`, with five connections, and `b`, at ports that are never bound.
    fn config(limits: &str) -> EdgeConfig {
        let deny = "traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}";
        let text = format!(
            "version: 1\nendpoints:\n  - {{name: a, url: \"tcp://e:1\", max_connections: 5, {deny}}}\n  \
             - {{name: b, url: \"tcp://e:2\", {deny}}}\nlimits: {{{limits}}}\n"
        );
        load(Path::new("edge.yml"), &|_| Ok(text.clone().into())).expect("fine").0.config
    }

    fn holders(config: &EdgeConfig) -> [Holder; 3] {
        let endpoint = |at: usize| Holder::Endpoint(key(&config.endpoints[at]));
        let token = "cr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id");
        [endpoint(0), endpoint(1), Holder::Authtoken(token)]
    }

    fn source(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    #[test]
    fn nobody_takes_all() {
        let config = config("");
        let (shares, [a, b, token]) = (Shares::new(16), holders(&config));
        let mut open = Vec::new();
        let mut fill = |holder: &Holder, of: u8| loop {
            match shares.admit(&config, holder, source(of)) {
                Ok(share) => open.push((holder.clone(), share)),
                Err(beyond) => return beyond,
            }
        };
        // A quarter for one source, five for `a`, half for `b` and for the authtoken.
        assert_eq!(fill(&a, 1), Beyond::Source(source(1), 4));
        assert_eq!(fill(&b, 1), Beyond::Source(source(1), 4), "wherever it comes in");
        assert_eq!(fill(&a, 2), Beyond::Endpoint("a".into(), 5));
        assert_eq!(fill(&b, 2), Beyond::Source(source(2), 4));
        for of in 3..5 {
            fill(&token, of);
        }
        assert!(matches!(fill(&token, 5), Beyond::Authtoken(_, 8)));
        assert_eq!(fill(&b, 5), Beyond::Source(source(5), 4), "another source is served beside them");
        let refused = fill(&a, 6).to_string();
        assert_eq!(
            refused,
            "endpoint `a` has 5 open connections, the most it may have (its `max_connections`)"
        );
        open.retain(|(holder, _)| *holder != a);
        assert!(shares.admit(&config, &a, source(1)).is_ok(), "given back");
        open.clear();
        assert!(shares.holders().is_empty(), "who is gone takes no memory");
        assert_eq!(shares.sources.len(), 0);
    }

    #[test]
    fn a_share_of_all_is_no_share() {
        let all = config("max_connections: 6, max_connections_per_source: 6");
        let (shares, [_, b, _]) = (Shares::new(6), holders(&all));
        let open: Vec<_> = std::iter::repeat_with(|| shares.admit(&all, &b, source(1))).take(3).collect();
        assert!(open.iter().all(Result::is_ok));
        assert!(matches!(shares.admit(&all, &b, source(1)), Err(Beyond::Endpoint(_, 3))));
        // One slot is nobody's share: who finds it taken waits.
        let (shares, one) = (Shares::new(1), config(""));
        let open: Vec<_> = std::iter::repeat_with(|| shares.admit(&one, &b, source(1))).take(3).collect();
        assert!(open.iter().all(Result::is_ok));
    }

    #[test]
    fn a_refusal_names_who_has_all_it_may_have() {
        let text = Beyond::Source("2001:db8::".parse().expect("an address"), 7).to_string();
        assert!(text.starts_with("source 2001:db8::/64 has 7 open connections"), "{text}");
        assert!(text.contains("`limits.max_connections_per_source`"), "{text}");
    }
}
