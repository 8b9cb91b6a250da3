//! `policy completions` and `policy man`.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::exit::{Exit, Failure, after_output};

/// Prints completions for a shell.
pub(crate) fn completions(args: &Completions) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "policy", &mut script);
    after_output(io::stdout().lock().write_all(&script), Exit::Success)
}

/// Prints the manual page.
pub(crate) fn man() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    after_output(io::stdout().lock().write_all(&page), Exit::Success)
}
