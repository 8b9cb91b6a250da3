//! How a command ends: exit codes, last words, and the runtime that it ran in.

use std::io::{self, Write};
use std::time::Duration;

use forwarder::base::reports::Reports;
use policy_core::diagnostic::summary;

/// Exit codes, the same everywhere.
#[derive(Clone, Copy)]
pub(crate) enum Exit {
    Success = 0,
    Negative = 1,
    Usage = 2,
    Internal = 3,
}

/// How long the end waits for tasks that cannot be cancelled.
pub(crate) const LAST_WAIT: Duration = Duration::from_millis(100);

pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

pub(crate) fn fail(exit: Exit, message: impl std::fmt::Display) -> Exit {
    forwarder::base::log::last_words(format!("error: {message}\n"));
    exit
}

/// Prints reports with their summary.
pub(crate) fn print(reports: &Reports, exit: Exit) -> Exit {
    let summary = summary(reports.files(), reports.errors(), reports.warnings());
    match writeln!(anstream::stdout(), "{reports}{summary}") {
        Ok(()) => exit,
        Err(error) => fail(Exit::Internal, error),
    }
}
