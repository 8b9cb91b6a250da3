//! Compile: from a [`CheckedPolicy`] to a [`Program`].
//!
//! All address tests become one table; everything an explanation needs goes to side tables that are read
//! only when somebody asks.

mod digest;
mod program;

pub use digest::Digest;
pub use program::{ActionRef, Program, RuleRef};

use std::sync::Arc;

use crate::check::CheckedPolicy;
use crate::diagnostic::{Code, Diagnostic};
use crate::exchange::{ActionId, RuleId};
use crate::ir::{Lowering, Op, next_id};
use crate::lpm::{AddressTable, TableLimits};
use crate::phase::Phase;
use program::{ActionInfo, RuleInfo};

static PROGRAM_TOO_LARGE: Code = Code::error("TP602", "program-too-large");

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] = &[&PROGRAM_TOO_LARGE];

/// What a program may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileLimits {
    /// The budget of the address table.
    pub table: TableLimits,
}

/// Compiles a checked policy. O(text + addresses · log addresses).
///
/// # Errors
/// One diagnostic if the program would exceed its limits; nothing is half-built.
///
/// ```
/// use policy_core::{check::load_policy, compile::{compile, CompileLimits}, source::Source};
/// let (policy, _) = load_policy(&Source::new("p.yml", "on_tcp_connect: [{actions: [{type: deny}]}]"));
/// let program = compile(&policy.expect("no errors"), &CompileLimits::default())?;
/// assert_eq!(program.rules().count(), 1);
/// # Ok::<(), Box<policy_core::diagnostic::Diagnostic>>(())
/// ```
pub fn compile(checked: &CheckedPolicy, limits: &CompileLimits) -> Result<Program, Box<Diagnostic>> {
    let (policy, source) = (checked.policy(), checked.source());
    let mut lowering = Lowering::new(source);
    let (mut rules, mut actions) = (Vec::new(), Vec::new());
    for rule in policy.rules(Phase::OnTcpConnect) {
        let id = RuleId(next_id(&rules));
        lowering.current = ActionId(next_id(&actions));
        lowering.emit(Op::Enter(id));
        for action in &rule.actions {
            lowering.current = ActionId(next_id(&actions));
            action.config.lower(&mut lowering);
            let position = source.position(action.span.start);
            actions.push(ActionInfo { rule: id, kind: action.config.name(), position });
        }
        rules.push(RuleInfo {
            name: rule.name.as_ref().map(|name| name.value.clone()),
            position: source.position(rule.span.start),
        });
    }
    let table = AddressTable::build(&lowering.tests, limits.table).map_err(|error| {
        Box::new(
            Diagnostic::new(&PROGRAM_TOO_LARGE, policy.span.at_start(), error.to_string())
                .with_help("merge adjacent networks, or split the policy over several endpoints"),
        )
    })?;
    Ok(Program::new(lowering, table, rules, actions, Arc::from(source.name()), Digest::of(checked.text())))
}
