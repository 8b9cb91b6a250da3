//! Shares of the connections that may be open: no source, endpoint or authtoken takes all.
//!
//! A connection beyond a share is closed at once, since it would wait for its own kind. Only where all places are taken
//! does one wait, and the accept loop with it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policy_core::edge::endpoint_share;

use crate::base::log::{Line, Repeats};
use crate::control::identity::CredentialId;
use crate::edge::generation::{Generation, ListenerKey};
use crate::net::sources::network;

/// How often the log tells that connections wait or are refused.
pub(super) const LOG_INTERVAL: Duration = Duration::from_secs(10);

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
    table: Mutex<HashMap<Key, usize>>,
    refused: Repeats<()>,
    waiting: Repeats<()>,
}

/// What connections are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Source(IpAddr),
    Holder(Holder),
    Both(Holder, IpAddr),
}

/// The place of one connection, given back with the value.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    keys: [Key; 3],
}

/// Who has all it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    Source(IpAddr, usize),
    SourceHere(IpAddr, usize),
    Endpoint(Box<str>, usize),
    Authtoken(CredentialId, usize),
    /// The endpoint is not in the configuration any more.
    Removed,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source, max) | Self::SourceHere(source, max) => {
                let bits = if source.is_ipv6() { "/64" } else { "" };
                let here = if matches!(self, Self::SourceHere(..)) { " at this endpoint" } else { "" };
                write!(
                    f,
                    "source {source}{bits} has {max} open connections{here}, the most for one source \
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
            Self::Removed => f.write_str(super::open::REMOVED),
        }
    }
}

impl Shares {
    pub(super) fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self {
            connections,
            table: Mutex::default(),
            refused: Repeats::new(LOG_INTERVAL),
            waiting: Repeats::new(LOG_INTERVAL),
        })
    }

    /// How many connections an endpoint, or an authtoken, has open.
    pub(super) fn open(&self, holder: Holder) -> usize {
        self.table().get(&Key::Holder(holder)).copied().unwrap_or(0)
    }

    /// How many connections may be open.
    pub(super) const fn connections(&self) -> usize {
        self.connections
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        // No code panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, by the shares that a configuration gives.
    pub(super) fn try_acquire(
        self: &Arc<Self>,
        generation: &Generation,
        holder: &Holder,
        source: IpAddr,
    ) -> Result<Share, Beyond> {
        let source = network(source);
        let of_source = generation.config.limits.source_share(self.connections);
        let (max, beyond) = self.limit_for(generation, holder)?;
        let shares = [
            (Key::Source(source), of_source.all, Beyond::Source(source, of_source.all)),
            (
                Key::Both(holder.clone(), source),
                of_source.endpoint,
                Beyond::SourceHere(source, of_source.endpoint),
            ),
            (Key::Holder(holder.clone()), max, beyond),
        ];
        let mut table = self.table();
        for (key, max, beyond) in shares {
            if table.get(&key).copied().unwrap_or(0) >= self.beside_others(max) {
                return Err(beyond);
            }
        }
        let keys = [Key::Both(holder.clone(), source), Key::Source(source), Key::Holder(holder.clone())];
        keys.iter().for_each(|key| *table.entry(key.clone()).or_default() += 1);
        drop(table);
        Ok(Share { shares: Arc::clone(self), keys })
    }

    /// How many connections an endpoint, or an authtoken, may have open.
    fn limit_for(&self, generation: &Generation, holder: &Holder) -> Result<(usize, Beyond), Beyond> {
        match holder {
            Holder::Endpoint(listener) => {
                let config = &generation.config;
                let endpoint = generation.at_listener(listener).and_then(|at| config.endpoints.get(at));
                let endpoint = endpoint.ok_or(Beyond::Removed)?;
                let given = endpoint.max_connections.as_ref().map(|given| given.value);
                let others = config.endpoints.len() > 1 || config.public_tcp_ports.is_some();
                let max = endpoint_share(given, self.connections, others);
                Ok((max, Beyond::Endpoint(endpoint.name.value.clone(), max)))
            }
            Holder::Authtoken(credential) => {
                let max = endpoint_share(None, self.connections, true);
                Ok((max, Beyond::Authtoken(*credential, max)))
            }
        }
    }

    /// Who may have all waits like everybody.
    const fn beside_others(&self, max: usize) -> usize {
        if max >= self.connections { usize::MAX } else { max }
    }

    /// True if it is time to tell that connections are refused.
    pub(super) fn is_time_to_log_refused(&self) -> bool {
        matches!(self.refused.line(&(), Instant::now()), Line::Write(_))
    }

    /// True if it is time to tell that connections wait, however many are refused.
    pub(super) fn is_time_to_log_waiting(&self) -> bool {
        matches!(self.waiting.line(&(), Instant::now()), Line::Write(_))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.shares.table();
        for key in &self.keys {
            if let Some(open) = table.get_mut(key) {
                *open = open.saturating_sub(1);
                if *open == 0 {
                    table.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::edge::generation::load;

    /// Endpoints `a`, with five connections, and `b`, at ports that are never bound.
    fn config(limits: &str) -> Generation {
        let deny = "traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}";
        let text = format!(
            "version: 1\nendpoints:\n  - {{name: a, url: \"tcp://e:1\", max_connections: 5, {deny}}}\n  \
             - {{name: b, url: \"tcp://e:2\", {deny}}}\nlimits: {{{limits}}}\n"
        );
        load(Path::new("edge.yml"), &|_| Ok(text.clone().into())).expect("fine").0
    }

    fn holders(generation: &Generation) -> [Holder; 3] {
        let endpoint =
            |at: usize| Holder::Endpoint(ListenerKey::from_endpoint(&generation.config.endpoints[at]));
        let token = "cr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id");
        [endpoint(0), endpoint(1), Holder::Authtoken(token)]
    }

    fn source(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    /// Fills a place after the other until there is no more; how many, and why not.
    fn fill(
        (shares, config): (&Arc<Shares>, &Generation),
        open: &mut Vec<(Holder, Share)>,
        holder: &Holder,
        of: u8,
    ) -> (usize, Beyond) {
        let before = open.len();
        loop {
            match shares.try_acquire(config, holder, source(of)) {
                Ok(share) => open.push((holder.clone(), share)),
                Err(beyond) => return (open.len() - before, beyond),
            }
        }
    }

    #[test]
    fn nobody_takes_all() {
        let config = config("");
        let (shares, [a, b, token]) = (Shares::new(200), holders(&config));
        let (mut open, of) = (Vec::new(), (&shares, &config));
        // Five for `a`, a quarter of all for one source at `b`, half in all, and half for `b` and for the authtoken.
        assert_eq!(fill(of, &mut open, &a, 1), (5, Beyond::Endpoint("a".into(), 5)));
        assert_eq!(fill(of, &mut open, &b, 1), (50, Beyond::SourceHere(source(1), 50)));
        assert_eq!(fill(of, &mut open, &token, 1), (45, Beyond::Source(source(1), 100)));
        assert_eq!(fill(of, &mut open, &b, 2), (50, Beyond::SourceHere(source(2), 50)));
        assert_eq!(fill(of, &mut open, &b, 3).1, Beyond::Endpoint("b".into(), 100));
        assert_eq!(fill(of, &mut open, &token, 2).0, 50, "there is room for others");
        assert!(matches!(fill(of, &mut open, &token, 3), (5, Beyond::Authtoken(_, 100))));
        let (_, refused) = fill(of, &mut open, &a, 6);
        assert_eq!(
            refused.to_string(),
            "endpoint `a` has 5 open connections, the most it may have (its `max_connections`)"
        );
        open.retain(|(holder, _)| *holder != a);
        assert!(shares.try_acquire(&config, &a, source(7)).is_ok(), "given back");
        open.clear();
        assert!(shares.table().is_empty(), "who is gone takes no memory");
    }

    #[test]
    fn a_share_of_all_is_no_share() {
        let all = config("max_connections: 6, max_connections_per_source: 6");
        let (shares, [_, b, _]) = (Shares::new(6), holders(&all));
        let open: Vec<_> =
            std::iter::repeat_with(|| shares.try_acquire(&all, &b, source(1))).take(3).collect();
        assert!(open.iter().all(Result::is_ok));
        assert!(matches!(shares.try_acquire(&all, &b, source(1)), Err(Beyond::Endpoint(_, 3))));
        // One slot is nobody's share: who finds it taken waits.
        let (shares, one) = (Shares::new(1), config(""));
        let open: Vec<_> =
            std::iter::repeat_with(|| shares.try_acquire(&one, &b, source(1))).take(3).collect();
        assert!(open.iter().all(Result::is_ok));
    }

    #[test]
    fn that_connections_wait_is_told_beside_refusals() {
        let shares = Shares::new(1);
        assert!(shares.is_time_to_log_refused() && shares.is_time_to_log_waiting());
        assert!(!shares.is_time_to_log_refused() && !shares.is_time_to_log_waiting());
    }

    #[test]
    fn a_refusal_names_who_has_all_it_may_have() {
        let text = Beyond::Source("2001:db8::".parse().expect("an address"), 7).to_string();
        assert!(text.starts_with("source 2001:db8::/64 has 7 open connections"), "{text}");
        assert!(text.contains("`limits.max_connections_per_source`"), "{text}");
    }
}
