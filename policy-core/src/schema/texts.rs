//! Texts: literal ones, those with `${…}`, regular expressions, URLs, expressions, and values of any shape.

use super::{Context, Kind};
use crate::cel::{self, Expression, FieldType, Shape, Template, TemplatePart, Type, is_template};
use crate::diagnostic::{Diagnostic, Severity, codes, shown_address};
use crate::parse::{NodeKind, NodeRef, Plain, PlainMap};
use crate::reader::{TextRef, head, is_placeholder, placeholder, placeholder_in_expression};
use crate::source::{Span, Spanned};
use crate::url::Binding;

codes! {
    static NOT_INTERPOLATED = warning("TP314", "not-interpolated");
    static CLEAR_TEXT_SECRET = warning("TP415", "clear-text-secret");
    static INVALID_PATTERN = error("TP317", "invalid-pattern", ERR_NGROK_3901);
    static INVALID_WEB_URL = error("TP318", "invalid-web-url", ERR_NGROK_2226);
}

/// A text that may hold `${…}`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Text {
    /// Where it stands.
    pub span: Span,
    /// Its parts.
    pub template: Template,
}

impl Text {
    /// The text, if there is no expression in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        self.template.literal()
    }
}

/// A text without interpolation, of at most so many characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Literal(pub(crate) usize);

impl Kind for Literal {
    type Value = Spanned<Box<str>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        placeholder(text, Severity::Warning, cx.reader);
        if is_template(text.value) {
            let message = format!("`${{…}}` is not evaluated in {what}");
            let help = "it stays as it is written; write the value out";
            cx.reader.report(Diagnostic::new(&NOT_INTERPOLATED, text.span, message).with_help(help));
        }
        sized(text, what, self.0, cx)?;
        Some(Spanned::new(text.value.into(), text.span))
    }

    fn parse_default(&self, text: &'static str) -> Option<Self::Value> {
        Some(Spanned::new(text.into(), Span::default()))
    }

    fn describe(&self) -> String {
        format!("text, up to {} characters", self.0)
    }
}

/// A name, which logs, events and terminals show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name;

impl Kind for Name {
    type Value = Spanned<Box<str>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        cx.reader.name(node, what).map(|text| Spanned::new(text.value.into(), text.span))
    }

    fn describe(&self) -> String {
        "text".to_owned()
    }
}

/// The path of a file. What is none may be a key that was pasted: it is not repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilePath;

impl Kind for FilePath {
    type Value = Spanned<Box<str>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        let path = !text.value.is_empty() && !text.value.contains(['\n', '\r', '\0']);
        if !path || text.value.contains("-----BEGIN") {
            cx.invalid(head(node), format!("{what} is not a path"), "write the path of a file");
            return None;
        }
        Some(Spanned::new(text.value.into(), text.span))
    }

    fn parse_default(&self, text: &'static str) -> Option<Self::Value> {
        Some(Spanned::new(text.into(), Span::default()))
    }

    fn describe(&self) -> String {
        "path".to_owned()
    }
}

/// A text with so many characters, and at least one.
fn sized(text: TextRef<'_>, what: &str, max: usize, cx: &Context<'_, '_>) -> Option<()> {
    if text.value.is_empty() {
        cx.invalid(text.span, format!("{what} is empty"), "write a value");
        return None;
    }
    let length = text.value.chars().take(max + 1).count();
    if length > max {
        let message = format!("{what} has more than {max} characters");
        cx.invalid(text.span, message, "shorten it");
        return None;
    }
    Some(())
}

/// A text in which `${…}` is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interpolated {
    /// Characters it may have.
    max: usize,
    secret: bool,
    /// True if it may be empty.
    empty: bool,
}

impl Interpolated {
    /// Any text up to the size of a document.
    pub(crate) const ANY: Self = Self { max: 1 << 20, secret: false, empty: true };
    /// A text that says something.
    pub(crate) const SOME: Self = Self { empty: false, ..Self::ANY };
    /// Something that should not be readable in a file.
    pub(crate) const SECRET: Self = Self { secret: true, empty: false, max: 4_096 };

    /// At most so many characters.
    pub(crate) const fn up_to(max: usize) -> Self {
        Self::SOME.sized(max)
    }

    /// The same with at most so many characters.
    pub(crate) const fn sized(self, max: usize) -> Self {
        Self { max, ..self }
    }
}

impl Kind for Interpolated {
    type Value = Text;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Text> {
        let text = cx.reader.text(node, what)?;
        if !self.empty || text.value.len() > self.max {
            sized(text, what, self.max, cx)?;
        }
        let text_value = cx.template(text, FieldType::Text)?;
        if self.secret {
            cx.secret(text, &text_value, what);
        }
        Some(text_value)
    }

    fn parse_default(&self, text: &'static str) -> Option<Text> {
        Some(Text { span: Span::default(), template: Template::from_text(text) })
    }

    fn is_secret(&self) -> bool {
        self.secret
    }

    fn describe(&self) -> String {
        match self.max >= Self::ANY.max {
            true => "text".to_owned(),
            false => format!("text, up to {} characters", self.max),
        }
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// A regular expression in RE2's notation, read after `${…}` is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regex;

impl Kind for Regex {
    type Value = Text;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Text> {
        let text = cx.reader.text(node, what)?;
        let read = cx.template(text, FieldType::Text)?;
        if let Some(pattern) = read.literal() {
            let limits = cx.reader.cel_limits(text.span)?;
            match cel::check_regex(pattern, limits.pattern_states) {
                Ok(states) => cx.reader.charge(0, states),
                Err(reason) => {
                    let help = "write a regular expression as RE2 has it (github.com/google/re2/wiki/Syntax)";
                    cx.reader.report(Diagnostic::new(&INVALID_PATTERN, text.span, reason).with_help(help));
                    return None;
                }
            }
        }
        Some(read)
    }

    fn describe(&self) -> String {
        "regular expression (RE2)".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// An `http` or `https` URL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebUrl {
    /// True if `${…}` is evaluated.
    pub(crate) interpolated: bool,
}

impl Kind for WebUrl {
    type Value = Text;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Text> {
        let read = match self.interpolated {
            true => Interpolated::SOME.read(node, what, cx)?,
            false => {
                let literal = Literal(8_192).read(node, what, cx)?;
                Text { span: literal.span, template: Template::from_text(&literal.value) }
            }
        };
        let Some(url) = read.literal() else {
            if begins_as_web_url(read.template.parts()) {
                return Some(read);
            }
            let message = "this is not a web URL, whatever `${…}` gives: it begins with neither `http://` nor `https://`";
            let found = Diagnostic::new(&INVALID_WEB_URL, read.span, message);
            cx.reader.report(found.with_help("write e.g. `https://${…}/path`"));
            return None;
        };
        if is_placeholder(url) || is_web_url(url) {
            return Some(read);
        }
        let message = match cx.reader.is_secret(read.span) {
            true => "this is not a web URL".to_owned(),
            false => format!("`{}` is not a web URL", shown_address(url)),
        };
        let help = "write `https://host/path`";
        cx.reader.report(Diagnostic::new(&INVALID_WEB_URL, read.span, message).with_help(help));
        None
    }

    fn describe(&self) -> String {
        "an `http://` or `https://` URL".to_owned()
    }

    fn interpolates(&self) -> bool {
        self.interpolated
    }
}

/// True if a text with expressions may begin with the scheme of the web.
fn begins_as_web_url(parts: &[TemplatePart]) -> bool {
    const SCHEMES: [&str; 2] = ["http://", "https://"];
    let slashes = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.contains("://"),
        TemplatePart::Expression(expression) => !expression.has_no_slash(),
    };
    match parts.first() {
        Some(TemplatePart::Text(text)) => {
            let lower = text.to_ascii_lowercase();
            SCHEMES.iter().any(|scheme| lower.starts_with(scheme) || scheme.starts_with(&lower))
        }
        _ => parts.iter().any(slashes),
    }
}

/// Scheme and host: what is behind them is the server's business.
fn is_web_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let named = crate::url::split_port(host).is_ok_and(|(host, _)| !host.is_empty());
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    web && named
        && !url.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>'))
}

/// An expression, not a text: `bucket_key`, `retry_condition`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    /// True if it has to be true or false.
    pub(crate) boolean: bool,
    /// True in a `retry_condition`.
    pub(crate) retry: bool,
}

impl Kind for Condition {
    type Value = Spanned<Expression>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what).filter(|text| text.is_whole(cx.reader))?;
        placeholder_in_expression(text, Severity::Warning, cx.reader);
        let expression = cx.expression(text, self.boolean, self.retry)?;
        Some(Spanned::new(expression, text.span))
    }

    fn describe(&self) -> String {
        match self.boolean {
            true => "expression (CEL) that is true or false".to_owned(),
            false => "expression (CEL)".to_owned(),
        }
    }
}

/// A value of any shape, with `${…}` evaluated in its texts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConfigValue {
    /// Nothing, a boolean or a number.
    Plain(Plain),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<ConfigValue>),
    /// A map, in document order.
    Map(Vec<(Box<str>, ConfigValue)>),
}

impl ConfigValue {
    /// The type an expression sees.
    pub(crate) fn ty(&self) -> Type {
        match self {
            Self::Plain(Plain::Null) => Type::Null,
            Self::Plain(Plain::Bool(_)) => Type::Bool,
            Self::Plain(Plain::Int(_)) => Type::Int,
            Self::Plain(Plain::Float(_)) => Type::Double,
            Self::Plain(_) => Type::Dyn,
            Self::Text(text) => text.template.whole().map_or(Type::String, |whole| whole.result().clone()),
            Self::List(items) => {
                let mut types = items.iter().map(Self::ty);
                let first = types.next().unwrap_or(Type::Dyn);
                Type::list(if types.all(|ty| ty == first) { first } else { Type::Dyn })
            }
            Self::Map(_) => Type::map(Type::String, Type::Dyn),
        }
    }

    /// What is known of the value an expression sees, so many levels of it.
    pub(crate) fn shape(&self, levels: usize) -> Shape {
        let Some(inner) = levels.checked_sub(1) else { return Shape::Any };
        match self {
            Self::Plain(Plain::Int(number)) => Shape::Within(*number, *number),
            Self::Plain(_) => Shape::Any,
            Self::Text(text) => text.template.whole().map_or(Shape::Any, |whole| whole.shape(levels)),
            Self::List(items) => Shape::List(items.iter().map(|item| item.shape(inner)).collect()),
            Self::Map(entries) => {
                Shape::Map(entries.iter().map(|(key, value)| (key.clone(), value.shape(inner))).collect())
            }
        }
    }

    /// The value without expressions; `None` if there is one.
    pub(crate) fn plain(&self) -> Option<Plain> {
        Some(match self {
            Self::Plain(plain) => plain.clone(),
            Self::Text(text) => Plain::String(text.literal()?.into()),
            Self::List(items) => Plain::List(items.iter().map(Self::plain).collect::<Option<_>>()?),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Some((key.clone(), value.plain()?)));
                Plain::Map(PlainMap(entries.collect::<Option<_>>()?))
            }
        })
    }

    /// Bytes of all keys and texts as they are written, eight for anything else.
    pub(crate) fn weight(&self) -> usize {
        const OTHER: usize = 8;
        match self {
            Self::Plain(_) => OTHER,
            Self::Text(text) => text.template.weight(),
            Self::List(items) => OTHER + items.iter().map(Self::weight).sum::<usize>(),
            Self::Map(entries) => {
                OTHER + entries.iter().map(|(key, value)| key.len() + value.weight()).sum::<usize>()
            }
        }
    }

    /// Every text in it.
    pub(crate) fn texts<'v>(&'v self, each: &mut dyn FnMut(&'v Text)) {
        match self {
            Self::Plain(_) => {}
            Self::Text(text) => each(text),
            Self::List(items) => items.iter().for_each(|item| item.texts(each)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.texts(each)),
        }
    }
}

/// A [`ConfigValue`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value;

impl Kind for Value {
    type Value = ConfigValue;

    // The document's limits bound the recursion.
    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<ConfigValue> {
        Some(match node.kind() {
            NodeKind::Scalar(scalar) => match Plain::from_scalar(scalar) {
                Plain::String(_) => {
                    ConfigValue::Text(cx.template(cx.reader.text(node, what)?, FieldType::Any)?)
                }
                plain => ConfigValue::Plain(plain),
            },
            NodeKind::Sequence(items) => {
                // All of them are read, so that each fault is told.
                let items: Vec<_> = items.iter().map(|item| self.read(item, what, cx)).collect();
                ConfigValue::List(items.into_iter().collect::<Option<_>>()?)
            }
            NodeKind::Mapping(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| match key.kind() {
                        NodeKind::Scalar(key) => Some((key.text.into(), self.read(value, what, cx)?)),
                        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
                    })
                    .collect();
                ConfigValue::Map(entries.into_iter().collect::<Option<_>>()?)
            }
        })
    }

    fn describe(&self) -> String {
        "any value".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// A map of values of any shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyMap;

impl Kind for AnyMap {
    type Value = ConfigValue;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<ConfigValue> {
        let NodeKind::Mapping(_) = node.kind() else {
            cx.reader.wrong_type(node, format_args!("{what}, a map"), "write e.g. `{message: refused}`");
            return None;
        };
        Value.read(node, what, cx)
    }

    fn describe(&self) -> String {
        "map of any values".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

impl<'d> Context<'_, 'd> {
    /// Reads the `${…}` of a text, each in the type of its field.
    pub(crate) fn template(&self, text: TextRef<'d>, field: FieldType) -> Option<Text> {
        let span = text.span;
        placeholder(text, Severity::Warning, self.reader);
        if !text.is_whole_template(self.reader) {
            return None;
        }
        if !is_template(text.value) {
            return Some(Text { span, template: Template::from_text(text.value) });
        }
        let place = self.place?;
        let env = self.reader.env(place.site(false));
        let mut limits = self.reader.cel_limits(span)?;
        let before = limits.pattern_states;
        let (template, found) = env.check_template_after(text.value, field, &mut limits, place.flow);
        self.reader.charge(text.value.len() / 2, before - limits.pattern_states);
        self.reader.absorb_part(text, found);
        // What follows in the rule runs only if these have had a value.
        template.iter().flat_map(Template::expressions).for_each(|it| place.flow.worked(it));
        template.map(|template| Text { span, template })
    }

    /// Reads an expression that stands alone.
    pub(crate) fn expression(&self, text: TextRef<'d>, boolean: bool, retry: bool) -> Option<Expression> {
        let place = self.place?;
        let env = self.reader.env(place.site(retry));
        let limits = self.reader.cel_limits(text.span)?;
        let (expression, mut found) = env.check_after(text.value, &limits, place.flow);
        // One that is wrong has been read as well.
        let nodes = expression.as_ref().map_or(text.value.len() / 2, Expression::nodes);
        self.reader.charge(nodes, expression.as_ref().map_or(0, Expression::pattern_states));
        if let Some(expression) = &expression {
            if boolean {
                let decides = if retry { cel::Decides::Retry } else { cel::Decides::Rule };
                cel::check_condition(expression, decides, &mut found);
            }
            let alone = std::slice::from_ref(expression);
            Expression::may_fail(alone, place.flow).into_iter().for_each(|more| found.append(more));
        }
        self.reader.absorb_part(text, found);
        expression
    }

    /// Warns of a secret that everybody who reads the file can read.
    pub(crate) fn secret(&self, text: TextRef<'_>, read: &Text, what: &str) {
        if read.literal().is_none_or(is_placeholder) {
            return;
        }
        let message = format!("{what} is a secret in clear text");
        let help = "keep it in a vault: `${secrets.get('vault', 'name')}`";
        self.reader.report(Diagnostic::new(&CLEAR_TEXT_SECRET, text.span, message).with_help(help));
    }
}

impl super::PolicySite<'_> {
    /// Where an expression stands.
    pub(crate) fn site(&self, retry: bool) -> crate::vocabulary::Site {
        let public = self.endpoint.binding == Some(Binding::Public);
        crate::vocabulary::Site { phase: Some(self.phase), scheme: self.endpoint.scheme, retry, public }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_urls_have_a_scheme_and_a_host() {
        for url in ["https://a", "http://a.example:8080/x?y#z", "https://user@host", "HTTPS://[::1]:1/"] {
            assert!(is_web_url(url), "{url}");
        }
        for url in ["", "a.example", "ftp://a", "https://", "https:///x", "https://a b", "https://a:x"] {
            assert!(!is_web_url(url), "{url}");
        }
    }
}
