//! The agent: dials an edge, keeps endpoints online, and takes their connections to servers it can reach.
//!
//! Nothing listens for the network: the one connection that the agent makes carries everything. When it is lost, the
//! agent connects again (`pauses`), so that the thousand agents of one edge do not come at once. A proxy or an edge
//! that says how long to wait is listened to. Then it brings its endpoints back.

mod bindings;
mod command;
mod failures;
mod interrupt;
mod network;
mod options;
mod pauses;
mod refusals;
mod reload;
mod session;
mod status;
mod streams;
mod upstream;
mod web;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use agent_link::{CallError, Heartbeat, ReturnTime};
use policy_core::agent::Secret;
use policy_core::url::HostPort;
use rustls::pki_types::ServerName;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::base::memory;
use crate::base::random::Random;
use crate::net::dial::fault::is_untrusted;
use crate::net::dial::{self, Dialer, ProxyUrl};
pub use crate::net::proxy_protocol::ProxyProtocol;
use crate::net::tls::client::TrustedCas;
pub use command::{run_to_end, start_log};
pub(crate) use network::Network;
pub use options::{Checked, Chosen, Loaded, OptionsError, Origin, TcpCommand, check, load_setup, of_command};
use pauses::{Lost, Pauses};
use reload::Due;
pub use status::{EndpointStatus, Status, StatusView, UpstreamStatus};
pub use upstream::UpstreamServer;
pub use web::serve_web;

/// The longest that a proxy or an edge may ask to wait.
const MAX_ASKED_WAIT: Duration = Duration::from_secs(600);

/// How an agent works.
#[derive(Debug)]
pub struct Setup {
    /// The edge.
    pub server: HostPort,
    /// Whom its certificate must be for.
    pub server_name: ServerName<'static>,
    /// Which authorities vouch for it.
    pub tls: Arc<rustls::ClientConfig>,
    /// Where they are read again.
    pub cas: TrustedCas,
    /// How it and what lies between are reached.
    pub dialer: Dialer,
    /// What lies between.
    pub proxy: Option<ProxyUrl>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Who the agent is.
    pub authtoken: Secret,
    /// Metadata shown in the API.
    pub metadata: String,
    /// How the edge is asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// The edge may stop the agent, and let it begin again.
    pub remote_management: bool,
    /// Where it is read again when the edge lets the agent begin again; otherwise it stays as it is.
    pub origin: Option<Origin>,
    /// What is offered.
    pub offers: Vec<Offer>,
}

/// An endpoint that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// `device1.internal:22`; empty where the edge chooses.
    pub address: Box<str>,
    /// Where it can be reached from, if that is said.
    pub binding: Option<&'static str>,
    /// True if endpoints with the same URL share its traffic.
    pub pooling: bool,
    /// Metadata shown in the API.
    pub metadata: Box<str>,
    /// Text for people.
    pub description: Box<str>,
    /// The text of its policy.
    pub policy: Option<Box<str>>,
    /// Where its traffic goes.
    pub upstream: UpstreamServer,
    /// What is sent there first.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// Why an agent ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentError {
    /// The edge does not know it.
    Auth(CallError),
    /// It does not trust the edge's CA; found before it was ever connected.
    Untrusted(io::Error),
    /// All endpoints were refused for good; this was the first.
    Bind(Box<str>, CallError),
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => write!(f, "the edge refuses this agent: {error}"),
            Self::Untrusted(error) => error.fmt(f),
            Self::Bind(name, error) => write!(f, "the edge refuses the endpoint `{name}`: {error}"),
        }
    }
}

impl std::error::Error for AgentError {}

/// How an agent is told what to do while it runs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Control {
    stop: CancellationToken,
    reload: Arc<Notify>,
}

impl Control {
    /// Has it end its session and its connections.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Has it read its configuration again, and change what differs.
    pub fn reload(&self) {
        self.reload.notify_one();
    }
}

impl From<CancellationToken> for Control {
    fn from(stop: CancellationToken) -> Self {
        Self { stop, ..Self::default() }
    }
}

/// Why a session ended.
enum Ended {
    /// It cannot be begun again.
    Refused(AgentError),
    /// The edge or this machine told the agent to stop.
    Stopped,
    /// The edge told the agent to begin again.
    Restart,
    /// The configuration has changed so that it takes another one.
    Reload(Box<Setup>),
    /// It was lost; true if it had begun.
    Lost(io::Error, bool),
}

impl Ended {
    /// What the edge is told, which tells the clients.
    const fn farewell(&self) -> &'static str {
        match self {
            Self::Stopped => "the agent stops",
            Self::Restart | Self::Reload(_) => "the agent starts a new session",
            Self::Refused(_) => "the agent was refused",
            Self::Lost(..) => "the agent heard nothing more",
        }
    }
}

/// Runs an agent until it is stopped.
///
/// # Errors
/// [`AgentError`] if the edge refuses it: its token, or at first all its endpoints for good; also if at first it does
/// not trust the edge's CA.
pub async fn run(setup: Setup, status: &Arc<Status>, control: impl Into<Control>) -> Result<(), AgentError> {
    let weak = Arc::downgrade(status);
    tokio::spawn(memory::give_back(move || weak.strong_count() > 0));
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
    let (mut pauses, mut memory) = (Pauses::default(), session::Memory::new(random));
    let mut due = Due::Nothing;
    loop {
        setup = reload::renewed(setup, due).await;
        let ended = session::once(&network, &mut setup, &mut memory, status, &control).await;
        status.offline();
        due = if std::mem::take(&mut memory.reload_due) { Due::All } else { Due::Trust };
        let mut asked = None;
        let (error, lost) = match ended {
            Ended::Stopped => return Ok(()),
            Ended::Restart => {
                due = Due::All;
                ("the edge asked for a restart".to_owned(), Lost::Alone)
            }
            Ended::Reload(new) => {
                (setup, due) = (*new, Due::Nothing);
                ("its configuration has changed".to_owned(), Lost::Alone)
            }
            Ended::Refused(error) if !may_pass(&error, &memory) => return Err(error),
            Ended::Refused(error) => {
                if let AgentError::Auth(error) = &error {
                    asked = refusals::asked_to_wait(error);
                }
                (error.to_string(), Lost::NotConnected)
            }
            // A file is missing, and there is nobody to wait for. Later it may be on its way.
            Ended::Lost(error, false) if !memory.was_connected && is_untrusted(&error) => {
                return Err(AgentError::Untrusted(error));
            }
            Ended::Lost(error, false) => {
                asked = dial::retry_after(&error);
                (error.to_string(), Lost::NotConnected)
            }
            Ended::Lost(error, true) if error.kind() == io::ErrorKind::TimedOut => {
                (error.to_string(), Lost::Alone)
            }
            Ended::Lost(error, true) => (error.to_string(), Lost::WithOthers),
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
fn may_pass(error: &AgentError, memory: &session::Memory) -> bool {
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

    use super::*;

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
