//! Checks and evaluates expressions from standard input, one a line, without any variable.
//!
//! `echo "[1, 2].map(x, x * 2)" | cargo run -p policy-core --example expressions` prints the type and the
//! value; `--standard` takes CEL with its standard extensions instead of the policy language.

use std::io::{self, BufRead, Write};

use policy_core::cel::{Env, EvalLimits, NoHost, Site};
use policy_core::diagnostic::{Plain, Severity};
use policy_core::source::Source;
use policy_core::variables;

fn main() -> io::Result<()> {
    let standard = Env::standard();
    let env = match std::env::args().any(|argument| argument == "--standard") {
        true => &standard,
        false => variables::env(Site::default()),
    };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (expression, found) = env.check(&line);
        let usable = expression
            .filter(|_| found.iter().all(|item| item.severity != Severity::Error || advice(item.code.id)));
        match usable.map(|expression| {
            (expression.result().clone(), expression.evaluate(&mut NoHost, EvalLimits::default()))
        }) {
            Some((ty, Ok(value))) => writeln!(out, "{ty}\t{value}")?,
            Some((ty, Err(error))) => writeln!(out, "{ty}\terror: {error}")?,
            None => {
                let source = Source::new("expression", line);
                let plain = Plain { source: &source, diagnostics: &found }.to_string();
                writeln!(out, "refused\t{}", plain.replace('\n', " | "))?;
            }
        }
    }
    Ok(())
}

/// Findings that keep an expression out of a policy, although it can be run.
fn advice(code: &str) -> bool {
    matches!(code, "TP212" | "TP215" | "TP217" | "TP218")
}
