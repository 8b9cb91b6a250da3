//! Witnesses: one connection of a region, decided by the engine that an edge runs.

use std::net::IpAddr;

use super::atoms::{Atoms, Cell, Subject};
use super::cells::Domains;
use crate::cel::{Borrowed, Fact, Timestamp, Value};
use crate::compile::Program;
use crate::exchange::{Effect, ForwardFailure, Reply};
use crate::facts::{FactProvider, Facts};
use crate::outcome::Outcome;
use crate::url::EndpointUrl;

/// A connection that shows what a region says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Witness {
    /// Where it comes from.
    pub client: IpAddr,
    /// The facts that its decision needs beside the address.
    pub facts: Vec<(Fact, Value)>,
    /// The targets that take no connections.
    pub offline: Vec<EndpointUrl>,
}

/// Ports and addresses that a witness has where nothing is said of them (RFC 5737).
const PORTS: [u16; 2] = [49_152, 443];
const SERVER: [u8; 4] = [192, 0, 2, 1];

impl Witness {
    /// One for a client and for what is left of the variables; facts without a value are not given. True if a part that is
    /// not looked into would have to have one value: then only the engine tells whether it has.
    pub(super) fn new(client: IpAddr, atoms: &Atoms, domains: &Domains) -> (Self, bool) {
        let (mut facts, mut offline, mut depends) = (Vec::new(), Vec::new(), false);
        for (variable, domain) in atoms.variables().iter().zip(domains) {
            let mut left = domain.iter().filter_map(|cell| variable.cells.get(cell)).peekable();
            let all = domain.iter().count() == variable.cells.len();
            match &variable.subject {
                Subject::Fact(fact) => {
                    let mut values = left.filter_map(|cell| value_of(cell, &variable.cells));
                    facts.extend(values.next().map(|value| (*fact, value)));
                }
                Subject::Online(url) if left.peek() == Some(&&Cell::Bool(false)) => offline.push(url.clone()),
                Subject::Online(_) => {}
                Subject::Part { .. } => depends |= !all,
            }
        }
        (Self { client, facts, offline }, depends)
    }

    /// What the engine decides, and the target if it forwards; nothing if that takes more steps than a connection may.
    pub(super) fn decide(&self, program: &Program) -> Option<(Outcome, Option<EndpointUrl>)> {
        let server = (IpAddr::from(SERVER), PORTS[1]).into();
        let facts = Facts::from_connection((self.client, PORTS[0]).into(), server);
        let start = Timestamp::new(0, 0);
        let mut facts = facts.with(self).seeded(0);
        if let Some(start) = start {
            facts = facts.started(start).at_time(start);
        }
        let mut run = program.on_tcp_connect(&facts);
        let outcome = run.run(|effect, run| match effect {
            Effect::Forward(id) => match run.target(id) {
                Some(url) if !self.offline.contains(url) => Reply::Forwarded,
                _ => Reply::ForwardFailed(ForwardFailure::Offline),
            },
            Effect::EndTls => Reply::tls_ended(Ok(Vec::new())),
            Effect::GetSecret => Reply::secret(None),
            _ => Reply::Logged,
        });
        let target = match outcome {
            Outcome::Forwarded { target, .. } => run.target(target).cloned(),
            _ => None,
        };
        (!run.is_out_of_steps()).then_some((outcome, target))
    }
}

impl FactProvider for Witness {
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        let (_, value) = self.facts.iter().find(|(known, _)| *known == fact)?;
        Some(match value {
            Value::String(text) => Borrowed::Text(text),
            Value::Int(number) => Borrowed::Int(*number),
            Value::Bool(value) => Borrowed::Bool(*value),
            other => Borrowed::Value(other),
        })
    }
}

/// A value of a cell; nothing where there is none.
fn value_of(cell: &Cell, all: &[Cell]) -> Option<Value> {
    match cell {
        Cell::Text(text) => Some(Value::text(text.to_string())),
        Cell::OtherText => {
            let is_free = |text: &String| {
                !all.iter().any(|cell| matches!(cell, Cell::Text(known) if **known == **text))
            };
            let names = ["ZZ", "other"].into_iter().map(str::to_owned);
            names.chain((0..).map(|number| format!("other{number}"))).find(is_free).map(Value::text)
        }
        Cell::Numbers(first, last) => Some(Value::Int(if *first == i64::MIN { *last } else { *first })),
        Cell::Bool(value) => Some(Value::Bool(*value)),
        Cell::Absent | Cell::Fails => None,
    }
}
