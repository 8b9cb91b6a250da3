//! Text for people: diagnostics in rustc's shape, decisions in three lines.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use policy_core::diagnostic::{Diagnostic, Diagnostics, Severity, printable};
use policy_core::source::{Source, Span};

use crate::answer::{Answer, Performed, Pool, RequestAnswer};
use crate::report::Report;

/// Lines shown before the line of a finding.
const LINES_BEFORE: u32 = 1;
/// Unrelated files that are named.
const MAX_UNRELATED: usize = 10;
/// A longer window is not drawn: only its place is named.
const MAX_WINDOW_WIDTH: usize = 4_096;

/// All findings and a summary line.
pub(crate) fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for file in &report.checked {
        findings_of(out, &file.source, &file.diagnostics)?;
    }
    writeln!(out, "{}", summary(report))?;
    unrelated(out, &report.unrelated)?;
    skipped(out, report)
}

/// Names the files of a search that are nothing of ours.
fn unrelated(out: &mut impl Write, names: &[String]) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let shown = names.get(..MAX_UNRELATED).unwrap_or(names);
    let (files, are) = if names.len() == 1 { ("file", "is") } else { ("files", "are") };
    write!(out, "skipped {} {files} that {are} neither policy nor configuration: ", names.len())?;
    write!(out, "{}", shown.join(", "))?;
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
    policy_core::diagnostic::summary(report.checked.len(), report.errors(), report.warnings())
}

/// The findings of one file, each followed by an empty line.
fn findings_of(out: &mut impl Write, source: &Source, found: &Diagnostics) -> io::Result<()> {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    for diagnostic in found.iter() {
        writeln!(out, "{}\n", renderer.render(&[group(source, diagnostic, found)]))?;
    }
    if found.dropped() > 0 {
        writeln!(out, "… and {} more in {}\n", found.dropped(), source.name())?;
    }
    Ok(())
}

/// Says on standard error what was found in files, where the output is something else. If that cannot be written either,
/// the exit code still tells.
pub(crate) fn say_findings(files: &[(Source, Diagnostics)]) {
    let mut err = anstream::stderr().lock();
    let _ = files.iter().try_for_each(|(source, found)| findings_of(&mut err, source, found));
}

fn group<'a>(source: &'a Source, diagnostic: &'a Diagnostic, among: &Diagnostics) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(&*diagnostic.message).id(diagnostic.code.id);
    // The first mark names the place that stands behind the arrow.
    let mut marks = vec![(AnnotationKind::Primary, diagnostic.span, None)];
    marks.extend(
        diagnostic.labels.iter().map(|label| (AnnotationKind::Context, label.span(), Some(&*label.message))),
    );
    let all = marks.iter().map(|(_, span, _)| window(source, *span));
    let all = all.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end));
    let excerpts: Vec<&[Mark<'_>]> = match all {
        // Places that lie near one another are shown in one excerpt, in their order.
        Some(all) if all.len() <= MAX_WINDOW_WIDTH => vec![&marks],
        _ => marks.chunks(1).collect(),
    };
    let mut group = Group::with_title(title);
    for marks in excerpts {
        group = excerpt(group, source, marks, among);
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let ngrok = match diagnostic.code.ngrok {
        [] => String::new(),
        codes => format!("; ngrok: {}", codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    };
    group.element(Level::NOTE.message(format!("`policy explain {}`{ngrok}", diagnostic.code.id)))
}

/// A place in an excerpt, and what is to be seen there.
type Mark<'a> = (AnnotationKind, Span, Option<&'a str>);

/// Shows the lines of some places, without what is secret in them; of lines that are too long the first place alone.
fn excerpt<'a>(group: Group<'a>, source: &'a Source, marks: &[Mark<'a>], among: &Diagnostics) -> Group<'a> {
    let windows = marks.iter().map(|(_, span, _)| window(source, *span));
    let whole = windows.reduce(|one, other| one.start.min(other.start)..one.end.max(other.end));
    let (Some(whole), Some((_, first, _))) = (whole, marks.first()) else { return group };
    let text = if whole.len() > MAX_WINDOW_WIDTH { "".into() } else { among.excerpt(source, whole.clone()) };
    if text.is_empty() {
        let place = source.position(first.start);
        let origin = Origin::path(source.name()).line(place.line as usize).char_column(place.column as usize);
        return group.element(origin);
    }
    let first_line = source.position(u32::try_from(whole.start).unwrap_or(u32::MAX)).line;
    let length = text.len();
    let inside = |offset: u32| (offset as usize).saturating_sub(whole.start).min(length);
    let snippet = Snippet::source(text).path(source.name()).line_start(first_line as usize);
    let annotations = marks.iter().map(|(kind, span, label)| {
        kind.span(inside(span.start)..inside(span.end).max(inside(span.start))).label(*label)
    });
    group.element(snippet.annotations(annotations))
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
pub(crate) fn decision(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    writeln!(out, "{}", answer.outcome)?;
    if let Some(by) = &answer.place {
        writeln!(out, "  by {by}")?;
    }
    because(out, answer)?;
    request(out, answer)?;
    assumptions(out, answer)
}

/// Why it was decided and which forwards failed before, where the entry of a list stands that an IP policy has, and which way
/// the connection took.
pub(crate) fn because(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    writeln!(out, "  because {}", answer.reason)?;
    for performed in &answer.effects {
        let Performed::Forward(url, Some(failure)) = performed else { continue };
        let failed = failure.at(url).to_string();
        if !answer.reason.contains(&failed) {
            writeln!(out, "  after a failed forward: {failed}")?;
        }
    }
    if let Some(at) = &answer.listed_at {
        writeln!(out, "  listed in {}:{}", at.file, at.line)?;
    }
    if let Some(way) = &answer.way {
        let hops = way.hops.iter().map(|url| format!(" → {url}")).collect::<String>();
        writeln!(out, "  way: {}{hops}", printable(&way.endpoint))?;
        if let Some(decided_at) = &way.decided_at {
            writeln!(out, "  decided by the policy of {}", printable(decided_at))?;
        }
    }
    Ok(())
}

/// What is sent: the answer to the client, or what differs in the request that goes on.
pub(crate) fn request(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let Some(request) = &answer.request else { return Ok(()) };
    if answer.admitted {
        changed(out, request)?;
    }
    if let Some(response) = &request.response {
        match answer.ended_by_event {
            None => writeln!(out, "  answered {}", response.status)?,
            Some(1) => writeln!(
                out,
                "  answered {}; event 1 ended the stream, and no event was sent",
                response.status
            )?,
            Some(event) => writeln!(
                out,
                "  answered {}; event {event} ended the stream, and the client got what came before:",
                response.status
            )?,
        }
        for (name, value) in response.headers.iter() {
            writeln!(out, "    {name}: {}", printable(value))?;
        }
        body(out, &response.body)?;
    }
    Ok(())
}

/// What differs in a request that goes on.
fn changed(out: &mut impl Write, request: &RequestAnswer) -> io::Result<()> {
    if let Some(url) = &request.url {
        writeln!(out, "  ~ url {}", printable(url))?;
    }
    for (name, values) in &request.headers {
        match &**values {
            [] => writeln!(out, "  - {name}")?,
            values => writeln!(out, "  ~ {name}: {}", printable(&values.join(", ")))?,
        }
    }
    if let Some(bytes) = &request.body {
        writeln!(out, "  ~ body")?;
        body(out, bytes)?;
    }
    Ok(())
}

/// The begin of a body.
pub(crate) fn body(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(MAX_BODY_LINES) {
        writeln!(out, "    | {}", printable(line))?;
    }
    match text.lines().count().saturating_sub(MAX_BODY_LINES) {
        0 => Ok(()),
        rest => writeln!(out, "    | … {rest} more lines"),
    }
}

/// Lines of a body that are shown.
const MAX_BODY_LINES: usize = 20;

/// What the decision does not say: targets count as online because nobody said otherwise, and their own policies are not
/// asked.
pub(crate) fn assumptions(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    for url in &answer.assumed_online {
        writeln!(out, "  assuming {url} is online (change it with `--target {url}=offline`)")?;
    }
    for assumption in &answer.assumed {
        writeln!(out, "  assuming {}", assumption.words())?;
    }
    for url in &answer.assumed_unserved {
        writeln!(out, "  assuming no agent keeps an endpoint online that is more specific for {url}")?;
    }
    for Pool { url, drawn } in &answer.pools {
        let drawn = printable(drawn);
        writeln!(
            out,
            "  pool: several endpoints share {url}, and the edge draws one; this answer is for `{drawn}`"
        )?;
    }
    for draw in &answer.draws {
        writeln!(out, "  another draw gives: {}", draw.words())?;
    }
    if !answer.all_drawn {
        writeln!(out, "  there are more draws, which were not tried")?;
    }
    if answer.target_not_asked {
        writeln!(out, "  not asked: the target's own policy, which may still refuse the connection")?;
    }
    Ok(())
}
