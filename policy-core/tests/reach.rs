//! Reach against brute force: random policies, every address at which something changes, every value of every fact.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::IpAddr;

use policy_core::analyse::{Answer, Changed, Comparison, Destination, Judged, Verdict, difference, reach};
use policy_core::cel::{Borrowed, EvalLimits, Fact};
use policy_core::compile::Program;
use policy_core::evaluate::Evaluation;
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{FactProvider, Facts};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::url::EndpointUrl;
use policy_core::variables::{self, Site};
use proptest::prelude::*;

const LISTS: [&str; 6] =
    ["10.0.0.0/30", "10.0.0.2/31", "0.0.0.0/1", "255.255.255.255/32", "2001:db8::/127", "::/0"];
const PROBES: [&str; 10] = [
    "0.0.0.0",
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "128.0.0.0",
    "255.255.255.255",
    "2001:db8::1",
    "2001:db8::2",
];
const TESTS: [&str; 11] = [
    "conn.geo.country_code == 'DE'",
    "conn.geo.country_code in ['DE', 'FR']",
    "conn.geo.country_code != 'FR'",
    "conn.client_port > 1024",
    "conn.client_port == 1025",
    "conn.client_port <= 2000",
    "inCidrRange(conn.client_ip, '10.0.0.0/30')",
    "!inCidrRange(conn.client_ip, '10.0.0.2/31')",
    "conn.geo.city.startsWith('B')",
    "vars.v == 'a'",
    "vars.v != 'b'",
];

/// A target that is known for each connection only: the first of the others, or one that no text names.
const PATTERN: &str = "tcp://t${conn.client_port > 1500 ? 0 : 9}.internal:22";

/// What a host knows of a connection.
#[derive(Clone, Copy, Debug)]
struct Known {
    country: Option<&'static str>,
    city: Option<&'static str>,
    port: i64,
}

impl FactProvider for Known {
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        match fact.path() {
            "conn.geo.country_code" => self.country.map(Borrowed::Text),
            "conn.geo.city" => self.city.map(Borrowed::Text),
            "conn.client_port" => Some(Borrowed::Int(self.port)),
            _ => None,
        }
    }
}

fn condition() -> impl Strategy<Value = String> {
    let test = (0..TESTS.len()).prop_map(|at| TESTS[at].to_owned());
    test.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn action() -> impl Strategy<Value = String> {
    let list = (0..LISTS.len(), any::<bool>(), any::<bool>()).prop_map(|(at, allow, enforce)| {
        let kind = if allow { "allow" } else { "deny" };
        format!("{{type: restrict-ips, config: {{enforce: {enforce}, {kind}: ['{}']}}}}", LISTS[at])
    });
    let forward = (0..3, any::<bool>()).prop_map(|(at, goes_on)| {
        let on_error = if goes_on { "continue" } else { "halt" };
        format!(
            "{{type: forward-internal, config: {{url: 'tcp://t{at}.internal:22', on_error: {on_error}}}}}"
        )
    });
    prop_oneof![
        3 => list,
        4 => forward,
        1 => Just("{type: deny}".to_owned()),
        1 => Just("{type: log, config: {metadata: {a: b}}}".to_owned()),
        1 => Just(format!("{{type: forward-internal, config: {{url: \"{PATTERN}\"}}}}")),
        2 => any::<bool>().prop_map(|a| {
            format!("{{type: set-vars, config: {{vars: [{{v: {}}}]}}}}", if a { "a" } else { "b" })
        }),
    ]
}

fn policy() -> impl Strategy<Value = String> {
    let rule = (prop::collection::vec(condition(), 0..3), prop::collection::vec(action(), 1..3));
    prop::collection::vec(rule, 1..6).prop_map(|rules| {
        // So that it is there wherever it is read.
        let first = "- actions: [{type: set-vars, config: {vars: [{v: a}]}}]\n";
        let mut out = format!("on_tcp_connect:\n{first}");
        for (conditions, actions) in rules {
            let quoted: Vec<_> = conditions.iter().map(|text| format!("\"{text}\"")).collect();
            let _ =
                writeln!(out, "- expressions: [{}]\n  actions: [{}]", quoted.join(", "), actions.join(", "));
        }
        out
    })
}

/// Where a connection goes.
fn goes(program: &Program, facts: &Facts<'_>, offline: &[bool; 3]) -> Option<Destination> {
    let mut run: Evaluation<'_> = program.on_tcp_connect(facts);
    let outcome = run.run(|effect, run| match effect {
        Effect::Forward(id) => {
            let is_offline = (0..3).any(|at| {
                offline[at] && run.target(id).is_some_and(|url| url.host() == format!("t{at}.internal"))
            });
            if is_offline { Reply::ForwardFailed(ForwardFailure::Offline) } else { Reply::Forwarded }
        }
        _ => Reply::Logged,
    });
    match outcome {
        Outcome::Forwarded { target, .. } => run.target(target).cloned().map(Destination::Target),
        Outcome::Upstream => Some(Destination::Upstream),
        _ => None,
    }
}

/// True if a printed condition holds. What it says of targets is put in by their words.
fn holds(condition: &str, facts: &Facts<'_>, offline: &[bool; 3]) -> bool {
    let mut text = condition.to_owned();
    for (at, offline) in offline.iter().enumerate() {
        text = text
            .replace(&format!("tcp://t{at}.internal:22 is online"), if *offline { "false" } else { "true" });
    }
    let env = variables::env(Site { phase: Some(Phase::OnTcpConnect), ..Site::default() });
    let expression = env.unchecked(&text).expect("an expression");
    matches!(
        expression.evaluate(&mut facts.host(), EvalLimits::default()),
        Ok(policy_core::cel::Value::Bool(true))
    )
}

#[test]
fn what_is_proved_is_what_brute_force_finds() {
    let seen: [Cell<u32>; 4] = Default::default();
    let count = |at: usize| seen[at].set(seen[at].get() + 1);
    let worlds = worlds();
    proptest!(ProptestConfig { cases: 100, ..ProptestConfig::default() }, |(text in policy(), has_upstream: bool)| {
        // What is always the same or never is refused.
        let Ok(program) = Program::from_policy("p.yml", &text) else { return Ok(()) };
        let reached = reach(Judged { program: &program, has_upstream }, None).expect("witnesses agree");
        for client in PROBES {
            let client: IpAddr = client.parse().expect("an address");
            for destination in reached.iter().map(|it| &it.destination) {
                let regions = reached.iter().filter(|it| it.destination == *destination).flat_map(|it| &it.regions);
                let regions: Vec<_> = regions.filter(|region| region.sources.contains(client)).collect();
                prop_assert!(regions.len() <= 1, "regions are apart");
                let region = regions.first();
                let is_pattern = matches!(destination, Destination::Pattern(_));
                for world in &worlds {
                    for offline in 0..8_u8 {
                        let offline = [0, 1, 2].map(|at| offline >> at & 1 == 1);
                        let is_offline = (0..3).any(|at| offline[at] && matches!(destination, Destination::Target(url) if url.host() == format!("t{at}.internal")));
                        if is_offline {
                            continue;
                        }
                        let facts = Facts::new(client).with(world);
                        let end = goes(&program, &facts, &offline);
                        let arrives = match &end {
                            // No text names it.
                            Some(Destination::Target(url)) if url.host() == "t9.internal" => is_pattern,
                            end => end.as_ref() == Some(destination),
                        };
                        match region.map(|region| (region.verdict, &region.condition)) {
                            None => prop_assert!(!arrives, "{client} {world:?} reaches {destination:?}\n{text}"),
                            // It has been seen that somebody may.
                            Some(_) if is_pattern => {}
                            Some((Verdict::Proved, _)) => {
                                count(0);
                                prop_assert!(arrives, "{client} {world:?} {offline:?} does not reach {destination:?}\n{text}");
                            }
                            Some((_, Some(condition))) => {
                                count(if arrives { 1 } else { 2 });
                                prop_assert_eq!(arrives, holds(condition, &facts, &offline), "{} {:?} {:?} {:?}: {}\n{}", client, world, offline, destination, condition, text);
                            }
                            Some((Verdict::Conditional, None)) => prop_assert!(false, "without a condition"),
                            Some(_) => count(3),
                        }
                    }
                }
            }
        }
    });
    assert!(seen.iter().all(|count| count.get() > 100), "{seen:?}");
}

/// Every connection that is tried.
fn worlds() -> Vec<Known> {
    let mut worlds = Vec::new();
    for country in [None, Some("DE"), Some("FR"), Some("US")] {
        for city in [None, Some("Bonn"), Some("Ulm")] {
            for port in [1024, 1025, 1026, 2000, 2001] {
                worlds.push(Known { country, city, port });
            }
        }
    }
    worlds
}

/// A policy with one thing changed, of those that a hand would change.
fn edited(text: &str, edit: usize, at: usize) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let rules = (lines.len() - 2) / 2;
    let rule = 2 + 2 * (at % rules.max(1));
    match edit {
        0 => drop(lines.drain(rule..(rule + 2).min(lines.len()))),
        1 => lines.insert(2, "- actions: [{type: deny}]".to_owned()),
        2 => lines[rule + 1] = lines[rule + 1].replace("10.0.0.0/30", "10.0.0.0/31"),
        3 => lines[rule] = lines[rule].replace("'DE'", "'US'").replace("> 1024", "> 1025"),
        4 => lines[rule + 1] = lines[rule + 1].replace("t0.internal", "t1.internal"),
        5 => lines[rule + 1] = lines[rule + 1].replace("on_error: halt", "on_error: continue"),
        _ => lines[rule + 1] = lines[rule + 1].replace("enforce: true", "enforce: false"),
    }
    lines.join("\n") + "\n"
}

/// What a region says of a connection, true if it changes; nothing if that is not known.
fn changes(changed: &Changed, facts: &Facts<'_>, offline: &[bool; 3]) -> Option<bool> {
    let says = |text: &Option<String>| text.as_ref().map(|text| holds(text, facts, offline));
    match changed.region.verdict {
        Verdict::Proved => Some(true),
        Verdict::Conditional => {
            Some(says(&changed.region.condition).unwrap_or(true) && !says(&changed.unless).unwrap_or(false))
        }
        Verdict::Unknown(_) => None,
    }
}

#[test]
fn what_a_change_opens_and_closes_is_what_brute_force_finds() {
    let seen: [Cell<u32>; 5] = Default::default();
    let count = |at: usize| seen[at].set(seen[at].get() + 1);
    let worlds = worlds();
    let pair = (policy(), 0..8_usize, 0..6_usize, policy());
    proptest!(ProptestConfig { cases: 150, ..ProptestConfig::default() }, |((old_text, edit, at, other) in pair, upstream: [bool; 2])| {
        let new_text = if edit == 7 { other } else { edited(&old_text, edit, at) };
        let (Ok(old), Ok(new)) = (Program::from_policy("old.yml", &old_text), Program::from_policy("new.yml", &new_text)) else {
            return Ok(());
        };
        let judged = |program, at: usize| Judged { program, has_upstream: upstream[at] };
        let found = difference(judged(&old, 0), judged(&new, 1), None).expect("witnesses agree");
        let back = difference(judged(&new, 1), judged(&old, 0), None).expect("witnesses agree");
        // What a change opens is what the change back closes.
        let told = |all: &[Changed]| -> Vec<_> {
            let mut told: Vec<_> = all.iter().map(|it| format!("{} {:?} {:?} {:?}", it.destination, it.region.verdict, it.region.sources, it.region.condition)).collect();
            told.sort();
            told
        };
        prop_assert_eq!(told(&found.opened), told(&back.closed));
        let same = difference(judged(&old, 0), judged(&old, 0), None).expect("witnesses agree");
        prop_assert_eq!(same.comparison(), Comparison::Equal);
        let denies = edited(&old_text, 1, at);
        if let Ok(denies) = Program::from_policy("denies.yml", &denies) {
            let narrowed = difference(judged(&old, 0), judged(&denies, 0), None).expect("witnesses agree");
            prop_assert_eq!(narrowed.opens(), Answer::No, "a deny opens nothing");
        }
        let names = ["t0", "t1", "t2"].map(|name| Destination::Target(EndpointUrl::parse(&format!("tcp://{name}.internal:22")).expect("a URL")));
        for client in PROBES {
            let client: IpAddr = client.parse().expect("an address");
            for destination in names.iter().chain([&Destination::Upstream]) {
                let of = |all: &'_ [Changed]| -> Vec<Changed> {
                    all.iter().filter(|it| it.destination == *destination && it.region.sources.contains(client)).cloned().collect()
                };
                let (opened, closed) = (of(&found.opened), of(&found.closed));
                prop_assert!(opened.len() <= 1 && closed.len() <= 1, "regions are apart");
                for world in &worlds {
                    for offline in 0..8_u8 {
                        let offline = [0, 1, 2].map(|at| offline >> at & 1 == 1);
                        if (0..3).any(|at| offline[at] && names[at] == *destination) {
                            continue;
                        }
                        let facts = Facts::new(client).with(world);
                        let ends = [&old, &new].map(|program| goes(program, &facts, &offline));
                        let reaches = |at: usize| match &ends[at] {
                            Some(Destination::Upstream) => upstream[at] && *destination == Destination::Upstream,
                            end => end.as_ref() == Some(destination),
                        };
                        let (before, after) = (reaches(0), reaches(1));
                        for (changed, all, is) in [(&opened, &found.opened, after && !before), (&closed, &found.closed, before && !after)] {
                            match changed.first().map(|it| changes(it, &facts, &offline)) {
                                // A pattern may give what neither of the policies names.
                                None if is => prop_assert!(all.iter().any(|it| matches!(it.destination, Destination::Pattern(_)) && it.region.sources.contains(client)), "{client} {world:?} {offline:?} {destination}\n{old_text}\n{new_text}"),
                                None => {}
                                Some(None) => count(0),
                                Some(Some(says)) => {
                                    count(if is { 1 } else { 2 });
                                    prop_assert_eq!(is, says, "{} {:?} {:?} {} {:?}\n{}\n{}", client, world, offline, destination, changed, old_text, new_text);
                                }
                            }
                        }
                    }
                }
            }
        }
        count(if found.opened.is_empty() { 3 } else { 4 });
    });
    assert!(seen.iter().all(|count| count.get() > 0), "{seen:?}");
}
