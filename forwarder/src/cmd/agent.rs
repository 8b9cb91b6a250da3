//! The commands of the agent.

mod args;

use forwarder::agent::{self, Checked, Chosen, OptionsError, TcpCommand};

pub(crate) use self::args::Agent;
use self::args::{AgentCommand, AgentConfigArgs, AgentConfigCommand};
use crate::cmd::exit::{Exit, LAST_WAIT, fail, print, runtime};

/// Runs a command of the agent to its end.
pub(crate) fn run(args: &Agent) -> Exit {
    let loaded = match &args.command {
        AgentCommand::Config(AgentConfigArgs { command: AgentConfigCommand::Check(args) }) => {
            return match agent::check(&args.config) {
                Ok(checked) => print_checked(&checked),
                Err(OptionsError::Invalid(reports)) => print(&reports, Exit::Negative),
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
            agent::from_command(
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
fn print_checked(checked: &Checked) -> Exit {
    let printed = print(&checked.reports, Exit::Success);
    for why in &checked.skipped {
        forwarder::base::log::last_words(format!("warning: an agent skips this: {why}\n"));
    }
    match &checked.refused {
        Some(why) if matches!(printed, Exit::Success) => fail(Exit::Negative, why),
        _ => printed,
    }
}
