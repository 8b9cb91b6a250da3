//! Connects to whichever address of a host answers.
//!
//! Source: RFC 8305, without its part about name lookups: the families take turns, and the next address is tried
//! when one fails or takes long. A family without a route costs a moment, not the whole time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::base::platform;
use crate::net::socket;

/// How long an address is waited for before the next one is tried as well.
const TURN: Duration = Duration::from_millis(250);
/// How many addresses are tried.
const MAX: usize = 16;

/// Connects to whichever of these addresses answers, through an interface if one is named.
pub(super) async fn tcp(found: &[SocketAddr], interface: Option<&str>) -> io::Result<TcpStream> {
    let stream = first_to_answer(found, |to| connect(to, interface.map(Into::into))).await?;
    socket::send_at_once(&stream)?;
    Ok(stream)
}

/// What `connect` makes of whichever of these addresses answers.
///
/// # Errors
/// The last one, if none answers.
pub(crate) async fn first_to_answer<T, F>(
    found: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    match found {
        [only] => connect(*only).await,
        found => race(in_turns(found), connect).await,
    }
}

async fn connect(to: SocketAddr, interface: Option<Box<str>>) -> io::Result<TcpStream> {
    let Some(interface) = interface else { return TcpStream::connect(to).await };
    let connecting = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    platform::use_interface(&connecting, &interface).map_err(|error| {
        io::Error::new(error.kind(), format!("the interface `{interface}` cannot be used: {error}"))
    })?;
    connecting.connect(to).await
}

/// The addresses in the system's order, but the families by turns.
fn in_turns(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let mut first = found.iter().filter(|address| address.is_ipv6() == first_is_v6);
    let mut second = found.iter().filter(|address| address.is_ipv6() != first_is_v6);
    let turns = (0..found.len()).flat_map(|_| [first.next(), second.next()]);
    turns.flatten().copied().take(MAX).collect()
}

async fn race<T, F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = addresses.into_iter();
    // Dropping the set gives up those that still try.
    let mut tries = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.next() {
            tries.spawn(connect(address));
        } else if tries.is_empty() {
            return Err(last);
        }
        tokio::select! {
            Some(tried) = tries.join_next() => match tried {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(error) => last = io::Error::other(error),
            },
            () = tokio::time::sleep(TURN), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn families_take_turns() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| text.parse().expect("an address")).collect()
        };
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        assert_eq!(in_turns(&found), addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        assert_eq!(in_turns(&[]), []);
        assert_eq!(in_turns(&vec![found[0]; 40]).len(), MAX);
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("bound");
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        // Nobody has this address (RFC 5737): silence, or no route.
        let silent: SocketAddr = "192.0.2.1:9".parse().expect("an address");
        for others in [vec![], vec![gone], vec![silent], vec![silent, gone, silent]] {
            let all = others.iter().copied().chain([open]).collect();
            let stream = tokio::time::timeout(Duration::from_secs(10), race(all, |to| connect(to, None)))
                .await
                .expect("in time");
            assert_eq!(stream.expect("there").peer_addr().expect("connected"), open);
        }
        assert_eq!(
            race(vec![gone], |to| connect(to, None)).await.expect_err("gone").kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert_eq!(
            race(vec![], |to| connect(to, None)).await.expect_err("no address").kind(),
            io::ErrorKind::NotFound
        );
    }
}
