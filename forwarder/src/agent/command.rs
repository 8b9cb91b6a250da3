//! An agent under the control of signals, and its log.

use std::io;
use std::path::Path;
use std::sync::Arc;

use policy_core::agent::{AgentSettings, LogLevel};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::interrupt::interrupted;
use super::{AgentError, Loaded, Status, run, serve_web};
use crate::log::{self, LogOutput};

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
    notes.iter().for_each(|note| tracing::warn!("{note}"));
    let status = Arc::new(Status::default());
    let stop = CancellationToken::new();
    let web = match settings.web_addr.as_deref() {
        None => None,
        Some(address) => {
            match serve_web(address, settings.web_allow_hosts.clone(), Arc::clone(&status)).await {
                Ok((local, serving)) => {
                    tracing::info!(url = format!("http://{local}/api"), "the agent's own API");
                    Some(tokio::spawn(serving))
                }
                // Another agent of this machine has it: no reason not to serve.
                Err(error) => {
                    tracing::warn!(address, %error, "the agent's own API does not answer; see web_addr");
                    None
                }
            }
        }
    };
    let told = stop.clone();
    let signals = tokio::spawn(async move {
        if interrupted().await.is_ok() {
            told.cancel();
        }
    });
    let ended = run(setup, &status, stop).await;
    signals.abort();
    web.into_iter().for_each(|web| web.abort());
    ended
}
