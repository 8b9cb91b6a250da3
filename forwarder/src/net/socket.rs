//! Options of sockets: how they notice that a peer is gone, hold few bytes that nothing can overtake, and end.
//!
//! A peer that is silent is probed. Linux takes a connection for dead at the first unanswered probe if the time for
//! unacknowledged bytes is over by then (`TCP_USER_TIMEOUT`, tcp(7)), however few probes were sent; so probes begin at
//! half of that time, and several have to fail.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use agent_link::mux::Sent;

use crate::base::platform;

/// A silent peer is probed after this time at the latest, and then at least this often.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Probes that fail in a row where no time is given.
const PROBES: u32 = 6;
/// The same of an agent's link, which has heartbeats besides.
const LINK_GONE: Duration = Duration::from_secs(30);
/// Bytes of an agent's link that the system holds unsent: what lies there already, nothing can overtake.
const LOW_WATER: u32 = 16 << 10;

/// Small packets at once. A peer that acknowledges nothing, or takes no bytes that wait for it, is given up after a time.
///
/// # Errors
/// If the socket takes no options: then it has no peer any more, which its next read tells.
pub(crate) fn give_up_after(stream: &TcpStream, gone: Duration) -> io::Result<()> {
    send_at_once(stream)?;
    let socket = SockRef::from(stream);
    let after = (gone / 2).clamp(Duration::from_secs(1), PROBE_AFTER);
    let every = (gone / 10).clamp(Duration::from_secs(1), PROBE_EVERY);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(after).with_interval(every))?;
    platform::give_up_unacknowledged(stream, gone)
}

/// Small packets at once. A peer that answers no probe is given up; one that lives may take no bytes for as long as it
/// likes.
///
/// # Errors
/// As above.
pub(crate) fn give_up_dead(stream: &TcpStream) -> io::Result<()> {
    send_at_once(stream)?;
    let keepalive = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&platform::with_probes(keepalive, PROBES))
}

/// A link between edge and agent, at either end: besides, nothing piles up in the system.
///
/// # Errors
/// As above.
pub(crate) fn link(stream: &TcpStream) -> io::Result<()> {
    give_up_after(stream, LINK_GONE)?;
    platform::hold_few_unsent(stream, LOW_WATER)
}

/// Small packets at once.
///
/// # Errors
/// As above.
pub(crate) fn send_at_once(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// Has its end be a reset. A socket that takes no option is gone already.
pub(crate) fn close_with_reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Takes that back.
pub(crate) fn close_in_order(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(None);
}

/// How far the bytes of a connection have come; `None` before Linux 4.6, which does not measure the way, and elsewhere.
pub(crate) fn sent(stream: &TcpStream) -> Option<Sent> {
    let info = platform::tcp_info(stream)?;
    // Where the fields of `tcp_info` stand (linux/tcp.h); new ones are only ever added at its end. What is on the way is
    // not counted from them: bytes that could not be handed to the interface are counted as sent each time.
    let long =
        |at: usize| info.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_ne_bytes(*bytes));
    let short =
        |at: usize| info.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_ne_bytes(*bytes));
    let (packet, acknowledged, round_trip) = (short(16)?, long(120)?, short(148)?);
    let waiting = platform::unacknowledged(stream)?;
    (round_trip > 0).then(|| Sent {
        waiting: waiting.into(),
        acknowledged,
        round_trip: Duration::from_micros(round_trip.into()),
        packet: packet.into(),
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected")
    }

    #[tokio::test]
    async fn several_probes_have_to_fail() {
        let stream = connected().await;
        let socket = SockRef::from(&stream);
        for seconds in [10, 30, 60, 300, 3_600] {
            let gone = Duration::from_secs(seconds);
            give_up_after(&stream, gone).expect("options");
            assert_eq!(socket.tcp_user_timeout().expect("read"), Some(gone));
            let (after, every) =
                (socket.tcp_keepalive_time().expect("read"), socket.tcp_keepalive_interval().expect("read"));
            assert!(gone >= after + 4 * every, "{gone:?}: probes after {after:?}, each {every:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_lives_may_take_its_time() {
        let stream = connected().await;
        give_up_dead(&stream).expect("options");
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().expect("read"), None, "it would end a peer that takes no bytes");
        assert!(socket.keepalive().expect("read"));
        assert_eq!(socket.tcp_keepalive_retries().expect("read"), PROBES);
    }

    #[tokio::test]
    async fn what_was_sent_is_counted_until_it_is_acknowledged() {
        use tokio::io::AsyncWriteExt;

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (peer, _) = listener.accept().await.expect("accepted");
        stream.write_all(&[0; 1_000]).await.expect("sent");
        let arrived = async {
            // The kernel tells nobody.
            while sent(&stream).expect("Linux counts").waiting > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), arrived).await.expect("the peer acknowledges");
        let before = sent(&stream).expect("Linux counts");
        assert!((1_000..=1_001).contains(&before.acknowledged), "{before:?}");
        assert!(
            before.round_trip > Duration::ZERO && before.round_trip < Duration::from_secs(1),
            "{before:?}"
        );
        // The peer reads nothing: what fills its memory is acknowledged, what comes after that waits.
        let filled = async { while stream.write(&[0; 65_536]).await.is_ok() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), filled).await;
        let full = sent(&stream).expect("Linux counts");
        assert!(full.waiting > 0 && full.acknowledged > before.acknowledged, "{full:?}");
        drop(peer);
    }

    #[tokio::test]
    async fn both_ends_of_a_link_hold_few_bytes() {
        let stream = connected().await;
        link(&stream).expect("options");
        assert_eq!(SockRef::from(&stream).tcp_notsent_lowat().expect("read"), LOW_WATER);
    }
}
