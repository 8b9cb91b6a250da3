//! Constant patterns, compiled once.

use crate::cel::check::code::{Code, Node};
use crate::cel::codes;
use crate::cel::library::overload::Form;
use crate::cel::library::pattern::{Draft, too_large, too_large_together};
use crate::cel::limits::MAX_STATES;
use crate::cel::values::fault::Fault;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;

/// What became of the constant patterns of an expression.
#[derive(Debug, Default)]
pub(in crate::cel) struct Compiled {
    /// States of those that were compiled.
    pub(in crate::cel) states: u64,
    /// Where those stand that were not.
    pub(in crate::cel) bad: Vec<Span>,
}

/// Compiles the constant patterns of code, as long as they have at most so many states together.
pub(in crate::cel) fn compile_constants(code: &mut Code, max: u64, found: &mut Diagnostics) -> Compiled {
    let reached = code.reachable();
    let mut out = Compiled::default();
    let calls = code.nodes().zip(reached).filter(|(_, reached)| *reached);
    let calls = calls.filter_map(|((id, node), _)| match code.formed(node, Form::Matches)? {
        [text, pattern] => Some((id, *text, *pattern)),
        _ => None,
    });
    for (id, text, pattern) in calls.collect::<Vec<_>>() {
        let Some(written) = code.text(pattern) else { continue };
        let place = code.span(pattern);
        let compiled = Draft::read(written).and_then(|draft| {
            let together = out.states.saturating_add(draft.states());
            match together > max {
                true if draft.states() <= MAX_STATES => Err(too_large_together(written)),
                true => Err(too_large(written)),
                false => {
                    out.states = together;
                    draft.compile()
                }
            }
        });
        match compiled {
            Ok(pattern) => {
                code.replace(id, Node::Matches { operand: text, pattern: Box::new(pattern) });
            }
            Err(fault) => {
                out.bad.push(place);
                let here = Diagnostic::new(&codes::REGEX, place, fault.to_string());
                let help = if matches!(fault, Fault::PatternSize(_)) { SMALLER } else { GRAMMAR };
                found.push(here.with_help(help));
            }
        }
    }
    out
}

const SMALLER: &str = "repeat less often, or classes with fewer characters";
const GRAMMAR: &str = "patterns are those of RE2: no look-around, no back-references";
