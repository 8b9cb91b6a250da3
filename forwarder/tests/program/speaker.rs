//! An agent by hand: it speaks the link, and nothing else.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use agent_link::mux::{Acceptor, Limits, Measured, Opener, Side, Stream, session};
use agent_link::{CallError, ProxyHeader, StreamType, ask, echo, read_type};
use forwarder::net::tls::client::{TrustedCas, client_config};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::Edge;

/// A connection to the edge, from an address of this machine.
pub(crate) async fn dial(
    edge: &Edge,
    agents: SocketAddr,
    source: Ipv4Addr,
) -> io::Result<TlsStream<TcpStream>> {
    let cas = TrustedCas::File(edge.folder.path("state/ca/ca.pem"));
    let connector = TlsConnector::from(client_config(&cas).expect("an authority"));
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((source, 0))).expect("an address of ours");
    let stream = socket.connect(agents).await?;
    stream.set_nodelay(true)?;
    connector.connect(ServerName::from(agents.ip()), stream).await
}

pub(crate) fn auth(token: &str) -> Value {
    json!({"Version": ["3"], "ClientId": "", "Extra": {"AuthToken": token}})
}

/// Says who it is; the edge may let it in or not.
pub(crate) async fn try_enter(
    edge: &Edge,
    agents: SocketAddr,
    source: Ipv4Addr,
    token: &str,
) -> Result<(Opener, Acceptor), CallError> {
    let tls = dial(edge, agents, source).await.map_err(CallError::Io)?;
    let (opener, accepted, driver) = session(Measured::unknown(tls), Side::Client, Limits::default());
    tokio::spawn(async move {
        driver.run().await;
    });
    ask::<Value>(&opener, StreamType::Auth, &auth(token)).await?;
    Ok((opener, accepted))
}

pub(crate) async fn enter(edge: &Edge, agents: SocketAddr, token: &str) -> (Opener, Acceptor) {
    let entered = try_enter(edge, agents, Ipv4Addr::LOCALHOST, token).await;
    entered.expect("the token is good")
}

/// Brings an endpoint online; the edge may refuse it.
pub(crate) async fn try_bind(
    opener: &Opener,
    id: &str,
    address: &str,
    pooling: bool,
) -> Result<String, CallError> {
    try_bind_with(opener, id, json!({"Addr": address}), pooling).await
}

/// The same with options such as a policy.
pub(crate) async fn try_bind_with(
    opener: &Opener,
    id: &str,
    options: Value,
    pooling: bool,
) -> Result<String, CallError> {
    let extra = json!({"Token": "before", "PoolingEnabled": pooling});
    let call = json!({"Id": id, "Proto": "tcp", "Opts": options, "Extra": extra});
    let reply: Value = ask(opener, StreamType::Bind, &call).await?;
    Ok(reply["Id"].as_str().expect("an id").to_owned())
}

pub(crate) async fn bind(opener: &Opener, id: &str, address: &str) -> String {
    try_bind(opener, id, address, false).await.expect("bound")
}

/// The header of the next connection that the edge sends.
pub(crate) async fn next_header(accepted: &mut Acceptor) -> ProxyHeader {
    next_connection(accepted).await.0
}

/// The next connection that the edge sends, behind its header.
pub(crate) async fn next_connection(accepted: &mut Acceptor) -> (ProxyHeader, Stream) {
    loop {
        let mut stream = accepted.accept().await.expect("a stream");
        match read_type(&mut stream).await.expect("a type") {
            StreamType::Proxy => {
                let header = ProxyHeader::read(&mut stream).await.expect("a header");
                return (header, stream);
            }
            StreamType::Heartbeat => drop(tokio::spawn(echo(stream))),
            other => panic!("{other:?}"),
        }
    }
}
