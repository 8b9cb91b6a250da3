//! Text for people: diagnostics in rustc's shape, decisions in three lines.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use policy_core::diagnostic::{Diagnostic, Diagnostics, Severity, printable};
use policy_core::outcome::Outcome;
use policy_core::source::{Source, Span};

use crate::cli::Expectation;
use crate::commands::eval::Decided;
use crate::commands::lint::Report;

/// Lines shown before the line of a finding.
const LINES_BEFORE: u32 = 1;
/// Files that were passed over and are named.
const MAX_PASSED_OVER: usize = 10;
/// A longer window is not drawn: only its place is named.
const WIDEST_WINDOW: usize = 4_096;

/// All findings and a summary line.
pub(crate) fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for file in &report.checked {
        findings_of(out, &file.source, &file.diagnostics)?;
    }
    writeln!(out, "{}", summary(report))?;
    passed_over(out, &report.passed_over)?;
    skipped(out, report)
}

/// Names the files of a search that are nothing of ours.
fn passed_over(out: &mut impl Write, names: &[String]) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let shown = names.get(..MAX_PASSED_OVER).unwrap_or(names);
    write!(out, "passed over, neither policy nor configuration: {}", shown.join(", "))?;
    match names.len() - shown.len() {
        0 => writeln!(out),
        more => writeln!(out, " and {more} more (`--format json` has all)"),
    }
}

/// What was left out, one a line.
pub(crate) fn skipped(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for skipped in &report.skipped {
        writeln!(out, "skipped `{}`: {}", skipped.name, skipped.why)?;
    }
    Ok(())
}

/// How much was checked and found, in one line.
pub(crate) fn summary(report: &Report) -> String {
    let files = &report.checked;
    let count = |number: fn(&Diagnostics) -> usize| files.iter().map(|file| number(&file.diagnostics)).sum();
    let (errors, warnings): (usize, usize) = (count(Diagnostics::errors), count(Diagnostics::warnings));
    let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let found = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    format!("checked {}: {found}", plural(files.len(), "file"))
}

/// The findings of one file, each followed by an empty line.
pub(crate) fn findings_of(out: &mut impl Write, source: &Source, found: &Diagnostics) -> io::Result<()> {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    for diagnostic in found.iter() {
        writeln!(out, "{}\n", renderer.render(&[group(source, diagnostic)]))?;
    }
    if found.dropped() > 0 {
        writeln!(out, "… and {} more in {}\n", found.dropped(), source.name())?;
    }
    Ok(())
}

fn group<'a>(source: &'a Source, diagnostic: &'a Diagnostic) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(&*diagnostic.message).id(diagnostic.code.id);
    let mut marks = vec![(AnnotationKind::Primary, diagnostic.span, None)];
    marks.extend(
        diagnostic.labels.iter().map(|label| (AnnotationKind::Context, label.span, Some(&*label.message))),
    );
    // A repeated key is read from its first place to its second.
    marks.sort_by_key(|&(_, span, _)| span);
    let mut group = Group::with_title(title);
    for (kind, span, label) in marks {
        let window = window(source, span);
        let text = source.text().get(window.clone()).unwrap_or_default();
        let place = source.position(span.start);
        // A line with a secret is not printed again.
        let secret = diagnostic.code.slug == "clear-text-secret";
        if text.is_empty() || text.len() > WIDEST_WINDOW || secret {
            group = group.element(
                Origin::path(source.name()).line(place.line as usize).char_column(place.column as usize),
            );
            continue;
        }
        let first_line = source.position(u32::try_from(window.start).unwrap_or(u32::MAX)).line;
        let at = (span.start as usize).saturating_sub(window.start);
        let end = (span.end as usize).saturating_sub(window.start).clamp(at, text.len());
        group = group.element(
            Snippet::source(text)
                .path(source.name())
                .line_start(first_line as usize)
                .annotation(kind.span(at..end).label(label)),
        );
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let ngrok = match diagnostic.code.ngrok {
        [] => String::new(),
        codes => format!("; ngrok: {}", codes.join(", ")),
    };
    group.element(Level::NOTE.message(format!("`policy explain {}`{ngrok}", diagnostic.code.id)))
}

/// The bytes of the span's lines and the line before.
fn window(source: &Source, span: Span) -> Range<usize> {
    let (first, last) = (source.position(span.start).line, source.position(span.end).line);
    let start = source.line_start(first.saturating_sub(LINES_BEFORE).max(1)) as usize;
    let end = source.line_start(last + 1) as usize;
    let text = source.text().get(start..end).unwrap_or_default();
    start
        ..start
            + text
                .trim_end_matches(['\n', '\r'])
                .len()
                .max((span.end as usize).saturating_sub(start).min(text.len()))
}

/// A decision in a few lines.
pub(crate) fn decision(out: &mut impl Write, decided: &Decided<'_>) -> io::Result<()> {
    writeln!(out, "{}", outcome(decided))?;
    if let Some(by) = place(decided) {
        writeln!(out, "  by {by}")?;
    }
    because(out, decided)?;
    assumptions(out, decided)
}

/// Why it was decided, and where the entry of a list stands that an IP policy has.
pub(crate) fn because(out: &mut impl Write, decided: &Decided<'_>) -> io::Result<()> {
    writeln!(out, "  because {}", decided.run.reason())?;
    match &decided.listed_at {
        Some(at) => writeln!(out, "  listed in {}:{}", at.file, at.line),
        None => Ok(()),
    }
}

/// What the decision does not say: targets count as online because nobody said otherwise, and their own policies are not
/// asked.
pub(crate) fn assumptions(out: &mut impl Write, decided: &Decided<'_>) -> io::Result<()> {
    for url in decided.assumed_online() {
        writeln!(out, "  assuming {url} is online (change it with `--target {url}=offline`)")?;
    }
    if decided.target().is_some() {
        writeln!(out, "  not asked: the target's own policy, which may still refuse the connection")?;
    }
    Ok(())
}

/// The outcome in words.
pub(crate) fn outcome(decided: &Decided<'_>) -> String {
    match decided.outcome {
        Outcome::Forwarded { .. } => {
            decided.target().map_or_else(|| "forward".to_owned(), |url| format!("forward to {url}"))
        }
        Outcome::Denied { .. } => "deny: the connection is closed, nothing is sent".to_owned(),
        Outcome::Closed { .. } => "close: the connection is closed, nothing is sent".to_owned(),
        Outcome::Upstream if decided.has_upstream => {
            "upstream: the connection goes to the endpoint's own upstream".to_owned()
        }
        Outcome::Upstream => {
            "no decision: an endpoint without an upstream of its own closes the connection".to_owned()
        }
        _ => "failed closed: the connection is closed, nothing is sent".to_owned(),
    }
}

/// The deciding action: kind, place and rule.
pub(crate) fn place(decided: &Decided<'_>) -> Option<String> {
    let action = decided.outcome.by().and_then(|by| decided.program().action(by));
    let condition = decided.run.failed_condition().map(|(condition, _)| condition);
    let (kind, position, rule) = match (action, condition) {
        (Some(action), _) => (action.kind(), action.position(), action.rule()?),
        (None, Some(condition)) => ("a condition", condition.position(), condition.rule()?),
        (None, None) => return None,
    };
    let name = rule.name().map(|name| format!(" `{}`", printable(name))).unwrap_or_default();
    let (file, number) = (decided.program().file(), rule.id().index() + 1);
    Some(format!("{kind} at {file}:{position}, rule #{number}{name}"))
}

/// An expectation as it was written.
pub(crate) fn expectation(expected: &Expectation) -> String {
    match expected {
        Expectation::Allow => "allow".to_owned(),
        Expectation::Deny => "deny".to_owned(),
        Expectation::Close => "close".to_owned(),
        Expectation::Error => "error (failed closed)".to_owned(),
        Expectation::Forward(url) => format!("forward to {url}"),
    }
}
