//! Functions that may fail: what each needs to be known so that it cannot.

use super::fallible::{is_calendar, is_hash};
use super::guards::{Guard, TextTest};
use super::parts::Parts;
use crate::cel::check::code::{Node, NodeId};
use crate::cel::library::overload::Form;
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;

/// True for the fact that is a latitude or longitude.
fn is_coordinate(path: &str) -> bool {
    path.starts_with("conn.") && matches!(path.rsplit('.').next(), Some("latitude" | "longitude"))
}

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
    /// Whether a call fails.
    pub(in crate::cel) fn call_verdict(
        &self,
        id: NodeId,
        name: &str,
        form: Form,
        arguments: &[NodeId],
    ) -> Verdict {
        // What depends on nothing has been evaluated.
        if arguments.iter().all(|argument| self.code.is_constant(*argument)) && name != "rand.int" {
            return Verdict::Never;
        }
        if matches!(form, Form::First(_)) {
            let needs = self.looked_up(form, arguments).map(|(map, key)| Guard::Has(map, key));
            let help = "ask first: `hasReqCookie(…) && …`, or `hasResCookie`";
            return unless(needs.into_iter().collect(), "this fails where there is no such cookie", help);
        }
        match (name, arguments) {
            ("int" | "uint" | "double" | "timestamp" | "duration" | "bool", [text]) => {
                self.conversion(name, *text)
            }
            ("string", [bytes]) if *self.code.ty(*bytes) == Type::Bytes => {
                unless(Vec::new(), "this fails where the bytes are no text", "compare the bytes themselves")
            }
            ("_/_" | "_%_", [_, divisor]) => self.division(*divisor),
            ("substring" | "charAt" | "slice", [of, positions @ ..]) => self.stretch(name, *of, positions),
            ("indexOf" | "lastIndexOf", [text, _, from]) => self.stretch("charAt", *text, &[*from]),
            ("flatten", [_, depth]) if matches!(self.constant(*depth), Some(Value::Int(..0))) => {
                Verdict::Always(
                    "the depth of `flatten` cannot be negative".to_owned(),
                    "write `.flatten()`".to_owned(),
                )
            }
            ("matches", [_, pattern]) if self.constant(*pattern).is_none() => unless(
                vec![Guard::Looked(self.key(*pattern))],
                "this fails where the text is no regular expression",
                "write the pattern out, or compare with `contains`",
            ),
            ("value", [of]) if self.code.ty(*of).optional_of().is_some() => unless(
                vec![Guard::Passed(self.key(*of), TextTest::Value)],
                "this fails where the optional is empty",
                "write `.orValue(…)`, or ask first: `….hasValue() && …`",
            ),
            ("format", [pattern, items]) => self.format(*pattern, *items),
            ("rand.int", [min, max]) => self.range(*min, *max),
            _ if is_calendar(name) => self.zone(arguments),
            _ if is_hash(name) => self.digest(arguments),
            _ => self.decoding(id, name, arguments),
        }
    }

    fn passed(&self, of: NodeId, test: TextTest) -> Vec<Guard> {
        vec![Guard::Passed(self.key(of), test), Guard::Passed(self.key(of), TextTest::Matched)]
    }

    /// A text that is read as something else.
    fn decoding(&self, id: NodeId, name: &str, arguments: &[NodeId]) -> Verdict {
        let text = |at: usize| {
            let text = arguments.get(at).copied().filter(|id| *self.code.ty(*id) == Type::String);
            text.filter(|id| self.constant(*id).is_none())
        };
        match name {
            "json.decode" | "decodeJson" => text(0).map(|text| {
                let help = "ask first: `text.isJson() && …`";
                unless(self.passed(text, TextTest::Json), "this fails where the text is no JSON", help)
            }),
            "base64.decode" | "decodeBase64" => text(0).map(|text| {
                let help = "make sure of the text, e.g. with `matches`";
                unless(self.passed(text, TextTest::Matched), "this fails where the text is no base64", help)
            }),
            "url.unescape" | "unescapeUrl" => text(0).map(|text| {
                let help = "make sure of the text, e.g. with `matches`";
                unless(self.passed(text, TextTest::Matched), "this fails where an escape is broken", help)
            }),
            "url.parse" | "parseUrl" => text(0).filter(|text| !self.is_url(*text)).map(|text| {
                let help = "ask first: `text.isURL() && …`";
                unless(self.passed(text, TextTest::Url), "this fails where the text is no URL", help)
            }),
            "queryString.decode" | "decodeQueryString" => {
                text(0).filter(|text| self.fact(*text) != Some("req.url.query")).map(|text| {
                    let help = "ask first: `text.isQueryString() && …`";
                    unless(
                        self.passed(text, TextTest::Query),
                        "this fails where the text is no query string",
                        help,
                    )
                })
            }
            "ip" | "ip.isCanonical" => self.address(text(0)),
            "containsIP" => self.address(text(1)),
            "cidr" => self.network(text(0)),
            "containsCIDR" => self.network(text(1)),
            _ => None,
        }
        .filter(|_| self.written(id).0 == id)
        .unwrap_or(Verdict::Never)
    }

    fn address(&self, text: Option<NodeId>) -> Option<Verdict> {
        let text = text.filter(|text| !self.is_address(*text))?;
        let help = "ask first: `isIP(text) && …`";
        Some(unless(self.passed(text, TextTest::Ip), "this fails where the text is no address", help))
    }

    fn network(&self, text: Option<NodeId>) -> Option<Verdict> {
        let text = text?;
        let help = "ask first: `isCIDR(text) && …`";
        Some(unless(self.passed(text, TextTest::Cidr), "this fails where the text is no network", help))
    }

    /// True for the address of a client or server.
    pub(in crate::cel) fn is_address(&self, id: NodeId) -> bool {
        self.address_fact(id).is_some()
    }

    /// The fact of an address, behind functions that leave it as it is.
    pub(in crate::cel) fn address_fact(&self, id: NodeId) -> Option<&'static str> {
        const MAX: usize = 8;
        let mut at = id;
        for _ in 0..MAX {
            match self.written(at).1? {
                Node::Call { name: "string" | "lower" | "lowerAscii" | "trim", arguments, .. } => {
                    at = *arguments.first()?;
                }
                _ => break,
            }
        }
        self.fact(at).filter(|path| matches!(*path, "conn.client_ip" | "conn.server_ip"))
    }

    /// True for a text that is a URL by itself.
    fn is_url(&self, id: NodeId) -> bool {
        matches!(self.fact(id), Some("req.url" | "req.url.raw" | "req.url.uri" | "endpoint.url"))
    }

    /// `int(text)` and its like.
    fn conversion(&self, name: &str, argument: NodeId) -> Verdict {
        let from_text = *self.code.ty(argument) == Type::String && self.constant(argument).is_none();
        if !from_text || self.fact(argument) == Some("time.now") {
            return Verdict::Never;
        }
        let help = "make sure of the text, e.g. with `matches`, or compare the text itself";
        let mut needs = self.passed(argument, TextTest::Matched);
        // Coordinates are numbers, or empty where the place is not known.
        if name == "double" && self.fact(argument).is_some_and(is_coordinate) {
            needs.push(Guard::Longer(self.key(argument), 1));
        }
        unless(needs, format!("this fails where the text is no {name}"), help)
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
                if let Some(Node::Call { name: "size", arguments, .. }) = self.written(divisor).1 {
                    needs.extend(arguments.first().map(|of| Guard::Longer(self.key(*of), 1)));
                }
                let help = "ask first, e.g. `n != 0 && …`, or divide by something that cannot be zero";
                unless(needs, "this fails where the divisor is zero", help)
            }
        }
    }

    /// A stretch of a text or list, between positions from 0 to its size.
    fn stretch(&self, name: &str, of: NodeId, positions: &[NodeId]) -> Verdict {
        let known: Vec<Option<i64>> = positions
            .iter()
            .map(|at| match self.constant(*at) {
                Some(Value::Int(at)) => Some(*at),
                _ => None,
            })
            .collect();
        if let Some(at) = known.iter().flatten().find(|at| **at < 0) {
            return Verdict::Always(
                format!("there is no position {at}"),
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
        let (what, help) = match name {
            "slice" => ("list", "ask first, e.g. `size(list) >= 3 && …`"),
            _ => ("text", "ask first, e.g. `size(text) >= 3 && …`, or compare with `startsWith`"),
        };
        unless(needs, format!("this fails where the {what} is shorter"), help)
    }

    /// Characters that a text has at least.
    fn least_length(&self, of: NodeId) -> u64 {
        match (self.fact(of), self.text(of)) {
            _ if self.is_path(of) => 1,
            // `::`.
            (Some("conn.client_ip" | "conn.server_ip"), _) => 2,
            (_, Some(text)) => text.chars().count() as u64,
            _ => 0,
        }
    }

    /// True for a path, which begins with a slash.
    pub(in crate::cel) fn is_path(&self, of: NodeId) -> bool {
        matches!(self.fact(of), Some("req.url.path" | "req.url.raw_path" | "req.url.uri"))
    }

    /// How far in front of the end of a list or text a position is: 1 for `list.size() - 1`.
    pub(in crate::cel) fn before_end(&self, position: NodeId, of: NodeId) -> Option<u64> {
        match self.written(position).1 {
            Some(Node::Call { name: "_-_", arguments, .. }) => match **arguments {
                [size, back] if self.is_size_of(size, of) => match self.constant(back) {
                    Some(Value::Int(back)) => u64::try_from(*back).ok(),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn is_size_of(&self, id: NodeId, of: NodeId) -> bool {
        matches!(
            self.written(id).1,
            Some(Node::Call { name: "size", arguments, .. })
                if arguments.first().is_some_and(|it| self.key(*it) == self.key(of))
        )
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
                let message = format!("there is no number from {min} to {max}");
                Verdict::Always(message, format!("write `rand.int({max}, {min})`"))
            }
            (Some(_), Some(_)) => Verdict::Never,
            _ => unless(
                vec![Guard::Looked(self.key(min)), Guard::Looked(self.key(max))],
                "this fails where the first number is greater than the second",
                "write numbers, or make sure of their order",
            ),
        }
    }

    /// The time zone of a calendar function; one that is written out has been looked at.
    fn zone(&self, arguments: &[NodeId]) -> Verdict {
        match arguments {
            [_, zone] if self.constant(*zone).is_none() => unless(
                vec![Guard::Looked(self.key(*zone))],
                "this fails where there is no such time zone",
                "write the name out, e.g. `'Europe/Berlin'`",
            ),
            _ => Verdict::Never,
        }
    }

    /// How a digest is printed.
    fn digest(&self, arguments: &[NodeId]) -> Verdict {
        let Some(format) = arguments.get(1) else { return Verdict::Never };
        let formats = ["hex", "base64"].map(Value::text);
        match self.text(*format) {
            Some("hex" | "base64") => Verdict::Never,
            Some(other) => {
                let message = format!(
                    "a digest is printed as `hex` or `base64`, not `{}`",
                    crate::diagnostic::shorten(other)
                );
                Verdict::Always(message, "write `'hex'` or `'base64'`, or leave it out".to_owned())
            }
            None => unless(
                vec![Guard::OneOf(self.key(*format), formats.into())],
                "this fails where the text is neither `hex` nor `base64`",
                "write `'hex'` or `'base64'`",
            ),
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
