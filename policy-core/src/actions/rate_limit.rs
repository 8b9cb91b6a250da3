//! `rate-limit`: refuses requests that come too often.
//!
//! Source: ngrok documentation, rate-limit (2026-08-07).

use std::time::Duration;

use super::{ActionType, Ends, REQUEST_PHASE};
use crate::cel::Expression;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{
    Boolean, Choice, Condition, Context, Declared, DurationField, Field, Integer, Items, Literal,
};
use crate::source::Spanned;
use crate::vocabulary::{self, REQUEST};

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
    const RESULTS: &'static [vocabulary::Declared] = &[
        vocabulary::Declared::new(
            "actions.ngrok.rate_limit.bucket_key",
            "dyn",
            REQUEST,
            "the client's combination of values",
        ),
        vocabulary::Declared::new("actions.ngrok.rate_limit.limited", "bool", REQUEST, "true over the limit"),
        vocabulary::Declared::new(
            "actions.ngrok.rate_limit.error.code",
            "string",
            REQUEST,
            "ngrok's code of the fault",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.rate_limit.error.message",
            "string",
            REQUEST,
            "the fault in words",
        ),
    ];
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
}
