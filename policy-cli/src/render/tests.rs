//! What became of cases, for people and programs.

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use policy_core::diagnostic::printable;
use policy_core::json;
use policy_core::source::Position;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use crate::coverage::{Coverage, percent, shown_percent};
use crate::suite::{Case, MORE, Status, Suites, Unmet, What};

const FAIL: Style = AnsiColor::Red.on_default().bold();
const PASS: Style = AnsiColor::Green.on_default();
const SKIP: Style = AnsiColor::Yellow.on_default();

/// For people.
pub(crate) fn text(out: &mut impl Write, suites: &Suites, only_failures: bool) -> io::Result<()> {
    for suite in &suites.files {
        for case in &suite.cases {
            case_text(out, &suite.file, case, only_failures)?;
        }
    }
    let totals = suites.totals();
    let skipped = if totals.skipped > 0 { format!(", {} skipped", totals.skipped) } else { String::new() };
    let files = if suites.files.len() == 1 { "file" } else { "files" };
    writeln!(
        out,
        "{} passed, {} failed{skipped} in {} {files}",
        totals.passed,
        totals.failed,
        suites.files.len()
    )?;
    suites.coverage.iter().try_for_each(|coverage| coverage_text(out, coverage))
}

/// What of each policy was reached, and what was not.
fn coverage_text(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    writeln!(out, "\nreached")?;
    for (name, file) in &coverage.files {
        let numbers = (file.reached(), file.items.len());
        writeln!(out, "  {name}  {} % ({} of {})", shown_percent(numbers), numbers.0, numbers.1)?;
        let mut left: Vec<_> = file.items.values().filter(|item| item.count == 0).collect();
        left.sort_by_key(|item| item.at);
        for item in left {
            writeln!(out, "    {}:{}  {}", item.at.line, item.at.column, item.what)?;
        }
    }
    let numbers = coverage.totals();
    writeln!(out, "  in all  {} % ({} of {})", shown_percent(numbers), numbers.0, numbers.1)
}

fn case_text(out: &mut impl Write, file: &str, case: &Case, only_failures: bool) -> io::Result<()> {
    let (style, word) = match case.status {
        Status::Passed => (PASS, "pass"),
        Status::Failed(_) => (FAIL, "FAIL"),
        Status::Skipped(_) => (SKIP, "skip"),
    };
    if only_failures && !matches!(case.status, Status::Failed(_)) {
        return Ok(());
    }
    let (name, Position { line, .. }) = (printable(&case.name), case.at);
    write!(out, "{style}{word}{style:#} {file}:{line}  {name}")?;
    match &case.status {
        Status::Passed => writeln!(out),
        Status::Skipped(reason) => writeln!(out, "  ({})", printable(reason)),
        Status::Failed(all) => {
            writeln!(out)?;
            all.iter().try_for_each(|unmet| unmet_text(out, file, unmet))
        }
    }
}

fn unmet_text(out: &mut impl Write, file: &str, unmet: &Unmet) -> io::Result<()> {
    if let Some(asked) = &unmet.asked {
        writeln!(out, "     {asked}:")?;
    }
    let Position { line, column } = unmet.at;
    match &unmet.what {
        What::Differs { expected, got, because } => {
            writeln!(out, "     expected {expected}    ({file}:{line}:{column})")?;
            writeln!(out, "     got      {got}")?;
            because.iter().try_for_each(|because| writeln!(out, "     because  {because}"))
        }
        What::NotAsked(why) => writeln!(out, "     {why}    ({file}:{line}:{column})"),
        What::More => writeln!(out, "     {MORE}"),
    }
}

#[derive(Serialize)]
struct Shape<'a> {
    version: u32,
    passed: usize,
    failed: usize,
    skipped: usize,
    cases: Vec<CaseShape<'a>>,
    /// Files that could not be used.
    errors: Vec<ErrorShape<'a>>,
    /// Policies of searched folders that no scenarios name.
    untested: &'a [String],
    /// What of the policies was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<CoverageShape<'a>>,
}

#[derive(Serialize)]
struct ErrorShape<'a> {
    file: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct CoverageShape<'a> {
    reached: usize,
    items: usize,
    percent: f64,
    files: Vec<FileShape<'a>>,
}

#[derive(Serialize)]
struct FileShape<'a> {
    file: &'a str,
    reached: usize,
    items: usize,
    not_reached: Vec<LeftShape<'a>>,
}

#[derive(Serialize)]
struct LeftShape<'a> {
    line: u32,
    column: u32,
    what: &'a str,
}

fn coverage_shape(coverage: &Coverage) -> CoverageShape<'_> {
    let files = coverage.files.iter().map(|(name, file)| {
        let mut left: Vec<_> = file.items.values().filter(|item| item.count == 0).collect();
        left.sort_by_key(|item| item.at);
        let not_reached = left.into_iter().map(|item| LeftShape {
            line: item.at.line,
            column: item.at.column,
            what: &item.what,
        });
        FileShape {
            file: name,
            reached: file.reached(),
            items: file.items.len(),
            not_reached: not_reached.collect(),
        }
    });
    let (reached, items) = coverage.totals();
    CoverageShape { reached, items, percent: percent((reached, items)), files: files.collect() }
}

#[derive(Serialize)]
struct CaseShape<'a> {
    file: &'a str,
    name: &'a str,
    status: &'static str,
    message: Option<String>,
    line: u32,
    column: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailureShape<'a>>,
}

#[derive(Serialize)]
struct FailureShape<'a> {
    asked: Option<&'a str>,
    expected: Option<&'a str>,
    got: Option<&'a str>,
    reason: Option<&'a str>,
    line: u32,
    column: u32,
}

/// For programs.
pub(crate) fn json(out: &mut impl Write, suites: &Suites, only_failures: bool) -> io::Result<()> {
    let totals = suites.totals();
    let all = suites.files.iter().flat_map(|suite| suite.cases.iter().map(|case| (&*suite.file, case)));
    let all = all.filter(|(_, case)| !only_failures || matches!(case.status, Status::Failed(_)));
    let errors = suites.unusable.iter();
    let errors = errors.map(|it| ErrorShape { file: &it.file, message: &it.message });
    let shape = Shape {
        version: 1,
        passed: totals.passed,
        failed: totals.failed,
        skipped: totals.skipped,
        cases: all.map(|(file, case)| case_shape(file, case)).collect(),
        errors: errors.collect(),
        untested: &suites.untested,
        coverage: suites.coverage.as_ref().map(coverage_shape),
    };
    writeln!(out, "{}", json::to_string(&shape)?)
}

fn case_shape<'a>(file: &'a str, case: &'a Case) -> CaseShape<'a> {
    let (status, message, failures) = match &case.status {
        Status::Passed => ("passed", None, Vec::new()),
        Status::Skipped(reason) => ("skipped", Some(reason.clone()), Vec::new()),
        Status::Failed(all) => {
            let lines: Vec<String> = all.iter().map(Unmet::line).collect();
            ("failed", Some(lines.join("; ")), all.iter().map(failure).collect())
        }
    };
    let Position { line, column } = case.at;
    CaseShape { file, name: &case.name, status, message, line, column, failures }
}

/// As continuous integration reads it: a suite for each file.
pub(crate) fn junit(out: &mut impl Write, suites: &Suites, only_failures: bool) -> io::Result<()> {
    let mut report = Report::new("policy test");
    for suite in &suites.files {
        let mut shown = TestSuite::new(xml(&suite.file));
        for case in &suite.cases {
            let mut status = match &case.status {
                Status::Failed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
                _ if only_failures => continue,
                Status::Passed => TestCaseStatus::success(),
                Status::Skipped(_) => TestCaseStatus::skipped(),
            };
            match &case.status {
                Status::Passed => {}
                Status::Skipped(reason) => drop(status.set_message(xml(reason))),
                Status::Failed(all) => {
                    let first = all.first().map(Unmet::line).unwrap_or_default();
                    let lines: Vec<String> = all.iter().map(|unmet| with_place(&suite.file, unmet)).collect();
                    status.set_message(xml(&first)).set_description(xml(&lines.join("\n")));
                }
            }
            let mut shown_case = TestCase::new(xml(&case.name), status);
            shown_case.set_classname(xml(&suite.file));
            shown_case.extra.insert("file".into(), (&*xml(&suite.file)).into());
            shown_case.extra.insert("line".into(), case.at.line.to_string().as_str().into());
            shown.add_test_case(shown_case);
        }
        report.add_test_suite(shown);
    }
    for unusable in &suites.unusable {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(xml(&unusable.message));
        let mut shown = TestSuite::new(xml(&unusable.file));
        shown.add_test_case(TestCase::new("is usable", status));
        report.add_test_suite(shown);
    }
    // In memory first: the errors of the library do not say that a reader has gone.
    let mut text = Vec::new();
    report.serialize(&mut text).map_err(io::Error::other)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// What did not hold, where that stands, and why the policy decides so.
fn with_place(file: &str, unmet: &Unmet) -> String {
    let Position { line, column } = unmet.at;
    let because = match &unmet.what {
        What::Differs { because: Some(because), .. } => format!(", because {because}"),
        _ => String::new(),
    };
    format!("{file}:{line}:{column}: {}{because}", unmet.line())
}

/// A text without the two characters that the crate lets pass and XML 1.0 does not have.
fn xml(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn failure(unmet: &Unmet) -> FailureShape<'_> {
    let Position { line, column } = unmet.at;
    let asked = unmet.asked.as_deref();
    match &unmet.what {
        What::Differs { expected, got, because } => FailureShape {
            asked,
            expected: Some(expected),
            got: Some(got),
            reason: because.as_deref(),
            line,
            column,
        },
        What::NotAsked(why) => {
            FailureShape { asked, expected: None, got: None, reason: Some(why), line, column }
        }
        What::More => FailureShape { asked, expected: None, got: None, reason: Some(MORE), line, column },
    }
}
