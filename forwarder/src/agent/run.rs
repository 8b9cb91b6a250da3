//! An agent from its start to its end: session after session.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use agent_link::{CallError, ReturnTime};
use tokio::time::sleep;

use super::control::Control;
use super::end::{AgentError, SessionEnd};
use super::memory::Memory;
use super::network::{self, Network};
use super::pauses::{Lost, Pauses};
use super::reload::{self, Due};
use super::setup::Setup;
use super::status::Status;
use super::{refusals, session};
use crate::base::memory::give_back;
use crate::base::random::Random;
use crate::net::dial;
use crate::net::dial::fault::is_untrusted;

/// The longest that a proxy or an edge may ask to wait.
const MAX_ASKED_WAIT: Duration = Duration::from_secs(600);

/// Runs an agent until it is stopped.
///
/// # Errors
/// [`AgentError`] if the edge refuses it: its token, or at first all its endpoints for good; also if at first it does
/// not trust the edge's CA.
pub async fn run(setup: Setup, status: &Arc<Status>, control: impl Into<Control>) -> Result<(), AgentError> {
    let weak = Arc::downgrade(status);
    tokio::spawn(give_back(move || weak.strong_count() > 0));
    run_over(network::System, Random::system(), setup, status, control).await
}

/// The same over a network and with draws of one's own.
pub(crate) async fn run_over(
    network: impl Network,
    random: Random,
    mut setup: Setup,
    status: &Arc<Status>,
    control: impl Into<Control>,
) -> Result<(), AgentError> {
    let control = control.into();
    let (mut pauses, mut memory) = (Pauses::default(), Memory::new(random));
    let mut due = Due::Nothing;
    loop {
        setup = reload::renewed(setup, due).await;
        let ended = session::once(&network, &mut setup, &mut memory, status, &control).await;
        status.offline();
        due = if std::mem::take(&mut memory.reload_due) { Due::All } else { Due::Trust };
        let mut asked = None;
        let (error, lost) = match ended {
            SessionEnd::Stopped => return Ok(()),
            SessionEnd::Restart => {
                due = Due::All;
                ("the edge asked for a restart".to_owned(), Lost::Alone)
            }
            SessionEnd::Reload(new) => {
                (setup, due) = (*new, Due::Nothing);
                ("its configuration has changed".to_owned(), Lost::Alone)
            }
            SessionEnd::Refused(error) if !may_pass(&error, &memory) => return Err(error),
            SessionEnd::Refused(error) => {
                if let AgentError::Auth(error) = &error {
                    asked = refusals::asked_to_wait(error);
                }
                (error.to_string(), Lost::NotConnected)
            }
            // A file is missing, and there is nobody to wait for. Later it may be on its way.
            SessionEnd::Lost(error, false) if !memory.was_connected && is_untrusted(&error) => {
                return Err(AgentError::Untrusted(error));
            }
            SessionEnd::Lost(error, false) => {
                asked = dial::retry_after(&error);
                (error.to_string(), Lost::NotConnected)
            }
            SessionEnd::Lost(error, true) if error.kind() == io::ErrorKind::TimedOut => {
                (error.to_string(), Lost::Alone)
            }
            SessionEnd::Lost(error, true) => (error.to_string(), Lost::WithOthers),
        };
        if control.stop.is_cancelled() {
            return Ok(());
        }
        let pause =
            pauses.next(lost, memory.return_time.unwrap_or(ReturnTime::UNKNOWN), memory.random.fraction());
        let wait = asked.map_or(pause, |asked| as_asked(asked, memory.random.fraction()).max(pause));
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(error, wait_ms, "not connected; reconnecting in {:.1} s", wait.as_secs_f64());
        tokio::select! {
            biased;
            () = control.stop.cancelled() => return Ok(()),
            () = control.reload.notified() => due = Due::All,
            () = sleep(wait) => {}
        }
    }
}

/// True if the edge may take the agent later: it is full, or took it before and knows its authtoken. Where agents may be,
/// and whether a service user is active, it may say otherwise tomorrow.
fn may_pass(error: &AgentError, memory: &Memory) -> bool {
    match error {
        AgentError::Auth(error @ CallError::Refused { .. }) => {
            refusals::is_full(error) || memory.was_connected && !refusals::is_of_unknown_token(error)
        }
        // An answer that cannot be read.
        AgentError::Auth(_) => memory.was_connected,
        AgentError::Untrusted(_) | AgentError::Bind(..) => false,
    }
}

/// A time that the other side names, within a bound, and up to a tenth more, by a number that is drawn from 0 to 1:
/// others were told the same.
fn as_asked(asked: Duration, draw: f64) -> Duration {
    asked.min(MAX_ASKED_WAIT).mul_f64(1.0 + draw / 10.0)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::agent::options::load_setup;
    use crate::agent::setup::Chosen;

    #[test]
    fn a_time_that_is_asked_for_is_waited_within_bounds() {
        for asked in [0, 7, 599].map(Duration::from_secs) {
            let waits = [0.0, 0.5, 1.0].map(|draw| as_asked(asked, draw));
            assert_eq!(waits, [1.0, 1.05, 1.1].map(|times| asked.mul_f64(times)));
        }
        assert!(as_asked(Duration::MAX, 1.0) <= MAX_ASKED_WAIT.mul_f64(1.1));
    }

    #[tokio::test]
    async fn a_busy_proxy_is_left_alone_as_long_as_it_asks() {
        const ASKED: Duration = Duration::from_secs(1);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ngrok.yml");
        let proxy = listener.local_addr().expect("bound");
        let text = format!(
            "version: 3\nagent: {{authtoken: t, connect_url: \"localhost:4443\", proxy_url: \"http://{proxy}\"}}\n\
             endpoints: [{{name: one, url: \"tcp://a.internal:22\", upstream: {{url: 22}}}}]\n"
        );
        std::fs::write(&path, text).expect("written");
        let loaded = load_setup(&[path], &Chosen::All).expect("fine");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let agent = tokio::spawn(async move { run(loaded.setup, &Arc::default(), stopped).await });
        let mut refused = None;
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.expect("the agent");
            if let Some(at) = refused.replace(tokio::time::Instant::now()) {
                assert!(at.elapsed() >= ASKED, "it came back after {:?}", at.elapsed());
            }
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.expect("a request"));
            }
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n";
            stream.write_all(answer).await.expect("taken");
        }
        stop.cancel();
        assert!(agent.await.expect("no panic").is_ok());
    }
}
