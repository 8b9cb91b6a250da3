//! `forwarder reload` and `forwarder status`.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use policy_core::diagnostic::{counted, printable};
use serde_json::{Value, json};

use super::client::{Api, Column, Failure, Reach, exit, print_json, table, text};
use crate::cmd::exit::Exit;

const ENDPOINTS: &[Column] = &[
    ("NAME", "/name"),
    ("URL", "/url"),
    ("LISTEN", "/listen"),
    ("POLICY", "/policy"),
    ("FILE", "/policy_file"),
    ("SHA-256", "/policy_sha256"),
    ("OPEN", "/connections"),
];
const OWNERS: &[Column] =
    &[("AGENTS OF", "/name"), ("ID", "/id"), ("AGENTS", "/agents"), ("ENDPOINTS", "/endpoints")];
const OFFLINE: &[Column] = &[("OFFLINE TARGET", "/url"), ("FORWARDED TO BY", "/endpoints")];

/// Load the configuration of a running edge again, and say what changed.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all of it is in force, 1 a policy could not be loaded or nothing has changed
because the configuration is invalid (the output says what stays in force), 2 the edge cannot be reached.

Examples:
  forwarder reload --config edge.yml
  forwarder reload --url https://edge.example.com:4041 --json"
)]
pub(crate) struct Reload {
    #[command(flatten)]
    reach: Reach,
}

/// Show what a running edge serves: its endpoints with the policies in force, agents and connections.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 everything is in force as configured, 1 a policy could not be loaded or the last
reload was refused, 2 the edge cannot be reached.

Example:
  forwarder status --config edge.yml"
)]
pub(crate) struct Status {
    #[command(flatten)]
    reach: Reach,
}

/// `forwarder reload`.
pub(crate) fn reload(args: &Reload) -> Exit {
    let asked = Api::open_running(&args.reach).and_then(|api| {
        let report = api.call("POST", "/edge/reload", Some(&json!({})))?;
        if api.is_json() {
            print_json(&report)?
        } else {
            show(&reloaded(&report))?
        }
        Ok(report.get("complete") == Some(&Value::Bool(true)))
    });
    answer(asked)
}

/// `forwarder status`.
pub(crate) fn status(args: &Status) -> Exit {
    let asked = Api::open_running(&args.reach).and_then(|api| {
        let status = api.call("GET", "/edge", None)?;
        if api.is_json() {
            print_json(&status)?
        } else {
            show(&state(&status))?
        }
        let gaps = ["not_loaded", "problems"].iter().any(|key| !items(&status, key).is_empty());
        Ok(!gaps && text(&status, "reload_error").is_empty())
    });
    answer(asked)
}

fn answer(asked: Result<bool, Failure>) -> Exit {
    match asked {
        Ok(true) => Exit::Success,
        Ok(false) => Exit::Negative,
        Err(failure) => exit(Err(failure)),
    }
}

fn show(text: &str) -> Result<(), Failure> {
    anstream::stdout().write_all(text.as_bytes()).map_err(Failure::from)
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], |items| items)
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// Enough of a digest to tell policies apart.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

// Writing to a text cannot fail, so the results below are dropped.

fn reloaded(report: &Value) -> String {
    let mut out = String::new();
    for finding in items(report, "findings").iter().filter_map(Value::as_str) {
        let _ = writeln!(out, "{finding}");
    }
    if let Some(error) = report.get("error").and_then(Value::as_str) {
        let _ = writeln!(out, "reload refused, the previous configuration stays in force: {error}");
        return out;
    }
    for changed in items(report, "changed") {
        let (before, after) = (short(text(changed, "before")), short(text(changed, "after")));
        let before = if before.is_empty() { "none" } else { before };
        let endpoint = printable(text(changed, "endpoint"));
        let _ = match after {
            "" => writeln!(out, "{endpoint}: refuses every connection now (was {before})"),
            after => writeln!(out, "{endpoint}: new policy ({before} to {after})"),
        };
    }
    gaps(report, &mut out);
    let count = |key: &str, one: &str, then: &str| {
        let number = number(report, key);
        (number > 0).then(|| format!("{} {then}", counted(number, one, &format!("{one}s"))))
    };
    let parts = [
        count("opened", "listener", "opened"),
        count("closed", "listener", "closed"),
        count("cut", "connection", "closed"),
        count("revalidating", "connection", "still being decided"),
        count("sessions_ended", "agent session", "ended"),
        count("endpoints_stopped", "agent endpoint", "stopped"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let rest = if parts.is_empty() { "no connection closed".to_owned() } else { parts.join(", ") };
    let done = match items(report, "not_loaded").len() {
        0 => "reloaded".to_owned(),
        1 => "reloaded without 1 policy, see above".to_owned(),
        failed => format!("reloaded without {failed} policies, see above"),
    };
    let _ = writeln!(out, "{done}: {rest}");
    out
}

fn state(status: &Value) -> String {
    let mut out = table(ENDPOINTS, items(status, "endpoints"));
    let parts = [
        counted(number(status, "internal_endpoints"), "internal endpoint", "internal endpoints"),
        counted(number(status, "agents"), "agent", "agents"),
        counted(number(status, "connections"), "connection", "connections"),
    ];
    let _ = writeln!(out, "{}", parts.join(", "));
    for (columns, key) in [(OWNERS, "agents_by_owner"), (OFFLINE, "offline_targets")] {
        let rows = items(status, key);
        if !rows.is_empty() {
            let _ = write!(out, "\n{}", table(columns, rows));
        }
    }
    for finding in items(status, "findings").iter().filter_map(Value::as_str) {
        let _ = writeln!(out, "{finding}");
    }
    gaps(status, &mut out);
    if !items(status, "not_loaded").is_empty() {
        let _ = writeln!(
            out,
            "the edge does not start again with this configuration: fix the files, then reload"
        );
    }
    if let Some(error) = status.get("reload_error").and_then(Value::as_str) {
        let _ = writeln!(out, "last reload refused, the previous configuration stays in force: {error}");
    }
    out
}

/// What is not in force: endpoints whose policy could not be loaded, and the rest.
fn gaps(value: &Value, out: &mut String) {
    for problem in items(value, "problems").iter().filter_map(Value::as_str) {
        let _ = writeln!(out, "{problem}");
    }
    for gap in items(value, "not_loaded") {
        let (endpoint, file) = (printable(text(gap, "endpoint")), printable(text(gap, "file")));
        let file = if file.is_empty() { String::new() } else { format!(" `{file}`") };
        let in_force = text(gap, "policy_sha256");
        let in_force = if in_force.is_empty() { String::new() } else { format!(" ({})", short(in_force)) };
        let consequence = text(gap, "consequence");
        let _ = writeln!(out, "{endpoint}: policy{file} not loaded, {consequence}{in_force}");
    }
}
