//! The naive engine: what the compiled one is compared with. Behind the feature `reference`.
//!
//! Deliberately stupid: a list is walked entry by entry, a policy rule by rule, straight from the model.
//! Shares with the engine only the types of its answer's parts.

use std::net::IpAddr;
use std::ops::RangeFrom;

use ipnetwork::IpNetwork;

use crate::actions::{ActionConfig, CidrItem, OnError};
use crate::cel::{EvalLimits, Value};
use crate::facts::{Facts, FactsHost};
use crate::model::{Policy, Rule};
use crate::phase::Phase;
use crate::url::EndpointUrl;

/// True if a network holds an address, by the rule of the families: an IPv4-mapped address is IPv4, a
/// mapped network of at least 96 bits is IPv4, and families never match one another. Bit by bit.
#[must_use]
pub fn network_contains(network: IpNetwork, address: IpAddr) -> bool {
    let (network_bits, length) = match network {
        IpNetwork::V4(v4) => (bits(v4.ip().into()), v4.prefix()),
        IpNetwork::V6(v6) => match v6.ip().to_ipv4_mapped().filter(|_| v6.prefix() >= 96) {
            Some(mapped) => (bits(mapped.into()), v6.prefix() - 96),
            None => (raw_bits(v6.ip().into()), v6.prefix()),
        },
    };
    let address_bits = bits(address);
    network_bits.len() == address_bits.len()
        && network_bits.iter().zip(&address_bits).take(length.into()).all(|(a, b)| a == b)
}

fn bits(address: IpAddr) -> Vec<bool> {
    raw_bits(match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

fn raw_bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}

/// How the naive engine ends; `action` counts the actions of the phase from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NaiveOutcome {
    /// Forwarded to a target.
    Forwarded(EndpointUrl, usize),
    /// Refused.
    Denied(usize),
    /// Closed.
    Closed(usize),
    /// No action ended the phase.
    Upstream,
    /// A forward failed and its `on_error` is `halt`.
    Failed(usize),
    /// A rule's conditions, this rule from 0, have no value.
    NoCondition(usize),
}

/// Runs on_tcp_connect rule by rule; `online` says which targets take a connection.
#[must_use]
pub fn on_tcp_connect(
    policy: &Policy,
    facts: &Facts<'_>,
    online: impl Fn(&EndpointUrl) -> bool,
) -> NaiveOutcome {
    let client = facts.client_ip();
    let (mut first, mut draws) = (0, 0);
    for (at, rule) in policy.rules(Phase::OnTcpConnect).enumerate() {
        let numbers = first..;
        first += rule.actions.len();
        match conditions(rule, facts, &mut draws) {
            Some(true) => {}
            Some(false) => continue,
            None => return NaiveOutcome::NoCondition(at),
        }
        if let Some(outcome) = actions(rule, numbers, client, &online) {
            return outcome;
        }
    }
    NaiveOutcome::Upstream
}

/// The conditions joined by `&&`; `None` if they have no value. Each is evaluated as it is written; one that is
/// false decides, and the draws of random numbers go on from one to the next.
fn conditions(rule: &Rule, facts: &Facts<'_>, draws: &mut u64) -> Option<bool> {
    let mut all = Some(true);
    for item in &rule.expressions {
        let mut host = FactsHost { facts, draws: *draws };
        let value = item.expression.explain(&mut host, EvalLimits::default(), 0).0;
        *draws = host.draws;
        match value {
            Ok(Value::Bool(false)) => return Some(false),
            Ok(Value::Bool(true)) => {}
            _ => all = None,
        }
    }
    all
}

fn actions(
    rule: &Rule,
    numbers: RangeFrom<usize>,
    client: IpAddr,
    online: &impl Fn(&EndpointUrl) -> bool,
) -> Option<NaiveOutcome> {
    for (number, action) in numbers.zip(&rule.actions) {
        let holds = |items: &[CidrItem]| items.iter().any(|item| network_contains(item.value, client));
        match &action.config {
            ActionConfig::RestrictIps(restrict) => {
                let permitted = holds(&restrict.allow) && !holds(&restrict.deny);
                if restrict.enforce && !permitted {
                    return Some(NaiveOutcome::Denied(number));
                }
            }
            ActionConfig::ForwardInternal(forward) => {
                let Some(url) = forward.literal().map(|url| &url.value) else {
                    return Some(NaiveOutcome::Closed(number));
                };
                match (online(url), forward.on_error) {
                    (true, _) => return Some(NaiveOutcome::Forwarded(url.clone(), number)),
                    (false, OnError::Halt) => return Some(NaiveOutcome::Failed(number)),
                    (false, OnError::Continue) => {}
                }
            }
            ActionConfig::Deny(_) => return Some(NaiveOutcome::Denied(number)),
            ActionConfig::CloseConnection(_) => return Some(NaiveOutcome::Closed(number)),
            ActionConfig::Log(_) => {}
            // The compiler refuses the others.
            _ => return Some(NaiveOutcome::Closed(number)),
        }
    }
    None
}
