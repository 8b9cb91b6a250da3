//! Reach: which sources a policy lets through, and where to.

use super::ask::Asker;
use super::model::{Judged, Model};
use super::region::{Disagreement, Region, Verdict, first};
use super::rules::{Destination, DestinationId};
use crate::lpm::RangeSet;

/// What reaches a destination.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reached {
    /// Where to.
    pub destination: Destination,
    /// By whom, in order of the verdicts; nobody if it is empty.
    pub regions: Vec<Region>,
}

/// Which sources, of those that are asked about, reach which destination by the rules for connections: every literal target
/// of the policy, every pattern of one, and its own server. Presupposed is that the destination is online, that no run uses
/// up its steps, and that a host knows of each connection what edges do ([`crate::facts::Facts::known_to_edges`]); what the
/// policies of targets say is not asked. O(regions + classes · rules), and what the searches take.
///
/// ```
/// use policy_core::analyse::{Judged, Verdict, reach};
/// use policy_core::compile::Program;
/// let text = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [203.0.113.0/24]}}, \
///             {type: forward-internal, config: {url: 'tcp://desk.internal:22'}}]}]";
/// let program = Program::from_policy("p.yml", text)?;
/// let reached = reach(Judged { program: &program, has_upstream: false }, None)?;
/// let region = &reached[0].regions[0];
/// assert_eq!(region.verdict, Verdict::Proved);
/// assert!(region.sources.contains("203.0.113.42".parse()?) && !region.sources.contains("192.0.2.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the engine decides otherwise about a witness.
pub fn reach(judged: Judged<'_>, from: Option<&RangeSet>) -> Result<Vec<Reached>, Box<Disagreement>> {
    let model = Model::new(&[judged]);
    let (combined, of_class) = model.combined::<1>();
    let ways: Vec<_> = combined.iter().filter_map(|[way]| model.sides.first()?.ways.get(*way)).collect();
    let mut asker = Asker::new(&model);
    let all = model.destinations.all.iter().zip((0..).map(DestinationId)).map(|(destination, id)| {
        let open = model.destinations.may_be(destination);
        let answers = ways.iter().map(|way| {
            let answer = asker.reached(way.content, id)?;
            let by: Vec<_> = open.iter().chain([&id]).flat_map(|id| way.by(*id)).collect();
            Some((answer, by))
        });
        let answers: Vec<_> = answers.collect();
        let mut regions = Vec::new();
        for ((answer, by), sources, at) in model.grouped(answers, &of_class, from) {
            let condition = answer.condition.as_deref().map(str::to_owned);
            let mut region = Region { verdict: answer.verdict, sources, condition, by, witness: None };
            if let (Some(way), Some(client)) = (ways.get(at), first(&region.sources))
                && !matches!(region.verdict, Verdict::Unknown(_))
            {
                match asker.witness(client, &[(judged, model.wanted(way.content, id, true))])? {
                    Ok((witness, _)) => region.witness = Some(witness),
                    Err(why) => region.verdict = Verdict::Unknown(why),
                }
            }
            regions.push(region);
        }
        Ok(Reached { destination: destination.clone(), regions })
    });
    all.collect()
}
