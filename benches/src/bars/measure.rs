//! Samples: pairs of two closures that take turns, single durations, and memory.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many pairs, or repeated builds, one bar takes.
const PAIRS: usize = 11;

/// How long one sample takes at least.
const SAMPLE: Duration = Duration::from_millis(20);

/// What a bar measured.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// The values to judge.
    pub values: Vec<f64>,
    /// What they were made from, for the reader.
    pub note: String,
}

impl Samples {
    /// One value that does not vary.
    #[must_use]
    pub fn one(value: f64, note: String) -> Self {
        Self { values: vec![value], note }
    }

    /// Ratios turned around: how much faster the subject is.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.values.iter_mut().for_each(|value| *value = value.recip());
        self
    }
}

/// What an allocator saw while something ran.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// How many allocations there were.
    pub allocations: u64,
    /// How many bytes were held at most.
    pub peak: u64,
    /// How many bytes are still held.
    pub kept: u64,
}

/// Runs something and tells what was allocated meanwhile.
///
/// The bench brings it, since counting replaces the allocator of the whole process.
pub type Count = fn(&mut dyn FnMut()) -> Memory;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// One short pair instead of many long ones.
    pub quick: bool,
    /// How memory is counted.
    pub count: Count,
}

impl Meter {
    /// The time of the subject divided by the time of the baseline, once for each pair.
    ///
    /// `lookups` is how many of what is told in the note one call makes.
    pub fn ratios(
        &self,
        lookups: usize,
        mut subject: impl FnMut() -> u64,
        mut baseline: impl FnMut() -> u64,
    ) -> Samples {
        let (subject_calls, baseline_calls) = (self.calls(&mut subject), self.calls(&mut baseline));
        let mut times = Vec::new();
        for pair in 0..self.pairs() {
            times.push(if pair % 2 == 0 {
                let first = time(subject_calls, &mut subject);
                (first, time(baseline_calls, &mut baseline))
            } else {
                let first = time(baseline_calls, &mut baseline);
                (time(subject_calls, &mut subject), first)
            });
        }
        let each = |seconds: f64| span(seconds / lookups as f64);
        let (ours, theirs): (Vec<f64>, Vec<f64>) = times.iter().copied().unzip();
        let note = format!("{} against {}", each(median(&ours)), each(median(&theirs)));
        Samples { values: times.iter().map(|(ours, theirs)| ours / theirs).collect(), note }
    }

    /// The same for two who answer the same question, which is looked at first.
    ///
    /// # Panics
    ///
    /// If the answers differ: no time would mean anything.
    pub fn equal_ratios(
        &self,
        lookups: usize,
        mut subject: impl FnMut() -> u64,
        mut baseline: impl FnMut() -> u64,
    ) -> Samples {
        assert_eq!(subject(), baseline(), "the subject and its baseline answer differently");
        self.ratios(lookups, subject, baseline)
    }

    /// The seconds that something takes, repeated.
    pub fn seconds(&self, mut subject: impl FnMut() -> u64) -> Samples {
        let values = (0..self.pairs()).map(|_| time(1, &mut subject)).collect();
        Samples { values, note: String::new() }
    }

    /// How many millions of things a second get done, `number` of them by a call; repeated.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn millions_per_second(&self, number: usize, mut subject: impl FnMut() -> u64) -> Samples {
        let calls = self.calls(&mut subject);
        let seconds: Vec<f64> = (0..self.pairs()).map(|_| time(calls, &mut subject)).collect();
        let note = format!("{} each", span(median(&seconds) / number as f64));
        Samples { values: seconds.iter().map(|seconds| number as f64 / seconds / 1e6).collect(), note }
    }

    /// What is allocated while something is made, and what the thing keeps.
    pub fn memory<T>(&self, mut make: impl FnMut() -> T) -> (T, Memory) {
        let mut made = None;
        let mut memory = (self.count)(&mut || made = Some(make()));
        let made = made.unwrap_or_else(make);
        memory.kept += size_of::<T>() as u64;
        (made, memory)
    }

    const fn pairs(&self) -> usize {
        if self.quick { 1 } else { PAIRS }
    }

    /// How many calls make a sample long enough; the first one also warms up.
    fn calls(&self, run: &mut impl FnMut() -> u64) -> u32 {
        let mut calls = 1;
        time(1, run);
        let enough = if self.quick { 0.0 } else { SAMPLE.as_secs_f64() };
        while time(calls, run) * f64::from(calls) < enough {
            calls = calls.saturating_mul(2);
        }
        calls
    }
}

/// The seconds of one call, over several.
fn time(calls: u32, run: &mut impl FnMut() -> u64) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(run());
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

fn median(values: &[f64]) -> f64 {
    super::verdict::Quartiles::from_samples(values).median
}

/// Seconds in the unit that suits them.
#[must_use]
pub fn span(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1e-9, "ns"));
    format!("{:.3} {name}", seconds / unit)
}
