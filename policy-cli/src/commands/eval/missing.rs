//! What a policy reads and the call does not give: all of it is asked for at once.

use policy_core::cel::{Fact, Fault};
use policy_core::diagnostic::printable;
use policy_core::evaluate::{Evaluation, Mode};

/// What to say if an evaluation failed because nobody gave what it reads.
pub(super) fn message<M: Mode>(run: &Evaluation<'_, M>) -> Option<String> {
    let program = run.program();
    let (fault, text, place) = if let Some((condition, error)) = run.failed_condition() {
        (&error.fault, Some(condition.expression().text()), Some(condition.position()))
    } else {
        let (expression, error) = run.failed_value()?;
        let action = run.outcome().and_then(|outcome| outcome.by()).and_then(|by| program.action(by));
        (&error.fault, expression.map(|it| it.text()), action.map(|action| action.position()))
    };
    let first = flag(fault)?;
    let mut flags = vec![first];
    for flag in all(run) {
        if !flags.contains(&flag) {
            flags.push(flag);
        }
    }
    let place = place.map_or_else(String::new, |place| format!(":{place}"));
    let (file, text) = (program.file(), printable(text.unwrap_or_default()));
    let plural = if flags.len() == 1 { "a value that was" } else { "values that were" };
    Some(format!("{file}{place}: `{text}` needs {plural} not given: add `{}`", flags.join(" ")))
}

/// The flags for everything that the policy may read and nobody gave.
fn all<M: Mode>(run: &Evaluation<'_, M>) -> Vec<String> {
    let program = run.program();
    let mut flags: Vec<_> = run.facts().lacking(program.needs()).map(flag_of).collect();
    let draws = program.impure_calls().iter().any(|call| call.starts_with("rand."));
    if draws && !run.facts().has_seed() {
        flags.extend(flag(&Fault::NoRandomness));
    }
    flags
}

/// The flag that gives what has no value because nobody gave it.
fn flag(fault: &Fault) -> Option<String> {
    match fault {
        Fault::NoSource(fact) => Some(flag_of(*fact)),
        Fault::NoRandomness => Some("--seed 1".to_owned()),
        _ => None,
    }
}

fn flag_of(fact: Fact) -> String {
    match fact.path() {
        "time.now" => "--now 2026-01-31T12:00:00Z".to_owned(),
        path if path.starts_with("endpoint.") && path != "endpoint.id" => {
            "--endpoint tcp://edge.example.com:20022".to_owned()
        }
        path => format!("--set {path}=…"),
    }
}
