//! An agent under the control of signals, and its log.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex};

use policy_core::agent::{AgentSettings, LogFormat, LogLevel};
use tokio_util::sync::CancellationToken;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::interrupt::interrupted;
use super::logfmt::{Escaped, Logfmt};
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
    let log = log(settings.log_format, level, writer, colour);
    tracing::dispatcher::set_global_default(log).map_err(io::Error::other)
}

fn log(
    format: LogFormat,
    level: LevelFilter,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    colour: bool,
) -> Dispatch {
    let builder = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(colour);
    match format {
        LogFormat::Json => builder.json().map_event_format(Escaped).into(),
        LogFormat::Logfmt => builder.with_ansi(false).event_format(Logfmt).into(),
        _ => builder.into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_is_one_line_of_logfmt() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let log =
            log(LogFormat::Logfmt, LevelFilter::INFO, Mutex::new(file.reopen().expect("the file")), true);
        tracing::dispatcher::with_default(&log, || {
            let forged = io::Error::other("no\nt=1 lvl=error msg=forged \u{1b}[2J");
            tracing::warn!(endpoint = "device one", port = 22, error = %forged, up = ?Some("x"), "cannot \"reach\" it");
            tracing::debug!("not told");
            tracing::info!("online");
        });
        let text = std::fs::read_to_string(file.path()).expect("the file");
        let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').expect("a time")).collect();
        let [(first_time, first), (_, second)] = &*lines else { panic!("two lines: {text}") };
        let time = first_time.strip_prefix("t=").expect("a time").parse::<jiff::Timestamp>();
        assert!(time.is_ok(), "{first_time}");
        assert_eq!(
            *first,
            r#"lvl=warn msg="cannot \"reach\" it" endpoint="device one" port=22 error="no\nt=1 lvl=error msg=forged \u001b[2J" up="Some(\"x\")""#
        );
        assert_eq!(*second, "lvl=info msg=online");
    }

    #[test]
    fn json_lines_hold_nothing_that_steers_raw() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let log =
            log(LogFormat::Json, LevelFilter::INFO, Mutex::new(file.reopen().expect("the file")), false);
        tracing::dispatcher::with_default(&log, || {
            tracing::info!(name = "a\u{202e}b\u{9b}\u{2028}", "online")
        });
        let text = std::fs::read_to_string(file.path()).expect("the file");
        assert!(text.contains(r#""name":"a\u202eb\u009b\u2028""#) && text.ends_with("}\n"), "{text}");
    }
}
