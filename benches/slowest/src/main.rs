//! `cargo tests`: `cargo test --workspace`, and at the end the ten slowest tests.
//!
//! Cargo runs each program of tests through this one, which asks it for times and passes on what it prints. The harness of
//! a stable toolchain knows the times, but keeps them to itself unless `RUSTC_BOOTSTRAP` is set; nothing is built with it.

mod report;

use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use report::Timed;

/// What cargo is given besides the arguments of the call.
const ALL: [&str; 2] = ["test", "--workspace"];

/// Set where a program of tests is run: the file that times are written to.
const TIMES: &str = "SLOWEST_TIMES";

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let ran = match env::var_os(TIMES) {
        None => run_all(arguments),
        Some(times) => match arguments.next() {
            Some(program) => run_one(&program, arguments, Path::new(&times)),
            None => Err(io::Error::other("cargo named no program")),
        },
    };
    match ran {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all tests.
fn run_all(arguments: impl Iterator<Item = OsString>) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    let times = env::temp_dir().join(format!("slowest-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&times)?;
    // A TOML text; JSON's escapes are among those of TOML.
    let runner = format!("target.'cfg(all())'.runner=[{:?}]", env::current_exe()?.display().to_string());
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran =
        Command::new(cargo).args(ALL).args(["--config", &runner]).args(arguments).env(TIMES, &times).status();
    let noted = fs::read_to_string(&times);
    fs::remove_file(&times)?;
    report::write(&mut io::stdout().lock(), &noted?, begun.elapsed())?;
    ran
}

/// Runs one program of tests, and notes what its tests took.
fn run_one(
    program: &OsString,
    arguments: impl Iterator<Item = OsString>,
    times: &Path,
) -> io::Result<ExitStatus> {
    let mut command = Command::new(program);
    command.args(arguments).env_remove(TIMES);
    let folder = Path::new(program).parent().and_then(Path::file_name);
    if folder.is_none_or(|folder| folder != "deps") {
        // A test of documentation: rustdoc has a harness of its own.
        return command.status();
    }
    command.args(["-Zunstable-options", "--report-time"]).env("RUSTC_BOOTSTRAP", "1");
    if io::stdout().is_terminal() {
        command.arg("--color=always");
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut noted = OpenOptions::new().append(true).open(times)?;
    if let Some(output) = child.stdout.take() {
        pass_on(BufReader::new(output), &mut io::stdout().lock(), &mut noted)?;
    }
    child.wait()
}

/// Passes on what tests print, and notes their times.
fn pass_on(mut from: impl BufRead, to: &mut impl Write, noted: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        if let Some(timed) = Timed::from_line(&String::from_utf8_lossy(&line)) {
            noted.write_all(timed.to_string().as_bytes())?;
        }
        line.clear();
    }
    to.flush()
}
