//! Check: what only a whole policy can show, and the gate to the compiler.
//!
//! [`CheckedPolicy`] can be made nowhere else, and only from a policy without any error: what it holds, the
//! compiler may rely on.

mod addresses;
pub(crate) mod document;

use crate::diagnostic::{Diagnostics, codes};
use crate::model::Policy;
use crate::options::EndpointTraits;
use crate::parse::{self, Document};
use crate::source::{Source, Span};

pub use crate::options::CheckOptions;
use document::check_policy;

codes! {
    ..document;
}

/// A policy without errors: the only thing that compiles.
#[derive(Clone, Debug)]
pub struct CheckedPolicy {
    policy: Policy,
    source: Source,
}

impl CheckedPolicy {
    /// A policy that was read and checked, with all that was found; `None` if that has an error.
    fn from_findings(policy: Policy, source: &Source, found: &Diagnostics) -> Option<Self> {
        (!found.has_errors()).then(|| Self { policy, source: source.clone() })
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The IP policies that it names, as often as it does.
    pub fn ip_policies(&self) -> impl Iterator<Item = &str> {
        let actions = self.policy.phases.iter().flat_map(|it| &it.rules).flat_map(|rule| &rule.actions);
        actions.flat_map(|action| action.config.open_ip_policies()).map(|id| &*id.value)
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
    let checked = check_document(&document, options, &mut found);
    found.sort();
    (checked, found)
}

/// Reads and checks a parsed policy file.
pub(crate) fn check_document(
    document: &Document,
    options: &CheckOptions,
    found: &mut Diagnostics,
) -> Option<CheckedPolicy> {
    let mut later = Diagnostics::default();
    let mut policy = crate::model::read_policy(document, options, &mut later);
    if document.root().is_some() {
        check_policy(&policy, options.endpoint, (!found.has_errors(), options.serving), &mut later);
    }
    // The text that `policy_sha256` names is the whole file.
    policy.span = Span::from_range(0..document.source().text().len());
    merge_after_cut(document, later, found);
    CheckedPolicy::from_findings(policy, document.source(), found)
}

/// Checks a policy that was read from a part of a document; `found` has what was found reading it, and nothing else.
pub(crate) fn check_part(
    policy: Policy,
    source: &Source,
    endpoint: EndpointTraits,
    serving: bool,
    found: &mut Diagnostics,
) -> Option<CheckedPolicy> {
    check_policy(&policy, endpoint, (true, serving), found);
    CheckedPolicy::from_findings(policy, source, found)
}

/// Merges what later stages found; of a file that was cut short only what stands before the cut counts.
pub(crate) fn merge_after_cut(document: &Document, mut later: Diagnostics, found: &mut Diagnostics) {
    if let Some(cut) = document.cut_at() {
        let line = document.source().position(cut).line;
        later.retain_before(document.source().line_start(line));
    }
    // Merge keys are refused: that a text counts twice by them follows from it.
    if document.has_merge_keys() {
        later.drop_repeated();
    }
    found.append(later);
}
