//! Compares an answer with what a case expects.

use std::collections::BTreeMap;

use policy_core::cel::{TextMap, Value};
use policy_core::diagnostic::cut;
use policy_core::message::{Headers, Request, Response};
use policy_core::outcome::OutcomeKind;
use policy_core::parse::{Plain, PlainMap};
use policy_core::scenarios::{Actual, Expected, ExpectedEffect, ExpectedHeader};
use policy_core::source::Span;

use crate::answer::{Answer, Other, Performed, RequestAnswer};
use crate::cli::Eval;
use crate::hidden::Hidden;
use crate::suite::What;

/// Characters of a value that is told.
const MAX_TOLD: usize = 300;

/// Something that does not hold.
pub(super) struct Found {
    /// Where the expectation stands.
    pub(super) span: Span,
    pub(super) what: What,
    /// What would hold; nothing where no expectation says it.
    pub(super) actual: Option<Actual>,
}

/// What of an expectation does not hold.
pub(super) fn unmet(answer: &Answer, expect: &Expected, sent: Option<&Request>, call: &Eval) -> Vec<Found> {
    let mut judge = Judge { answer, hidden: Hidden::new(&call.secret), out: Vec::new() };
    judge.outcome(expect);
    if let Some(rule) = &expect.rule
        && answer.rule.as_deref() != Some(&*rule.value)
    {
        let got =
            answer.rule.as_ref().map_or("no rule with a name".to_owned(), |rule| format!("rule `{rule}`"));
        let actual = answer.rule.as_deref().map(|rule| Actual::Value(quoted(rule)));
        judge.differs(rule.span, format!("rule `{}`", rule.value), got, actual);
    }
    judge.response(expect);
    judge.request(expect, sent);
    judge.variables(expect);
    judge.effects(expect);
    judge.out
}

struct Judge<'a> {
    answer: &'a Answer,
    hidden: Hidden,
    out: Vec<Found>,
}

impl Judge<'_> {
    fn differs(&mut self, span: Span, expected: String, got: String, actual: Option<Actual>) {
        self.add(span, (expected, got), None, actual);
    }

    fn add(
        &mut self,
        span: Span,
        (mut expected, mut got): (String, String),
        because: Option<String>,
        actual: Option<Actual>,
    ) {
        [&mut expected, &mut got].into_iter().for_each(|text| self.hidden.text(text));
        let [expected, got] = [expected, got].map(|text| cut(&text, MAX_TOLD).into_owned());
        self.out.push(Found { span, what: What::Differs { expected, got, because }, actual });
    }

    fn outcome(&mut self, expect: &Expected) {
        let Some(wanted) = &expect.outcome else { return };
        let Some(got) = self.answer.other_than(&wanted.value) else { return };
        let mut because = self.answer.reason.clone();
        self.hidden.text(&mut because);
        let is_about_it = matches!(got, Other::Outcome) && !because.is_empty();
        let because = is_about_it.then(|| cut(&because, MAX_TOLD).into_owned());
        // Where a pool decides, no single outcome holds.
        let actual = outcome(self.answer).filter(|_| self.answer.draws.is_empty() && self.answer.all_drawn);
        let told = (wanted.value.to_string(), got.words(self.answer));
        self.add(wanted.span, told, because, actual);
    }

    fn response(&mut self, expect: &Expected) {
        let wanted = &expect.answer;
        let response = response_of(self.answer);
        let none = || "no answer to the client".to_owned();
        if let Some(status) = &wanted.status
            && response.is_none_or(|response| response.status != status.value)
        {
            let got = response.map_or_else(none, |response| format!("status {}", response.status));
            let actual = response.map(|response| Actual::Value(response.status.to_string()));
            self.differs(status.span, format!("status {}", status.value), got, actual);
        }
        for header in &wanted.headers {
            match response {
                Some(response) => self.header(header, &values_of(&response.headers, &header.name.value)),
                None => self.differs(header.name.span, header_words(header), none(), None),
            }
        }
        if let Some(body) = &wanted.body {
            let got = response.map(|response| String::from_utf8_lossy(&response.body).into_owned());
            if got.as_deref() != Some(&*body.value) {
                let actual = response.and_then(|response| text(&response.body)).map(Actual::Value);
                let got = got.map_or_else(none, |got| format!("the body {got:?}"));
                self.differs(body.span, format!("the body {:?}", body.value), got, actual);
            }
        }
    }

    fn request(&mut self, expect: &Expected, sent: Option<&Request>) {
        let Some(wanted) = &expect.request else { return };
        let (Some(sent), Some(changed), true) = (sent, &self.answer.request, self.answer.admitted) else {
            let span = wanted.url.as_ref().map(|url| url.span);
            let span = span.or_else(|| wanted.headers.first().map(|header| header.name.span));
            let span = span.or_else(|| wanted.body.as_ref().map(|body| body.span)).unwrap_or(expect.span);
            self.differs(span, "a request to the upstream".to_owned(), "none".to_owned(), None);
            return;
        };
        if let Some(url) = &wanted.url {
            let got = changed.url.as_deref().unwrap_or(&sent.url);
            if got != &*url.value {
                let actual = Some(Actual::Value(quoted(got)));
                self.differs(url.span, format!("the URL {}", url.value), got.to_owned(), actual);
            }
        }
        for header in &wanted.headers {
            self.header(header, &sent_values(sent, changed, &header.name.value));
        }
        if let Some(body) = &wanted.body {
            let got = changed.body.as_deref().unwrap_or(&sent.body);
            if got != body.value.as_bytes() {
                let actual = text(got).map(Actual::Value);
                let got = format!("{:?}", String::from_utf8_lossy(got));
                self.differs(body.span, format!("the body {:?}", body.value), got, actual);
            }
        }
    }

    fn header(&mut self, wanted: &ExpectedHeader, got: &[String]) {
        let is = wanted.values.iter().map(|value| &**value).eq(got.iter().map(String::as_str));
        if !is {
            let actual = match got {
                [] => "null".to_owned(),
                [one] => quoted(one),
                all => format!("[{}]", all.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")),
            };
            let got = if got.is_empty() { "none".to_owned() } else { got.join(", ") };
            self.differs(wanted.name.span, header_words(wanted), got, Some(Actual::Value(actual)));
        }
    }

    fn variables(&mut self, expect: &Expected) {
        let mut set: BTreeMap<&str, &Value> = BTreeMap::new();
        for performed in &self.answer.effects {
            if let Performed::Set(name, value) = performed {
                set.insert(name, value);
            }
        }
        for (name, wanted) in &expect.vars {
            let got = set.get(&*name.value);
            // `null` is for one that was not set.
            if got.map_or(*wanted != Plain::Null, |got| !same(wanted, got)) {
                let actual = got.map_or(Some(Plain::Null), |got| plain(got));
                let actual = actual.map(|plain| Actual::Value(plain_words(&plain)));
                let got = got.map_or_else(|| "it was not set".to_owned(), |got| got.to_string());
                let wanted = match wanted {
                    Plain::Null => "not to be set".to_owned(),
                    value => format!("to be {}", plain_words(value)),
                };
                self.differs(name.span, format!("`vars.{}` {wanted}", name.value), got, actual);
            }
        }
    }

    fn effects(&mut self, expect: &Expected) {
        let Some(wanted) = &expect.effects else { return };
        let got: Vec<&Performed> = self
            .answer
            .effects
            .iter()
            .filter(|performed| !matches!(performed, Performed::Set(..) | Performed::Reached(_)))
            .collect();
        let differing =
            wanted.value.iter().zip(&got).position(|(wanted, got)| !is_effect(&wanted.value, got));
        let number = wanted.value.len().min(got.len());
        let Some(at) = differing.or((wanted.value.len() != got.len()).then_some(number)) else { return };
        let span = wanted.value.get(at).map_or(wanted.span, |effect| effect.span);
        let expected =
            wanted.value.get(at).map_or("no further effect".to_owned(), |it| effect_words(&it.value));
        let actual = format!("[{}]", got.iter().map(|got| effect(got)).collect::<Vec<_>>().join(", "));
        let got = got.get(at).map_or("no further effect".to_owned(), |got| performed_words(got));
        self.differs(span, format!("effect {}: {expected}", at + 1), got, Some(Actual::Value(actual)));
    }
}

/// The outcome of an answer as a field of an expectation; nothing if nothing was decided.
fn outcome(answer: &Answer) -> Option<Actual> {
    let status = response_of(answer).map(|response| response.status);
    let value = match (answer.decision, status) {
        (OutcomeKind::Forward, _) => quoted(&answer.target.as_ref()?.to_string()),
        (OutcomeKind::Deny | OutcomeKind::Respond, Some(status)) => status.to_string(),
        (OutcomeKind::Deny | OutcomeKind::Close | OutcomeKind::Error, _) => "true".to_owned(),
        (OutcomeKind::Upstream, _) if answer.admitted => "true".to_owned(),
        _ => return None,
    };
    // Fields are called as the outcomes.
    Some(Actual::Field(answer.decision.name(), value))
}

/// An effect as an item of an expectation, as JSON.
fn effect(performed: &Performed) -> String {
    match performed {
        Performed::Forward(url, _) => format!("{{\"forward\": {}}}", quoted(&url.to_string())),
        Performed::Log(metadata) => {
            format!("{{\"log\": {}}}", plain_words(&Plain::Map((**metadata).clone())))
        }
        other => quoted(name_of(other)),
    }
}

/// A text in quotes, as JSON and YAML have it.
fn quoted(text: &str) -> String {
    plain_words(&Plain::String(text.into()))
}

/// A body in quotes, if it is text.
fn text(body: &[u8]) -> Option<String> {
    std::str::from_utf8(body).ok().map(quoted)
}

/// A value as plain data; nothing for one that files cannot say.
fn plain(value: &Value) -> Option<Plain> {
    Some(match value {
        Value::Null => Plain::Null,
        Value::Bool(value) => Plain::Bool(*value),
        Value::Int(value) => Plain::Int(*value),
        Value::Uint(value) => Plain::Uint(*value),
        Value::Double(value) if value.is_finite() => Plain::Float(*value),
        Value::String(value) => Plain::String((&**value).into()),
        Value::List(values) => Plain::List(values.iter().map(plain).collect::<Option<_>>()?),
        Value::Map(values) => {
            let entry = |(name, value): (&Value, &Value)| match name {
                Value::String(name) => Some(((&**name).into(), plain(value)?)),
                _ => None,
            };
            Plain::Map(PlainMap(values.iter().map(entry).collect::<Option<_>>()?))
        }
        _ => return None,
    })
}

fn response_of(answer: &Answer) -> Option<&Response> {
    answer.request.as_ref().and_then(|request| request.response.as_ref())
}

fn values_of(headers: &Headers, name: &str) -> Vec<String> {
    let count = headers.count(name).unwrap_or(0);
    (0..count).filter_map(|at| headers.get(name, at)).map(str::to_owned).collect()
}

/// The values of a header of a request as it goes on.
fn sent_values(sent: &Request, changed: &RequestAnswer, name: &str) -> Vec<String> {
    let of = changed.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    of.map_or_else(|| values_of(&sent.headers, name), |(_, values)| values.clone())
}

fn header_words(header: &ExpectedHeader) -> String {
    match header.values.as_slice() {
        [] => format!("no header `{}`", header.name.value),
        values => format!("`{}: {}`", header.name.value, values.join(", ")),
    }
}

fn is_effect(wanted: &ExpectedEffect, got: &Performed) -> bool {
    match (wanted, got) {
        (ExpectedEffect::Forward(url), Performed::Forward(target, _)) => url == target,
        (ExpectedEffect::Log(metadata), Performed::Log(logged)) => *metadata == **logged,
        (ExpectedEffect::Named(name), got) => **name == *name_of(got),
        _ => false,
    }
}

const fn name_of(performed: &Performed) -> &'static str {
    match performed {
        Performed::Forward(..) => "forward",
        Performed::Log(_) => "log",
        Performed::Other(name) => name,
        Performed::Set(..) | Performed::Reached(_) => "",
    }
}

fn effect_words(effect: &ExpectedEffect) -> String {
    match effect {
        ExpectedEffect::Forward(url) => format!("forward: {url}"),
        ExpectedEffect::Log(metadata) => format!("log: {}", plain_words(&Plain::Map(metadata.clone()))),
        ExpectedEffect::Named(name) => name.to_string(),
        _ => String::new(),
    }
}

fn performed_words(performed: &Performed) -> String {
    match performed {
        Performed::Forward(url, _) => format!("forward: {url}"),
        Performed::Log(metadata) => format!("log: {}", plain_words(&Plain::Map((**metadata).clone()))),
        other => name_of(other).to_owned(),
    }
}

/// Plain data as JSON.
fn plain_words(plain: &Plain) -> String {
    policy_core::json::to_string(plain).unwrap_or_default()
}

/// Whether a value is what a file says. Numbers are compared as numbers.
fn same(plain: &Plain, value: &Value) -> bool {
    match (plain, value) {
        (Plain::Null, Value::Null) => true,
        (Plain::Bool(plain), Value::Bool(value)) => plain == value,
        (Plain::Int(plain), Value::Int(value)) => plain == value,
        (Plain::Int(plain), Value::Uint(value)) => u64::try_from(*plain) == Ok(*value),
        (Plain::Uint(plain), Value::Uint(value)) => plain == value,
        #[allow(clippy::cast_precision_loss, reason = "as CEL compares them")]
        (Plain::Int(plain), Value::Double(value)) => (*plain as f64).total_cmp(value).is_eq(),
        (Plain::Float(plain), Value::Double(value)) => plain.total_cmp(value).is_eq(),
        (Plain::String(plain), Value::String(value)) => **plain == **value,
        (Plain::List(plain), Value::List(values)) => {
            plain.len() == values.len()
                && plain.iter().zip(values.iter()).all(|(plain, value)| same(plain, value))
        }
        (Plain::Map(plain), Value::Map(values)) => {
            let has = |(key, plain): &(Box<str>, Plain)| {
                let found =
                    values.iter().find(|(name, _)| matches!(name, Value::String(name) if **name == **key));
                found.is_some_and(|(_, value)| same(plain, value))
            };
            plain.0.len() == values.len() && plain.0.iter().all(has)
        }
        _ => false,
    }
}
