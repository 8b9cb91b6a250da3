//! The checker: from a tree to typed code, against the declarations of an [`Env`].
//!
//! Chains are walked with a stack of their own, so that only brackets recurse, and the parser bounds those.
//! What is wrong is reported and taken as agreeing with everything, so that one fault is told once. An
//! unchecked expression goes the same way with every finding left out: what cannot be known becomes `dyn`,
//! what cannot be run fails when it is reached.

mod calls;
mod fields;
mod hyphens;
mod macros;
mod names;
mod nesting;
mod times;

pub(in crate::cel) use times::timestamp_help;

use super::code::{Code, Node, NodeId, Slot};
use super::env::{Env, SetVariables};
use super::unify::{Substitution, is_optional};
use crate::cel::syntax::ast::{Ast, BinaryOp, Entry, ExprId, ExprKind, Literal};
use crate::cel::syntax::lexer::{TokenKind, first_token};
use crate::cel::values::fault::Fault;
use crate::cel::values::types::{Object, Type};
use crate::cel::values::value::Value;
use crate::diagnostic::{Code as DiagnosticCode, Diagnostic, Diagnostics};
use crate::source::Span;

/// Types the tree of an expression; `strict` reports what is wrong.
pub(in crate::cel) fn check(
    text: &str,
    ast: &Ast,
    env: &Env,
    earlier: &dyn SetVariables,
    strict: bool,
    found: &mut Diagnostics,
) -> Option<Code> {
    let root = ast.root()?;
    let mut checker = Checker {
        env,
        earlier,
        ast,
        text,
        strict,
        found,
        nodes: Vec::with_capacity(ast.len()),
        spans: Vec::with_capacity(ast.len()),
        types: Vec::with_capacity(ast.len()),
        nestings: Vec::with_capacity(ast.len()),
        local_nestings: Vec::new(),
        known: Substitution::default(),
        scope: Vec::new(),
        slots: 0,
        quoted_key: None,
    };
    let root = checker.value(root);
    let types = checker.types.iter().map(|ty| checker.known.resolve_or_dyn(ty)).collect();
    if checker.known.is_too_large() {
        let message = "the types of the expression are too large".to_owned();
        let span = checker.span(root);
        checker.report(&crate::cel::codes::CEL_LIMIT, span, message, "nest fewer lists and maps".to_owned());
    }
    let Checker { nodes, spans, slots, .. } = checker;
    Some(Code { library: env.language.library, nodes, spans: spans.into(), types, root, slots })
}

/// A variable of a macro.
#[derive(Clone, Debug)]
struct Local<'a> {
    name: &'a str,
    kind: LocalKind,
}

#[derive(Clone, Debug)]
enum LocalKind {
    Value(Slot, Type),
    /// Another name of an object: its fields are known without it.
    Object(Object),
}

struct Checker<'a> {
    env: &'a Env,
    earlier: &'a dyn SetVariables,
    ast: &'a Ast,
    text: &'a str,
    strict: bool,
    found: &'a mut Diagnostics,
    nodes: Vec<Node>,
    spans: Vec<Span>,
    types: Vec<Type>,
    /// Levels of lists and maps in the value of each node.
    nestings: Vec<u32>,
    /// The same of the variables of macros in scope.
    local_nestings: Vec<u32>,
    known: Substitution,
    scope: Vec<Local<'a>>,
    slots: usize,
    /// A key that was reported to want quotes.
    quoted_key: Option<ExprId>,
}

impl<'a> Checker<'a> {
    fn push(&mut self, node: Node, span: Span, ty: Type) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let levels = self.levels(&node, &ty);
        let (node, ty, levels) = match levels > nesting::MAX_NESTING {
            true => {
                self.too_nested(levels, span);
                (Node::Fail(Fault::Output), Type::Error, 0)
            }
            false => (node, ty, levels),
        };
        self.nodes.push(node);
        self.spans.push(span);
        self.types.push(ty);
        self.nestings.push(levels);
        id
    }

    /// The type of a node as far as it is known.
    fn ty(&self, id: NodeId) -> Type {
        self.types.get(id.index()).map_or(Type::Error, |ty| self.known.apply(ty))
    }

    fn span(&self, id: NodeId) -> Span {
        self.spans.get(id.index()).copied().unwrap_or_default()
    }

    /// The type of a variable that an earlier action has set.
    fn set_variable(&self, map: NodeId, name: &Value) -> Option<Type> {
        match name {
            Value::String(name) if self.nodes.get(map.index()).is_some_and(Node::is_variables) => {
                self.earlier.variable(name)
            }
            _ => None,
        }
    }

    fn constant(&self, id: NodeId) -> Option<&Value> {
        match self.nodes.get(id.index()) {
            Some(Node::Const(value)) => Some(value),
            _ => None,
        }
    }

    fn report(&mut self, code: &'static DiagnosticCode, span: Span, message: String, help: String) {
        if self.strict {
            self.found.push(Diagnostic::new(code, span, message).with_help(help));
        }
    }

    /// True once so many parts are wrong that more of them tell nothing new.
    fn is_enough(&self) -> bool {
        const MAX: usize = 20;
        self.found.errors() >= MAX
    }

    fn push_found(&mut self, found: Diagnostic) {
        if self.strict {
            self.found.push(found);
        }
    }

    /// A part that is wrong; run unchecked, it fails.
    fn fail(&mut self, fault: Fault, span: Span) -> NodeId {
        self.push(Node::Fail(fault), span, Type::Error)
    }

    /// A node that gives a plain value: an object becomes its text, or a map of its fields.
    fn value(&mut self, id: ExprId) -> NodeId {
        let node = self.expr(id);
        self.plain(node)
    }

    /// An expression; of an object only the type counts.
    fn expr(&mut self, id: ExprId) -> NodeId {
        let mut spine: Vec<ExprId> = Vec::new();
        let mut at = id;
        let mut node = loop {
            if self.hyphenated(at) {
                break self.fail(Fault::UnknownName("".into()), self.ast.span(at));
            }
            let Some(first) = self.first_operand(at) else { break self.leaf(at, &mut spine) };
            spine.push(at);
            at = first;
        };
        while let Some(outer) = spine.pop() {
            node = self.apply(outer, node);
        }
        node
    }

    /// The operand that a node hangs on, if it is to be checked first.
    fn first_operand(&self, id: ExprId) -> Option<ExprId> {
        match self.ast.kind(id) {
            ExprKind::Select { operand, .. } | ExprKind::Index { operand, .. } => Some(*operand),
            ExprKind::Call { receiver: Some(receiver), function, .. } => {
                self.namespaced(*receiver, function).is_none().then_some(*receiver)
            }
            ExprKind::Unary(_, operand) | ExprKind::Binary(_, operand, _) => Some(*operand),
            ExprKind::Conditional { condition, .. } => Some(*condition),
            _ => None,
        }
    }

    fn leaf(&mut self, id: ExprId, spine: &mut Vec<ExprId>) -> NodeId {
        let span = self.ast.span(id);
        let ast = self.ast;
        match ast.kind(id) {
            ExprKind::Literal(literal) => self.literal(literal, span),
            ExprKind::Ident { name, absolute } => self.name(id, name, *absolute, spine),
            ExprKind::Call { receiver: None, function, arguments, .. } => {
                let name_span = self.word_behind(span.start, function);
                self.global(id, function, name_span, arguments)
            }
            ExprKind::Call { receiver: Some(receiver), function, arguments, .. } => {
                let name = self.namespaced(*receiver, function).unwrap_or_default();
                let name_span = self.function_span(*receiver, function);
                let start = self.ast.span(*receiver).start;
                self.global(id, &name, Span::new(start, name_span.end), arguments)
            }
            ExprKind::List(items) => self.list(items, span),
            ExprKind::Map(entries) => self.map(entries, span),
            ExprKind::Message { name, .. } => {
                let message = format!("`{name}` is not a type that can be built");
                self.report(
                    &crate::cel::codes::UNDECLARED,
                    span,
                    message,
                    "write a map, e.g. `{'name': 1}`".to_owned(),
                );
                self.fail(Fault::UnknownName(name.clone()), span)
            }
            // Broken parts have been reported; the others have an operand.
            _ => self.fail(Fault::UnknownName("".into()), span),
        }
    }

    fn apply(&mut self, id: ExprId, operand: NodeId) -> NodeId {
        let span = self.ast.span(id);
        let ast = self.ast;
        match ast.kind(id) {
            ExprKind::Select { operand: of, field, optional } => {
                let place = self.word_behind(ast.span(*of).end, field);
                self.select(operand, field, *optional, span, place)
            }
            ExprKind::Index { index, optional, .. } => self.index(operand, *index, *optional, span),
            ExprKind::Call { receiver: Some(receiver), function, arguments, .. } => {
                let place = self.function_span(*receiver, function);
                self.member(operand, function, place, arguments, span)
            }
            ExprKind::Unary(operator, _) => {
                let operand = self.plain(operand);
                let place = self.word_behind(span.start, operator.symbol());
                self.call(operator.function(), false, vec![operand], span, place)
            }
            ExprKind::Binary(operator, left, right) => {
                let left_span = self.ast.span(*left);
                let operand = self.plain(operand);
                let right_node = self.value(*right);
                let place = self.operator_span(left_span, *operator);
                self.binary(*operator, operand, right_node, span, place)
            }
            ExprKind::Conditional { then, otherwise, .. } => {
                self.conditional(operand, *then, *otherwise, span)
            }
            _ => operand,
        }
    }

    fn literal(&mut self, literal: &Literal, span: Span) -> NodeId {
        let (value, ty) = match literal {
            Literal::Null => (Value::Null, Type::Null),
            Literal::Bool(value) => (Value::Bool(*value), Type::Bool),
            Literal::Int(number) => (Value::Int(*number), Type::Int),
            Literal::Uint(number) => (Value::Uint(*number), Type::Uint),
            Literal::Double(number) => (Value::Double(*number), Type::Double),
            Literal::String(text) => (Value::text(&**text), Type::String),
            Literal::Bytes(bytes) => (Value::Bytes((&**bytes).into()), Type::Bytes),
        };
        self.push(Node::Const(value), span, ty)
    }

    fn binary(&mut self, operator: BinaryOp, left: NodeId, right: NodeId, span: Span, place: Span) -> NodeId {
        if matches!(operator, BinaryOp::And | BinaryOp::Or) {
            self.condition(left, operator.symbol());
            self.condition(right, operator.symbol());
            let node = if operator == BinaryOp::And { Node::And(left, right) } else { Node::Or(left, right) };
            return self.push(node, span, Type::Bool);
        }
        self.call(operator.function(), false, vec![left, right], span, place)
    }

    /// Demands true or false.
    fn condition(&mut self, node: NodeId, of: &str) {
        let ty = self.ty(node);
        if !self.known.assignable(&Type::Bool, &ty) {
            let message = format!("`{of}` needs true or false, found {ty}");
            let help = match ty {
                Type::String => "compare the string, e.g. with `== 'a'`".to_owned(),
                Type::List(_) | Type::Map(_) => "ask for its size, e.g. `size(…) > 0`".to_owned(),
                _ => "compare the value, e.g. with `== 0`".to_owned(),
            };
            self.report(&crate::cel::codes::TYPE_MISMATCH, self.span(node), message, help);
        }
    }

    fn conditional(&mut self, condition: NodeId, then: ExprId, otherwise: ExprId, span: Span) -> NodeId {
        let condition = self.plain(condition);
        self.condition(condition, "?");
        let (then, otherwise) = (self.value(then), self.value(otherwise));
        let (a, b) = (self.ty(then), self.ty(otherwise));
        let ty = match self.known.join(a.clone(), b.clone()) {
            Some(ty) => ty,
            None => {
                let message = format!("one case is of type {a}, the other of type {b}");
                let help = "give both cases one type, or wrap one in `dyn(…)`".to_owned();
                self.report(&crate::cel::codes::TYPE_MISMATCH, self.span(otherwise), message, help);
                if self.strict { Type::Error } else { Type::Dyn }
            }
        };
        self.push(Node::Conditional { condition, then, otherwise }, span, ty)
    }

    /// The common type of items; items of different types make it `dyn`.
    fn joined(&mut self, so_far: Option<Type>, next: Type) -> Type {
        match so_far {
            None => next,
            Some(first) => self.known.join(first, next).unwrap_or(Type::Dyn),
        }
    }

    fn list(&mut self, items: &'a [Entry<()>], span: Span) -> NodeId {
        let mut nodes = Vec::with_capacity(items.len());
        let mut ty = None;
        for item in items {
            let node = self.value(item.value);
            let item_type = self.optional_entry(node, item.optional);
            ty = Some(self.joined(ty, item_type));
            nodes.push((node, item.optional));
        }
        let ty = ty.unwrap_or_else(|| self.known.fresh());
        self.push(Node::List(nodes.into()), span, Type::list(ty))
    }

    fn map(&mut self, entries: &'a [Entry<ExprId>], span: Span) -> NodeId {
        let mut nodes = Vec::with_capacity(entries.len());
        let (mut keys, mut values) = (None, None);
        for entry in entries {
            self.bare_key(entry.key);
            let key = self.value(entry.key);
            let key_type = self.ty(key);
            if !matches!(
                key_type,
                Type::String | Type::Int | Type::Uint | Type::Bool | Type::Dyn | Type::Error | Type::Param(_)
            ) {
                let message = format!("a key cannot be of type {key_type}");
                let help = "keys are strings, whole numbers, true or false".to_owned();
                self.report(&crate::cel::codes::TYPE_MISMATCH, self.span(key), message, help);
            }
            // A key of any other type is reported; as `dyn` it keeps types from growing.
            let key_type = if self.strict { key_type } else { Type::Dyn };
            keys = Some(self.joined(keys, key_type));
            let value = self.value(entry.value);
            let value_type = self.optional_entry(value, entry.optional);
            values = Some(self.joined(values, value_type));
            nodes.push((key, value, entry.optional));
        }
        let key = keys.unwrap_or_else(|| self.known.fresh());
        let value = values.unwrap_or_else(|| self.known.fresh());
        self.push(Node::Map(nodes.into()), span, Type::map(key, value))
    }

    /// Says of a key that is a name nobody declared that it wants quotes.
    fn bare_key(&mut self, key: ExprId) {
        let ast = self.ast;
        if let ExprKind::Ident { name, absolute: false } = ast.kind(key)
            && self.env.lookup(name, false).is_none()
            && !self.scope.iter().any(|local| local.name == &**name)
        {
            let place = ast.span(key);
            let found = Diagnostic::new(
                &crate::cel::codes::UNDECLARED,
                place,
                format!("the key `{name}` is not quoted"),
            );
            let quoted = format!("'{name}'");
            self.push_found(found.with_help(format!("write `{quoted}`")).with_fix_at(
                false,
                Some(place),
                quoted,
            ));
            self.quoted_key = Some(key);
        }
    }

    /// The type of an item; after `?` an optional's inner one.
    fn optional_entry(&mut self, node: NodeId, optional: bool) -> Type {
        let ty = self.ty(node);
        if !optional {
            return ty;
        }
        if let Some(of) = ty.optional_of() {
            return of.clone();
        }
        if !ty.is_dyn() && !matches!(ty, Type::Param(_)) {
            let message = format!("`?` needs an optional, found {ty}");
            let help = "leave out the `?`, or write `optional.of(…)`".to_owned();
            self.report(&crate::cel::codes::TYPE_MISMATCH, self.span(node), message, help);
        }
        Type::Dyn
    }

    /// The place of a function's name behind its receiver.
    fn function_span(&self, receiver: ExprId, function: &str) -> Span {
        self.word_behind(self.ast.span(receiver).end, function)
    }

    fn operator_span(&self, left: Span, operator: BinaryOp) -> Span {
        self.word_behind(left.end, operator.symbol())
    }

    /// The place of a word after an offset: only brackets, dots, spaces and comments stand between.
    fn word_behind(&self, start: u32, word: &str) -> Span {
        let mut rest = self.text.get(start as usize..).unwrap_or_default();
        for _ in 0..MAX_TOKENS {
            let Some((behind, kind)) = first_token(rest) else { break };
            let quotes = usize::from(kind == TokenKind::Escaped);
            let end = self.text.len() - behind.len();
            let range = end.saturating_sub(word.len() + 2 * quotes)..end;
            if self.text.get(range.start + quotes..range.end - quotes) == Some(word) {
                return Span::from_range(range);
            }
            rest = behind;
        }
        Span::new(start, start)
    }

    /// The dotted name that an expression spells, unless it begins with a variable of a macro.
    fn dotted(&self, id: ExprId) -> Option<String> {
        let mut parts: Vec<&str> = Vec::new();
        let mut at = id;
        loop {
            match self.ast.kind(at) {
                ExprKind::Select { operand, field, optional: false } if parts.len() < MAX_DOTS => {
                    parts.push(field);
                    at = *operand;
                }
                ExprKind::Ident { name, .. } => {
                    parts.push(name);
                    parts.reverse();
                    return Some(parts.join("."));
                }
                _ => return None,
            }
        }
    }

    /// True if a type may turn out to be optional.
    fn may_be_optional(ty: &Type) -> bool {
        ty.is_dyn() || matches!(ty, Type::Param(_)) || is_optional(ty)
    }
}

/// Dots that a declared name may have.
const MAX_DOTS: usize = 8;
/// Tokens that may stand before a name: brackets, mostly.
const MAX_TOKENS: usize = 256;
