//! What the language has and this version does not run: refused by name, so that nothing is admitted that the
//! policy does not admit.

use super::{CompileOptions, NOT_SUPPORTED};
use crate::actions::IP_POLICY;
use crate::cel::Expression;
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::exchange::Ability;
use crate::ip_policy::IpPolicies;
use crate::model::{Policy, Rule};
use crate::phase::Phase;
use crate::source::Span;

/// A finding about something that this version does not run.
pub(crate) fn not_supported(span: Span, what: &str, help: &str) -> Diagnostic {
    let message = format!("{what} is not supported by this version");
    Diagnostic::new(&NOT_SUPPORTED, span, message).with_help(help)
}

/// Everything in a policy that this version, or this host, does not run.
pub(super) fn missing(policy: &Policy, options: &CompileOptions) -> Diagnostics {
    let mut found = Diagnostics::default();
    for phase in &policy.phases {
        if !options.phases.contains(phase.phase) && !phase.rules.is_empty() {
            let names: Vec<_> = options.phases.iter().map(Phase::name).collect();
            let help = format!("what runs here is {}; remove the phase to use the policy", names.join(", "));
            found.push(not_supported(phase.span, &format!("the phase `{}`", phase.phase), &help));
            continue;
        }
        let rules = phase.rules.iter();
        rules.for_each(|rule| missing_in_rule(phase.phase, rule, options, &mut found));
    }
    found
}

fn missing_in_rule(phase: Phase, rule: &Rule, options: &CompileOptions, found: &mut Diagnostics) {
    for condition in &rule.expressions {
        missing_in_expression(&condition.expression, condition.span, options, found);
    }
    for action in &rule.actions {
        let name = action.config.name();
        if !action.config.facts().runs.contains(phase) {
            let help = "`policy explain TP601` lists the actions that it runs";
            found.push(not_supported(action.span, &format!("the action `{name}`"), help));
            continue;
        }
        let needs = action.config.facts().needs;
        if needs.is_some_and(|needs| !options.abilities.contains(&needs)) {
            let message = format!("this host ends no TLS, which the action `{name}` needs");
            let report = Diagnostic::new(&NOT_SUPPORTED, action.span, message);
            found.push(report.with_help("end TLS at the server behind the endpoint"));
            continue;
        }
        if let Some(part) = action.config.not_run() {
            found.push(not_supported(part.span.unwrap_or(action.span), &part.what, part.help));
        }
        action.config.texts(&mut |text| {
            text.template.expressions().for_each(|it| missing_in_expression(it, text.span, options, found));
        });
        for id in action.config.open_ip_policies() {
            // Without its file, what an IP policy says is unknown, never nothing.
            let id_text = shorten(&id.value);
            let (message, help) = match options.ip_policies.as_deref() {
                Some(known) if known.get(&id.value).is_some() => continue,
                Some(known) if known.is_incomplete() => (
                    format!("what `{id_text}` permits is not known: a file of IP policies cannot be used"),
                    "fix the errors in that file first",
                ),
                Some(_) => (
                    format!("unknown IP policy `{id_text}`"),
                    "add it to a file of IP policies, or list the networks",
                ),
                None => (
                    format!("the networks of IP policy `{id_text}` are not known here"),
                    "give the file of IP policies that has it, or list the networks",
                ),
            };
            let report = Diagnostic::new(&IP_POLICY, id.span, message).with_help(help);
            let follows = options.ip_policies.as_deref().is_some_and(IpPolicies::is_incomplete);
            found.push(if follows { report.into_consequence() } else { report });
        }
    }
}

/// Secrets.
fn missing_in_expression(
    expression: &Expression,
    span: Span,
    options: &CompileOptions,
    found: &mut Diagnostics,
) {
    if !options.abilities.contains(&Ability::Vaults) && expression.reads_secrets() {
        let help = "there is no vault here; keep what is secret out of policies of connections";
        found.push(not_supported(span, "`secrets.get` in an expression", help));
    }
}
