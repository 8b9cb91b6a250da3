//! The commands of the edge.
//!
//! In order: their command line (`args`), the `client` of the admin API, the commands of its `resources`, and those for
//! the `running` edge as a whole.

mod args;
mod client;
mod resources;
mod running;

use std::io::Write;

use clap::Subcommand;
use forwarder::base::files::read_file;
use forwarder::base::log::{self, LogOutput};
use forwarder::edge::certificates::{self, AgentIdentity};
use forwarder::edge::generation::{LoadError, check, load};
use forwarder::edge::quickstart::{self, QuickstartError};
use forwarder::edge::serve::{StartError, serve};
use policy_core::agent::LogFormat;
use tracing::level_filters::LevelFilter;

use self::args::{Ca, CaCommand, CaRotate, CaShow, Check, Edge, Quickstart};
use self::resources::ResourceCommand;
use self::running::{Reload, Status};
use crate::cmd::exit::{Exit, LAST_WAIT, fail, print, runtime};

/// What an edge can be asked to do, and what can be asked of a running one.
#[derive(Debug, Subcommand)]
pub(crate) enum EdgeCommand {
    Quickstart(Quickstart),
    Edge(Edge),
    Check(Check),
    Reload(Reload),
    Status(Status),
    #[command(flatten)]
    Resource(ResourceCommand),
    Ca(Ca),
}

impl EdgeCommand {
    /// Runs the command to its end.
    pub(crate) fn run(&self) -> Exit {
        let level = match self {
            // It tells itself what happens.
            Self::Quickstart(_) => LevelFilter::WARN,
            _ => LevelFilter::INFO,
        };
        // What the edge does is said on standard error; standard output belongs to events.
        if let Err(error) = log::start(LogFormat::Term, level, LogOutput::Stderr) {
            return fail(Exit::Internal, error);
        }
        match self {
            Self::Quickstart(args) => run_quickstart(args),
            Self::Edge(args) => run_edge(args),
            Self::Check(args) => run_check(args),
            Self::Reload(args) => running::reload(args),
            Self::Status(args) => running::status(args),
            Self::Resource(command) => command.run(),
            Self::Ca(args) => run_ca(args),
        }
    }
}

fn run_quickstart(args: &Quickstart) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Internal, error),
    };
    match runtime.block_on(quickstart::run(args.check, args.keep.as_deref(), &mut anstream::stdout())) {
        Ok(()) => Exit::Success,
        Err(error @ QuickstartError::Unexpected(_)) => fail(Exit::Negative, error),
        Err(error @ QuickstartError::Folder(..)) => fail(Exit::Usage, error),
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
        Ok(()) => Exit::Success,
        Err(error @ StartError::System(_)) => fail(Exit::Internal, error),
        Err(error) => fail(Exit::Usage, error),
    }
}

fn run_check(args: &Check) -> Exit {
    let (reports, exit) = match check(&args.config, &read_file) {
        Ok(reports) => (reports, Exit::Success),
        Err(LoadError::Invalid(reports)) => (reports, Exit::Negative),
        Err(error) => return fail(Exit::Usage, error),
    };
    print(&reports, exit)
}

fn run_ca(args: &Ca) -> Exit {
    let (CaCommand::Show(CaShow { config }) | CaCommand::Rotate(CaRotate { config })) = &args.command;
    let generation = match load(config, &read_file) {
        Ok((generation, _)) => generation,
        Err(error) => return fail(Exit::Usage, error),
    };
    let Some(agents) = &generation.config.agents else {
        return fail(Exit::Usage, "the configuration has no `agents`, so the edge needs no CA");
    };
    let state = generation.folder.join(&*generation.config.state_dir);
    let shown = match (&args.command, &agents.tls) {
        (CaCommand::Rotate(_), Some(given)) => {
            let file = &given.certificate;
            let message = format!("the edge uses the certificate in `{file}`: replace that file and its key");
            return fail(Exit::Usage, message);
        }
        (CaCommand::Rotate(_), None) => certificates::rotate(&state, &agents.names),
        (CaCommand::Show(_), Some(given)) => {
            let path = generation.folder.join(&*given.certificate);
            AgentIdentity::load(&path, &generation.folder.join(&*given.private_key), &agents.names).map(
                |identity| certificates::AuthorityFile {
                    path,
                    fingerprint: identity.fingerprint().to_owned(),
                },
            )
        }
        (CaCommand::Show(_), None) => match certificates::show(&state) {
            Ok(None) => {
                return fail(Exit::Negative, "there is no CA yet: the edge creates one when it starts");
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
        Ok(()) => Exit::Success,
        Err(error) => fail(Exit::Internal, error),
    }
}
