//! An agent and an edge in one process: the agent offers an endpoint, and a client's connection comes to it.
//!
//! `cargo run -p agent-link --example two_ends`

use agent_link::mux::{Acceptor, Limits, Opener, Side, session};
use agent_link::{
    Bind, BindReply, CallError, ProxyHeader, StreamType, answer, ask, open, read_call, read_type,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), CallError> {
    let (near, far) = duplex(64 << 10);
    let (to_edge, from_edge, driver) = session(near, Side::Client, Limits::default());
    let (to_agent, from_agent, far_driver) = session(far, Side::Server, Limits::default());
    tokio::spawn(driver.run());
    tokio::spawn(far_driver.run());
    let edge = tokio::spawn(edge(to_agent, from_agent));

    let offer = Bind { proto: "tcp".to_owned(), forwards_to: "127.0.0.1:22".to_owned(), ..Bind::default() };
    let online: BindReply = ask(&to_edge, StreamType::Bind, &offer).await?;
    println!("agent: {} is online as {}", online.url, online.id);

    serve_one(from_edge).await?;
    println!("edge:  the client has read {:?}", edge.await.map_err(std::io::Error::other)??);
    to_edge.close_in_order("the agent stops");
    to_edge.closed().await;
    Ok(())
}

/// The agent's side of one connection: it would go to the server, and is sent back here.
async fn serve_one(mut from_edge: Acceptor) -> Result<(), CallError> {
    let Some(mut stream) = from_edge.accept().await else { return Ok(()) };
    if read_type(&mut stream).await? == StreamType::Proxy {
        let header = ProxyHeader::read(&mut stream).await?;
        println!("agent: a connection of {} for {}", header.client_addr, header.id);
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await?;
        stream.write_all(&heard).await?;
        stream.shutdown().await?;
    }
    Ok(())
}

/// The edge's side: it takes the offer, and brings a client.
async fn edge(to_agent: Opener, mut from_agent: Acceptor) -> Result<String, CallError> {
    let Some(mut call) = from_agent.accept().await else { return Ok(String::new()) };
    if read_type(&mut call).await? == StreamType::Bind {
        let offer: Bind = read_call(&mut call).await?;
        println!("edge:  an agent offers {}", offer.forwards_to);
        let url = "tcp://device1.internal:22".to_owned();
        let online = BindReply { id: "ep_1".to_owned(), url, proto: offer.proto, ..BindReply::default() };
        answer(&mut call, &online).await?;
    }
    let mut stream = open(&to_agent, StreamType::Proxy).await?;
    let header = ProxyHeader {
        id: "ep_1".to_owned(),
        client_addr: "203.0.113.42:5555".to_owned(),
        proto: "tcp".to_owned(),
        edge_type: "1".to_owned(),
        passthrough_tls: false,
        confirm: false,
    };
    header.write(&mut stream).await?;
    stream.write_all(b"hello").await?;
    stream.shutdown().await?;
    let mut back = String::new();
    stream.read_to_string(&mut back).await?;
    Ok(back)
}
