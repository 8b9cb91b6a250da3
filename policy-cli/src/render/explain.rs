//! `eval --explain`: every rule and list entry on the way to the decision.

use std::io::{self, Write};
use std::time::Duration;

use policy_core::compile::{ActionRef, RuleRef};
use policy_core::diagnostic::printable;
use policy_core::evaluate::Record;
use policy_core::exchange::{CircuitState, Effect, LoginReply, RateVerdict, Reply};
use policy_core::ir::{Entries, Entry};
use policy_core::lpm::{Family, family};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::url::EndpointUrl;

use super::conditions;
use super::ended_run::EndedRun;
use super::text::{assumptions, because, body, request};
use crate::answer::{Answer, Run};
use crate::cli::SecretValue;
use crate::hidden::Hidden;

/// Lists up to this length are shown whole, longer ones by their deciding entry.
const WHOLE_LIST: usize = 16;

/// A decision with every step that led to it.
pub(crate) fn decision(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    out.write_all(&answer.steps)?;
    writeln!(out, "outcome: {}", answer.outcome)?;
    because(out, answer)?;
    request(out, answer)?;
    assumptions(out, answer)?;
    let Some([policy, served]) = answer.digests else { return Ok(()) };
    writeln!(out, "  policy sha256 {policy}")?;
    // An edge names such a policy by what it is bound to as well.
    match served == policy {
        true => Ok(()),
        false => writeln!(out, "  with IP policies sha256 {served} (as an edge shows it)"),
    }
}

/// That so many more events of a stream passed than are shown; nothing of none.
pub(crate) fn left_out(events: usize) -> Vec<u8> {
    match events {
        0 => Vec::new(),
        events => format!("{events} more events passed\n").into_bytes(),
    }
}

/// Every rule, condition and list entry that one policy came to, without secrets: texts are cut after these are out.
pub(crate) fn steps(
    run: &Run<'_>,
    outcome: Outcome,
    (phase, event): (Phase, Option<usize>),
    secrets: &[SecretValue],
) -> io::Result<Vec<u8>> {
    let decided = &EndedRun { run, outcome, hidden: &Hidden::new(secrets) };
    let mut out = Vec::new();
    let event = event.map(|event| format!("   event {event}")).unwrap_or_default();
    writeln!(out, "{phase}   client {}{event}", run.facts().client_ip())?;
    let rules = decided.program().rules(phase);
    let width = rules.map(|rule| title(rule).chars().count()).max().unwrap_or(0);
    for rule in decided.program().rules(phase) {
        explain_rule(&mut out, decided, rule, width)?;
    }
    Ok(out)
}

fn title(rule: RuleRef<'_>) -> String {
    let name = rule.name().map(|name| format!(" {}", printable(name))).unwrap_or_default();
    format!("#{}{name}", rule.id().index() + 1)
}

fn explain_rule(
    out: &mut impl Write,
    decided: &EndedRun<'_>,
    rule: RuleRef<'_>,
    width: usize,
) -> io::Result<()> {
    let records = &decided.run.trace().records;
    let reached = records.iter().any(|record| matches!(record, Record::Rule(id) if *id == rule.id()));
    let asked = conditions::asked(decided, rule);
    let place = format!("{}:{}", decided.program().file(), rule.position().line);
    let title = title(rule);
    if !reached {
        let failed = decided.run.failed_condition();
        let failed = failed.is_some_and(|(failed, _)| rule.conditions().any(|own| own.id() == failed.id()));
        let why = match (failed, asked) {
            (true, _) => "has no value",
            (false, true) => "does not match",
            (false, false) => "not reached",
        };
        writeln!(out, " {title:width$}  {place}  {why}")?;
        return conditions::explain(out, decided, rule);
    }
    writeln!(out, " {title:width$}  {place}")?;
    conditions::explain(out, decided, rule)?;
    for action in rule.actions() {
        explain_action(out, decided, action)?;
    }
    Ok(())
}

fn explain_action(out: &mut impl Write, decided: &EndedRun<'_>, action: ActionRef<'_>) -> io::Result<()> {
    let kind = action.kind();
    let mut records = decided.run.trace().records.iter();
    let event = records.find_map(|record| match record {
        Record::Variable { action: id, .. } if *id == action.id() => Some(Event::Set),
        Record::Test { action: id, admitted } if *id == action.id() => Some(Event::Test(*admitted)),
        Record::Reply { action: id, reply } if *id == action.id() => Some(Event::Reply(reply.clone())),
        Record::Outcome(outcome) if outcome.by() == Some(action.id()) => Some(Event::End),
        Record::Header { action: id, .. }
        | Record::Url { action: id, .. }
        | Record::Body { action: id, .. }
            if *id == action.id() =>
        {
            Some(Event::Changed)
        }
        _ => None,
    });
    let began = decided.run.trace().records.iter();
    let began = began.filter(|record| matches!(record, Record::Action(id) if *id == action.id())).count() > 0;
    match event {
        // It ran, and there was nothing to change.
        None if began => writeln!(out, "    {kind}\n    → continue"),
        None => writeln!(out, "    {kind}  not reached"),
        Some(Event::Changed) => changes(out, decided, action),
        Some(Event::Set) => variables(out, decided, action),
        Some(Event::Test(admitted)) => explain_list(out, decided, action, admitted),
        Some(Event::Reply(reply)) => {
            let target = target(decided, action).map(|url| format!(" {url}")).unwrap_or_default();
            match reply {
                Reply::Forwarded => writeln!(out, "    {kind}{target}\n    → forward                STOP"),
                Reply::ForwardFailed(failure) => {
                    let halted = decided.outcome.by() == Some(action.id());
                    writeln!(out, "    {kind}{target}  failed: {failure}")?;
                    if halted { stops(out, decided) } else { writeln!(out, "    → continue") }
                }
                // What came back decides; what changed by it is told.
                _ => {
                    let changed = |record: &Record| matches!(record, Record::Header { action: id, .. } | Record::Body { action: id, .. } if *id == action.id());
                    match decided.run.trace().records.iter().any(changed) {
                        true => changes(out, decided, action),
                        false => {
                            head(out, decided, action)?;
                            ends(out, decided, action)
                        }
                    }
                }
            }
        }
        Some(Event::End) => {
            writeln!(out, "    {kind}\n    → {}                  STOP", decided.outcome.kind())
        }
    }
}

/// The target of a forward: the same for every connection, or what was made for this one.
fn target<'d>(decided: &'d EndedRun<'_>, action: ActionRef<'d>) -> Option<&'d EndpointUrl> {
    action.literal_target().or_else(|| {
        decided.run.trace().records.iter().find_map(|record| match record {
            Record::Effect { action: id, effect: Effect::Forward(target) } if *id == action.id() => {
                decided.run.target(*target)
            }
            _ => None,
        })
    })
}

/// The kind of an action, and what the host answered it.
fn head(out: &mut impl Write, decided: &EndedRun<'_>, action: ActionRef<'_>) -> io::Result<()> {
    writeln!(out, "    {}", action.kind())?;
    for record in &decided.run.trace().records {
        if let Record::Reply { action: id, reply } = record
            && *id == action.id()
            && let Some(answered) = answered(reply)
        {
            writeln!(out, "      {answered}")?;
        }
    }
    Ok(())
}

/// What a host's answer says, if the steps do not show it otherwise. Secrets and keys are not repeated.
fn answered(reply: &Reply) -> Option<String> {
    let whole = |seconds: Duration| seconds.as_secs() + u64::from(seconds.subsec_nanos() > 0);
    Some(match reply {
        Reply::Rate(RateVerdict::Passes) => "within the limit".to_owned(),
        Reply::Rate(RateVerdict::Limited { retry_after }) => {
            format!("over the limit; one is let through in {} s", whole(*retry_after))
        }
        Reply::Circuit(CircuitState::Closed) => "the circuit is closed: requests go through".to_owned(),
        Reply::Circuit(CircuitState::Trial) => "the circuit tries one request".to_owned(),
        Reply::Circuit(CircuitState::Open) => "the circuit is open: requests are refused".to_owned(),
        Reply::Secret(secret) => {
            format!("secret: {}", if secret.is_some() { "found" } else { "there is none" })
        }
        Reply::KeySet(keys) => {
            format!("set of keys: {}", if keys.is_some() { "found" } else { "there is none" })
        }
        Reply::Answered(answer) => match &**answer {
            Ok(answer) => format!("request sent: answered {}", answer.response.status),
            Err(failure) => format!("request sent: {failure}"),
        },
        Reply::Login(login) => match &**login {
            LoginReply::LoggedIn(identity) => format!("logged in as {}", printable(&identity.email)),
            LoginReply::Answer(answer) => format!("not logged in: answered {}", answer.status),
            LoginReply::Failed(error) => format!("login failed: {}", printable(error)),
        },
        Reply::Inspected(inspected) => match &**inspected {
            Ok(found) => format!("inspected: score {} of {}", found.anomaly_score, found.threshold),
            Err(error) => format!("inspection failed: {}", printable(error)),
        },
        Reply::TlsEnded(ended) => match &**ended {
            Ok(_) => "TLS ended".to_owned(),
            Err(error) => format!("TLS handshake failed: {}", printable(error)),
        },
        _ => return None,
    })
}

/// What an action set.
fn variables(out: &mut impl Write, decided: &EndedRun<'_>, action: ActionRef<'_>) -> io::Result<()> {
    head(out, decided, action)?;
    for record in &decided.run.trace().records {
        match record {
            Record::Variable { action: id, name, value } if *id == action.id() => {
                writeln!(
                    out,
                    "      vars.{name} = {}",
                    conditions::shown(&decided.hidden.shown(&value.to_string()))
                )?;
            }
            _ => {}
        }
    }
    ends(out, decided, action)
}

/// What an action changed of the message, and what comes next.
fn changes(out: &mut impl Write, decided: &EndedRun<'_>, action: ActionRef<'_>) -> io::Result<()> {
    head(out, decided, action)?;
    for record in &decided.run.trace().records {
        match record {
            Record::Header { action: id, name, value } if *id == action.id() => match value {
                Some(value) => writeln!(out, "      + {name}: {}", printable(&decided.hidden.shown(value)))?,
                None => writeln!(out, "      - {name}")?,
            },
            Record::Url { action: id, url } if *id == action.id() => {
                writeln!(out, "      ~ url {}", printable(url))?;
            }
            Record::Body { action: id, bytes, .. } if *id == action.id() => {
                writeln!(out, "      ~ body")?;
                let mut bytes = bytes.to_vec();
                decided.hidden.bytes(&mut bytes);
                body(out, &bytes)?;
            }
            _ => {}
        }
    }
    ends(out, decided, action)
}

/// Whether the phase ends at an action.
fn ends(out: &mut impl Write, decided: &EndedRun<'_>, action: ActionRef<'_>) -> io::Result<()> {
    match decided.outcome.by() == Some(action.id()) {
        true => writeln!(out, "    → {}                  STOP", decided.outcome.kind()),
        false => writeln!(out, "    → continue"),
    }
}

enum Event {
    Set,
    /// It changed the message.
    Changed,
    Test(bool),
    Reply(Reply),
    End,
}

fn explain_list(
    out: &mut impl Write,
    decided: &EndedRun<'_>,
    action: ActionRef<'_>,
    admitted: bool,
) -> io::Result<()> {
    let list = action.address_list();
    let enforced = list.is_none_or(|list| list.enforce);
    let verdict = if admitted { "ALLOW" } else { "DENY" };
    let dry = if enforced { "" } else { " (not enforced)" };
    writeln!(out, "    {}  {verdict}{dry}", action.kind())?;
    if let Some(list) = list {
        entries(out, decided, "deny", &list.deny)?;
        entries(out, decided, "allow", &list.allow)?;
    }
    for record in &decided.run.trace().records {
        match record {
            Record::Entry { action: id, network, matches } if *id == action.id() => {
                let state = if *matches { "match" } else { "no match" };
                writeln!(out, "      ${{…}}   {:43}  {state}", network.to_string())?;
            }
            _ => {}
        }
    }
    match admitted || !enforced {
        true => writeln!(out, "    → continue"),
        false => stops(out, decided),
    }
}

/// The end of a phase that refuses: what is answered, or that nothing is.
fn stops(out: &mut impl Write, decided: &EndedRun<'_>) -> io::Result<()> {
    match decided.run.answer() {
        Some(answer) => writeln!(out, "    → {:22} STOP", format!("answer {}", answer.status)),
        None => writeln!(out, "    → close                  STOP"),
    }
}

fn entries(out: &mut impl Write, decided: &EndedRun<'_>, list: &str, entries: &Entries) -> io::Result<()> {
    let client = decided.run.facts().client_ip();
    if entries.len() > WHOLE_LIST {
        return match entries.find(client) {
            Some(entry) => line(out, decided, list, entry, &format!("match, 1 of {} entries", entries.len())),
            None => writeln!(out, "      {list:5}  none of {} entries matches", entries.len()),
        };
    }
    let own = if client.is_ipv4() { Family::V4 } else { Family::V6 };
    for entry in entries.in_document_order() {
        let state = match family(&entry.network) == own {
            false => "other family",
            true if entry.network.contains(client) => "match",
            true => "no match",
        };
        line(out, decided, list, &entry, state)?;
    }
    Ok(())
}

fn line(
    out: &mut impl Write,
    decided: &EndedRun<'_>,
    list: &str,
    entry: &Entry,
    state: &str,
) -> io::Result<()> {
    let (network, line) = (entry.network.to_string(), entry.position.line);
    let id = entry.ip_policy.and_then(|id| decided.program().ip_policy(id));
    let of = id.map(|id| format!(", {}", printable(id))).unwrap_or_default();
    writeln!(out, "      {list:5}  {network:43}  {state} (line {line}{of})")
}
