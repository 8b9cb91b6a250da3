//! Lint: every check of a file, whatever kind of file it is.

use crate::agent;
use crate::check::{CheckOptions, CheckedPolicy, check_document};
use crate::compile::{CompileOptions, PROGRAM_TOO_LARGE, compile};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::edge;
use crate::ip_policies;
use crate::parse::{self, Document, NodeKind};
use crate::phase::Phase;
use crate::source::Source;

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// A Traffic Policy.
    Policy,
    /// The configuration of an edge.
    Edge,
    /// The configuration of an agent.
    Agent,
    /// IP policies.
    IpPolicies,
}

/// The result of [`lint`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Linted {
    /// What the file was taken for; `None` if it is none of the kinds and was not to be forced.
    pub kind: Option<DocumentKind>,
    /// The policy, if the file is one without errors.
    pub policy: Option<CheckedPolicy>,
    /// What was found, sorted by place.
    pub diagnostics: Diagnostics,
}

/// Runs every check on a file. A file that is none of the kinds is read as `otherwise`, or left alone.
///
/// ```
/// use policy_core::{check::CheckOptions, lint::{lint, DocumentKind}, source::Source};
/// let source = Source::new("edge.yml", "version: 1\nendpoints: [{}]");
/// let linted = lint(&source, None, &CheckOptions::default());
/// assert_eq!(linted.kind, Some(DocumentKind::Edge));
/// assert_eq!(linted.diagnostics.errors(), 3, "it needs a name, a URL and a policy");
/// ```
#[must_use]
pub fn lint(source: &Source, otherwise: Option<DocumentKind>, options: &CheckOptions) -> Linted {
    lint_by(source, &|document| detect(document).or(otherwise), options)
}

/// Runs every check on a file that is known to be of a kind.
#[must_use]
pub fn lint_as(source: &Source, kind: DocumentKind, options: &CheckOptions) -> Linted {
    lint_by(source, &|_| Some(kind), options)
}

fn lint_by(
    source: &Source,
    kind: &dyn Fn(&Document) -> Option<DocumentKind>,
    options: &CheckOptions,
) -> Linted {
    let mut diagnostics = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut diagnostics);
    let kind = kind(&document);
    let mut policy = None;
    match kind {
        Some(DocumentKind::Policy) => {
            policy = check_document(&document, options, &mut diagnostics);
            let with =
                CompileOptions { ip_policies: options.ip_policies.clone(), ..CompileOptions::default() };
            let compiled = policy.as_ref().map(|checked| compile(checked, &with));
            if let Some(Err(mut found)) = compiled {
                // What this version or a host does not run is right all the same; what is too large for any is not.
                found.retain(|item| item.code == &PROGRAM_TOO_LARGE);
                if found.has_errors() {
                    policy = None;
                }
                diagnostics.append(found);
            }
        }
        Some(DocumentKind::Edge) => drop(edge::check_document(&document, options, &mut diagnostics)),
        Some(DocumentKind::Agent) => drop(agent::check_document(&document, options, &mut diagnostics)),
        Some(DocumentKind::IpPolicies) => {
            drop(ip_policies::check_document(&document, options, &mut diagnostics));
        }
        None => diagnostics = Diagnostics::default(),
    }
    diagnostics.sort();
    Linted { kind, policy, diagnostics }
}

/// Tells by the top keys what a document is about. A file that breaks off early is judged by its text.
fn detect(document: &Document) -> Option<DocumentKind> {
    let root = document.root().map(|root| root.kind());
    let Some(NodeKind::Mapping(top)) = root else {
        if ip_policies::is_meant(document) {
            return Some(DocumentKind::IpPolicies);
        }
        let text = document.source().text();
        return Phase::ALL.iter().any(|phase| text.contains(phase.name())).then_some(DocumentKind::Policy);
    };
    let has = |key: &str| {
        top.iter().any(|(node, _)| matches!(node.kind(), NodeKind::Scalar(scalar) if scalar.text == key))
    };
    let version = top.iter().find_map(|(key, value)| match (key.kind(), value.kind()) {
        (NodeKind::Scalar(key), NodeKind::Scalar(value)) if key.text == "version" => Some(value.text),
        _ => None,
    });
    if Phase::ALL.iter().any(|phase| has(phase.name())) || has("inbound") || has("outbound") {
        return Some(DocumentKind::Policy);
    }
    if has("agent") || has("tunnels") || matches!(version, Some("2" | "3")) {
        return Some(DocumentKind::Agent);
    }
    if has("internal_endpoints")
        || has("state_dir")
        || has("agents")
        || (has("endpoints") && version.is_some())
    {
        return Some(DocumentKind::Edge);
    }
    // Without a version: what the endpoints have tells.
    if has("endpoints") {
        return Some(DocumentKind::Agent);
    }
    if ip_policies::is_meant(document) {
        return Some(DocumentKind::IpPolicies);
    }
    // A misspelt phase is a policy with a fault, not a file of another kind.
    let near = |text: &str| did_you_mean(text, Phase::ALL.map(Phase::name)).is_some();
    let misspelt =
        top.iter().any(|(key, _)| matches!(key.kind(), NodeKind::Scalar(scalar) if near(scalar.text)));
    misspelt.then_some(DocumentKind::Policy)
}
