//! The log of a program: lines on standard error or in a file, through a bounded queue, so that a reader that has
//! stopped or is gone neither holds up nor ends anything.

mod logfmt;
mod repeats;

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use policy_core::agent::LogFormat;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::base::lines::{BoundedFile, Capacity, Duties, Lines, Output, Writer};
use logfmt::{Escaped, Logfmt};
pub(crate) use repeats::{Line, Repeats};

/// What may wait to be written.
const CAPACITY: Capacity = Capacity { lines: 8_192, bytes: 4 << 20 };
/// Of a log file, which is then moved to `<path>.1`.
const MAX_FILE_BYTES: u64 = 100 << 20;
/// How long the end of a program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of this process.
static WRITER: OnceLock<Writer> = OnceLock::new();
/// Its file, if it has one.
static FILE: OnceLock<(Lines, PathBuf)> = OnceLock::new();

/// Where a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOutput<'p> {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(&'p Path),
}

/// Starts the log of this process: what it and the libraries say from now on, panics included.
///
/// # Errors
/// A file that cannot be opened; also if there is a log already.
pub fn start(format: LogFormat, level: LevelFilter, output: LogOutput<'_>) -> io::Result<()> {
    let path = if let LogOutput::File(path) = output { Some(path.to_owned()) } else { None };
    let terminal = output == LogOutput::Stderr && io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let output: Output = match output {
        LogOutput::Stderr => Box::new(io::stderr()),
        LogOutput::Stdout => Box::new(io::stdout()),
        LogOutput::File(path) => Box::new(open(path)?),
    };
    let (lines, writer) = Lines::start("log", CAPACITY, vec![output], LogDuties)?;
    tracing::dispatcher::set_global_default(dispatch(format, level, LogLines(lines.clone()), colour))
        .map_err(io::Error::other)?;
    let _ = WRITER.set(writer);
    path.map(|path| FILE.set((lines, path)));
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn open(path: &Path) -> io::Result<BoundedFile> {
    BoundedFile::open(path, MAX_FILE_BYTES, false)
        .map_err(|error| io::Error::new(error.kind(), format!("log `{}`: {error}", path.display())))
}

/// Opens the log's file anew, if it has one: whoever rotates logs may have moved it.
pub fn reopen() {
    let Some((lines, path)) = FILE.get() else { return };
    match open(path) {
        Ok(file) => lines.replace(vec![Box::new(file)]),
        Err(error) => tracing::error!(%error, "cannot reopen the log file"),
    }
}

/// Waits until the lines so far are written, within bounds: a reader that has stopped keeps no program from ending.
pub fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(LAST_LINES);
    }
}

/// Writes a text to standard error after all lines of the log, within the same bounds.
pub fn last_words(text: String) {
    flush();
    let (done, written) = std::sync::mpsc::channel::<()>();
    let write = move || {
        // Where that cannot be written, the exit code is left to tell.
        let _ = anstream::stderr().write_all(text.as_bytes());
        drop(done);
    };
    if std::thread::Builder::new().name("last words".to_owned()).spawn(write).is_ok() {
        let _ = written.recv_timeout(LAST_LINES);
    }
}

/// A panic is a line of the log like any other: the way of the standard library waits for standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(%backtrace, "{panic}");
    } else {
        tracing::error!("{panic}");
    }
}

fn dispatch(
    format: LogFormat,
    level: LevelFilter,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    colour: bool,
) -> Dispatch {
    let builder = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(colour)
        // It would say them on standard error, and panic where that is gone.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => builder.json().map_event_format(Escaped).into(),
        LogFormat::Logfmt => builder.with_ansi(false).event_format(Logfmt).into(),
        _ => builder.into(),
    }
}

/// Queues what is written at once as one line.
#[derive(Clone, Debug)]
struct LogLines(Lines);

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        // One that is lost is counted, and said later.
        let _ = self.0.send(text.strip_suffix('\n').unwrap_or(&text).to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for LogLines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

struct LogDuties;

impl Duties for LogDuties {
    fn recovered(&mut self, lost: u64) {
        tracing::error!(lost, "log lines lost: they were not read or could not be written");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_event_is_one_line_of_logfmt() {
        let text = Text::default();
        let outputs: Vec<Output> = vec![Box::new(text.clone())];
        let (lines, writer) = Lines::start("log", CAPACITY, outputs, LogDuties).expect("a thread");
        let log = dispatch(LogFormat::Logfmt, LevelFilter::INFO, LogLines(lines), true);
        tracing::dispatcher::with_default(&log, || {
            let forged = io::Error::other("no\nt=1 lvl=error msg=forged \u{1b}[2J");
            tracing::warn!(endpoint = "device one", port = 22, error = %forged, up = ?Some("x"), "cannot \"reach\" it");
            tracing::debug!("not told");
            tracing::info!("online");
        });
        assert!(writer.flush(Duration::from_secs(30)));
        let text = String::from_utf8(text.0.lock().expect("whole").clone()).expect("text");
        let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').expect("a time")).collect();
        let [(first_time, first), (_, second)] = &*lines else { panic!("two lines: {text}") };
        let time = first_time.strip_prefix("t=").expect("a time").parse::<jiff::Timestamp>();
        assert!(time.is_ok(), "{first_time}");
        assert_eq!(
            *first,
            r#"lvl=warn msg="cannot \"reach\" it" endpoint="device one" port=22 error="no\nt=1 lvl=error msg=forged \u001b[2J" up="Some(\"x\")""#
        );
        assert_eq!(*second, "lvl=info msg=online");
    }

    #[test]
    fn json_lines_hold_nothing_that_steers_raw() {
        let text = Text::default();
        let outputs: Vec<Output> = vec![Box::new(text.clone())];
        let (lines, writer) = Lines::start("log", CAPACITY, outputs, LogDuties).expect("a thread");
        let log = dispatch(LogFormat::Json, LevelFilter::INFO, LogLines(lines), false);
        tracing::dispatcher::with_default(&log, || {
            tracing::info!(name = "a\u{202e}b\u{9b}\u{2028}", "online");
        });
        assert!(writer.flush(Duration::from_secs(30)));
        let text = String::from_utf8(text.0.lock().expect("whole").clone()).expect("text");
        assert!(text.contains(r#""name":"a\u202eb\u009b\u2028""#) && text.ends_with("}\n"), "{text}");
    }
}
