//! Reach: which sources a policy lets through, and where to.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::atoms::{Atoms, Subject};
use super::cells::Domains;
use super::condition::{condition, text};
use super::rules::{Act, Destination, DestinationId, Destinations, Pool, Rules, Step};
use super::search::{End, Found, Search};
use super::space::Space;
use super::witness::Witness;
use crate::compile::Program;
use crate::exchange::ActionId;
use crate::lpm::RangeSet;
use crate::outcome::Outcome;
use crate::phase::Phase;

/// Steps that all searches of a question may take.
const STEPS: u64 = 20_000_000;

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

/// What reaches a destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reached {
    /// Where to.
    pub destination: Destination,
    /// By whom, in order of the verdicts; nobody if it is empty.
    pub regions: Vec<Region>,
}

/// The engine decides about a witness otherwise than the proof says: a fault of ours.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Disagreement {
    /// The connection.
    pub witness: Box<Witness>,
    /// Where the proof says that it goes.
    pub destination: Destination,
    /// What the engine says.
    pub outcome: Outcome,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { witness, destination, outcome } = self;
        let client = witness.client;
        write!(f, "the proof says that {client} reaches {destination}, the engine says {}", outcome.kind())
    }
}

impl std::error::Error for Disagreement {}

/// The policy of an endpoint, as it is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'p> {
    /// The policy.
    pub program: &'p Program,
    /// True if its endpoint has a server of its own, which gets what no action ends.
    pub has_upstream: bool,
    /// The sources that are asked about; all if there are none.
    pub from: Option<&'p RangeSet>,
}

/// Which sources reach which destination by the rules for connections: every literal target of the policy, every pattern of
/// one, and its own server. Presupposed is that the destination is online, that no run uses up its steps, and that a host
/// knows of each connection what edges do ([`crate::facts::Facts::known_to_edges`]); what the policies of targets say is not
/// asked. O(regions + classes · rules), and what the searches take.
///
/// ```
/// use policy_core::analyse::{Question, Verdict, reach};
/// use policy_core::compile::Program;
/// let text = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [203.0.113.0/24]}}, \
///             {type: forward-internal, config: {url: 'tcp://desk.internal:22'}}]}]";
/// let program = Program::from_policy("p.yml", text)?;
/// let reached = reach(Question { program: &program, has_upstream: false, from: None })?;
/// let region = &reached[0].regions[0];
/// assert_eq!(region.verdict, Verdict::Proved);
/// assert!(region.sources.contains("203.0.113.42".parse()?) && !region.sources.contains("192.0.2.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the engine decides otherwise about a witness.
pub fn reach(question: Question<'_>) -> Result<Vec<Reached>, Box<Disagreement>> {
    let Question { program, has_upstream, from } = question;
    let (space, tables) = Space::new(std::iter::once(program));
    let Some(tables) = tables.first() else { return Ok(Vec::new()) };
    let (mut atoms, mut destinations) = (Atoms::default(), Destinations::default());
    let mut rules = Rules::new((program, *tables), Phase::OnTcpConnect, &mut atoms, &mut destinations);
    let upstream = has_upstream.then(|| destinations.id(Destination::Upstream));
    atoms.cut();
    let (mut pool, mut known) = (Pool::default(), HashMap::<Vec<Step>, usize>::new());
    let mut sequences: Vec<Vec<Step>> = Vec::new();
    let of_class: Vec<usize> = (0..space.len())
        .map(|class| {
            let steps = rules.of_class(class, &space, &atoms, &mut pool);
            *known.entry(steps).or_insert_with_key(|steps| {
                sequences.push(steps.clone());
                sequences.len() - 1
            })
        })
        .collect();
    let ways: Vec<HashMap<DestinationId, Vec<ActionId>>> =
        sequences.iter().map(|sequence| forwards(sequence, &pool)).collect();
    let mut asker = Asker { program, upstream, search: Search { atoms: &atoms, pool: &pool, left: STEPS } };
    let all = destinations.all.iter().zip(0..).map(|(destination, id)| {
        let mut groups: BTreeMap<Key, usize> = BTreeMap::new();
        let open = match destination {
            Destination::Target(url) => destinations.may_give(url),
            Destination::Pattern(_) | Destination::Upstream => Vec::new(),
        };
        let asked = sequences.iter().zip(&ways);
        let group_of: Vec<Option<usize>> = asked
            .map(|(sequence, ways)| {
                let by = |id: &DestinationId| ways.get(id).cloned().unwrap_or_default();
                if open.iter().any(|pattern| ways.contains_key(pattern)) {
                    // What a pattern gives may be this target.
                    let by = open.iter().flat_map(by).chain(by(&DestinationId(id))).collect();
                    let key = (Verdict::Unknown(Unproved::OpenTarget), None, by);
                    let next = groups.len();
                    return Some(*groups.entry(key).or_insert(next));
                }
                let by = by(&DestinationId(id));
                let key = asker.ask(sequence, (DestinationId(id), destination), by)?;
                let next = groups.len();
                Some(*groups.entry(key).or_insert(next))
            })
            .collect();
        let sets = space.sets(groups.len(), |class| group_of.get(*of_class.get(class)?).copied().flatten());
        let mut regions = Vec::new();
        for (key, at) in groups {
            let Some(sources) = sets.get(at) else { continue };
            let sources = from.map_or_else(|| sources.clone(), |from| sources.common(from));
            if sources.is_empty() {
                continue;
            }
            let sequence = group_of.iter().position(|group| *group == Some(at));
            let sequence = sequence.and_then(|at| sequences.get(at)).map_or(&[][..], Vec::as_slice);
            regions.push(asker.region(key, sources, sequence, (DestinationId(id), destination))?);
        }
        Ok(Reached { destination: destination.clone(), regions })
    });
    all.collect()
}

/// What regions differ in.
type Key = (Verdict, Option<String>, Vec<ActionId>);

struct Asker<'a> {
    program: &'a Program,
    upstream: Option<DestinationId>,
    search: Search<'a>,
}

impl Asker<'_> {
    fn reaches(&self, id: DestinationId) -> impl Fn(End) -> bool + use<> {
        let upstream = self.upstream;
        move |end| match end {
            End::Reached(to, _) => to == id,
            End::Passed => upstream == Some(id),
            End::Refused => false,
        }
    }

    /// All values of the variables with which the destination is online.
    fn domains(&self, destination: &Destination) -> Domains {
        let mut domains = self.search.atoms.domains();
        for (variable, domain) in self.search.atoms.variables().iter().zip(&mut domains) {
            if matches!((&variable.subject, destination), (Subject::Online(url), Destination::Target(to)) if url == to)
            {
                *domain = variable.only(true);
            }
        }
        domains
    }

    /// How a sequence reaches a destination; nothing if it never does.
    fn ask(
        &mut self,
        sequence: &[Step],
        (id, destination): (DestinationId, &Destination),
        by: Vec<ActionId>,
    ) -> Option<Key> {
        let reaches = self.reaches(id);
        if by.is_empty() && self.upstream != Some(id) {
            return None;
        }
        let mut domains = self.domains(destination);
        match self.search.find(sequence, &mut domains, &reaches) {
            Found::No => return None,
            Found::Unknown => return Some((Verdict::Unknown(Unproved::Budget), None, by)),
            Found::Yes(..) => {}
        }
        match self.search.find(sequence, &mut domains, &|end| !reaches(end)) {
            Found::No => return Some((Verdict::Proved, None, by)),
            Found::Unknown => return Some((Verdict::Unknown(Unproved::Budget), None, by)),
            Found::Yes(..) => {}
        }
        let passed = self.upstream == Some(id);
        let (atoms, left) = (self.search.atoms, &mut self.search.left);
        let Some(formula) = condition((sequence, self.search.pool), id, passed, (atoms, left)) else {
            return Some((Verdict::Unknown(Unproved::Budget), None, by));
        };
        let mut unclear = false;
        formula.atoms(&mut |id| unclear |= atoms.is_unclear(id));
        let condition = match (destination, unclear) {
            (Destination::Pattern(_), _) => Err(Unproved::OpenTarget),
            (_, true) => Err(Unproved::Opaque),
            (_, false) => Ok(text(&formula, atoms)),
        };
        Some(match condition {
            Ok(text) => (Verdict::Conditional, Some(text), by),
            Err(why) => (Verdict::Unknown(why), None, by),
        })
    }

    /// A region with a connection of it, which the engine decides.
    fn region(
        &mut self,
        (verdict, condition, by): Key,
        sources: RangeSet,
        sequence: &[Step],
        (id, destination): (DestinationId, &Destination),
    ) -> Result<Region, Box<Disagreement>> {
        let mut region = Region { verdict, sources, condition, by, witness: None };
        if matches!(verdict, Verdict::Unknown(_)) {
            return Ok(region);
        }
        let reaches = self.reaches(id);
        let mut domains = self.domains(destination);
        let Found::Yes(found, _) = self.search.find(sequence, &mut domains, &reaches) else {
            region.verdict = Verdict::Unknown(Unproved::Budget);
            return Ok(region);
        };
        let Some(client) = first(&region.sources) else { return Ok(region) };
        let (witness, depends) = Witness::new(client, self.search.atoms, &found);
        let Some((outcome, target)) = witness.decide(self.program) else {
            region.verdict = Verdict::Unknown(Unproved::Budget);
            return Ok(region);
        };
        let arrives = match destination {
            Destination::Target(url) => target.as_ref() == Some(url),
            Destination::Pattern(_) => target.is_some(),
            Destination::Upstream => outcome == Outcome::Upstream,
        };
        match (arrives, depends || matches!(destination, Destination::Pattern(_))) {
            (true, _) => region.witness = Some(witness),
            (false, true) => region.verdict = Verdict::Unknown(Unproved::Opaque),
            (false, false) => {
                let destination = destination.clone();
                return Err(Box::new(Disagreement { witness: Box::new(witness), destination, outcome }));
            }
        }
        Ok(region)
    }
}

/// The actions of a sequence that forward, by where to.
fn forwards(sequence: &[Step], pool: &Pool) -> HashMap<DestinationId, Vec<ActionId>> {
    let mut out: HashMap<DestinationId, Vec<ActionId>> = HashMap::new();
    for act in sequence.iter().flat_map(|step| pool.acts(*step)) {
        if let Act::Reach { destination, by } | Act::TryReach { destination, by, .. } = act {
            out.entry(*destination).or_default().push(*by);
        }
    }
    out
}

/// The first address of a set, IPv4 before IPv6.
fn first(sources: &RangeSet) -> Option<IpAddr> {
    let v4 = sources.v4().as_slice().first().map(|(first, _)| IpAddr::V4((*first).into()));
    v4.or_else(|| sources.v6().as_slice().first().map(|(first, _)| IpAddr::V6((*first).into())))
}
