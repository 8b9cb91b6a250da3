//! Run: what an action may do while it runs, and what a run keeps from phase to phase.
//!
//! The machine in `evaluate` knows control flow, effects and ends; what an action does stands in the action's file, behind
//! [`Execute`]. A run that keeps nothing allocates nothing.

mod digest;
mod execute;
mod message;
#[cfg(feature = "reference")]
mod naive;
mod state;
mod values;

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::cel::{ClientAddress, EvalLimits, Expression, Fault, Map, Pattern, Template, Unrendered, Value};
use crate::exchange::{ActionId, Asked, Effect, LogId, TargetId};
use crate::facts::{Facts, FactsHost};
use crate::parse::{Plain, PlainMap};
use crate::phase::Phase;
use crate::schema::{ConfigValue, Text};
use crate::trace::Trace;
use crate::url::EndpointUrl;
use crate::vocabulary::{ActionResult, Declared};

pub(crate) use digest::StepDigest;
pub(crate) use execute::{AddressVerdict, Execute, HttpRefusal, Next, NotRun, Target};
#[cfg(feature = "reference")]
pub(crate) use naive::{Naive, NaiveEnd, NaiveNext, replace as naive_replace};
pub(crate) use state::ListDecision;
pub use state::RunState;
pub(crate) use values::map_from_plain;
use values::{MAX_KEPT, MAX_LEVELS, from_plain, to_plain, weigh};

/// Bytes of one log entry, as its written form may have (TP308).
const MAX_LOGGED: usize = 16 << 10;

/// One run, as the action sees it that runs.
pub(crate) struct Run<'a> {
    /// The action.
    pub(crate) by: ActionId,
    pub(crate) phase: Phase,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) client: ClientAddress<'a>,
    /// Numbers of the targets and of the log entries that are the same for every connection.
    pub(crate) literals: (usize, usize),
    /// True if something reads what actions produce.
    pub(crate) keeps_results: bool,
    pub(crate) state: &'a mut RunState,
    pub(crate) trace: &'a mut dyn Trace,
}

impl Run<'_> {
    /// The address of the client, an IPv4-mapped one as IPv4.
    pub(crate) fn client_ip(&self) -> IpAddr {
        self.facts.client_ip()
    }

    /// Runs something with the host of the run's expressions.
    fn with_host<R>(&mut self, run: impl FnOnce(&mut FactsHost<'_>, &mut EvalLimits) -> R) -> R {
        let state = self.state.kept.as_deref().map(|kept| &kept.state);
        let mut host = FactsHost::new(self.facts, state, self.state.draws);
        // Values that were made are gone; steps have been taken.
        self.state.limits.output = EvalLimits::default().output;
        let result = run(&mut host, &mut self.state.limits);
        self.state.draws = host.draws;
        result
    }

    /// The text that a template gives.
    ///
    /// # Errors
    /// If an expression in it has no value.
    pub(crate) fn render(&mut self, template: &Template) -> Result<String, Unrendered> {
        self.with_host(|host, limits| template.render(host, limits))
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// If it has none.
    pub(crate) fn evaluate(&mut self, expression: &Expression) -> Result<Value, Unrendered> {
        let value = self.with_host(|host, limits| expression.evaluate_from(host, limits));
        value.map_err(|error| Unrendered::of(expression, error))
    }

    /// The value of an expression that knows some facts beside those of the run.
    ///
    /// # Errors
    /// If it has none.
    pub(crate) fn evaluate_with<const N: usize>(
        &mut self,
        expression: &Expression,
        known: [(&'static str, Value); N],
    ) -> Result<Value, Unrendered> {
        for (path, value) in known {
            self.state.kept().state.set_result(path, value);
        }
        self.evaluate(expression)
    }

    /// What the attempts of a request have met so far.
    pub(crate) fn attempts(&self) -> &[Value] {
        self.state.kept.as_deref().map_or(&[], |kept| &kept.attempts)
    }

    /// Before the first attempt.
    pub(crate) fn forget_attempts(&mut self) {
        self.state.kept().attempts.clear();
    }

    /// Adds what another attempt has met.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn add_attempt(&mut self, met: Value) -> Result<(), Unrendered> {
        self.keep(&met)?;
        self.state.kept().attempts.push(met);
        Ok(())
    }

    /// Sets a result that may be large.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn keep_result<T>(
        &mut self,
        result: &ActionResult<T>,
        value: Value,
    ) -> Result<(), Unrendered> {
        self.keep(&value)?;
        self.state.kept().state.set_result(result.path(), value);
        Ok(())
    }

    /// Takes so many steps for something.
    ///
    /// # Errors
    /// If there are fewer: what is told in words.
    pub(crate) fn charge(&mut self, steps: u64, of: impl FnOnce() -> String) -> Result<(), Unrendered> {
        match self.state.limits.steps.checked_sub(steps) {
            Some(left) => {
                self.state.limits.steps = left;
                Ok(())
            }
            None => {
                self.state.limits.steps = 0;
                Err(Unrendered::whole(Fault::StepsOf { what: of().into(), steps }))
            }
        }
    }

    /// Compiles a pattern that is known for this run only, to match a text of so many bytes.
    ///
    /// # Errors
    /// If it is no pattern, or takes too many steps.
    pub(crate) fn compile_pattern(&mut self, text: &str, bytes: usize) -> Result<Pattern, Unrendered> {
        let (compile, steps) = Pattern::draft(text, bytes).map_err(Unrendered::whole)?;
        // What a value has brought into it is not repeated.
        self.charge(steps, || "compiling a pattern that is made for this run".to_owned())?;
        compile().map_err(Unrendered::whole)
    }

    /// The value of a configured value; documents bound how deep they are.
    ///
    /// # Errors
    /// If an expression in it has no value.
    pub(crate) fn value(&mut self, value: &ConfigValue) -> Result<Value, Unrendered> {
        Ok(match value {
            ConfigValue::Plain(plain) => from_plain(plain),
            ConfigValue::Text(text) => self.with_host(|host, limits| text.template.value(host, limits))?,
            ConfigValue::List(items) => {
                Value::list(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            ConfigValue::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((&**key, self.value(value)?)));
                Value::Map(Map::from_texts(entries.collect::<Result<Vec<_>, _>>()?).into())
            }
        })
    }

    /// Takes room for a value that is kept.
    fn keep(&mut self, value: &Value) -> Result<(), Unrendered> {
        let kept = self.state.kept();
        let mut left = MAX_KEPT.saturating_sub(kept.bytes);
        let before = left;
        weigh(value, &mut left, MAX_LEVELS).ok_or_else(|| {
            Unrendered::unusable(format!(
                "the values of this run are larger than {MAX_KEPT} bytes or deeper than {MAX_LEVELS} levels"
            ))
        })?;
        kept.bytes += before - left;
        Ok(())
    }

    /// Sets a variable of the phase.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn set_variable(&mut self, name: &Arc<str>, value: Value) -> Result<(), Unrendered> {
        self.keep(&value)?;
        self.trace.variable(self.by, name, &value);
        self.state.kept().state.set(name, value);
        Ok(())
    }

    /// Sets a result of the action; later conditions and actions read it.
    pub(crate) fn set_result<T: Into<Value>>(&mut self, result: &ActionResult<T>, value: impl Into<T>) {
        let value: T = value.into();
        self.state.kept().state.set_result(result.path(), value.into());
    }

    /// Sets those of some declared results that values name below a path; others are the host's alone.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn set_named<'d>(
        &mut self,
        declared: impl Iterator<Item = &'d Declared> + Clone,
        below: &str,
        values: Vec<(Box<str>, Value)>,
    ) -> Result<(), Unrendered> {
        for (name, value) in values {
            let path =
                declared.clone().map(Declared::path).find(|path| path.strip_prefix(below) == Some(&*name));
            if let Some(path) = path {
                self.keep(&value)?;
                self.state.kept().state.set_result(path, value);
            }
        }
        Ok(())
    }

    /// The set of keys at a URL, or what asks for it; `None` inside if there is none.
    pub(crate) fn key_set(&mut self, url: &str) -> Result<Option<Arc<str>>, Next> {
        let known = self.state.kept().key_sets.iter().find(|(known, _)| **known == *url);
        match known {
            Some((_, keys)) => Ok(keys.clone()),
            None => Err(self.ask(Effect::FetchKeys, Asked::KeySet(url.into()))),
        }
    }

    /// Tells of a test of the client's address.
    pub(crate) fn note_address_test(&mut self, admitted: bool) {
        self.trace.test(self.by, admitted);
        self.state.tested = Some((self.by, admitted));
    }

    /// Tells of an entry of a list that was made for this connection.
    pub(crate) fn note_entry(&mut self, network: IpNetwork, matches: bool) {
        self.trace.entry(self.by, network, matches);
    }

    /// Keeps what a list with entries of this run said, for the reason.
    pub(crate) fn keep_decision(&mut self, denied: Option<IpNetwork>, allowed: Option<IpNetwork>) {
        self.state.kept().decided = Some(ListDecision { by: self.by, denied, allowed });
    }

    /// The number of a target that is known for this run only.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn add_target(&mut self, url: EndpointUrl) -> Result<TargetId, Unrendered> {
        self.keep(&Value::text(url.to_string()))?;
        let targets = &mut self.state.kept().targets;
        targets.push(url);
        Ok(TargetId(numbered(self.literals.0, targets.len())))
    }

    /// A target that is known for this run only.
    pub(crate) fn target(&self, id: TargetId) -> Option<&EndpointUrl> {
        self.state.target(id, self.literals.0)
    }

    /// The number of the log entry that a value gives. Faults in it never end the run: they stand in place of the value.
    pub(crate) fn add_log(&mut self, value: &ConfigValue) -> LogId {
        let mut left = MAX_LOGGED.min(MAX_KEPT.saturating_sub(self.state.kept().bytes));
        let before = left;
        let mut logged = self.logged(value, &mut left);
        let kept = self.state.kept();
        kept.state.hide_secrets(&mut logged);
        kept.bytes += before - left;
        let metadata = if let Plain::Map(metadata) = logged { metadata } else { PlainMap::default() };
        kept.logs.push(Arc::new(metadata));
        LogId(numbered(self.literals.1, kept.logs.len()))
    }

    /// A log entry that is known for this run only.
    pub(crate) fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.state.log(id, self.literals.1)
    }

    /// The value of a text that is written down.
    fn value_without_secrets(&mut self, text: &Text) -> Result<Value, Unrendered> {
        self.with_host(|host, limits| {
            host.lends_secrets = false;
            text.template.value(host, limits)
        })
    }

    /// A value as it is logged, within so many bytes.
    fn logged(&mut self, value: &ConfigValue, left: &mut usize) -> Plain {
        match value {
            ConfigValue::Plain(plain) => plain.clone(),
            ConfigValue::Text(text) => match self.value_without_secrets(text) {
                Ok(value) => match weigh(&value, left, MAX_LEVELS) {
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
}

/// The number of the last of so many things of a run, after those of its program.
fn numbered(literal: usize, own: usize) -> u32 {
    u32::try_from((literal + own).saturating_sub(1)).unwrap_or(u32::MAX)
}
