//! Compile: from a [`CheckedPolicy`] to a [`Program`].
//!
//! All address tests become one table; everything an explanation needs goes to side tables that are read
//! only when somebody asks.

mod program;
mod support;

pub use crate::digest::Digest;
pub use program::{ActionRef, ConditionRef, Program, RuleRef};
pub(crate) use support::not_supported;

use std::sync::Arc;

use crate::check::CheckedPolicy;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::exchange::{ActionId, RuleId};
use crate::ir::{Lowering, Op, next_id};
use crate::lpm::{AddressTable, TableLimits};
use crate::phase::Phase;
use program::{ActionInfo, RuleInfo};

static NOT_SUPPORTED: Code = Code::error("TP601", "not-supported");
static PROGRAM_TOO_LARGE: Code = Code::error("TP602", "program-too-large");

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] = &[&NOT_SUPPORTED, &PROGRAM_TOO_LARGE];

/// What to compile with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileOptions {
    /// The budget of the address table.
    pub table: TableLimits,
}

/// Compiles a checked policy. O(text + addresses · log addresses).
///
/// # Errors
/// What keeps the policy from being a program; nothing is half-built.
///
/// ```
/// use policy_core::{check::{load_policy, CheckOptions}, compile::{compile, CompileOptions}};
/// use policy_core::{phase::Phase, source::Source};
/// let source = Source::new("p.yml", "on_tcp_connect: [{actions: [{type: deny}]}]");
/// let (policy, _) = load_policy(&source, &CheckOptions::default());
/// let program = compile(&policy.expect("no errors"), &CompileOptions::default()).expect("small");
/// assert_eq!(program.rules(Phase::OnTcpConnect).count(), 1);
/// ```
pub fn compile(checked: &CheckedPolicy, options: &CompileOptions) -> Result<Program, Diagnostics> {
    let (policy, source) = (checked.policy(), checked.source());
    let missing = support::missing(policy);
    if missing.has_errors() {
        return Err(missing);
    }
    let mut lowering = Lowering::new(source);
    let (mut rules, mut actions) = (Vec::new(), Vec::new());
    for rule in policy.rules(Phase::OnTcpConnect) {
        let id = RuleId(next_id(&rules));
        lowering.current = ActionId(next_id(&actions));
        let written: Vec<_> = rule.expressions.iter().map(|item| (&item.expression, item.span)).collect();
        let first_condition = next_id(&lowering.expressions);
        let conditions = lowering.conditions(id, &written);
        lowering.emit(Op::Enter(id));
        let first = actions.len();
        for action in &rule.actions {
            lowering.current = ActionId(next_id(&actions));
            action.config.lower(&mut lowering);
            let position = source.position(action.span.start);
            actions.push(ActionInfo { rule: id, kind: action.config.name(), position, target: None });
        }
        lowering.end_rule(conditions);
        rules.push(RuleInfo {
            phase: Phase::OnTcpConnect,
            conditions: first_condition..next_id(&lowering.expressions),
            actions: first..actions.len(),
            name: rule.name.as_ref().map(|name| name.value.clone()),
            position: source.position(rule.span.start),
        });
    }
    let table = AddressTable::build(&lowering.tests, options.table).map_err(|error| {
        let mut found = Diagnostics::default();
        found.push(
            Diagnostic::new(&PROGRAM_TOO_LARGE, policy.span.at_start(), error.to_string())
                .with_help("merge adjacent networks, or split the policy over several endpoints"),
        );
        found
    })?;
    Ok(Program::new(lowering, table, rules, actions, Arc::from(source.name()), Digest::of(checked.text())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, load_policy};
    use crate::source::Source;

    fn checked(actions: &str) -> CheckedPolicy {
        let text = format!("on_tcp_connect: [{{actions: [{actions}]}}]");
        load_policy(&Source::new("p.yml", text), &CheckOptions::default()).0.expect("no errors")
    }

    #[test]
    fn a_program_says_which_facts_it_reads() {
        let needs = |actions| {
            let program = compile(&checked(actions), &CompileOptions::default()).expect("small");
            program.needs().iter().any(|fact| fact.path() == "conn.client_ip")
        };
        assert!(needs("{type: restrict-ips, config: {allow: [10.0.0.0/8]}}"));
        assert!(!needs("{type: deny}"));
    }

    #[test]
    fn a_program_over_its_budget_is_refused_whole() {
        let policy = checked("{type: restrict-ips, config: {allow: [10.0.0.0/8, 192.0.2.0/24]}}");
        let options = CompileOptions { table: TableLimits { bytes: 16 } };
        let found = compile(&policy, &options).expect_err("too large");
        let ids: Vec<_> = found.iter().map(|item| item.code.id).collect();
        assert_eq!(ids, ["TP602"]);
    }
}
