//! Model: from a document to a typed [`Policy`].
//!
//! Knows the shape of a policy: phases, rules, actions. What an action's `config` may hold is in the
//! action's own file. Phases are read in the order in which they run, so that the flow of data is known at every
//! expression. Reading goes on after every fault.

pub(crate) mod manifest;
mod outline;
mod shape;

use std::rc::Rc;

use crate::actions::{ActionConfig, NAMES, Written, current_name, facts_of};
use crate::cel::{Decides, Expression, Formula, State, Type, check_condition, drop_values};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, codes, did_you_mean, did_you_mean_help, shorten};
use crate::flow::Flow;
use crate::language::language;
use crate::options::{CheckOptions, EndpointTraits};
use crate::parse::{Document, NodeRef};
use crate::phase::Phase;
use crate::reader::{
    Field, Fields, LEGACY_FIELD, Reader, TextRef, head, is_placeholder, placeholder_in_expression,
};
use crate::schema::{Context, PolicySite, names};
use crate::settings::rule::{self, ACTIONS, CONFIG, EXPRESSIONS, TYPE};
use crate::source::{FileSpan, Span, Spanned};

pub(crate) use manifest::HeldKind;
pub(crate) use shape::{FRAGMENT, meant_phase};
use shape::{WrittenPhase, written_phases};

codes! {
    static UNKNOWN_ACTION = error("TP305", "unknown-action", ERR_NGROK_2201);
    static ACTION_PHASE = error("TP403", "action-in-wrong-phase", ERR_NGROK_2202);
    static NO_CONDITION = warning("TP222", "no-condition").absence();
    static ACTION_OUTSIDE_RULE = error("TP307", "action-outside-rule");
    ..shape;
}

/// A policy as written: typed, with places, not yet checked as a whole.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Policy {
    /// The phases, in document order.
    pub phases: Vec<PhaseRules>,
    /// Where the policy stands: the whole file, or a part of one.
    pub span: Span,
    /// Phases whose key has been given before: an error, so they are only checked.
    pub(crate) repeated: Vec<PhaseRules>,
}

impl Policy {
    /// The rules of a phase; none if the policy does not have it.
    pub fn rules(&self, phase: Phase) -> impl Iterator<Item = &Rule> {
        self.phases.iter().filter(move |rules| rules.phase == phase).flat_map(|rules| &rules.rules)
    }

    /// Every action, in document order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.phases.iter().flat_map(|phase| &phase.rules).flat_map(|rule| &rule.actions)
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
    /// True if its key is only near to its name, which has been reported.
    pub(crate) misspelt: bool,
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
    /// Its conditions as tests, on endpoints that must handle all traffic.
    pub(crate) tests: Vec<Formula>,
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
    /// Where it is named if its text stands elsewhere: an alias of it, or else its rule.
    pub(crate) named: Span,
    /// Its configuration.
    pub config: ActionConfig,
}

/// Reads a document as a policy.
#[must_use]
pub fn read_policy(document: &Document, options: &CheckOptions, diagnostics: &mut Diagnostics) -> Policy {
    let reader = Reader::new(document, options, language());
    let policy = document.root().map(|root| policy(root, options.endpoint, &reader)).unwrap_or_default();
    diagnostics.append(reader.into_diagnostics());
    policy
}

/// Reads a node as a policy: the root of a policy file, or `traffic_policy` of a configuration.
pub(crate) fn policy<'d>(node: NodeRef<'d>, endpoint: EndpointTraits, reader: &Reader<'d>) -> Policy {
    let mut out = Policy { span: node.span(), ..Policy::default() };
    let Some(written) = written_phases(node, endpoint, reader) else { return out };
    let flow = Flow::new(outline::outline(&written), has_all(node, &written), endpoint.cloud);
    let mut read: Vec<(usize, PhaseRules)> = Vec::new();
    for phase in Phase::ALL {
        flow.begin_phase(phase);
        let mut rules_before = 0;
        for (at, written) in written.iter().enumerate().filter(|(_, written)| written.phase == phase) {
            let place = PolicySite { phase, endpoint, flow: &flow };
            let rules = rules(written, rules_before, place, reader);
            rules_before += written.rules.len();
            read.push((at, PhaseRules { phase, span: written.span, rules, misspelt: written.misspelt }));
        }
    }
    read.sort_by_key(|(at, _)| *at);
    for (at, rules) in read {
        let repeated = written.get(at).is_some_and(|written| written.repeated);
        if repeated { &mut out.repeated } else { &mut out.phases }.push(rules);
    }
    out
}

/// True if every key of a policy is a phase that could be read; `enabled` is none and means nothing.
fn has_all(node: NodeRef<'_>, written: &[WrittenPhase<'_>]) -> bool {
    let keys = Fields::from_node(node)
        .map_or(0, |fields| fields.entries.iter().filter(|it| it.key != "enabled").count());
    keys <= written.len()
}

fn rules<'d>(
    written: &WrittenPhase<'d>,
    before: usize,
    place: PolicySite<'_>,
    reader: &Reader<'d>,
) -> Vec<Rule> {
    let numbered = written.rules.iter().enumerate();
    numbered.filter_map(|(at, node)| rule(*node, before + at, place, reader)).collect()
}

fn rule<'d>(node: NodeRef<'d>, number: usize, place: PolicySite<'_>, reader: &Reader<'d>) -> Option<Rule> {
    let span = head(node);
    let fields = Fields::from_node(node);
    if let Some(field) = fields.as_ref().and_then(flat_action) {
        let lenient = reader.options().lenient;
        let message = "an action is directly in the phase, outside of a rule";
        let severity = if lenient { Severity::Warning } else { Severity::Error };
        reader.report(
            Diagnostic::new(&ACTION_OUTSIDE_RULE, field.span, message)
                .with_severity(severity)
                .with_help("write `- actions:` and put the action below it as a list item"),
        );
        // What it means is clear: a rule with this one action.
        let Conditions { expressions, guarded, tests } = conditions(fields.as_ref()?, number, place, reader);
        let actions: Vec<_> = action(node, true, place, reader).into_iter().collect();
        end_rule(&actions, place);
        return Some(Rule { name: None, span, expressions, guarded, tests, actions, written_actions: 1 });
    }
    let fields = shape::rule_fields(node, fields, reader)?;
    let cx = Context { reader, place: None, owner: ("the rule", span) };
    let name = cx.optional(&fields, &rule::NAME).flatten();
    check_repeats(&fields, number, place, reader);
    let Conditions { expressions, guarded, tests } = conditions(&fields, number, place, reader);
    // An empty list is written on purpose; a key without a value has lost it.
    if fields.field(EXPRESSIONS.name()).is_none()
        && let Some(field) = fields.entries.iter().find(|field| field.key == EXPRESSIONS.name())
    {
        let message = "`expressions` is empty, so the rule always applies";
        let help = "write a condition, or remove `expressions`";
        reader.report(Diagnostic::new(&NO_CONDITION, field.span, message).with_help(help));
    }
    let written = cx.part(&fields, &ACTIONS);
    let written = written.and_then(|field| reader.list(field.value, "`actions`"))?;
    let written_actions = written.len();
    let mut actions = Vec::with_capacity(written_actions);
    let named = node.alias().unwrap_or(span);
    for (at, node) in written.into_iter().enumerate() {
        place.flow.begin_action(at);
        let read = action(node, false, place, reader);
        // What merge keys bring in is not told again.
        actions.extend(read.map(|action| match node.document().has_merge_keys() {
            true => action,
            false => Action { named: node.alias().unwrap_or(named), ..action },
        }));
    }
    end_rule(&actions, place);
    Some(Rule { name, span, expressions, guarded, tests, actions, written_actions })
}

fn end_rule(actions: &[Action], place: PolicySite<'_>) {
    place.flow.end_rule(actions.iter().any(|action| action.config.terminates()));
}

/// Checks what a rule has twice, which does not count.
fn check_repeats<'d>(fields: &Fields<'d>, number: usize, place: PolicySite<'_>, reader: &Reader<'d>) {
    for repeat in fields.repeats(EXPRESSIONS.name()) {
        place.flow.begin_rule(number);
        expressions(&repeat, place, reader);
    }
    for list in fields.repeats(ACTIONS.name()).filter_map(|field| reader.list(field.value, "`actions`")) {
        place.flow.begin_rule(number);
        list.into_iter().for_each(|node| drop(action(node, false, place, reader)));
    }
}

/// The `type` of an action that stands where a rule is expected.
fn flat_action<'f, 'd>(fields: &'f Fields<'d>) -> Option<&'f Field<'d>> {
    let field = fields.entries.iter().find(|field| field.key == TYPE)?;
    fields.get(ACTIONS.name()).is_none().then_some(field)
}

/// The conditions of a rule.
#[derive(Default)]
struct Conditions {
    expressions: Vec<RuleExpression>,
    /// True if there is any, usable or not.
    guarded: bool,
    tests: Vec<Formula>,
}

fn conditions<'d>(
    fields: &Fields<'d>,
    number: usize,
    place: PolicySite<'_>,
    reader: &Reader<'d>,
) -> Conditions {
    place.flow.begin_rule(number);
    match fields.field(EXPRESSIONS.name()) {
        Some(field) => expressions(&field, place, reader),
        // A field that is not known, which has been reported, may be meant for conditions.
        None if fields.entries.iter().any(|field| !is_part_of_rule(field.key)) => unknown_conditions(place),
        None => Conditions::default(),
    }
}

/// True for the fields of a rule, and of an action that stands without one.
fn is_part_of_rule(key: &str) -> bool {
    names(rule::FIELDS).any(|name| name == key) || matches!(key, TYPE | CONFIG)
}

/// There are conditions, and what they are is not known.
fn unknown_conditions(place: PolicySite<'_>) -> Conditions {
    let tests = place.flow.conditions(&[], true);
    Conditions { expressions: Vec::new(), guarded: true, tests }
}

/// Reads and checks expressions.
fn expressions<'d>(field: &Field<'d>, place: PolicySite<'_>, reader: &Reader<'d>) -> Conditions {
    let Some(items) = reader.list(field.value, "`expressions`") else {
        return unknown_conditions(place);
    };
    let written = items.len();
    let texts: Vec<_> = items.into_iter().filter_map(|item| shape::expression_text(item, reader)).collect();
    let env = reader.env(place.site(false));
    let (mut out, mut read) = (Vec::new(), Vec::new());
    for text in texts {
        let Some(limits) = reader.cel_limits(text.span) else { continue };
        let (expression, mut found) = env.check_after(text.value, &limits, place.flow);
        // One that is wrong has been read as well.
        let nodes = expression.as_ref().map_or(text.value.len() / 2, Expression::nodes);
        reader.charge(nodes, expression.as_ref().map_or(0, Expression::pattern_states));
        if let Some(expression) = expression {
            check_condition(&expression, Decides::Rule, &mut found);
            out.push(RuleExpression { span: text.span, expression });
            read.push(text);
        }
        placeholder_in_expression(text, Severity::Warning, reader);
        drop_values(&mut found, |span| {
            let value = text.value.get(span.to_range()).unwrap_or_default();
            is_placeholder(value.trim_matches(['\'', '"']))
        });
        reader.absorb_part(text, found);
    }
    let joined: Vec<Expression> = out.iter().map(|item| item.expression.clone()).collect();
    let tests = place.flow.conditions(&joined, out.len() < written);
    let together = read.last().copied().zip(crate::cel::check_together(&joined));
    for (text, found) in read.into_iter().zip(Expression::may_fail(&joined, place.flow)) {
        reader.absorb_part(text, found);
    }
    if let Some((text, item)) = together {
        let mut found = Diagnostics::default();
        found.push(item);
        reader.absorb_part(text, found);
    }
    place.flow.begin_actions(joined);
    Conditions { expressions: out, guarded: written > 0, tests }
}

/// Reads an action; `flat` if its rule is missing around it.
fn action<'d>(node: NodeRef<'d>, flat: bool, place: PolicySite<'_>, reader: &Reader<'d>) -> Option<Action> {
    let Some(mut fields) = Fields::from_node(node) else {
        reader.wrong_type(node, "an action, a map", "write e.g. `type: deny`");
        return None;
    };
    let span = head(node);
    fields.incomplete = fields.entries.iter().any(|field| did_you_mean(field.key, [TYPE]).is_some());
    let kind = fields
        .required(reader, TYPE, ("the action", span), "type: forward-internal")
        .and_then(|node| reader.text(node, "`type`"));
    let name = kind.map_or("", |kind| kind.value);
    let name = current_name(name);
    for field in fields.entries.iter().filter(|field| !matches!(field.key, TYPE | CONFIG)) {
        // The parts of a rule may stand around a flat action.
        if !(flat && [rule::NAME.name(), EXPRESSIONS.name()].contains(&field.key)) {
            stray_field(name, field, reader);
        }
    }
    let kind = kind?;
    if name != kind.value {
        let message = format!("`{}` is an older name of `{name}`", kind.value);
        let found = Diagnostic::new(&LEGACY_FIELD, kind.span, message);
        reader.report(found.with_help(format!("write `{name}`")).with_fix_at(true, kind.content, name));
    }
    let facts = facts_of(name);
    if let Some(facts) = facts.filter(|facts| !facts.phases.contains(place.phase)) {
        let phases: Vec<_> = facts.phases.iter().map(Phase::name).collect();
        let message = format!("`{name}` is not allowed in {}", place.phase);
        let help = format!("use it in `{}`", phases.join("`, `"));
        reader.report(Diagnostic::new(&ACTION_PHASE, kind.span, message).with_help(help));
        return None;
    }
    let owner = format!("`{name}`");
    let cx = Context { reader, place: Some(place), owner: (&owner, kind.span) };
    for repeat in fields.repeats(CONFIG) {
        ActionConfig::read(name, Written::below(repeat.value), &cx);
    }
    let beside = beside(&fields, name, flat);
    match ActionConfig::read(name, Written { config: fields.get(CONFIG), beside }, &cx) {
        Some(config) => {
            let result = facts.and_then(|facts| facts.result);
            if let Some(path) = result.filter(|_| config.as_ref().is_none_or(ActionConfig::has_results)) {
                let shape = config.as_ref().map(ActionConfig::result_shape).unwrap_or_default();
                let at = FileSpan::new(kind.span);
                place.flow.record_setting(State::Result(path), Type::Dyn, Rc::new(shape), at);
            }
            if facts.is_some_and(|facts| facts.rewrites) {
                match config.as_ref().and_then(ActionConfig::changes_headers) {
                    Some((names, there)) => place.flow.change_headers(&names, there),
                    None => place.flow.rewrite(),
                }
            }
            Some(Action { span: kind.span, named: kind.span, config: config? })
        }
        None => {
            unknown_action(kind, reader);
            None
        }
    }
}

/// The fields of a `config` that stand beside it. Whether something is missing in it is not known then.
fn beside<'d>(fields: &Fields<'d>, action: &str, flat: bool) -> Fields<'d> {
    let mut out = Fields::empty();
    let stray = |key: &str| !(matches!(key, TYPE | CONFIG) || flat && is_part_of_rule(key));
    out.incomplete = fields.entries.iter().any(|field| stray(field.key));
    let declared = facts_of(action).map(|facts| facts.fields).unwrap_or_default();
    let known = |key: &str| declared.iter().any(|of| of.name() == key || of.aliases().contains(&key));
    out.entries =
        fields.entries.iter().filter(|field| stray(field.key) && known(field.key)).copied().collect();
    out
}

/// A field beside `type` and `config`.
fn stray_field(action: &str, field: &Field<'_>, reader: &Reader<'_>) {
    reader.conceal_misspelt(field);
    let (key, span) = (field.key, field.span);
    let message = format!("unknown field `{}` in an action", shorten(key));
    let found = Diagnostic::new(&crate::reader::UNKNOWN_FIELD, span, message);
    let fields = facts_of(action).map(|facts| facts.fields).unwrap_or_default();
    reader.report(if fields.iter().any(|field| field.name() == key) {
        found.with_help(format!("`{key}` belongs below `config:`"))
    } else if let Some(near) = did_you_mean(key, [TYPE, CONFIG]) {
        found.with_help(did_you_mean_help(key, near)).with_fix_at(false, field.content, near)
    } else {
        found.with_help("an action has `type` and `config`")
    });
}

fn unknown_action(kind: TextRef<'_>, reader: &Reader<'_>) {
    let name = kind.value;
    let found = Diagnostic::new(&UNKNOWN_ACTION, kind.span, format!("unknown action `{}`", shorten(name)));
    reader.report(match did_you_mean(name, NAMES.iter().copied()) {
        Some(near) => found.with_help(did_you_mean_help(name, near)).with_fix_at(false, kind.content, near),
        None => found.with_help(format!("the actions are `{}`", NAMES.join("`, `"))),
    });
}
