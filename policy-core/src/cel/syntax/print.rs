//! Prints a tree as text that reads back as the same tree.

use super::ast::{Ast, Entry, ExprId, ExprKind, Literal, UnaryOp};
use crate::cel::values::quote::{write_bytes, write_quoted};

/// The text of a tree, with only the parentheses it needs. A broken part prints as `<broken>`.
///
/// ```
/// use policy_core::cel::{parse, print, CelLimits};
/// let mut found = policy_core::diagnostic::Diagnostics::default();
/// let ast = parse("((1+2))*3 - (4 - x.y[ 0 ])", &CelLimits::default(), &mut found);
/// assert_eq!(print(&ast), "(1 + 2) * 3 - (4 - x.y[0])");
/// ```
#[must_use]
pub fn print(ast: &Ast) -> String {
    let mut out = String::new();
    // A stack instead of recursion: chains are as long as the expression.
    let mut work: Vec<Piece<'_>> = ast.root().map(|root| Piece::Expr(root, 0)).into_iter().collect();
    while let Some(next) = work.pop() {
        match next {
            Piece::Text(text) => out.push_str(text),
            Piece::Owned(text) => out.push_str(&text),
            Piece::Expr(id, min) => expand(ast, id, min, &mut work),
        }
    }
    out
}

/// What is still to be printed.
enum Piece<'a> {
    Text(&'a str),
    Owned(String),
    /// A node, and how strongly it must bind to stand without parentheses.
    Expr(ExprId, u8),
}

/// Binding of prefix operators and of operands; operators have theirs.
const PREFIX: u8 = 6;
const OPERAND: u8 = 7;

fn binding(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Conditional { .. } => 0,
        ExprKind::Binary(operator, ..) => operator.binding(),
        ExprKind::Unary(..) => PREFIX,
        // A sign is part of the number, and `-1.x` would read as a negation.
        ExprKind::Literal(Literal::Int(value)) if *value < 0 => PREFIX,
        ExprKind::Literal(Literal::Double(value)) if value.is_sign_negative() => PREFIX,
        _ => OPERAND,
    }
}

/// Replaces a node by its parts, the first one on top.
#[expect(clippy::too_many_lines, reason = "an arm for each kind of node")]
fn expand<'a>(ast: &'a Ast, id: ExprId, min: u8, work: &mut Vec<Piece<'a>>) {
    let kind = ast.kind(id);
    let mut parts: Vec<Piece<'a>> = Vec::new();
    let wrapped = binding(kind) < min;
    if wrapped {
        parts.push(Piece::Text("("));
    }
    match kind {
        ExprKind::Literal(value) => parts.push(Piece::Owned(literal(value))),
        ExprKind::Ident { name, absolute } => {
            parts.push(Piece::Text(if *absolute { "." } else { "" }));
            parts.push(Piece::Text(name));
        }
        ExprKind::Select { operand, field, optional } => {
            parts.push(Piece::Expr(*operand, OPERAND));
            parts.push(Piece::Text(if *optional { ".?" } else { "." }));
            parts.push(field_name(field));
        }
        ExprKind::Index { operand, index, optional } => {
            parts.push(Piece::Expr(*operand, OPERAND));
            parts.push(Piece::Text(if *optional { "[?" } else { "[" }));
            parts.push(Piece::Expr(*index, 0));
            parts.push(Piece::Text("]"));
        }
        ExprKind::Call { receiver, function, absolute, arguments } => {
            if let Some(receiver) = receiver {
                parts.push(Piece::Expr(*receiver, OPERAND));
            }
            parts.push(Piece::Text(if receiver.is_some() || *absolute { "." } else { "" }));
            parts.push(Piece::Text(function));
            parts.push(Piece::Text("("));
            separated(&mut parts, arguments, |parts, argument| parts.push(Piece::Expr(*argument, 0)));
            parts.push(Piece::Text(")"));
        }
        ExprKind::List(items) => {
            parts.push(Piece::Text("["));
            separated(&mut parts, items, |parts, item| entry(parts, item, |_, ()| ()));
            parts.push(Piece::Text("]"));
        }
        ExprKind::Map(entries) => {
            parts.push(Piece::Text("{"));
            separated(&mut parts, entries, |parts, item| {
                entry(parts, item, |parts, key| parts.extend([Piece::Expr(*key, 0), Piece::Text(": ")]));
            });
            parts.push(Piece::Text("}"));
        }
        ExprKind::Message { name, fields } => {
            parts.extend([Piece::Text(name), Piece::Text("{")]);
            separated(&mut parts, fields, |parts, item| {
                entry(parts, item, |parts, key| parts.extend([field_name(key), Piece::Text(": ")]));
            });
            parts.push(Piece::Text("}"));
        }
        ExprKind::Unary(operator, operand) => {
            parts.push(Piece::Text(operator.symbol()));
            // `-1.f` begins with the number -1: where a minus would swallow a digit, it keeps its distance.
            let swallows = *operator == UnaryOp::Negate && begins_with_digit(ast, *operand);
            parts.push(Piece::Expr(*operand, if swallows { OPERAND + 1 } else { PREFIX }));
        }
        ExprKind::Binary(operator, left, right) => {
            parts.push(Piece::Expr(*left, operator.binding()));
            parts.push(Piece::Owned(format!(" {} ", operator.symbol())));
            parts.push(Piece::Expr(*right, operator.binding() + 1));
        }
        ExprKind::Conditional { condition, then, otherwise } => {
            parts.push(Piece::Expr(*condition, 1));
            parts.push(Piece::Text(" ? "));
            parts.push(Piece::Expr(*then, 1));
            parts.push(Piece::Text(" : "));
            parts.push(Piece::Expr(*otherwise, 0));
        }
        ExprKind::Broken => parts.push(Piece::Text("<broken>")),
    }
    if wrapped {
        parts.push(Piece::Text(")"));
    }
    work.extend(parts.into_iter().rev());
}

/// True if the text of a node begins with a number without a sign.
fn begins_with_digit(ast: &Ast, mut id: ExprId) -> bool {
    loop {
        id = match ast.kind(id) {
            ExprKind::Select { operand, .. } | ExprKind::Index { operand, .. } => *operand,
            ExprKind::Call { receiver: Some(receiver), .. } => *receiver,
            ExprKind::Literal(Literal::Int(value)) => return *value >= 0,
            ExprKind::Literal(Literal::Double(value)) => return value.is_sign_positive(),
            _ => return false,
        };
    }
}

fn separated<'a, T>(parts: &mut Vec<Piece<'a>>, items: &'a [T], each: impl Fn(&mut Vec<Piece<'a>>, &'a T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            parts.push(Piece::Text(", "));
        }
        each(parts, item);
    }
}

fn entry<'a, K>(parts: &mut Vec<Piece<'a>>, item: &'a Entry<K>, key: impl Fn(&mut Vec<Piece<'a>>, &'a K)) {
    if item.optional {
        parts.push(Piece::Text("?"));
    }
    key(parts, &item.key);
    parts.push(Piece::Expr(item.value, 0));
}

/// A field as it is, or in backticks if it is no plain name.
fn field_name(name: &str) -> Piece<'_> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { Piece::Text(name) } else { Piece::Owned(format!("`{name}`")) }
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Null => "null".to_owned(),
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Uint(value) => format!("{value}u"),
        // `{:?}` keeps a fraction or an exponent, so that the number stays a double.
        Literal::Double(value) => format!("{value:?}"),
        Literal::String(text) => {
            let mut out = String::new();
            // Writing to a String cannot fail.
            let _ = write_quoted(&mut out, text);
            out
        }
        Literal::Bytes(bytes) => {
            let mut out = String::new();
            let _ = write_bytes(&mut out, bytes);
            out
        }
    }
}
