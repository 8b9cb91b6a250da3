//! `set-vars`: sets variables for what follows in the phase.
//!
//! Source: ngrok documentation, set-vars (2026-08-07). A list of maps with one key each; a later entry may use
//! and replace an earlier one.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::{ANY_PHASE, ActionType};
use crate::cel::{DataFlow as _, Expression, Shape, State, Type, Unrendered};
use crate::diagnostic::Diagnostic;
use crate::flow::Flow;
use crate::ir::Lowering;
use crate::parse::{NodeKind, NodeRef};
use crate::phase::PhaseSet;
use crate::reader::{Fields, head};
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{ConfigValue, Context, Declared, ENTRY_COUNT, Field, Kind, Text, Value};
use crate::source::{FileSpan, Span, Spanned};

/// Lists and maps inside one another in a value (ngrok has a bound, ERR_NGROK_2250, and does not publish it).
const MAX_LEVELS: usize = 16;

/// Bytes of a value that is sure to find room in a run, however many there are in a policy.
const MAX_SMALL: usize = 16;

static VARS: Field<Variables> =
    Field::required("vars", Variables, "vars: [{site: berlin}]", "Names and values, one pair an entry.");

/// Sets variables for what follows in the phase.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetVars {
    /// Names and values, in order.
    pub vars: Vec<(Spanned<Box<str>>, ConfigValue)>,
}

impl ActionType for SetVars {
    const NAME: &'static str = "set-vars";
    const PHASES: PhaseSet = ANY_PHASE;
    const FIELDS: Declared = &[&VARS];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/set-vars.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { vars: cx.read(fields, &VARS)? })
    }

    fn outline(config: Option<&Fields<'_>>, _: Span, add: &mut dyn FnMut(State, Span)) {
        let Some(config) = config else { return };
        // A map in place of the list, or of the field, is wrong, and it says which names are meant.
        let maps: Vec<Fields<'_>> = match config.get(VARS.name()).map(|node| (node, node.kind())) {
            Some((_, NodeKind::Sequence(items))) => items.iter().filter_map(Fields::from_node).collect(),
            Some((node, _)) => Fields::from_node(node).into_iter().collect(),
            // So do the lists of a field that is misspelt.
            None => {
                let lists = config.entries.iter().filter_map(|field| match field.value.kind() {
                    NodeKind::Sequence(items) => Some(items.iter().filter_map(Fields::from_node)),
                    NodeKind::Scalar(_) | NodeKind::Mapping(_) => None,
                });
                lists.flatten().chain([config.clone()]).collect()
            }
        };
        for field in maps.iter().flat_map(|fields| &fields.entries) {
            add(State::Variable(field.key.into()), field.span);
        }
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        let vars = self.vars.iter().map(|(name, value)| (Arc::from(&*name.value), value.clone()));
        Box::new(Assignments(vars.collect()))
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        for (name, value) in &self.vars {
            if run.set_variable(&name.value, value).is_none() {
                return NaiveNext::End(NaiveEnd::Failed);
            }
        }
        NaiveNext::GoOn
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.vars.iter().for_each(|(_, value)| value.texts(each));
    }
}

/// Names and values, one after the other: a later one may use an earlier one.
#[derive(Debug)]
struct Assignments(Box<[(Arc<str>, ConfigValue)]>);

impl Execute for Assignments {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        for (name, value) in &self.0 {
            let value = run.value(value)?;
            run.set_variable(name, value)?;
        }
        Ok(Next::GoOn)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.0.iter().for_each(|(_, value)| value.texts(each));
    }

    fn goes_on(&self) -> bool {
        // What is written out has its value, and is small beside what a run may keep.
        self.0.iter().all(|(_, value)| match value {
            ConfigValue::Plain(_) => true,
            ConfigValue::Text(text) => text.literal().is_some_and(|text| text.len() <= MAX_SMALL),
            ConfigValue::List(_) | ConfigValue::Map(_) => false,
        })
    }

    fn cost(&self) -> u64 {
        self.0.len() as u64
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        for (name, value) in &self.0 {
            digest.text("set");
            digest.text(name);
            digest.value(value);
        }
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("set ")?;
        for (at, (name, _)) in self.0.iter().enumerate() {
            write!(f, "{}vars.{name}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A list of maps with one key each.
#[derive(Clone, Copy, Debug)]
struct Variables;

impl Kind for Variables {
    type Value = Vec<(Spanned<Box<str>>, ConfigValue)>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        if let NodeKind::Mapping(_) = node.kind() {
            let help = "begin each pair with `- `: `- name: value`";
            cx.reader.wrong_type(node, format_args!("{what}, a list of pairs"), help);
            return None;
        }
        let items = cx.reader.list(node, what)?;
        if items.is_empty() {
            let found = Diagnostic::new(&ENTRY_COUNT, head(node), "`vars` is empty");
            cx.reader.report(found.with_help("give at least 1 pair, e.g. `- name: value`"));
            return None;
        }
        let mut out = Vec::with_capacity(items.len());
        let mut fine = true;
        for item in items {
            // One after the other: an entry may use those before it.
            let pair = pair(item, cx);
            fine &= pair.is_some();
            out.extend(pair);
        }
        fine.then_some(out)
    }

    fn describe(&self) -> String {
        "list of maps with one key each, its value of any shape".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

fn pair<'d>(node: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<(Spanned<Box<str>>, ConfigValue)> {
    let Some(fields) = Fields::from_node(node) else {
        cx.reader.wrong_type(node, "a pair of name and value", "write `- name: value`");
        return None;
    };
    let [field] = &*fields.entries else {
        let message = format!("an entry of `vars` has one pair, this one has {}", fields.entries.len());
        cx.invalid(head(node), message, "begin each pair with `- ` of its own");
        return None;
    };
    let name = field.key;
    let plain = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain {
        let shown = crate::diagnostic::shorten(name);
        let help = "a name has letters, digits and `_`, and does not begin with a digit";
        cx.invalid(field.span, format!("`{shown}` cannot name a variable"), help);
        return None;
    }
    if levels(field.value) > MAX_LEVELS {
        let message = format!("the value of `{name}` has over {MAX_LEVELS} levels of lists and maps");
        cx.invalid(field.span, message, "nest fewer of them");
        return None;
    }
    let value = Value.read(field.value, &format!("`{name}`"), cx);
    let ty = value.as_ref().map_or(Type::Dyn, ConfigValue::ty);
    if let Some(place) = cx.place {
        // A variable may hold another one, which holds another one: types end somewhere.
        let ty = if is_deep(&ty, MAX_LEVELS) { Type::Dyn } else { ty };
        let shape = value.as_ref().map_or_else(Rc::default, |value| shape_of(value, place.flow));
        place.flow.record_setting(State::Variable(name.into()), ty, shape, FileSpan::new(field.span));
    }
    Some((Spanned::new(name.into(), field.span), value?))
}

/// What is known of a value.
fn shape_of(value: &ConfigValue, flow: &Flow) -> Rc<Shape> {
    // The value of another variable, which may be long, is shared.
    let whole = match value {
        ConfigValue::Text(text) => text.template.whole(),
        _ => None,
    };
    match whole.and_then(Expression::variable) {
        Some(variable) => flow.shape(&State::Variable(variable)),
        None => Rc::new(value.shape(MAX_LEVELS)),
    }
}

/// True if a type has more levels than so many.
fn is_deep(ty: &Type, levels: usize) -> bool {
    let inner = |ty: &Type| levels.checked_sub(1).is_none_or(|levels| is_deep(ty, levels));
    match ty {
        Type::List(item) | Type::Type(item) => inner(item),
        Type::Map(of) => inner(&of.0) || inner(&of.1),
        Type::Opaque(_, of) => of.iter().any(inner),
        _ => false,
    }
}

/// Levels of lists and maps, at most one more than allowed.
fn levels(node: NodeRef<'_>) -> usize {
    let mut deepest = 0;
    let mut work = vec![(node, 0)];
    while let Some((node, depth)) = work.pop() {
        deepest = deepest.max(depth);
        if depth > MAX_LEVELS {
            break;
        }
        match node.kind() {
            NodeKind::Scalar(_) => {}
            NodeKind::Sequence(items) => work.extend(items.iter().map(|item| (item, depth + 1))),
            NodeKind::Mapping(entries) => work.extend(entries.iter().map(|(_, value)| (value, depth + 1))),
        }
    }
    deepest
}
