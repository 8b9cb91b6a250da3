//! What the edge opens in a session: connections, commands, signs of life.
//!
//! Each is read in a task of its own, so that one that says nothing holds up no other. The limits of the session say
//! how many there can be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Ended, Offer, Status, upstream};
use crate::link::{self, CommandReply, ProxyHeader, StopEndpoint, StreamType};
use crate::mux::{Acceptor, ErrorCode, Stream};

/// How long the edge may take to say what a stream is for, and then whose connection it is or what it asks.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// What a task of a session ends with: the end of the session, perhaps.
pub(super) type Told = Option<Ended>;

/// What the streams of a session need. Cheap to clone.
#[derive(Clone)]
pub(super) struct Streams {
    /// What is online, by its id.
    pub(super) offers: Arc<Mutex<HashMap<Box<str>, Arc<Offer>>>>,
    pub(super) status: Arc<Status>,
    pub(super) remote_management: bool,
    pub(super) connect_timeout: Duration,
    /// Ends all connections.
    pub(super) cut: CancellationToken,
}

impl Streams {
    fn offers(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Offer>>> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves streams until one of them, or a task that is there already, ends the session; `None` if the edge does.
    pub(super) async fn serve_all(
        &self,
        accepted: &mut Acceptor,
        tasks: &mut JoinSet<Told>,
    ) -> Option<Ended> {
        loop {
            tokio::select! {
                stream = accepted.accept() => {
                    let (streams, stream) = (self.clone(), stream?);
                    tasks.spawn(async move { streams.serve(stream).await });
                }
                Some(done) = tasks.join_next() => {
                    if let Ok(Some(ended)) = done {
                        return Some(ended);
                    }
                }
            }
        }
    }

    async fn serve(&self, mut stream: Stream) -> Told {
        match timeout(HEADER_TIME, link::read_type(&mut stream)).await {
            Ok(Ok(StreamType::Heartbeat)) => link::echo(stream).await,
            Ok(Ok(StreamType::Proxy)) => self.proxy(stream).await,
            Ok(Ok(StreamType::Stop)) => {
                let can = if self.remote_management { Ok(()) } else { Err("remote_management is off") };
                if command(&mut stream, can).await {
                    tracing::info!("the edge has stopped this agent");
                    return Some(Ended::Stopped);
                }
            }
            Ok(Ok(StreamType::Restart | StreamType::Update)) => {
                command(&mut stream, Err("this agent cannot do that from afar")).await;
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
        upstream::carry(stream, &header, &offer, self.connect_timeout, &self.cut).await;
    }

    async fn stop_endpoint(&self, stream: &mut Stream) {
        let told = timeout(HEADER_TIME, link::read_call::<StopEndpoint>(stream)).await;
        let Ok(Ok(told)) = told else { return };
        let Some(offer) = self.offers().remove(told.id.as_str()) else { return };
        let (message, code) = (told.message, told.error_code.unwrap_or_default());
        tracing::error!(endpoint = &*offer.name, message, code, "the edge has stopped an endpoint");
        self.status.unbound(&offer.name);
    }
}

/// Answers a command; true if it is followed.
async fn command(stream: &mut Stream, can: Result<(), &str>) -> bool {
    let asked = timeout(HEADER_TIME, link::read_call::<serde_json::Value>(stream)).await;
    let answered = link::answer(stream, &CommandReply { error: can.err().map(ToOwned::to_owned) }).await;
    matches!(asked, Ok(Ok(_))) && answered.is_ok() && can.is_ok()
}

#[cfg(test)]
mod tests {
    use policy_core::url::HostPort;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::mux::{Limits, Opener, Side, session};

    /// A server that sends back what it hears, and its address.
    async fn echo() -> HostPort {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        HostPort { host: at.ip().to_string().into(), port: at.port() }
    }

    /// An agent with the endpoint `ep_1` in front of a server; what its edge opens streams with, and its end.
    fn agent(upstream: HostPort) -> (Opener, Streams, tokio::task::JoinHandle<Option<Ended>>) {
        let (one, other) = tokio::io::duplex(1 << 16);
        let (_, mut accepted, of_agent) = session(one, Side::Client, Limits::default());
        let (opener, _, of_edge) = session(other, Side::Server, Limits::default());
        tokio::spawn(of_edge.run());
        let offer = Offer {
            name: "one".into(),
            address: "a.internal:22".into(),
            binding: None,
            pooling: false,
            metadata: "".into(),
            description: "".into(),
            policy: None,
            upstream,
            proxy_protocol: None,
        };
        let streams = Streams {
            offers: Arc::new(Mutex::new([("ep_1".into(), Arc::new(offer))].into())),
            status: Arc::default(),
            remote_management: true,
            connect_timeout: HEADER_TIME,
            cut: CancellationToken::new(),
        };
        let serving = streams.clone();
        let served = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(async move {
                of_agent.run().await;
                None
            });
            serving.serve_all(&mut accepted, &mut tasks).await
        });
        (opener, streams, served)
    }

    async fn header() -> Vec<u8> {
        let header = ProxyHeader {
            id: "ep_1".to_owned(),
            client_addr: "203.0.113.42:5555".to_owned(),
            proto: "tcp".to_owned(),
            edge_type: "1".to_owned(),
            passthrough_tls: false,
        };
        let mut bytes = 3_u32.to_be_bytes().to_vec();
        header.write(&mut bytes).await.expect("written");
        bytes
    }

    async fn exchange(stream: &mut Stream, said: &[u8]) -> Vec<u8> {
        stream.write_all(said).await.expect("taken");
        stream.shutdown().await.expect("ended");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("answered");
        heard
    }

    #[tokio::test]
    async fn a_stream_that_stalls_delays_no_other() {
        let (opener, streams, _served) = agent(echo().await);
        let header = header().await;
        // Each stops at another place: within the type, behind it, within the header.
        let mut stalled = Vec::new();
        for end in [2, 4, 20] {
            let mut stream = opener.open().expect("opened");
            stream.write_all(&header[..end]).await.expect("taken");
            stalled.push((stream, end));
        }
        let mut other = opener.open().expect("opened");
        other.write_all(&header).await.expect("taken");
        other.write_all(b"!").await.expect("taken");
        assert_eq!(other.read_u8().await.expect("answered"), b'!');
        assert_eq!(streams.status.view().open_connections, 1);
        assert_eq!(exchange(&mut other, b"served first").await, b"served first");
        // Nobody has given them up meanwhile, as would be if they had been waited for.
        for (mut stream, end) in stalled {
            stream.write_all(&header[end..]).await.expect("taken");
            assert_eq!(exchange(&mut stream, b"late").await, b"late");
        }
        assert_eq!(streams.status.view().connections, 4);
    }

    #[tokio::test]
    async fn a_stop_ends_the_session_beside_streams_that_stall() {
        let (opener, _, served) = agent(echo().await);
        let mut stalled = opener.open().expect("opened");
        stalled.write_all(&[0, 0]).await.expect("taken");
        let ended = async {
            // A stream that is refused ends before: its end is not the session's.
            let mut refused = opener.open().expect("opened");
            refused.write_all(&99_u32.to_be_bytes()).await.expect("taken");
            assert!(refused.read_u8().await.is_err());
            link::ask::<CommandReply>(&opener, StreamType::Stop, &link::Empty {}).await
        };
        assert!(matches!(ended.await, Ok(CommandReply { error: None })));
        assert!(matches!(served.await, Ok(Some(Ended::Stopped))));
    }
}
