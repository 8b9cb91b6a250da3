//! A visit: a client that connects from a given address, says a line and listens.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// An edge on loopback answers sooner by orders of magnitude.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest answer that is kept.
const MAX_LENGTH: u64 = 4_096;

/// What was said and heard.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) sent: String,
    pub(super) received: String,
}

pub(super) async fn visit(edge: SocketAddr, from: IpAddr) -> io::Result<Visit> {
    let socket = if edge.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(from, 0))?;
    let sent = format!("hello from {from}");
    let talk = async {
        let mut stream = socket.connect(edge).await?;
        // A refusal may already have closed the connection: then there is nothing to hear either.
        let said = match stream.write_all(sent.as_bytes()).await {
            Ok(()) => stream.shutdown().await,
            Err(error) => Err(error),
        };
        let mut received = Vec::new();
        let heard = stream.take(MAX_LENGTH).read_to_end(&mut received).await;
        for result in [said, heard.map(drop)] {
            match result {
                Err(error) if !is_closed(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(String::from_utf8_lossy(&received).into_owned())
    };
    let received = tokio::time::timeout(DEADLINE, talk).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(Visit { sent, received })
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}
