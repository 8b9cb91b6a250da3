//! Values that cannot occur: a part is compared with something it never is.
//!
//! Only parts whose values are known from outside are looked at: codes of countries, methods, paths, ports, protocols,
//! media types, names of headers, categories of addresses. Comparisons with items of a list are followed through
//! `exists` and its like.

use super::names::{
    begins_category, ends_category, is_category, is_country, near_category, near_country, within_category,
};
use crate::cel::analysis::parts::{Parts, Stands};
use crate::cel::check::code::{LoopKind, Node, NodeId};
use crate::cel::codes;
use crate::cel::library::overload::{Case, Form, Gives, Overload, Relation};
use crate::cel::values::fact::{Fact, Meaning};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};

/// What a part may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TextDomain {
    Cased(Case),
    Category,
    ContentType,
    Country,
    Header,
    Host,
    Method,
    Path,
    Port,
    Protocol(&'static [&'static str]),
    Status,
    Url,
}

/// How a part is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// As a whole: `==`, `!=`, `in`.
    Equal,
    /// `startsWith`.
    Begin,
    /// `endsWith`.
    End,
    /// `contains`.
    Hold,
    /// `>`.
    Above,
    /// `>=`.
    AtLeast,
    /// `<`.
    Below,
    /// `<=`.
    AtMost,
}

impl How {
    const fn from_relation(relation: Relation) -> Self {
        match relation {
            Relation::Equal | Relation::NotEqual => Self::Equal,
            Relation::Greater => Self::Above,
            Relation::GreaterEqual => Self::AtLeast,
            Relation::Less => Self::Below,
            Relation::LessEqual => Self::AtMost,
        }
    }
}

/// Methods of HTTP (RFC 9110, RFC 5789).
const METHODS: &[&str] = &["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Why a value cannot occur, what to write, and the text that takes its place.
struct Never {
    why: String,
    help: String,
    fix: Option<String>,
}

/// Looks at one node.
pub(super) fn report(parts: &Parts<'_>, (id, node): (NodeId, &Node), found: &mut Diagnostics) {
    match node {
        Node::Has { operand, field: Value::String(name) }
        | Node::Select { operand, field: Value::String(name), .. }
            if parts.kind(*operand) == Some(Of::Map(TextDomain::Header)) =>
        {
            header_field(parts, *operand, name, found);
        }
        Node::Select { operand, field: Value::String(name), .. } => {
            cookie(parts, id, *operand, name, found);
        }
        Node::Index { operand, index, .. } => {
            if let Some(Of::Map(kind)) = parts.kind(*operand) {
                compared(parts, kind, *operand, *index, How::Equal, found);
            }
        }
        Node::Call { overloads, arguments, .. } => {
            if let [a, b] = **arguments {
                call(parts, parts.code.form(overloads), a, b, found);
            }
        }
        Node::Matches { operand, pattern } => {
            if let Some(Of::One(kind)) = parts.kind(*operand) {
                matched(parts, kind, id, pattern.written(), found);
            }
        }
        _ => {}
    }
}

fn call(parts: &Parts<'_>, form: Form, a: NodeId, b: NodeId, found: &mut Diagnostics) {
    let (how, turned) = match form {
        Form::Compare(relation) => {
            if relation.is_equality() {
                for (item, other) in [(a, b), (b, a)] {
                    if let Stands::Item(range) = parts.stands(item) {
                        other_types(parts, other, range, found);
                    }
                }
            }
            (How::from_relation(relation), Some(How::from_relation(relation.turned())))
        }
        Form::Begins => (How::Begin, None),
        Form::Ends => (How::End, None),
        Form::Holds => (How::Hold, None),
        Form::In => {
            other_types(parts, a, b, found);
            match parts.kind(b) {
                Some(Of::List(kind) | Of::Map(kind)) => compared(parts, kind, b, a, How::Equal, found),
                _ => {
                    if let Some(Of::One(kind)) = parts.kind(a) {
                        let members = parts.members(b).into_iter();
                        members.for_each(|item| compared(parts, kind, a, item, How::Equal, found));
                    }
                }
            }
            return;
        }
        _ => return,
    };
    if let Some(Of::One(kind)) = parts.kind(a) {
        compared(parts, kind, a, b, how, found);
    } else if let (Some(how), Some(Of::One(kind))) = (turned, parts.kind(b)) {
        compared(parts, kind, b, a, how, found);
    }
}

/// What a fact may be.
const fn of_meaning(meaning: Meaning) -> Option<Of> {
    Some(match meaning {
        Meaning::Headers | Meaning::Trailers => Of::Map(TextDomain::Header),
        Meaning::Categories => Of::List(TextDomain::Category),
        Meaning::Country => Of::One(TextDomain::Country),
        Meaning::Method => Of::One(TextDomain::Method),
        Meaning::Host => Of::One(TextDomain::Host),
        Meaning::Path | Meaning::PathAndQuery => Of::One(TextDomain::Path),
        Meaning::RequestUrl => Of::One(TextDomain::Url),
        Meaning::Scheme(all) | Meaning::Protocol(all) => Of::One(TextDomain::Protocol(all)),
        Meaning::MediaType => Of::One(TextDomain::ContentType),
        Meaning::Status => Of::One(TextDomain::Status),
        Meaning::Port => Of::One(TextDomain::Port),
        _ => return None,
    })
}

/// A part of a kind, or a list or the keys of a map of some.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    One(TextDomain),
    List(TextDomain),
    Map(TextDomain),
}

impl<'c> Parts<'c> {
    fn kind(&self, id: NodeId) -> Option<Of> {
        // What is filtered more often than this, nobody has written.
        const LEVELS: usize = 16;
        self.kind_within(id, LEVELS)
    }

    fn kind_within(&self, id: NodeId, levels: usize) -> Option<Of> {
        let levels = levels.checked_sub(1)?;
        let (id, node) = self.written(id);
        if let Stands::Item(range) = self.stands(id) {
            return match self.kind_within(range, levels)? {
                Of::List(kind) | Of::Map(kind) => Some(Of::One(kind)),
                Of::One(_) => None,
            };
        }
        let one = |kind| Some(Of::One(kind));
        match node? {
            Node::Fact(fact) => of_meaning(fact.meaning()),
            Node::Index { operand, .. } => match self.kind_within(*operand, levels)? {
                Of::List(kind) => one(kind),
                _ => None,
            },
            // What is left of a list is of its kind; of a map it is a list of keys.
            Node::Loop(of) => match (self.kind_within(of.range, levels)?, of.kind) {
                (Of::List(kind) | Of::Map(kind), LoopKind::Filter(_)) => Some(Of::List(kind)),
                (_, LoopKind::List { item, .. }) => match self.kind_within(item, levels)? {
                    Of::One(kind) => Some(Of::List(kind)),
                    _ => None,
                },
                _ => None,
            },
            node => match self.code.call(node)?.0.gives {
                Gives::Cased(case) => one(TextDomain::Cased(case)),
                _ => None,
            },
        }
    }

    /// A constant, or all of a list that a variable goes over.
    fn values(&self, id: NodeId) -> Vec<(NodeId, Value)> {
        if let Stands::Item(range) = self.stands(id) {
            let items = self.constants(range).unwrap_or_default();
            return items.into_iter().map(|(item, value)| (item, value.clone())).collect();
        }
        self.constant(id).map(|value| (self.written(id).0, value.clone())).into_iter().collect()
    }

    /// The texts that a part may be: one, or all of a list that a variable goes over.
    pub(super) fn texts(&self, id: NodeId) -> Vec<(NodeId, &'c str)> {
        let text = |(at, value): (NodeId, &'c Value)| match value {
            Value::String(text) => Some((at, &**text)),
            _ => None,
        };
        if let Stands::Item(range) = self.stands(id) {
            return self.constants(range).unwrap_or_default().into_iter().filter_map(text).collect();
        }
        self.constant(id).and_then(|value| text((self.written(id).0, value))).into_iter().collect()
    }

    /// The fact after an entry, an item or a call.
    fn behind(&self, id: NodeId) -> Option<Fact> {
        const MAX: usize = 16;
        let mut at = id;
        for _ in 0..MAX {
            let (id, node) = self.written(at);
            at = match (self.stands(id), node?) {
                (Stands::Item(range), _) => range,
                (_, Node::Fact(fact)) => return Some(*fact),
                (_, Node::Index { operand, .. } | Node::Select { operand, .. }) => *operand,
                (_, Node::Loop(of)) => of.range,
                (_, node) => match self.code.call(node)? {
                    (Overload { form: Form::First(_), .. }, [map, ..]) => *map,
                    _ => return None,
                },
            };
        }
        None
    }
}

/// Reports the values among these that the part never is.
fn compared(
    parts: &Parts<'_>,
    kind: TextDomain,
    of: NodeId,
    with: NodeId,
    how: How,
    found: &mut Diagnostics,
) {
    for (place, value) in parts.values(with) {
        let Some(never) = never(kind, &value, how) else { continue };
        let code = if kind == TextDomain::Header { &codes::HEADER_CASE } else { &codes::IMPOSSIBLE };
        let shown = match &value {
            Value::String(text) => shorten(text).into_owned(),
            other => other.to_string(),
        };
        let what = match (kind, parts.behind(of)) {
            (TextDomain::Header, _) => "a name of a header".to_owned(),
            (TextDomain::Category, _) => "a category of an address".to_owned(),
            (TextDomain::Cased(Case::Lower | Case::LowerAscii), _) => "a string in lower case".to_owned(),
            (TextDomain::Cased(Case::Upper), _) => "a string in upper case".to_owned(),
            (_, Some(fact)) => format!("`{fact}`"),
            (_, None) => "this".to_owned(),
        };
        let verb = match how {
            How::Equal => "is never",
            How::Begin => "never starts with",
            How::End => "never ends with",
            How::Hold => "never contains",
            How::Above => "is never greater than",
            How::AtLeast => "is never as great as",
            How::Below => "is never less than",
            How::AtMost => "is never as small as",
        };
        let span = parts.code.span(place);
        let message = match (kind, how) {
            (TextDomain::Header, How::Equal) => {
                format!("header names are in lower case here, so `{shown}` is never found")
            }
            _ => format!("{what} {verb} `{shown}`: {}", never.why),
        };
        let item = Diagnostic::new(code, span, message);
        let fix = never.fix.filter(|fix| !fix.contains(['\'', '\\', '\n']));
        found.push(match fix {
            Some(fix) => item.with_help(never.help).with_fix_at(false, Some(span), format!("'{fix}'")),
            None => item.with_help(never.help),
        });
    }
}

/// Why a part of a kind is never a value.
fn never(kind: TextDomain, value: &Value, how: How) -> Option<Never> {
    match value {
        Value::String(text) => never_text(kind, text, how),
        Value::Int(number) => never_number(kind, *number, how),
        _ => None,
    }
}

fn never_number(kind: TextDomain, number: i64, how: How) -> Option<Never> {
    let (first, last, why) = match kind {
        TextDomain::Port => (0, 65_535, "ports go from 0 to 65535"),
        TextDomain::Status => (100, 999, "status codes have three digits"),
        _ => return None,
    };
    let never = match how {
        How::Equal => !(first..=last).contains(&number),
        How::Above => number >= last,
        How::AtLeast => number > last,
        How::Below => number <= first,
        How::AtMost => number < first,
        How::Begin | How::End | How::Hold => false,
    };
    never.then(|| Never {
        why: why.to_owned(),
        help: format!("write a number from {first} to {last}"),
        fix: None,
    })
}

fn never_text(kind: TextDomain, text: &str, how: How) -> Option<Never> {
    let as_other = |other: String, why: &str| {
        (other != text).then(|| Never {
            why: why.to_owned(),
            help: format!("write `'{other}'`"),
            fix: Some(other),
        })
    };
    match kind {
        TextDomain::Header => as_other(text.to_ascii_lowercase(), "they are in lower case here"),
        TextDomain::Cased(Case::Lower) => {
            as_other(text.to_lowercase(), "`lower` leaves no capitals").filter(|_| text.is_ascii())
        }
        TextDomain::Cased(Case::LowerAscii) => {
            as_other(text.to_ascii_lowercase(), "`lowerAscii` leaves no capitals")
        }
        TextDomain::Cased(Case::Upper) => {
            as_other(text.to_uppercase(), "`upper` leaves capitals only").filter(|_| text.is_ascii())
        }
        TextDomain::Category if how == How::Equal && !is_category(text) => Some(category(text)),
        TextDomain::Country if how == How::Equal && !text.is_empty() && !is_country(text) => {
            let near = near_country(text);
            let help = near.as_ref().map_or_else(
                || "write the code in two capital letters, e.g. `'DE'`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Some(Never { why: "this is not a country code (ISO 3166)".to_owned(), help, fix: near })
        }
        TextDomain::Method if how == How::Equal => {
            let upper = text.to_ascii_uppercase();
            as_other(upper.clone(), "methods are in capitals").filter(|_| METHODS.contains(&&*upper))
        }
        TextDomain::Path if matches!(how, How::Equal | How::Begin) => path(text, how),
        TextDomain::Url if matches!(how, How::Equal | How::Begin) && !text.is_empty() => whole_url(text, how),
        TextDomain::Category if how == How::Begin && !begins_category(text) => Some(category(text)),
        TextDomain::Category if how == How::End && !ends_category(text) => Some(category(text)),
        TextDomain::Category if how == How::Hold && !within_category(text) => Some(category(text)),
        TextDomain::Protocol(all) if how == How::Equal && !all.contains(&text) => {
            let lower = text.to_ascii_lowercase();
            let near = all.contains(&&*lower).then_some(lower);
            let help = format!("it is one of `{}`", all.join("`, `"));
            Some(Never { why: "unknown protocol".to_owned(), help, fix: near })
        }
        TextDomain::ContentType
            if text.contains(';') && matches!(how, How::Equal | How::Begin | How::End | How::Hold) =>
        {
            let bare = text.split(';').next().unwrap_or_default().trim().to_owned();
            let help = "compare the type alone, `.parameters`, or the whole header, `.raw`".to_owned();
            let fix = Some(bare).filter(|bare| !bare.is_empty() && how == How::Equal);
            Some(Never { why: "the parameters of the type are left out".to_owned(), help, fix })
        }
        TextDomain::Host if text.contains('/') => Some(Never {
            why: "a host has neither scheme nor path".to_owned(),
            help: "write the host alone, or compare `req.url`".to_owned(),
            fix: None,
        }),
        _ => None,
    }
}

/// A path that does not begin with its slash.
fn path(text: &str, how: How) -> Option<Never> {
    let begins = text.starts_with('/') || text == "*" || text.is_empty() && how == How::Begin;
    (!begins).then(|| {
        let fix = (!text.contains("://")).then(|| format!("/{text}"));
        let help = match &fix {
            Some(fix) => format!("write `'{fix}'`"),
            None => "compare `req.url`, or write the path alone".to_owned(),
        };
        Never { why: "it starts with `/`".to_owned(), help, fix }
    })
}

/// A text that does not begin as whole URLs do.
fn whole_url(text: &str, how: How) -> Option<Never> {
    let fits = ["http://", "https://"]
        .iter()
        .any(|scheme| text.starts_with(scheme) || how == How::Begin && scheme.starts_with(text));
    (!fits).then(|| Never {
        why: "it is the whole URL, with scheme and host".to_owned(),
        help: match text.starts_with('/') {
            true => "compare `req.url.path`, the path alone".to_owned(),
            false => "begin with `https://`, or compare `req.url.host` or `req.url.path`".to_owned(),
        },
        fix: None,
    })
}

fn category(text: &str) -> Never {
    if text.contains([',', ' ']) {
        let help =
            "write each in a string of its own: `['a', 'b'].exists(c, c in conn.client_ip.categories)`";
        return Never {
            why: "a category has neither commas nor spaces".to_owned(),
            help: help.to_owned(),
            fix: None,
        };
    }
    let near = near_category(text);
    let help = near.map_or_else(
        || "ngrok's list of IP categories has the names".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Never { why: "unknown category".to_owned(), help, fix: near.map(ToOwned::to_owned) }
}

/// A pattern that begins with what the part never begins with.
fn matched(parts: &Parts<'_>, kind: TextDomain, id: NodeId, pattern: &str, found: &mut Diagnostics) {
    let facts = crate::cel::library::pattern::pattern_facts(pattern).filter(|facts| !facts.by_line);
    let Some(begins) = facts.and_then(|facts| facts.begins).filter(|begins| !begins.is_empty()) else {
        return;
    };
    let never = |c: &char| match kind {
        TextDomain::Path => !matches!(c, '/' | '*'),
        TextDomain::Url => *c != 'h',
        TextDomain::Header => c.is_ascii_uppercase(),
        _ => false,
    };
    if !begins.iter().all(never) {
        return;
    }
    let (code, message, help) = match kind {
        TextDomain::Header => (
            &codes::HEADER_CASE,
            "header names are in lower case here, so this never matches",
            "write small letters",
        ),
        TextDomain::Url => (
            &codes::IMPOSSIBLE,
            "`req.url` never matches this: it is the whole URL, with scheme and host",
            "match `req.url.path`, the path alone",
        ),
        _ => (
            &codes::IMPOSSIBLE,
            "a path never matches this: it starts with `/`",
            "write the `/` after `^`, or leave out the `^`",
        ),
    };
    found.push(Diagnostic::new(code, parts.code.span(id), message).with_help(help));
}

/// `req.headers.Accept`.
fn header_field(parts: &Parts<'_>, operand: NodeId, name: &str, found: &mut Diagnostics) {
    if !name.chars().any(|c| c.is_ascii_uppercase()) {
        return;
    }
    let lower = name.to_ascii_lowercase();
    let message = format!("header names are in lower case here, so `{}` is never found", shorten(name));
    let place = parts.code.span(operand);
    found.push(
        Diagnostic::new(&codes::HEADER_CASE, place, message)
            .with_help(format!("write `{lower}` after the dot")),
    );
}

/// A field of a request's cookie that no client sends.
fn cookie(parts: &Parts<'_>, id: NodeId, operand: NodeId, name: &str, found: &mut Diagnostics) {
    let is_record = matches!(parts.code.ty(operand), Type::Object(_));
    let Some(Meaning::SentCookies(sent)) = parts.behind(operand).filter(|_| is_record).map(Fact::meaning)
    else {
        return;
    };
    if sent.contains(&name) {
        return;
    }
    let ty = parts.code.ty(id);
    let value = match ty.optional_of().unwrap_or(ty) {
        Type::Bool => "false",
        Type::Timestamp | Type::Duration => "zero",
        _ => "empty",
    };
    let message =
        format!("`{name}` of a request's cookie is always {value}: a client sends name and value alone");
    let help = "decide by the value, or look at the cookies of the response";
    found.push(Diagnostic::new(&codes::IMPOSSIBLE, parts.code.span(operand), message).with_help(help));
}

/// Items of a list that are of another type than what is looked for.
fn other_types(parts: &Parts<'_>, item: NodeId, list: NodeId, found: &mut Diagnostics) {
    let Some(Node::List(items)) = parts.written(list).1 else { return };
    let wanted = parts.code.ty(item);
    for (other, _) in items {
        let ty = parts.code.ty(*other);
        if !never_equal(wanted, ty) {
            continue;
        }
        let message = format!("this item is of type {ty}, and never equals a value of type {wanted}");
        let help = match (wanted, parts.constant(*other)) {
            (Type::Int, Some(Value::String(text))) if text.parse::<i64>().is_ok() => {
                format!("write `{text}`")
            }
            (Type::String, Some(value @ (Value::Int(_) | Value::Bool(_)))) => format!("write `'{value}'`"),
            _ => format!("write a value of type {wanted}, or leave it out"),
        };
        found.push(Diagnostic::new(&codes::IMPOSSIBLE, parts.code.span(*other), message).with_help(help));
    }
}

/// True for plain types whose values are never equal; numbers are compared across their types.
fn never_equal(a: &Type, b: &Type) -> bool {
    let class = |ty: &Type| match ty {
        Type::Int | Type::Uint | Type::Double => Some(0),
        Type::String => Some(1),
        Type::Bool => Some(2),
        Type::Bytes => Some(3),
        Type::Timestamp => Some(4),
        Type::Duration => Some(5),
        Type::List(_) => Some(6),
        Type::Map(_) => Some(7),
        _ => None,
    };
    class(a).zip(class(b)).is_some_and(|(a, b)| a != b)
}
