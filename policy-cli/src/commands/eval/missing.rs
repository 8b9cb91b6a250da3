//! What a policy needs and the call does not give: for the expression that failed, and for the rest of the policy, so that
//! one more call is enough.

use policy_core::cel::{Expression, Fact, Fault};
use policy_core::diagnostic::printable;
use policy_core::evaluate::{Evaluation, Mode};
use policy_core::facts::{FactSource, Facts};

use crate::geoip;

/// Something that was not given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fact(Fact),
    Randomness,
}

impl Missing {
    const fn from_fault(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::NoSource(fact) => Some(Self::Fact(*fact)),
            Fault::NoRandomness => Some(Self::Randomness),
            _ => None,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Fact(fact) => format!("`{}`", fact.path()),
            Self::Randomness => "a random seed".to_owned(),
        }
    }

    /// The flag that gives it.
    fn flag(self) -> String {
        let Self::Fact(fact) = self else { return "--seed 1".to_owned() };
        match Facts::source(fact) {
            FactSource::Time => "--now 2026-01-31T12:00:00Z".to_owned(),
            FactSource::Endpoint => "--endpoint tcp://edge.example.com:20022".to_owned(),
            FactSource::Connection
            | FactSource::Start
            | FactSource::Request
            | FactSource::Response
            | FactSource::Actions
            | FactSource::Provider => format!("--set {}=…", fact.path()),
        }
    }
}

/// What to say if an evaluation failed because nobody gave what it reads.
pub(super) fn message<M: Mode>(run: &Evaluation<'_, M>) -> Option<String> {
    let program = run.program();
    let (fault, expression, place) = if let Some((condition, error)) = run.failed_condition() {
        (&error.fault, Some(condition.expression()), Some(condition.position()))
    } else {
        let (expression, error) = run.failed_value()?;
        let action = run.outcome().and_then(|outcome| outcome.by()).and_then(|by| program.action(by));
        (&error.fault, expression, action.map(|action| action.position()))
    };
    let first = Missing::from_fault(fault)?;
    let here = missing_in_expression(run, first, expression);
    let mut elsewhere = missing_in_program(run);
    elsewhere.retain(|it| !here.contains(it));
    let place = place.map_or_else(String::new, |place| format!(":{place}"));
    let reader =
        expression.map_or_else(|| "the action".to_owned(), |it| format!("`{}`", printable(it.text())));
    let verb = if here.len() == 1 { "was" } else { "were" };
    let mut message = format!(
        "{}{place}: {reader} needs {}, which {verb} not given: add `{}`",
        program.file(),
        names(&here),
        flags(&here)
    );
    if !elsewhere.is_empty() {
        let rest = format!("; the rest of the policy needs {}: `{}`", names(&elsewhere), flags(&elsewhere));
        message.push_str(&rest);
    }
    let all = || here.iter().chain(&elsewhere);
    if all().any(|it| matches!(it, Missing::Fact(fact) if geoip::may_give(*fact))) {
        message.push_str("; `--geoip FILE.mmdb` gives places and autonomous systems");
    }
    if all().any(|it| matches!(it, Missing::Fact(fact) if fact.is_about_categories())) {
        message.push_str("; `--categories FILE` gives categories");
    }
    Some(message)
}

/// What one expression reads and nobody gave; at least what it failed for.
fn missing_in_expression<M: Mode>(
    run: &Evaluation<'_, M>,
    first: Missing,
    expression: Option<&Expression>,
) -> Vec<Missing> {
    let mut all = vec![first];
    if let Some(expression) = expression {
        add(&mut all, run, expression.reads(), expression.draws_numbers());
    }
    all
}

/// What any expression of the policy reads and nobody gave.
fn missing_in_program<M: Mode>(run: &Evaluation<'_, M>) -> Vec<Missing> {
    let mut all = Vec::new();
    add(&mut all, run, run.program().needs(), run.program().draws_numbers());
    all
}

/// Adds what is not given of some facts, and of random numbers if some are drawn, each once.
fn add<M: Mode>(all: &mut Vec<Missing>, run: &Evaluation<'_, M>, facts: &[Fact], draws: bool) {
    let no_seed = draws && !run.facts().has_seed();
    let lacking = run.facts().lacking(facts).map(Missing::Fact);
    for missing in lacking.chain(no_seed.then_some(Missing::Randomness)) {
        if !all.contains(&missing) {
            all.push(missing);
        }
    }
}

/// The names as a list in a sentence.
fn names(all: &[Missing]) -> String {
    let names: Vec<_> = all.iter().map(|it| it.name()).collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// The flags that give them: several facts may have one.
fn flags(all: &[Missing]) -> String {
    let mut flags: Vec<String> = Vec::new();
    for flag in all.iter().map(|it| it.flag()) {
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    flags.join(" ")
}
