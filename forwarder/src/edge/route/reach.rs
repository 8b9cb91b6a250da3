//! What lies behind an endpoint, and how it is reached.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_link::mux;
use agent_link::{CONFIRMED, ProxyHeader, StreamType};
use policy_core::journey::Attempt;
use policy_core::url::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout_at};

use crate::base::random::Random;
use crate::base::sanitize;
use crate::edge::online::OnlineEndpoint;
use crate::edge::own_sockets::{OwnConnection, OwnSockets};
use crate::net::dial::race::first_to_answer;

/// What lies behind an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Upstream {
    /// A server that the edge reaches itself.
    Address(HostPort),
    /// The agent that keeps the endpoint online.
    Agent(Arc<OnlineEndpoint>),
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Agent(endpoint) => write!(f, "agent {}", endpoint.session),
        }
    }
}

/// A connection to an upstream.
#[derive(Debug)]
pub enum Connection {
    /// Of the edge's own.
    Tcp(OwnConnection),
    /// Through an agent.
    Agent(mux::Stream),
}

/// Endpoints that share a URL, or one that is alone.
pub trait Members<'m>: Iterator<Item = &'m Arc<OnlineEndpoint>> + Clone {}

impl<'m, M: Iterator<Item = &'m Arc<OnlineEndpoint>> + Clone> Members<'m> for M {}

/// Reaches upstreams.
pub trait Dial: Sync {
    /// What a reached upstream is.
    type Stream: Send;

    /// Which of the endpoints that share a URL is asked next; `None` if none takes connections.
    fn choose<'m>(&self, members: impl Members<'m>) -> Option<&'m Arc<OnlineEndpoint>>;

    /// Lets others go first.
    fn pause(&self) -> impl Future<Output = ()> + Send;

    /// Reaches one upstream.
    fn dial(
        &self,
        upstream: &Upstream,
        attempt: Attempt,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Dials for real, within a deadline.
#[derive(Clone, Copy, Debug)]
pub struct Live<'o> {
    /// Time for name lookup and connecting.
    pub timeout: Duration,
    /// Where the client is.
    pub client: SocketAddr,
    /// Where it has connected to.
    pub server: SocketAddr,
    /// The sockets of the edge itself, which no connection leads to.
    pub own: &'o Arc<OwnSockets>,
    /// Where the one of several agents is drawn.
    pub(crate) random: &'o Random,
}

impl Dial for Live<'_> {
    type Stream = Connection;

    fn choose<'m>(&self, members: impl Members<'m>) -> Option<&'m Arc<OnlineEndpoint>> {
        // Of those that take connections; one whose session has ended, or that has said that it goes, is about to leave.
        let live = || members.clone().filter(|member| member.opener.takes_streams());
        // Where there is one, nothing is drawn.
        let chosen = match live().count() {
            ..=1 => None,
            number => live().nth(self.random.below(number)),
        };
        // One may have ended meanwhile.
        chosen.or_else(|| live().next())
    }

    async fn pause(&self) {
        tokio::task::yield_now().await;
    }

    async fn dial(&self, upstream: &Upstream, attempt: Attempt) -> io::Result<Connection> {
        let deadline = Instant::now() + self.timeout / attempt.parts.max(1);
        let reached = async {
            match upstream {
                Upstream::Address(address) => connect(self.own, address).await.map(Connection::Tcp),
                Upstream::Agent(endpoint) => self.open(endpoint, attempt).await.map(Connection::Agent),
            }
        };
        match timeout_at(deadline, reached).await {
            Ok(connected) => connected,
            Err(_) => Err(match upstream {
                Upstream::Address(_) => io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
                Upstream::Agent(endpoint) => unreached(endpoint, &io::ErrorKind::TimedOut.into()),
            }),
        }
    }
}

/// Connects to whichever address of a host answers, but to no listener of the edge.
async fn connect(own: &Arc<OwnSockets>, to: &HostPort) -> io::Result<OwnConnection> {
    let found: Vec<SocketAddr> = lookup_host((&*to.host, to.port)).await?.collect();
    connect_any(own, &found).await
}

async fn connect_any(own: &Arc<OwnSockets>, found: &[SocketAddr]) -> io::Result<OwnConnection> {
    let dials = Arc::default();
    first_to_answer(found, |to| Arc::clone(own).connect_beside(Arc::clone(&dials), to)).await
}

impl Live<'_> {
    /// Opens a connection through an agent; where there is a fallback and the agent says so, one whose server is
    /// reached. Elsewhere that would cost a round trip and change nothing.
    async fn open(&self, endpoint: &OnlineEndpoint, attempt: Attempt) -> io::Result<mux::Stream> {
        let confirm = endpoint.confirms && attempt.has_fallback;
        let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        let (client, server) = (canonical(self.client), canonical(self.server));
        let mut stream = agent_link::open(&endpoint.opener, StreamType::Proxy).await?;
        let header = ProxyHeader {
            id: endpoint.agent_id.to_string(),
            client_addr: client.to_string(),
            proto: endpoint.url.scheme().name().to_owned(),
            edge_type: "1".to_owned(),
            passthrough_tls: false,
            confirm,
        };
        header.write(&mut stream).await?;
        if confirm {
            let said = stream.read_u8().await.map_err(|error| unreached(endpoint, &error))?;
            if said != CONFIRMED {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its agent does not keep to the protocol",
                ));
            }
        }
        // Before anything of the client's, which so cannot be taken for it.
        if let Some(version) = endpoint.proxy_protocol {
            stream.write_all(&version.header(client, server)).await?;
        }
        Ok(stream)
    }
}

/// Why an agent's server was not reached. The agent says no more than a code.
fn unreached(endpoint: &OnlineEndpoint, error: &io::Error) -> io::Error {
    if let Some(end) = endpoint.opener.why_closed() {
        return io::Error::new(error.kind(), sanitize::end("its agent", &end));
    }
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "refuses the connection",
        io::ErrorKind::TimedOut => "does not answer in time",
        _ => "cannot be reached",
    };
    io::Error::new(error.kind(), format!("its server {} {what}", endpoint.forwards_to))
}

/// Takes upstreams for as reachable as they were: for revalidating an open connection.
#[derive(Clone, Copy, Debug)]
pub struct Presumed<'a> {
    /// Upstreams that did not answer when the connection was made.
    pub unreached: &'a [Upstream],
    /// Where the connection goes.
    pub reached: Option<&'a Upstream>,
}

impl Dial for Presumed<'_> {
    type Stream = ();

    fn choose<'m>(&self, members: impl Members<'m>) -> Option<&'m Arc<OnlineEndpoint>> {
        let is_known = |member: &&Arc<OnlineEndpoint>| {
            let is_it = |upstream: &Upstream| matches!(upstream, Upstream::Agent(it) if it == *member);
            self.reached.is_some_and(is_it) || self.unreached.iter().any(is_it)
        };
        members.clone().find(is_known).or_else(|| members.clone().next())
    }

    async fn pause(&self) {}

    async fn dial(&self, upstream: &Upstream, _: Attempt) -> io::Result<()> {
        match self.unreached.contains(upstream) {
            true => Err(io::ErrorKind::NotConnected.into()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_link::mux::ErrorCode;
    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;
    use crate::edge::online::tests::online;

    #[test]
    fn nobody_is_forwarded_to_a_session_that_ends() {
        let members = ["1", "2", "3"].map(|id| online(id, "tcp://a.internal:22", true));
        let (own, random) = (Arc::default(), Random::system());
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let live = Live {
            timeout: Duration::from_secs(1),
            client: at(1),
            server: at(2),
            own: &own,
            random: &random,
        };
        for ended in 0..members.len() {
            for _ in 0..50 {
                let chosen = live.choose(members.iter()).expect("one is left");
                assert!(members[ended..].contains(chosen), "{} after {ended}", chosen.id);
            }
            match ended {
                1 => members[ended].opener.close_in_order("bye"),
                _ => members[ended].opener.close(ErrorCode::Cancelled, ""),
            }
        }
        assert_eq!(live.choose(members.iter()), None);
    }

    #[tokio::test]
    async fn a_name_that_leads_back_to_the_edge_is_not_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("bound");
        let own = Arc::<OwnSockets>::default();
        let to = HostPort { host: "localhost".into(), port: at.port() };
        connect(&own, &to).await.expect("another's listener");
        let _registered = own.register_listener(at);
        let error = connect(&own, &to).await.expect_err("itself");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        assert_eq!(
            error.to_string(),
            format!("{at} is a listener of this edge: connections would go in circles")
        );
    }
    #[tokio::test]
    async fn addresses_that_are_dialled_at_once_are_bounded_in_all() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("bound");
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        let (dead, _held) = silent();
        let own = Arc::<OwnSockets>::default();
        let found = vec![dead; 8];
        let stuck: Vec<_> = (0..5)
            .map(|_| {
                let (own, found) = (Arc::clone(&own), found.clone());
                tokio::spawn(async move { connect_any(&own, &found).await.map(drop) })
            })
            .collect();
        let within = |time: Duration, found: Vec<SocketAddr>| {
            let own = Arc::clone(&own);
            async move { tokio::time::timeout(time, connect_any(&own, &found)).await }
        };
        let long = Duration::from_secs(30);
        // 5 * 7 further ones are more than there may be: who dials one after the other does not mind.
        while own.has_further_place() {
            // They take their places one after the other, each a while after the one before.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        within(long, vec![gone, open]).await.expect("in time").expect("there");
        // With a place it would have dialled the second one long since.
        let turns = within(Duration::from_secs(1), vec![dead, open]).await;
        assert!(turns.is_err(), "it waits for its turn");
        stuck.iter().for_each(tokio::task::JoinHandle::abort);
        within(long, vec![dead, open]).await.expect("in time").expect("there");
    }

    /// A listener that answers nobody: its queue is full.
    fn silent() -> (SocketAddr, impl Sized) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        socket.listen(0).expect("it listens");
        let address = socket.local_addr().ok().and_then(|it| it.as_socket()).expect("bound");
        let short = Duration::from_millis(200);
        let queue = std::iter::repeat_with(|| std::net::TcpStream::connect_timeout(&address, short).ok());
        let queue: Vec<_> = queue.take(64).map_while(|it| it).collect();
        (address, (socket, queue))
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_keeps_nobody_from_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("bound");
        let (dead, _held) = silent();
        let own = Arc::<OwnSockets>::default();
        let begun = Instant::now();
        for found in [vec![dead, open], vec![dead, dead, dead, open]] {
            let reached = connect_any(&own, &found).await.expect("one answers");
            assert_eq!(reached.peer_addr().expect("connected"), open);
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "a turn each, no more");
        // Whichever address it is that leads back to the edge, it is not dialled.
        let back = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = back.local_addr().expect("bound");
        let _registered = own.register_listener(at);
        for found in [vec![at, open], vec![dead, at, open]] {
            let reached = connect_any(&own, &found).await.expect("the other answers");
            assert_eq!(reached.peer_addr().expect("connected"), open);
        }
        let error = connect_any(&own, &[at, at]).await.expect_err("itself");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        // Whoever came before would be accepted first.
        let own_call = tokio::net::TcpStream::connect(at).await.expect("it listens");
        let (_, first) = back.accept().await.expect("a connection");
        assert_eq!(Some(first), own_call.local_addr().ok(), "it was dialled");
    }
}
