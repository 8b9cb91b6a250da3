//! The naive run: what each action does, again, straight from the model. The compiled engine is compared with it.
//!
//! It owns its messages and changes them in place, where the engine lends them and keeps what was changed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::HttpRefusal;
use super::values::{from_plain, to_plain};
use crate::cel::{EvalError, EvalLimits, Expression, Fault, Map, Pattern, Template, TemplatePart, Value};
use crate::exchange::{Body, Effect, Reply};
use crate::facts::{Facts, FactsHost, State};
use crate::message::{BySide, ContentCoding, Headers, MAX_BODY, Request, RequestUrl, Response, Side};
use crate::phase::Phase;
use crate::schema::{ConfigValue, Text};
use crate::url::EndpointUrl;
use crate::vocabulary::ActionResult;

/// How an action ends the phase in the naive run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NaiveEnd {
    Forwarded(EndpointUrl),
    /// Refused; over HTTP with an answer.
    Denied(Option<Response>),
    Closed,
    Responded(Response),
    /// A value of it cannot be made, or it fails and that is the end.
    Failed,
}

/// What comes after an action in the naive run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NaiveNext {
    GoOn,
    End(NaiveEnd),
    /// The action has no naive form.
    Unknown,
}

/// One naive run, of all phases of a connection or request.
pub(crate) struct Naive<'f> {
    facts: Facts<'f>,
    draws: u64,
    state: State,
    online: &'f dyn Fn(&EndpointUrl) -> bool,
    reply: &'f dyn Fn(Effect) -> Reply,
    phase: Phase,
    pub(crate) request: Option<Request>,
    pub(crate) response: Option<Response>,
    /// Bodies as they are now.
    bodies: BySide<Vec<u8>>,
    pub(crate) compression: Option<ContentCoding>,
    /// The keys of limits that were asked, in order.
    pub(crate) counted: Vec<String>,
}

impl fmt::Debug for Naive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Naive").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl<'f> Naive<'f> {
    pub(crate) fn new(
        facts: &Facts<'f>,
        online: &'f dyn Fn(&EndpointUrl) -> bool,
        reply: &'f dyn Fn(Effect) -> Reply,
    ) -> Self {
        Self {
            facts: *facts,
            draws: 0,
            state: State::default(),
            online,
            reply,
            phase: Phase::OnTcpConnect,
            request: None,
            response: None,
            bodies: BySide::default(),
            compression: None,
            counted: Vec::new(),
        }
    }

    /// Begins a phase: variables are of one phase, and each event is another one.
    pub(crate) fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.state.end_phase();
        self.bodies.set(Side::Event, None);
    }

    pub(crate) fn client_ip(&self) -> IpAddr {
        self.facts.client_ip()
    }

    /// True if an endpoint takes a connection.
    pub(crate) fn is_online(&self, url: &EndpointUrl) -> bool {
        (self.online)(url)
    }

    /// What the host says.
    pub(crate) fn ask(&self, effect: Effect) -> Reply {
        (self.reply)(effect)
    }

    /// Runs something with the messages as they are now, again if it wants a secret.
    fn with_host<R>(&mut self, run: impl Fn(&mut FactsHost<'_>) -> Result<R, EvalError>) -> Option<R> {
        loop {
            let request = self.request.as_ref().and_then(|request| request.facts().ok());
            let messages = match (request, &self.response) {
                (Some(request), Some(response)) => Some(request.with_response(response)),
                (request, _) => request,
            };
            let facts = messages.as_ref().map_or(self.facts, |messages| self.facts.with_request(messages));
            let mut host = FactsHost::new(&facts, Some(&self.state), self.draws);
            let result = run(&mut host);
            self.draws = host.draws;
            match result {
                Ok(made) => return Some(made),
                Err(EvalError { fault: Fault::SecretWanted { vault, name }, .. })
                    if self.state.may_keep_secret() =>
                {
                    let Reply::Secret(secret) = self.ask(Effect::GetSecret) else { return None };
                    self.state.keep_secret(vault, name, *secret);
                }
                Err(_) => return None,
            }
        }
    }

    /// The value of an expression as it is written; `None` if it has none.
    pub(crate) fn evaluate(&mut self, expression: &Expression) -> Option<Value> {
        self.with_host(|host| expression.explain(host, EvalLimits::default(), 0).0)
    }

    /// A condition as it is written; `None` if it has no value.
    pub(crate) fn condition(&mut self, expression: &Expression) -> Option<bool> {
        match self.evaluate(expression)? {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A text; `None` if an expression in it has no value.
    pub(crate) fn text(&mut self, text: &Text) -> Option<String> {
        self.with_host(|host| text.template.render(host, &mut EvalLimits::default()).map_err(|it| it.error))
    }

    /// A part of a text; `None` if it has no value.
    pub(crate) fn part(&mut self, part: &TemplatePart) -> Option<String> {
        let part = Template::of_part(part);
        self.with_host(|host| part.render(host, &mut EvalLimits::default()).map_err(|it| it.error))
    }

    /// A value of any shape; `None` if an expression in it has none.
    fn value(&mut self, value: &ConfigValue) -> Option<Value> {
        Some(match value {
            ConfigValue::Plain(plain) => from_plain(plain),
            ConfigValue::Text(text) => {
                let limits = EvalLimits::default;
                self.with_host(|host| text.template.value(host, &mut limits()).map_err(|it| it.error))?
            }
            ConfigValue::List(items) => {
                Value::list(items.iter().map(|item| self.value(item)).collect::<Option<_>>()?)
            }
            ConfigValue::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| Some((&**key, self.value(value)?)));
                Map::from_texts(entries.collect::<Option<Vec<_>>>()?).into()
            }
        })
    }

    /// What a log entry keeps; `None` if a part of it has no value.
    pub(crate) fn logged(&mut self, value: &ConfigValue) -> Option<Map> {
        let mut plain = to_plain(&self.value(value)?);
        self.state.hide_secrets(&mut plain);
        match from_plain(&plain) {
            Value::Map(map) => Some((*map).clone()),
            _ => None,
        }
    }

    pub(crate) fn set_variable(&mut self, name: &str, value: &ConfigValue) -> Option<()> {
        let value = self.value(value)?;
        self.state.set(&Arc::from(name), value);
        Some(())
    }

    pub(crate) fn set_result<T: Into<Value>>(&mut self, result: &ActionResult<T>, value: impl Into<T>) {
        let value: T = value.into();
        self.state.set_result(result.path(), value.into());
    }

    /// The URL of the request as it is now.
    pub(crate) fn url(&self) -> Option<RequestUrl<'static>> {
        Some(RequestUrl::parse(&*self.request.as_ref()?.url).ok()?.into_owned())
    }

    /// The headers of the message that the phase is about.
    pub(crate) fn headers(&mut self) -> Option<&mut Headers> {
        match self.phase {
            Phase::OnHttpRequest => self.request.as_mut().map(|request| &mut request.headers),
            _ => self.response.as_mut().map(|response| &mut response.headers),
        }
    }

    /// Headers with their values.
    pub(crate) fn rendered_headers<'t>(
        &mut self,
        headers: impl Iterator<Item = (&'t str, &'t Text)>,
    ) -> Option<Headers> {
        let mut out = Headers::default();
        for (name, value) in headers {
            let value = self.text(value)?;
            out.append(name, &value).ok()?;
        }
        Some(out)
    }

    /// How a refusal is told in this phase.
    pub(crate) fn refused(&self, refusal: HttpRefusal) -> NaiveNext {
        let answered = self.phase != Phase::OnTcpConnect;
        NaiveNext::End(NaiveEnd::Denied(answered.then(|| refusal.to_response())))
    }

    /// A body as it is now; `None` if it cannot be searched.
    pub(crate) fn body(&mut self, side: Side) -> Option<Vec<u8>> {
        if let Some(body) = self.bodies.get(side) {
            return Some(body.clone());
        }
        let headers = match side {
            Side::Request => self.request.as_ref().map(|request| &request.headers),
            Side::Response | Side::Event => self.response.as_ref().map(|response| &response.headers),
        };
        let lines =
            headers.into_iter().flat_map(Headers::iter).filter(|(name, _)| *name == "content-encoding");
        let codings = lines.map(|(_, line)| line.to_lowercase()).collect::<Vec<_>>().join(",");
        let encoded = codings.split(',').any(|coding| !matches!(coding.trim(), "" | "identity"));
        if encoded && !(side == Side::Response && self.compression.is_some()) {
            return None;
        }
        match self.ask(Effect::ReadBody { side, max: MAX_BODY }) {
            Reply::Body(body) if body.complete => {
                let Body { bytes, .. } = *body;
                self.bodies.set(side, Some(bytes.to_vec()));
                Some(bytes.to_vec())
            }
            _ => None,
        }
    }

    /// True if the response can have no body.
    pub(crate) fn has_no_response_body(&self) -> bool {
        let head = self.request.as_ref().is_some_and(|request| request.method == "HEAD");
        head || self
            .response
            .as_ref()
            .is_some_and(|response| matches!(response.status, 100..=199 | 204 | 304))
    }

    /// Forgets a compression that the headers say no more.
    pub(crate) fn forget_compression(&mut self) {
        if self.phase != Phase::OnHttpRequest {
            self.compression = None;
        }
    }

    /// Changes a body, and the length that its message tells.
    pub(crate) fn set_body(&mut self, side: Side, bytes: Vec<u8>) {
        let length = bytes.len().to_string();
        self.bodies.set(side, Some(bytes));
        let headers = match side {
            Side::Request => self.request.as_mut().map(|request| &mut request.headers),
            Side::Response if self.compression.is_none() => {
                self.response.as_mut().map(|response| &mut response.headers)
            }
            Side::Response | Side::Event => None,
        };
        if let Some(headers) = headers {
            headers.remove("transfer-encoding");
            let _ = headers.replace("content-length", &length);
        }
    }

    /// The body as it was changed or read.
    pub(crate) fn known_body(&self, side: Side) -> Option<&[u8]> {
        self.bodies.get(side).map(Vec::as_slice)
    }
}

/// Replaces every match of a pattern, character by character as the documentation says it; the text, and what matched.
/// Without a pattern it is the whole. `None` if the pattern is none.
pub(crate) fn replace(from: Option<&str>, text: &[u8], to: &str) -> Option<(Vec<u8>, Vec<String>)> {
    let Some(from) = from else {
        return Some((to.as_bytes().to_vec(), vec![String::from_utf8_lossy(text).into_owned()]));
    };
    let pattern = Pattern::new(from).ok()?;
    let (mut out, mut matches, mut at) = (Vec::new(), Vec::new(), 0);
    for found in pattern.regex().captures_iter(text) {
        let whole = found.get(0)?;
        // An empty match inside of a character is none.
        if text.get(whole.start()).is_some_and(|byte| byte & 0xc0 == 0x80) {
            continue;
        }
        out.extend_from_slice(text.get(at..whole.start())?);
        let group = |name: &str| match name.parse::<usize>() {
            Ok(number) => found.get(number),
            Err(_) => found.name(name),
        };
        let mut rest = to;
        while let Some((before, behind)) = rest.split_once('$') {
            out.extend_from_slice(before.as_bytes());
            let word = |text: &str| {
                text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
            };
            let braced = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
            if let Some(behind) = behind.strip_prefix('$') {
                out.push(b'$');
                rest = behind;
            } else if let Some((name, behind)) = braced {
                out.extend_from_slice(group(name).map_or(&b""[..], |it| it.as_bytes()));
                rest = behind;
            } else if word(behind) > 0 {
                let (name, behind) = behind.split_at(word(behind));
                out.extend_from_slice(group(name).map_or(&b""[..], |it| it.as_bytes()));
                rest = behind;
            } else {
                out.push(b'$');
                rest = behind;
            }
        }
        out.extend_from_slice(rest.as_bytes());
        at = whole.end();
        matches.push(String::from_utf8_lossy(whole.as_bytes()).into_owned());
    }
    out.extend_from_slice(text.get(at..)?);
    matches.truncate(100);
    Some((out, matches))
}
