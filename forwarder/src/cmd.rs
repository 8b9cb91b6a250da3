//! The command: what the binary has beside the library.
//!
//! In order: how a command ends (`exit`), the command line (`cli`), the commands of the `agent`, and those of the
//! `edge`, which needs Unix.

pub(crate) mod agent;
pub(crate) mod cli;
#[cfg(unix)]
pub(crate) mod edge;
pub(crate) mod exit;

use std::io::{self, Write};

use clap::CommandFactory;

use self::cli::{Cli, Command, Completions};
use self::exit::{Exit, fail};

/// Runs a command to its end.
pub(crate) fn run(command: &Command) -> Exit {
    match command {
        #[cfg(unix)]
        Command::OfEdge(command) => edge::run(command),
        Command::Agent(args) => agent::run(args),
        Command::Completions(args) => run_completions(args),
    }
}

fn run_completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "forwarder", &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => Exit::Success,
        Err(error) => fail(Exit::Internal, error),
    }
}
