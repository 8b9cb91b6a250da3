//! The gates of a phase's rules, side by side and small: a policy of thousands of rules is passed over at the speed of
//! memory, and the caches are cold when a connection comes.

use super::RuleCode;
use crate::cel::{Gate, GateFact, Host};

/// Facts that gates may look at; rules whose gates look at others have none.
const MAX_FACTS: usize = 8;
/// The scale of rules without a gate: there is none of that number.
const NO_SCALE: u16 = 8;

/// For each rule the interval in which a fact must be; see [`Gate`].
#[derive(Debug)]
pub(super) struct Gates {
    facts: Box<[Scale]>,
    /// By rule.
    intervals: Box<[Interval]>,
}

/// A fact and the keys at which intervals begin or end, in order.
#[derive(Debug)]
struct Scale {
    fact: GateFact,
    cuts: Box<[i64]>,
}

/// An interval of places on a scale, the last one left out.
#[derive(Clone, Copy, Debug)]
struct Interval {
    from: u16,
    to: u16,
    /// Which scale; [`NO_SCALE`] for a rule without a gate.
    scale: u16,
}

/// Where the facts stand on their scales; nothing for a fact that is missing or of another type, and for rules without
/// a gate.
pub(super) type Ranks = [Option<u16>; MAX_FACTS + 1];

impl Gates {
    /// The gates of rules. O(n log n), n being the parts of their conditions.
    pub(super) fn new(rules: &[RuleCode<'_>]) -> Self {
        let gates: Vec<Option<Gate>> = rules.iter().map(gate_of).collect();
        let mut scales: Vec<(GateFact, Vec<Gate>)> = Vec::new();
        for gate in gates.iter().flatten() {
            match scales.iter_mut().find(|(fact, _)| *fact == gate.fact) {
                Some((_, gates)) => gates.push(*gate),
                None => scales.push((gate.fact, vec![*gate])),
            }
        }
        // The facts of most rules; of equally many in order of the rules.
        scales.sort_by_key(|(_, gates)| std::cmp::Reverse(gates.len()));
        scales.truncate(MAX_FACTS);
        let facts: Box<[Scale]> = scales.iter().map(|(fact, gates)| Scale::new(*fact, gates)).collect();
        let interval = |gate: &Option<Gate>| {
            let told = gate.and_then(|gate| {
                (0..)
                    .zip(&facts)
                    .find_map(|(scale, of)| (of.fact == gate.fact).then(|| of.interval(scale, gate))?)
            });
            told.unwrap_or(Interval { from: 0, to: 0, scale: NO_SCALE })
        };
        Self { intervals: gates.iter().map(interval).collect(), facts }
    }

    /// Where the facts stand now. O(log rules) for each fact.
    #[inline]
    pub(super) fn places<H: Host>(&self, host: &H) -> Ranks {
        let mut places = Ranks::default();
        for (place, scale) in places.iter_mut().zip(&self.facts) {
            *place = scale.fact.key(host).and_then(|key| scale.place(key));
        }
        places
    }

    /// False if a rule cannot apply.
    #[inline]
    pub(super) fn may_apply(&self, rule: usize, places: &Ranks) -> bool {
        let Some(interval) = self.intervals.get(rule) else { return true };
        match places.get(usize::from(interval.scale)) {
            Some(Some(place)) => interval.from <= *place && *place < interval.to,
            _ => true,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let scales = self.facts.iter().map(|scale| size_of::<Scale>() + size_of_val(&*scale.cuts));
        scales.sum::<usize>() + size_of_val(&*self.intervals)
    }
}

impl Scale {
    fn new(fact: GateFact, gates: &[Gate]) -> Self {
        let ends = |gate: &Gate| [Some(gate.min), gate.max.checked_add(1)];
        let mut cuts: Vec<i64> = gates.iter().flat_map(ends).flatten().collect();
        cuts.sort_unstable();
        cuts.dedup();
        Self { fact, cuts: cuts.into() }
    }

    /// The number of cuts up to a key; nothing where there are more than an interval can tell.
    #[inline]
    fn place(&self, key: i64) -> Option<u16> {
        u16::try_from(self.cuts.partition_point(|cut| *cut <= key)).ok()
    }

    /// The places of the keys that pass a gate.
    fn interval(&self, scale: u16, gate: Gate) -> Option<Interval> {
        let to = match gate.max.checked_add(1) {
            Some(end) => self.place(end)?,
            None => u16::try_from(self.cuts.len()).ok()?.checked_add(1)?,
        };
        Some(Interval { from: self.place(gate.min)?, to, scale })
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
