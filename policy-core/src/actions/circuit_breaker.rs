//! `circuit-breaker`: spares an upstream that keeps failing.
//!
//! Source: ngrok documentation, circuit-breaker (2026-08-07).

use std::fmt;
use std::time::Duration;

use super::{ActionType, Ends, REQUEST_PHASE};
use crate::cel::Unrendered;
use crate::exchange::{Asked, Circuit, CircuitState, Effect, Reply};
use crate::ir::Lowering;
use crate::ngrok;
use crate::outcome::Ending;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, HttpRefusal, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
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
    const RUNS: PhaseSet = Self::PHASES;
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

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(*self)
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        match run.ask(Effect::AskCircuit) {
            Reply::Circuit(CircuitState::Open) if self.enforce => run.refused(Execute::refusal(self)),
            Reply::Circuit(_) => NaiveNext::GoOn,
            _ => NaiveNext::Unknown,
        }
    }
}

impl Execute for CircuitBreaker {
    fn always(&self) -> Option<Next> {
        (!self.enforce).then_some(Next::GoOn)
    }

    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        if !self.enforce {
            return Ok(Next::GoOn);
        }
        // INVARIANT: the field has a number that fits.
        let volume_threshold = u32::try_from(self.volume_threshold).unwrap_or(1);
        let Self { error_threshold, window, tripped, .. } = *self;
        let circuit = Circuit { action: run.by, error_threshold, volume_threshold, window, tripped };
        Ok(run.ask(Effect::AskCircuit, Asked::Circuit(circuit)))
    }

    fn resumed(&self, _: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        Ok(match reply {
            Reply::Circuit(CircuitState::Closed | CircuitState::Trial) => Next::GoOn,
            Reply::Circuit(CircuitState::Open) => Next::End(Ending::Denied),
            _ => Next::End(Ending::Closed),
        })
    }

    fn refusal(&self) -> HttpRefusal {
        HttpRefusal { status: 503, code: Some(ngrok::ERR_NGROK_3202) }
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.number(self.error_threshold.to_bits());
        digest.number(self.volume_threshold.unsigned_abs());
        [self.window, self.tripped].iter().for_each(|it| digest.text(&it.as_nanos().to_string()));
        digest.number(u64::from(self.enforce));
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} of {}", Self::NAME, self.error_threshold, self.volume_threshold)
    }
}
