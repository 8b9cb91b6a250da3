//! Model: what policies do for every class of addresses, told by what they do and not by where it stands.

use std::collections::{BTreeMap, HashMap};

use super::atoms::{Atoms, Subject};
use super::cells::Domains;
use super::rules::{Act, Destination, DestinationId, Destinations, Placed, Pool, Rules, Step};
use super::search::{Found, Search, Wanted};
use super::space::Space;
use crate::compile::Program;
use crate::exchange::ActionId;
use crate::lpm::RangeSet;
use crate::phase::Phase;

/// Steps that all searches of a question may take.
const STEPS: u64 = 20_000_000;

/// The policy of an endpoint, as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'p> {
    /// The policy.
    pub program: &'p Program,
    /// True if its endpoint has a server of its own, which gets what no action ends.
    pub has_upstream: bool,
}

/// What is done for some classes.
pub(super) struct Way {
    /// By content: equal for ways that do the same.
    pub(super) content: usize,
    by: HashMap<DestinationId, Vec<ActionId>>,
}

impl Way {
    /// The actions that forward to a destination, of which one does.
    pub(super) fn by(&self, to: DestinationId) -> Vec<ActionId> {
        self.by.get(&to).cloned().unwrap_or_default()
    }
}

/// What one policy does.
pub(super) struct Side {
    pub(super) ways: Vec<Way>,
    /// The way of each class.
    of_class: Vec<usize>,
}

/// The steps of ways.
struct Content {
    steps: Vec<Step>,
    /// Where it may go, in order.
    goes: Vec<DestinationId>,
}

pub(super) struct Model {
    space: Space,
    pub(super) atoms: Atoms,
    pub(super) destinations: Destinations,
    pub(super) pool: Pool,
    contents: Vec<Content>,
    pub(super) sides: Vec<Side>,
}

impl Model {
    /// The rules for connections of policies. O(regions + classes · rules).
    pub(super) fn new(judged: &[Judged<'_>]) -> Self {
        let (space, tables) = Space::new(judged.iter().map(|it| it.program));
        let (mut atoms, mut destinations) = (Atoms::default(), Destinations::default());
        let rules = judged.iter().zip(&tables).map(|(it, tables)| {
            Rules::new((it.program, *tables), Phase::OnTcpConnect, &mut atoms, &mut destinations)
        });
        let rules: Vec<_> = rules.collect();
        let any_upstream = judged.iter().any(|it| it.has_upstream);
        let upstream = any_upstream.then(|| destinations.id(Destination::Upstream));
        atoms.cut();
        let (pool, contents) = (Pool::default(), Vec::new());
        let mut model = Self { space, atoms, destinations, pool, contents, sides: Vec::new() };
        let mut known = HashMap::new();
        for (mut rules, judged) in rules.into_iter().zip(judged) {
            let upstream = upstream.filter(|_| judged.has_upstream);
            let side = model.side(&mut rules, upstream, &mut known);
            model.sides.push(side);
        }
        model
    }

    fn side(
        &mut self,
        rules: &mut Rules<'_>,
        upstream: Option<DestinationId>,
        contents: &mut HashMap<Vec<Step>, usize>,
    ) -> Side {
        let (mut ways, mut known) = (Vec::new(), HashMap::<Vec<Placed>, usize>::new());
        let mut of_class = Vec::with_capacity(self.space.len());
        for class in 0..self.space.len() {
            let mut placed = rules.of_class(class, &self.space, &self.atoms, &mut self.pool);
            if let Some(upstream) = upstream
                && !placed.last().is_some_and(|last| self.pool.always_ends(last.step))
            {
                placed.push(self.pool.reach(upstream));
            }
            let way = *known.entry(placed).or_insert_with_key(|placed| {
                let steps: Vec<Step> = placed.iter().map(|placed| placed.step).collect();
                let content = *contents.entry(steps).or_insert_with_key(|steps| {
                    let goes = destinations_of(steps, &self.pool);
                    self.contents.push(Content { steps: steps.clone(), goes });
                    self.contents.len() - 1
                });
                let mut by: HashMap<DestinationId, Vec<ActionId>> = HashMap::new();
                for (to, action) in placed.iter().flat_map(|placed| self.pool.forwards(*placed)) {
                    by.entry(*to).or_default().push(*action);
                }
                ways.push(Way { content, by });
                ways.len() - 1
            });
            of_class.push(way);
        }
        Side { ways, of_class }
    }

    /// The steps of a way.
    pub(super) fn steps(&self, content: usize) -> &[Step] {
        self.contents.get(content).map_or(&[], |content| &content.steps)
    }

    /// True if a way may go to a destination.
    pub(super) fn goes(&self, content: usize, to: DestinationId) -> bool {
        self.contents.get(content).is_some_and(|content| content.goes.binary_search(&to).is_ok())
    }

    /// The ways of all classes on each side, each combination once, and which of them each class has. O(classes).
    pub(super) fn combined<const N: usize>(&self) -> (Vec<[usize; N]>, Vec<usize>) {
        let (mut all, mut known) = (Vec::new(), HashMap::new());
        let of_class = (0..self.space.len()).map(|class| {
            let way = |at: usize| self.sides.get(at).and_then(|side| side.of_class.get(class)).copied();
            // INVARIANT: every side has a way for every class.
            let key: [usize; N] = std::array::from_fn(|at| way(at).unwrap_or_default());
            *known.entry(key).or_insert_with(|| {
                all.push(key);
                all.len() - 1
            })
        });
        let of_class = of_class.collect();
        (all, of_class)
    }

    /// For each different answer about combinations its addresses, and a combination of it. O(regions) if there is one.
    pub(super) fn grouped<K: Ord>(
        &self,
        answers: Vec<Option<K>>,
        of_class: &[usize],
        from: Option<&RangeSet>,
    ) -> Vec<(K, RangeSet, usize)> {
        let mut groups: BTreeMap<K, (usize, usize)> = BTreeMap::new();
        let group_of = answers.into_iter().enumerate().map(|(at, key)| {
            let next = groups.len();
            key.map(|key| groups.entry(key).or_insert((next, at)).0)
        });
        let group_of: Vec<Option<usize>> = group_of.collect();
        if groups.is_empty() {
            return Vec::new();
        }
        let sets =
            self.space.sets(groups.len(), |class| group_of.get(*of_class.get(class)?).copied().flatten());
        let found = groups.into_iter().filter_map(|(key, (group, first))| {
            let sources = sets.get(group)?;
            let sources = from.map_or_else(|| sources.clone(), |from| sources.common(from));
            (!sources.is_empty()).then_some((key, sources, first))
        });
        found.collect()
    }

    /// A search with all steps of a question.
    pub(super) const fn search(&self) -> Search<'_> {
        Search { atoms: &self.atoms, pool: &self.pool, left: STEPS }
    }

    /// All values of the variables with which a destination is online.
    pub(super) fn domains(&self, destination: &Destination) -> Domains {
        let mut domains = self.atoms.domains();
        let Destination::Target(to) = destination else { return domains };
        for (variable, domain) in self.atoms.variables().iter().zip(&mut domains) {
            if matches!(&variable.subject, Subject::Online(url) if url == to) {
                *domain = variable.only(true);
            }
        }
        domains
    }

    /// That a way reaches a destination, or does not.
    pub(super) fn wanted(&self, content: usize, destination: DestinationId, reaches: bool) -> Wanted<'_> {
        Wanted { sequence: self.steps(content), destination, reaches }
    }

    /// Values with which ways come to what is wanted, and a destination is online.
    pub(super) fn find(
        &self,
        search: &mut Search<'_>,
        ways: &[Wanted<'_>],
        destination: &Destination,
    ) -> Found {
        search.find(ways, &mut self.domains(destination))
    }
}

fn destinations_of(steps: &[Step], pool: &Pool) -> Vec<DestinationId> {
    let acts = steps.iter().flat_map(|step| pool.acts(*step));
    let goes = acts.filter_map(|act| match act {
        Act::Reach(to) | Act::TryReach { destination: to, .. } => Some(*to),
        Act::Stop | Act::Unless(_) => None,
    });
    let mut goes: Vec<_> = goes.collect();
    goes.sort_unstable();
    goes.dedup();
    goes
}
