//! Where and when a run happened.

use std::fs;
use std::process::Command;

use jiff::Timestamp;

/// The day, in UTC.
#[must_use]
pub fn day() -> String {
    Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// The commit that is checked out, with a mark if something is changed.
#[must_use]
pub fn commit() -> String {
    let head = output("git", &["rev-parse", "--short", "HEAD"]);
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no"]);
    match (head, changed) {
        (Some(head), Some(changed)) if changed.is_empty() => head,
        (Some(head), _) => format!("{head} and changes"),
        (None, _) => "unknown".to_owned(),
    }
}

/// The processor's name and how many threads may run.
#[must_use]
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("model name"));
    let name = line.map_or("unknown processor", |line| line.trim_start_matches([' ', '\t', ':']));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {threads} threads")
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
