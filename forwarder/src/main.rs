//! The `forwarder` command: the edge, its check, its administration, the agent and the quickstart.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

mod cmd;

use std::process::ExitCode;

use clap::Parser;

use crate::cmd::cli::Cli;
use crate::cmd::exit::Exit;

fn main() -> ExitCode {
    let call = std::panic::catch_unwind(|| Cli::parse().command.run());
    forwarder::base::log::flush();
    ExitCode::from(call.unwrap_or(Exit::Internal) as u8)
}
