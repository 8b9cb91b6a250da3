//! `circuit-breaker`: spares an upstream that keeps failing.
//!
//! Source: ngrok documentation, circuit-breaker (2026-08-07).

use std::time::Duration;

use super::{ActionType, Ends, REQUEST_PHASE};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Boolean, Context, Declared, DurationField, Field, Fraction, Integer};

static ERROR_THRESHOLD: Field<Fraction> = Field::default(
    "error_threshold",
    Fraction,
    "0.5",
    "The share of failing requests from which on the breaker trips.",
);
static VOLUME_THRESHOLD: Field<Integer> = Field::default(
    "volume_threshold",
    Integer(1, 2_000_000_000),
    "10",
    "Minimum number of requests in the window before the error rate is evaluated.",
);
static WINDOW_DURATION: Field<DurationField> = Field::default(
    "window_duration",
    DurationField::seconds(1, 120),
    "10s",
    "How far back requests are counted.",
);
static TRIPPED_DURATION: Field<DurationField> = Field::default(
    "tripped_duration",
    DurationField::seconds(1, 120),
    "10s",
    "How long requests are refused before the upstream is tried again.",
);
static NUM_BUCKETS: Field<Integer> =
    Field::default("num_buckets", Integer(10, 10), "10", "Parts of the window; always ten.");
static ENFORCE: Field<Boolean> = Field::default("enforce", Boolean, "true", "`false` never trips.");

/// Spares an upstream that keeps failing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CircuitBreaker {
    /// The share of failing requests from which on the breaker trips.
    pub error_threshold: f64,
    /// Requests that the window must hold.
    pub volume_threshold: i64,
    /// How far back requests are counted.
    pub window: Duration,
    /// How long requests are refused.
    pub tripped: Duration,
    /// False never trips.
    pub enforce: bool,
}

impl ActionType for CircuitBreaker {
    const NAME: &'static str = "circuit-breaker";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("503 while tripped");
    const FIELDS: Declared =
        &[&ERROR_THRESHOLD, &VOLUME_THRESHOLD, &WINDOW_DURATION, &TRIPPED_DURATION, &NUM_BUCKETS, &ENFORCE];
    const IDLE: &'static str = "never trips";
    const PAGE: &'static str = include_str!("../../../docs/actions/circuit-breaker.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (error, volume) = (cx.read(fields, &ERROR_THRESHOLD), cx.read(fields, &VOLUME_THRESHOLD));
        let (window, tripped) = (cx.read(fields, &WINDOW_DURATION), cx.read(fields, &TRIPPED_DURATION));
        let (buckets, enforce) = (cx.read(fields, &NUM_BUCKETS), cx.read(fields, &ENFORCE));
        buckets?;
        Some(Self {
            error_threshold: error?,
            volume_threshold: volume?,
            window: window?,
            tripped: tripped?,
            enforce: enforce?,
        })
    }

    fn enforced(&self) -> bool {
        self.enforce
    }
}
