//! One shell for the whole page, so that folders, variables and jobs stay from block to block.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::here::Here;

/// Runs the files whose names it reads, and tells the exit code of each.
const DRIVER: &str = r#"while read -r block; do . "$block" < /dev/null > "$block.out" 2>&1; echo "$?"; done"#;

pub(crate) struct Shell<'h> {
    here: &'h Here,
    bash: Child,
    blocks: ChildStdin,
    codes: BufReader<ChildStdout>,
    number: usize,
}

impl<'h> Shell<'h> {
    pub(crate) fn start(here: &'h Here) -> Self {
        let mut bash = here.bash();
        // All that it starts is of its process group, and ends with it.
        bash.args(["-c", DRIVER]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut bash = bash.spawn().expect("bash runs");
        let blocks = bash.stdin.take().expect("piped");
        let codes = BufReader::new(bash.stdout.take().expect("piped"));
        Self { here, bash, blocks, codes, number: 0 }
    }

    /// The exit code and the output of some commands, of which none may fail.
    pub(crate) fn run(&mut self, commands: &str) -> (i32, String) {
        self.number += 1;
        let block = self.here.path(&format!("block-{}", self.number));
        fs::write(&block, all_must_work(commands)).expect("writable");
        writeln!(self.blocks, "{}", block.display()).expect("bash reads");
        let mut code = String::new();
        self.codes.read_line(&mut code).expect("bash answers");
        let output = fs::read(block.with_extension("out")).expect("its output");
        (code.trim().parse().unwrap_or(-1), String::from_utf8_lossy(&output).into_owned())
    }

    pub(crate) fn logs(&self) -> String {
        self.here.logs()
    }
}

/// A reader sees the first command that fails; the shell of the test goes back to its driver there.
fn all_must_work(commands: &str) -> String {
    format!("trap 'code=$?; trap - ERR; return $code' ERR\n{commands}\ntrap - ERR\n")
}

impl Drop for Shell<'_> {
    fn drop(&mut self) {
        let group = format!("-{}", self.bash.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.bash.wait();
    }
}
