//! The report: lines for a terminal, a table for a file.

use super::verdict::{Gate, Quartiles, Verdict};
use super::{Options, machine};
use crate::data::tables;

/// One bar and what came out.
#[derive(Clone, Debug)]
pub struct Row {
    /// The bar's name.
    pub name: String,
    /// What it demands.
    pub gate: Gate,
    /// In what, after the number.
    pub unit: &'static str,
    /// What was measured.
    pub quartiles: Quartiles,
    /// What it comes to.
    pub verdict: Verdict,
    /// What it was made from.
    pub note: String,
}

/// The lines above either report.
#[must_use]
pub fn head(options: &Options) -> Vec<String> {
    let mut command = "cargo bench -p benches --bench bars".to_owned();
    if !options.arguments.is_empty() {
        command = format!("{command} -- {}", options.arguments.join(" "));
    }
    let data = if options.test {
        "small and generated; one short pair, not a measurement"
    } else {
        tables::origin()
    };
    vec![
        format!("date: {}", machine::day()),
        format!("commit: {}", machine::commit()),
        format!("processor: {}", machine::processor()),
        format!("data: {data}"),
        format!("command: `{command}`"),
    ]
}

/// The report for a terminal.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "{:<7} {:<width$} {:>10} {:>21} {:>10} {:>10}\n",
        "verdict", "bar", "median", "quartiles", "gate", "stretch"
    );
    for row in rows {
        let Row { name, gate, unit, quartiles, verdict, note } = row;
        let met = if gate.stretches(*quartiles) { "*" } else { " " };
        let range = format!("{}–{}", number(quartiles.low), number(quartiles.high));
        text += &format!(
            "{verdict:<7} {name:<width$} {:>10} {range:>21} {:>10} {:>9}{met} {unit} {note}\n",
            number(quartiles.median),
            format!("{}{}", gate.sign(), number(gate.limit())),
            number(gate.stretch()),
        );
    }
    text + &tally(rows) + "\n"
}

/// The report for a file, in Markdown.
#[must_use]
pub fn markdown(rows: &[Row], options: &Options) -> String {
    let mut text = format!("# Bars, {}\n\n", machine::day());
    for line in head(options) {
        text += &format!("- {line}\n");
    }
    text += &format!("- {}\n\n", tally(rows));
    text += "| bar | median | quartiles | gate | stretch | unit | verdict | from |\n|---|---|---|---|---|---|---|---|\n";
    for Row { name, gate, unit, quartiles, verdict, note } in rows {
        let met = if gate.stretches(*quartiles) { " met" } else { "" };
        text += &format!(
            "| {name} | {} | {}–{} | {} {} | {}{met} | {unit} | {verdict} | {note} |\n",
            number(quartiles.median),
            number(quartiles.low),
            number(quartiles.high),
            gate.sign(),
            number(gate.limit()),
            number(gate.stretch()),
        );
    }
    text
}

fn tally(rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let (passed, failed) = (count(Verdict::Pass), count(Verdict::Fail));
    let stretched = rows.iter().filter(|row| row.gate.stretches(row.quartiles)).count();
    let noise = count(Verdict::Noise);
    format!("{passed} pass ({stretched} as good as the stretch, *), {failed} fail, {noise} noise")
}

/// Three digits of small numbers, none after the point of great ones.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.1 => format!("{value:.3}"),
        size if size < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}
