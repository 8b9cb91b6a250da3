//! Lint: every check of a file, whatever kind of file it is.

mod configurations;
mod detect;
mod documents;
mod embedded;
mod shapes;

use crate::agent;
use crate::check::{CheckOptions, CheckedPolicy, check_document};
use crate::compile::{CompileOptions, check_size};
use crate::diagnostic::Diagnostics;
use crate::edge;
use crate::ip_policies;
use crate::parse::{self, Document};
use crate::scenarios;
use crate::source::Source;

pub use detect::Foreign;
use detect::{Detected, detect, template_line};
pub use documents::DocumentKind;
pub use shapes::names_phase;

/// The result of [`lint`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Linted {
    /// What the file was taken for; `None` if it is none of the kinds and was not to be forced.
    pub kind: Option<DocumentKind>,
    /// The program whose file it is, if it is none of the kinds and that is certain.
    pub foreign: Option<Foreign>,
    /// The policy, if the file is one without errors.
    pub policy: Option<CheckedPolicy>,
    /// What was found, sorted by place.
    pub diagnostics: Diagnostics,
}

/// Runs every check on a file. A file that is none of the kinds is read as `otherwise`, or left alone; so is one that is
/// certainly of another program ([`Linted::foreign`]).
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
    let mut found = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut found);
    let embedding = |diagnostics| Linted { kind: Some(DocumentKind::Embedding), ..Linted::none(diagnostics) };
    let mut linted = match (detect(&document, &found, &options.limits), otherwise) {
        (Detected::Kind(kind), _) | (Detected::Unknown, Some(kind)) => {
            return check_as(&document, kind, options, found);
        }
        (Detected::Embeds(policies), _) => {
            // A stream of documents is usual for such a file; what else the reader found stays.
            if policies.iter().any(embedded::Embedded::is_in_stream) {
                found = Diagnostics::default();
            }
            embedded::report(source, &policies, &mut found);
            embedding(found)
        }
        (Detected::Template(line), _) => embedding(embedded::in_template(line)),
        (Detected::Broken(found), _) => Linted { kind: Some(DocumentKind::Policy), ..Linted::none(found) },
        (Detected::Foreign(what), _) => {
            Linted { foreign: Some(what), ..Linted::none(Diagnostics::default()) }
        }
        (Detected::Unknown, None) => Linted::none(Diagnostics::default()),
    };
    linted.diagnostics.sort();
    linted
}

/// What a file is about, by its keys; `None` if it is none of the kinds.
///
/// ```
/// use policy_core::{check::CheckOptions, lint::{kind_of, DocumentKind}, source::Source};
/// let source = Source::new("p.yml", "on_tcp_connect: [{actions: [{type: deny}]}]");
/// assert_eq!(kind_of(&source, &CheckOptions::default()), Some(DocumentKind::Policy));
/// ```
#[must_use]
pub fn kind_of(source: &Source, options: &CheckOptions) -> Option<DocumentKind> {
    let mut found = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut found);
    match detect(&document, &found, &options.limits) {
        Detected::Kind(kind) => Some(kind),
        Detected::Embeds(_) => Some(DocumentKind::Embedding),
        Detected::Broken(_) | Detected::Template(_) => Some(DocumentKind::Policy),
        Detected::Foreign(_) | Detected::Unknown => None,
    }
}

/// Runs every check on a file that is known to be of a kind.
#[must_use]
pub fn lint_as(source: &Source, kind: DocumentKind, options: &CheckOptions) -> Linted {
    let mut found = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut found);
    match template_line(&document) {
        // The syntax of YAML says nothing about it.
        Some(line) => Linted { kind: Some(kind), ..Linted::none(embedded::in_template(line)) },
        None => check_as(&document, kind, options, found),
    }
}

/// Hides what may be secret in a file that is not read, since its bytes are at fault.
///
/// ```
/// use policy_core::{diagnostic::Diagnostics, lint::conceal_unread, source::Source};
/// let (source, mut found) = (Source::new("ngrok.yml", "authtoken: abc"), Diagnostics::default());
/// conceal_unread(&source, &mut found);
/// assert_eq!(found.excerpt(&source, 0..14), "authtoken: ***");
/// ```
pub fn conceal_unread(source: &Source, found: &mut Diagnostics) {
    crate::reader::conceal_unread(source.text(), crate::language::language(), found);
}

impl Linted {
    const fn none(diagnostics: Diagnostics) -> Self {
        Self { kind: None, foreign: None, policy: None, diagnostics }
    }
}

fn check_as(
    document: &Document,
    kind: DocumentKind,
    options: &CheckOptions,
    mut diagnostics: Diagnostics,
) -> Linted {
    let mut policy = None;
    match kind {
        DocumentKind::Policy => {
            let with =
                CompileOptions { ip_policies: options.ip_policies.clone(), ..CompileOptions::default() };
            let checked = check_document(document, options, &mut diagnostics);
            policy = checked.and_then(|checked| of_permitted_size(checked, &with, &mut diagnostics));
        }
        DocumentKind::Edge => drop(edge::check_document(document, options, &mut diagnostics)),
        DocumentKind::Agent => drop(agent::check_document(document, options, &mut diagnostics)),
        DocumentKind::IpPolicies => drop(ip_policies::check_document(document, options, &mut diagnostics)),
        DocumentKind::Test => drop(scenarios::check_document(document, options, &mut diagnostics)),
        DocumentKind::Embedding => {
            embedded::report(document.source(), &embedded::embedded(document), &mut diagnostics);
        }
    }
    diagnostics.sort();
    Linted { kind: Some(kind), foreign: None, policy, diagnostics }
}

/// The policy, unless it is too large. What this version or a host does not run is right all the same; what is too large
/// for any is not.
fn of_permitted_size(
    policy: CheckedPolicy,
    options: &CompileOptions,
    diagnostics: &mut Diagnostics,
) -> Option<CheckedPolicy> {
    let found = check_size(&policy, options);
    let fits = !found.has_errors();
    diagnostics.append(found);
    fits.then_some(policy)
}

#[cfg(test)]
mod tests;
