//! The agent: dials an edge, keeps endpoints online, and takes their connections to servers it can reach.
//!
//! Nothing listens for the network: the one connection that the agent makes carries everything. When it is lost, the
//! agent connects again (`pauses`), so that the thousand agents of one edge do not come at once. Then it brings its
//! endpoints back.

mod command;
mod network;
mod options;
mod pauses;
mod session;
mod status;
mod upstream;
mod web;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use policy_core::agent::Secret;
use policy_core::url::HostPort;
use rustls::pki_types::ServerName;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::dial::ProxyUrl;
use crate::link::{CallError, Heartbeat};
pub use command::{run_to_end, start_log};
pub(crate) use network::Network;
pub use options::{Chosen, Loaded, OptionsError, TcpCommand, check, load_setup, of_command};
use pauses::{Lost, Pauses};
pub use status::{EndpointStatus, Status, StatusView, UpstreamStatus};
pub use upstream::ProxyProtocol;
pub use web::serve_web;

/// How an agent works.
#[derive(Debug)]
pub struct Setup {
    /// The edge.
    pub server: HostPort,
    /// Whom its certificate must be for.
    pub server_name: ServerName<'static>,
    /// Which authorities vouch for it.
    pub tls: Arc<rustls::ClientConfig>,
    /// What lies between.
    pub proxy: Option<ProxyUrl>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Who the agent is.
    pub authtoken: Secret,
    /// Text for the API.
    pub metadata: String,
    /// How the edge is asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// The edge may stop the agent.
    pub remote_management: bool,
    /// What is offered.
    pub offers: Vec<Offer>,
}

/// An endpoint that is offered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// `device1.internal:22`; empty where the edge chooses.
    pub address: Box<str>,
    /// Where it can be reached from, if that is said.
    pub binding: Option<&'static str>,
    /// True if endpoints with the same URL share its traffic.
    pub pooling: bool,
    /// Text for the API.
    pub metadata: Box<str>,
    /// Text for people.
    pub description: Box<str>,
    /// The text of its policy.
    pub policy: Option<Box<str>>,
    /// Where its traffic goes.
    pub upstream: HostPort,
    /// What is sent there first.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// Why an agent ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentError {
    /// The edge does not know it.
    Auth(CallError),
    /// An endpoint was refused.
    Bind(Box<str>, CallError),
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => write!(f, "the edge refuses this agent: {error}"),
            Self::Bind(name, error) => write!(f, "the edge refuses the endpoint `{name}`: {error}"),
        }
    }
}

impl std::error::Error for AgentError {}

/// Why a session ended.
enum Ended {
    /// It cannot be begun again.
    Refused(AgentError),
    /// The edge or this machine told the agent to stop.
    Stopped,
    /// It was lost; true if it had begun.
    Lost(io::Error, bool),
}

/// Runs an agent until it is stopped.
///
/// # Errors
/// [`AgentError`] if the edge refuses it: its token, or at first an endpoint.
pub async fn run(setup: Setup, status: &Status, stop: CancellationToken) -> Result<(), AgentError> {
    run_over(network::System, setup, status, stop).await
}

/// The same over a network of one's own.
pub(crate) async fn run_over(
    network: impl Network,
    setup: Setup,
    status: &Status,
    stop: CancellationToken,
) -> Result<(), AgentError> {
    let (mut pauses, mut memory) = (Pauses::default(), session::Memory::default());
    loop {
        let ended = session::once(&network, &setup, &mut memory, status, &stop).await;
        status.offline();
        let (error, lost) = match ended {
            Ended::Stopped => return Ok(()),
            Ended::Refused(error) if is_full(&error) => (error.to_string(), Lost::NotConnected),
            Ended::Refused(error @ AgentError::Auth(CallError::Refused { .. })) => return Err(error),
            // What was online before will be again, e.g. once an older session is gone.
            Ended::Refused(error) if !memory.was_online() => return Err(error),
            Ended::Refused(error) => (error.to_string(), Lost::NotConnected),
            Ended::Lost(error, false) => (error.to_string(), Lost::NotConnected),
            Ended::Lost(error, true) if error.kind() == io::ErrorKind::TimedOut => {
                (error.to_string(), Lost::Alone)
            }
            Ended::Lost(error, true) => (error.to_string(), Lost::WithOthers),
        };
        if stop.is_cancelled() {
            return Ok(());
        }
        let wait = pauses.next(lost, draw());
        tracing::warn!(error, "not connected; connecting again in {} ms", wait.as_millis());
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(wait) => {}
        }
    }
}

/// True if the edge has no place now, e.g. because it has not noticed yet that an older session is lost.
fn is_full(error: &AgentError) -> bool {
    let AgentError::Auth(CallError::Refused { code, .. }) = error else { return false };
    code.as_deref() == Some("ERR_NGROK_108")
}

/// A number from 0 to 1. The keys of the hasher are random.
fn draw() -> f64 {
    let draw = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or(0);
    f64::from(draw) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_edge_is_asked_again_and_a_refusal_is_final() {
        for (code, again) in [("ERR_NGROK_108", true), ("ERR_NGROK_107", false)] {
            let refused = CallError::Refused { message: String::new(), code: Some(code.to_owned()) };
            assert_eq!(is_full(&AgentError::Auth(refused)), again, "{code}");
        }
    }
}
