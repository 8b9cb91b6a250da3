//! The shape around rules: phases by their keys, old spellings of them, and what is no policy at all.

use super::manifest::{HeldKind, object};
use crate::cel;
use crate::diagnostic::{
    Diagnostic, Severity, codes, did_you_mean, did_you_mean_help, is_invisible, shorten, with_odd,
};
use crate::options::EndpointTraits;
use crate::parse::{CONTROL_CHARACTER, NodeKind, NodeRef};
use crate::phase::Phase;
use crate::reader::{
    Field, Fields, Keys, LEGACY_FIELD, Reader, TextRef, UNKNOWN_FIELD, head, placeholder_map,
};
use crate::schema::names;
use crate::settings::rule;
use crate::source::Span;
use crate::url::Scheme;

codes! {
    pub(super) static UNKNOWN_PHASE = error("TP304", "unknown-phase");
    pub(super) static COMMENT = warning("TP223", "comment-over-lines");
    pub(super) static PHASE_NOT_A_LIST = error("TP315", "phase-not-a-list");
    pub(crate) static FRAGMENT = error("TP316", "policy-fragment");
}

/// A phase with its rules as written.
pub(super) struct WrittenPhase<'d> {
    pub(super) phase: Phase,
    pub(super) key: &'d str,
    /// Its key.
    pub(super) span: Span,
    pub(super) rules: Vec<NodeRef<'d>>,
    /// True if its key is only near to its name, which has been reported.
    pub(super) misspelt: bool,
    /// True if its key has been given before, which has been reported.
    pub(super) repeated: bool,
}

/// The phases of a policy, in document order; `None` if the node is no policy, which has been reported.
pub(super) fn written_phases<'d>(
    node: NodeRef<'d>,
    endpoint: EndpointTraits,
    reader: &Reader<'d>,
) -> Option<Vec<WrittenPhase<'d>>> {
    if let Some(what) = fragment(node) {
        let message = format!("this is {}, not a whole policy", what.words());
        let help = match what {
            // Not every kind has a policy, and those that do have it in different places.
            Fragment::Manifest => match object(node).and_then(|object| object.holds).map(|held| held.what) {
                Some(HeldKind::IpPolicyRules) => {
                    "write its rules as `- {id: ipp_…, rules: […]}` into a file of IP policies"
                }
                Some(HeldKind::Policy | HeldKind::CloudPolicy) => {
                    "take the policy out of it, with its phases at the top; without `--kind` it is named"
                }
                None => "it contains no policy; leave it out",
            },
            Fragment::Configuration => "take out the policy below it, with its phases at the top",
            Fragment::Rule | Fragment::Rules | Fragment::Action | Fragment::Actions | Fragment::Config => {
                "put it below a phase, e.g. `on_http_request:` and then `- actions:`"
            }
        };
        reader.report(Diagnostic::new(&FRAGMENT, head(node), message).with_help(help));
        return None;
    }
    let Some(fields) = Fields::from_node(node) else {
        reader.wrong_type(
            node,
            "a policy, a map of phases",
            "begin with `on_tcp_connect:` and put the rules below it",
        );
        return None;
    };
    let mut out = Vec::new();
    for field in &fields.entries {
        let phase = Phase::from_name(field.key).or_else(|| legacy(field, &fields, endpoint, reader));
        let misspelt = phase.is_none();
        let Some(phase) = phase.or_else(|| misspelt_phase(field, &fields, reader)) else { continue };
        // A phase without a value has no rules.
        let rules = match field.is_empty() {
            true => Vec::new(),
            false => rule_nodes(field.value, phase, reader),
        };
        let repeated = out.iter().any(|other: &WrittenPhase<'_>| other.key == field.key);
        out.push(WrittenPhase { phase, key: field.key, span: field.span, rules, misspelt, repeated });
    }
    Some(out)
}

/// What stands in the place of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fragment {
    Manifest,
    Rule,
    Rules,
    Action,
    Actions,
    /// The config of an action.
    Config,
    Configuration,
}

impl Fragment {
    const fn words(self) -> &'static str {
        match self {
            Self::Manifest => "a Kubernetes manifest",
            Self::Rule => "a rule",
            Self::Rules => "a list of rules",
            Self::Action => "an action",
            Self::Actions => "a list of actions",
            Self::Config => "the config of an action",
            Self::Configuration => "a part of a configuration",
        }
    }
}

/// What a part of a policy is that stands alone.
fn fragment(node: NodeRef<'_>) -> Option<Fragment> {
    let has = |fields: &Fields<'_>, key: &str| fields.entries.iter().any(|field| field.key == key);
    let part = |fields: &Fields<'_>| {
        if fields.entries.iter().any(|field| field.key.starts_with("on_")) {
            None
        } else if has(fields, "apiVersion") && has(fields, "kind") {
            Some(Fragment::Manifest)
        } else if has(fields, rule::ACTIONS.name()) || has(fields, rule::EXPRESSIONS.name()) {
            Some(Fragment::Rule)
        } else if has(fields, rule::TYPE) {
            Some(Fragment::Action)
        } else if ["traffic_policy", "trafficPolicy", "policy"].iter().any(|key| has(fields, key)) {
            Some(Fragment::Configuration)
        } else if has(fields, rule::CONFIG)
            || (has(fields, "to") || has(fields, "from") || has(fields, "replacements"))
        {
            Some(Fragment::Config)
        } else {
            None
        }
    };
    if let NodeKind::Sequence(items) = node.kind() {
        let first = items.iter().next().and_then(Fields::from_node)?;
        return part(&first).map(|what| match what {
            Fragment::Rule => Fragment::Rules,
            _ => Fragment::Actions,
        });
    }
    Fields::from_node(node).as_ref().and_then(part)
}

/// The phase of a key of 2024 and before.
fn legacy(
    field: &Field<'_>,
    among: &Fields<'_>,
    endpoint: EndpointTraits,
    reader: &Reader<'_>,
) -> Option<Phase> {
    let raw = matches!(endpoint.scheme, Some(Scheme::Tcp | Scheme::Tls));
    let phase = match field.key {
        "inbound" if raw => Phase::OnTcpConnect,
        "inbound" => Phase::OnHttpRequest,
        "outbound" => Phase::OnHttpResponse,
        "enabled" => {
            let found = Diagnostic::new(&LEGACY_FIELD, field.span, "the field `enabled` is ignored");
            reader.report(found.with_help("a policy is always enabled; remove this field"));
            return None;
        }
        _ => return None,
    };
    let key = field.key;
    let found = Diagnostic::new(&LEGACY_FIELD, field.span, format!("`{key}` is the older name of `{phase}`"));
    // Two keys of one name would be a fault.
    let taken = among.entries.iter().any(|other| other.key == phase.name());
    let at = field.content.filter(|_| !taken);
    let help = match (key, endpoint.scheme) {
        ("inbound", None) => {
            "write `on_http_request` for http and https endpoints, `on_tcp_connect` for tcp and tls"
                .to_owned()
        }
        _ => format!("write `{phase}`"),
    };
    reader.report(found.with_help(help).with_fix_at(false, at, phase.name()));
    Some(phase)
}

/// Reports a phase that is not known; the one that is meant, if it is misspelt, so that its rules are read as well.
fn misspelt_phase(field: &Field<'_>, among: &Fields<'_>, reader: &Reader<'_>) -> Option<Phase> {
    if field.key == "enabled" {
        return None;
    }
    unknown_phase(field, among, reader);
    meant_phase(field.key)
}

/// The phase that a key means which is none: misspelt, or `on_request` and `onConnect`, which leave out a word.
pub(crate) fn meant_phase(key: &str) -> Option<Phase> {
    const MAX_LENGTH: usize = 40;
    const WORDS: &[(&str, Phase)] = &[
        ("response", Phase::OnHttpResponse),
        ("request", Phase::OnHttpRequest),
        ("http", Phase::OnHttpRequest),
        ("event", Phase::OnEventStreamMessage),
        ("message", Phase::OnEventStreamMessage),
        ("tcp", Phase::OnTcpConnect),
        ("connect", Phase::OnTcpConnect),
    ];
    let near = did_you_mean(key, Phase::ALL.map(Phase::name)).and_then(Phase::from_name);
    near.or_else(|| {
        let rest = key.strip_prefix("on").filter(|rest| rest.len() <= MAX_LENGTH)?;
        // `online` and `onTls`: one is another word, the other has no phase of its own.
        let begins = rest.starts_with(|c: char| c.is_ascii_uppercase() || matches!(c, '_' | '-'));
        let word = rest.to_ascii_lowercase();
        let found = WORDS.iter().find(|(name, _)| word.contains(name)).map(|(_, phase)| *phase);
        found.filter(|_| begins && !word.contains("tls"))
    })
}

fn unknown_phase(field: &Field<'_>, among: &Fields<'_>, reader: &Reader<'_>) {
    reader.conceal_misspelt(field);
    let (key, span) = (field.key, field.span);
    let found = Diagnostic::new(&UNKNOWN_PHASE, span, format!("unknown phase `{}`", shorten(key)));
    let phases = Phase::ALL.map(Phase::name);
    reader.report(match key {
        "on_tls_request" | "on_tls_connect" => {
            found.with_help("TLS is handled in `on_tcp_connect`, with the action `terminate-tls`")
        }
        _ => match meant_phase(key).map(Phase::name) {
            Some(near) if among.entries.iter().any(|field| field.key == near) => {
                found.with_help(format!("did you mean `{near}`, which is given as well? merge the two"))
            }
            Some(near) => {
                found.with_help(did_you_mean_help(key, near)).with_fix_at(false, field.content, near)
            }
            None => found.with_help(with_odd(&format!("the phases are `{}`", phases.join("`, `")), key)),
        },
    });
}

/// The rules of a phase; a map where a list is expected counts as its only rule.
fn rule_nodes<'d>(node: NodeRef<'d>, phase: Phase, reader: &Reader<'d>) -> Vec<NodeRef<'d>> {
    let fields = Fields::from_node(node);
    let rule = |fields: &Fields<'_>| {
        fields
            .entries
            .iter()
            .any(|field| [rule::ACTIONS.name(), rule::EXPRESSIONS.name(), rule::TYPE].contains(&field.key))
    };
    // An action in the place of the rules is told as that.
    let has = |key: &str| fields.as_ref().is_some_and(|fields| fields.get(key).is_some());
    if has(rule::TYPE) && !has(rule::ACTIONS.name()) {
        return vec![node];
    }
    if fields.as_ref().is_some_and(rule) {
        let severity = if reader.options().lenient { Severity::Warning } else { Severity::Error };
        let message = format!("the rules of `{phase}` are a list, this is a single rule");
        let found = Diagnostic::new(&PHASE_NOT_A_LIST, head(node), message).with_severity(severity);
        reader.report(found.with_help("begin the rule with `- `"));
        return vec![node];
    }
    reader.list(node, &format!("the rules of `{phase}`")).unwrap_or_default()
}

/// The entries of a rule.
pub(super) fn rule_fields<'d>(
    node: NodeRef<'d>,
    fields: Option<Fields<'d>>,
    reader: &Reader<'d>,
) -> Option<Fields<'d>> {
    let known: Vec<_> = names(rule::FIELDS).collect();
    let keys = Keys::new(&known);
    // Words of other systems, each with what the language has.
    const FOREIGN: &[(&str, &str)] = &[
        ("if", "expressions"),
        ("when", "expressions"),
        ("condition", "expressions"),
        ("conditions", "expressions"),
        ("expression", "expressions"),
        ("action", "actions"),
        ("then", "actions"),
    ];
    let Some(mut fields) = fields else { return reader.map(node, "a rule", keys) };
    fields.incomplete = fields.entries.iter().any(|field| !keys.known.contains(&field.key));
    for field in &fields.entries {
        if keys.known.contains(&field.key) {
            continue;
        }
        let Some((_, meant)) = FOREIGN.iter().find(|(foreign, _)| *foreign == field.key) else {
            reader.unknown(field, "a rule", keys, &fields);
            continue;
        };
        let message = format!("unknown field `{}` in a rule", field.key);
        let found = Diagnostic::new(&UNKNOWN_FIELD, field.span, message);
        reader.report(found.with_help(format!("write `{meant}:` and a list")).with_fix_at(
            false,
            field.content,
            *meant,
        ));
    }
    Some(fields)
}

/// The text of an expression. One with a colon and without quotes has become a map.
pub(super) fn expression_text<'d>(node: NodeRef<'d>, reader: &Reader<'d>) -> Option<TextRef<'d>> {
    let help = match node.kind() {
        NodeKind::Mapping(_) => {
            Some("put the expression in quotes: a colon and a space, or `{`, make a map of it")
        }
        NodeKind::Sequence(_) => {
            Some("put the expression in quotes: `- ` or `[` at its beginning makes a list of it")
        }
        NodeKind::Scalar(_) => None,
    };
    if let Some(help) = help {
        if !placeholder_map(node, reader) {
            reader.wrong_type(node, "an expression, a string", help);
        }
        return None;
    }
    let text = reader.text(node, "an expression")?;
    if !text.is_whole(reader) {
        return None;
    }
    hidden_character(text, reader);
    // Where YAML makes one line of several, a comment swallows what follows.
    if let Some(comment) = cel::comment(text.value) {
        let origin = text.origin();
        let last = Span::new(comment.end.saturating_sub(1).max(comment.start), comment.end);
        let (begin, end) = (origin.place(comment).0, origin.place(last).0);
        let source = node.document().source();
        if source.position(begin.start).line < source.position(end.start).line {
            let message = "this comment continues over the next lines: YAML has made one line of them";
            let help = "remove the comment, or write the text with `|` instead";
            let at = origin.place(Span::new(comment.start, comment.start + 2)).0;
            reader.report(Diagnostic::new(&COMMENT, at, message).with_help(help));
        }
    }
    Some(text)
}

/// Warns of a character inside of a text of an expression that nobody sees. Others, and those that stand outside of
/// texts, are told by the expression.
fn hidden_character(text: TextRef<'_>, reader: &Reader<'_>) {
    let Some((at, c)) = text.value.char_indices().find(|&(_, c)| is_invisible(c) && !is_joiner(c)) else {
        return;
    };
    if !cel::is_in_text(text.value, at) {
        return;
    }
    let span = text.origin().place(Span::from_range(at..at + c.len_utf8())).0;
    let message =
        format!("U+{:04X} in an expression: it cannot be seen, and compares as a character", u32::from(c));
    let found = Diagnostic::new(&CONTROL_CHARACTER, span, message).with_severity(Severity::Warning);
    reader.report(found.with_help("remove it, or write it as an escape, e.g. `\\u200b`"));
}

/// Characters that join or part letters in some scripts and emoji.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}
