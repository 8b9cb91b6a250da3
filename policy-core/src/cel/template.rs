//! `${…}` in texts: finding the expressions, checking each in its field's type.
//!
//! The end of an expression is found by its tokens, not by the next brace: braces, quotes and comments
//! inside belong to the expression. Its quotes may be escaped for the text around, as JSON bodies in public
//! examples have them: `{"a": "${b[\"c\"]}"}`. There is no escape for `${`: `${'${'}` writes the two characters.
//!
//! Source: ngrok documentation, interpolation (2026-08-07).

use nom::bytes::complete::{tag, take_until};
use nom::sequence::terminated;
use nom::{IResult, Parser};

use super::expression::Expression;
use crate::cel::analysis::flow::{DataFlow, Unknown};
use crate::cel::check::env::Env;
use crate::cel::codes;
use crate::cel::library::{plain_text, write_json};
use crate::cel::limits::CelLimits;
use crate::cel::syntax::lexer::{Symbol, TokenKind, first_token};
use crate::cel::values::fault::{EvalError, Fault};
use crate::cel::values::host::{Budget, EvalLimits, Host};
use crate::cel::values::types::{CIDR, IP, Type};
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::ngrok::NgrokCode;
use crate::source::Span;

/// What a field makes of a value that is nothing but one `${…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldType {
    /// A text, whatever the expression gives.
    Text,
    /// The value with its own type, as `set-vars` and `log` keep it.
    Any,
}

/// A text or value that cannot be made: the expression in it that has no value, and why.
#[derive(Clone, Debug)]
pub(crate) struct Unrendered {
    pub(crate) expression: Option<Expression>,
    pub(crate) error: EvalError,
    /// ngrok's code of the fault; without one it is that of a value.
    pub(crate) code: Option<NgrokCode>,
}

impl Unrendered {
    /// An expression that has no value.
    pub(crate) fn of(expression: &Expression, error: EvalError) -> Self {
        Self { expression: Some(expression.clone()), error, code: None }
    }

    /// A fault beside expressions.
    pub(crate) const fn whole(fault: Fault) -> Self {
        Self { expression: None, error: EvalError::whole(fault), code: None }
    }

    /// What came out cannot be used.
    pub(crate) fn unusable(text: String) -> Self {
        Self::whole(Fault::Conversion(text.into()))
    }

    /// It with a code, unless it has one.
    pub(crate) fn with_code(mut self, code: NgrokCode) -> Self {
        self.code.get_or_insert(code);
        self
    }
}

/// A part of a template.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TemplatePart {
    /// Text as it is.
    Text(Box<str>),
    /// An expression whose value takes its place.
    Expression(Expression),
}

/// A text with expressions in it.
///
/// ```
/// use policy_core::cel::{Env, FieldType, Template, Type};
/// let mut env = Env::standard();
/// env.declare("site", Type::String);
/// let (template, found) = env.check_template("tcp://${site + '-1'}.internal:22", FieldType::Text);
/// assert!(found.is_empty());
/// let template = template.expect("no errors");
/// assert_eq!(template.parts().len(), 3);
/// assert!(template.whole().is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Template {
    parts: Box<[TemplatePart]>,
}

impl Template {
    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[TemplatePart] {
        &self.parts
    }

    /// The text, if there is no expression in it.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [TemplatePart::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The expressions in it, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Expression(expression) => Some(expression),
            TemplatePart::Text(_) => None,
        })
    }

    /// Bytes of its texts and expressions.
    pub(crate) fn weight(&self) -> usize {
        let weight = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => text.len(),
            TemplatePart::Expression(expression) => expression.text().len(),
        };
        self.parts.iter().map(weight).sum()
    }

    /// What stands before the first such character of its texts, and what behind it; `None` if no text has one.
    pub(crate) fn split_once(&self, at: char) -> Option<(Self, Self)> {
        let is_it = |part: &TemplatePart| matches!(part, TemplatePart::Text(text) if text.contains(at));
        let place = self.parts.iter().position(is_it)?;
        let (before, rest) = self.parts.split_at_checked(place)?;
        let (TemplatePart::Text(text), behind) = rest.split_first()? else { return None };
        let (front, back) = text.split_once(at)?;
        let text = |text: &str| (!text.is_empty()).then(|| TemplatePart::Text(text.into()));
        let before = before.iter().cloned().chain(text(front)).collect();
        Some((
            Self { parts: before },
            Self { parts: text(back).into_iter().chain(behind.iter().cloned()).collect() },
        ))
    }

    /// One of its parts.
    #[cfg(feature = "reference")]
    pub(crate) fn of_part(part: &TemplatePart) -> Self {
        Self { parts: [part.clone()].into() }
    }

    /// A text without expressions.
    pub(crate) fn from_text(text: &str) -> Self {
        let parts = if text.is_empty() { [].into() } else { [TemplatePart::Text(text.into())].into() };
        Self { parts }
    }

    /// The text with the value of each expression in its place; lists and maps as JSON.
    pub(crate) fn render(&self, host: &mut dyn Host, limits: &mut EvalLimits) -> Result<String, Unrendered> {
        let mut out = String::new();
        for part in &self.parts {
            let (expression, value) = match part {
                TemplatePart::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                TemplatePart::Expression(expression) => (expression, expression.evaluate_from(host, limits)),
            };
            let failed = |error| Unrendered::of(expression, error);
            let value = value.map_err(failed)?;
            let mut budget = Budget::new(*limits);
            let written = match plain_text(&value) {
                Some(text) => text.and_then(|text| {
                    budget.output(text.len())?;
                    out.push_str(&text);
                    Ok(())
                }),
                None => write_json(&mut out, &value, &mut budget),
            };
            *limits = budget.left();
            written.map_err(|fault| failed(EvalError::whole(fault)))?;
        }
        Ok(out)
    }

    /// The value: of a text that is nothing but one expression its own, else the rendered text.
    pub(crate) fn value(&self, host: &mut dyn Host, limits: &mut EvalLimits) -> Result<Value, Unrendered> {
        match self.whole() {
            Some(expression) => {
                expression.evaluate_from(host, limits).map_err(|error| Unrendered::of(expression, error))
            }
            None => self.render(host, limits).map(Value::text),
        }
    }

    /// The expression, if the text is nothing but one `${…}`: where a field keeps types, the value keeps its
    /// own.
    #[must_use]
    pub fn whole(&self) -> Option<&Expression> {
        match &*self.parts {
            [TemplatePart::Expression(expression)] => Some(expression),
            _ => None,
        }
    }
}

/// A stretch of a template: text, or the inside of `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stretch {
    Text(Span),
    /// With the offsets of backslashes inside that belong to the text around.
    Inside(Span, Vec<usize>),
    /// `${` without its end.
    Open(Span),
}

/// True if a text holds an expression.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("${")
}

impl Env {
    /// Reads a text with `${…}` and checks each expression; spans are offsets into the text. The template is
    /// there if nothing found is an error. O(length).
    #[must_use]
    pub fn check_template(&self, text: &str, field: FieldType) -> (Option<Template>, Diagnostics) {
        self.check_template_after(text, field, &mut CelLimits::default(), &Unknown)
    }

    /// The same within limits, from which it takes what its regular expressions take, and with what is known of
    /// earlier actions.
    pub(crate) fn check_template_after(
        &self,
        text: &str,
        field: FieldType,
        limits: &mut CelLimits,
        earlier: &dyn DataFlow,
    ) -> (Option<Template>, Diagnostics) {
        let mut found = Diagnostics::default();
        let mut parts = Vec::new();
        let stretches = scan(text);
        let whole = matches!(*stretches, [Stretch::Inside(..)]);
        for stretch in stretches {
            match stretch {
                Stretch::Text(span) => {
                    parts.push(TemplatePart::Text(text.get(span.to_range()).unwrap_or_default().into()));
                }
                Stretch::Open(span) => {
                    let message = "`${` has no closing `}`";
                    let help = "close it; a quote or a comment inside may have swallowed the `}`";
                    found.push(Diagnostic::new(&codes::TEMPLATE, span, message).with_help(help));
                }
                Stretch::Inside(span, escapes) => {
                    let inside = &*without(text.get(span.to_range()).unwrap_or_default(), &escapes);
                    if inside.trim().is_empty() {
                        let message = "`${}` contains no expression";
                        let help = "write an expression inside, or `${'${'}` for the two characters";
                        found.push(Diagnostic::new(&codes::TEMPLATE, span, message).with_help(help));
                        continue;
                    }
                    let (expression, mut inner) = self.check_after(inside, limits, earlier);
                    if let Some(expression) = &expression {
                        limits.pattern_states =
                            limits.pattern_states.saturating_sub(expression.pattern_states());
                        check_part(expression, whole && field == FieldType::Any, &mut inner);
                    }
                    let failures = expression.as_ref().map(|expression| single_failures(expression, earlier));
                    inner.append(failures.unwrap_or_default());
                    found.append(inner.relocate(&|part| {
                        let at = |offset| span.start + original(&escapes, offset);
                        (Span::new(at(part.start), at(part.end)), escapes.is_empty())
                    }));
                    parts.extend(expression.map(TemplatePart::Expression));
                }
            }
        }
        let sound = !found.has_errors();
        (sound.then(|| Template { parts: parts.into() }), found)
    }
}

/// What may fail in an expression that stands alone.
fn single_failures(expression: &Expression, earlier: &dyn DataFlow) -> Diagnostics {
    Expression::may_fail(std::slice::from_ref(expression), earlier).into_iter().next().unwrap_or_default()
}

/// A part has to have a text; `any` if its value is kept as it is.
fn check_part(expression: &Expression, any: bool, found: &mut Diagnostics) {
    let ty = expression.result();
    let has_text = match ty {
        Type::Type(_) | Type::Null => false,
        Type::Opaque(name, _) => matches!(&**name, IP | CIDR),
        _ => true,
    };
    if !any && !has_text {
        let span = Span::from_range(0..expression.text().len());
        let message = format!("`{}` gives {ty}, which has no text", shorten(expression.text()));
        let help = match ty {
            Type::Opaque(..) => "give a default for a missing value: `.orValue('')`",
            _ => "write an expression that gives a string or a number",
        };
        found.push(Diagnostic::new(&codes::TEMPLATE_TYPE, span, message).with_help(help));
    }
}

/// Cuts a text at its `${…}`.
fn scan(text: &str) -> Vec<Stretch> {
    let offset = |tail: &str| text.len() - tail.len();
    let mut out = Vec::new();
    let mut tail = text;
    while !tail.is_empty() {
        let start = offset(tail);
        let Ok((opened, before)) = literal(tail) else {
            out.push(Stretch::Text(Span::from_range(start..text.len())));
            break;
        };
        if !before.is_empty() {
            out.push(Stretch::Text(Span::from_range(start..start + before.len())));
        }
        let inside = offset(opened);
        match end(opened) {
            Some(End { tail: closed, escapes }) => {
                out.push(Stretch::Inside(Span::from_range(inside..offset(closed) - 1), escapes));
                tail = closed;
            }
            None => {
                out.push(Stretch::Open(Span::from_range(inside - 2..inside)));
                break;
            }
        }
    }
    out
}

/// The text before the next `${`, which is taken too.
fn literal(text: &str) -> IResult<&str, &str> {
    terminated(take_until("${"), tag("${")).parse(text)
}

/// The end of an expression.
struct End<'t> {
    /// What follows its brace.
    tail: &'t str,
    /// Offsets of backslashes that belong to the text around, not to the expression.
    escapes: Vec<usize>,
}

/// Finds the brace that closes an expression; `None` if none does.
fn end(text: &str) -> Option<End<'_>> {
    let mut open = 0_usize;
    let mut escapes = Vec::new();
    let mut tail = text;
    loop {
        let (next, kind) = first_token(tail)?;
        tail = next;
        match kind {
            TokenKind::Symbol(Symbol::OpenBrace) => open += 1,
            TokenKind::Symbol(Symbol::CloseBrace) => match open.checked_sub(1) {
                Some(outer) => open = outer,
                None => return Some(End { tail, escapes }),
            },
            // A quote that is escaped for the text around, as in a JSON body: it ends at the next such quote.
            TokenKind::Unknown if escaped_quote(text, next) => {
                let quote = next.chars().next()?;
                let behind = next.strip_prefix(quote)?;
                let closing = behind.find(&format!("\\{quote}"))?;
                escapes.push(text.len() - next.len() - 1);
                escapes.push(text.len() - behind.len() + closing);
                tail = behind.get(closing + 1 + quote.len_utf8()..)?;
            }
            TokenKind::Unclosed => return None,
            _ => {}
        }
    }
}

/// True if the token before `next` is a backslash and a quote follows.
fn escaped_quote(text: &str, next: &str) -> bool {
    let before = text.get(..text.len() - next.len()).unwrap_or_default();
    before.ends_with('\\') && next.starts_with(['"', '\''])
}

/// A text without the bytes at these offsets, which are those of backslashes.
fn without(text: &str, escapes: &[usize]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for &escape in escapes {
        out.push_str(text.get(start..escape).unwrap_or_default());
        start = escape + 1;
    }
    out.push_str(text.get(start..).unwrap_or_default());
    out
}

/// The offset in the text as it was, of an offset in the text without its escapes.
fn original(escapes: &[usize], at: u32) -> u32 {
    let mut at = at as usize;
    for &escape in escapes {
        at += usize::from(escape <= at);
    }
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretches(text: &str) -> Vec<(char, &str)> {
        let show = |stretch| {
            let (kind, span) = match stretch {
                Stretch::Text(span) => ('t', span),
                Stretch::Inside(span, _) => ('e', span),
                Stretch::Open(span) => ('o', span),
            };
            (kind, text.get(span.to_range()).expect("inside"))
        };
        scan(text).into_iter().map(show).collect()
    }

    #[test]
    fn expressions_end_where_their_tokens_say() {
        assert_eq!(stretches(""), []);
        assert_eq!(stretches("plain $1 {x} $"), [('t', "plain $1 {x} $")]);
        assert_eq!(stretches("${a}"), [('e', "a")]);
        assert_eq!(stretches("a${b}${c}d"), [('t', "a"), ('e', "b"), ('e', "c"), ('t', "d")]);
        assert_eq!(stretches("${'}'}"), [('e', "'}'")]);
        assert_eq!(stretches(r#"${"\"}" + r'\'}x"#), [('e', r#""\"}" + r'\'"#), ('t', "x")]);
        assert_eq!(stretches("${{'a': {'b': 1}}.a.b}"), [('e', "{'a': {'b': 1}}.a.b")]);
        assert_eq!(stretches("${a // }\n}"), [('e', "a // }\n")]);
        assert_eq!(stretches("${'''}'''}"), [('e', "'''}'''")]);
        assert_eq!(stretches("${'${'}{x}"), [('e', "'${'"), ('t', "{x}")]);
        assert_eq!(stretches(r#"a${b[\"}\"]}c"#), [('t', "a"), ('e', r#"b[\"}\"]"#), ('t', "c")]);
        assert_eq!(stretches(r#"${b[\"}]"#), [('o', "${")]);
        assert_eq!(stretches("x${a"), [('t', "x"), ('o', "${")]);
        assert_eq!(stretches("${'a}"), [('o', "${")]);
        assert_eq!(stretches("$${a}"), [('t', "$"), ('e', "a")]);
    }

    #[test]
    fn parts_are_checked_at_their_place() {
        let mut env = Env::standard();
        env.declare("name", Type::String);
        env.declare("names", Type::list(Type::String));
        let check = |text: &str, field| {
            let (template, found) = env.check_template(text, field);
            let found: Vec<_> = found
                .iter()
                .map(|item| format!("{} {}", item.code.id, text.get(item.span.to_range()).expect("inside")))
                .collect();
            (template.is_some(), found)
        };
        assert_eq!(check("a ${name} b ${nam}", FieldType::Text), (false, vec!["TP204 nam".to_owned()]));
        // Quotes escaped for the text around.
        let body = r#"{"a": "${name == \"é\" ? name : \"\"}"}"#;
        assert_eq!(check(body, FieldType::Text), (true, vec![]));
        let body = r#""${name == \"a\" ? nam : \"b\"}""#;
        assert_eq!(check(body, FieldType::Text), (false, vec!["TP204 nam".to_owned()]));
        assert_eq!(check("x ${name", FieldType::Text), (false, vec!["TP220 ${".to_owned()]));
        assert_eq!(check("${ }", FieldType::Text), (false, vec!["TP220  ".to_owned()]));
        assert_eq!(
            check("${names.first()}", FieldType::Text),
            (false, vec!["TP221 names.first()".to_owned()])
        );
        assert_eq!(check("${names.first()}", FieldType::Any), (true, vec![]));
        assert_eq!(
            check("x${names.first()}", FieldType::Any),
            (false, vec!["TP221 names.first()".to_owned()])
        );
        assert_eq!(check("x ${names[0]}", FieldType::Any), (true, vec!["TP216 names[0]".to_owned()]));
    }

    proptest! {
        /// The stretches of any text follow one another, and give it back.
        #[test]
        fn the_stretches_cover_the_text(text in "[a${}'\"/\n\\\\ ]{0,30}") {
            let mut again = String::new();
            for (kind, part) in stretches(&text) {
                match kind {
                    't' => again.push_str(part),
                    'e' => again.push_str(&format!("${{{part}}}")),
                    _ => {
                        prop_assert!(text.starts_with(&format!("{again}${{")), "{text:?} {again:?}");
                        return Ok(());
                    }
                }
            }
            prop_assert_eq!(again, text);
        }
    }
}
