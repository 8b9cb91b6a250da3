//! `eval --explain`: the conditions of a rule, with the value of every part.

use std::io::{self, Write};

use policy_core::cel::Part;
use policy_core::compile::{ConditionRef, RuleRef};
use policy_core::diagnostic::cut;
use policy_core::evaluate::Record;
use policy_core::facts::HIDDEN_SECRET;

use super::ended_run::EndedRun;
use crate::hidden::Hidden;

/// Characters of a part's text, and of its value, that are shown.
const MAX_SHOWN: usize = 100;
/// Parts of one condition that are shown.
const MAX_PARTS: usize = 60;

/// True if a condition of the rule was evaluated.
pub(super) fn asked(decided: &EndedRun<'_>, rule: RuleRef<'_>) -> bool {
    rule.conditions().any(|condition| record(decided, condition).is_some())
}

/// The conditions that were evaluated; those behind a false one were not.
pub(super) fn explain(out: &mut impl Write, decided: &EndedRun<'_>, rule: RuleRef<'_>) -> io::Result<()> {
    for condition in rule.conditions() {
        if let Some((value, parts)) = record(decided, condition) {
            explain_condition(out, (condition, decided.hidden), &value, parts)?;
        }
    }
    Ok(())
}

/// The value of a condition in words, and its parts.
fn record<'r>(decided: &'r EndedRun<'_>, wanted: ConditionRef<'_>) -> Option<(String, &'r [Part])> {
    decided.run.trace().records.iter().find_map(|record| match record {
        Record::Condition { id, value, parts } if *id == wanted.id() => {
            let value = match value {
                Ok(value) => value.to_string(),
                Err(error) => format!("no value: {error}"),
            };
            Some((value, parts.as_slice()))
        }
        _ => None,
    })
}

fn explain_condition(
    out: &mut impl Write,
    (condition, hidden): (ConditionRef<'_>, &Hidden),
    value: &str,
    parts: &[Part],
) -> io::Result<()> {
    let text = condition.expression().text();
    writeln!(out, "    if {}  {value} (line {})", shown(text), condition.position().line)?;
    // The whole expression stands above.
    let whole = |part: &&Part| part.span.to_range().len() < text.trim().len();
    let lines: Vec<(String, String)> = parts
        .iter()
        .filter(whole)
        .take(MAX_PARTS)
        .map(|part| {
            let name = shown(text.get(part.span.to_range()).unwrap_or_default());
            let value = match &part.value {
                Ok(_) if condition.expression().is_secret_at(part.span) => HIDDEN_SECRET.to_owned(),
                Ok(value) => shown(&hidden.shown(&value.to_string())),
                Err(fault) => format!("no value: {fault}"),
            };
            (format!("{}{name}", "  ".repeat(part.depth)), value)
        })
        .collect();
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in lines {
        writeln!(out, "      {name:width$}  {value}")?;
    }
    Ok(())
}

/// A text on one line, cut where it becomes long.
pub(super) fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, MAX_SHOWN).into_owned()
}
