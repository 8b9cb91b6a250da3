//! What the edge opens in a session: connections, commands, signs of life.
//!
//! Each is read in a task of its own, so that one that says nothing holds up no other. The limits of the session say
//! how many there can be.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use agent_link::mux::{Acceptor, ErrorCode, Stream};
use agent_link::{CallError, CommandReply, ProxyHeader, StopEndpoint, StreamType};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bindings::{OnlineOffers, Stopped};
use super::end::SessionEnd;
use super::failures::Failures;
use super::network::Network;
use super::setup::Offer;
use super::status::Status;
use super::upstream;
use crate::base::platform::CAN_RESTART;
use crate::base::sanitize;
use crate::net::dial::Dialer;

/// How long the edge may take to say what a stream is for, and then whose connection it is or what it asks.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// What a task of a session ends with: the end of the session, perhaps.
pub(super) type TaskEnd = Option<SessionEnd>;

/// What the streams of a session need. Cheap to clone.
#[derive(Clone)]
pub(super) struct Streams<N> {
    pub(super) network: N,
    /// What is online, by its id.
    pub(super) offers: Arc<OnlineOffers>,
    pub(super) stopped: Arc<Stopped>,
    pub(super) status: Arc<Status>,
    pub(super) remote_management: bool,
    /// How servers are reached.
    pub(super) dialer: Dialer,
    pub(super) connect_timeout: Duration,
    pub(super) failures: Failures,
    /// Ends all connections.
    pub(super) cut: CancellationToken,
}

impl<N: Network> Streams<N> {
    fn offers(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Offer>>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves streams until one of them, or a task that is there already, ends the session; `None` if the edge does.
    pub(super) async fn serve_all(
        &self,
        accepted: &mut Acceptor,
        tasks: &mut JoinSet<TaskEnd>,
    ) -> Option<SessionEnd> {
        loop {
            tokio::select! {
                // Streams that come without end keep none of those that have ended in memory.
                biased;
                Some(done) = tasks.join_next() => {
                    if let Ok(Some(ended)) = done {
                        return Some(ended);
                    }
                }
                stream = accepted.accept() => {
                    let (streams, stream) = (self.clone(), stream?);
                    tasks.spawn(async move { streams.serve(stream).await });
                }
            }
        }
    }

    async fn serve(&self, mut stream: Stream) -> TaskEnd {
        match timeout(HEADER_TIME, agent_link::read_type(&mut stream)).await {
            Ok(Ok(StreamType::Heartbeat)) => agent_link::echo(stream).await,
            Ok(Ok(StreamType::Proxy)) => self.proxy(stream).await,
            Ok(Ok(StreamType::Stop)) => {
                if command(&mut stream, can_stop(self.remote_management)).await {
                    tracing::info!("the edge has stopped this agent");
                    return Some(SessionEnd::Stopped);
                }
            }
            Ok(Ok(StreamType::Restart)) => {
                if command(&mut stream, can_restart(self.remote_management)).await {
                    tracing::info!("the edge asked for a restart");
                    return Some(SessionEnd::Restart);
                }
            }
            Ok(Ok(StreamType::Update)) => {
                command(&mut stream, CAN_UPDATE).await;
            }
            Ok(Ok(StreamType::StopEndpoint)) => self.stop_endpoint(&mut stream).await,
            _ => stream.reset(ErrorCode::Refused),
        }
        None
    }

    /// Takes a connection to its server.
    async fn proxy(&self, mut stream: Stream) {
        let header = match timeout(HEADER_TIME, ProxyHeader::read(&mut stream)).await {
            Ok(Ok(header)) => header,
            _ => return stream.reset(ErrorCode::Refused),
        };
        let offer = self.offers().get(header.id.as_str()).map(Arc::clone);
        let Some(offer) = offer else { return stream.reset(ErrorCode::Refused) };
        let _open = self.status.connection();
        let how = (&self.dialer, self.connect_timeout, &self.failures);
        upstream::carry(&self.network, stream, &header, &offer, how, &self.cut).await;
    }

    async fn stop_endpoint(&self, stream: &mut Stream) {
        let told = timeout(HEADER_TIME, agent_link::read_call::<StopEndpoint>(stream)).await;
        let Ok(Ok(told)) = told else { return };
        let Some(offer) = self.offers().remove(told.id.as_str()) else { return };
        let (message, code) = (sanitize::text(&told.message), told.error_code.as_deref().map(sanitize::text));
        tracing::error!(
            endpoint = &*offer.name,
            reason = message,
            code = code.as_deref().unwrap_or_default(),
            "the edge has stopped an endpoint"
        );
        self.status.unbound(&offer.name);
        self.stopped.add(offer, CallError::Refused { message, code, retry_after: None });
    }
}

/// Whether the edge may stop this agent, or why not.
pub(super) const fn can_stop(remote_management: bool) -> Result<(), &'static str> {
    if remote_management { Ok(()) } else { Err("remote_management is off") }
}

/// Whether the edge may let it begin again; as with ngrok's agent, not on Windows.
pub(super) const fn can_restart(remote_management: bool) -> Result<(), &'static str> {
    match CAN_RESTART {
        true => can_stop(remote_management),
        false => Err("restarting from the edge is not supported on this system"),
    }
}

/// Whether the edge may update it.
pub(super) const CAN_UPDATE: Result<(), &str> =
    Err("this agent does not update itself: install another version");

/// Answers a command; true if it is followed.
async fn command(stream: &mut Stream, can: Result<(), &str>) -> bool {
    let asked = timeout(HEADER_TIME, agent_link::read_call::<serde_json::Value>(stream)).await;
    let understood = matches!(asked, Ok(Ok(_)));
    let can = can.and(if understood { Ok(()) } else { Err("the command cannot be read") });
    let answered =
        agent_link::answer(stream, &CommandReply { error: can.err().map(ToOwned::to_owned) }).await;
    answered.is_ok() && can.is_ok()
}

#[cfg(test)]
mod tests;
