//! The `forwarder` command: the edge, its check, its administration and the quickstart.

mod admin_client;
mod cli;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use forwarder::agent::{self, Chosen, OptionsError, TcpCommand};
use forwarder::generation::{LoadError, Reports, load, read_file};
use forwarder::quickstart::{self, QuickstartError};
use forwarder::serve::{StartError, serve};
use forwarder::tls::{self, AgentIdentity};

use tracing::level_filters::LevelFilter;

use crate::cli::{
    Agent, AgentCommand, AgentConfigArgs, AgentConfigCommand, Ca, CaCommand, Check, Cli, Command,
    Completions, Edge, Quickstart,
};

/// Exit codes, the same everywhere.
#[derive(Clone, Copy)]
enum Exit {
    Yes = 0,
    No = 1,
    Usage = 2,
    Internal = 3,
}

fn main() -> ExitCode {
    let call = std::panic::catch_unwind(|| {
        let cli = Cli::parse();
        match cli.command {
            // An agent logs as its configuration says.
            Command::Agent(_) => {}
            // It tells itself what happens.
            Command::Quickstart(_) => start_log(LevelFilter::WARN),
            _ => start_log(LevelFilter::INFO),
        }
        match cli.command {
            Command::Quickstart(args) => run_quickstart(&args),
            Command::Edge(args) => run_edge(&args),
            Command::Agent(args) => run_agent(&args),
            Command::Check(args) => run_check(&args),
            Command::ServiceUser(args) => admin_client::service_user(&args),
            Command::Authtoken(args) => admin_client::authtoken(&args),
            Command::ApiKey(args) => admin_client::api_key(&args),
            Command::Session(args) => admin_client::session(&args),
            Command::Endpoint(args) => admin_client::endpoint(&args),
            Command::Ca(args) => run_ca(&args),
            Command::Completions(args) => run_completions(&args),
        }
    });
    ExitCode::from(call.unwrap_or(Exit::Internal) as u8)
}

/// What the edge does is said on standard error; standard output belongs to events.
fn start_log(level: LevelFilter) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let log = tracing_subscriber::fmt().with_max_level(level);
    log.with_writer(io::stderr).with_ansi(colour).with_target(false).init();
}

/// How long the end waits for tasks that cannot be cancelled.
const LAST_WAIT: Duration = Duration::from_millis(100);

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn fail(exit: Exit, message: impl std::fmt::Display) -> Exit {
    // Where that cannot be written, the exit code is left to tell.
    let _ = writeln!(anstream::stderr(), "error: {message}");
    exit
}

fn run_quickstart(args: &Quickstart) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Internal, error),
    };
    match runtime.block_on(quickstart::run(args.check, &mut anstream::stdout())) {
        Ok(()) => Exit::Yes,
        Err(error @ QuickstartError::Unexpected(_)) => fail(Exit::No, error),
        Err(error) => fail(Exit::Internal, error),
    }
}

fn run_edge(args: &Edge) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Internal, error),
    };
    let ended = runtime.block_on(serve(&args.config));
    // A name lookup that still waits for its answer must not hold up the end.
    runtime.shutdown_timeout(LAST_WAIT);
    match ended {
        Ok(()) => Exit::Yes,
        Err(error @ StartError::System(_)) => fail(Exit::Internal, error),
        Err(error) => fail(Exit::Usage, error),
    }
}

fn run_agent(args: &Agent) -> Exit {
    let loaded = match &args.command {
        AgentCommand::Config(AgentConfigArgs { command: AgentConfigCommand::Check(args) }) => {
            return match agent::check(&args.config) {
                Ok(reports) => tell(&reports, Exit::Yes),
                Err(OptionsError::Invalid(reports)) => tell(&reports, Exit::No),
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
        Ok(()) => Exit::Yes,
        Err(error) => fail(Exit::No, error),
    }
}

fn tell(reports: &Reports, exit: Exit) -> Exit {
    let (files, errors, warnings) = (reports.files(), reports.errors(), reports.warnings());
    let summary = format!("checked {files} files: {errors} errors, {warnings} warnings");
    match writeln!(anstream::stdout(), "{reports}{summary}") {
        Ok(()) => exit,
        Err(error) => fail(Exit::Internal, error),
    }
}

fn run_check(args: &Check) -> Exit {
    let (reports, exit) = match load(&args.config, &read_file) {
        Ok((_, reports)) => (reports, Exit::Yes),
        Err(LoadError::Invalid(reports)) => (reports, Exit::No),
        Err(error) => return fail(Exit::Usage, error),
    };
    tell(&reports, exit)
}

fn run_ca(args: &Ca) -> Exit {
    let (CaCommand::Show(cli::CaShow { config }) | CaCommand::Rotate(cli::CaRotate { config })) =
        &args.command;
    let generation = match load(config, &read_file) {
        Ok((generation, _)) => generation,
        Err(error) => return fail(Exit::Usage, error),
    };
    let Some(agents) = &generation.config.agents else {
        return fail(Exit::Usage, "the configuration has no `agents`, so the edge needs no authority");
    };
    let state = generation.folder.join(&*generation.config.state_dir);
    let shown = match (&args.command, &agents.tls) {
        (CaCommand::Rotate(_), Some(given)) => {
            let file = &given.certificate;
            let message =
                format!("the edge shows the certificate in `{file}`: replace that file and its key");
            return fail(Exit::Usage, message);
        }
        (CaCommand::Rotate(_), None) => tls::rotate(&state, &agents.names),
        (CaCommand::Show(_), Some(given)) => {
            let path = generation.folder.join(&*given.certificate);
            AgentIdentity::load(&path, &generation.folder.join(&*given.private_key))
                .map(|identity| tls::AuthorityFile { path, fingerprint: identity.fingerprint().to_owned() })
        }
        (CaCommand::Show(_), None) => match tls::show(&state) {
            Ok(None) => {
                return fail(Exit::No, "there is no authority yet: the edge makes one when it starts");
            }
            Ok(Some(shown)) => Ok(shown),
            Err(error) => Err(error),
        },
    };
    let shown = match shown {
        Ok(shown) => shown,
        Err(error) => return fail(Exit::Internal, error),
    };
    // It is copied to other folders and machines.
    let path = std::path::absolute(&shown.path).unwrap_or(shown.path);
    match writeln!(anstream::stdout(), "{}\nSHA-256 {}", path.display(), shown.fingerprint) {
        Ok(()) => Exit::Yes,
        Err(error) => fail(Exit::Internal, error),
    }
}

fn run_completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "forwarder", &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => Exit::Yes,
        Err(error) => fail(Exit::Internal, error),
    }
}
