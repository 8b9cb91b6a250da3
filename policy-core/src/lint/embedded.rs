//! Policies inside files of other kinds: Kubernetes manifests, values of charts, bodies of API calls. They are found and
//! named, not checked: a file of them must not look clean.

use super::documents::Part;
use super::shapes::{has_meant_phase, is_action, is_rule, names_phase};
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::model::{FRAGMENT, HeldKind, manifest};
use crate::parse::{Document, NodeKind, NodeRef};
use crate::phase::Phase;
use crate::reader::{Fields, head};
use crate::settings::rule::{ACTIONS, CONFIG};
use crate::source::{Source, Span};

/// Keys whose value is a policy as a text, in bodies of API calls and in states of other tools.
const TEXT_KEYS: &[&str] = &["traffic_policy", "trafficPolicy"];
/// Keys below which a policy stands in a configuration.
const WRAPPERS: &[&str] = &["traffic_policy", "trafficPolicy", "policy"];
/// Policies of one file that are named; the rest is counted.
const MAX_NAMED: usize = 50;
/// Bytes of a path: it is made for each policy, and keys may be long.
const MAX_PATH: usize = 200;

/// A policy, or the rules of an IP policy, inside a file.
pub(super) struct Embedded {
    what: HeldKind,
    /// The Kubernetes object it stands in: its kind, and its name if it has one.
    object: Option<(String, Option<String>)>,
    /// Where it stands, e.g. `spec.policy` or `items[2].spec.policy`.
    path: String,
    /// The same as `yq` (mikefarah/yq, version 4) has it; nothing where a key needs more than that.
    yq: Option<String>,
    /// True if it is a text in the file.
    is_text: bool,
    span: Span,
    /// The number of its document, if the file has several.
    document: Option<usize>,
}

/// What is embedded in a document, in order. O(nodes).
pub(super) fn embedded(document: &Document) -> Vec<Embedded> {
    let mut search = Search { path: Vec::new(), found: Vec::new() };
    if let Some(root) = document.root() {
        search.node(root);
    }
    search.found
}

/// The same for a document of several.
pub(super) fn embedded_in_part(part: &Part, number: usize) -> Vec<Embedded> {
    let mut found = embedded(&part.document);
    for policy in &mut found {
        (policy.span, policy.document) = (part.place(policy.span), Some(number));
    }
    found
}

/// One step from a node to one below it.
enum Step<'d> {
    Key(&'d str),
    Item(usize),
}

struct Search<'d> {
    path: Vec<Step<'d>>,
    found: Vec<Embedded>,
}

impl<'d> Search<'d> {
    /// Looks into a node and below it; documents bound how deep that is.
    fn node(&mut self, node: NodeRef<'d>) {
        match node.kind() {
            NodeKind::Scalar(_) => {}
            NodeKind::Sequence(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.path.push(Step::Item(at));
                    match holds_phase(item) {
                        true => self.found_policy(false, head(item)),
                        false => self.node(item),
                    }
                    self.path.pop();
                }
            }
            NodeKind::Mapping(_) => self.mapping(node),
        }
    }

    fn mapping(&mut self, node: NodeRef<'d>) {
        if let Some(object) = manifest::object(node)
            && let Some(held) = object.holds
        {
            let path = format!("{}{}{}", self.path(), if self.path.is_empty() { "" } else { "." }, held.path);
            self.found.push(Embedded {
                what: held.what,
                object: Some((object.kind.to_owned(), object.name.map(str::to_owned))),
                yq: self.yq().map(|yq| format!("{yq}.{}", held.path)),
                path,
                is_text: false,
                span: held.span,
                document: None,
            });
            return;
        }
        let Some(fields) = Fields::from_node(node) else { return };
        for field in fields.entries {
            self.path.push(Step::Key(field.key));
            let is_policy = WRAPPERS.contains(&field.key) && is_policy(field.value);
            let is_text = is_policy_text(field.key, field.value);
            if is_policy || is_text || holds_phase(field.value) || holds_rules(field.value) {
                self.found_policy(is_text, field.span);
            } else {
                self.node(field.value);
            }
            self.path.pop();
        }
    }

    /// Adds a policy at the end of the path.
    fn found_policy(&mut self, is_text: bool, span: Span) {
        self.found.push(Embedded {
            what: HeldKind::Policy,
            object: None,
            yq: self.yq(),
            path: self.path(),
            is_text,
            span,
            document: None,
        });
    }

    fn yq(&self) -> Option<String> {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Item(at) if out.is_empty() => out.push_str(&format!(".[{at}]")),
                Step::Item(at) => out.push_str(&format!("[{at}]")),
                Step::Key(key) if !is_plain(key) || out.len() + key.len() > MAX_PATH => return None,
                Step::Key(key) if key.contains(['-', '.', '/']) => out.push_str(&format!(".\"{key}\"")),
                Step::Key(key) => out.extend([".", key]),
            }
        }
        Some(out)
    }

    fn path(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if out.len() + key.len() > MAX_PATH => {
                    out.push('…');
                    break;
                }
                Step::Key(key) if out.is_empty() => out.push_str(key),
                Step::Key(key) => out.extend([".", key]),
                Step::Item(at) => out.push_str(&format!("[{at}]")),
            }
        }
        out
    }
}

/// True for what neither a shell nor an expression of `yq` takes for anything else.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
}

/// True for a map with a phase that has rules.
fn holds_phase(node: NodeRef<'_>) -> bool {
    let fields = Fields::from_node(node);
    fields.is_some_and(|fields| {
        let mut phases = fields.entries.iter().filter(|field| Phase::from_name(field.key).is_some());
        phases.any(|phase| has_rule(phase.value)) || has_meant_phase(&fields)
    })
}

/// True for a map with a phase, whatever stands below it.
fn is_policy(node: NodeRef<'_>) -> bool {
    let fields = Fields::from_node(node);
    fields.is_some_and(|fields| fields.entries.iter().any(|field| Phase::from_name(field.key).is_some()))
}

/// True for rules of a phase, as far as their shape tells.
fn has_rule(node: NodeRef<'_>) -> bool {
    let is_rule = |node: NodeRef<'_>| {
        Fields::from_node(node)
            .is_some_and(|fields| fields.entries.iter().any(|field| field.key == ACTIONS.name()))
    };
    match node.kind() {
        NodeKind::Sequence(items) => items.iter().any(is_rule),
        NodeKind::Mapping(_) | NodeKind::Scalar(_) => is_rule(node),
    }
}

/// True for a rule, or a list with a rule or an action: they have lost their phase. Lists of other programs have a `type`
/// too, but no `config` beside it.
fn holds_rules(node: NodeRef<'_>) -> bool {
    let has_config = |node| Fields::from_node(node).is_some_and(|fields| fields.get(CONFIG).is_some());
    match node.kind() {
        NodeKind::Sequence(items) => {
            items.iter().any(|item| is_rule(item) || is_action(item) && has_config(item))
        }
        NodeKind::Mapping(_) => is_rule(node),
        NodeKind::Scalar(_) => false,
    }
}

/// True for a text that is a policy: its key names a file, as in a ConfigMap, or a policy. `content` is the text of a file
/// in those of Compose and of tools that write files.
fn is_policy_text(key: &str, node: NodeRef<'_>) -> bool {
    let NodeKind::Scalar(scalar) = node.kind() else { return false };
    let mut lines =
        scalar.text.lines().filter(|line| !matches!(line.trim(), "" | "---") && !line.starts_with('#'));
    let is_phase = |line: &str| {
        let rest = Phase::ALL.iter().find_map(|phase| line.strip_prefix(phase.name()));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let is_file = [".yml", ".yaml", ".json"].iter().any(|end| key.ends_with(end)) || key.contains("policy");
    let is_content = || key == "content" && scalar.text.contains("actions");
    (is_file || is_content()) && lines.next().is_some_and(is_phase)
        || TEXT_KEYS.contains(&key) && names_phase(scalar.text)
}

/// The finding of a template of something of ours.
pub(super) fn in_template(line: Span) -> Diagnostics {
    let message = "this file is a template, which is not checked: only what it renders to is YAML";
    let mut found = Diagnostics::default();
    found.push(Diagnostic::new(&FRAGMENT, line, message).with_help("render it, and lint what comes out"));
    found
}

/// Says what is not checked, and how it can be.
pub(super) fn report(source: &Source, embedded: &[Embedded], found: &mut Diagnostics) {
    for policy in embedded.iter().take(MAX_NAMED) {
        found.push(policy.diagnostic(source));
    }
    for _ in embedded.iter().skip(MAX_NAMED) {
        found.count_only(&FRAGMENT, FRAGMENT.severity);
    }
}

impl Embedded {
    /// True if it stands in a document of a file of several.
    pub(super) const fn is_in_stream(&self) -> bool {
        self.document.is_some()
    }

    fn diagnostic(&self, source: &Source) -> Diagnostic {
        let path = shorten(&self.path);
        let (what, is) = match self.what {
            HeldKind::Policy | HeldKind::CloudPolicy => ("the policy", "is"),
            HeldKind::IpPolicyRules => ("the rules", "are"),
        };
        let message = match &self.object {
            Some((kind, _)) => {
                format!("{what} in `{path}` of this Kubernetes {} {is} not checked", shorten(kind))
            }
            None => {
                format!("{what} in `{path}` {is} not checked: the phases are not at the top of the file")
            }
        };
        let help = match (self.what, self.command(source.name())) {
            (HeldKind::IpPolicyRules, _) => {
                "write them as `- {id: ipp_…, rules: […]}` into a file of IP policies, and lint that"
                    .to_owned()
            }
            (_, Some(command)) => {
                format!("lint it in a file of its own with the phases at the top, e.g. `{command}`")
            }
            (_, None) => "lint it in a file of its own with the phases at the top".to_owned(),
        };
        Diagnostic::new(&FRAGMENT, self.span, message).with_help(help)
    }

    /// A command that takes the policy out of the file and lints it; nothing where names need more than quotes.
    fn command(&self, file: &str) -> Option<String> {
        let path = self.yq.as_deref().filter(|_| is_plain(file))?;
        let raw = if self.is_text { "-r " } else { "" };
        let cloud = if self.what == HeldKind::CloudPolicy { " --cloud" } else { "" };
        let select = self.document.map(|at| match &self.object {
            Some((kind, Some(name))) if is_plain(name) => {
                format!("select(.kind == \"{kind}\" and .metadata.name == \"{name}\") | ")
            }
            Some((kind, _)) => format!("select(.kind == \"{kind}\") | "),
            None => format!("select(di == {at}) | "),
        });
        Some(format!("yq {raw}'{}{path}' {file} | policy lint{cloud} -", select.unwrap_or_default()))
    }
}
