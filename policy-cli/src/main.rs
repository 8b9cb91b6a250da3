//! The `policy` command: one file per command, one per output format.
//!
//! Exit codes, the same in every format: 0 success; 1 a negative answer; 2 a usage error or an unreadable file;
//! 3 an internal error.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod answer;
mod cli;
mod commands;
mod configurations;
mod coverage;
mod exit;
mod files;
mod geoip;
mod hidden;
mod ip_policies;
mod lists;
mod render;
mod report;
mod revisions;
mod suite;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::{Exit, Failure};

fn main() -> ExitCode {
    let call = std::panic::catch_unwind(|| {
        let cli = Cli::try_parse().unwrap_or_else(|error| cli::without_secrets(error).exit());
        match cli.command {
            None => commands::overview::run(),
            Some(Command::Lint(args)) => commands::lint::run(&args),
            Some(Command::Eval(args)) => commands::eval::run(&args),
            Some(Command::Test(args)) => commands::test::run(&args),
            Some(Command::Init(args)) => commands::init::run(&args),
            Some(Command::Replay(args)) => commands::replay::run(&args),
            Some(Command::Reach(args)) => commands::reach::run(&args),
            Some(Command::Diff(args)) => commands::diff::run(&args),
            Some(Command::Compile(args)) => commands::compile::run(&args),
            Some(Command::Explain(args)) => commands::explain::run(&args),
            Some(Command::Completions(args)) => commands::shell::completions(&args),
            Some(Command::Man) => commands::shell::man(),
        }
    });
    // A panic has printed its message; it is a fault of this program.
    call.unwrap_or(Ok(Exit::Internal)).unwrap_or_else(Failure::report).into()
}
