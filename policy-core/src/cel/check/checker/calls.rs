//! Calls: which overloads fit, and what to say if none does.

use super::super::code::{Node, NodeId};
use super::Checker;
use crate::cel::check::address_parts;
use crate::cel::codes;
use crate::cel::library::overload::{Form, Overload};
use crate::cel::library::{Library, part_function};
use crate::cel::syntax::ast::{ExprId, ExprKind, UnaryOp};
use crate::cel::syntax::macros;
use crate::cel::values::fact::Meaning;
use crate::cel::values::fault::Fault;
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, did_you_mean, shorten};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// A call of a function by its name alone, or of a macro.
    pub(super) fn global(&mut self, id: ExprId, name: &str, place: Span, arguments: &'a [ExprId]) -> NodeId {
        let span = self.ast.span(id);
        if let Some(node) = self.global_macro(name, arguments, span, place) {
            return node;
        }
        let mut nodes = self.arguments(name, false, arguments);
        let is_extreme = self.form_of(name, false) == Form::Extreme;
        if is_extreme {
            self.numbers(name, &nodes, span);
        }
        // More than two numbers are compared as a list.
        if is_extreme && nodes.len() > 2 {
            let ty = nodes.iter().fold(None, |ty, node| {
                let next = self.ty(*node);
                Some(self.joined(ty, next))
            });
            let list = Node::List(nodes.iter().map(|node| (*node, false)).collect());
            nodes = vec![self.push(list, span, Type::list(ty.unwrap_or(Type::Dyn)))];
        }
        self.call(name, false, nodes, span, place)
    }

    /// `math.greatest` and `math.least` take numbers, or one list of some.
    fn numbers(&mut self, name: &str, nodes: &[NodeId], span: Span) {
        let items: Vec<NodeId> = match *nodes {
            [one] => match self.nodes.get(one.index()) {
                Some(Node::List(items)) => items.iter().map(|(item, _)| *item).collect(),
                _ => return,
            },
            // Two have overloads of their own.
            [_, _] => return,
            _ => nodes.to_vec(),
        };
        let number = |ty: &Type| {
            matches!(ty, Type::Int | Type::Uint | Type::Double | Type::Dyn | Type::Error | Type::Param(_))
        };
        let bad = items.iter().find(|item| !number(&self.ty(**item)));
        let found = bad.map(|bad| (self.span(*bad), format!("found {}", self.ty(*bad))));
        if let Some((place, found)) =
            found.or_else(|| items.is_empty().then(|| (span, "found none".to_owned())))
        {
            let message = format!("`{name}` compares numbers, {found}");
            self.report(&codes::TYPE_MISMATCH, place, message, "write numbers, or a list of some".to_owned());
        }
    }

    /// A function of a value, or a macro over it.
    pub(super) fn member(
        &mut self,
        receiver: NodeId,
        name: &'a str,
        place: Span,
        arguments: &'a [ExprId],
        span: Span,
    ) -> NodeId {
        let receiver = self.plain(receiver);
        if let Some(node) = self.member_macro(receiver, name, arguments, span, place) {
            return node;
        }
        let mut nodes = vec![receiver];
        nodes.extend(self.arguments(name, true, arguments));
        let form = self.form_of(name, true);
        if let (Form::Sort, Type::List(item)) = (form, self.ty(receiver)) {
            self.ordered(&item, place);
        }
        let spellings = self.env.language.hints.spellings;
        if let Some((_, meant)) = spellings.iter().find(|(spelling, _)| *spelling == name) {
            let message = format!("`{name}` is not a CEL function");
            let found = Diagnostic::new(&codes::FOREIGN_SPELLING, place, message);
            let found = found.with_help(format!("write `{meant}`")).with_fix_at(true, Some(place), *meant);
            self.push_found(found);
        }
        if matches!((form, &*nodes), (Form::Or | Form::OrValue, [_, _]))
            && Self::may_be_optional(&self.ty(receiver))
        {
            return self.or_else(name, form, &nodes, span, place);
        }
        self.call(name, true, nodes, span, place)
    }

    /// The arguments of a call. Where no function of the name takes so many and one is a name that nobody declared,
    /// a macro is meant: the call is told, and what is wrong inside of it follows.
    fn arguments(&mut self, name: &str, member: bool, arguments: &'a [ExprId]) -> Vec<NodeId> {
        let known = match (self.takes(name, member, arguments.len()), self.unknown_name(arguments)) {
            (false, true) => Some(std::mem::take(self.found)),
            _ => None,
        };
        let nodes = arguments.iter().map(|argument| self.value(*argument)).collect();
        if let Some(known) = known {
            *self.found = known;
        }
        nodes
    }

    /// True if a function of the name takes so many arguments after its receiver.
    fn takes(&self, name: &str, member: bool, count: usize) -> bool {
        let count = count + usize::from(member);
        let mut entries = self.env.language.library.named(name);
        let extras = &self.env.extras;
        entries.any(|(_, entry)| entry.member == member && entry.parameters.len() == count)
            || extras
                .iter()
                .any(|it| *it.name == *name && it.member == member && it.parameters.len() == count)
            || self.form_of(name, member) == Form::Extreme && count > 0
    }

    fn form_of(&self, name: &str, member: bool) -> Form {
        form_of(self.env.language.library, name, member)
    }

    /// True if an argument looks into a name that nobody declared: `x`, `x.field`, `x < y`.
    fn unknown_name(&self, arguments: &[ExprId]) -> bool {
        let mut left = arguments.to_vec();
        while let Some(argument) = left.pop() {
            match self.ast.kind(argument) {
                ExprKind::Ident { name, absolute: false } if self.is_unknown(name) => return true,
                ExprKind::Select { operand, .. }
                | ExprKind::Index { operand, .. }
                | ExprKind::Call { receiver: Some(operand), .. }
                | ExprKind::Unary(_, operand) => left.push(*operand),
                ExprKind::Binary(_, a, b) => left.extend([*a, *b]),
                _ => {}
            }
        }
        false
    }

    fn is_unknown(&self, name: &str) -> bool {
        self.env.lookup(name, false).is_none() && !self.scope.iter().any(|local| local.name == name)
    }

    /// `a.or(b)`, `a.orValue(b)`: the argument is looked at only if it is needed.
    fn or_else(&mut self, name: &str, form: Form, nodes: &[NodeId], span: Span, place: Span) -> NodeId {
        let checked = self.call(name, true, nodes.to_vec(), span, place);
        let ty = self.ty(checked);
        match nodes {
            [operand, otherwise] => {
                let unwrap = form == Form::OrValue;
                let node = Node::OrElse { operand: *operand, otherwise: *otherwise, unwrap };
                self.push(node, span, ty)
            }
            _ => checked,
        }
    }

    /// A call whose arguments are checked.
    pub(super) fn call(
        &mut self,
        name: &str,
        member: bool,
        mut arguments: Vec<NodeId>,
        span: Span,
        place: Span,
    ) -> NodeId {
        let library = self.env.language.library;
        let types: Vec<Type> = arguments.iter().map(|argument| self.ty(*argument)).collect();
        let mut fitting: Vec<u16> = Vec::new();
        let mut result: Option<Type> = None;
        let mut known_name = "";
        for (id, entry) in library.named(name) {
            known_name = entry.name;
            if entry.member != member || entry.parameters.len() != types.len() {
                continue;
            }
            let ty = match entry.generic {
                false => self.known.assignable_all(&entry.parameters, &types).then(|| entry.result.clone()),
                true => {
                    let mut signature = entry.parameters.clone();
                    signature.push(entry.result.clone());
                    let mut fresh = self.known.instantiate(&signature);
                    let of = fresh.pop().unwrap_or(Type::Dyn);
                    self.known.assignable_all(&fresh, &types).then(|| self.known.apply(&of))
                }
            };
            let Some(ty) = ty else { continue };
            fitting.push(id);
            // Several results: known at run time only.
            result = Some(match result {
                None => ty,
                Some(first) if first == ty => first,
                Some(_) => Type::Dyn,
            });
        }
        result = result.or_else(|| self.extra(name, member, &types));
        let Some(result) = result else {
            return self.no_overload(name, known_name, member, arguments, &types, span, place);
        };
        let entry = fitting.first().and_then(|id| library.entry(*id));
        if let Some(overload) = entry.map(|entry| entry.overload)
            && let Some(reads) = overload.reads
        {
            self.out_of_place(name, overload, place);
            if let Some(node) = self.env.tree.find(reads) {
                arguments.insert(0, self.leaf_fact_quietly(node, span));
            }
        }
        let result = self.record(result);
        self.time_argument(&arguments, &types, &result);
        // Types decide what is allowed, values what runs: a value that is `dyn` may be of a type that the
        // overloads found here do not take.
        let count = types.len();
        let others = library.named(name).filter(|(id, entry)| {
            entry.member == member && entry.parameters.len() == count && !fitting.contains(id)
        });
        let overloads: Vec<u16> = fitting.iter().copied().chain(others.map(|(id, _)| id)).collect();
        let node = Node::Call { overloads: overloads.into(), name: known_name, arguments: arguments.into() };
        self.push(node, span, result)
    }

    /// A function that is declared for checking only.
    fn extra(&mut self, name: &str, member: bool, types: &[Type]) -> Option<Type> {
        let env = self.env;
        let named = env.extras.iter().filter(|extra| &*extra.name == name && extra.member == member);
        let mut result = None;
        for extra in named {
            let mut signature = extra.parameters.clone();
            signature.push(extra.result.clone());
            let mut fresh = self.known.instantiate(&signature);
            let of = fresh.pop().unwrap_or(Type::Dyn);
            if self.known.assignable_all(&fresh, types) {
                result = Some(if result.is_none() { self.known.apply(&of) } else { Type::Dyn });
            }
        }
        result
    }

    /// The result type, a record by its name.
    fn record(&self, ty: Type) -> Type {
        match &ty {
            Type::Opaque(name, of) if of.is_empty() => {
                self.env.tree.find(name).map_or(ty, |node| self.env.tree.type_of(node))
            }
            _ => ty,
        }
    }

    fn out_of_place(&mut self, name: &str, overload: &Overload, place: Span) {
        if let Some((here, help)) = self.env.standing.refuses(overload) {
            self.report(&codes::OUT_OF_PLACE, place, format!("`{name}` cannot be called {here}"), help);
        }
    }

    /// The fact after a function: a phase that lacks it has been reported at the function.
    fn leaf_fact_quietly(&mut self, node: u16, span: Span) -> NodeId {
        let leaf = self.env.tree.node(node).and_then(|node| node.leaf.clone());
        match leaf.and_then(|leaf| Some((leaf.fact?, leaf.ty))) {
            Some((fact, ty)) => self.push(Node::Fact(fact), span, ty),
            None => self.fail(Fault::UnknownName("".into()), span),
        }
    }

    /// The first date without quotes in a part of the expression, `2026-01-31`: a subtraction.
    fn date_in(&self, span: Span) -> Option<&'a str> {
        // A slip stands in a short part. Parts of a long chain, which each hold the one before, are not searched.
        const MAX_LENGTH: usize = 256;
        let text = self.text.get(span.to_range()).filter(|text| text.len() <= MAX_LENGTH)?;
        let digits =
            |part: &str, count: usize| part.len() == count && part.bytes().all(|it| it.is_ascii_digit());
        text.split([' ', '(', ')', ',', '<', '>', '=']).find(|word| {
            let mut parts = word.split('-');
            let [year, month, day, rest] = std::array::from_fn(|_| parts.next().unwrap_or_default());
            digits(year, 4) && digits(month, 2) && digits(day, 2) && rest.is_empty()
        })
    }

    /// What to write for `a in 'b, c'`.
    fn within_text(&self, name: &str, arguments: &[NodeId], types: &[Type]) -> Option<String> {
        let ([item, of], [Type::String, Type::String]) = (arguments, types) else { return None };
        if self.form_of(name, false) != Form::In {
            return None;
        }
        let (Some(Node::Fact(fact)), Some(Node::Const(Value::String(text)))) =
            (self.nodes.get(item.index()), self.nodes.get(of.index()))
        else {
            return None;
        };
        if fact.meaning() == Meaning::Address {
            let test = address_parts::test_of(fact.path(), text);
            return Some(match test {
                Some(test) => format!("write `{test}`"),
                None => format!("write a list of addresses, e.g. `{fact} in ['203.0.113.42']`"),
            });
        }
        let words: Vec<&str> = text.split([',', ';', '|', ' ']).filter(|word| !word.is_empty()).collect();
        let plain = !text.contains(['\'', '\\', '\n']) && !words.is_empty();
        let list = plain.then(|| format!("write `{fact} in ['{}']`", words.join("', '")))?;
        Some(format!("{}; for a part of a string write `.contains(…)`", shorten(&list)))
    }

    /// The number of a text such as `'AS15169'` that stands beside an int.
    fn system_number(&self, arguments: &[NodeId], types: &[Type]) -> Option<String> {
        let text = |id: &NodeId| match self.constant(*id) {
            Some(Value::String(text)) => text.strip_prefix("AS").or_else(|| text.strip_prefix("as")),
            _ => None,
        };
        let number = arguments.iter().find_map(text).filter(|_| types.contains(&Type::Int))?;
        number.parse::<u32>().ok().map(|number| number.to_string())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one call")]
    fn no_overload(
        &mut self,
        name: &str,
        known_name: &'static str,
        member: bool,
        arguments: Vec<NodeId>,
        types: &[Type],
        span: Span,
        place: Span,
    ) -> NodeId {
        if self.strict {
            let broken = member && types.first() == Some(&Type::Error);
            if known_name.is_empty() && broken {
                // What it would be called on has been reported.
            } else if known_name.is_empty() {
                self.unknown_function(name, member, types, place);
            } else {
                let found = misfit(name, member, self.env.language.library, types, place);
                let found = match self.within_text(name, &arguments, types) {
                    Some(help) => found.with_help(help),
                    None => found,
                };
                let mut found = self.time_call(found, name, member, &arguments, types, span);
                if let Some(number) = self.system_number(&arguments, types) {
                    found = found.with_help(format!("write the number alone: `{number}`"));
                }
                if let Some(date) = self.date_in(span) {
                    found = found.with_help(format!(
                        "write a time as `timestamp('{date}T00:00:00Z')`, and `timestamp(…)` around a string that is one"
                    ));
                }
                self.push_found(found);
            }
            return self.fail(Fault::overload(name), span);
        }
        // Unchecked: whatever fits when it is run.
        let ids = self.env.language.library.named(name);
        let ids: Vec<u16> = ids
            .filter(|(_, entry)| entry.member == member && entry.parameters.len() == types.len())
            .map(|(id, _)| id)
            .collect();
        if ids.is_empty() {
            return self.push(Node::Fail(Fault::overload(name)), span, Type::Dyn);
        }
        let node = Node::Call { overloads: ids.into(), name: known_name, arguments: arguments.into() };
        self.push(node, span, Type::Dyn)
    }

    fn unknown_function(&mut self, name: &str, member: bool, types: &[Type], place: Span) {
        if self.is_enough() {
            return;
        }
        let shown = shorten(name);
        let library = self.env.language.library;
        let message = format!("unknown function `{shown}`");
        let found = Diagnostic::new(&codes::UNKNOWN_FUNCTION, place, message);
        if let Some(function) = part_function(name).filter(|_| types.first() == Some(&Type::Timestamp)) {
            let found = found.with_help(format!("write `.{function}()`"));
            return self.push_found(found.with_fix_at(false, Some(place), function));
        }
        let foreign = self
            .env
            .language
            .hints
            .functions
            .iter()
            .find(|(foreign, _)| *foreign == name)
            .map(|(_, help)| *help);
        let near = match member {
            true => did_you_mean(name, library.names(true).chain(macros::over_values())),
            false => did_you_mean(name, library.names(false)),
        };
        // `size` of `conn.size`, as a function of nothing.
        let other = library.names(!member).find(|other| *other == name);
        let found = match (foreign, near, other) {
            (Some(help), ..) => found.with_help(help),
            (None, Some(near), _) => {
                found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, Some(place), near)
            }
            (None, None, Some(_)) if member => found.with_help(format!("write `{name}(…)` before the value")),
            (None, None, Some(_)) => found.with_help(format!("call it on a value: `….{name}(…)`")),
            (None, None, None) => match types.first() {
                Some(receiver) if member => {
                    found.with_help(format!("no function of {receiver} has a name like it"))
                }
                _ => found.with_help("check its name; methods follow a dot"),
            },
        };
        self.push_found(found);
    }
}

/// What functions of a name do beside their types: those of one name are alike, if they stand alike.
fn form_of(library: &Library, name: &str, member: bool) -> Form {
    let mut entries = library.named(name).filter(|(_, entry)| entry.member == member);
    entries.next().map_or(Form::Call, |(_, entry)| entry.overload.form)
}

/// How the operator of a negation is written.
const NOT: &str = UnaryOp::Not.symbol();

/// A function that exists and takes something else.
fn misfit(name: &str, member: bool, library: &Library, types: &[Type], place: Span) -> Diagnostic {
    let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
    let symbol = name.trim_matches('_');
    let operator = name.starts_with(['_', '!', '-']);
    let message = match (operator, &*shown) {
        (true, [a, b]) if symbol == "in" => format!("`in` looks into a list or map; found {a} in {b}"),
        (true, [a, b]) if matches!(symbol, "==" | "!=") && numbers(types) => {
            format!("{a} and {b} are compared only after a conversion")
        }
        (true, [a, b]) if matches!(symbol, "==" | "!=") => format!("{a} and {b} are never equal"),
        (true, [a, b]) => format!("`{symbol}` is not defined for {a} and {b}"),
        (true, [a]) => format!("`{symbol}` is not defined for {a}"),
        (false, [receiver, rest @ ..]) if member => {
            format!("`{name}` does not fit: found {receiver}.{name}({})", rest.join(", "))
        }
        _ => format!("`{name}` does not fit: found {name}({})", shown.join(", ")),
    };
    let form = form_of(library, name, member);
    if let (Form::Sort, [_, _, ..]) = (form, types) {
        let message = format!("`{name}` takes no arguments, found {}", types.len() - 1);
        let found = Diagnostic::new(&codes::TYPE_MISMATCH, place, message);
        return found.with_help("write `.sort()`, or `.sortBy(x, key)` to sort by something of each item");
    }
    let found = Diagnostic::new(&codes::TYPE_MISMATCH, place, message);
    if operator {
        return found.with_help(operator_help(symbol, types));
    }
    let mut signatures: Vec<String> = Vec::new();
    for (_, entry) in library.named(name) {
        let call = entry.overload.signature.rsplit_once(" -> ").map_or("", |(call, _)| call);
        let call =
            call.replacen('(', "", usize::from(entry.member)).replacen(").", ".", usize::from(entry.member));
        signatures.push(format!("`{call}`"));
    }
    let more = signatures.len().saturating_sub(4);
    signatures.truncate(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let list = match types.first() {
        Some(Type::List(_))
            if member && matches!(form, Form::Holds | Form::Begins | Form::Ends | Form::Matches) =>
        {
            match form {
                Form::Holds => {
                    "; for an item of a list write `… in list`, for a part of one `.exists(x, x.contains(…))`"
                        .to_owned()
                }
                _ => format!("; of a list write `.exists(x, x.{name}(…))`"),
            }
        }
        _ => String::new(),
    };
    found.with_help(format!("it takes {}{more}{list}", signatures.join(", ")))
}

/// True for numbers, and for lists of some.
fn numbers(types: &[Type]) -> bool {
    types.iter().all(|ty| match ty {
        Type::Int | Type::Uint | Type::Double => true,
        Type::List(item) => matches!(**item, Type::Int | Type::Uint | Type::Double),
        _ => false,
    })
}

fn operator_help(symbol: &str, types: &[Type]) -> String {
    let number = |ty: &Type| matches!(ty, Type::Int | Type::Uint | Type::Double);
    match (symbol, types) {
        ("-", [_]) => "only numbers have a sign".into(),
        ("in", [_, Type::String]) => "for a part of a string write `.contains(…)`".into(),
        ("in", [item, Type::List(_) | Type::Map(_)]) => {
            format!("look for what the list or map contains, not for {item}")
        }
        ("in", _) => "write a list after `in`, e.g. `in [1, 2]`".into(),
        ("+", [Type::String, other]) if number(other) => "convert the number with `string(…)`".into(),
        (_, [Type::Timestamp, Type::String] | [Type::String, Type::Timestamp]) => {
            "convert the string with `timestamp(…)`, e.g. `timestamp('2026-01-31T00:00:00Z')`".into()
        }
        (_, [Type::Duration, Type::String] | [Type::String, Type::Duration]) => {
            "convert the string with `duration(…)`, e.g. `duration('1h')`".into()
        }
        (NOT, [_]) => {
            "`!` binds to what follows it at once; put the comparison in parentheses: `!(… in …)`".into()
        }
        ("<" | "<=" | ">" | ">=", [Type::Bool, _] | [_, Type::Bool]) => {
            "write two comparisons with `&&` between them, e.g. `1 < a && a < 9`".into()
        }
        (_, [Type::String, other]) if number(other) => format!("convert the string with `{other}(…)`"),
        (_, [other, Type::String]) if number(other) && symbol == "+" => {
            "convert the number with `string(…)`".into()
        }
        (_, [other, Type::String]) if number(other) => {
            format!("write the number without quotes, or convert with `{other}(…)`")
        }
        ("==" | "!=", [a, b]) if number(a) && number(b) => format!("convert one with `{a}(…)`"),
        (_, [a, b]) if number(a) && number(b) => format!("convert one with `{a}(…)`"),
        ("==" | "!=", [Type::List(_), _]) => "compare an item, e.g. `[0]`, or ask with `in`".into(),
        ("==" | "!=", [_, Type::Null]) => "a missing value is an error, not null; ask with `has(…)`".into(),
        _ => "give both sides one type".into(),
    }
}
