//! Fields and positions: `a.b`, `a[b]`, `has(a.b)`, and objects as values.

use super::super::code::{Node, NodeId};
use super::super::env::TreeLeaf;
use super::super::unify::is_optional;
use super::Checker;
use crate::cel::codes;
use crate::cel::library::{NONE, OF};
use crate::cel::syntax::ast::ExprId;
use crate::cel::values::fault::Fault;
use crate::cel::values::types::{Object, Type};
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, did_you_mean, shorten};
use crate::source::Span;

impl Checker<'_> {
    /// The plain value of a node: of an object its text, or a map of its fields.
    pub(super) fn plain(&mut self, id: NodeId) -> NodeId {
        let Some(Type::Object(object)) = self.types.get(id.index()).cloned() else { return id };
        let span = self.span(id);
        if self.is_record(object) {
            return id;
        }
        if object.text {
            return self.leaf_fact(object.node, span);
        }
        let children = self.env.tree.node(object.node).map(|node| node.children.clone()).unwrap_or_default();
        let mut fields = Vec::with_capacity(children.len());
        for (name, child) in children {
            // What has no value here is left out, as it is out of a map.
            let leaf = self.env.tree.node(child).and_then(|node| node.leaf.as_ref());
            if leaf.is_some() && self.env.standing.lacks(child).is_some() {
                continue;
            }
            let node = match self.env.tree.type_of(child) {
                Type::Object(object) => {
                    let node = self.object(object, span);
                    self.plain(node)
                }
                _ => self.leaf_fact(child, span),
            };
            fields.push((name, node));
        }
        // Results are compared with null, and may not be there.
        let ty = match self.env.tree.node(object.node).and_then(|node| node.result) {
            Some(_) => Type::Dyn,
            None => Type::map(Type::String, Type::Dyn),
        };
        self.push(Node::Object(fields.into()), span, ty)
    }

    /// True for objects whose values come from lists and calls: they are maps at run time.
    pub(super) fn is_record(&self, object: Object) -> bool {
        object.name.starts_with(char::is_uppercase)
    }

    fn declared(&self, node: u16) -> Option<&TreeLeaf> {
        self.env.tree.node(node).and_then(|node| node.leaf.as_ref())
    }

    /// Reads a declared fact.
    pub(super) fn leaf_fact(&mut self, node: u16, span: Span) -> NodeId {
        let Some(leaf) = self.declared(node).cloned() else {
            return self.fail(Fault::UnknownName("".into()), span);
        };
        if let Some(why) = self.env.standing.lacks(node) {
            let path = self.env.tree.node(node).map_or("", |node| node.path);
            let (place, help) = why;
            self.report(&codes::OUT_OF_PLACE, span, format!("`{path}` has no value {place}"), help);
        }
        match leaf.fact {
            Some(fact) => self.push(Node::Fact(fact), span, leaf.ty),
            None => self.fail(Fault::UnknownName("".into()), span),
        }
    }

    pub(super) fn select(
        &mut self,
        operand: NodeId,
        field: &str,
        optional: bool,
        span: Span,
        place: Span,
    ) -> NodeId {
        let ty = self.ty(operand);
        if let Type::Object(object) = ty {
            return self.object_field(operand, object, field, optional, span, place);
        }
        let result = match self.field_type(&ty) {
            Some(result) => result,
            None => {
                let message = format!("a value of type {ty} has no field `{}`", shorten(field));
                let help = match &ty {
                    Type::List(_) | Type::Map(_) | Type::String if is_length(field) => {
                        "write `size(…)` around the value".to_owned()
                    }
                    Type::List(_) => "take an item first, e.g. `[0]`".to_owned(),
                    Type::String => self.time_field(operand, field).unwrap_or_else(|| {
                        format!("call a function of strings, e.g. `{field}(…)`, or parse the string")
                    }),
                    _ => "only objects and maps have fields".to_owned(),
                };
                self.report(&codes::UNKNOWN_FIELD, place, message, help);
                if self.strict {
                    return self.fail(Fault::NoSuchField(field.into()), span);
                }
                Type::Dyn
            }
        };
        let result = self.set_variable(operand, &Value::text(field)).unwrap_or(result);
        let chained = ty.optional_of().is_some();
        let result = if optional && !chained { Type::optional(result) } else { result };
        self.push(Node::Select { operand, field: Value::text(field), optional }, span, result)
    }

    /// The type of a field of a value that is no object.
    fn field_type(&mut self, ty: &Type) -> Option<Type> {
        match ty {
            Type::Map(of) => Some(of.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => Some(Type::Dyn),
            _ => {
                let inner = ty.optional_of().filter(|inner| !is_optional(inner))?.clone();
                self.field_type(&inner).map(Type::optional)
            }
        }
    }

    fn object_field(
        &mut self,
        operand: NodeId,
        object: Object,
        field: &str,
        optional: bool,
        span: Span,
        place: Span,
    ) -> NodeId {
        let Some(child) = self.child(object, field, place) else {
            self.unknown_field(object, field, place);
            return self.fail(Fault::NoSuchField(field.into()), span);
        };
        let ty = self.env.tree.type_of(child);
        if self.is_record(object) {
            let ty = if optional { Type::optional(ty) } else { ty };
            return self.push(Node::Select { operand, field: Value::text(field), optional }, span, ty);
        }
        let node = match ty {
            Type::Object(inner) if !optional => return self.object(inner, span),
            Type::Object(inner) => {
                let node = self.object(inner, span);
                self.plain(node)
            }
            _ => self.leaf_fact(child, span),
        };
        if !optional {
            return node;
        }
        // `a.?b`: an optional, empty if the fact is missing here.
        let of = self.ty(node);
        let some = self.call(OF, false, vec![node], span, span);
        let none = self.call(NONE, false, Vec::new(), span, span);
        let condition = self.has_child(child, span);
        self.push(Node::Conditional { condition, then: some, otherwise: none }, span, Type::optional(of))
    }

    /// Whether a fact is there; an object always is, but for the results of an action, which are there once it
    /// has run.
    fn has_child(&mut self, child: u16, span: Span) -> NodeId {
        let result = self.env.tree.node(child).and_then(|node| node.result);
        let leaf = if result.is_some() { self.first_leaf(child) } else { child };
        match self.declared(leaf).and_then(|leaf| leaf.fact) {
            Some(fact) => self.push(Node::HasFact(fact), span, Type::Bool),
            None => self.push(Node::Const(Value::Bool(true)), span, Type::Bool),
        }
    }

    /// A field of an object, by its name or the spelling of 2024, `StatusCode` for `status_code`.
    fn child(&mut self, object: Object, field: &str, place: Span) -> Option<u16> {
        let child = self.env.tree.child(object.node, field);
        if child.is_some() || !field.starts_with(|c: char| c.is_ascii_uppercase()) {
            return child;
        }
        let lower = snake_case(field);
        let child = self.env.tree.child(object.node, &lower)?;
        let message = format!("`{}` is the older spelling of `{lower}`", shorten(field));
        let found = Diagnostic::new(&codes::FOREIGN_SPELLING, place, message);
        let found = found.with_help(format!("write `{lower}`"));
        self.push_found(found.with_fix_at(true, Some(place), lower));
        Some(child)
    }

    /// The first declared fact at or below a node.
    fn first_leaf(&self, node: u16) -> u16 {
        let mut at = node;
        while self.declared(at).is_none()
            && let Some((_, child)) = self.env.tree.node(at).and_then(|node| node.children.first())
        {
            at = *child;
        }
        at
    }

    fn unknown_field(&mut self, object: Object, field: &str, place: Span) {
        if self.is_enough() {
            return;
        }
        let name = object.name;
        let message = format!("`{name}` has no field `{}`", shorten(field));
        let found = Diagnostic::new(&codes::UNKNOWN_FIELD, place, message);
        let foreign =
            self.env.language.hints.fields.iter().find(|(of, foreign, _)| *of == name && *foreign == field);
        let children = self.env.tree.node(object.node).map(|node| node.children.clone()).unwrap_or_default();
        let names = children.iter().map(|(child, _)| *child);
        let near = foreign.map(|(_, _, meant)| *meant).or_else(|| did_you_mean(field, names.clone()));
        let found = match near {
            Some(near) => {
                found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, Some(place), near)
            }
            None => {
                let names: Vec<_> = names.collect();
                found.with_help(format!("its fields are `{}`", names.join("`, `")))
            }
        };
        self.push_found(found);
    }

    pub(super) fn index(&mut self, operand: NodeId, index: ExprId, optional: bool, span: Span) -> NodeId {
        let index = self.value(index);
        let ty = self.ty(operand);
        if let Type::Object(object) = ty {
            if let Some(Value::String(field)) = self.constant(index).cloned() {
                let place = self.inside_quotes(self.span(index));
                return self.object_field(operand, object, &field, optional, span, place);
            }
            let operand = self.plain(operand);
            return self.plain_index(operand, index, optional, span);
        }
        self.plain_index(operand, index, optional, span)
    }

    /// The place of a text without its quotes.
    fn inside_quotes(&self, place: Span) -> Span {
        let text = self.text.get(place.to_range()).unwrap_or_default();
        match text.starts_with(['\'', '"']) && text.len() > 1 {
            true => Span::new(place.start + 1, place.end - 1),
            false => place,
        }
    }

    fn plain_index(&mut self, operand: NodeId, index: NodeId, optional: bool, span: Span) -> NodeId {
        let (ty, index_type) = (self.ty(operand), self.ty(index));
        let result = match self.item_type(&ty, &index_type) {
            Some(result) => result,
            None => {
                let (message, help) = index_fault(&ty, &index_type);
                let place = if matches!(ty, Type::List(_) | Type::Map(_)) { self.span(index) } else { span };
                self.report(&codes::TYPE_MISMATCH, place, message, help);
                if self.strict {
                    return self.fail(Fault::overload("[]"), span);
                }
                Type::Dyn
            }
        };
        let named = self.constant(index).and_then(|name| self.set_variable(operand, name));
        let result = named.unwrap_or(result);
        let chained = ty.optional_of().is_some();
        let result = if optional && !chained { Type::optional(result) } else { result };
        self.push(Node::Index { operand, index, optional }, span, result)
    }

    /// The type of an item of a list, map or optional of one.
    fn item_type(&mut self, ty: &Type, index: &Type) -> Option<Type> {
        match ty {
            Type::List(item) => self.known.assignable(&Type::Int, index).then(|| (**item).clone()),
            Type::Map(of) => self.known.assignable(&of.0, index).then(|| of.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => Some(Type::Dyn),
            _ => {
                let inner = ty.optional_of().filter(|inner| !is_optional(inner))?.clone();
                self.item_type(&inner, index).map(Type::optional)
            }
        }
    }

    /// `has(operand.field)`.
    pub(super) fn has(&mut self, operand: NodeId, field: &str, span: Span, place: Span) -> NodeId {
        let ty = self.ty(operand);
        if let Type::Object(object) = ty {
            let Some(child) = self.child(object, field, place) else {
                self.unknown_field(object, field, place);
                return self.fail(Fault::NoSuchField(field.into()), span);
            };
            if self.is_record(object) {
                return self.push(Node::Has { operand, field: Value::text(field) }, span, Type::Bool);
            }
            return self.has_child(child, span);
        }
        if self.field_type(&ty).is_none() {
            let message = format!("a value of type {ty} has no fields that `has` could ask for");
            self.report(
                &codes::UNKNOWN_FIELD,
                place,
                message,
                "only objects and maps have fields".to_owned(),
            );
            if self.strict {
                return self.fail(Fault::NoSuchField(field.into()), span);
            }
        }
        self.push(Node::Has { operand, field: Value::text(field) }, span, Type::Bool)
    }
}

/// True for what other languages call the size of a value.
fn is_length(field: &str) -> bool {
    matches!(field, "length" | "len" | "size" | "count" | "Length" | "Count")
}

/// `ClientIP` as `client_ip`.
fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before_was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && before_was_lower {
            out.push('_');
        }
        before_was_lower = !c.is_ascii_uppercase();
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn index_fault(ty: &Type, index: &Type) -> (String, String) {
    match ty {
        Type::List(_) => (
            format!("a list is indexed by an int, found {index}"),
            match index {
                Type::String => "take an item first, e.g. `[0]`, or write a map".to_owned(),
                _ => "write a whole number, e.g. `[0]`".to_owned(),
            },
        ),
        Type::Map(of) => (
            format!("the keys of this map are of type {}, found {index}", of.0),
            format!("give a key of type {}", of.0),
        ),
        _ => (
            format!("a value of type {ty} cannot be indexed"),
            match ty {
                Type::String => "for a character write `.charAt(…)`, for a part `.substring(…)`".to_owned(),
                _ => "only lists and maps can be".to_owned(),
            },
        ),
    }
}
