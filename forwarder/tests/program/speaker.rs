//! An agent by hand: it speaks the link, and nothing else.

use std::net::SocketAddr;

use forwarder::link::{ProxyHeader, StreamType, ask, echo, read_type};
use forwarder::mux::{Acceptor, Limits, Opener, Side, session};
use forwarder::tls::client::{TrustedCas, client_config};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::Edge;

pub(crate) async fn enter(edge: &Edge, agents: SocketAddr, token: &str) -> (Opener, Acceptor) {
    let cas = TrustedCas::File(edge.folder.path("state/ca/ca.pem"));
    let connector = TlsConnector::from(client_config(&cas).expect("an authority"));
    let stream = TcpStream::connect(agents).await.expect("the edge accepts");
    let name = ServerName::from(agents.ip());
    let tls = connector.connect(name, stream).await.expect("the edge is known");
    let (opener, accepted, driver) = session(tls, Side::Client, Limits::default());
    tokio::spawn(async move {
        driver.run().await;
    });
    let auth = json!({"Version": ["3"], "ClientId": "", "Extra": {"AuthToken": token}});
    ask::<Value>(&opener, StreamType::Auth, &auth).await.expect("the token is good");
    (opener, accepted)
}

pub(crate) async fn bind(opener: &Opener, id: &str, address: &str) -> String {
    let call = json!({"Id": id, "Proto": "tcp", "Opts": {"Addr": address}, "Extra": {"Token": "before"}});
    let reply: Value = ask(opener, StreamType::Bind, &call).await.expect("bound");
    reply["Id"].as_str().expect("an id").to_owned()
}

/// The header of the next connection that the edge sends.
pub(crate) async fn next_header(accepted: &mut Acceptor) -> ProxyHeader {
    loop {
        let mut stream = accepted.accept().await.expect("a stream");
        match read_type(&mut stream).await.expect("a type") {
            StreamType::Proxy => return ProxyHeader::read(&mut stream).await.expect("a header"),
            StreamType::Heartbeat => drop(tokio::spawn(echo(stream))),
            other => panic!("{other:?}"),
        }
    }
}
