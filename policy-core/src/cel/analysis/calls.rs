//! Functions that may fail: what each needs to be known so that it cannot.

use super::guards::Guard;
use super::parts::Parts;
use crate::cel::check::code::{Node, NodeId};
use crate::cel::library::overload::{Fails, Form, Overload, Sequence, TextTest};
use crate::cel::values::fact::{Fact, Meaning};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::diagnostic::shorten;

/// Whether a part fails.
pub(in crate::cel) enum Verdict {
    /// It never does.
    Never,
    /// Unless one of these is known: what is said of it, and what to do.
    Unless(Vec<Guard>, String, &'static str),
    /// Whenever it is reached.
    Always(String, String),
}

/// A part that fails unless one of these is known.
fn unless(needs: Vec<Guard>, message: impl Into<String>, help: &'static str) -> Verdict {
    Verdict::Unless(needs, message.into(), help)
}

impl Parts<'_> {
    /// Whether a call fails, by what its function declares.
    pub(in crate::cel) fn call_verdict(
        &self,
        id: NodeId,
        overload: &Overload,
        arguments: &[NodeId],
    ) -> Verdict {
        // What depends on nothing has been evaluated.
        if overload.is_pure() && arguments.iter().all(|argument| self.code.is_constant(*argument)) {
            return Verdict::Never;
        }
        match (overload.fails, arguments) {
            (Fails::Missing(message, help), _) => {
                let needs = self.looked_up(overload.form, arguments).map(|(map, key)| Guard::Has(map, key));
                unless(needs.into_iter().collect(), message, help)
            }
            (Fails::Unread { at, test, message, help }, _) => {
                let text = arguments.get(at).copied().filter(|text| self.may_not_read(id, *text, test));
                text.map_or(Verdict::Never, |text| unless(self.passed(text, test), message, help))
            }
            (Fails::Conversion, [text]) => self.conversion(id, *text),
            (Fails::NoText, [bytes]) if *self.code.ty(*bytes) == Type::Bytes => {
                unless(Vec::new(), "this fails if the bytes are not UTF-8", "compare the bytes themselves")
            }
            (Fails::Zero, [_, divisor]) => self.division(*divisor),
            (Fails::Outside(from, sequence), [of, ..]) => {
                self.stretch(sequence, *of, arguments.get(from..).unwrap_or_default())
            }
            (Fails::Negative, [_, depth]) if matches!(self.constant(*depth), Some(Value::Int(..0))) => {
                Verdict::Always(
                    "the depth of `flatten` cannot be negative".to_owned(),
                    "write `.flatten()`".to_owned(),
                )
            }
            (Fails::Pattern, [_, pattern]) if self.constant(*pattern).is_none() => unless(
                vec![Guard::Looked(self.key(*pattern))],
                "this fails if the string is not a regular expression",
                "write the pattern out, or compare with `contains`",
            ),
            (Fails::Empty, [of]) if self.code.ty(*of).optional_of().is_some() => unless(
                vec![Guard::Passed(self.key(*of), TextTest::Value)],
                "this fails if the optional is empty",
                "write `.orValue(…)`, or check first: `….hasValue() && …`",
            ),
            (Fails::Clauses, [pattern, items]) => self.format(*pattern, *items),
            (Fails::Order, [min, max]) => self.range(*min, *max),
            (Fails::Zone, [_, zone]) => self.zone(*zone),
            (Fails::NotOneOf { at, .. }, _) => {
                arguments.get(at).map_or(Verdict::Never, |text| self.choice(overload.fails, *text))
            }
            _ => Verdict::Never,
        }
    }

    fn passed(&self, of: NodeId, test: TextTest) -> Vec<Guard> {
        vec![Guard::Passed(self.key(of), test), Guard::Passed(self.key(of), TextTest::Matched)]
    }

    /// True for a text that a call reads as something else and that may be none: it is not written out, nor such a text
    /// by itself.
    fn may_not_read(&self, call: NodeId, text: NodeId, test: TextTest) -> bool {
        let is_one = match test {
            TextTest::Ip => self.is_address(text),
            TextTest::Url => self.meaning(text).is_url(),
            TextTest::Query => self.meaning(text) == Meaning::Query,
            _ => false,
        };
        *self.code.ty(text) == Type::String
            && self.constant(text).is_none()
            && !is_one
            && self.written(call).0 == call
    }

    /// True for the address of a client or server.
    pub(in crate::cel) fn is_address(&self, id: NodeId) -> bool {
        self.address_fact(id).is_some()
    }

    /// The fact of an address, after functions that leave it as it is.
    pub(in crate::cel) fn address_fact(&self, id: NodeId) -> Option<Fact> {
        const MAX: usize = 8;
        let mut at = id;
        for _ in 0..MAX {
            match self.formed(at, Form::KeepsAddress) {
                Some(arguments) => at = *arguments.first()?,
                None => break,
            }
        }
        self.fact(at).filter(|fact| fact.meaning() == Meaning::Address)
    }

    /// `int(text)` and its like.
    fn conversion(&self, call: NodeId, argument: NodeId) -> Verdict {
        let from_text = *self.code.ty(argument) == Type::String && self.constant(argument).is_none();
        let meaning = self.meaning(argument);
        if !from_text || meaning == Meaning::Time {
            return Verdict::Never;
        }
        let help = "check the string first, e.g. with `matches`, or compare the string itself";
        let mut needs = self.passed(argument, TextTest::Matched);
        let to = self.code.ty(call);
        // Coordinates are numbers, or empty where the place is not known.
        if *to == Type::Double && meaning == Meaning::Coordinate {
            needs.push(Guard::Longer(self.key(argument), 1));
        }
        unless(needs, format!("this fails if the string is not a valid {to}"), help)
    }

    fn division(&self, divisor: NodeId) -> Verdict {
        if !matches!(self.code.ty(divisor), Type::Int | Type::Uint) {
            return Verdict::Never;
        }
        match self.constant(divisor) {
            Some(Value::Int(0) | Value::Uint(0)) => {
                Verdict::Always("this divides by zero".to_owned(), "divide by another number".to_owned())
            }
            Some(_) => Verdict::Never,
            None => {
                let mut needs = vec![Guard::NotZero(self.key(divisor))];
                let sized = self.formed(divisor, Form::Size).and_then(<[NodeId]>::first);
                needs.extend(sized.map(|of| Guard::Longer(self.key(*of), 1)));
                let help = "check first, e.g. `n != 0 && …`, or divide by something that cannot be zero";
                unless(needs, "this fails if the divisor is zero", help)
            }
        }
    }

    /// A stretch of a text or list, between positions from 0 to its size.
    fn stretch(&self, sequence: Sequence, of: NodeId, positions: &[NodeId]) -> Verdict {
        let known: Vec<Option<i64>> = positions
            .iter()
            .map(|at| match self.constant(*at) {
                Some(Value::Int(at)) => Some(*at),
                _ => None,
            })
            .collect();
        if let Some(at) = known.iter().flatten().find(|at| **at < 0) {
            return Verdict::Always(
                format!("position {at} is out of range"),
                "the first position is 0".to_owned(),
            );
        }
        if let [Some(from), Some(to)] = *known
            && from > to
        {
            let message = format!("the stretch ends at {to}, before it begins at {from}");
            return Verdict::Always(message, "exchange the two positions".to_owned());
        }
        let fine = |at: &NodeId, known: &Option<i64>| *known == Some(0) || self.is_size_of(*at, of);
        if positions.iter().zip(&known).all(|(at, known)| fine(at, known)) {
            return Verdict::Never;
        }
        let needs = match known.iter().copied().collect::<Option<Vec<_>>>() {
            Some(known) => {
                let max = known.into_iter().max().and_then(|max| u64::try_from(max).ok()).unwrap_or(0);
                if max <= self.least_length(of) {
                    return Verdict::Never;
                }
                vec![Guard::Longer(self.key(of), max)]
            }
            // Where a position is found, only its author can tell what is enough.
            None => vec![Guard::Looked(self.key(of))],
        };
        let (what, help) = match sequence {
            Sequence::List => ("the list", "check first, e.g. `size(list) >= 3 && …`"),
            Sequence::Text => {
                ("the string", "check first, e.g. `size(text) >= 3 && …`, or compare with `startsWith`")
            }
        };
        unless(needs, format!("this fails if {what} is shorter"), help)
    }

    /// Characters that a text has at least.
    fn least_length(&self, of: NodeId) -> u64 {
        match (self.meaning(of), self.text(of)) {
            (meaning, _) if meaning.is_path() => 1,
            // `::`.
            (Meaning::Address, _) => 2,
            (_, Some(text)) => text.chars().count() as u64,
            _ => 0,
        }
    }

    /// How far in front of the end of a list or text a position is: 1 for `list.size() - 1`.
    pub(in crate::cel) fn before_end(&self, position: NodeId, of: NodeId) -> Option<u64> {
        match self.formed(position, Form::Subtract)? {
            [size, back] if self.is_size_of(*size, of) => match self.constant(*back) {
                Some(Value::Int(back)) => u64::try_from(*back).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_size_of(&self, id: NodeId, of: NodeId) -> bool {
        let sized = self.formed(id, Form::Size).and_then(<[NodeId]>::first);
        sized.is_some_and(|it| self.key(*it) == self.key(of))
    }

    /// `'%s'.format([…])`: a clause for which there is no item, or one of a type that it does not take.
    fn format(&self, pattern: NodeId, items: NodeId) -> Verdict {
        let (Some(pattern), Some(Node::List(items))) = (self.text(pattern), self.written(items).1) else {
            return Verdict::Never;
        };
        let clauses = clauses(pattern);
        if clauses.len() > items.len() {
            let message = format!("the pattern takes {} items, the list has {}", clauses.len(), items.len());
            return Verdict::Always(message, "add the items, or write `%%` for a percent sign".to_owned());
        }
        let bad = clauses.iter().zip(items.iter()).find(|(clause, (item, _))| {
            **clause == 'd'
                && matches!(self.code.ty(*item), Type::String | Type::Bool | Type::List(_) | Type::Map(_))
        });
        match bad {
            Some((_, (item, _))) => {
                let message = format!("`%d` takes a number, found {}", self.code.ty(*item));
                Verdict::Always(message, "write `%s`".to_owned())
            }
            None => Verdict::Never,
        }
    }

    /// `rand.int(min, max)`.
    fn range(&self, min: NodeId, max: NodeId) -> Verdict {
        match (self.constant(min), self.constant(max)) {
            (Some(Value::Int(min)), Some(Value::Int(max))) if min > max => {
                let message = format!("the range from {min} to {max} is empty");
                Verdict::Always(message, format!("write `rand.int({max}, {min})`"))
            }
            (Some(_), Some(_)) => Verdict::Never,
            _ => unless(
                vec![Guard::Looked(self.key(min)), Guard::Looked(self.key(max))],
                "this fails if the first number is greater than the second",
                "write numbers, or make sure of their order",
            ),
        }
    }

    /// The time zone of a calendar function; one that is written out has been looked at.
    fn zone(&self, zone: NodeId) -> Verdict {
        match self.constant(zone) {
            None => unless(
                vec![Guard::Looked(self.key(zone))],
                "this fails if the time zone is unknown",
                "write the name out, e.g. `'Europe/Berlin'`",
            ),
            Some(_) => Verdict::Never,
        }
    }

    /// A text that must be one of some words.
    fn choice(&self, fails: Fails, text: NodeId) -> Verdict {
        let Fails::NotOneOf { allowed, told, message, help, .. } = fails else { return Verdict::Never };
        match self.text(text) {
            Some(written) if allowed.contains(&written) => Verdict::Never,
            Some(other) => Verdict::Always(
                format!("{told}, not `{}`", shorten(other)),
                format!("{help}, or leave it out"),
            ),
            None => {
                let allowed = allowed.iter().map(|word| Value::text(*word)).collect();
                unless(vec![Guard::OneOf(self.key(text), allowed)], message, help)
            }
        }
    }
}

/// The letters of a pattern's clauses, `d` of `%.2d`.
fn clauses(pattern: &str) -> Vec<char> {
    let mut out = Vec::new();
    let mut rest = pattern;
    while let Some((_, behind)) = rest.split_once('%') {
        let clause = behind.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
        let mut letters = clause.chars();
        out.extend(letters.next().filter(|letter| *letter != '%'));
        rest = letters.as_str();
    }
    out
}
