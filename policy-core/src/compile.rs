//! Compile: from a [`CheckedPolicy`] to a [`Program`].
//!
//! All address tests become one table; everything an explanation needs goes to side tables that are read
//! only when somebody asks.

mod by_class;
mod decision;
mod from_policy;
mod listing;
mod program;
mod residual;
mod size;
mod support;
mod targets;

pub use crate::digest::Digest;
pub use from_policy::PolicyError;
pub use listing::Listing;
pub(crate) use program::PhaseCode;
pub use program::{ActionRef, ConditionRef, Program, RuleRef};
pub(crate) use residual::ResidualCondition;
pub(crate) use support::not_supported;
pub(crate) use targets::{may_give, pattern};

use std::sync::Arc;

use crate::check::CheckedPolicy;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::exchange::{Ability, ActionId, RuleId};
use crate::ip_policy::IpPolicies;
use crate::ir::{Lowering, Op, next_id};
use crate::lpm::{AddressTables, TableLimits};
use crate::model::Rule;
use crate::outcome::Ending;
use crate::phase::{Phase, PhaseSet};
use program::{ActionInfo, Parts, RuleInfo};

codes! {
    static NOT_SUPPORTED = error("TP601", "not-supported");
    static PROGRAM_TOO_LARGE = error("TP602", "program-too-large");
}

/// What to compile with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompileOptions {
    /// The budget of the address tables.
    pub table: TableLimits,
    /// Bytes that code of its own for each class of addresses may take; beyond, rules are found by masks.
    pub code: usize,
    /// The phases that the host runs: a policy with rules in others is refused.
    pub phases: PhaseSet,
    /// The IP policies that `restrict-ips` may name; without them, a policy that names one is refused.
    pub ip_policies: Option<Arc<IpPolicies>>,
    /// What the host can do beyond what every host can; a policy that needs more is refused.
    pub abilities: Vec<Ability>,
}

impl Default for CompileOptions {
    /// For an edge of TCP connections: on_tcp_connect alone; 64 KiB of code.
    fn default() -> Self {
        Self {
            table: TableLimits::default(),
            code: 64 << 10,
            phases: PhaseSet::new(&[Phase::OnTcpConnect]),
            ip_policies: None,
            abilities: Vec::new(),
        }
    }
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
    let missing = support::missing(checked.policy(), options);
    if missing.has_errors() {
        return Err(missing);
    }
    let parts = lower(checked, options)?;
    let name = Arc::from(checked.source().name());
    Ok(Program::new(options, parts, name, Digest::from_text(checked.text())))
}

/// What is too large in a policy, whoever runs it: rules count also where this version or a host does not run them.
pub(crate) fn check_size(checked: &CheckedPolicy, options: &CompileOptions) -> Diagnostics {
    lower(checked, options).err().unwrap_or_default()
}

/// Lowers every phase.
fn lower<'c>(checked: &'c CheckedPolicy, options: &'c CompileOptions) -> Result<Parts<'c>, Diagnostics> {
    let (policy, source) = (checked.policy(), checked.source());
    let mut lowering = Lowering::new(source, options.ip_policies.as_deref());
    let (mut rules, mut actions, mut phases) = (Vec::new(), Vec::new(), Vec::new());
    for phase in Phase::ALL {
        let first = rules.len();
        for rule in policy.rules(phase) {
            rules.push(lower_rule(phase, rule, RuleId(next_id(&rules)), &mut lowering, &mut actions));
        }
        lowering.emit(Op::End(Ending::Upstream));
        let ops = std::mem::take(&mut lowering.ops);
        if rules.len() > first {
            phases.push((phase, ops, first..rules.len()));
        }
    }
    let tables = AddressTables::build(&lowering.tests, options.table).map_err(|error| {
        let mut found = Diagnostics::default();
        found.push(
            Diagnostic::new(&PROGRAM_TOO_LARGE, policy.span.at_start(), error.to_string())
                .with_help("merge adjacent networks, or split the policy over several endpoints"),
        );
        found
    })?;
    Ok(Parts { lowering, tables, phases, rules, actions })
}

fn lower_rule(
    phase: Phase,
    rule: &Rule,
    id: RuleId,
    lowering: &mut Lowering<'_>,
    actions: &mut Vec<ActionInfo>,
) -> RuleInfo {
    lowering.current = ActionId(next_id(actions));
    let written: Vec<_> = rule.expressions.iter().map(|item| (&item.expression, item.span)).collect();
    let first_condition = next_id(&lowering.expressions);
    let conditions = lowering.conditions(id, &written);
    lowering.emit(Op::Enter(id));
    let (first, first_op) = (actions.len(), lowering.ops.len());
    for action in &rule.actions {
        lowering.current = ActionId(next_id(actions));
        let step = action.config.lower(lowering);
        lowering.act(step);
        let position = lowering.position(action.span);
        actions.push(ActionInfo { rule: id, kind: action.config.name(), position });
    }
    let ops = first_op..lowering.ops.len();
    lowering.end_rule(conditions);
    RuleInfo {
        phase,
        conditions: first_condition..next_id(&lowering.expressions),
        actions: first..actions.len(),
        ops,
        name: rule.name.as_ref().map(|name| name.value.clone()),
        position: lowering.position(rule.span),
    }
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
    fn every_phase_compiles_for_a_host_that_asks_for_it() {
        let text = "on_http_request: [{expressions: [\"req.method == 'GET'\"], actions: [{type: log, config: {metadata: {a: b}}}, {type: deny}]}]";
        let policy = load_policy(&Source::new("p.yml", text), &CheckOptions::default()).0.expect("no errors");
        let options = CompileOptions { phases: PhaseSet::new(&Phase::ALL), ..CompileOptions::default() };
        let listing = compile(&policy, &options).expect("compiles").listing().to_string();
        assert!(listing.contains("on_http_request: 1 rule") && listing.contains("deny"), "{listing}");
        let found = compile(&policy, &CompileOptions::default()).expect_err("no host runs it");
        assert_eq!(found.iter().map(|item| item.code.id).collect::<Vec<_>>(), ["TP601"]);
    }

    #[test]
    fn a_program_over_its_budget_is_refused_whole() {
        let policy = checked("{type: restrict-ips, config: {allow: [10.0.0.0/8, 192.0.2.0/24]}}");
        let options = CompileOptions { table: TableLimits::new(16), ..CompileOptions::default() };
        let found = compile(&policy, &options).expect_err("too large");
        let ids: Vec<_> = found.iter().map(|item| item.code.id).collect();
        assert_eq!(ids, ["TP602"]);
    }
}
