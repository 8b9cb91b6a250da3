//! Names: variables, objects, types; and what to say of a name that nobody declared.

use super::super::code::{Node, NodeId};
use super::super::env::Named;
use super::{Checker, LocalKind, MAX_DOTS};
use crate::cel::codes;
use crate::cel::syntax::ast::{ExprId, ExprKind};
use crate::cel::syntax::macros::is_namespaced;
use crate::cel::values::fault::Fault;
use crate::cel::values::types::{Object, Type};
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, did_you_mean, shorten};
use crate::source::Span;

/// Words of other languages that no library gives a meaning, with what CEL writes.
const FOREIGN_WORDS: &[(&str, &str)] = &[("not", "!"), ("True", "true"), ("False", "false")];

/// What other languages call a missing value: here no value equals it.
const NOTHING: &[&str] = &["None", "nil", "NULL", "Null", "undefined"];

/// True for a name such as `TOKEN` or `DB_PASSWORD`.
fn is_environment_name(name: &str) -> bool {
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() > 2 && name.bytes().all(capital) && name.starts_with(|c: char| c.is_ascii_uppercase())
}

impl<'a> Checker<'a> {
    /// A name, with as many of the fields after it as are declared together with it.
    pub(super) fn name(
        &mut self,
        id: ExprId,
        name: &'a str,
        absolute: bool,
        spine: &mut Vec<ExprId>,
    ) -> NodeId {
        let span = self.ast.span(id);
        if !absolute && let Some(local) = self.scope.iter().rev().find(|local| local.name == name) {
            return match local.kind.clone() {
                LocalKind::Value(slot, ty) => self.push(Node::Local(slot), span, ty),
                LocalKind::Object(object) => self.object(object, span),
            };
        }
        let name = name.trim_start_matches('.');
        let mut fields: Vec<&str> = Vec::new();
        for outer in spine.iter().rev().take(MAX_DOTS) {
            match self.ast.kind(*outer) {
                ExprKind::Select { field, optional: false, .. } => fields.push(field),
                _ => break,
            }
        }
        // The longest declared name wins.
        for taken in (0..=fields.len()).rev() {
            let behind = fields.get(..taken).unwrap_or_default();
            let dotted = behind.iter().fold(name.to_owned(), |name, field| format!("{name}.{field}"));
            let Some((full, named)) = self.env.lookup(&dotted, absolute) else { continue };
            let whole = spine.len().checked_sub(taken).and_then(|at| spine.get(at)).copied();
            spine.truncate(spine.len() - taken);
            let span = if taken == 0 { span } else { whole.map_or(span, |whole| self.ast.span(whole)) };
            return match named {
                Named::Global(ty) => self.push(Node::Global(full), span, ty),
                Named::Tree(node) => match self.env.tree.type_of(node) {
                    Type::Object(object) => self.object(object, span),
                    _ => self.leaf_fact(node, span),
                },
                Named::Type(ty) => {
                    let value = Value::Type(ty.name().into());
                    self.push(Node::Const(value), span, Type::type_of(ty))
                }
            };
        }
        if self.quoted_key.take() != Some(id) {
            self.undeclared(name, span);
        }
        self.fail(Fault::UnknownName(name.into()), span)
    }

    /// An object stands for itself until a plain value is wanted.
    pub(super) fn object(&mut self, object: Object, span: Span) -> NodeId {
        self.push(Node::Object(Box::default()), span, Type::Object(object))
    }

    fn undeclared(&mut self, name: &str, span: Span) {
        if self.is_enough() {
            return;
        }
        let mut found =
            Diagnostic::new(&codes::UNDECLARED, span, format!("`{}` is not declared", shorten(name)));
        let foreign = self.env.language.hints.names.iter().find(|(foreign, _)| *foreign == name);
        let variables = self.scope.iter().map(|local| local.name).chain(self.env.first_names());
        let word = FOREIGN_WORDS.iter().find(|(word, _)| *word == name).map(|(_, meant)| *meant);
        let near = word.or(foreign.map(|(_, meant)| *meant)).or_else(|| {
            let known = NOTHING.contains(&name) || is_environment_name(name);
            did_you_mean(name, variables).filter(|_| !known)
        });
        found = match near {
            Some(near) => {
                let near = near.to_owned();
                found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, Some(span), near)
            }
            None if NOTHING.contains(&name) => {
                found.with_help("a missing value is an error, not null; ask with `has(…)`")
            }
            None if is_environment_name(name) => found.with_help(
                "there are no environment variables here; write a variable of the policy, or quote it if it is a string",
            ),
            None if self.is_function(name) => {
                found.with_help(format!("`{name}` is a function; call it, e.g. `{name}(…)`"))
            }
            None if !self.env.paths_to(name).is_empty() => {
                let paths = self.env.paths_to(name);
                let help = format!("did you mean `{}`?", paths.join("` or `"));
                match *paths {
                    [path] => found.with_help(help).with_fix_at(false, Some(span), path),
                    _ => found.with_help(help),
                }
            }
            None => {
                let mut names: Vec<_> = self.env.first_names().collect();
                names.sort_unstable();
                match names.is_empty() {
                    true => found.with_help("quote it if it is a string"),
                    false => found.with_help(format!(
                        "quote it if it is a string; the variables are `{}`",
                        names.join("`, `")
                    )),
                }
            }
        };
        self.push_found(found);
    }

    pub(super) fn is_function(&self, name: &str) -> bool {
        self.env.language.library.named(name).next().is_some()
            || self.env.extras.iter().any(|extra| &*extra.name == name)
    }

    /// The full name of a function in a namespace, `math.abs`, or of a macro in one.
    pub(super) fn namespaced(&self, receiver: ExprId, function: &str) -> Option<String> {
        // Most receivers are values: only a name can be a namespace.
        let namespace = self.dotted(receiver)?;
        let name = format!("{namespace}.{function}");
        let known = self.is_function(&name) || is_namespaced(&name);
        (known || self.is_namespace(&namespace)).then_some(name)
    }

    /// True for a name that only begins names of functions: what is called on it is misspelt.
    fn is_namespace(&self, name: &str) -> bool {
        let begins = |full: &str| full.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let first = name.split('.').next().unwrap_or(name);
        self.env.lookup(first, false).is_none() && self.env.language.library.names(false).any(begins)
    }
}
