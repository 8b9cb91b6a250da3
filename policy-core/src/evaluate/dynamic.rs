//! What is known for one connection only: rendered texts, variables, results of actions. Cold: a run that has none
//! of it never comes here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnetwork::IpNetwork;

use super::machine::Evaluation;
use super::trace::Trace;
use crate::cel::{EvalLimits, Map, Template, Unrendered, Value};
use crate::diagnostic::shorten;
use crate::exchange::{ActionId, ForwardFailure, LogId, TargetId};
use crate::facts::{FactsHost, State};
use crate::ir::{Decision, DynamicList, next_id};
use crate::lpm::cidr;
use crate::parse::{Plain, PlainMap};
use crate::schema::{ConfigValue, Text};
use crate::url::EndpointUrl;

/// The code of a refusal (ngrok error reference, 2026-08-07: blocked by an IP policy).
const BLOCKED: &str = "ERR_NGROK_3203";

/// Bytes that a run may keep: variables, targets and log entries. Values share parts, so each is counted as if it
/// stood alone.
const MOST_KEPT: usize = 4 << 20;
/// Bytes of one log entry, as its written form may have (TP308).
const MOST_LOGGED: usize = 16 << 10;
/// Lists and maps inside one another in a value that is kept.
const MOST_LEVELS: usize = 64;
/// Bytes that an item counts as.
const ITEM: usize = 16;

/// What a run has made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) state: State,
    /// Bytes kept so far.
    kept: usize,
    /// Targets beyond those of the program.
    targets: Vec<EndpointUrl>,
    /// Log entries beyond those of the program.
    logs: Vec<Arc<PlainMap>>,
    /// What the last list with entries of this run said.
    pub(super) admitted: Option<DynamicDecision>,
}

/// Why a list with entries that are known for each connection only permits or refuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct DynamicDecision {
    pub(super) by: ActionId,
    pub(super) denied: Option<IpNetwork>,
    pub(super) allowed: Option<IpNetwork>,
}

impl DynamicDecision {
    const fn matched(self) -> Option<IpNetwork> {
        match self.denied {
            Some(network) => Some(network),
            None => self.allowed,
        }
    }
}

impl<T: Trace> Evaluation<'_, T> {
    fn made(&mut self) -> &mut Made {
        self.made.get_or_insert_default()
    }

    /// Runs something with the host of the run's expressions.
    fn with_host<R>(&mut self, run: impl FnOnce(&mut FactsHost<'_>, &mut EvalLimits) -> R) -> R {
        let state = self.made.as_deref().map(|made| &made.state);
        let mut host = FactsHost { facts: self.facts, state, draws: self.draws };
        // Values that were made are gone; steps have been taken.
        self.limits.output = EvalLimits::default().output;
        let result = run(&mut host, &mut self.limits);
        self.draws = host.draws;
        result
    }

    fn render(&mut self, template: &Template) -> Result<String, Unrendered> {
        self.with_host(|host, limits| template.render(host, limits))
    }

    /// The value of a configured value; documents bound how deep they are.
    fn value(&mut self, value: &ConfigValue) -> Result<Value, Unrendered> {
        Ok(match value {
            ConfigValue::Plain(plain) => of_plain(plain),
            ConfigValue::Text(text) => self.with_host(|host, limits| text.template.value(host, limits))?,
            ConfigValue::List(items) => {
                Value::list(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            ConfigValue::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((&**key, self.value(value)?)));
                Value::Map(Map::of_texts(entries.collect::<Result<Vec<_>, _>>()?).into())
            }
        })
    }

    /// Takes room for a value that is kept.
    fn keep(&mut self, value: &Value) -> Result<(), Unrendered> {
        let made = self.made();
        let mut left = MOST_KEPT.saturating_sub(made.kept);
        let before = left;
        weigh(value, &mut left, MOST_LEVELS).ok_or_else(|| {
            Unrendered::unusable(format!(
                "the values of this run are larger than {MOST_KEPT} bytes or deeper than {MOST_LEVELS} levels"
            ))
        })?;
        made.kept += before - left;
        Ok(())
    }

    /// Sets a variable.
    pub(super) fn set_var(&mut self, by: ActionId, name: u32, value: u32) -> Result<(), Unrendered> {
        let operands = self.program().operands();
        let (name, value) = (operands.names.get(name as usize), operands.values.get(value as usize));
        let (Some(name), Some(value)) = (name, value) else { return Ok(()) };
        let value = self.value(value)?;
        self.keep(&value)?;
        self.trace_mut().variable(by, name, &value);
        self.made().state.set(name, value);
        Ok(())
    }

    /// True if a list admits the client. All entries are looked at before the verdict: one that is no network is a
    /// fault, whatever the others say.
    pub(super) fn admits(&mut self, list: u32, by: ActionId) -> Result<bool, Unrendered> {
        let Some(list) = self.program().operands().lists.get(list as usize) else { return Ok(false) };
        let DynamicList { allow, deny, dynamic_allow, dynamic_deny } = list;
        let (mut allowed, mut denied) = (self.client().is_in(*allow), self.client().is_in(*deny));
        let (best_allow, best_deny) = (self.matching(by, dynamic_allow)?, self.matching(by, dynamic_deny)?);
        allowed |= best_allow.is_some();
        denied |= best_deny.is_some();
        // Of the entries that are always the same, the most specific ones.
        let listed = self.program().action(by).and_then(|action| action.address_list());
        let client = self.facts().client_ip();
        let decision = DynamicDecision {
            by,
            denied: more_specific(listed.and_then(|it| it.deny.find(client)).map(|it| it.network), best_deny),
            allowed: more_specific(
                listed.and_then(|it| it.allow.find(client)).map(|it| it.network),
                best_allow,
            ),
        };
        self.made().admitted = Some(decision);
        Ok(allowed && !denied)
    }

    /// The most specific of some rendered networks that holds the client.
    fn matching(&mut self, by: ActionId, entries: &[Text]) -> Result<Option<IpNetwork>, Unrendered> {
        let mut best: Option<IpNetwork> = None;
        for entry in entries {
            let text = self.render(&entry.template)?;
            let network = cidr(&text).map_err(|error| {
                Unrendered::unusable(format!("`{}` is not a network: {error}", shorten(&text)))
            })?;
            let matches = network.network.contains(self.facts().client_ip());
            self.trace_mut().entry(by, network.network, matches);
            if matches {
                best = more_specific(best, Some(network.network));
            }
        }
        Ok(best)
    }

    /// The target that a text gives.
    pub(super) fn dynamic_target(&mut self, text: u32) -> Result<TargetId, Unrendered> {
        let Some(text) = self.program().operands().texts.get(text as usize) else {
            return Err(Unrendered::unusable("the target is not known".to_owned()));
        };
        let text = self.render(&text.template)?;
        let unusable = |why: &str| Unrendered::unusable(format!("`{}` {why}", shorten(&text)));
        let url = EndpointUrl::parse(&text)
            .map_err(|error| unusable(&format!("is no endpoint URL: {}", error.fault)))?;
        if !url.is_internal() || url.is_wildcard() {
            return Err(unusable("is not an internal endpoint"));
        }
        if url.port().is_none() {
            return Err(unusable("has no port"));
        }
        self.keep(&Value::text(&*text))?;
        let (literal, _) = self.program().literals();
        let targets = &mut self.made().targets;
        targets.push(url);
        Ok(TargetId(u32::try_from(literal).unwrap_or(u32::MAX).saturating_add(next_id(targets) - 1)))
    }

    /// A target of this run.
    pub(super) fn made_target(&self, id: TargetId) -> Option<&EndpointUrl> {
        let at = (id.0 as usize).checked_sub(self.program().literals().0)?;
        self.made.as_deref()?.targets.get(at)
    }

    /// The log entry that a value gives. Faults in it never end the run: they stand in place of the value.
    pub(super) fn dynamic_log(&mut self, value: u32) -> LogId {
        let value = self.program().operands().values.get(value as usize);
        let mut left = MOST_LOGGED.min(MOST_KEPT.saturating_sub(self.made().kept));
        let before = left;
        let logged = value.map(|value| self.logged(value, &mut left));
        self.made().kept += before - left;
        let metadata = match logged {
            Some(Plain::Map(metadata)) => metadata,
            _ => PlainMap::default(),
        };
        let (_, literal) = self.program().literals();
        let logs = &mut self.made().logs;
        logs.push(Arc::new(metadata));
        LogId(u32::try_from(literal).unwrap_or(u32::MAX).saturating_add(next_id(logs) - 1))
    }

    /// A log entry of this run.
    pub(super) fn made_log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        let at = (id.0 as usize).checked_sub(self.program().literals().1)?;
        self.made.as_deref()?.logs.get(at)
    }

    /// A value as it is logged, within so many bytes.
    fn logged(&mut self, value: &ConfigValue, left: &mut usize) -> Plain {
        match value {
            ConfigValue::Plain(plain) => plain.clone(),
            ConfigValue::Text(_) => match self.value(value) {
                Ok(value) => match weigh(&value, left, MOST_LEVELS) {
                    Some(()) => to_plain(&value),
                    None => Plain::String("no value: it is too large".into()),
                },
                Err(unrendered) => Plain::String(format!("no value: {}", unrendered.error).into()),
            },
            ConfigValue::List(items) => {
                Plain::List(items.iter().map(|item| self.logged(item, left)).collect())
            }
            ConfigValue::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), self.logged(value, left)));
                Plain::Map(PlainMap(entries.collect()))
            }
        }
    }

    /// Leaves behind what a `restrict-ips` found.
    pub(super) fn leave_test(&mut self, by: ActionId, admitted: bool) {
        let own = self.made.as_deref().and_then(|made| made.admitted).filter(|decision| decision.by == by);
        let listed = self.program().action(by).and_then(|action| action.address_list());
        let matched = match (own, listed.map(|list| list.decide(self.facts().client_ip()))) {
            (Some(decision), _) => decision.matched(),
            (None, Some(Decision::Allowed(entry) | Decision::Denied(entry))) => Some(entry.network),
            (None, _) => None,
        };
        let matched = matched.map(|network| network.to_string()).unwrap_or_default();
        let (action, code, message) = match admitted {
            true => ("allow", "", String::new()),
            false => ("deny", BLOCKED, format!("{} is not permitted", self.facts().client_ip())),
        };
        let state = &mut self.made().state;
        state.leave("actions.ngrok.restrict_ips.action", Value::text(action));
        state.leave("actions.ngrok.restrict_ips.matched_cidr", Value::text(matched));
        state.leave("actions.ngrok.restrict_ips.error.code", Value::text(code));
        state.leave("actions.ngrok.restrict_ips.error.message", Value::text(message));
    }

    /// Leaves behind why a forward failed.
    pub(super) fn leave_failure(&mut self, target: TargetId, failure: ForwardFailure) {
        let url = self.target(target).map(ToString::to_string).unwrap_or_default();
        let state = &mut self.made().state;
        state.leave("actions.ngrok.forward_internal.url", Value::text(url));
        state.leave("actions.ngrok.forward_internal.error.code", Value::text(failure.ngrok_code()));
        state.leave("actions.ngrok.forward_internal.error.message", Value::text(failure.to_string()));
    }

    /// Leaves behind what was logged.
    pub(super) fn leave_log(&mut self, log: LogId) {
        let metadata = self.log(log).map(|metadata| of_plain(&Plain::Map(PlainMap::clone(metadata))));
        if let Some(metadata) = metadata {
            self.made().state.leave("actions.ngrok.log.metadata", metadata);
        }
    }
}

/// The more specific of two networks.
fn more_specific(one: Option<IpNetwork>, other: Option<IpNetwork>) -> Option<IpNetwork> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.prefix() > one.prefix() { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Takes the bytes of a value, of shared parts each time they are seen; nothing if they or the levels do not suffice.
fn weigh(value: &Value, left: &mut usize, levels: usize) -> Option<()> {
    let own = match value {
        Value::String(text) => text.len(),
        // As they are logged, in Base64.
        Value::Bytes(bytes) => bytes.len().div_ceil(3) * 4,
        _ => 0,
    };
    *left = left.checked_sub(ITEM + own)?;
    match value {
        Value::List(items) => items.iter().try_for_each(|item| weigh(item, left, levels.checked_sub(1)?)),
        Value::Map(map) => map.iter().try_for_each(|(key, value)| {
            weigh(key, left, levels.checked_sub(1)?)?;
            weigh(value, left, levels.checked_sub(1)?)
        }),
        Value::Optional(Some(inner)) => weigh(inner, left, levels.checked_sub(1)?),
        _ => Some(()),
    }
}

fn of_plain(plain: &Plain) -> Value {
    match plain {
        Plain::Null => Value::Null,
        Plain::Bool(value) => Value::Bool(*value),
        Plain::Int(number) => Value::Int(*number),
        Plain::Uint(number) => Value::Uint(*number),
        Plain::Float(number) => Value::Double(*number),
        Plain::String(text) => Value::text(&**text),
        Plain::List(items) => Value::list(items.iter().map(of_plain).collect()),
        Plain::Map(PlainMap(entries)) => {
            Value::Map(Map::of_texts(entries.iter().map(|(key, value)| (&**key, of_plain(value)))).into())
        }
    }
}

/// A value as plain data: numbers as numbers, what JSON has no notation for as its text, bytes in Base64.
fn to_plain(value: &Value) -> Plain {
    match value {
        Value::Null | Value::Optional(None) => Plain::Null,
        Value::Bool(value) => Plain::Bool(*value),
        Value::Int(number) => Plain::Int(*number),
        Value::Uint(number) => i64::try_from(*number).map_or(Plain::Uint(*number), Plain::Int),
        Value::Double(number) if number.is_finite() => Plain::Float(*number),
        Value::Optional(Some(value)) => to_plain(value),
        Value::List(items) => Plain::List(items.iter().map(to_plain).collect()),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| (text_of(key), to_plain(value)));
            Plain::Map(PlainMap(entries.collect()))
        }
        other => Plain::String(text_of(other)),
    }
}

/// The text of a value that is no list or map.
fn text_of(value: &Value) -> Box<str> {
    match value {
        Value::String(text) => (**text).into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::Uint(number) => number.to_string().into(),
        Value::Duration(length) => length.to_string().into(),
        Value::Timestamp(time) => time.to_string().into(),
        Value::Ip(address) => address.to_string().into(),
        Value::Cidr(network) => network.to_string().into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::{Duration, Timestamp};

    fn logged(value: &Value) -> String {
        serde_json::to_string(&to_plain(value)).expect("plain data")
    }

    #[test]
    fn values_are_logged_as_plain_data() {
        let time = Value::Timestamp(Timestamp::new(1_769_860_800, 0).expect("a time"));
        let length = Value::Duration(Duration::from_nanos(5_400_000_000_000));
        for (value, text) in [
            (time.clone(), "\"2026-01-31T12:00:00Z\""),
            (length.clone(), "\"5400s\""),
            (Value::Uint(7), "7"),
            (Value::Uint(u64::MAX), "18446744073709551615"),
            (Value::Ip("2001:db8::1".parse().expect("an address")), "\"2001:db8::1\""),
            (Value::Cidr("10.0.0.0/8".parse().expect("a network")), "\"10.0.0.0/8\""),
            (Value::Bytes(b"ab".as_slice().into()), "\"YWI=\""),
            (Value::Type("int".into()), "\"int\""),
            (Value::Double(f64::NAN), "\"NaN\""),
            (Value::Optional(Some(length.clone().into())), "\"5400s\""),
            (Value::list(vec![time, Value::list(vec![length])]), "[\"2026-01-31T12:00:00Z\",[\"5400s\"]]"),
            (Value::Map(Map::of_texts([("a", Value::Uint(1))]).into()), "{\"a\":1}"),
        ] {
            assert_eq!(logged(&value), text);
        }
    }
}
