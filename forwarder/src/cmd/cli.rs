//! The command line: which commands there are, and what runs them.

use std::io::{self, Write};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::cmd::agent::{self, Agent};
use crate::cmd::edge::EdgeCommand;
use crate::cmd::exit::{Exit, fail};

/// Execute Traffic Policies on live TCP connections.
#[derive(Debug, Parser)]
#[command(name = "forwarder", version, about, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 success, 1 a negative answer (findings, denied, not found), 2 a usage error or an \
unusable configuration, 3 an internal error or an incomplete run."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    OfEdge(EdgeCommand),
    Agent(Agent),
    Completions(Completions),
}

/// Print a completion script for a shell.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

impl Command {
    /// Runs the command to its end.
    pub(crate) fn run(&self) -> Exit {
        match self {
            Self::OfEdge(command) => command.run(),
            Self::Agent(args) => agent::run(args),
            Self::Completions(args) => run_completions(args),
        }
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
