//! The naive run: what each action does, again, straight from the model. The compiled engine is compared with it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::cel::{EvalLimits, Expression, Value};
use crate::facts::{Facts, FactsHost, State};
use crate::schema::{ConfigValue, Text};
use crate::url::EndpointUrl;
use crate::vocabulary::ActionResult;

/// How an action ends the phase in the naive run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NaiveEnd {
    Forwarded(EndpointUrl),
    Denied,
    Closed,
    /// A value of it cannot be made, or it fails and that is the end.
    Failed,
}

/// What comes after an action in the naive run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NaiveNext {
    GoOn,
    End(NaiveEnd),
    /// The action has no naive form.
    Unknown,
}

/// One naive run.
pub(crate) struct Naive<'f> {
    facts: &'f Facts<'f>,
    draws: u64,
    state: State,
    online: &'f dyn Fn(&EndpointUrl) -> bool,
}

impl fmt::Debug for Naive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Naive").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl<'f> Naive<'f> {
    pub(crate) fn new(facts: &'f Facts<'f>, online: &'f dyn Fn(&EndpointUrl) -> bool) -> Self {
        Self { facts, draws: 0, state: State::default(), online }
    }

    pub(crate) fn client_ip(&self) -> IpAddr {
        self.facts.client_ip()
    }

    /// True if an endpoint takes a connection.
    pub(crate) fn is_online(&self, url: &EndpointUrl) -> bool {
        (self.online)(url)
    }

    fn with_host<R>(&mut self, run: impl FnOnce(&mut FactsHost<'_>) -> R) -> R {
        let mut host = FactsHost::new(self.facts, Some(&self.state), self.draws);
        let result = run(&mut host);
        self.draws = host.draws;
        result
    }

    /// A condition as it is written; `None` if it has no value.
    pub(crate) fn condition(&mut self, expression: &Expression) -> Option<bool> {
        match self.with_host(|host| expression.explain(host, EvalLimits::default(), 0).0) {
            Ok(Value::Bool(value)) => Some(value),
            _ => None,
        }
    }

    /// A text; `None` if an expression in it has no value.
    pub(crate) fn text(&mut self, text: &Text) -> Option<String> {
        self.with_host(|host| text.template.render(host, &mut EvalLimits::default()).ok())
    }

    /// A value of texts, which are all that tests set; other values are left out.
    pub(crate) fn set_variable(&mut self, name: &str, value: &ConfigValue) -> Option<()> {
        let ConfigValue::Text(text) = value else { return Some(()) };
        let value = self.with_host(|host| text.template.value(host, &mut EvalLimits::default())).ok()?;
        self.state.set(&Arc::from(name), value);
        Some(())
    }

    pub(crate) fn set_result<T: Into<Value>>(&mut self, result: &ActionResult<T>, value: impl Into<T>) {
        let value: T = value.into();
        self.state.set_result(result.path(), value.into());
    }
}
