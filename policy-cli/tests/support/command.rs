//! Runs the command in a folder.

use std::path::Path;
use std::process::Command;

/// Exit code, output and what is said beside it.
pub(crate) fn policy(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let output = command.args(args).current_dir(folder).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}
