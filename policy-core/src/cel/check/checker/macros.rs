//! Macros: what looks like a call and names a variable.
//!
//! Their names are those of `syntax/macros.rs`.

use super::super::code::{Loop, LoopKind, Node, NodeId, Slot};
use super::{Checker, Local, LocalKind};
use crate::cel::codes;
use crate::cel::syntax::ast::{ExprId, ExprKind};
use crate::cel::syntax::macros::{Macro, MacroName, Standing, named};
use crate::cel::values::fault::Fault;
use crate::cel::values::types::Type;
use crate::source::Span;

/// What is made of each item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comprehension {
    All,
    Exists,
    ExistsOne,
    Filter,
    List,
    Map,
    Entries,
    SortBy,
}

impl<'a> Checker<'a> {
    /// `has(a.b)`, `cel.bind(x, a, b)`; `None` if the name is no macro.
    pub(super) fn global_macro(
        &mut self,
        name: &str,
        arguments: &'a [ExprId],
        span: Span,
        place: Span,
    ) -> Option<NodeId> {
        let known = named(name, Standing::Alone)?;
        match (known.is, arguments) {
            (Macro::Has, [argument]) => Some(self.has_macro(*argument, span)),
            (Macro::Bind, [variable, init, body]) => {
                let variable = self.variable(*variable)?;
                Some(self.bind(variable, *init, *body, span))
            }
            _ => Some(self.misused(known, (span, place))),
        }
    }

    fn misused(&mut self, known: &MacroName, (span, place): (Span, Span)) -> NodeId {
        let name = known.name;
        let message = format!("`{name}` is a macro and takes other arguments");
        self.report(&codes::MACRO, place, message, known.usage.to_owned());
        self.fail(Fault::overload(name), span)
    }

    fn has_macro(&mut self, argument: ExprId, span: Span) -> NodeId {
        let ast = self.ast;
        let ExprKind::Select { operand, field, optional: false, .. } = ast.kind(argument) else {
            let place = ast.span(argument);
            let message = "`has` asks for a field".to_owned();
            let help = match ast.kind(argument) {
                ExprKind::Index { .. } => "write `'key' in map`, or `has(map.key)`",
                ExprKind::Select { .. } => "leave out the `?`",
                _ => "write `has(a.b)`",
            };
            self.report(&codes::MACRO, place, message, help.to_owned());
            return self.fail(Fault::overload(Macro::Has.name()), span);
        };
        let place = self.word_behind(ast.span(*operand).end, field);
        let operand = self.expr(*operand);
        self.has(operand, field, span, place)
    }

    /// The name of a variable, which must be a plain one.
    fn variable(&mut self, id: ExprId) -> Option<&'a str> {
        let ast = self.ast;
        if let ExprKind::Ident { name, absolute: false } = ast.kind(id) {
            return Some(name);
        }
        let message = "the name of a variable is expected here".to_owned();
        self.report(&codes::MACRO, ast.span(id), message, "write a plain name, e.g. `x`".to_owned());
        None
    }

    /// Brings a variable into scope; its value has so many levels of lists and maps.
    fn enter(&mut self, name: &'a str, ty: Type, levels: u32) -> Slot {
        let slot = u16::try_from(self.scope.len()).unwrap_or(u16::MAX);
        self.scope.push(Local { name, kind: LocalKind::Value(slot, ty) });
        self.slots = self.slots.max(self.scope.len());
        self.nest_local(slot, levels);
        slot
    }

    fn bind(&mut self, name: &'a str, init: ExprId, body: ExprId, span: Span) -> NodeId {
        let init = self.expr(init);
        if let Type::Object(object) = self.ty(init)
            && !self.is_record(object)
        {
            self.scope.push(Local { name, kind: LocalKind::Object(object) });
            let body = self.expr(body);
            self.scope.pop();
            return body;
        }
        let ty = self.ty(init);
        let slot = self.enter(name, ty, self.nesting(init));
        let body = self.value(body);
        self.scope.pop();
        let ty = self.ty(body);
        self.push(Node::Bind { slot, init, body }, span, ty)
    }

    /// A macro over a value; `None` if the call is none.
    pub(super) fn member_macro(
        &mut self,
        receiver: NodeId,
        name: &'a str,
        arguments: &'a [ExprId],
        span: Span,
        place: Span,
    ) -> Option<NodeId> {
        let known = named(name, Standing::AfterValue)?;
        let count = arguments.len();
        if !known.takes(count) {
            return (!self.is_function(name)).then(|| self.misused(known, (span, place)));
        }
        let (kind, variables, bodies) = match known.is {
            Macro::All => (Comprehension::All, count - 1, 1),
            Macro::Exists => (Comprehension::Exists, count - 1, 1),
            Macro::ExistsOne => (Comprehension::ExistsOne, count - 1, 1),
            Macro::Filter => (Comprehension::Filter, 1, 1),
            Macro::Map => (Comprehension::List, 1, count - 1),
            Macro::TransformList => (Comprehension::List, 2, count - 2),
            Macro::TransformMap => (Comprehension::Map, 2, count - 2),
            Macro::TransformMapEntry => (Comprehension::Entries, 2, count - 2),
            Macro::SortBy => (Comprehension::SortBy, 1, 1),
            Macro::OptMap | Macro::OptFlatMap => {
                return Some(self.optional_map(receiver, known, arguments, span, place));
            }
            Macro::Has | Macro::Bind => return None,
        };
        Some(self.over_items(receiver, kind, known, arguments.split_at_checked(variables)?, bodies, span))
    }

    fn over_items(
        &mut self,
        range: NodeId,
        kind: Comprehension,
        known: &MacroName,
        (variables, bodies): (&'a [ExprId], &'a [ExprId]),
        count: usize,
        span: Span,
    ) -> NodeId {
        let (name, two) = (known.name, variables.len() == 2);
        let (first_type, second_type) = self.item_types(range, known, two);
        let names: Vec<Option<&'a str>> = variables.iter().map(|variable| self.variable(*variable)).collect();
        let (first_name, second_name) = match *names {
            [Some(first)] => (first, None),
            [Some(first), Some(second)] => (first, Some(second)),
            _ => return self.fail(Fault::overload(name), span),
        };
        if second_name == Some(first_name) {
            let place = variables.last().map_or(span, |last| self.ast.span(*last));
            let message = format!("both variables are called `{first_name}`");
            self.report(&codes::MACRO, place, message, "give them different names".to_owned());
        }
        let levels = self.nesting(range).saturating_sub(1);
        let first = self.enter(first_name, first_type.clone(), levels);
        let second = second_name.map(|name| self.enter(name, second_type, levels));
        let nodes: Vec<NodeId> = bodies.iter().map(|body| self.value(*body)).collect();
        self.scope.truncate(self.scope.len() - variables.len());
        let (filter, body) = match (nodes.as_slice(), count) {
            ([body], _) => (None, *body),
            ([filter, body], 2) => (Some(*filter), *body),
            _ => return self.fail(Fault::overload(name), span),
        };
        if let Some(filter) = filter {
            self.condition(filter, name);
        }
        let body_type = self.ty(body);
        let (kind, ty) = match kind {
            Comprehension::All => (LoopKind::All(body), Type::Bool),
            Comprehension::Exists => (LoopKind::Exists(body), Type::Bool),
            Comprehension::ExistsOne => (LoopKind::ExistsOne(body), Type::Bool),
            Comprehension::Filter => (LoopKind::Filter(body), Type::list(first_type)),
            Comprehension::List => (LoopKind::List { filter, item: body }, Type::list(body_type)),
            Comprehension::Map => {
                (LoopKind::Map { filter, value: body }, Type::map(self.key_type(range), body_type))
            }
            Comprehension::Entries => {
                let ty = match body_type {
                    Type::Map(_) => body_type,
                    _ => Type::map(Type::Dyn, Type::Dyn),
                };
                (LoopKind::Entries { filter, entry: body }, ty)
            }
            Comprehension::SortBy => {
                self.ordered(&body_type, self.span(body));
                (LoopKind::SortBy(body), Type::list(first_type))
            }
        };
        if matches!(
            kind,
            LoopKind::All(_) | LoopKind::Exists(_) | LoopKind::ExistsOne(_) | LoopKind::Filter(_)
        ) {
            self.condition(body, name);
        }
        let node = Node::Loop(Box::new(Loop { range, first, second, kind }));
        self.push(node, span, ty)
    }

    /// Demands values that can be brought into an order.
    pub(super) fn ordered(&mut self, ty: &Type, place: Span) {
        use Type::{Bool, Bytes, Double, Duration, Dyn, Error, Int, Param, String, Timestamp, Uint};
        let fits = match ty {
            Int | Uint | Double | Bool | String | Bytes | Duration | Timestamp => true,
            Dyn | Error | Param(_) => true,
            Type::Object(object) => object.text,
            _ => false,
        };
        if !fits {
            let message = format!("values of type {ty} have no order");
            let help = "sort by a string, a number or a time: `list.sortBy(x, key)`".to_owned();
            self.report(&codes::TYPE_MISMATCH, place, message, help);
        }
    }

    /// The types of the variables over a list or map.
    fn item_types(&mut self, range: NodeId, known: &MacroName, two: bool) -> (Type, Type) {
        match self.ty(range) {
            Type::List(item) if two => (Type::Int, (*item).clone()),
            Type::List(item) => ((*item).clone(), Type::Dyn),
            Type::Map(of) if known.is != Macro::SortBy => (of.0.clone(), of.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => (Type::Dyn, Type::Dyn),
            other => {
                let what = if known.is == Macro::SortBy { "a list" } else { "a list or a map" };
                let message = format!("`{}` goes over {what}, found {other}", known.name);
                let help = match other {
                    Type::Map(_) => "make a list of its keys first, e.g. `.map(key, key)`",
                    Type::String => "cut the string into a list first, e.g. `.split(',')`",
                    _ => "write the value in brackets to make it a list",
                };
                self.report(&codes::TYPE_MISMATCH, self.span(range), message, help.to_owned());
                (Type::Error, Type::Error)
            }
        }
    }

    /// The keys of a map made of a list are its positions.
    fn key_type(&self, range: NodeId) -> Type {
        match self.ty(range) {
            Type::List(_) => Type::Int,
            Type::Map(of) => of.0.clone(),
            _ => Type::Dyn,
        }
    }

    fn optional_map(
        &mut self,
        operand: NodeId,
        known: &MacroName,
        arguments: &'a [ExprId],
        span: Span,
        place: Span,
    ) -> NodeId {
        let (name, ty) = (known.name, self.ty(operand));
        let of = ty.optional_of().cloned();
        if of.is_none() && !Self::may_be_optional(&ty) {
            let message = format!("`{name}` needs an optional, found {ty}");
            self.report(&codes::TYPE_MISMATCH, place, message, "write `optional.of(…)` around it".to_owned());
        }
        let [variable, body] = arguments else { return self.fail(Fault::overload(name), span) };
        let Some(variable) = self.variable(*variable) else {
            return self.fail(Fault::overload(name), span);
        };
        let levels = self.nesting(operand).saturating_sub(1);
        let slot = self.enter(variable, of.unwrap_or(Type::Dyn), levels);
        let body = self.value(*body);
        self.scope.pop();
        let flat = known.is == Macro::OptFlatMap;
        let body_type = self.ty(body);
        let result = match flat {
            true if Self::may_be_optional(&body_type) => body_type,
            true => {
                let message = format!("what `optFlatMap` makes is an optional, found {body_type}");
                let help = "write `optMap`, or `optional.of(…)` around it".to_owned();
                self.report(&codes::TYPE_MISMATCH, self.span(body), message, help);
                if self.strict { Type::Error } else { Type::Dyn }
            }
            false => Type::optional(body_type),
        };
        self.push(Node::OptionalMap { slot, operand, body, flat }, span, result)
    }
}
