//! Exit codes and the failures behind them.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or the answer is yes.
    Success = 0,
    /// The answer is no.
    Negative = 1,
    /// A wrong call or an unreadable file.
    Usage = 2,
    /// An internal error.
    Internal = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The call is wrong or a file cannot be used; what to say about it.
    Usage(String),
    /// Output could not be written.
    Output(io::Error),
    /// The question is too large to be answered wholly; what is known, and what to do.
    Incomplete(String),
    /// A fault of this program.
    Internal(String),
}

impl Failure {
    /// Says it on standard error. Of a reader that went away (`| head`) nothing needs to be said, but the run
    /// is incomplete.
    pub(crate) fn report(self) -> Exit {
        match self {
            Self::Usage(message) => {
                say(&message);
                Exit::Usage
            }
            Self::Incomplete(message) | Self::Internal(message) => {
                say(&message);
                Exit::Internal
            }
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Internal,
            Self::Output(error) => {
                say(&format!("cannot write the output: {error}"));
                Exit::Internal
            }
        }
    }
}

/// Says an error on standard error. Where that cannot be written either, the exit code is left to tell.
pub(crate) fn say(message: &str) {
    let _ = writeln!(anstream::stderr(), "error: {message}");
}

/// Says a warning on standard error.
pub(crate) fn warn(message: &str) {
    let _ = writeln!(anstream::stderr(), "warning: {message}");
}

/// Says something worth knowing on standard error.
pub(crate) fn note(message: &str) {
    let _ = writeln!(anstream::stderr(), "note: {message}");
}

/// The same once a run, however many questions come across it.
pub(crate) fn note_once(message: String) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&message) {
        note(&message);
        said.insert(message);
    }
}

/// The verdict of a command whose output was written, or whose reader had read enough.
pub(crate) fn after_output(written: io::Result<()>, verdict: Exit) -> Result<Exit, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(verdict),
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
