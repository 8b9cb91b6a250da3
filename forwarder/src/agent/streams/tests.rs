//! An agent's end of the link over memory, in front of real servers.

use agent_link::mux::{Limits, Opener, Side, session};
use policy_core::url::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::agent::network::System;
use crate::agent::setup::UpstreamServer;
use crate::edge::certificates::AgentIdentity;

/// A server that sends back what it hears, and its address.
async fn echo() -> UpstreamServer {
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
    UpstreamServer::plain(HostPort { host: at.ip().to_string().into(), port: at.port() })
}

/// An agent with the endpoint `ep_1` in front of a server; what its edge opens streams with, and its end.
fn agent(upstream: UpstreamServer) -> (Opener, Streams<System>, tokio::task::JoinHandle<Option<SessionEnd>>) {
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
        network: System,
        offers: Arc::new(OnlineOffers::new([("ep_1".into(), Arc::new(offer))].into())),
        stopped: Arc::default(),
        status: Arc::default(),
        remote_management: true,
        dialer: Dialer::default(),
        connect_timeout: HEADER_TIME,
        failures: Failures::default(),
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
        confirm: false,
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
        agent_link::ask::<CommandReply>(&opener, StreamType::Stop, &agent_link::Empty {}).await
    };
    assert!(matches!(ended.await, Ok(CommandReply { error: None })));
    assert!(matches!(served.await, Ok(Some(SessionEnd::Stopped))));
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u64 * 31 + at as u64 / 251).to_le_bytes()[0] ^ seed).collect()
}

/// A TLS server that nobody vouches for. It hears to the end, then says back what it heard and more; the name that it
/// was asked for comes when it is done. It breaks off without the farewell of TLS if that is wanted.
async fn tls_server(breaks_off: bool) -> (UpstreamServer, tokio::task::JoinHandle<Option<String>>) {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = AgentIdentity::own(folder.path(), &["elsewhere.example".into()]).expect("made");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("the agent");
        let mut stream = TlsAcceptor::from(identity.server_config()).accept(stream).await.expect("TLS");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("the question, and its end in order");
        stream.write_all(&heard).await.expect("taken");
        stream.write_all(&noise(500_000, 2)).await.expect("taken");
        stream.flush().await.expect("taken");
        let name = stream.get_ref().1.server_name().map(ToOwned::to_owned);
        match breaks_off {
            true => stream.get_mut().0.shutdown().await.expect("ended"),
            false => stream.shutdown().await.expect("ended"),
        }
        name
    });
    let server = UpstreamServer::tls(HostPort { host: "localhost".into(), port }).expect("a name");
    (server, served)
}

#[tokio::test]
async fn a_server_behind_tls_is_spoken_to_and_each_half_ends_on_its_own() {
    let (server, served) = tls_server(false).await;
    assert!(server.to_string().starts_with("tls://localhost:"));
    let (opener, ..) = agent(server);
    let mut stream = opener.open().expect("opened");
    stream.write_all(&header().await).await.expect("taken");
    let question = noise(500_000, 1);
    let answer = exchange(&mut stream, &question).await;
    assert!(answer == [question, noise(500_000, 2)].concat(), "{} bytes came back", answer.len());
    assert_eq!(served.await.expect("no panic").as_deref(), Some("localhost"));
}

#[tokio::test]
async fn what_a_server_behind_tls_breaks_off_does_not_look_complete() {
    let (server, _served) = tls_server(true).await;
    let (opener, ..) = agent(server);
    let mut stream = opener.open().expect("opened");
    stream.write_all(&header().await).await.expect("taken");
    stream.shutdown().await.expect("ended");
    assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
}

#[tokio::test]
async fn a_server_without_tls_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the agent");
        stream.write_all(b"SSH-2.0-OpenSSH\r\n").await.expect("taken");
        stream.read_to_end(&mut Vec::new()).await
    });
    let (opener, ..) =
        agent(UpstreamServer::tls(HostPort { host: "127.0.0.1".into(), port }).expect("a name"));
    let mut stream = opener.open().expect("opened");
    stream.write_all(&header().await).await.expect("taken");
    assert!(stream.read_u8().await.is_err());
}

#[tokio::test]
async fn an_update_is_refused_with_the_reason_and_a_restart_ends_the_session() {
    let (opener, _, served) = agent(echo().await);
    let update = agent_link::ask::<CommandReply>(&opener, StreamType::Update, &agent_link::Empty {}).await;
    let error = update.expect_err("it cannot").to_string();
    assert_eq!(error, "this agent does not update itself: install another version");
    let restart = agent_link::ask::<CommandReply>(&opener, StreamType::Restart, &agent_link::Empty {}).await;
    assert!(matches!(restart, Ok(CommandReply { error: None })));
    assert!(matches!(served.await, Ok(Some(SessionEnd::Restart))));
}

/// A server that answers a little and then resets, while the client is sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_resets_does_not_look_complete_through_the_tunnel() {
    const TRIES: usize = 50;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(b"some").await.expect("taken");
                stream.read_exact(&mut [0; 5_000]).await.expect("carried");
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("settable");
            });
        }
    });
    let server = UpstreamServer::plain(HostPort { host: at.ip().to_string().into(), port: at.port() });
    let (opener, ..) = agent(server);
    let header = header().await;
    for at in 0..TRIES {
        let mut stream = opener.open().expect("opened");
        stream.write_all(&header).await.expect("taken");
        let (mut read, mut write) = (&stream, &stream);
        let sends = async { while write.write_all(&[7; 4_096]).await.is_ok() {} };
        let mut heard = Vec::new();
        let (ended, ()) = tokio::join!(read.read_to_end(&mut heard), sends);
        assert!(ended.is_err(), "try {at}: {} bytes look complete", heard.len());
    }
}
