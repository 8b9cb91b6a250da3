//! Relays between real sockets, and between ones that fail in an order of the test's own.

use std::io::ErrorKind::{ConnectionReset, TimedOut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::io::{BufWriter, DuplexStream, ReadBuf, duplex, split};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const LONG: Duration = Duration::from_secs(10);
/// What the kernel does first is not ours to choose: each order comes up in so many tries.
const TRIES: usize = 100;

/// A connection that holds bytes back until it is flushed, as TLS may.
struct Holding(DuplexStream);

impl Carrier for Holding {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        let (read, write) = split(&mut self.0);
        (read, BufWriter::new(write))
    }

    fn reset(&self) {}
}

#[tokio::test]
async fn what_was_written_is_not_held_back() {
    let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
    let relayed = tokio::spawn(async move {
        relay(&mut Holding(near), &mut Holding(far), LONG, &CancellationToken::new()).await
    });
    client.write_all(b"?").await.expect("taken");
    assert_eq!(timeout(LONG, upstream.read_u8()).await.expect("in time").expect("it comes"), b'?');
    upstream.write_all(b"!").await.expect("taken");
    assert_eq!(timeout(LONG, client.read_u8()).await.expect("in time").expect("it comes"), b'!');
    drop((client, upstream));
    assert_eq!(relayed.await.expect("no panic").end, RelayEnd::Finished);
}

/// A socket whose error the first write takes, or the shutdown: what is read then is some bytes and an end.
#[derive(Clone, Default)]
struct Failing(Arc<Mutex<Socket>>);

#[derive(Default)]
struct Socket {
    answer: &'static [u8],
    fails_at_shutdown: bool,
    failed: bool,
    was_ended: bool,
    was_reset: bool,
}

impl Failing {
    fn new(answer: &'static [u8], fails_at_shutdown: bool) -> Self {
        Self(Arc::new(Mutex::new(Socket { answer, fails_at_shutdown, ..Socket::default() })))
    }

    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.0.lock().expect("whole")
    }
}

impl AsyncRead for Failing {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut socket = self.socket();
        // Whoever writes is polled in the same turn.
        if !socket.failed {
            return Poll::Pending;
        }
        buffer.put_slice(std::mem::take(&mut socket.answer));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Failing {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = self.socket();
        socket.failed |= !socket.fails_at_shutdown;
        Poll::Ready(if socket.failed { Err(TimedOut.into()) } else { Ok(bytes.len()) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.socket();
        socket.failed |= socket.fails_at_shutdown;
        socket.was_ended |= !socket.failed;
        Poll::Ready(if socket.failed { Err(TimedOut.into()) } else { Ok(()) })
    }
}

impl Carrier for Failing {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        (self.clone(), self.clone())
    }

    fn reset(&self) {
        self.socket().was_reset = true;
    }
}

/// A side that says something, and perhaps ends its half, and knows what was done to it.
struct Speaking {
    stream: DuplexStream,
    was_reset: Arc<AtomicBool>,
}

impl Carrier for Speaking {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        split(&mut self.stream)
    }

    fn reset(&self) {
        self.was_reset.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_end_that_follows_a_failure_is_not_passed_on() {
    for (is_client, answer, fails_at_shutdown) in [
        (false, &b""[..], false),
        (false, b"partial", false),
        (false, b"", true),
        (true, b"partial", false),
        (true, b"", true),
    ] {
        let (mut far, stream) = duplex(64);
        let mut failing = Failing::new(answer, fails_at_shutdown);
        let was_reset = Arc::<AtomicBool>::default();
        let mut speaking = Speaking { stream, was_reset: Arc::clone(&was_reset) };
        far.write_all(b"a question").await.expect("taken");
        if fails_at_shutdown {
            far.shutdown().await.expect("ended");
        }
        let cut = CancellationToken::new();
        let relayed = timeout(LONG, async {
            match is_client {
                true => relay(&mut failing, &mut speaking, LONG, &cut).await,
                false => relay(&mut speaking, &mut failing, LONG, &cut).await,
            }
        });
        let end = relayed.await.expect("in time").end;
        assert_eq!(end, if is_client { RelayEnd::Client(TimedOut) } else { RelayEnd::Upstream(TimedOut) });
        assert!(was_reset.load(Ordering::Relaxed) && failing.socket().was_reset);
        // The bytes come; an end that looks like one in order does not, for as long as the other side is not dropped.
        let mut heard = vec![0; answer.len()];
        far.read_exact(&mut heard).await.expect("what was said before");
        assert_eq!(heard, answer);
        let more = timeout(Duration::from_millis(1), far.read_u8()).await;
        assert!(more.is_err(), "{more:?} after {answer:?}");
    }
}

/// Both ends of a relay between sockets: client, upstream, and the relay itself.
async fn relayed() -> (TcpStream, TcpStream, JoinHandle<(Relayed, [Option<Duration>; 2])>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let outer = TcpStream::connect(address).await.expect("accepted");
        pairs.push((outer, listener.accept().await.expect("there").0));
    }
    let ((upstream, mut far), (client, mut near)) = (pairs.remove(1), pairs.remove(0));
    let relaying = tokio::spawn(async move {
        let relayed = relay(&mut near, &mut far, LONG, &CancellationToken::new()).await;
        let linger = |stream: &TcpStream| socket2::SockRef::from(stream).linger().expect("readable");
        (relayed, [linger(&near), linger(&far)])
    });
    (client, upstream, relaying)
}

async fn talk(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"x").await.expect("taken");
    assert_eq!(timeout(LONG, to.read_u8()).await.expect("in time").expect("carried"), b'x');
}

fn reset(stream: TcpStream) {
    Carrier::reset(&stream);
    drop(stream);
}

/// How a stream ends for its reader.
async fn end(mut stream: TcpStream) -> io::Result<usize> {
    timeout(LONG, stream.read_to_end(&mut Vec::new())).await.expect("in time")
}

#[tokio::test]
async fn what_ends_in_order_is_closed_in_order() {
    let (mut client, mut upstream, relaying) = relayed().await;
    talk(&mut client, &mut upstream).await;
    client.shutdown().await.expect("ended");
    assert_eq!(timeout(LONG, upstream.read(&mut [0])).await.expect("in time").expect("in order"), 0);
    upstream.write_all(b"the answer").await.expect("taken");
    drop(upstream);
    assert_eq!(end(client).await.expect("in order"), 10);
    let (relayed, linger) = relaying.await.expect("no panic");
    assert_eq!((relayed.end, linger), (RelayEnd::Finished, [None, None]));
}

/// The kernel may tell the relay of a reset when it writes or when it reads; the other side sees a reset either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_is_a_reset_for_the_other_side_that_is_sending() {
    for is_client in [false, true] {
        for at in 0..TRIES {
            let (client, upstream, relaying) = relayed().await;
            let (mut fails, mut sends) = if is_client { (client, upstream) } else { (upstream, client) };
            talk(&mut fails, &mut sends).await;
            let (read, mut write) = sends.into_split();
            let sending = tokio::spawn(async move {
                loop {
                    if let Err(error) = write.write_all(&[7; 4_096]).await {
                        return (error.kind(), write);
                    }
                }
            });
            let mut some = [0; 1_000];
            for _ in 0..at % 3 {
                fails.read_exact(&mut some).await.expect("carried");
            }
            reset(fails);
            let ended = relaying.await.expect("no panic").0.end;
            assert_eq!(matches!(ended, RelayEnd::Client(_)), is_client, "{ended:?}");
            let mut read = read;
            let heard = timeout(LONG, read.read(&mut [0])).await.expect("in time");
            let (written, _write) = sending.await.expect("no panic");
            // The test's own socket tells either of its halves, and only of a reset without an end before it.
            let heard_reset = heard.as_ref().is_err_and(|error| error.kind() == ConnectionReset);
            assert!(heard_reset || written == ConnectionReset, "try {at}: {heard:?}, {written:?}");
        }
    }
}

#[tokio::test]
async fn a_reset_after_one_half_has_ended_is_a_reset() {
    for is_client in [false, true] {
        let (client, upstream, _relaying) = relayed().await;
        let (mut fails, mut stays) = if is_client { (client, upstream) } else { (upstream, client) };
        // Who stays has said all and waits for the rest of the answer.
        stays.write_all(b"all").await.expect("taken");
        stays.shutdown().await.expect("ended");
        let mut heard = Vec::new();
        timeout(LONG, fails.read_to_end(&mut heard)).await.expect("in time").expect("in order");
        fails.write_all(b"half of the ans").await.expect("taken");
        let mut some = [0; 15];
        timeout(LONG, stays.read_exact(&mut some)).await.expect("in time").expect("carried");
        reset(fails);
        assert_eq!(end(stays).await.expect_err("cut short").kind(), ConnectionReset);
    }
}

#[tokio::test]
async fn a_task_that_is_dropped_resets_both_sides() {
    for half_closed in [false, true] {
        let (mut client, mut upstream, relaying) = relayed().await;
        talk(&mut client, &mut upstream).await;
        if half_closed {
            client.shutdown().await.expect("ended");
            assert_eq!(timeout(LONG, upstream.read(&mut [0])).await.expect("in time").expect("in order"), 0);
        }
        talk(&mut upstream, &mut client).await;
        relaying.abort();
        assert!(relaying.await.expect_err("aborted").is_cancelled());
        assert_eq!(end(client).await.expect_err("cut short").kind(), ConnectionReset);
        // Who has read an end already learns of the reset when it writes.
        let written = async { while upstream.write_all(b"more").await.is_ok() {} };
        timeout(LONG, written).await.expect("reset");
    }
}
