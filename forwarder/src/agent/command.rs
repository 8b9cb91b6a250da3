//! An agent under the control of signals, and its log.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex};

use policy_core::agent::{AgentSettings, LogFormat, LogLevel};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::interrupt::interrupted;
use super::{AgentError, Loaded, Status, run, serve_web};

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
    let writer = match settings.log.as_deref() {
        Some("stdout") => BoxMakeWriter::new(io::stdout),
        None | Some("stderr") => BoxMakeWriter::new(io::stderr),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file =
                file.map_err(|error| io::Error::new(error.kind(), format!("log `{path}`: {error}")))?;
            BoxMakeWriter::new(Mutex::new(file))
        }
    };
    let terminal = matches!(settings.log.as_deref(), None | Some("stderr")) && io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    start(settings.log_format, level, writer, colour);
    Ok(())
}

fn start(
    format: LogFormat,
    level: LevelFilter,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    colour: bool,
) {
    let builder = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(colour);
    match format {
        LogFormat::Json => builder.json().init(),
        // Its lines are `key=value` but for the time and the message.
        LogFormat::Logfmt => builder.with_ansi(false).compact().init(),
        _ => builder.init(),
    }
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
