//! An agent under the control of signals, and its log.

use std::io;
use std::path::Path;
use std::sync::Arc;

use policy_core::agent::{AgentSettings, LogLevel};
use tracing::level_filters::LevelFilter;

use super::control::Control;
use super::end::AgentError;
use super::options::Loaded;
use super::run::run;
use super::status::Status;
use super::web::serve_web;
use crate::base::log::{self, LogOutput};
use crate::base::platform::{Signal, Signals, raise_file_limit};

/// Connections that an edge sends one agent, unless its `max_streams_per_agent` says otherwise.
const OF_EDGE: u64 = 4_096;
/// Files for everything else.
const OWN_FILES: u64 = 64;

/// Starts the log that the settings ask for; on standard error if they ask for none.
///
/// # Errors
/// If its file cannot be opened.
pub fn start_log(settings: &AgentSettings) -> io::Result<()> {
    let level = match settings.log_level {
        LogLevel::Crit | LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Debug => LevelFilter::DEBUG,
        _ => LevelFilter::INFO,
    };
    let output = match settings.log.as_deref() {
        Some("stdout") => LogOutput::Stdout,
        None | Some("stderr") => LogOutput::Stderr,
        Some(path) => LogOutput::File(Path::new(path)),
    };
    log::start(settings.log_format, level, output)
}

/// Runs an agent until a signal, the edge or a refusal ends it.
///
/// # Errors
/// [`AgentError`].
pub async fn run_to_end(loaded: Loaded) -> Result<(), AgentError> {
    let Loaded { setup, settings, notes } = loaded;
    let (status, control) = (Arc::new(Status::default()), Control::default());
    // Signals are caught from here on: one that comes while the agent starts is not lost.
    let signals = Signals::new().map(|signals| tokio::spawn(handle_signals(signals, control.clone())));
    let signals = signals.inspect_err(|error| tracing::warn!(%error, "cannot handle signals")).ok();
    raise_limit();
    notes.iter().for_each(|note| tracing::warn!("{note}"));
    let web = match settings.web_addr.as_deref() {
        None => None,
        Some(address) => {
            match serve_web(address, settings.web_allow_hosts.clone(), Arc::clone(&status)).await {
                Ok((local, serving)) => {
                    tracing::info!(url = format!("http://{local}/api"), "status API");
                    Some(tokio::spawn(serving))
                }
                // Another agent of this machine has it: no reason not to serve.
                Err(error) => {
                    tracing::warn!(address, %error, "status API not started: another agent may use the address; set `web_addr` to another one, or to false");
                    None
                }
            }
        }
    };
    let ended = run(setup, &status, control).await;
    signals.into_iter().for_each(|signals| signals.abort());
    web.into_iter().for_each(|web| web.abort());
    ended
}

/// Each connection takes a file.
fn raise_limit() {
    let files = raise_file_limit();
    if files < OF_EDGE + OWN_FILES {
        let connections = files.saturating_sub(OWN_FILES);
        tracing::warn!(
            files,
            "the limit of open files lets about {connections} connections through at once, and an edge may send \
             {OF_EDGE}: raise it (`LimitNOFILE=`, `ulimit -n`)"
        );
    }
}

async fn handle_signals(mut signals: Signals, control: Control) {
    loop {
        match signals.next().await {
            Signal::Stop => control.stop(),
            Signal::Reload => {
                // Files are opened; signals must not wait for a disk.
                tokio::task::spawn_blocking(log::reopen);
                tracing::info!("SIGHUP: reloading the configuration");
                control.reload();
            }
        }
    }
}
