//! Lists and maps of declared kinds, and maps of declared fields.

use std::collections::{HashMap, HashSet};

use super::{Below, Context, Declared, Holds, Interpolated, Kind, Text};
use crate::diagnostic::{Diagnostic, codes, counted, shorten};
use crate::message::{MAX_HEADER_NAME, is_token};
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{DUPLICATE, Fields, head};
use crate::source::{Span, Spanned};

codes! {
    pub(crate) static ENTRY_COUNT = error("TP310", "entry-count",
        ERR_NGROK_2212, ERR_NGROK_2218, ERR_NGROK_2223, ERR_NGROK_2244, ERR_NGROK_2255, ERR_NGROK_374,
        ERR_NGROK_7193);
    static INVALID_HEADER = error("TP311", "invalid-header",
        ERR_NGROK_2208, ERR_NGROK_2209, ERR_NGROK_2210, ERR_NGROK_2211, ERR_NGROK_372, ERR_NGROK_373,
        ERR_NGROK_377, ERR_NGROK_378, ERR_NGROK_398);
    pub(crate) static RELATED_FIELD = error("TP312", "related-field",
        ERR_NGROK_2240, ERR_NGROK_385, ERR_NGROK_386, ERR_NGROK_390);
}

/// A list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<K> {
    item: K,
    min: usize,
    max: usize,
}

impl<K: Copy> Items<K> {
    /// Any number of items.
    pub(crate) const fn new(item: K) -> Self {
        Self { item, min: 0, max: usize::MAX }
    }

    /// So many items.
    pub(crate) const fn between(self, min: usize, max: usize) -> Self {
        Self { min, max, ..self }
    }

    pub(super) const fn item(&self) -> &K {
        &self.item
    }

    /// At least one.
    pub(crate) const fn some(self) -> Self {
        Self { min: 1, ..self }
    }
}

/// Says that there are too few or too many of something.
fn counted_within(
    count: usize,
    (min, max): (usize, usize),
    what: &str,
    (one, many): (&str, &str),
    span: Span,
    cx: &Context<'_, '_>,
) -> Option<()> {
    let (message, help) = if count < min {
        (format!("{what} is empty"), format!("give at least {}", counted(min, one, many)))
    } else if count > max {
        let found = counted(count, one, many);
        (format!("{what} has {found}, more than {max}"), format!("give at most {max}"))
    } else {
        return Some(());
    };
    cx.reader.report(Diagnostic::new(&ENTRY_COUNT, span, message).with_help(help));
    None
}

impl<K: Kind> Kind for Items<K> {
    type Value = Vec<K::Value>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let items = cx.reader.list(node, what)?;
        let within = (self.min, self.max);
        let number = counted_within(items.len(), within, what, ("entry", "entries"), head(node), cx);
        let item = format!("an entry of {what}");
        let mut fine = number.is_some();
        let mut out = Vec::with_capacity(items.len());
        for node in items {
            let read = self.item.read(node, &item, cx);
            fine &= read.is_some();
            out.extend(read);
        }
        fine.then_some(out)
    }

    fn is_secret(&self) -> bool {
        self.item.is_secret()
    }

    fn describe(&self) -> String {
        let number = match (self.min, self.max) {
            (0, usize::MAX) => String::new(),
            (min, usize::MAX) => format!(" (at least {min})"),
            (0, max) => format!(" (up to {max})"),
            (min, max) => format!(" ({min} to {max})"),
        };
        format!("list{number} of: {}", self.item.describe())
    }

    fn interpolates(&self) -> bool {
        self.item.interpolates()
    }

    fn below(&self) -> Below {
        match self.item.below() {
            Below::Map(declared) => Below::List(declared),
            other => other,
        }
    }
}

/// What the keys of a map are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKeys {
    /// Anything.
    Any,
    /// Names of HTTP headers.
    Headers,
}

/// A map whose keys the policy chooses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<K> {
    pub(crate) keys: EntryKeys,
    pub(crate) value: K,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl<K: Kind> Kind for Entries<K> {
    type Value = Vec<(Spanned<Box<str>>, K::Value)>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let Some(fields) = Fields::from_node(node) else {
            let help = match self.keys {
                EntryKeys::Headers => "write `name: value` lines below it",
                EntryKeys::Any => "write `key: value` lines below it",
            };
            cx.reader.wrong_type(node, format_args!("{what}, a map"), help);
            return None;
        };
        let (one, many) = match self.keys {
            EntryKeys::Headers => ("header", "headers"),
            EntryKeys::Any => ("entry", "entries"),
        };
        let within = (self.min, self.max);
        let number = counted_within(fields.entries.len(), within, what, (one, many), head(node), cx);
        let mut fine = number.is_some();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut keys: HashSet<&str> = HashSet::new();
        let mut out = Vec::with_capacity(fields.entries.len());
        for field in &fields.entries {
            if self.keys == EntryKeys::Headers {
                fine &= check_added_header(field.key, field.span, cx).is_some();
                // The same key again has been reported as that.
                fine &= !keys.insert(field.key)
                    || unique(&mut seen, field.key.to_ascii_lowercase(), field.span, "header", cx).is_some();
            }
            let value = self.value.read(field.value, &format!("`{}`", shorten(field.key)), cx);
            fine &= value.is_some();
            out.extend(value.map(|value| (Spanned::new(field.key.into(), field.span), value)));
        }
        fine.then_some(out)
    }

    fn is_secret(&self) -> bool {
        self.keys == EntryKeys::Headers || self.value.is_secret()
    }

    fn holds(&self) -> Holds {
        match self.keys {
            EntryKeys::Headers => Holds::Headers,
            EntryKeys::Any => Holds::Other,
        }
    }

    fn describe(&self) -> String {
        let (min, max) = (self.min, self.max);
        let number = match (min, max) {
            (_, usize::MAX) => String::new(),
            (0, max) => format!(" (up to {max})"),
            (min, max) => format!(" ({min} to {max})"),
        };
        let what = if self.keys == EntryKeys::Headers { "headers" } else { "map" };
        format!("{what}{number}, each a {}", self.value.describe())
    }

    fn interpolates(&self) -> bool {
        self.value.interpolates()
    }
}

/// Says that something was given before.
fn unique(
    seen: &mut HashMap<String, Span>,
    key: String,
    span: Span,
    what: &str,
    cx: &Context<'_, '_>,
) -> Option<()> {
    if let Some(first) = seen.get(&key) {
        let message = format!("the {what} `{}` is given twice", shorten(&key));
        cx.reader.report(
            Diagnostic::new(&DUPLICATE, span, message)
                .with_label(*first, "first given here")
                .with_help("use each only once"),
        );
        return None;
    }
    seen.insert(key, span);
    Some(())
}

impl Context<'_, '_> {
    /// Reports what is given twice among texts that are compared without regard to case, or with it.
    pub(crate) fn unique<'v>(
        &self,
        what: &str,
        items: impl Iterator<Item = (&'v str, Span)>,
        same_case: bool,
    ) -> Option<()> {
        let mut seen = HashMap::new();
        let mut fine = Some(());
        for (text, span) in items {
            let key = if same_case { text.to_owned() } else { text.to_ascii_lowercase() };
            fine = unique(&mut seen, key, span, what, self).and(fine);
        }
        fine
    }
}

/// Bytes of a header's value (ngrok has a bound and does not publish it).
const MAX_VALUE_LENGTH: usize = 8_192;

/// The name of a header that an action may set or remove (RFC 9110 §5.1).
fn check_header_name(name: &str, span: Span, cx: &Context<'_, '_>) -> Option<()> {
    let (message, help) = if !is_token(name) {
        // A whole header in the place of the name holds its value.
        let message = match name.contains([':', ' ']) {
            true => "this is not a header name".to_owned(),
            false => format!("`{}` is not a header name", shorten(name)),
        };
        (message, "a name has letters, digits and `-`, without spaces or a colon")
    } else if name.len() > MAX_HEADER_NAME {
        (format!("a header name has over {MAX_HEADER_NAME} characters"), "shorten it")
    } else if name.eq_ignore_ascii_case("user-agent") {
        ("`user-agent` can be neither added nor removed".to_owned(), "leave it out; the client sets it")
    } else {
        return Some(());
    };
    cx.reader.report(Diagnostic::new(&INVALID_HEADER, span, message).with_help(help));
    None
}

/// The name of a header that an action may set: not one that says how long the body is, which follows from it.
fn check_added_header(name: &str, span: Span, cx: &Context<'_, '_>) -> Option<()> {
    if ["content-length", "transfer-encoding"].iter().any(|of| name.eq_ignore_ascii_case(of)) {
        let message = format!("`{}` cannot be set: it follows from the body", name.to_ascii_lowercase());
        let found = Diagnostic::new(&INVALID_HEADER, span, message);
        cx.reader.report(found.with_help("leave it out; whoever sends the message writes it"));
        return None;
    }
    check_header_name(name, span, cx)
}

/// The name of a header that an action may remove: every request has a host (RFC 9112, 3.2).
pub(crate) fn check_removed_header(name: &str, span: Span, cx: &Context<'_, '_>) -> Option<()> {
    if name.eq_ignore_ascii_case("host") {
        let found = Diagnostic::new(&INVALID_HEADER, span, "`host` cannot be removed");
        cx.reader.report(found.with_help("give it another value with `add-headers`"));
        return None;
    }
    check_header_name(name, span, cx)
}

/// The value of a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderValue;

impl Kind for HeaderValue {
    type Value = Text;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Text> {
        let read = Interpolated::ANY.read(node, what, cx)?;
        let text = read.literal().unwrap_or_default();
        let (message, help) = if text.len() > MAX_VALUE_LENGTH {
            (format!("the value of {what} has over {MAX_VALUE_LENGTH} bytes"), "shorten it")
        } else if text.chars().any(|c| c.is_control() && c != '\t') {
            // RFC 9110 §5.5.
            let message = format!("the value of {what} holds a line break or control character");
            (message, "write it on one line; in YAML with `>-` or in quotes")
        } else {
            return Some(read);
        };
        cx.reader.report(Diagnostic::new(&INVALID_HEADER, read.span, message).with_help(help));
        None
    }

    fn describe(&self) -> String {
        "text".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// A map of declared fields, read into a type.
pub(crate) struct Record<T: 'static> {
    /// The fields.
    pub(crate) fields: Declared,
    /// Keys that are ignored, each with what to do about it.
    pub(crate) ignored: &'static [(&'static str, &'static str)],
    /// Reads the type.
    pub(crate) read: for<'r, 'd> fn(&Fields<'d>, &Context<'r, 'd>) -> Option<T>,
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Record<T> {}

impl<T> std::fmt::Debug for Record<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("fields", &self.fields).finish_non_exhaustive()
    }
}

impl<T> Kind for Record<T> {
    type Value = T;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<T> {
        let fields = cx.map(node, what, self.fields, self.ignored)?;
        let span = match node.kind() {
            // An empty map is missing everything.
            NodeKind::Mapping(_) => head(node),
            NodeKind::Scalar(_) | NodeKind::Sequence(_) => node.span(),
        };
        (self.read)(&fields, &cx.with_owner((what, span)))
    }

    fn describe(&self) -> String {
        "map".to_owned()
    }

    fn below(&self) -> Below {
        Below::Map(self.fields)
    }
}

/// Says that one field needs another.
pub(crate) fn needs<T>((field, span): (&str, Span), other: &str, cx: &Context<'_, '_>) -> Option<T> {
    let found = Diagnostic::new(&RELATED_FIELD, span, format!("`{field}` needs `{other}`"));
    cx.reader.report(found.with_help(format!("add `{other}`, or remove `{field}`")));
    None
}
