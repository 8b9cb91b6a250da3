//! JSON for programs. Shapes carry `"version": 1`; fields are added, never changed.

use std::io::{self, Write};
use std::net::IpAddr;

use policy_core::diagnostic::{Diagnostic, Severity};
use policy_core::evaluate::Record;
use policy_core::exchange::{Effect, Reply};
use policy_core::json;
use policy_core::parse::PlainMap;
use policy_core::source::{Position, Source};
use serde::Serialize;

use crate::commands::eval::Decided;
use crate::commands::lint::Report;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Findings<'a> {
    version: u32,
    diagnostics: Vec<Finding<'a>>,
    /// What is said of the run as a whole, without a place in a file.
    notifications: Vec<Notification<'a>>,
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Notification<'a> {
    severity: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Summary<'a> {
    files: usize,
    errors: usize,
    warnings: usize,
    /// Findings that are counted and not listed.
    not_listed: usize,
    passed_over: &'a [String],
    /// Links that lead outside of the folder that was searched, templates, and files that are named and hold nothing
    /// of the language.
    skipped: Vec<&'a str>,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'a str,
    slug: &'a str,
    severity: &'a str,
    message: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    help: Option<&'a str>,
    ngrok: &'a [&'a str],
    fix: Option<Fix<'a>>,
    related: Vec<Related<'a>>,
}

#[derive(Serialize)]
struct Fix<'a> {
    safe: bool,
    edits: Vec<Edit<'a>>,
}

#[derive(Serialize)]
struct Edit<'a> {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    replacement: &'a str,
}

#[derive(Serialize)]
struct Related<'a> {
    line: u32,
    column: u32,
    message: &'a str,
}

/// All findings as one object.
pub(crate) fn findings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let files = &report.checked;
    let diagnostics =
        files.iter().flat_map(|file| file.diagnostics.iter().map(|item| finding(&file.source, item)));
    let severity = Severity::Warning.name();
    let notifications =
        report.general_warning().into_iter().map(|message| Notification { severity, message });
    let findings = Findings {
        version: VERSION,
        diagnostics: diagnostics.collect(),
        notifications: notifications.collect(),
        summary: Summary {
            files: files.len(),
            errors: report.errors(),
            warnings: report.warnings(),
            not_listed: report.not_listed(),
            passed_over: &report.passed_over,
            skipped: report.skipped.iter().map(|skipped| &*skipped.name).collect(),
        },
    };
    writeln!(out, "{}", json::to_string_pretty(&findings)?)
}

fn finding<'a>(source: &'a Source, item: &'a Diagnostic) -> Finding<'a> {
    let (start, end) = (source.position(item.span.start), source.position(item.span.end));
    let edits = |fix: &'a policy_core::diagnostic::Fix| {
        fix.edits.iter().map(|edit| {
            let (start, end) = (source.position(edit.span.start), source.position(edit.span.end));
            Edit {
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                replacement: &edit.replacement,
            }
        })
    };
    Finding {
        code: item.code.id,
        slug: item.code.slug,
        severity: item.severity.name(),
        message: &item.message,
        file: source.name(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        help: item.help.as_deref(),
        ngrok: item.code.ngrok,
        fix: item.fix.as_ref().map(|fix| Fix { safe: fix.safe, edits: edits(fix).collect() }),
        related: item
            .labels
            .iter()
            .map(|label| {
                let Position { line, column } = source.position(label.span().start);
                Related { line, column, message: &label.message }
            })
            .collect(),
    }
}

#[derive(Serialize)]
struct Decision<'a> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    outcome: &'a str,
    target: Option<String>,
    rule: Option<&'a str>,
    at: Option<Place<'a>>,
    reason: String,
    /// Where the entry that decided stands, if an IP policy has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_at: Option<Listed<'a>>,
    /// The digest of the policy's text.
    policy_sha256: String,
    /// The digest by which an edge names the policy: of its text, and of the IP policies that it names.
    served_sha256: String,
    effects: Vec<EffectShape<'a>>,
    assumed_online: Vec<String>,
    /// Of a forward: what the target's own policy says is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_policy: Option<&'a str>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct Listed<'a> {
    file: &'a str,
    line: u32,
}

#[derive(Serialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
enum EffectShape<'a> {
    Forward {
        target: String,
        reply: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
    },
    Log {
        metadata: &'a PlainMap,
    },
}

/// One decision as one line.
pub(crate) fn decision(out: &mut impl Write, decided: &Decided<'_>, ip: Option<IpAddr>) -> io::Result<()> {
    let program = decided.program();
    let action = decided.outcome.by().and_then(|by| program.action(by));
    let condition = decided.run.failed_condition().map(|(condition, _)| condition);
    let rule = action.and_then(|action| action.rule()).or(condition.and_then(|condition| condition.rule()));
    let position = action.map(|action| action.position()).or(condition.map(|condition| condition.position()));
    let decision = Decision {
        version: VERSION,
        ip,
        outcome: decided.outcome.name(),
        target: decided.target().map(ToString::to_string),
        rule: rule.and_then(|rule| rule.name()),
        at: position.map(|Position { line, column }| Place { file: program.file(), line, column }),
        reason: decided.run.reason().to_string(),
        listed_at: decided.listed_at.as_ref().map(|at| Listed { file: &at.file, line: at.line }),
        policy_sha256: program.policy_sha256().to_string(),
        served_sha256: program.served_sha256().to_string(),
        effects: effects(decided),
        assumed_online: decided.assumed_online().map(ToString::to_string).collect(),
        target_policy: decided.target().map(|_| "not_asked"),
    };
    writeln!(out, "{}", json::to_string(&decision)?)
}

fn effects<'a>(decided: &'a Decided<'_>) -> Vec<EffectShape<'a>> {
    let mut out = Vec::new();
    let mut open = None;
    for record in &decided.run.trace().records {
        match record {
            Record::Effect { effect, .. } => open = Some(*effect),
            Record::Reply { reply, .. } => {
                out.extend(open.take().and_then(|effect| shape(decided, effect, reply)));
            }
            _ => {}
        }
    }
    out
}

fn shape<'a>(decided: &'a Decided<'_>, effect: Effect, reply: &Reply) -> Option<EffectShape<'a>> {
    match effect {
        Effect::Forward(id) => {
            let target = decided.run.target(id)?.to_string();
            Some(match reply {
                Reply::ForwardFailed(failure) => {
                    EffectShape::Forward { target, reply: "failed", code: Some(failure.ngrok_code()) }
                }
                _ => EffectShape::Forward { target, reply: "forwarded", code: None },
            })
        }
        Effect::Log(id) => Some(EffectShape::Log { metadata: decided.run.log(id)? }),
        _ => None,
    }
}
