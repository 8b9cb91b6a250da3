//! Model: from a document to a typed [`Policy`].
//!
//! Knows the shape of a policy: phases, rules, actions. What an action's `config` may hold is in the
//! action's own file. Reading goes on after every fault.

use crate::actions::{ActionConfig, NAMES, RECOGNISED, Site, not_supported};
use crate::cel::{self, Expression, Type};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean, shorten};
use crate::parse::{Document, NodeRef};
use crate::phase::Phase;
use crate::reader::{Field, Fields, Keys, Reader, TextRef, head};
use crate::source::{Span, Spanned};
use crate::url::Scheme;
use crate::variables;

static UNKNOWN_PHASE: Code = Code::error("TP304", "unknown-phase");
static UNKNOWN_ACTION: Code = Code::error("TP305", "unknown-action").ngrok(&["ERR_NGROK_2201"]);
static NOT_A_CONDITION: Code = Code::error("TP208", "not-a-condition").ngrok(&["ERR_NGROK_2200"]);
static NO_CONDITION: Code = Code::warning("TP222", "no-condition").absence();
static ACTION_OUTSIDE_RULE: Code = Code::error("TP307", "action-outside-rule");

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] =
    &[&UNKNOWN_PHASE, &UNKNOWN_ACTION, &NOT_A_CONDITION, &NO_CONDITION, &ACTION_OUTSIDE_RULE];

/// A policy as written: typed, with places, not yet checked as a whole.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Policy {
    /// The phases, in document order.
    pub phases: Vec<PhaseRules>,
    /// Where the policy stands: the whole file, or a part of one.
    pub span: Span,
}

impl Policy {
    /// The rules of a phase; none if the policy does not have it.
    pub fn rules(&self, phase: Phase) -> impl Iterator<Item = &Rule> {
        self.phases.iter().filter(move |rules| rules.phase == phase).flat_map(|rules| &rules.rules)
    }
}

/// The rules of one phase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PhaseRules {
    /// The phase.
    pub phase: Phase,
    /// Its key in the file.
    pub span: Span,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// A rule: actions that run one after the other.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Its label.
    pub name: Option<Spanned<Box<str>>>,
    /// Its first line.
    pub span: Span,
    /// Its conditions: all must hold for its actions to run. Unusable ones have been reported.
    pub expressions: Vec<RuleExpression>,
    /// True if it has expressions, usable or not, so that it may not match.
    pub(crate) guarded: bool,
    /// Its actions, in order; unusable ones are left out and have been reported.
    pub actions: Vec<Action>,
    /// Actions as written, unusable ones included.
    pub(crate) written_actions: usize,
}

/// A condition of a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuleExpression {
    /// The list item.
    pub span: Span,
    /// The checked expression.
    pub expression: Expression,
}

/// An action of a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Action {
    /// The value of `type`.
    pub span: Span,
    /// Its configuration.
    pub config: ActionConfig,
}

/// Reads a document as a policy; `scheme` is the protocol of its endpoint, if known.
#[must_use]
pub fn read_policy(document: &Document, scheme: Option<Scheme>, diagnostics: &mut Diagnostics) -> Policy {
    let reader = Reader::new(document);
    let policy = document.root().map(|root| policy(root, scheme, &reader)).unwrap_or_default();
    diagnostics.append(reader.into_diagnostics());
    policy
}

/// Reads a node as a policy: the root of a policy file, or `traffic_policy` of an edge configuration.
pub(crate) fn policy(node: NodeRef<'_>, scheme: Option<Scheme>, reader: &Reader<'_>) -> Policy {
    const PHASES: &[&str] = &[
        Phase::OnTcpConnect.name(),
        Phase::OnHttpRequest.name(),
        Phase::OnHttpResponse.name(),
        Phase::OnEventStreamMessage.name(),
    ];
    // Unknown keys are unknown phases, with a diagnostic of their own.
    let mut out = Policy { phases: Vec::new(), span: node.span() };
    let Some(fields) = Fields::of(node) else {
        reader.wrong_type(
            node,
            "a policy, a map of phases",
            "begin with `on_tcp_connect:` and put the rules below it",
        );
        return out;
    };
    for field in &fields.entries {
        let Some(phase) = Phase::from_name(field.key) else {
            unknown_phase(field, PHASES, reader);
            continue;
        };
        if phase != Phase::OnTcpConnect {
            let help = "this version runs on_tcp_connect only; remove the phase to use the policy here";
            not_supported(reader, field.span, format!("the phase `{phase}`"), help);
        }
        // A phase without a value has no rules.
        let rules = match fields.get(field.key) {
            Some(value) => rules(value, Place { phase, scheme }, reader),
            None => Vec::new(),
        };
        out.phases.push(PhaseRules { phase, span: field.span, rules });
    }
    out
}

fn unknown_phase(field: &Field<'_>, phases: &[&str], reader: &Reader<'_>) {
    let (key, span) = (field.key, field.span);
    let found = Diagnostic::new(&UNKNOWN_PHASE, span, format!("unknown phase `{}`", shorten(key)));
    reader.report(match key {
        "inbound" => found.with_help(
            "`inbound` is now `on_tcp_connect` on tcp and tls endpoints, `on_http_request` on http and https",
        ),
        "outbound" => found.with_help("`outbound` is now `on_http_response`"),
        _ => match did_you_mean(key, phases.iter().copied()) {
            Some(near) => {
                found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, field.content, near)
            }
            None => found.with_help(format!("the phases are `{}`", phases.join("`, `"))),
        },
    });
}

/// Where a rule stands.
#[derive(Clone, Copy)]
struct Place {
    phase: Phase,
    scheme: Option<Scheme>,
}

fn rules(node: NodeRef<'_>, place: Place, reader: &Reader<'_>) -> Vec<Rule> {
    let items = reader.list(node, &format!("the rules of `{}`", place.phase)).unwrap_or_default();
    items.into_iter().filter_map(|item| rule(item, place, reader)).collect()
}

fn rule(node: NodeRef<'_>, place: Place, reader: &Reader<'_>) -> Option<Rule> {
    const KEYS: Keys = Keys::of(&["name", "expressions", "actions"]);
    let span = head(node);
    if let Some(fields) = Fields::of(node)
        && let Some(field) = fields.entries.iter().find(|field| field.key == "type")
        && fields.get("actions").is_none()
    {
        let message = "an action stands directly in the phase, outside of a rule";
        reader.report(
            Diagnostic::new(&ACTION_OUTSIDE_RULE, field.span, message)
                .with_help("write `- actions:` and put the action below it as a list item"),
        );
        return None;
    }
    let fields = reader.map(node, "a rule", KEYS)?;
    let name = fields.get("name").and_then(|node| reader.text(node, "`name`"));
    let (expressions, guarded) = match fields.field("expressions") {
        Some(field) => expressions(&field, place, reader),
        None => (Vec::new(), false),
    };
    // An empty list is written on purpose; a key without a value has lost it.
    if fields.field("expressions").is_none()
        && let Some(field) = fields.entries.iter().find(|field| field.key == "expressions")
    {
        let message = "`expressions` is empty, so the rule always applies";
        let help = "write a condition, or remove `expressions`";
        reader.report(Diagnostic::new(&NO_CONDITION, field.span, message).with_help(help));
    }
    let written = fields.required(reader, "actions", ("the rule", span), "actions:");
    let written = written.and_then(|node| reader.list(node, "`actions`"))?;
    let written_actions = written.len();
    let actions = written.into_iter().filter_map(|node| action(node, place, reader)).collect();
    let name = name.map(|name| Spanned::new(name.value.into(), name.span));
    Some(Rule { name, span, expressions, guarded, actions, written_actions })
}

/// Reads and checks expressions; and whether there is any, usable or not.
fn expressions(field: &Field<'_>, place: Place, reader: &Reader<'_>) -> (Vec<RuleExpression>, bool) {
    let Some(items) = reader.list(field.value, "`expressions`") else { return (Vec::new(), true) };
    let any = !items.is_empty();
    let env = variables::env(cel::Site { phase: Some(place.phase), scheme: place.scheme, retry: false });
    let (mut out, mut texts) = (Vec::new(), Vec::new());
    for item in items {
        let Some(text) = reader.text(item, "an expression") else { continue };
        let Some(limits) = reader.cel_limits(text.span) else { continue };
        let (expression, mut found) = env.check_within(text.value, &limits);
        // One that is wrong has been read as well.
        let nodes = expression.as_ref().map_or(text.value.len() / 2, Expression::nodes);
        reader.take(nodes, expression.as_ref().map_or(0, Expression::pattern_states));
        if let Some(expression) = expression {
            check_result(&expression, &mut found);
            refuse_state(&expression, place, text, reader);
            out.push(RuleExpression { span: text.span, expression });
            texts.push(text);
        }
        let origin = text.origin();
        reader.absorb(found.of_part(&|part| origin.place(part)));
    }
    let joined: Vec<Expression> = out.iter().map(|item| item.expression.clone()).collect();
    for (text, found) in texts.into_iter().zip(Expression::may_fail(&joined)) {
        let origin = text.origin();
        reader.absorb(found.of_part(&|part| origin.place(part)));
    }
    (out, any)
}

/// A condition is true or false.
fn check_result(expression: &Expression, found: &mut Diagnostics) {
    let ty = expression.result();
    if !matches!(ty, Type::Bool | Type::Dyn | Type::Error) {
        let whole = Span::from_range(0..expression.text().len());
        let message = format!("the expression gives {ty}, not true or false");
        let help = match ty {
            Type::String => "compare the text, e.g. with `== 'a'`",
            Type::List(_) | Type::Map(_) => "ask for an item, e.g. `'a' in …`, or for `size(…) > 0`",
            _ => "compare the value, e.g. with `== 1`",
        };
        found.push(Diagnostic::new(&NOT_A_CONDITION, whole, message).with_help(help));
    }
}

/// What earlier actions left behind is not kept by this version.
fn refuse_state(expression: &Expression, place: Place, text: TextRef<'_>, reader: &Reader<'_>) {
    let state = |fact: &&cel::Fact| fact.path() == "vars" || fact.path().starts_with("actions.");
    if place.phase == Phase::OnTcpConnect
        && let Some(fact) = expression.reads().iter().find(state)
    {
        let help = "decide by facts of the connection, `conn.*` and `endpoint.*`";
        not_supported(reader, text.span, format!("`{fact}` in an expression"), help);
    }
    if place.phase == Phase::OnTcpConnect && expression.impure_calls().contains(&"secrets.get") {
        let help = "keep what is secret out of conditions on connections";
        not_supported(reader, text.span, "`secrets.get` in an expression", help);
    }
}

fn action(node: NodeRef<'_>, place: Place, reader: &Reader<'_>) -> Option<Action> {
    let Some(fields) = Fields::of(node) else {
        reader.wrong_type(node, "an action, a map", "write e.g. `type: deny`");
        return None;
    };
    let span = head(node);
    let kind = fields
        .required(reader, "type", ("the action", span), "type: forward-internal")
        .and_then(|node| reader.text(node, "`type`"));
    let name = kind.map_or("", |kind| kind.value);
    for field in fields.entries.iter().filter(|field| !matches!(field.key, "type" | "config")) {
        stray_field(name, field.key, field.span, reader);
    }
    let kind = kind?;
    let site = Site { reader, phase: place.phase, scheme: place.scheme, name: kind.span };
    match ActionConfig::read(name, fields.get("config"), &site) {
        Some(config) => Some(Action { span: kind.span, config: config? }),
        None => {
            unknown_action(kind, reader);
            None
        }
    }
}

/// A field beside `type` and `config`.
fn stray_field(action: &str, key: &str, span: Span, reader: &Reader<'_>) {
    let message = format!("unknown field `{}` in an action", shorten(key));
    let found = Diagnostic::new(&crate::reader::UNKNOWN_FIELD, span, message);
    reader.report(if ActionConfig::keys(action).contains(&key) {
        found.with_help(format!("`{key}` belongs below `config:`"))
    } else {
        found.with_help("an action has `type` and `config`")
    });
}

fn unknown_action(kind: TextRef<'_>, reader: &Reader<'_>) {
    let name = kind.value;
    if RECOGNISED.contains(&name) {
        let help = format!("the actions of this version: `{}`", NAMES.join("`, `"));
        not_supported(reader, kind.span, format!("the action `{name}`"), &help);
        return;
    }
    let found = Diagnostic::new(&UNKNOWN_ACTION, kind.span, format!("unknown action `{}`", shorten(name)));
    let known = NAMES.iter().chain(RECOGNISED).copied();
    reader.report(match did_you_mean(name, known) {
        Some(near) => {
            found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, kind.content, near)
        }
        None => found.with_help(format!("the actions of this version: `{}`", NAMES.join("`, `"))),
    });
}
