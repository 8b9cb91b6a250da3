//! The gates of a phase's rules, side by side.

use super::RuleCode;
use crate::cel::{Gate, GateFact, Host};

/// Facts that gates may look at; rules whose gates look at others have none.
const MAX_FACTS: usize = 8;

/// For each rule the interval in which a fact must be; see [`Gate`].
#[derive(Debug)]
pub(super) struct Gates {
    /// The facts of which the gates are, most of them first.
    facts: Box<[GateFact]>,
    /// By rule.
    intervals: Box<[Interval]>,
}

/// An interval of keys of one of the facts.
#[derive(Clone, Copy, Debug)]
struct Interval {
    least: i64,
    greatest: i64,
    /// Which fact; [`MAX_FACTS`] for a rule without a gate.
    fact: u8,
}

/// What the facts are now; nothing for a fact that is missing or of another type, and for rules without a gate.
pub(super) type Keys = [Option<i64>; MAX_FACTS + 1];

impl Gates {
    /// The gates of rules. O(parts of their conditions).
    pub(super) fn new(rules: &[RuleCode<'_>]) -> Self {
        let gates: Vec<Option<Gate>> = rules.iter().map(gate_of).collect();
        let mut counts: Vec<(GateFact, usize)> = Vec::new();
        for gate in gates.iter().flatten() {
            match counts.iter_mut().find(|(fact, _)| *fact == gate.fact) {
                Some((_, count)) => *count += 1,
                None => counts.push((gate.fact, 1)),
            }
        }
        // In order of their numbers, and of the rules where these are equal.
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let facts: Box<[GateFact]> = counts.iter().map(|(fact, _)| *fact).take(MAX_FACTS).collect();
        let interval = |gate: &Option<Gate>| {
            let told = gate.and_then(|gate| Some((gate, facts.iter().position(|fact| *fact == gate.fact)?)));
            let (least, greatest, fact) = match told {
                Some((gate, fact)) => (gate.least, gate.greatest, fact),
                None => (i64::MIN, i64::MAX, MAX_FACTS),
            };
            // INVARIANT: no more facts than `MAX_FACTS`.
            Interval { least, greatest, fact: u8::try_from(fact).unwrap_or(u8::MAX) }
        };
        Self { intervals: gates.iter().map(interval).collect(), facts }
    }

    /// What the facts are now.
    #[inline]
    pub(super) fn keys<H: Host>(&self, host: &H) -> Keys {
        let mut keys = Keys::default();
        for (key, fact) in keys.iter_mut().zip(&self.facts) {
            *key = fact.key(host);
        }
        keys
    }

    /// False if a rule cannot apply.
    #[inline]
    pub(super) fn admit(&self, rule: usize, keys: &Keys) -> bool {
        let Some(interval) = self.intervals.get(rule) else { return true };
        match keys.get(usize::from(interval.fact)) {
            Some(Some(key)) => interval.least <= *key && *key <= interval.greatest,
            _ => true,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.facts) + size_of_val(&*self.intervals)
    }
}

/// The narrowest gate of a rule's conditions. Those behind one that draws random numbers have none: it draws in any
/// case.
fn gate_of(rule: &RuleCode<'_>) -> Option<Gate> {
    let mut gate: Option<Gate> = None;
    for condition in rule.conditions {
        gate = match (gate, condition.test.gate()) {
            (Some(one), Some(other)) => Some(one.narrower(other)),
            (one, other) => one.or(other),
        };
        if condition.test.draws() {
            break;
        }
    }
    gate
}
