//! `http-request`: asks another server while a request waits.
//!
//! Source: ngrok documentation, http-request (2026-08-07). The table and the prose of `max_redirects`
//! contradict one another (10 of 0–100, 0 of 0–5).

use std::time::Duration;

use super::headers::{HEADERS as HEADER_MAP, HeaderList};
use super::{ActionType, MESSAGE_PHASES, NO_EFFECT, ON_ERROR, OnError};
use crate::cel::Expression;
use crate::diagnostic::Diagnostic;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{
    Choice, Condition, Context, Declared, DurationField, Entries, Field, HeaderValue, Integer, Interpolated,
    Items, Record, Text, WebUrl,
};
use crate::source::Spanned;
use crate::vocabulary::{self, REQUEST};

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
);
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
        vocabulary::Declared::new(
            "actions.ngrok.http_request.error.code",
            "string",
            REQUEST,
            "ngrok's code of the fault",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.error.message",
            "string",
            REQUEST,
            "the fault in words",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.attempts",
            "list(HttpAttempt)",
            REQUEST,
            "what each attempt met",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.req.method",
            "string",
            REQUEST,
            "the method that was used",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.req.header",
            "map(string, list(string))",
            REQUEST,
            "the headers that were sent",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.req.url",
            "string",
            REQUEST,
            "the URL that was asked",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.req.body",
            "string",
            REQUEST,
            "the body that was sent",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.res.resolved_ip",
            "string",
            REQUEST,
            "the address that answered",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.res.header",
            "map(string, list(string))",
            REQUEST,
            "the headers of the answer",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.res.status_code",
            "int",
            REQUEST,
            "the status of the answer",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.res.time_ms",
            "int",
            REQUEST,
            "how long it took",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.http_request.res.body",
            "dyn",
            REQUEST,
            "the body of the answer, up to 256 KB; examples use it as text and as decoded JSON",
        ),
        vocabulary::Declared::new("HttpAttempt.resolved_ip", "string", REQUEST, "the address that was asked"),
        vocabulary::Declared::new(
            "HttpAttempt.response_header",
            "map(string, list(string))",
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
    const PAGE: &'static str = include_str!("../../../docs/actions/http-request.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (url, method) = (cx.read(fields, &URL), cx.read(fields, &METHOD));
        let (query_params, headers) = (cx.optional(fields, &QUERY_PARAMS), cx.optional(fields, &HEADERS));
        let (body, max_redirects) = (cx.optional(fields, &BODY), cx.read(fields, &MAX_REDIRECTS));
        let (timeout, on_error) = (cx.read(fields, &TIMEOUT), cx.read(fields, &ON_ERROR_CONTINUE));
        let retry_condition = cx.optional(fields, &RETRY_CONDITION);
        let (method, body) = (method?, body?);
        if let Some(body) = &body
            && !matches!(method, Method::Post | Method::Put | Method::Patch)
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
}

static ON_ERROR_CONTINUE: Field<Choice<OnError>> =
    Field::default("on_error", ON_ERROR, "continue", "Whether the request continues when no server answers.");
