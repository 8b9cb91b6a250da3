//! The entries behind an address test: which of them decided, answered only when somebody asks.

use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnetwork::IpNetwork;

use crate::source::Position;

/// An IP policy that a program names; [`Program::ip_policy`](crate::compile::Program::ip_policy) has its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPolicyId(NonZeroU16);

impl IpPolicyId {
    /// The number of the last of so many; `None` if there are more than are told apart.
    pub(crate) fn last_of(count: usize) -> Option<Self> {
        u16::try_from(count).ok().and_then(NonZeroU16::new).map(Self)
    }

    pub(crate) const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One entry of an allow or deny list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The network.
    pub network: IpNetwork,
    /// Where it stands in the policy; of an entry of an IP policy, where that is named.
    pub position: Position,
    /// The IP policy that it comes from.
    pub ip_policy: Option<IpPolicyId>,
}

impl Entry {
    pub(crate) const fn new(network: IpNetwork, position: Position) -> Self {
        Self { network, position, ip_policy: None }
    }

    pub(crate) const fn with_ip_policy(self, id: Option<IpPolicyId>) -> Self {
        Self { ip_policy: id, ..self }
    }
}

/// Entries of one list. INVARIANT: sorted by family, longest prefix first, then address; so the entries of
/// one prefix length are a run, and the first run that holds an address has the most specific entry.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    sorted: Vec<Entry>,
    /// Where each run of one family and prefix length ends.
    runs: Vec<usize>,
}

impl Entries {
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        let run = |entry: &Entry| (entry.network.is_ipv6(), std::cmp::Reverse(entry.network.prefix()));
        entries.sort_by_key(|entry| (run(entry), entry.network.ip(), entry.position));
        let mut runs: Vec<usize> = Vec::new();
        let mut previous = None;
        for (at, entry) in entries.iter().enumerate() {
            if previous.replace(run(entry)).is_some_and(|last| last != run(entry)) {
                runs.push(at);
            }
        }
        runs.push(entries.len());
        Self { sorted: entries, runs }
    }

    /// The most specific entry that holds an address; O(prefix lengths · log entries).
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<&Entry> {
        let address = address.to_canonical();
        let mut start = 0;
        for &end in &self.runs {
            let run = self.sorted.get(start..end).unwrap_or_default();
            start = end;
            // Networks of one length and family do not overlap: the last one that begins before the
            // address is the only candidate. The first of equal entries is the one that counts.
            let behind = run.partition_point(|entry| entry.network.ip() <= address);
            let Some(last) = behind.checked_sub(1).and_then(|at| run.get(at)) else { continue };
            if last.network.contains(address) {
                let first = run.partition_point(|entry| entry.network.ip() < last.network.ip());
                return run.get(first);
            }
        }
        None
    }

    /// All entries, in document order.
    #[must_use]
    pub fn in_document_order(&self) -> Vec<Entry> {
        let mut entries = self.sorted.clone();
        entries.sort_by_key(|entry| entry.position);
        entries
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

/// The lists of one `restrict-ips`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct AddressList {
    /// Permitted sources.
    pub allow: Entries,
    /// Refused sources; they win.
    pub deny: Entries,
    /// False for a dry run.
    pub enforce: bool,
}

/// Why a `restrict-ips` permits or refuses an address: the deciding list, its most specific entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'p> {
    /// An allow entry matched and no deny entry did.
    Allowed(&'p Entry),
    /// A deny entry matched.
    Denied(&'p Entry),
    /// No allow entry matched.
    NotAllowed,
}

/// One of the two lists of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    Allow,
    Deny,
}

impl ListKind {
    /// Its name in policies.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl AddressList {
    pub(crate) const fn new(allow: Entries, deny: Entries, enforce: bool) -> Self {
        Self { allow, deny, enforce }
    }

    /// What the lists say of an address.
    #[must_use]
    pub fn decide(&self, address: IpAddr) -> Decision<'_> {
        match (self.deny.find(address), self.allow.find(address)) {
            (Some(entry), _) => Decision::Denied(entry),
            (None, Some(entry)) => Decision::Allowed(entry),
            (None, None) => Decision::NotAllowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lpm::cidr;

    fn entries(texts: &[&str]) -> Entries {
        let entry = |(line, text): (u32, &&str)| {
            Entry::new(cidr(text).expect("a CIDR").network, Position { line, column: 1 })
        };
        Entries::new((1..).zip(texts).map(entry).collect())
    }

    #[test]
    fn the_most_specific_entry_is_found_and_the_first_of_equals() {
        let list = entries(&["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16", "::/0"]);
        let line = |ip: &str| list.find(ip.parse().expect("an address")).map(|entry| entry.position.line);
        assert_eq!(line("10.1.2.3"), Some(3));
        assert_eq!(line("10.2.2.3"), Some(2));
        assert_eq!(line("::ffff:9.9.9.9"), Some(1));
        assert_eq!(line("2001:db8::1"), Some(5));
        assert_eq!(entries(&[]).find("1.1.1.1".parse().expect("an address")), None);
    }
}
