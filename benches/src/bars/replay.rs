//! `policy replay`, beside a reader of JSON that does not decide.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::batches::policy_command;
use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::data::Random;
use crate::policies::{self, GUIDE};

/// Lines of the log.
const LINES: usize = 2_000_000;
/// Lines of the log that the peer reads, which takes its time.
const LINES_OF_PEER: usize = 100_000;
/// Bytes of a line.
const LINE: usize = 600;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    vec![
        Bar::new("batch/replay, guide policy", Gate::AtLeast(1.0, 2.0), "M/s", |context| {
            measured(context, context.number(LINES), |context, folder, number, policy| {
                let mut failed = false;
                let run = || {
                    failed |= !runs(replay(policy, folder));
                    0
                };
                let samples = context.meter.millions_per_second(number, run);
                (!failed).then_some(samples)
            })
        }),
        Bar::new("batch/replay faster than jq reads", Gate::AtLeast(0.0, 10.0), "×", |context| {
            measured(context, context.number(LINES_OF_PEER), |context, folder, number, policy| {
                let failed = std::cell::Cell::new(false);
                let run = |command: Command| {
                    failed.set(failed.get() | !runs(command));
                    0
                };
                let samples =
                    context.meter.equal_ratios(number, || run(replay(policy, folder)), || run(jq(folder)));
                (!failed.get()).then(|| samples.inverted())
            })
        }),
    ]
}

fn replay(policy: &Path, folder: &Path) -> Command {
    let mut command = Command::new(policy);
    command.current_dir(folder).args(["replay", "device1.yml", "--log", "events.jsonl", "--format", "json"]);
    command
}

fn jq(folder: &Path) -> Command {
    let mut command = Command::new("jq");
    command.current_dir(folder).args(["-c", "[.object.conn.client_ip, .object.decision]", "events.jsonl"]);
    command
}

fn runs(mut command: Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Measures the command as it was built beside this bench; without it, or if it fails, nothing is measured.
fn measured(
    context: &Context,
    number: usize,
    measure: impl Fn(&Context, &Path, usize, &Path) -> Option<Samples>,
) -> Samples {
    let none = |note: &str| Samples { values: Vec::new(), note: format!("not measured: {note}") };
    let Some(policy) = policy_command() else {
        return none("`cargo build --release -p policy-cli` builds the command");
    };
    let folder = match log(number) {
        Ok(folder) => folder,
        Err(error) => return none(&error.to_string()),
    };
    match measure(context, folder.path(), number, &policy) {
        Some(mut samples) => {
            samples.note += &format!("; {number} lines of {LINE} bytes, start included");
            samples
        }
        None => none("the command failed"),
    }
}

/// A policy and a log of random clients.
fn log(number: usize) -> std::io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("device1.yml"), GUIDE)?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(folder.path().join("events.jsonl"))?);
    let (mut random, mut line) = (Random::new(47), String::new());
    for at in 0..number {
        line.clear();
        event(&mut line, &mut random, at);
        out.write_all(line.as_bytes())?;
    }
    out.flush()?;
    Ok(folder)
}

fn event(line: &mut String, random: &mut Random, at: usize) {
    let admitted = random.below(8) == 0;
    let client = match admitted {
        true => policies::GUIDE_ADMITTED.to_string(),
        false => std::net::Ipv4Addr::from(u32::try_from(random.next() >> 32).unwrap_or(0)).to_string(),
    };
    let (decision, target) = match admitted {
        true => ("forward", "\"tcp://device1.internal:22\""),
        false => ("deny", ""),
    };
    let second = at / 1_000 % 60;
    let _ = write!(
        line,
        "{{\"account_id\":null,\"event_id\":\"ev_{at:026}\",\"event_type\":\"tcp_connection_closed.v0\",\"event_timestamp\":\"2026-12-02T10:00:{second:02}.5Z\",\"principal\":null,\"object\":{{\"conn\":{{\"bytes_in\":12,\"bytes_out\":34,\"client_ip\":\"{client}\",\"client_port\":50000,\"server_ip\":\"192.0.2.1\",\"server_name\":\"edge.example.com\",\"server_port\":20022,\"start_ts\":\"2026-12-02T10:00:00Z\",\"end_ts\":\"2026-12-02T10:00:01.5Z\"}},\"ip_policy\":{{\"decision\":null}},\"traffic_policy\":{{\"logs\":[]}},\"ja4_fingerprint\":null,\"endpoint\":\"ssh\",\"decision\":\"{decision}\",\"rule\":null,\"at\":null,\"reason\":\"{client} matches\",\"policy_sha256\":\"\",\"hops\":[{target}],\"failed_forwards\":[],\"end\":\""
    );
    let rest = LINE.saturating_sub(line.len() + 4);
    line.extend(std::iter::repeat_n('x', rest));
    line.push_str("\"}}\n");
}
