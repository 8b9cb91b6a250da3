//! What a file is about, by its keys.

use std::fmt;

use super::DocumentKind;
use super::configurations::{is_agent, is_edge};
use super::documents::{Part, parts};
use super::embedded::{Embedded, embedded, embedded_in_part};
use crate::actions::{NAMES, OLD_NAMES};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::ip_policies;
use crate::model::manifest;
use crate::parse::{Document, Limits, NodeKind, NodeRef};
use crate::phase::Phase;
use crate::reader::Fields;

/// Items of a list that are looked at.
pub(super) const MAX_ITEMS: usize = 100;

/// What a file of another program is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// A Kubernetes manifest without anything of the language; the kind of its first object.
    Manifest(Box<str>),
    /// A file of Docker Compose.
    Compose,
    /// A template of a chart or another generator: what it renders to is YAML, not the file.
    Template,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(kind) => write!(f, "a Kubernetes {kind}, without a policy of ngrok's kinds"),
            Self::Compose => f.write_str("a Compose file"),
            Self::Template => f.write_str("a template; lint what it renders to"),
        }
    }
}

/// What a file was found to be.
pub(super) enum Detected {
    /// A file of the language, as a whole.
    Kind(DocumentKind),
    /// A file that holds policies which do not stand at its top.
    Embeds(Vec<Embedded>),
    /// A file that is ours and so broken that only its syntax can be told.
    Broken(Diagnostics),
    /// A file of another program.
    Foreign(Foreign),
    Unknown,
}

/// True for a text with the name of a phase in it, however broken it is: a file with one is never skipped without a
/// word.
///
/// ```
/// use policy_core::lint::names_phase;
/// assert!(names_phase("on_tcp_connect: ["));
/// assert!(names_phase("o\0n\0_\0t\0c\0p\0_\0c\0o\0n\0n\0e\0c\0t\0"), "UTF-16");
/// assert!(!names_phase("name: [unclosed"));
/// ```
#[must_use]
pub fn names_phase(text: &str) -> bool {
    let holds = |text: &str| Phase::ALL.iter().any(|phase| text.contains(phase.name()));
    holds(text) || text.contains('\0') && holds(&text.replace('\0', ""))
}

/// Tells by its keys what a file is about. A file that breaks off early is judged by its text.
pub(super) fn detect(document: &Document, found: &Diagnostics, limits: &Limits) -> Detected {
    if let Some(kind) = document.root().and_then(kind) {
        return Detected::Kind(kind);
    }
    let parts = parts(document.source(), limits);
    if !parts.is_empty() {
        return of_stream(&parts);
    }
    let text = document.source().text();
    if document.cut_at().is_some()
        || document.root().is_some_and(|root| Fields::of(root).is_none() && !root.is_list())
    {
        return match names_phase(text) {
            true if is_template(text) => Detected::Foreign(Foreign::Template),
            true if document.cut_at().is_some() && document.root().is_some() => {
                Detected::Broken(found.clone())
            }
            true => Detected::Kind(DocumentKind::Policy),
            false if document.cut_at().is_some() && is_template(text) => Detected::Foreign(Foreign::Template),
            false => Detected::Unknown,
        };
    }
    let embeds = embedded(document);
    match document.root() {
        _ if !embeds.is_empty() => Detected::Embeds(embeds),
        Some(root) => foreign(root).map_or(Detected::Unknown, Detected::Foreign),
        None => Detected::Unknown,
    }
}

/// The kind of a file of several documents, of which the first is nothing of ours.
fn of_stream(parts: &[Part]) -> Detected {
    let (mut embeds, mut broken) = (Vec::new(), Diagnostics::default());
    for (number, part) in parts.iter().enumerate() {
        if part.document.root().and_then(kind).is_some() {
            // A policy behind other documents: the reader says that a file has one.
            return Detected::Kind(DocumentKind::Policy);
        }
        let text = part.document.source().text();
        let is_broken = part.document.cut_at().is_some();
        if is_broken && names_phase(text) {
            if is_template(text) {
                return Detected::Foreign(Foreign::Template);
            }
            broken.append(part.found.clone());
        }
        embeds.extend(embedded_in_part(part, number));
    }
    let first = || parts.iter().filter_map(|part| part.document.root()).find_map(foreign);
    match (broken.has_errors(), embeds.is_empty()) {
        (true, _) => Detected::Broken(broken),
        (false, false) => Detected::Embeds(embeds),
        (false, true) => first().map_or(Detected::Unknown, Detected::Foreign),
    }
}

/// True for a text with actions of a template on lines of their own.
fn is_template(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let is_action = line.starts_with("{{") && line.ends_with("}}");
        let is_statement = line.starts_with("{%") && line.ends_with("%}");
        is_action || is_statement
    })
}

/// What a file of another program is, where that is certain.
fn foreign(root: NodeRef<'_>) -> Option<Foreign> {
    if let Some(object) = manifest::object(root) {
        return Some(Foreign::Manifest(object.kind.into()));
    }
    let services = Fields::of(root)?.get("services").and_then(Fields::of)?;
    let is_service = |node: NodeRef<'_>| {
        Fields::of(node).is_some_and(|fields| fields.get("image").is_some() || fields.get("build").is_some())
    };
    services.entries.iter().any(|service| is_service(service.value)).then_some(Foreign::Compose)
}

/// The kind of a document whose top is one of ours.
fn kind(root: NodeRef<'_>) -> Option<DocumentKind> {
    let Some(top) = Fields::of(root) else { return kind_of_list(root) };
    let has = |key: &str| top.entries.iter().any(|field| field.key == key);
    if Phase::ALL.iter().any(|phase| has(phase.name()))
        || ["inbound", "outbound"].iter().any(|key| is_old_phase(&top, key))
    {
        return Some(DocumentKind::Policy);
    }
    if manifest::object(root).is_some() {
        return None;
    }
    if is_edge(&top) {
        return Some(DocumentKind::Edge);
    }
    if is_agent(&top) {
        return Some(DocumentKind::Agent);
    }
    if ip_policies::is_meant(root.document()) {
        return Some(DocumentKind::IpPolicies);
    }
    // A misspelt phase is a policy with a fault, not a file of another kind.
    let near = |text: &str| did_you_mean(text, Phase::ALL.map(Phase::name)).is_some();
    let is_policy =
        top.entries.iter().any(|field| near(field.key)) || is_rule(root) || has("config") && is_action(root);
    is_policy.then_some(DocumentKind::Policy)
}

/// The kind of a list: IP policies, or a part of a policy.
fn kind_of_list(root: NodeRef<'_>) -> Option<DocumentKind> {
    if ip_policies::is_meant(root.document()) {
        return Some(DocumentKind::IpPolicies);
    }
    let NodeKind::Sequence(items) = root.kind() else { return None };
    let mut first = items.iter().take(MAX_ITEMS);
    first.any(|item| is_rule(item) || is_action(item)).then_some(DocumentKind::Policy)
}

/// True for a phase of 2024 and before: other programs have the same words.
fn is_old_phase(top: &Fields<'_>, key: &str) -> bool {
    let Some(NodeKind::Sequence(items)) = top.get(key).map(NodeRef::kind) else { return false };
    items.iter().take(MAX_ITEMS).any(|item| has_only(item, &["name", "expressions", "actions"]))
}

/// True for a rule without its phase: one of its actions is an action of the language, or it has expressions alone.
pub(super) fn is_rule(node: NodeRef<'_>) -> bool {
    let Some(fields) = Fields::of(node).filter(|_| has_only(node, &["name", "expressions", "actions"]))
    else {
        return false;
    };
    let items = |key: &str| match fields.get(key).map(NodeRef::kind) {
        Some(NodeKind::Sequence(items)) => Some(items.iter().take(MAX_ITEMS)),
        _ => None,
    };
    match (items("actions"), items("expressions")) {
        (Some(mut actions), _) => actions.any(is_action),
        (None, Some(mut expressions)) => {
            expressions.len() > 0 && expressions.all(|item| matches!(item.kind(), NodeKind::Scalar(_)))
        }
        (None, None) => false,
    }
}

/// True for an action without its rule.
pub(super) fn is_action(node: NodeRef<'_>) -> bool {
    let Some(NodeKind::Scalar(name)) =
        Fields::of(node).and_then(|fields| fields.get("type")).map(NodeRef::kind)
    else {
        return false;
    };
    let known = NAMES.contains(&name.text) || OLD_NAMES.iter().any(|(old, _)| *old == name.text);
    has_only(node, &["type", "config"]) && (known || did_you_mean(name.text, NAMES.iter().copied()).is_some())
}

/// True for a map that has some of these keys and no others.
fn has_only(node: NodeRef<'_>, keys: &[&str]) -> bool {
    Fields::of(node).is_some_and(|fields| {
        !fields.entries.is_empty() && fields.entries.iter().all(|field| keys.contains(&field.key))
    })
}
