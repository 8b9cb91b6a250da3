//! Macros: what looks like a call and names a variable.
//!
//! Source: CEL specification, macros; extensions for two variables, bindings and optionals (cel-go, 2026);
//! ngrok documentation, `sortBy` (2026-08-07).

use super::super::code::{Loop, LoopKind, Node, NodeId, Slot};
use super::{Checker, Local, LocalKind};
use crate::cel::codes;
use crate::cel::syntax::ast::{ExprId, ExprKind};
use crate::cel::syntax::macros::MACROS;
use crate::cel::values::fault::Fault;
use crate::cel::values::types::Type;
use crate::source::Span;

/// True for the macros that stand in a namespace.
pub(super) fn is_namespaced(name: &str) -> bool {
    name == "cel.bind"
}

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
        match (name, arguments) {
            ("has", [argument]) => Some(self.has_macro(*argument, span)),
            ("cel.bind", [variable, init, body]) => {
                let variable = self.variable(*variable)?;
                Some(self.bind(variable, *init, *body, span))
            }
            ("has" | "cel.bind", _) => {
                let help = match name {
                    "has" => "write `has(a.b)`",
                    _ => "write `cel.bind(name, value, expression)`",
                };
                self.misused(name, place, help);
                Some(self.fail(Fault::overload(name), span))
            }
            _ => None,
        }
    }

    fn misused(&mut self, name: &str, place: Span, help: &str) {
        let message = format!("`{name}` is a macro and takes other arguments");
        self.report(&codes::MACRO, place, message, help.to_owned());
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
            return self.fail(Fault::overload("has"), span);
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
        let (kind, variables, bodies): (Comprehension, usize, _) = match (name, arguments.len()) {
            ("all", 2 | 3) => (Comprehension::All, arguments.len() - 1, 1),
            ("exists", 2 | 3) => (Comprehension::Exists, arguments.len() - 1, 1),
            ("exists_one" | "existsOne", 2 | 3) => (Comprehension::ExistsOne, arguments.len() - 1, 1),
            ("filter", 2) => (Comprehension::Filter, 1, 1),
            ("map", 2 | 3) => (Comprehension::List, 1, arguments.len() - 1),
            ("transformList", 3 | 4) => (Comprehension::List, 2, arguments.len() - 2),
            ("transformMap", 3 | 4) => (Comprehension::Map, 2, arguments.len() - 2),
            ("transformMapEntry", 3 | 4) => (Comprehension::Entries, 2, arguments.len() - 2),
            ("sortBy", 2) => (Comprehension::SortBy, 1, 1),
            ("optMap" | "optFlatMap", 2) => {
                return Some(self.optional_map(receiver, name, arguments, span, place));
            }
            _ if MACROS.contains(&name) && !self.is_function(name) => {
                self.misused(name, place, usage(name));
                return Some(self.fail(Fault::overload(name), span));
            }
            _ => return None,
        };
        Some(self.over_items(receiver, kind, name, arguments.split_at_checked(variables)?, bodies, span))
    }

    fn over_items(
        &mut self,
        range: NodeId,
        kind: Comprehension,
        name: &str,
        (variables, bodies): (&'a [ExprId], &'a [ExprId]),
        count: usize,
        span: Span,
    ) -> NodeId {
        let two = variables.len() == 2;
        let (first_type, second_type) = self.item_types(range, name, two);
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
    fn item_types(&mut self, range: NodeId, name: &str, two: bool) -> (Type, Type) {
        match self.ty(range) {
            Type::List(item) if two => (Type::Int, (*item).clone()),
            Type::List(item) => ((*item).clone(), Type::Dyn),
            Type::Map(of) if name != "sortBy" => (of.0.clone(), of.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => (Type::Dyn, Type::Dyn),
            other => {
                let what = if name == "sortBy" { "a list" } else { "a list or a map" };
                let message = format!("`{name}` goes over {what}, found {other}");
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
        name: &str,
        arguments: &'a [ExprId],
        span: Span,
        place: Span,
    ) -> NodeId {
        let ty = self.ty(operand);
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
        let flat = name == "optFlatMap";
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

fn usage(name: &str) -> &'static str {
    match name {
        "filter" => "write `list.filter(x, condition)`",
        "map" => "write `list.map(x, item)` or `list.map(x, condition, item)`",
        "transformList" => "write `list.transformList(i, x, item)`",
        "transformMap" => "write `map.transformMap(key, value, new_value)`",
        "transformMapEntry" => "write `map.transformMapEntry(key, value, {new_key: new_value})`",
        "optMap" | "optFlatMap" => "write `optional.optMap(x, value)`",
        "sortBy" => "write `list.sortBy(x, key)`",
        _ => "write `list.exists(x, condition)`, or with two variables `map.exists(key, value, condition)`",
    }
}
