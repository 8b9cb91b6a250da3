//! IP policies as `restrict-ips` refers to them: networks by id, however their files are written.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use crate::diagnostic::did_you_mean;
use crate::digest::{Digest, Hasher};
use crate::lpm::RangeSet;

/// One IP policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpPolicy {
    /// Its id, `ipp_…`.
    pub id: Box<str>,
    /// Networks of its rules and list files that allow.
    pub allow: Vec<IpNetwork>,
    /// Networks of its rules and list files that deny.
    pub deny: Vec<IpNetwork>,
}

impl IpPolicy {
    /// The digest of whom it allows and denies, however its lists are written. O(networks · log networks).
    pub(crate) fn sha256(&self) -> Digest {
        let mut hasher = Hasher::new("ip policy");
        for networks in [&self.allow, &self.deny] {
            let set = RangeSet::from_networks(networks.iter().copied());
            let (v4, v6) = (set.v4().as_slice(), set.v6().as_slice());
            hasher.number(v4.len() as u64);
            v4.iter().flat_map(|(first, last)| [first, last]).for_each(|it| hasher.bytes(&it.to_be_bytes()));
            hasher.number(v6.len() as u64);
            v6.iter().flat_map(|(first, last)| [first, last]).for_each(|it| hasher.bytes(&it.to_be_bytes()));
        }
        hasher.finish()
    }

    /// Adds networks; true if one is allowed.
    pub(crate) fn take(&mut self, networks: impl Iterator<Item = (IpNetwork, bool)>) {
        for (network, allow) in networks {
            let list = if allow { &mut self.allow } else { &mut self.deny };
            list.push(network);
        }
    }
}

/// IP policies by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpPolicies {
    policies: BTreeMap<Box<str>, IpPolicy>,
    /// True if there are more that could not be loaded.
    incomplete: bool,
}

impl IpPolicies {
    /// The policy of an id. O(log policies).
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&IpPolicy> {
        self.policies.get(id)
    }

    /// The policy of an id, to add networks to it. O(log policies).
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut IpPolicy> {
        self.policies.get_mut(id)
    }

    /// Adds a policy; of an id that is given twice the first stays.
    pub(crate) fn add(&mut self, policy: IpPolicy) {
        self.policies.entry(policy.id.clone()).or_insert(policy);
    }

    /// All of them, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &IpPolicy> {
        self.policies.values()
    }

    /// True if there are more than these, which could not be loaded: an unknown id may be one of them.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Notes that there are more, which could not be loaded.
    pub(crate) const fn lack(&mut self) {
        self.incomplete = true;
    }

    /// Adds those of another file; `known` are the ids of all files before it. An id that is given twice is returned,
    /// and stands for nothing.
    pub(crate) fn merge(&mut self, more: Self, known: &mut BTreeSet<Box<str>>) -> Vec<Box<str>> {
        let mut twice = Vec::new();
        for (id, policy) in more.policies {
            if known.insert(id.clone()) {
                self.policies.insert(id, policy);
            } else {
                self.policies.remove(&id);
                twice.push(id);
            }
        }
        twice
    }

    /// The networks of all of them.
    pub(crate) fn networks(&self) -> usize {
        self.policies.values().map(|policy| policy.allow.len() + policy.deny.len()).sum()
    }

    pub(crate) fn nearest(&self, id: &str) -> Option<&str> {
        // Comparing with every one would take long for many.
        did_you_mean(id, self.policies.keys().map(|id| &**id).take(200))
    }
}

/// True for the id of an IP policy.
pub(crate) fn is_id(text: &str) -> bool {
    text.starts_with("ipp_")
}
