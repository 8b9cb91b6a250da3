//! Check: what only a whole policy can show, and the gate to the compiler.
//!
//! [`CheckedPolicy`] can be made nowhere else, and only from a policy without any error: what it holds, the
//! compiler may rely on.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::{PhaseRules, Policy};
use crate::parse::{self, Document, Limits};
use crate::source::{Source, Span};
use crate::url::Scheme;

static NO_ACTION: Code = Code::error("TP401", "no-action").ngrok(&["ERR_NGROK_2206"]).absence();
static EMPTY_RULE: Code = Code::warning("TP402", "empty-rule").absence();
static ACTION_PHASE: Code = Code::error("TP403", "action-in-wrong-phase").ngrok(&["ERR_NGROK_2202"]);
static UNREACHABLE: Code = Code::error("TP404", "unreachable-action").ngrok(&["ERR_NGROK_2207"]);

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] = &[&NO_ACTION, &EMPTY_RULE, &ACTION_PHASE, &UNREACHABLE];

/// A policy without errors: the only thing that compiles.
#[derive(Clone, Debug)]
pub struct CheckedPolicy {
    policy: Policy,
    source: Source,
}

impl CheckedPolicy {
    /// The policy in a part of a document, which has been checked without an error.
    pub(crate) fn of_part(policy: Policy, source: &Source) -> Self {
        Self { policy, source: source.clone() }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The file it stands in.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The text of the policy: the whole file, or the part of an edge configuration.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.slice(self.policy.span)
    }
}

/// How strictly to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckOptions {
    /// The budgets of the document reader.
    pub limits: Limits,
    /// The protocol of the endpoint the policy is for, if known: some variables exist on some only.
    pub scheme: Option<Scheme>,
}

/// Parses, reads and checks a policy file.
///
/// The policy is there if nothing found is an error. Findings come sorted by place.
///
/// ```
/// use policy_core::{check::{load_policy, CheckOptions}, source::Source};
/// let source = Source::new("p.yml", "on_tcp_connect: [{actions: [{type: dney}]}]");
/// let (policy, found) = load_policy(&source, &CheckOptions::default());
/// assert!(policy.is_none());
/// let first = found.iter().next().expect("one finding");
/// assert_eq!(first.help.as_deref(), Some("did you mean `deny`?"));
/// ```
#[must_use]
pub fn load_policy(source: &Source, options: &CheckOptions) -> (Option<CheckedPolicy>, Diagnostics) {
    let mut found = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut found);
    let checked = check_document(&document, options.scheme, &mut found);
    found.sort();
    (checked, found)
}

/// Reads and checks a parsed policy file.
pub(crate) fn check_document(
    document: &Document,
    scheme: Option<Scheme>,
    found: &mut Diagnostics,
) -> Option<CheckedPolicy> {
    let mut later = Diagnostics::default();
    let mut policy = crate::model::read_policy(document, scheme, &mut later);
    // The text that `policy_sha256` names is the whole file.
    policy.span = Span::from_range(0..document.source().text().len());
    if document.root().is_some() {
        check_policy(&policy, !found.has_errors(), &mut later);
    }
    settle(document, later, found);
    (!found.has_errors()).then(|| CheckedPolicy::of_part(policy, document.source()))
}

/// Merges what later stages found; of a file that was cut short only what stands before the cut counts.
pub(crate) fn settle(document: &Document, mut later: Diagnostics, found: &mut Diagnostics) {
    if let Some(cut) = document.cut_at() {
        let line = document.source().position(cut).line;
        later.retain_before(document.source().line_start(line));
    }
    found.append(later);
}

/// The checks that need more than one action; `sound` if reading the document found no error.
pub(crate) fn check_policy(policy: &Policy, sound: bool, found: &mut Diagnostics) {
    let written = |rules: &PhaseRules| rules.rules.iter().map(|rule| rule.written_actions).sum::<usize>();
    // After another error the action may be there and misspelt.
    if sound && !found.has_errors() && policy.phases.iter().map(written).sum::<usize>() == 0 {
        let at = policy.phases.first().map_or(policy.span.at_start(), |rules| rules.span);
        found.push(
            Diagnostic::new(&NO_ACTION, at, "the policy has no action at all")
                .with_help("add a rule, e.g. `- actions: [{type: deny}]`"),
        );
    }
    for rules in &policy.phases {
        check_phase(rules, found);
    }
}

fn check_phase(rules: &PhaseRules, found: &mut Diagnostics) {
    let mut ended: Option<Span> = None;
    for rule in &rules.rules {
        // What ends a rule that may not match ends nothing behind that rule.
        let ended_before = ended;
        if rule.written_actions == 0 {
            found.push(
                Diagnostic::new(&EMPTY_RULE, rule.span, "the rule has no action, so it does nothing")
                    .with_help("add an action or remove the rule"),
            );
        }
        for action in &rule.actions {
            let name = action.config.name();
            let allowed = crate::actions::ActionConfig::phases(name);
            if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(rules.phase)) {
                let phases: Vec<_> = allowed.iter().map(|phase| phase.name()).collect();
                let message = format!("`{name}` cannot stand in {}", rules.phase);
                found.push(
                    Diagnostic::new(&ACTION_PHASE, action.span, message)
                        .with_help(format!("it can stand in `{}`", phases.join("`, `"))),
                );
            }
            if let Some(end) = ended {
                found.push(
                    Diagnostic::new(&UNREACHABLE, action.span, format!("`{name}` can never run"))
                        .with_label(end, "every connection ends here")
                        .with_help("remove it, or move it before the action that ends the connection"),
                );
            } else if action.config.terminates() {
                ended = Some(action.span);
            }
        }
        if rule.guarded {
            ended = ended_before;
        }
    }
}
