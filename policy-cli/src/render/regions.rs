//! Regions of a proof: their sources, what is true of them, and their witnesses.

use std::collections::BTreeMap;

use policy_core::analyse::{Region, Unproved, Verdict, Witness, special_block};
use policy_core::cel::Value;
use policy_core::compile::Program;
use policy_core::diagnostic::printable;
use policy_core::exchange::ActionId;
use policy_core::lpm::RangeSet;
use serde::Serialize;

/// Networks of a region that are listed for people.
const MAX_LISTED: usize = 20;
/// A power of two above this is shown as one.
const POWERS_FROM: u128 = 1 << 32;
/// IPv6 addresses that are no IPv4 addresses.
const ALL_V6: u128 = u128::MAX - u32::MAX as u128;

/// What the answer presupposes.
#[derive(Clone, Copy)]
pub(super) enum Assumed {
    Online,
    TargetPolicies,
    KnownFacts,
    Steps,
    SourceAddress,
}

impl Assumed {
    pub(super) const ALL: [Self; 5] =
        [Self::Online, Self::TargetPolicies, Self::KnownFacts, Self::Steps, Self::SourceAddress];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Online => "target_online",
            Self::TargetPolicies => "target_policies_not_asked",
            Self::KnownFacts => "facts_known",
            Self::Steps => "within_steps",
            Self::SourceAddress => "source_address_is_the_clients",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Online => "the target is online",
            Self::TargetPolicies => "the target's own policy is not asked",
            Self::KnownFacts => {
                "an edge knows the addresses, the ports, the endpoint and the time of a connection"
            }
            Self::Steps => "no connection uses up the steps that policies may take",
            Self::SourceAddress => {
                "the address is that of the client: who may send a PROXY header may claim any"
            }
        }
    }
}

/// The sources of a region in words, if there are some for it.
pub(super) fn in_words(sources: &RangeSet) -> Option<&'static str> {
    let (v4, v6) = (sources.count_v4(), sources.count_v6());
    match (v4 == 1 << 32, v6 == ALL_V6) {
        (true, true) => Some("everyone: every IPv4 and IPv6 address"),
        (true, false) if v6 == 0 => Some("every IPv4 address"),
        (false, true) if v4 == 0 => Some("every IPv6 address"),
        _ => None,
    }
}

/// A number with its digits in groups of three.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn counted(sources: &RangeSet) -> String {
    let of = |count: u128, family: &str| match count {
        0 => None,
        1 => Some(format!("1 {family} address")),
        _ if count.is_power_of_two() && count > POWERS_FROM => {
            Some(format!("2^{} {family} addresses", count.trailing_zeros()))
        }
        _ => Some(format!("{} {family} addresses", grouped(count))),
    };
    let parts = [of(sources.count_v4().into(), "IPv4"), of(sources.count_v6(), "IPv6")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

const fn reason(why: Unproved) -> &'static str {
    match why {
        Unproved::Budget => "the question takes more steps than it may, or its condition is too long",
        Unproved::Opaque => "it depends on a part of a condition that is not looked into",
        Unproved::OpenTarget => "the target is known for each connection only",
    }
}

/// What is said of a region before its sources.
pub(super) fn headline(region: &Region) -> String {
    match (region.verdict, &region.condition) {
        (Verdict::Proved, _) => "always".to_owned(),
        (Verdict::Conditional, Some(condition)) => format!("if {}", printable(condition)),
        (Verdict::Conditional, None) => "on a condition that is too long to be shown".to_owned(),
        (Verdict::Unknown(why), _) => format!("perhaps ({})", reason(why)),
    }
}

/// Where an action stands.
pub(super) fn place(program: &Program, by: ActionId) -> Option<String> {
    let action = program.action(by)?;
    let rule = action.rule()?;
    let name = rule.name().map(|name| format!(" `{}`", printable(name))).unwrap_or_default();
    let (file, number) = (printable(program.file()), rule.id().index() + 1);
    Some(format!("{} at {file}:{}, rule #{number}{name}", action.kind(), action.position()))
}

/// A value as `--set` takes it.
fn given(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// The flags with which `policy eval` decides about a witness.
pub(super) fn flags(witness: &Witness, has_upstream: bool) -> String {
    let mut out = format!("--ip {}", witness.client);
    for (fact, value) in &witness.facts {
        let value = given(value);
        let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c));
        let quoted = if plain { value } else { format!("'{}'", value.replace('\'', "'\\''")) };
        out.push_str(&format!(" --set {}={quoted}", fact.path()));
    }
    witness.offline.iter().for_each(|url| out.push_str(&format!(" --target {url}=offline")));
    if has_upstream {
        out.push_str(" --has-upstream");
    }
    out
}

/// The networks of a region, each with the name of its block.
pub(super) fn listed(sources: &RangeSet) -> Vec<String> {
    if let Some(words) = in_words(sources) {
        return vec![words.to_owned()];
    }
    let networks = sources.networks();
    let left = networks.len().saturating_sub(MAX_LISTED);
    let listed = networks.iter().take(MAX_LISTED).map(|network| match special_block(*network) {
        Some(name) => format!("{network} ({name})"),
        None => network.to_string(),
    });
    let mut out: Vec<_> = listed.collect();
    if left > 0 {
        out.push(format!("… {} more networks (`--format json` lists all)", grouped(left as u128)));
    }
    out
}

/// Text in a cell of a table that is shown as it is.
pub(super) fn code(text: &str) -> String {
    let text = printable(text).to_string().replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

#[derive(Serialize)]
pub(super) struct RegionAnswer<'a> {
    verdict: &'static str,
    reason: Option<&'static str>,
    sources: Vec<String>,
    addresses: Addresses,
    condition: Option<&'a str>,
    path: Vec<Hop<'a>>,
    witness: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    witness_facts: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witness_offline: Vec<String>,
}

#[derive(Serialize)]
struct Addresses {
    ipv4: String,
    ipv6: String,
}

#[derive(Serialize)]
struct Hop<'a> {
    action: &'static str,
    file: &'a str,
    line: u32,
    column: u32,
    rule: Option<&'a str>,
}

/// A region for programs.
pub(super) fn region_answer<'a>(program: &'a Program, region: &'a Region) -> RegionAnswer<'a> {
    let (verdict, why) = match region.verdict {
        Verdict::Proved => ("proved", None),
        Verdict::Conditional => ("conditional", None),
        Verdict::Unknown(Unproved::Budget) => ("unknown", Some("budget")),
        Verdict::Unknown(Unproved::Opaque) => ("unknown", Some("opaque_test")),
        Verdict::Unknown(Unproved::OpenTarget) => ("unknown", Some("open_target")),
    };
    let hop = |by: &ActionId| {
        let action = program.action(*by)?;
        let at = action.position();
        let rule = action.rule().and_then(|rule| rule.name());
        Some(Hop { action: action.kind(), file: program.file(), line: at.line, column: at.column, rule })
    };
    let witness = region.witness.as_ref();
    RegionAnswer {
        verdict,
        reason: why,
        sources: region.sources.networks().iter().map(ToString::to_string).collect(),
        addresses: Addresses {
            ipv4: region.sources.count_v4().to_string(),
            ipv6: region.sources.count_v6().to_string(),
        },
        condition: region.condition.as_deref(),
        path: region.by.iter().filter_map(hop).collect(),
        witness: witness.map(|it| it.client.to_string()),
        witness_facts: witness
            .iter()
            .flat_map(|it| &it.facts)
            .map(|(fact, value)| (fact.path(), given(value)))
            .collect(),
        witness_offline: witness.iter().flat_map(|it| &it.offline).map(ToString::to_string).collect(),
    }
}
