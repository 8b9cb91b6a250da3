//! What a file is about, by its keys.

use std::fmt;

use super::configurations::{is_agent, is_edge};
use super::documents::{DocumentKind, Part, parts};
use super::embedded::{Embedded, embedded, embedded_in_part};
use super::shapes::{MAX_ITEMS, has_meant_phase, has_only_parts_of_rule, is_action, is_rule, names_phase};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::ip_policies;
use crate::model::manifest;
use crate::parse::{Document, Limits, NodeKind, NodeRef};
use crate::phase::Phase;
use crate::reader::Fields;
use crate::scenarios::looks_like_scenarios;
use crate::settings::rule::CONFIG;
use crate::source::Span;

/// What a file of another program is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// A Kubernetes manifest without anything of the language; the kind of its first object.
    Manifest(Box<str>),
    /// A file of Docker Compose.
    Compose,
    /// A template of a chart or another generator without a phase: what it renders to is YAML, not the file.
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
    /// A template of something of ours, by the line that makes it one.
    Template(Span),
    /// A file of another program.
    Foreign(Foreign),
    Unknown,
}

/// Tells by its keys what a file is about. A file that breaks off early is decided by its text.
pub(super) fn detect(document: &Document, found: &Diagnostics, limits: &Limits) -> Detected {
    let template = template_line(document);
    if let Some(kind) = document.root().and_then(kind) {
        return template.map_or(Detected::Kind(kind), Detected::Template);
    }
    let parts = parts(document.source(), limits);
    if !parts.is_empty() {
        return detect_stream(&parts);
    }
    let text = document.source().text();
    if document.cut_at().is_some()
        || document.root().is_some_and(|root| Fields::from_node(root).is_none() && !root.is_list())
    {
        return match names_phase(text) {
            true if template.is_some() => template_of(text, template),
            true if document.cut_at().is_some() && document.root().is_some() => {
                Detected::Broken(found.clone())
            }
            true => Detected::Kind(DocumentKind::Policy),
            false if template.is_some() => Detected::Foreign(Foreign::Template),
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
fn detect_stream(parts: &[Part]) -> Detected {
    let (mut embeds, mut broken) = (Vec::new(), Diagnostics::default());
    for (number, part) in parts.iter().enumerate() {
        if part.document.root().and_then(kind).is_some() {
            // A policy behind other documents: the reader says that a file has one.
            return Detected::Kind(DocumentKind::Policy);
        }
        let text = part.document.source().text();
        let is_broken = part.document.cut_at().is_some();
        if is_broken && names_phase(text) {
            if let Some(line) = template_line(&part.document) {
                return template_of(text, Some(part.place(line)));
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

/// What a template with the name of a phase somewhere in it is: one of ours if the name begins a line.
fn template_of(text: &str, line: Option<Span>) -> Detected {
    let begins_with_phase = |line: &str| {
        let line = line.trim_start_matches([' ', '-', '"', '\'']);
        let rest = Phase::ALL.iter().find_map(|phase| line.strip_prefix(phase.name()));
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    match line.filter(|_| text.lines().any(begins_with_phase)) {
        Some(line) => Detected::Template(line),
        None => Detected::Foreign(Foreign::Template),
    }
}

/// The line of a template that broke a document off: the one where it broke, or the last one before it.
pub(super) fn template_line(document: &Document) -> Option<Span> {
    let text = document.source().text();
    let cut = usize::try_from(document.cut_at()?).ok()?.min(text.len());
    let end = text.get(cut..)?.find('\n').map_or(text.len(), |length| cut + length);
    let lines = text.get(..end)?.lines().rev().filter(|line| !line.trim().is_empty());
    let mark = lines.take(2).map(str::trim).find(|line| is_statement(line))?;
    let start = mark.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let is_text = start < cut && is_in_block_text(text.get(..start)?);
    (!is_text).then(|| Span::from_range(start..start + mark.len()))
}

/// True if a line lies in a text that `|` or `>` begins, by what stands before it.
fn is_in_block_text(before: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let own = before.rfind('\n').map_or(before.len(), |at| before.len() - at - 1);
    let mut above = before.lines().rev().filter(|line| !line.trim().is_empty());
    let opener = above.find(|line| indent(line) < own);
    let is_digit_or_mark = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | ' ');
    opener.is_some_and(|line| line.trim_end_matches(is_digit_or_mark).ends_with(['|', '>']))
}

/// True for a line that is a statement of a template: of Go, Jinja or ERB.
fn is_statement(line: &str) -> bool {
    const MARKS: &[(&str, &str)] = &[("{{", "}}"), ("{%", "%}"), ("{#", "#}"), ("<%", "%>")];
    MARKS.iter().any(|(open, close)| line.starts_with(open) && line.ends_with(close))
}

/// What a file of another program is, where that is certain.
fn foreign(root: NodeRef<'_>) -> Option<Foreign> {
    if let Some(object) = manifest::object(root) {
        return Some(Foreign::Manifest(object.kind.into()));
    }
    let services = Fields::from_node(root)?.get("services").and_then(Fields::from_node)?;
    let is_service = |node: NodeRef<'_>| {
        Fields::from_node(node)
            .is_some_and(|fields| fields.get("image").is_some() || fields.get("build").is_some())
    };
    services.entries.iter().any(|service| is_service(service.value)).then_some(Foreign::Compose)
}

/// The kind of a document whose top is one of ours.
fn kind(root: NodeRef<'_>) -> Option<DocumentKind> {
    let Some(top) = Fields::from_node(root) else { return kind_of_list(root) };
    let has = |key: &str| top.entries.iter().any(|field| field.key == key);
    if Phase::ALL.iter().any(|phase| has(phase.name()))
        || ["inbound", "outbound"].iter().any(|key| is_old_phase(&top, key))
        || has_meant_phase(&top)
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
    if ip_policies::looks_like_ip_policies(root.document()) {
        return Some(DocumentKind::IpPolicies);
    }
    if looks_like_scenarios(&top) {
        return Some(DocumentKind::Test);
    }
    // A misspelt phase is a policy with a fault, not a file of another kind.
    let near = |text: &str| did_you_mean(text, Phase::ALL.map(Phase::name)).is_some();
    let is_policy =
        top.entries.iter().any(|field| near(field.key)) || is_rule(root) || has(CONFIG) && is_action(root);
    is_policy.then_some(DocumentKind::Policy)
}

/// The kind of a list: IP policies, or a part of a policy.
fn kind_of_list(root: NodeRef<'_>) -> Option<DocumentKind> {
    if ip_policies::looks_like_ip_policies(root.document()) {
        return Some(DocumentKind::IpPolicies);
    }
    let NodeKind::Sequence(items) = root.kind() else { return None };
    let mut first = items.iter().take(MAX_ITEMS);
    first.any(|item| is_rule(item) || is_action(item)).then_some(DocumentKind::Policy)
}

/// True for a phase of 2024 and before: other programs have the same words.
fn is_old_phase(top: &Fields<'_>, key: &str) -> bool {
    let Some(NodeKind::Sequence(items)) = top.get(key).map(NodeRef::kind) else { return false };
    items.iter().take(MAX_ITEMS).any(has_only_parts_of_rule)
}
