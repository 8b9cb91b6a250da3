//! What actions of a run have produced: variables, results, changes of the message, secrets.

use std::sync::Arc;

use crate::cel::{Fact, Role, Value};
use crate::exchange::Secret;
use crate::message::Changes;
use crate::parse::{Plain, PlainMap};

/// Secrets that one run may look up.
pub(crate) const MAX_SECRETS: usize = 64;

/// What actions produce for what runs after them.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// `vars`, a map.
    vars: Value,
    /// `actions.ngrok.*`, of the last run of each action.
    results: Vec<(&'static str, Value)>,
    /// What was changed of request and response.
    pub(crate) changes: Changes,
    /// Secrets that were looked up, by vault and name; `None` for those that are not there.
    secrets: Vec<(Arc<str>, Arc<str>, Option<Secret>)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            vars: Value::Map(Arc::default()),
            results: Vec::new(),
            changes: Changes::default(),
            secrets: Vec::new(),
        }
    }
}

impl State {
    /// Sets a variable of the phase.
    pub(crate) fn set(&mut self, name: &Arc<str>, value: Value) {
        if let Value::Map(vars) = &mut self.vars {
            Arc::make_mut(vars).set(Arc::clone(name), value);
        }
    }

    /// Forgets the variables of the phase that ends.
    pub(crate) fn end_phase(&mut self) {
        self.vars = Value::Map(Arc::default());
    }

    /// Sets a result.
    pub(crate) fn set_result(&mut self, path: &'static str, value: Value) {
        match self.results.iter_mut().find(|(known, _)| *known == path) {
            Some(result) => result.1 = value,
            None => self.results.push((path, value)),
        }
    }

    /// True if there is room for another secret.
    pub(crate) fn may_keep_secret(&self) -> bool {
        self.secrets.len() < MAX_SECRETS
    }

    /// Keeps a secret that was looked up.
    pub(crate) fn keep_secret(&mut self, vault: Arc<str>, name: Arc<str>, secret: Option<Secret>) {
        self.secrets.push((vault, name, secret));
    }

    /// Takes the secrets that were looked up out of something that is written down: they may have come there by variables
    /// and results. What an expression makes of one is not known.
    pub(crate) fn hide_secrets(&self, plain: &mut Plain) {
        let found = self.secrets.iter().filter_map(|(.., secret)| secret.as_ref());
        let texts: Vec<&str> = found.map(|secret| &**secret.text()).filter(|text| !text.is_empty()).collect();
        if !texts.is_empty() {
            hide(&texts, plain);
        }
    }

    pub(super) fn secret(&self, vault: &str, name: &str) -> Option<&Option<Secret>> {
        self.secrets
            .iter()
            .find(|(of, known, _)| **of == *vault && **known == *name)
            .map(|(.., secret)| secret)
    }

    pub(super) fn get(&self, fact: Fact) -> Option<&Value> {
        match fact.role {
            Role::Variables => Some(&self.vars),
            _ => self.results.iter().find(|(known, _)| *known == fact.path()).map(|(_, value)| value),
        }
    }
}

/// What stands in the place of a secret that would be written down.
pub const HIDDEN_SECRET: &str = "(secret)";

/// Takes texts out of plain data; its levels are bounded where it is made.
fn hide(texts: &[&str], plain: &mut Plain) {
    let hide_text = |text: &mut Box<str>| {
        for secret in texts {
            if text.contains(secret) {
                *text = text.replace(secret, HIDDEN_SECRET).into();
            }
        }
    };
    match plain {
        Plain::String(text) => hide_text(text),
        Plain::List(items) => items.iter_mut().for_each(|item| hide(texts, item)),
        Plain::Map(PlainMap(entries)) => {
            for (key, value) in entries {
                hide_text(key);
                hide(texts, value);
            }
        }
        Plain::Null | Plain::Bool(_) | Plain::Int(_) | Plain::Uint(_) | Plain::Float(_) => {}
    }
}
