//! The bars: what the project demands of its own speed and size, each beside its peer in the same run.
//!
//! One command prints all of them as pass, fail or noise:
//! `cargo bench -p benches --bench bars -- [FILTER]… [--test] [--strict] [--list] [--record FILE]`.
//!
//! A ratio is measured in pairs: subject and baseline take turns, each time long enough, and the first of a pair
//! is the second of the next. The median of the pairs' ratios is the value, and a gate is missed only if the
//! whole inter-quartile range lies beyond it. A new bar goes into the list of its module, a new module into
//! [`all`].

pub mod baselines;
pub mod batches;
pub mod build;
pub mod context;
pub mod drive;
pub mod edge;
pub mod engine;
pub mod expressions;
pub mod http;
pub mod lookup;
pub mod machine;
pub mod measure;
pub mod options;
pub mod replay;
pub mod report;
pub mod small;
pub mod verdict;

use std::fmt;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

pub use context::Context;
pub use measure::{Count, Memory, Meter, Samples};
pub use options::Options;
pub use verdict::{Gate, Quartiles, Verdict};

use report::Row;

/// One demand.
pub struct Bar {
    name: String,
    gate: Gate,
    unit: &'static str,
    measure: Box<dyn Fn(&Context) -> Samples>,
}

impl Bar {
    /// A bar with a name of the form `what/which ÷ peer`.
    pub fn new(
        name: impl Into<String>,
        gate: Gate,
        unit: &'static str,
        measure: impl Fn(&Context) -> Samples + 'static,
    ) -> Self {
        Self { name: name.into(), gate, unit, measure: Box::new(measure) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Measures and judges.
    #[must_use]
    pub fn run(&self, context: &Context) -> Row {
        let samples = (self.measure)(context);
        let quartiles = Quartiles::from_samples(&samples.values);
        let (gate, unit) = (self.gate, self.unit);
        Row {
            name: self.name.clone(),
            gate,
            unit,
            quartiles,
            verdict: gate.judge(quartiles),
            note: samples.note,
        }
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Bar")
            .field("name", &self.name)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

/// All bars, in the order of the report.
#[must_use]
pub fn all() -> Vec<Bar> {
    [
        baselines::bars(),
        lookup::bars(),
        batches::bars(),
        replay::bars(),
        build::bars(),
        small::bars(),
        expressions::bars(),
        engine::bars(),
        http::bars(),
        edge::bars(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Runs the command.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = String>, count: Count) -> ExitCode {
    let options = match Options::read(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    let bars: Vec<Bar> = all().into_iter().filter(|bar| options.wants(&bar.name)).collect();
    if options.list {
        bars.iter().for_each(|bar| println!("{}", bar.name));
        return ExitCode::SUCCESS;
    }
    let context = Context::new(Meter { quick: options.test, count });
    let mut rows = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        let start = Instant::now();
        let row = bar.run(&context);
        let took = start.elapsed().as_secs_f64();
        eprintln!("[{}/{}] {}: {} in {took:.1} s", at + 1, bars.len(), row.name, row.verdict);
        rows.push(row);
    }
    for line in report::head(&options) {
        println!("{line}");
    }
    print!("{}", report::text(&rows));
    if let Some(file) = &options.record
        && let Err(error) = fs::write(file, report::markdown(&rows, &options))
    {
        eprintln!("error: {}: {error}", file.display());
        return ExitCode::from(2);
    }
    let failed = rows.iter().any(|row| row.verdict == Verdict::Fail);
    if failed && options.strict && !options.test { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
