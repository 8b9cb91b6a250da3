//! JSON for programs. Shapes carry `"version": 1`; fields are added, never changed.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

use policy_core::diagnostic::{Diagnostic, Severity};
use policy_core::exchange::ForwardFailure;
use policy_core::json;
use policy_core::message::Response;
use policy_core::ngrok::NgrokCode;
use policy_core::outcome::OutcomeKind;
use policy_core::parse::PlainMap;
use policy_core::source::{Position, Source};
use serde::Serialize;

use crate::answer::{Answer, Performed};
use crate::report::Report;

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
    #[serde(rename = "passed_over")]
    unrelated: &'a [String],
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
    ngrok: &'a [NgrokCode],
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
            unrelated: &report.unrelated,
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

/// What stands before the reason, and after the version and the address that was asked about.
#[derive(Serialize)]
struct Decision<'a> {
    outcome: OutcomeKind,
    target: Option<String>,
    rule: Option<&'a str>,
    at: Option<WrittenPlace<'a>>,
}

/// What stands behind the reason.
#[derive(Serialize)]
struct Details<'a> {
    /// Where the entry that decided stands, if an IP policy has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_at: Option<Listed<'a>>,
    /// The digest of the deciding policy's text; nothing if no policy was asked.
    policy_sha256: Option<String>,
    /// The digest by which an edge names the policy: of its text, and of the IP policies that it names.
    served_sha256: Option<String>,
    effects: Vec<EffectShape<'a>>,
    assumed_online: Vec<String>,
    /// What else was assumed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assumed: Vec<&'static str>,
    /// Targets that no agent is assumed to serve by a more specific endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assumed_unserved: Vec<String>,
    /// Targets that several endpoints share, and the endpoint that this decision is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pools: Vec<PoolShape<'a>>,
    /// What other draws out of the pools give.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_draws: Vec<DrawShape>,
    /// False if there are more draws than were tried.
    #[serde(skip_serializing_if = "Clone::clone")]
    all_drawn: bool,
    /// Of a forward: what the target's own policy says is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_policy: Option<&'a str>,
    /// The policy decided nothing: only an upstream of the endpoint's own would get the connection.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    falls_through: bool,
    /// Of a configuration: the way through its endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<WayShape<'a>>,
    /// Of a request: what the client is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<ResponseShape<'a>>,
    /// The event that ended a stream of events, counted from 1: the response has those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by_event: Option<usize>,
    /// Of a request that goes on: what differs in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestShape<'a>>,
}

#[derive(Serialize)]
struct ResponseShape<'a> {
    status: u16,
    /// Name and value, in order.
    headers: Vec<(&'a str, &'a str)>,
    body: Cow<'a, str>,
}

#[derive(Serialize)]
struct RequestShape<'a> {
    /// The URL, if it was rewritten.
    url: Option<&'a str>,
    /// Every header that was changed, with all of its values; none if it was removed.
    headers: Vec<HeaderShape<'a>>,
    /// The body, if it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct HeaderShape<'a> {
    name: &'a str,
    values: &'a [String],
}

#[derive(Serialize)]
struct PoolShape<'a> {
    url: String,
    endpoint: &'a str,
}

#[derive(Serialize)]
struct DrawShape {
    decision: OutcomeKind,
    target: Option<String>,
}

#[derive(Serialize)]
struct WayShape<'a> {
    /// The endpoint where the connection comes in.
    endpoint: &'a str,
    /// The targets that took it, in order.
    hops: Vec<String>,
    /// Whose policy decided: a target, or the endpoint; nothing if none was asked.
    decided_at: Option<&'a str>,
    /// The server that gets the connection; nothing if it is refused.
    upstream: Option<&'a str>,
}

#[derive(Serialize)]
struct WrittenPlace<'a> {
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
        code: Option<NgrokCode>,
    },
    Log {
        metadata: &'a PlainMap,
    },
    #[serde(untagged)]
    Other {
        effect: &'static str,
    },
}

/// A decision as a line of JSON, but for the client's address in it: that of many decisions that differ in nothing else.
#[derive(Debug)]
pub(crate) struct DecisionLine {
    /// What stands before the address that was asked about.
    start: Box<str>,
    /// What stands behind the address that was asked about.
    beginning: Box<str>,
    /// Of a reason that begins with the client's address what stands behind that.
    end: Option<Box<str>>,
}

impl DecisionLine {
    /// The line of an answer. If the reason begins with the text of the client's address, that may be given to be left out.
    pub(crate) fn new(answer: &Answer, client: Option<&str>) -> io::Result<Self> {
        let (decision, details) = (json::to_string(&decision(answer))?, json::to_string(&details(answer))?);
        let (decision, details) = (members(&decision), members(&details));
        let rest = client.and_then(|client| answer.reason.strip_prefix(client));
        let reason = json::to_string(rest.unwrap_or(&answer.reason))?;
        let (beginning, end) = match rest {
            None => (format!(",{decision},\"reason\":{reason},{details}}}\n"), None),
            Some(_) => {
                let end = format!("{},{details}}}\n", reason.strip_prefix('"').unwrap_or(&reason));
                (format!(",{decision},\"reason\":\""), Some(end.into()))
            }
        };
        Ok(Self { start: format!("{{\"version\":{VERSION}").into(), beginning: beginning.into(), end })
    }

    /// Writes it with the address that was asked about, if it is to be told, and that of the client.
    pub(crate) fn write(&self, out: &mut impl Write, asked: Option<&str>, client: &str) -> io::Result<()> {
        out.write_all(self.start.as_bytes())?;
        if let Some(asked) = asked {
            // No address has a character that JSON escapes.
            out.write_all(b",\"ip\":\"")?;
            out.write_all(asked.as_bytes())?;
            out.write_all(b"\"")?;
        }
        out.write_all(self.beginning.as_bytes())?;
        if let Some(end) = &self.end {
            out.write_all(client.as_bytes())?;
            out.write_all(end.as_bytes())?;
        }
        Ok(())
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.start.len()
            + self.beginning.len()
            + self.end.as_ref().map_or(0, |end| end.len())
    }
}

/// What stands between the braces of an object.
fn members(object: &str) -> &str {
    object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(object)
}

/// One decision as one line, with the address that was asked about if it is one of many.
pub(crate) fn decision_line(out: &mut impl Write, answer: &Answer, ip: Option<IpAddr>) -> io::Result<()> {
    let asked = ip.map(|ip| ip.to_string());
    DecisionLine::new(answer, None)?.write(out, asked.as_deref(), "")
}

fn decision(answer: &Answer) -> Decision<'_> {
    Decision {
        outcome: answer.decision,
        target: answer.target.as_ref().map(ToString::to_string),
        rule: answer.rule.as_deref(),
        at: answer.at.as_ref().map(|(file, Position { line, column })| WrittenPlace {
            file,
            line: *line,
            column: *column,
        }),
    }
}

fn details(answer: &Answer) -> Details<'_> {
    let digests = answer.digests.map(|digests| digests.map(|digest| digest.to_string()));
    let [policy_sha256, served_sha256] = digests.map_or([None, None], |digests| digests.map(Some));
    Details {
        listed_at: answer.listed_at.as_ref().map(|at| Listed { file: &at.file, line: at.line }),
        policy_sha256,
        served_sha256,
        effects: answer.effects.iter().filter_map(effect).collect(),
        assumed_online: answer.assumed_online.iter().map(ToString::to_string).collect(),
        assumed: answer.assumed.iter().map(|it| it.name()).collect(),
        assumed_unserved: answer.assumed_unserved.iter().map(ToString::to_string).collect(),
        pools: answer
            .pools
            .iter()
            .map(|pool| PoolShape { url: pool.url.to_string(), endpoint: &pool.drawn })
            .collect(),
        other_draws: answer
            .draws
            .iter()
            .map(|draw| DrawShape {
                decision: draw.decision,
                target: draw.target.as_ref().map(ToString::to_string),
            })
            .collect(),
        all_drawn: answer.all_drawn,
        target_policy: answer.target_not_asked.then_some("not_asked"),
        falls_through: answer.falls_through,
        way: answer.way.as_ref().map(|way| WayShape {
            endpoint: &way.endpoint,
            hops: way.hops.iter().map(ToString::to_string).collect(),
            decided_at: way.decided_at.as_deref(),
            upstream: way.upstream.as_deref(),
        }),
        response: answer.request.as_ref().and_then(|request| request.response.as_ref()).map(response),
        ended_by_event: answer.ended_by_event,
        request: answer.request.as_ref().filter(|_| answer.admitted).map(|request| RequestShape {
            url: request.url.as_deref(),
            headers: request.headers.iter().map(|(name, values)| HeaderShape { name, values }).collect(),
            body: request.body.as_deref().map(String::from_utf8_lossy),
        }),
    }
}

fn response(response: &Response) -> ResponseShape<'_> {
    ResponseShape {
        status: response.status,
        headers: response.headers.iter().collect(),
        body: String::from_utf8_lossy(&response.body),
    }
}

fn effect(performed: &Performed) -> Option<EffectShape<'_>> {
    Some(match performed {
        Performed::Forward(target, failure) => EffectShape::Forward {
            target: target.to_string(),
            reply: if failure.is_some() { "failed" } else { "forwarded" },
            code: failure.map(ForwardFailure::ngrok_code),
        },
        Performed::Log(metadata) => EffectShape::Log { metadata },
        Performed::Other(effect) => EffectShape::Other { effect },
        Performed::Set(..) | Performed::Reached(_) => return None,
    })
}
