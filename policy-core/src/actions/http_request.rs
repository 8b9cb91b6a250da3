//! `http-request`: asks another server while a request waits.
//!
//! Source: ngrok documentation, http-request (2026-08-07). The table and the prose of `max_redirects`
//! contradict one another (10 of 0–100, 0 of 0–5).

use std::fmt;
use std::time::Duration;

use super::headers::{HEADERS as HEADER_MAP, HeaderList, digest_headers, rendered_headers};
use super::{ActionType, MESSAGE_PHASES, NO_EFFECT, ON_ERROR, OnError};
use crate::cel::{Borrowed, Expression, Map, Unrendered, Value};
use crate::diagnostic::Diagnostic;
use crate::exchange::{Answered, Asked, Effect, Outbound, OutboundFailure, Reply};
use crate::ir::Lowering;
use crate::message::{RequestUrl, Response};
use crate::outcome::Ending;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
use crate::schema::{
    Choice, Condition, Context, Declared, DurationField, Entries, Field, HeaderValue, Integer, Interpolated,
    Items, Record, Text, WebUrl,
};
use crate::source::Spanned;
use crate::vocabulary::{self, ActionResult, REQUEST};

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
}

static URL: Field<WebUrl> = Field::required(
    "url",
    WebUrl { interpolated: true },
    "url: https://check.internal",
    "Whom to ask; ngrok reaches internal endpoints only, unless an account is allowed more.",
)
.bare_url();
static METHOD: Field<Choice<Method>> = Field::default(
    "method",
    Choice {
        of: &[
            ("GET", Method::Get),
            ("POST", Method::Post),
            ("PUT", Method::Put),
            ("PATCH", Method::Patch),
            ("DELETE", Method::Delete),
            ("OPTIONS", Method::Options),
        ],
    },
    "GET",
    "The method.",
);
static KEY: Field<Interpolated> =
    Field::required("key", Interpolated::up_to(128), "key: site", "The name of the parameter.");
static VALUE: Field<Interpolated> =
    Field::required("value", Interpolated::up_to(8_192), "value: berlin", "Its value.");
static QUERY_PARAMS: Field<Items<Record<(Text, Text)>>> = Field::optional(
    "query_params",
    Items::new(Record {
        fields: &[&KEY, &VALUE],
        ignored: &[],
        read: |fields, cx| {
            let (key, value) = (cx.read(fields, &KEY), cx.read(fields, &VALUE));
            Some((key?, value?))
        },
    })
    .between(0, 32),
    "Parameters that are added to the URL.",
);
static HEADERS: Field<Entries<HeaderValue>> =
    Field::optional("headers", HEADER_MAP, "Headers of the request.");
static BODY: Field<Interpolated> =
    Field::optional("body", Interpolated::ANY, "The body, for POST, PUT and PATCH.");
static MAX_REDIRECTS: Field<Integer> =
    Field::default("max_redirects", Integer(0, 100), "0", "How many redirects are followed.");
static TIMEOUT: Field<DurationField> = Field::default(
    "timeout",
    DurationField::seconds(1, 30),
    "3s",
    "How long all attempts and redirects may take together.",
);
static RETRY_CONDITION: Field<Condition> = Field::optional(
    "retry_condition",
    Condition { boolean: true, retry: true },
    "When to try again, up to three times, else never; `attempts` and `last_attempt` are known in it.",
);

const HEADER_MAP_TYPE: &str = "map(string, list(string))";

const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.http_request.error.code", REQUEST, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.http_request.error.message", REQUEST, "the fault in words");
const ATTEMPTS: ActionResult<Value> = ActionResult::of_type(
    "actions.ngrok.http_request.attempts",
    "list(HttpAttempt)",
    REQUEST,
    "what each attempt met",
);
const METHOD_SENT: ActionResult<String> =
    ActionResult::text("actions.ngrok.http_request.req.method", REQUEST, "the method that was used");
const HEADER_SENT: ActionResult<Value> = ActionResult::of_type(
    "actions.ngrok.http_request.req.header",
    HEADER_MAP_TYPE,
    REQUEST,
    "the headers that were sent",
);
const URL_SENT: ActionResult<String> =
    ActionResult::text("actions.ngrok.http_request.req.url", REQUEST, "the URL that was asked");
const BODY_SENT: ActionResult<String> =
    ActionResult::text("actions.ngrok.http_request.req.body", REQUEST, "the body that was sent");
const RESOLVED_IP: ActionResult<String> =
    ActionResult::text("actions.ngrok.http_request.res.resolved_ip", REQUEST, "the address that answered");
const HEADER_RECEIVED: ActionResult<Value> = ActionResult::of_type(
    "actions.ngrok.http_request.res.header",
    HEADER_MAP_TYPE,
    REQUEST,
    "the headers of the answer",
);
const STATUS_CODE: ActionResult<i64> =
    ActionResult::int("actions.ngrok.http_request.res.status_code", REQUEST, "the status of the answer");
const TIME_MS: ActionResult<i64> =
    ActionResult::int("actions.ngrok.http_request.res.time_ms", REQUEST, "how long it took");
const BODY_RECEIVED: ActionResult<Value> = ActionResult::any(
    "actions.ngrok.http_request.res.body",
    REQUEST,
    "the body of the answer, up to 256 KB; examples use it as text and as decoded JSON",
);

/// How often a request is tried again at most.
const MAX_RETRIES: u32 = 3;

/// Asks another server while a request waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpRequest {
    /// Whom to ask.
    pub url: Text,
    /// The method.
    pub method: Method,
    /// Parameters that are added to the URL.
    pub query_params: Vec<(Text, Text)>,
    /// Headers of the request.
    pub headers: HeaderList,
    /// The body.
    pub body: Option<Text>,
    /// How many redirects are followed.
    pub max_redirects: i64,
    /// How long everything may take.
    pub timeout: Duration,
    /// When to try again; never, if there is none.
    pub retry_condition: Option<Spanned<Expression>>,
    /// What happens when there is no answer.
    pub on_error: OnError,
}

impl Method {
    /// The name in requests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// True if requests with it have the body.
    const fn sends_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl ActionType for HttpRequest {
    const NAME: &'static str = "http-request";
    const PHASES: PhaseSet = MESSAGE_PHASES;
    const FIELDS: Declared = &[
        &URL,
        &METHOD,
        &QUERY_PARAMS,
        &HEADERS,
        &BODY,
        &MAX_REDIRECTS,
        &TIMEOUT,
        &RETRY_CONDITION,
        &ON_ERROR_CONTINUE,
    ];
    const RESULTS: &'static [vocabulary::Declared] = &[
        ERROR_CODE.declared(),
        ERROR_MESSAGE.declared(),
        ATTEMPTS.declared(),
        METHOD_SENT.declared(),
        HEADER_SENT.declared(),
        URL_SENT.declared(),
        BODY_SENT.declared(),
        RESOLVED_IP.declared(),
        HEADER_RECEIVED.declared(),
        STATUS_CODE.declared(),
        TIME_MS.declared(),
        BODY_RECEIVED.declared(),
        vocabulary::Declared::new("HttpAttempt.resolved_ip", "string", REQUEST, "the address that was asked"),
        vocabulary::Declared::new(
            "HttpAttempt.response_header",
            HEADER_MAP_TYPE,
            REQUEST,
            "the headers of the answer",
        ),
        vocabulary::Declared::new(
            "HttpAttempt.response_status_code",
            "int",
            REQUEST,
            "the status of the answer",
        ),
        vocabulary::Declared::new("HttpAttempt.response_time_ms", "int", REQUEST, "how long it took"),
    ];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/http-request.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (url, method) = (cx.read(fields, &URL), cx.read(fields, &METHOD));
        let (query_params, headers) = (cx.optional(fields, &QUERY_PARAMS), cx.optional(fields, &HEADERS));
        let (body, max_redirects) = (cx.optional(fields, &BODY), cx.read(fields, &MAX_REDIRECTS));
        let (timeout, on_error) = (cx.read(fields, &TIMEOUT), cx.read(fields, &ON_ERROR_CONTINUE));
        let retry_condition = cx.optional(fields, &RETRY_CONDITION);
        let (method, body) = (method?, body?);
        if let Some(body) = &body
            && !method.sends_body()
        {
            let found =
                Diagnostic::new(&NO_EFFECT, body.span, "`body` is sent with POST, PUT and PATCH only");
            cx.reader.report(found.with_help("set `method: POST`, or remove `body`"));
        }
        Some(Self {
            url: url?,
            method,
            query_params: query_params?.unwrap_or_default(),
            headers: headers?.unwrap_or_default(),
            body,
            max_redirects: max_redirects?,
            timeout: timeout?,
            retry_condition: retry_condition?,
            on_error: on_error?,
        })
    }

    fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
        self.retry_condition.iter().for_each(|condition| each(&condition.value));
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        each(&self.url);
        self.query_params.iter().for_each(|(key, value)| [key, value].into_iter().for_each(&mut *each));
        self.body.iter().chain(self.headers.iter().map(|(_, value)| value)).for_each(each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }
}

static ON_ERROR_CONTINUE: Field<Choice<OnError>> =
    Field::default("on_error", ON_ERROR, "continue", "Whether the request continues when no server answers.");

impl HttpRequest {
    /// The URL that is asked, with its parameters.
    fn url(&self, run: &mut Run<'_>) -> Result<String, Unrendered> {
        let url = run.render(&self.url.template)?;
        let mut pairs = Vec::new();
        for (key, value) in &self.query_params {
            pairs.push((run.render(&key.template)?, run.render(&value.template)?));
        }
        RequestUrl::parse(url)
            .and_then(|url| url.with_params(pairs.iter().map(|(key, value)| (&**key, &**value))))
            .map(|url| url.as_str().to_owned())
            .map_err(|error| Unrendered::unusable(error.to_string()))
    }

    /// Sets the results of the last attempt.
    fn set_results(
        run: &mut Run<'_>,
        sent: &Outbound,
        answered: &Result<Answered, OutboundFailure>,
    ) -> Result<(), Unrendered> {
        let attempts = run.attempts().to_vec();
        run.keep_result(&ATTEMPTS, Value::list(attempts))?;
        run.keep_result(&METHOD_SENT, Value::text(sent.method))?;
        run.keep_result(&HEADER_SENT, Borrowed::Texts(&sent.headers).to_value())?;
        run.keep_result(&URL_SENT, Value::text(&*sent.url))?;
        run.keep_result(&BODY_SENT, Value::text(&*sent.body))?;
        let none = Answered { response: Response::new(0), resolved_ip: None, time: Duration::ZERO };
        let (code, message) = match answered {
            Ok(_) => (String::new(), String::new()),
            Err(failure) => (failure.ngrok_code().to_string(), failure.to_string()),
        };
        let Answered { response, resolved_ip, time } = answered.as_ref().unwrap_or(&none);
        run.keep_result(&RESOLVED_IP, Value::text(resolved_ip.map(|ip| ip.to_string()).unwrap_or_default()))?;
        run.keep_result(&HEADER_RECEIVED, Borrowed::Texts(&response.headers).to_value())?;
        run.keep_result(&STATUS_CODE, Value::Int(response.status.into()))?;
        run.keep_result(&TIME_MS, Value::Int(milliseconds(*time)))?;
        run.keep_result(&BODY_RECEIVED, Value::text(&*String::from_utf8_lossy(&response.body)))?;
        run.set_result(&ERROR_CODE, code);
        run.set_result(&ERROR_MESSAGE, message);
        Ok(())
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What an attempt met, for `attempts` of the results.
fn attempt(answered: &Result<Answered, OutboundFailure>) -> Value {
    let answered = answered.as_ref().ok();
    let headers = answered.map(|it| Borrowed::Texts(&it.response.headers).to_value());
    let ip = answered.and_then(|it| it.resolved_ip).map(|ip| ip.to_string()).unwrap_or_default();
    Value::from(Map::from_texts([
        ("resolved_ip", Value::text(ip)),
        ("response_header", headers.unwrap_or_else(|| Map::default().into())),
        ("response_status_code", Value::Int(answered.map_or(0, |it| it.response.status.into()))),
        ("response_time_ms", Value::Int(answered.map_or(0, |it| milliseconds(it.time)))),
    ]))
}

/// `last_attempt` of a retry condition. An example of the documentation calls the status `statusCode`, its results
/// `status_code`: both are there.
fn last_attempt(sent: &Outbound, answered: &Result<Answered, OutboundFailure>) -> Value {
    let request = Map::from_texts([
        ("method", Value::text(sent.method)),
        ("url", Value::text(&*sent.url)),
        ("header", Borrowed::Texts(&sent.headers).to_value()),
        ("body", Value::text(&*sent.body)),
    ]);
    let (response, error) = match answered {
        Ok(Answered { response, time, resolved_ip }) => {
            let status = Value::Int(response.status.into());
            let response = Map::from_texts([
                ("status_code", status.clone()),
                ("statusCode", status),
                ("header", Borrowed::Texts(&response.headers).to_value()),
                ("body", Value::text(&*String::from_utf8_lossy(&response.body))),
                ("time_ms", Value::Int(milliseconds(*time))),
                ("resolved_ip", Value::text(resolved_ip.map(|ip| ip.to_string()).unwrap_or_default())),
            ]);
            (Value::from(response), ["", ""].map(str::to_owned))
        }
        Err(failure) => {
            let none = Map::from_texts([("status_code", Value::Int(0)), ("statusCode", Value::Int(0))]);
            (Value::from(none), [failure.ngrok_code().to_string(), failure.to_string()])
        }
    };
    let [code, message] = error.map(Value::text);
    let error = Map::from_texts([("code", code), ("message", message)]);
    Value::from(Map::from_texts([("req", request.into()), ("res", response), ("error", error.into())]))
}

impl Execute for HttpRequest {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let url = self.url(run)?;
        let headers = rendered_headers(&self.headers, run)?;
        let body = match self.body.as_ref().filter(|_| self.method.sends_body()) {
            Some(body) => run.render(&body.template)?,
            None => String::new(),
        };
        run.forget_attempts();
        let outbound = Outbound {
            method: self.method.name(),
            url: url.into(),
            headers,
            body: body.into(),
            timeout: self.timeout,
            // INVARIANT: the field has a number that fits.
            max_redirects: u32::try_from(self.max_redirects).unwrap_or(0),
            attempt: 1,
        };
        Ok(run.ask(Effect::SendRequest, Asked::Outbound(outbound.into())))
    }

    fn resumed(&self, run: &mut Run<'_>, asked: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let (Some(Asked::Outbound(mut sent)), Reply::Answered(answered)) = (asked, reply) else {
            return Ok(Next::End(Ending::Closed));
        };
        run.add_attempt(attempt(&answered))?;
        if sent.attempt <= MAX_RETRIES
            && let Some(condition) = &self.retry_condition
        {
            let met = last_attempt(&sent, &answered);
            let again = run.evaluate_with(
                &condition.value,
                [(vocabulary::ATTEMPTS, Value::Int(sent.attempt.into())), (vocabulary::LAST_ATTEMPT, met)],
            )?;
            if matches!(again, Value::Bool(true)) {
                sent.attempt += 1;
                return Ok(run.ask(Effect::SendRequest, Asked::Outbound(sent)));
            }
        }
        if run.keeps_results {
            Self::set_results(run, &sent, &answered)?;
        }
        match (*answered, self.on_error) {
            (Err(failure), OnError::Halt) => {
                Err(Unrendered::unusable(failure.to_string()).with_code(failure.ngrok_code()))
            }
            _ => Ok(Next::GoOn),
        }
    }

    fn sends_requests(&self) -> bool {
        true
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
        ActionType::texts(self, &mut |text| text.template.expressions().for_each(&mut *each));
        ActionType::expressions(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.text(self.method.name());
        digest.template(&self.url);
        digest.number(self.query_params.len() as u64);
        self.query_params.iter().flat_map(|(key, value)| [key, value]).for_each(|text| digest.template(text));
        digest.number(self.headers.len() as u64);
        digest_headers(&self.headers, digest);
        digest.templates(self.body.as_slice());
        digest.text(&format!("{} {:?} {:?}", self.max_redirects, self.timeout, self.on_error));
        digest.number(u64::from(self.retry_condition.is_some()));
        self.retry_condition.iter().for_each(|condition| digest.expression(&condition.value));
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Self::NAME, self.method.name())
    }
}
