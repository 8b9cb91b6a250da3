//! Typed reading of document nodes: one place for wrong types, unknown, missing and legacy fields.
//!
//! Policies and configurations are read through a [`Reader`], which collects what it finds and goes on.

mod comments;
mod fields;
mod names;
mod placeholders;
mod secrets;
mod words;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::rc::Rc;

use crate::cel::{CelLimits, Env};
use crate::diagnostic::{
    Diagnostic, Diagnostics, Edit, Severity, codes, did_you_mean, did_you_mean_help, shorten, shown_address,
    steers, user_info, with_odd,
};
use crate::options::CheckOptions;
use crate::parse::{CONTROL_CHARACTER, Document, NodeKind, NodeRef, Origin, Plain, Scalar, Style};
use crate::source::{Span, overlaps};
use crate::vocabulary::Site;

use words::{begins_with_zero, describe, is_yaml_1_1_boolean, within};

pub(crate) use fields::{Field, Fields};
pub(crate) use names::{FieldNames, Language};
pub(crate) use placeholders::{
    PLACEHOLDER, constant_name, is_placeholder, placeholder, placeholder_entry, placeholder_in_expression,
    placeholder_map,
};

codes! {
    pub(crate) static WRONG_TYPE = error("TP301", "wrong-type", ERR_NGROK_2203, ERR_NGROK_2252);
    pub(crate) static UNKNOWN_FIELD = error("TP302", "unknown-field", ERR_NGROK_2203, ERR_NGROK_2219);
    pub(crate) static MISSING_FIELD = error("TP303", "missing-field", ERR_NGROK_2234).absence();
    pub(crate) static DUPLICATE = error("TP453", "duplicate-value",
        ERR_NGROK_2231, ERR_NGROK_375, ERR_NGROK_7187, ERR_NGROK_7188, ERR_NGROK_7189, ERR_NGROK_7190,
        ERR_NGROK_7191, ERR_NGROK_7192);
    /// A file that is named in another one.
    pub(crate) static UNREADABLE_FILE = error("TP452", "unreadable-file");
    pub(crate) static LEGACY_FIELD = warning("TP306", "legacy-field");
    pub(crate) static INVALID_VALUE = error("TP308", "invalid-value",
        ERR_NGROK_2204, ERR_NGROK_2214, ERR_NGROK_2215, ERR_NGROK_2221, ERR_NGROK_2222, ERR_NGROK_2223,
        ERR_NGROK_2225, ERR_NGROK_2226, ERR_NGROK_2228, ERR_NGROK_2237, ERR_NGROK_2252);
    ..comments;
    ..placeholders;
}

/// The keys a map may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys<'k> {
    pub(crate) known: &'k [&'static str],
    /// How many of them, from the first, a message lists.
    pub(crate) shown: usize,
    /// Keys of old documents that are ignored, each with what to do about it.
    pub(crate) legacy: &'static [(&'static str, &'static str)],
}

impl<'k> Keys<'k> {
    pub(crate) const fn new(known: &'k [&'static str]) -> Self {
        Self { known, shown: known.len(), legacy: &[] }
    }
}

/// Reads one document.
#[derive(Debug)]
pub(crate) struct Reader<'d> {
    document: &'d Document,
    found: RefCell<Diagnostics>,
    budget: Rc<Budget>,
    options: CheckOptions,
    language: &'static Language,
    /// True if there is another reader of the document, which takes over what this one finds.
    is_fresh: bool,
}

/// What the rest of a document may cost, however many readers share it.
#[derive(Debug)]
struct Budget {
    /// States of its regular expressions.
    pattern_states: Cell<u64>,
    /// Nodes of its expressions.
    nodes: Cell<usize>,
    /// The places of its secrets, once they are asked for.
    secrets: OnceCell<Vec<Span>>,
    /// Those in fields that are misspelt.
    more_secrets: RefCell<Vec<Span>>,
}

/// Nodes of all expressions of a document; aliases count wherever they are used.
const MAX_NODES: usize = 2_000_000;

/// How many expressions as large as can be a document may hold, as far as their regular expressions go.
const MAX_LARGE_EXPRESSIONS: u64 = 10;

impl<'d> Reader<'d> {
    /// A reader of one document; what it hands out lives as long as the document.
    pub(crate) fn new(document: &'d Document, options: &CheckOptions, language: &'static Language) -> Self {
        let max = CelLimits::default().pattern_states * MAX_LARGE_EXPRESSIONS;
        Self {
            document,
            found: RefCell::default(),
            budget: Rc::new(Budget {
                pattern_states: Cell::new(max),
                nodes: Cell::new(MAX_NODES),
                secrets: OnceCell::new(),
                more_secrets: RefCell::default(),
            }),
            options: options.clone(),
            language,
            is_fresh: false,
        }
    }

    /// A reader of the same document with findings of its own.
    pub(crate) fn fresh(&self) -> Self {
        Self {
            document: self.document,
            found: RefCell::default(),
            budget: Rc::clone(&self.budget),
            options: self.options.clone(),
            language: self.language,
            is_fresh: true,
        }
    }

    /// The limits of the next expression; once the document's are used up, none is read any more.
    pub(crate) fn cel_limits(&self, place: Span) -> Option<CelLimits> {
        if self.budget.nodes.get() == 0 {
            return None;
        }
        let limits = CelLimits::default();
        if self.budget.nodes.get() < limits.nodes {
            self.budget.nodes.set(0);
            let message = format!("the expressions of the document have over {MAX_NODES} parts together");
            let help = "split the policy, or use fewer aliases of expressions";
            self.report(Diagnostic::new(&crate::cel::CEL_LIMIT, place, message).with_help(help));
            return None;
        }
        Some(CelLimits {
            pattern_states: limits.pattern_states.min(self.budget.pattern_states.get()),
            ..limits
        })
    }

    /// Takes what an expression takes.
    pub(crate) fn charge(&self, nodes: usize, pattern_states: u64) {
        self.budget.pattern_states.set(self.budget.pattern_states.get().saturating_sub(pattern_states));
        self.budget.nodes.set(self.budget.nodes.get().saturating_sub(nodes));
    }

    /// How strictly to look.
    pub(crate) const fn options(&self) -> &CheckOptions {
        &self.options
    }

    /// The environment of expressions at a place.
    pub(crate) fn env(&self, site: Site) -> &'static Env {
        (self.language.env)(site)
    }

    /// True if errors are counted only: a further one need not be put into words.
    pub(crate) fn is_full(&self) -> bool {
        let found = self.found.borrow();
        found.has_errors() && found.dropped() > 0
    }

    /// Takes over the findings of another reader.
    pub(crate) fn extend(&self, found: Diagnostics) {
        self.found.borrow_mut().append(found);
    }

    /// Takes over the findings of a text inside the document, whose places are offsets into it.
    pub(crate) fn absorb_part(&self, text: TextRef<'_>, found: Diagnostics) {
        if found.is_empty() && found.dropped() == 0 {
            return;
        }
        let origin = text.origin();
        if self.document.is_broken(text.span.start) {
            return;
        }
        let mut found = found;
        if self.is_secret(text.span) {
            // What is said of a text inside of it would repeat it.
            let texts = secrets::texts_in_expressions(text.value, &self.language.names);
            found.withhold_where(|span| {
                let span = span.to_range();
                texts.iter().any(|text| text.start < span.end && span.start < text.end)
            });
        }
        let mut found = found.relocate(&|part| origin.place(part));
        found.keep_fixes(|edit| text.takes(edit));
        self.extend(found);
    }

    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        let mut found = self.found.take();
        // Of several readers of a document the first knows the secrets of all.
        if !self.is_fresh {
            let secrets = self.secrets();
            found.conceal(secrets.iter().chain(self.budget.more_secrets.borrow().iter()).copied());
        }
        found
    }

    /// The places of all secrets of the document. O(document) once.
    fn secrets(&self) -> &[Span] {
        self.budget.secrets.get_or_init(|| secrets::secrets(self.document, &self.language.names))
    }

    /// True if the text at a place must not be repeated.
    pub(crate) fn is_secret(&self, at: Span) -> bool {
        let secrets = self.secrets();
        overlaps(secrets, at)
    }

    /// The text of a URL, a host or an address for a message. What stands before an `@` in it may be a password: it is
    /// hidden wherever the line is shown.
    pub(crate) fn shown_address<'t>(&self, text: TextRef<'t>) -> Cow<'t, str> {
        if let Some(user) = user_info(text.value) {
            let place = text.origin().place(Span::from_range(user)).0;
            self.budget.more_secrets.borrow_mut().push(place);
        }
        shown_address(text.value)
    }

    /// Takes a finding, unless it follows from what the YAML reader has reported.
    pub(crate) fn report(&self, mut diagnostic: Diagnostic) {
        if self.document.is_broken(diagnostic.span.start) {
            return;
        }
        if self.options.strict && diagnostic.code == &LEGACY_FIELD {
            diagnostic.severity = Severity::Error;
        }
        self.found.borrow_mut().push(diagnostic);
    }

    pub(crate) fn wrong_type(&self, node: NodeRef<'_>, expected: impl Display, help: &str) {
        let found = describe(node, self.is_secret(node.span()));
        let found = Diagnostic::new(&WRONG_TYPE, head(node), format!("expected {expected}, found {found}"));
        let key = Fields::from_node(node).and_then(|fields| fields.entries.first().map(|field| field.key));
        let word = match node.kind() {
            NodeKind::Scalar(scalar) if scalar.style == Style::Plain => scalar.text,
            _ => key.unwrap_or_default(),
        };
        self.report(found.with_help(with_odd(help, word)));
    }

    pub(crate) fn invalid(&self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(&INVALID_VALUE, span, message).with_help(help));
    }

    /// The entries of a map whose keys are checked against `keys`; `what` names the map.
    pub(crate) fn map(&self, node: NodeRef<'d>, what: &str, keys: Keys<'_>) -> Option<Fields<'d>> {
        let Some(mut fields) = Fields::from_node(node) else {
            self.wrong_type(node, format_args!("{what}, a map"), "write `key: value` lines below it");
            return None;
        };
        let unknown = fields.entries.iter().filter(|field| !keys.known.contains(&field.key));
        // Each of them is reported.
        let strange: Vec<Field<'d>> =
            unknown.filter(|field| self.unknown(field, what, keys, &fields)).copied().collect();
        let repeated = keys.known.iter().any(|key| fields.repeats(key).next().is_some());
        fields.incomplete = !strange.is_empty() || repeated;
        let meant = |field: &Field<'d>| {
            let near = did_you_mean(field.key, keys.known.iter().copied())?;
            fields.field(near).is_none().then_some((near, *field))
        };
        fields.misspelt = strange.iter().filter_map(meant).collect();
        Some(fields)
    }

    /// Hides the value of a field that is not known and probably meant to be a secret one, wherever that belongs.
    pub(crate) fn conceal_misspelt(&self, field: &Field<'_>) {
        if self.language.names.is_near_secret(field.key) {
            let mut more = self.budget.more_secrets.borrow_mut();
            secrets::add_below(field.value, &self.language.names, &mut HashSet::new(), &mut more);
        }
    }

    /// Reports a field that is not known; false for one that is ignored on purpose.
    pub(crate) fn unknown(&self, field: &Field<'_>, what: &str, keys: Keys<'_>, among: &Fields<'_>) -> bool {
        let key = field.key;
        if let Some((_, advice)) = keys.legacy.iter().find(|(legacy, _)| *legacy == key) {
            self.report(
                Diagnostic::new(&LEGACY_FIELD, field.span, format!("the field `{key}` is ignored"))
                    .with_help(*advice),
            );
            return false;
        }
        if self.is_secret(field.span) {
            let message = format!("unknown field in {what}, which stands where a secret may continue");
            let help = "indent every line of the secret further than its field";
            self.report(Diagnostic::new(&UNKNOWN_FIELD, field.span, message).with_help(help));
            return true;
        }
        let known = keys.known.get(..keys.shown).unwrap_or_default().join("`, `");
        let found = Diagnostic::new(
            &UNKNOWN_FIELD,
            field.span,
            format!("unknown field `{}` in {what}", shorten(key)),
        );
        let near = did_you_mean(key, keys.known.iter().copied());
        self.conceal_misspelt(field);
        self.report(match near {
            Some(near) if among.entries.iter().any(|field| field.key == near) => {
                found.with_help(format!("did you mean `{near}`, which is given as well? merge the two"))
            }
            Some(near) => {
                found.with_help(did_you_mean_help(key, near)).with_fix_at(false, field.content, near)
            }
            None if keys.known.is_empty() => found.with_help("it takes no fields; remove this one"),
            None => found.with_help(with_odd(&format!("known fields: `{known}`"), key)),
        });
        true
    }

    /// The items of a list.
    pub(crate) fn list(&self, node: NodeRef<'d>, what: &str) -> Option<Vec<NodeRef<'d>>> {
        match node.kind() {
            NodeKind::Sequence(items) => Some(items.iter().collect()),
            NodeKind::Scalar(_) | NodeKind::Mapping(_) => {
                self.wrong_type(node, format_args!("{what}, a list"), "begin each item with `- `");
                None
            }
        }
    }

    /// A scalar as text: numbers and booleans count as their spelling, nothing does not.
    pub(crate) fn text(&self, node: NodeRef<'d>, what: &str) -> Option<TextRef<'d>> {
        if let NodeKind::Scalar(scalar) = node.kind()
            && Plain::from_scalar(scalar) != Plain::Null
        {
            let document = node.document();
            return Some(TextRef {
                value: scalar.text,
                span: scalar.span,
                content: scalar.content,
                scalar,
                document,
            });
        }
        if !placeholders::placeholder_map(node, self) {
            self.wrong_type(node, format_args!("{what}, a string"), "write a single value");
        }
        None
    }

    /// A name, which logs, events and terminals show: a character in it that cannot be seen is told, also where it
    /// is written as an escape. Raw ones have been told where they stand.
    pub(crate) fn name(&self, node: NodeRef<'d>, what: &str) -> Option<TextRef<'d>> {
        let text = self.text(node, what)?;
        let raw = node.document().source().slice(text.span).contains(steers);
        if let Some(c) = text.value.chars().find(|c| steers(*c)).filter(|_| !raw) {
            let message =
                format!("U+{:04X} in {what}: it cannot be seen and changes how the text reads", u32::from(c));
            let found = Diagnostic::new(&CONTROL_CHARACTER, text.span, message);
            self.report(found.with_severity(Severity::Warning).with_help("leave it out"));
        }
        Some(text)
    }

    pub(crate) fn boolean(&self, node: NodeRef<'d>, what: &str) -> Option<bool> {
        if let NodeKind::Scalar(scalar) = node.kind() {
            match Plain::from_scalar(scalar) {
                Plain::Bool(value) => return Some(value),
                Plain::String(text) if scalar.style == Style::Plain && is_yaml_1_1_boolean(&text) => {
                    let meant = matches!(text.to_ascii_lowercase().as_str(), "yes" | "on" | "y");
                    self.report(
                        Diagnostic::new(
                            &WRONG_TYPE,
                            scalar.span,
                            format!("expected {what}, true or false, found `{text}`"),
                        )
                        .with_help(format!("YAML 1.2 has only true and false; write `{meant}`"))
                        .with_fix_at(false, scalar.content, meant.to_string()),
                    );
                    return None;
                }
                _ => {}
            }
        }
        self.wrong_type(node, format_args!("{what}, true or false"), "write `true` or `false`");
        None
    }

    pub(crate) fn integer(&self, node: NodeRef<'d>, what: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let NodeKind::Scalar(scalar) = node.kind() else {
            self.wrong_type(node, format_args!("{what}, a whole number"), "write a whole number");
            return None;
        };
        let Plain::Int(value) = Plain::from_scalar(scalar) else {
            let help = match scalar.unquoted() {
                Plain::Int(value) if begins_with_zero(scalar.text) => format!("write `{value}`"),
                Plain::Int(_) => "write the number without quotes".to_owned(),
                _ => within(&range),
            };
            self.wrong_type(node, format_args!("{what}, a whole number"), &help);
            return None;
        };
        self.ranged(value, scalar, what, range)
    }

    /// The version of a format: a whole number. Some programs write it in quotes.
    pub(crate) fn version(&self, node: NodeRef<'d>, range: RangeInclusive<i64>) -> Option<i64> {
        let what = "`version`";
        match node.kind() {
            NodeKind::Scalar(scalar) if scalar.text.bytes().all(|byte| byte.is_ascii_digit()) => {
                match scalar.unquoted() {
                    Plain::Int(value) if scalar.style == Style::Quoted && begins_with_zero(scalar.text) => {
                        let message = format!("{what} cannot be `{}`", shorten(scalar.text));
                        self.invalid(scalar.span, message, format!("write `{value}`"));
                        None
                    }
                    Plain::Int(value) => self.ranged(value, scalar, what, range),
                    _ => self.integer(node, what, range),
                }
            }
            _ => self.integer(node, what, range),
        }
    }

    fn ranged(&self, value: i64, at: Scalar<'_>, what: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let fits = range.contains(&value);
        if !fits {
            let message = format!("{what} is out of range: `{}`", shorten(at.text));
            self.invalid(at.span, message, within(&range));
        }
        fits.then_some(value)
    }
}

/// The text of a scalar and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRef<'d> {
    pub(crate) value: &'d str,
    pub(crate) span: Span,
    /// Where the value stands letter by letter: what a fix may replace.
    pub(crate) content: Option<Span>,
    scalar: Scalar<'d>,
    document: &'d Document,
}

impl<'d> TextRef<'d> {
    pub(crate) const fn style(self) -> Style {
        self.scalar.style
    }

    /// True if the text is still one scalar after an edit inside of it.
    fn takes(self, edit: &Edit) -> bool {
        let new = &*edit.replacement;
        let written = self.document.source().slice(self.span);
        match written.chars().next() {
            Some('\'') => !new.contains('\''),
            Some('"') => !new.contains(['"', '\\']),
            Some('|' | '>') => true,
            _ => {
                let first = edit.span.start == self.span.start;
                let begins = new.starts_with(|c: char| "!&*-?:[]{},#|>@%`\"'".contains(c));
                !(new.contains(": ") || new.contains(" #") || (first && begins))
            }
        }
    }

    /// Where the parts of the text stand in the file. O(length).
    pub(crate) fn origin(self) -> Origin<'d> {
        Origin::new(self.scalar, self.document.source())
    }
}

/// The part of a node's place that lies on its first line: enough to point at.
pub(crate) fn head(node: NodeRef<'_>) -> Span {
    let span = node.span();
    let text = node.document().source().slice(span);
    let line = text.find(['\n', '\r']).and_then(|at| u32::try_from(at).ok());
    line.map_or(span, |length| Span::new(span.start, span.start + length))
}

/// Notes the secrets of a text that is not read at all, by its lines. O(text).
pub(crate) fn conceal_unread(text: &str, language: &Language, found: &mut Diagnostics) {
    found.conceal(secrets::unread(text, &language.names).into_iter());
}
