//! Regions: sources of which the same is proved.

use std::fmt;
use std::net::IpAddr;

use super::rules::Destination;
use super::witness::Witness;
use crate::exchange::ActionId;
use crate::lpm::RangeSet;
use crate::outcome::Outcome;

/// How a region reaches its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every connection does, whatever else is true of it.
    Proved,
    /// Those for which the condition is true.
    Conditional,
    /// Some may.
    Unknown(Unproved),
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unproved {
    /// The question takes more steps than it may, or its condition is too long.
    Budget,
    /// It depends on a part of a condition that is not looked into.
    Opaque,
    /// Its target is known for each connection only.
    OpenTarget,
}

/// Sources that reach a destination in the same way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Region {
    /// How they do.
    pub verdict: Verdict,
    /// The addresses.
    pub sources: RangeSet,
    /// The expression that is true exactly for the connections that reach it, but for what it says of targets in words;
    /// `None` where all do, or where that is not known.
    pub condition: Option<String>,
    /// The actions that forward there, of which one does.
    pub by: Vec<ActionId>,
    /// A connection that reaches it, decided by the engine; `None` where nothing is known.
    pub witness: Option<Witness>,
}

/// The engine decides about a witness otherwise than the proof says: a fault of ours.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Disagreement {
    /// The policy.
    pub policy: Box<str>,
    /// The connection.
    pub witness: Box<Witness>,
    /// The destination that the proof is about.
    pub destination: Destination,
    /// True if the proof says that the connection goes there.
    pub reaches: bool,
    /// What the engine says.
    pub outcome: Outcome,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { witness, destination, outcome, .. } = self;
        let (client, does) = (witness.client, if self.reaches { "reaches" } else { "does not reach" });
        write!(f, "the proof says that {client} {does} {destination}, the engine says {}", outcome.kind())
    }
}

impl std::error::Error for Disagreement {}

/// The first address of a set, IPv4 before IPv6.
pub(super) fn first(sources: &RangeSet) -> Option<IpAddr> {
    let v4 = sources.v4().as_slice().first().map(|(first, _)| IpAddr::V4((*first).into()));
    v4.or_else(|| sources.v6().as_slice().first().map(|(first, _)| IpAddr::V6((*first).into())))
}
