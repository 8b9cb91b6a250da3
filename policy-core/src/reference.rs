//! The naive engine: what the compiled one is compared with. Behind the feature `reference`.
//!
//! Deliberately stupid: a list is walked entry by entry, a policy rule by rule, straight from the model.
//! Shares with the engine only the types of its answer's parts.

use std::net::IpAddr;
use std::ops::RangeFrom;

use ipnetwork::IpNetwork;

use crate::actions::{ActionConfig, CidrItem, ForwardTarget, OnError, RestrictIps};
use crate::cel::{EvalLimits, Value};
use crate::facts::{Facts, FactsHost, State};
use crate::lpm;
use crate::model::{Policy, Rule};
use crate::phase::Phase;
use crate::schema::{ConfigValue, Text};
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
    let mut run = Naive { facts, draws: 0, state: State::default() };
    let mut first = 0;
    for (at, rule) in policy.rules(Phase::OnTcpConnect).enumerate() {
        let numbers = first..;
        first += rule.actions.len();
        match run.conditions(rule) {
            Some(true) => {}
            Some(false) => continue,
            None => return NaiveOutcome::NoCondition(at),
        }
        if let Some(outcome) = run.actions(rule, numbers, &online) {
            return outcome;
        }
    }
    NaiveOutcome::Upstream
}

struct Naive<'f> {
    facts: &'f Facts<'f>,
    draws: u64,
    state: State,
}

impl Naive<'_> {
    fn with_host<R>(&mut self, run: impl FnOnce(&mut FactsHost<'_>) -> R) -> R {
        let mut host = FactsHost { facts: self.facts, state: Some(&self.state), draws: self.draws };
        let result = run(&mut host);
        self.draws = host.draws;
        result
    }

    /// The conditions joined by `&&`; `None` if they have no value. Each is evaluated as it is written; one that is
    /// false decides, and the draws of random numbers go on from one to the next.
    fn conditions(&mut self, rule: &Rule) -> Option<bool> {
        let mut all = Some(true);
        for item in &rule.expressions {
            match self.with_host(|host| item.expression.explain(host, EvalLimits::default(), 0).0) {
                Ok(Value::Bool(false)) => return Some(false),
                Ok(Value::Bool(true)) => {}
                _ => all = None,
            }
        }
        all
    }

    fn text(&mut self, text: &Text) -> Option<String> {
        self.with_host(|host| text.template.render(host, &mut EvalLimits::default()).ok())
    }

    fn actions(
        &mut self,
        rule: &Rule,
        numbers: RangeFrom<usize>,
        online: &impl Fn(&EndpointUrl) -> bool,
    ) -> Option<NaiveOutcome> {
        for (number, action) in numbers.zip(&rule.actions) {
            match &action.config {
                ActionConfig::RestrictIps(restrict) => match self.permits(restrict) {
                    None => return Some(NaiveOutcome::Failed(number)),
                    Some(false) if restrict.enforce => return Some(NaiveOutcome::Denied(number)),
                    Some(_) => {}
                },
                ActionConfig::ForwardInternal(forward) => {
                    let url = match &forward.target {
                        ForwardTarget::Literal(url) => Some(url.value.clone()),
                        ForwardTarget::Dynamic(text) => {
                            let url = self.text(text).and_then(|text| EndpointUrl::parse(&text).ok());
                            url.filter(|url| url.is_internal() && !url.is_wildcard() && url.port().is_some())
                        }
                    };
                    let Some(url) = url else { return Some(NaiveOutcome::Failed(number)) };
                    match (online(&url), forward.on_error) {
                        (true, _) => return Some(NaiveOutcome::Forwarded(url, number)),
                        (false, OnError::Halt) => return Some(NaiveOutcome::Failed(number)),
                        (false, OnError::Continue) => {
                            let path = "actions.ngrok.forward_internal.url";
                            self.state.leave(path, Value::text(url.to_string()));
                        }
                    }
                }
                ActionConfig::SetVars(set) => {
                    for (name, value) in &set.vars {
                        // Texts are all that tests set.
                        let ConfigValue::Text(text) = value else { continue };
                        let value =
                            self.with_host(|host| text.template.value(host, &mut EvalLimits::default()));
                        match value {
                            Ok(value) => self.state.set(&(&*name.value).into(), value),
                            Err(_) => return Some(NaiveOutcome::Failed(number)),
                        }
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

    /// Whether the lists permit the client; nothing if an entry cannot be read.
    fn permits(&mut self, restrict: &RestrictIps) -> Option<bool> {
        let client = self.facts.client_ip();
        let mut holds = |items: &[CidrItem], dynamic: &[Text]| {
            let mut found: Vec<IpNetwork> = items.iter().map(|item| item.value).collect();
            for text in dynamic {
                found.push(lpm::cidr(self.text(text)?.trim()).ok()?.network);
            }
            found.retain(|network| network_contains(*network, client));
            Some(found.into_iter().map(lpm::unmapped).max_by_key(|network| network.prefix()))
        };
        let allow = holds(&restrict.allow, &restrict.dynamic_allow);
        let deny = holds(&restrict.deny, &restrict.dynamic_deny);
        let (allow, deny) = (allow?, deny?);
        let permitted = allow.is_some() && deny.is_none();
        let matched = deny.or(allow).map(|network| lpm::masked(network).to_string()).unwrap_or_default();
        let action = if permitted { "allow" } else { "deny" };
        self.state.leave("actions.ngrok.restrict_ips.action", Value::text(action));
        self.state.leave("actions.ngrok.restrict_ips.matched_cidr", Value::text(matched));
        Some(permitted)
    }
}
