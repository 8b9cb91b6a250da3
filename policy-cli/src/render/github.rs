//! GitHub Actions: annotations as workflow commands, and a job summary.
//!
//! GitHub shows ten annotations of a kind for a step, so the worst come first and no more than that are printed;
//! all of them go to the job summary (docs.github.com, workflow commands, 2026-11).

use std::env;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};

use policy_core::diagnostic::{Diagnostic, Severity, printable};
use policy_core::source::Source;

use crate::report::Report;

/// Annotations of a kind that GitHub shows.
const MAX: usize = 10;
/// Findings in a summary: it has a bound of 1 MiB.
const MAX_ROWS: usize = 1_000;

/// All findings as annotations, and the job summary.
pub(crate) fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let all =
        || report.checked.iter().flat_map(|file| file.diagnostics.iter().map(|item| (&file.source, item)));
    let mut left_out = 0;
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for (at, (source, item)) in all().filter(|(_, item)| item.severity == severity).enumerate() {
            match at < MAX {
                true => writeln!(out, "{}", annotation(source, item))?,
                false => left_out += 1,
            }
        }
    }
    left_out += report.not_listed();
    if let Some(message) = report.general_warning() {
        writeln!(out, "::warning title=policy lint::{}", data(message))?;
    }
    writeln!(out, "{}", super::text::summary(report))?;
    super::text::skipped(out, report)?;
    if left_out > 0 {
        writeln!(out, "{left_out} more are not shown as annotations; the job summary lists them")?;
    }
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(summary(report).as_bytes())
}

/// `::error file=…,line=…::message`.
fn annotation(source: &Source, item: &Diagnostic) -> String {
    let (start, end) = (source.position(item.span.start), source.position(item.span.end));
    let level = match item.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let (file, title) = (property(source.name()), format!("{} {}", item.code.id, item.code.slug));
    let mut message = item.message.clone();
    if let Some(help) = &item.help {
        message = format!("{message}\nhelp: {help}");
    }
    // Columns mean something within one line only.
    let columns = match start.line == end.line {
        true => format!(",col={},endColumn={}", start.column, end.column.max(start.column)),
        false => String::new(),
    };
    format!(
        "::{level} file={file},line={},endLine={}{columns},title={}::{}",
        start.line,
        end.line,
        property(&title),
        data(&message)
    )
}

/// Escapes what would end a message.
pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what would end a property.
pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A table of all findings, in Markdown.
fn summary(report: &Report) -> String {
    let mut out = format!("### policy lint\n\n{}\n", super::text::summary(report));
    if let Some(message) = report.general_warning() {
        let _ = writeln!(out, "\nwarning: {message}");
    }
    let all =
        || report.checked.iter().flat_map(|file| file.diagnostics.iter().map(|item| (&file.source, item)));
    let rows = all().count();
    if rows == 0 {
        return out;
    }
    out.push_str("\n| where | finding | what to do |\n|---|---|---|\n");
    for (source, item) in all().take(MAX_ROWS) {
        let at = source.position(item.span.start);
        let (file, code, severity) = (cell(source.name()), item.code.id, item.severity.name());
        let (message, help) = (cell(&item.message), cell(item.help.as_deref().unwrap_or_default()));
        // Writing to a text cannot fail.
        let _ = writeln!(out, "| {file}:{} | {severity} {code}: {message} | {help} |", at.line);
    }
    let more = rows.saturating_sub(MAX_ROWS) + report.not_listed();
    if more > 0 {
        let _ = writeln!(out, "\n… and {more} more");
    }
    out
}

/// A text in a cell of a table: nothing in it may end the cell or become markup.
fn cell(text: &str) -> String {
    printable(text).replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        assert_eq!(data("a\nb%0Ac\r"), "a%0Ab%250Ac%0D");
        assert_eq!(property("a:b,c"), "a%3Ab%2Cc");
        assert_eq!(cell("a|b<c>\n"), "a\\|b&lt;c>\\n");
    }
}
