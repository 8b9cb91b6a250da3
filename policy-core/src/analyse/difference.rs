//! Differences: who reaches what by one policy and not by another.

use super::ask::Asker;
use super::model::{Judged, Model};
use super::region::{Disagreement, Region, Unproved, Verdict, first};
use super::rules::{Destination, DestinationId};
use crate::lpm::RangeSet;
use crate::outcome::Outcome;

/// What a change opens and closes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// What the new policy lets through and the old one does not.
    pub opened: Vec<Changed>,
    /// What the old policy lets through and the new one does not.
    pub closed: Vec<Changed>,
}

/// Sources of which some reach a destination by one policy and not by the other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Changed {
    /// Where to.
    pub destination: Destination,
    /// Who, how, and by which actions of the policy that lets them through; the witness is decided by both policies.
    pub region: Region,
    /// The expression that is true for the connections of the region that reach it by both policies: where it is, nothing has
    /// changed.
    pub unless: Option<String>,
    /// What the policy that does not let it through says about the witness.
    pub otherwise: Option<Outcome>,
}

/// Whether something changes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Proved: for no connection.
    No,
    /// For a connection that both policies have decided in the engine.
    Yes,
    /// It is not known.
    Unknown,
}

/// What a change does to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Nothing: the same sources reach the same destinations.
    Equal,
    /// It opens something and closes nothing.
    Widens,
    /// It closes something and opens nothing.
    Narrows,
    /// It opens something and closes something.
    Changes,
    /// It is not known.
    Unknown,
}

impl Difference {
    /// Whether it opens something.
    #[must_use]
    pub fn opens(&self) -> Answer {
        answer(&self.opened)
    }

    /// Whether it closes something.
    #[must_use]
    pub fn closes(&self) -> Answer {
        answer(&self.closed)
    }

    /// What it does in all.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        match (self.opens(), self.closes()) {
            (Answer::No, Answer::No) => Comparison::Equal,
            (Answer::Yes, Answer::No) => Comparison::Widens,
            (Answer::No, Answer::Yes) => Comparison::Narrows,
            (Answer::Yes, Answer::Yes) => Comparison::Changes,
            _ => Comparison::Unknown,
        }
    }
}

fn answer(changed: &[Changed]) -> Answer {
    match changed {
        [] => Answer::No,
        all if all.iter().any(|it| it.region.witness.is_some()) => Answer::Yes,
        _ => Answer::Unknown,
    }
}

/// What a change from one policy to another opens and closes, for the sources that are asked about. Both run on the same
/// facts, and presupposed is what [`super::reach`] does. O(regions + classes · rules), and what the searches take.
///
/// ```
/// use policy_core::analyse::{Comparison, Judged, difference};
/// use policy_core::compile::Program;
/// let policy = |from: &str| {
///     Program::from_policy("p.yml", &format!("on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{allow: [{from}]}}}}, \
///         {{type: forward-internal, config: {{url: 'tcp://desk.internal:22'}}}}]}}]"))
/// };
/// let (old, new) = (policy("203.0.113.0/25")?, policy("203.0.113.0/24")?);
/// let judged = |program| Judged { program, has_upstream: false };
/// let difference = difference(judged(&old), judged(&new), None)?;
/// assert_eq!(difference.comparison(), Comparison::Widens);
/// assert_eq!(difference.opened[0].region.sources.networks()[0].to_string(), "203.0.113.128/25");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the engine decides otherwise about a witness.
pub fn difference(
    old: Judged<'_>,
    new: Judged<'_>,
    from: Option<&RangeSet>,
) -> Result<Difference, Box<Disagreement>> {
    let model = Model::new(&[old, new]);
    let (combined, of_class) = model.combined::<2>();
    let mut asker = Asker::new(&model);
    let mut gained = |base: (usize, Judged<'_>), other: (usize, Judged<'_>)| {
        let way = |at: usize, ways: &[usize; 2]| model.sides.get(at)?.ways.get(*ways.get(at)?);
        let mut out = Vec::new();
        for (destination, id) in model.destinations.all.iter().zip((0..).map(DestinationId)) {
            let open = model.destinations.may_be(destination);
            let answers = combined.iter().map(|ways| {
                let (base, other) = (way(base.0, ways)?, way(other.0, ways)?);
                let answer = asker.gained((base.content, other.content), id)?;
                let by: Vec<_> = open.iter().chain([&id]).flat_map(|id| other.by(*id)).collect();
                Some((answer, by))
            });
            let answers: Vec<_> = answers.collect();
            for ((answer, by), sources, at) in model.grouped(answers, &of_class, from) {
                let condition = answer.condition.as_deref().map(str::to_owned);
                let region = Region { verdict: answer.verdict, sources, condition, by, witness: None };
                let unless = answer.unless.as_deref().map(str::to_owned);
                let mut changed =
                    Changed { destination: destination.clone(), region, unless, otherwise: None };
                let ways = combined.get(at).and_then(|ways| Some((way(base.0, ways)?, way(other.0, ways)?)));
                if let (Some((before, after)), Some(client)) = (ways, first(&changed.region.sources)) {
                    let shown = [
                        (other.1, model.wanted(after.content, id, true)),
                        (base.1, model.wanted(before.content, id, false)),
                    ];
                    let is_unknown = matches!(changed.region.verdict, Verdict::Unknown(_));
                    let is_open = changed.region.verdict == Verdict::Unknown(Unproved::OpenTarget);
                    match asker.witness(client, &shown) {
                        // What it gives may be reached in another way.
                        _ if is_open => {}
                        Ok(Ok((witness, outcomes))) => {
                            changed.region.witness = Some(witness);
                            changed.otherwise = outcomes.get(1).copied();
                        }
                        _ if is_unknown => {}
                        Ok(Err(why)) => changed.region.verdict = Verdict::Unknown(why),
                        Err(disagreement) => return Err(disagreement),
                    }
                }
                out.push(changed);
            }
        }
        Ok(out)
    };
    let opened = gained((0, old), (1, new))?;
    let closed = gained((1, new), (0, old))?;
    Ok(Difference { opened, closed })
}
