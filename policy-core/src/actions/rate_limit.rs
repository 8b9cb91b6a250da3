//! `rate-limit`: refuses requests that come too often.
//!
//! Source: ngrok documentation, rate-limit (2026-08-07).

use std::fmt;
use std::time::Duration;

use super::{ActionType, Ends, REQUEST_PHASE};
use crate::cel::{Expression, Unrendered, Value};
use crate::exchange::{Asked, Effect, RateLimit as Limit, RateVerdict, Reply};
use crate::ir::Lowering;
use crate::message::{Headers, Response};
use crate::outcome::Ending;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{
    Boolean, Choice, Condition, Context, Declared, DurationField, Field, Integer, Items, Literal,
};
use crate::source::Spanned;
use crate::vocabulary::{self, ActionResult, REQUEST};

static NAME: Field<Literal> =
    Field::required("name", Literal(1_023), "name: logins", "Names the limit in events and errors.");
static ALGORITHM: Field<Choice<()>> = Field::required(
    "algorithm",
    Choice { of: &[("sliding_window", ())] },
    "algorithm: sliding_window",
    "How requests are counted.",
);
static CAPACITY: Field<Integer> = Field::required(
    "capacity",
    Integer(1, 2_000_000_000),
    "capacity: 30",
    "How many requests pass in the time of `rate`.",
);
static RATE: Field<DurationField> = Field::required(
    "rate",
    DurationField::seconds(60, 86_400).in_steps_of(10),
    "rate: 60s",
    "The time over which requests are counted.",
);
static BUCKET_KEY: Field<Items<Condition>> = Field::required(
    "bucket_key",
    Items::new(Condition { boolean: false, retry: false }).between(1, 10),
    "bucket_key: [conn.client_ip]",
    "What identifies a client: each combination of values has its own count.",
);
static ENFORCE: Field<Boolean> =
    Field::default("enforce", Boolean, "true", "`false` counts, sets the results and refuses nothing.");

const KEY: ActionResult<Value> =
    ActionResult::any("actions.ngrok.rate_limit.bucket_key", REQUEST, "the client's combination of values");
const LIMITED: ActionResult<bool> =
    ActionResult::bool("actions.ngrok.rate_limit.limited", REQUEST, "true over the limit");
const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.rate_limit.error.code", REQUEST, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.rate_limit.error.message", REQUEST, "the fault in words");

/// Bytes of a client's combination of values, as it is written.
const MAX_KEY: usize = 4 << 10;

/// Refuses requests that come too often.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RateLimit {
    /// Names the limit.
    pub name: Box<str>,
    /// How many requests pass.
    pub capacity: i64,
    /// In which time.
    pub rate: Duration,
    /// What tells clients apart.
    pub bucket_key: Vec<Spanned<Expression>>,
    /// False refuses nothing.
    pub enforce: bool,
}

impl ActionType for RateLimit {
    const NAME: &'static str = "rate-limit";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("429 over the limit");
    const FIELDS: Declared = &[&NAME, &ALGORITHM, &CAPACITY, &RATE, &BUCKET_KEY, &ENFORCE];
    const RESULTS: &'static [vocabulary::Declared] =
        &[KEY.declared(), LIMITED.declared(), ERROR_CODE.declared(), ERROR_MESSAGE.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/rate-limit.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (name, algorithm) = (cx.read(fields, &NAME), cx.read(fields, &ALGORITHM));
        let (capacity, rate) = (cx.read(fields, &CAPACITY), cx.read(fields, &RATE));
        let (bucket_key, enforce) = (cx.read(fields, &BUCKET_KEY), cx.read(fields, &ENFORCE));
        algorithm?;
        Some(Self {
            name: name?.value,
            capacity: capacity?,
            rate: rate?,
            bucket_key: bucket_key?,
            enforce: enforce?,
        })
    }

    fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
        self.bucket_key.iter().for_each(|item| each(&item.value));
    }

    fn enforced(&self) -> bool {
        self.enforce
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let mut key = Vec::new();
        for item in &self.bucket_key {
            match run.evaluate(&item.value) {
                Some(value) => key.push(value),
                None => return NaiveNext::End(NaiveEnd::Failed),
            }
        }
        let text = format!("[{}]", key.iter().map(naive_key).collect::<Vec<_>>().join(", "));
        if text.len() > MAX_KEY {
            return NaiveNext::End(NaiveEnd::Failed);
        }
        run.set_result(&KEY, Value::list(key));
        run.counted.push(text);
        let Reply::Rate(verdict) = run.ask(Effect::CountRequest) else { return NaiveNext::Unknown };
        run.set_result(&LIMITED, verdict != RateVerdict::Passes);
        run.set_result(&ERROR_CODE, "");
        run.set_result(&ERROR_MESSAGE, "");
        match verdict {
            RateVerdict::Limited { retry_after } if self.enforce => {
                let mut response = Response::new(429);
                let seconds = retry_after.as_millis().div_ceil(1000).to_string();
                let done = response.headers.append("retry-after", &seconds);
                NaiveNext::End(done.map_or(NaiveEnd::Failed, |()| NaiveEnd::Denied(Some(response))))
            }
            RateVerdict::Passes | RateVerdict::Limited { .. } => NaiveNext::GoOn,
        }
    }
}

/// A value of a bucket key naively: a text that other values do not have.
#[cfg(feature = "reference")]
fn naive_key(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(naive_key).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let mut entries: Vec<_> =
                map.iter().map(|(key, value)| format!("{}: {}", naive_key(key), naive_key(value))).collect();
            entries.sort();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(text) => {
            let escaped = |c: char| match c {
                '"' | '\\' => format!("\\{c}"),
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                c if c.is_control() => format!("\\U{:08x}", c as u32),
                c => c.to_string(),
            };
            format!("\"{}\"", text.chars().map(escaped).collect::<String>())
        }
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) if *number == 0.0 => "0".to_owned(),
        Value::Double(number) if number.fract() == 0.0 => number.to_string(),
        Value::Ip(address) => format!("ip(\"{}\")", address.to_canonical()),
        other => other.to_string(),
    }
}

impl Execute for RateLimit {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let values = self.bucket_key.iter().map(|item| run.evaluate(&item.value));
        let key = Value::list(values.collect::<Result<_, _>>()?);
        let text = key.distinct(MAX_KEY).ok_or_else(|| {
            Unrendered::unusable(format!("the values of `bucket_key` are longer than {MAX_KEY} bytes"))
        })?;
        if run.keeps_results {
            run.set_result(&KEY, key);
        }
        // INVARIANT: the field has a number that fits.
        let capacity = u32::try_from(self.capacity).unwrap_or(1);
        let limit = Limit { action: run.by, name: self.name.clone(), capacity, window: self.rate };
        Ok(run.ask(Effect::CountRequest, Asked::Rate { limit, key: text.into() }))
    }

    fn resumed(&self, run: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let Reply::Rate(verdict) = reply else { return Ok(Next::End(Ending::Closed)) };
        if run.keeps_results {
            run.set_result(&LIMITED, verdict != RateVerdict::Passes);
            run.set_result(&ERROR_CODE, "");
            run.set_result(&ERROR_MESSAGE, "");
        }
        match verdict {
            RateVerdict::Limited { retry_after } if self.enforce => {
                let mut headers = Headers::default();
                // Whole seconds, none of them too early (RFC 9110, 10.2.3).
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                headers
                    .append("retry-after", &seconds.to_string())
                    .map_err(|error| Unrendered::unusable(error.to_string()))?;
                run.refuse(Response { status: 429, headers, body: Vec::new() })
            }
            RateVerdict::Passes | RateVerdict::Limited { .. } => Ok(Next::GoOn),
        }
    }

    fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
        ActionType::expressions(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.text(&self.name);
        digest.number(self.capacity.unsigned_abs());
        digest.number(self.rate.as_secs());
        self.bucket_key.iter().for_each(|item| digest.expression(&item.value));
        digest.number(u64::from(self.enforce));
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}s", Self::NAME, self.capacity, self.rate.as_secs())
    }
}
