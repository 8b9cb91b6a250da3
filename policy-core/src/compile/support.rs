//! What the language has and this version does not run: refused by name, so that nothing is admitted that the
//! policy does not admit.

use super::NOT_SUPPORTED;
use crate::actions::ActionConfig;
use crate::cel::{Expression, Fact};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Policy, Rule};
use crate::phase::{Phase, PhaseSet};
use crate::source::Span;

/// A finding about something that this version does not run.
pub(crate) fn not_supported(span: Span, what: &str, help: &str) -> Diagnostic {
    let message = format!("{what} is not supported by this version");
    Diagnostic::new(&NOT_SUPPORTED, span, message).with_help(help)
}

/// Everything in a policy that this version does not run.
pub(super) fn missing(policy: &Policy, phases: PhaseSet) -> Diagnostics {
    let mut found = Diagnostics::default();
    for phase in &policy.phases {
        if !phases.contains(phase.phase) && !phase.rules.is_empty() {
            let names: Vec<_> = phases.iter().map(Phase::name).collect();
            let help = format!("what runs here is {}; remove the phase to use the policy", names.join(", "));
            found.push(not_supported(phase.span, &format!("the phase `{}`", phase.phase), &help));
            continue;
        }
        phase.rules.iter().for_each(|rule| missing_in_rule(rule, &mut found));
    }
    found
}

fn missing_in_rule(rule: &Rule, found: &mut Diagnostics) {
    for condition in &rule.expressions {
        missing_in_expression(&condition.expression, condition.span, found);
    }
    for action in &rule.actions {
        let name = action.config.name();
        if !action.config.runs() {
            let names: Vec<_> = crate::actions::NAMES
                .iter()
                .copied()
                .filter(|name| ActionConfig::runs_by_name(name))
                .collect();
            let help = format!("the actions that it runs: `{}`", names.join("`, `"));
            found.push(not_supported(action.span, &format!("the action `{name}`"), &help));
            continue;
        }
        action.config.texts(&mut |text| {
            if text.literal().is_none() {
                found.push(not_supported(text.span, &format!("`${{…}}` in `{name}`"), "write the value out"));
            }
        });
        for id in action.config.open_ip_policies() {
            let help = "list the addresses under `allow` and `deny`";
            found.push(not_supported(id.span, "`ip_policies`", help));
        }
    }
}

/// What earlier actions left behind, and secrets.
fn missing_in_expression(expression: &Expression, span: Span, found: &mut Diagnostics) {
    let state = |fact: &&Fact| fact.path() == "vars" || fact.path().starts_with("actions.");
    if let Some(fact) = expression.reads().iter().find(state) {
        let help = "decide by facts of the connection, `conn.*` and `endpoint.*`";
        found.push(not_supported(span, &format!("`{fact}` in an expression"), help));
    }
    if expression.impure_calls().contains(&"secrets.get") {
        let help = "keep what is secret out of conditions on connections";
        found.push(not_supported(span, "`secrets.get` in an expression", help));
    }
}
