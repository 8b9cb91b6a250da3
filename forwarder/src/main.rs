//! The `forwarder` command: the edge, its check, its administration and the quickstart.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod admin_client;
mod cli;
#[cfg(unix)]
mod edge_commands;
mod exit;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use forwarder::agent::{self, Checked, Chosen, OptionsError, TcpCommand};

use crate::cli::{Agent, AgentCommand, AgentConfigArgs, AgentConfigCommand, Cli, Command, Completions};
use crate::exit::{Exit, LAST_WAIT, fail, runtime, tell};

fn main() -> ExitCode {
    let call = std::panic::catch_unwind(|| match Cli::parse().command {
        #[cfg(unix)]
        Command::OfEdge(command) => edge_commands::run(&command),
        Command::Agent(args) => run_agent(&args),
        Command::Completions(args) => run_completions(&args),
    });
    forwarder::log::flush();
    ExitCode::from(call.unwrap_or(Exit::Internal) as u8)
}

fn run_agent(args: &Agent) -> Exit {
    let loaded = match &args.command {
        AgentCommand::Config(AgentConfigArgs { command: AgentConfigCommand::Check(args) }) => {
            return match agent::check(&args.config) {
                Ok(checked) => tell_checked(&checked),
                Err(OptionsError::Invalid(reports)) => tell(&reports, Exit::Negative),
                Err(error) => fail(Exit::Usage, error),
            };
        }
        AgentCommand::Start(args) => {
            let chosen = if args.all { Chosen::All } else { Chosen::Named(args.names.clone()) };
            agent::load_setup(&args.config, &chosen)
        }
        AgentCommand::Tcp(args) => {
            let command = TcpCommand {
                upstream: args.upstream.clone(),
                url: args.url.clone(),
                binding: args.binding.clone(),
                traffic_policy_file: args.traffic_policy_file.clone(),
                pooling_enabled: args.pooling_enabled,
                metadata: args.metadata.clone(),
                proxy_protocol: args.upstream_proxy_protocol,
            };
            agent::of_command(
                &args.config,
                &command,
                args.connect_url.as_deref(),
                args.connect_cas.as_deref(),
            )
        }
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return fail(Exit::Usage, error),
    };
    if let Err(error) = agent::start_log(&loaded.settings) {
        return fail(Exit::Usage, error);
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Internal, error),
    };
    let ended = runtime.block_on(agent::run_to_end(loaded));
    runtime.shutdown_timeout(LAST_WAIT);
    match ended {
        Ok(()) => Exit::Success,
        Err(error) => fail(Exit::Negative, error),
    }
}

/// What `agent config check` found; the answer is no for what no agent starts with.
fn tell_checked(checked: &Checked) -> Exit {
    let told = tell(&checked.reports, Exit::Success);
    for why in &checked.skipped {
        forwarder::log::last_words(format!("warning: an agent skips this: {why}\n"));
    }
    match &checked.refused {
        Some(why) if matches!(told, Exit::Success) => fail(Exit::Negative, why),
        _ => told,
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
