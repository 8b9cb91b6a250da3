//! The commands of the edge where none runs: there are none.

use clap::Subcommand;

use crate::cmd::exit::Exit;

/// No command.
#[derive(Debug, Subcommand)]
pub(crate) enum EdgeCommand {}

impl EdgeCommand {
    /// Runs the command to its end.
    pub(crate) const fn run(&self) -> Exit {
        match *self {}
    }
}
