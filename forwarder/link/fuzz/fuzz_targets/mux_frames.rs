//! Any bytes, and any frames, into a session of either side: it neither panics nor hangs, and no stream holds more
//! than its window.
#![no_main]

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use agent_link::mux::{Acceptor, Header, Kind, Limits, Opener, Side, Stream, WINDOW_BYTES, session};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf, duplex};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(600);

/// Frames of any kind from six bytes each: headers that fit are far between in bytes that are drawn.
fn frames(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in input.chunks_exact(6) {
        let &[kind, stream, a, b, c, d] = piece else { continue };
        let number = u32::from_be_bytes([a, b, c, d]);
        let (kind, length) = match kind & 7 {
            0 => (Kind::Reset, 4),
            1 => (Kind::Window, 4),
            2 => (Kind::GoAway, 8 + (number & 0x1f)),
            3 => (Kind::Data, WINDOW_BYTES - (number & 1)),
            _ => (Kind::Data, number & 0xfff),
        };
        let (fin, syn) = (piece[0] & 8 != 0, piece[0] & 16 != 0);
        let stream = if kind == Kind::GoAway { 0 } else { u32::from(stream & 15) };
        out.extend(Header { kind, length, fin, syn, stream }.bytes());
        let start = out.len();
        out.resize(start + length as usize, b'x');
        if length == 4 {
            out[start..].copy_from_slice(&number.to_be_bytes());
        }
        if out.len() > 2 << 20 {
            break;
        }
    }
    out
}

/// Bytes that a stream has for its reader now.
fn held(mut stream: &Stream) -> usize {
    let (mut all, mut space) = (0, vec![0; 64 << 10]);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut buffer = ReadBuf::new(&mut space);
        match pin!(&mut stream).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => all += buffer.filled().len(),
            _ => return all,
        }
    }
}

/// Holds every stream, or reads, answers or drops it, as the choice says.
async fn serve(mut acceptor: Acceptor, choice: u8) {
    let mut all = Vec::new();
    while let Some(mut stream) = acceptor.accept().await {
        match choice & 3 {
            0 => all.push(stream),
            1 => drop(tokio::spawn(async move {
                let mut heard = Vec::new();
                let _ = (&mut stream).take(1 << 20).read_to_end(&mut heard).await;
                let _ = stream.write_all(&heard).await;
                let _ = stream.shutdown().await;
            })),
            2 => drop(stream),
            _ => {
                let _ = stream.write_all(&[7; 5_000]).await;
                let _ = stream.shutdown().await;
                all.push(stream);
            }
        }
    }
    for stream in &all {
        assert!(held(stream) <= WINDOW_BYTES as usize, "more than a window waits");
    }
}

/// Uses a few streams of this side, which the input may speak to.
async fn call(opener: Opener) {
    for _ in 0..3 {
        let Ok(mut stream) = opener.open() else { return };
        tokio::spawn(async move {
            let _ = stream.write_all(&[1; 20_000]).await;
            let _ = stream.read(&mut [0; 100]).await;
        });
    }
    opener.closed().await;
    assert!(opener.open().is_err());
}

async fn run(side: Side, choice: u8, bytes: Vec<u8>) {
    let (mut wire, connection) = duplex(4 << 20);
    let mut limits = Limits::default();
    (limits.streams, limits.unaccepted, limits.opens_per_second) = (6, 4, 20);
    let (opener, acceptor, driver) = session(connection, side, limits);
    let driver = tokio::spawn(driver.run());
    let serving = tokio::spawn(serve(acceptor, choice));
    let calling = tokio::spawn(call(opener));
    for piece in bytes.chunks(1 + usize::from(choice >> 2) * 1_000) {
        if wire.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    if choice & 4 == 0 {
        drop(wire);
        timeout(LONG, driver).await.expect("the session ends with its connection").expect("no panic");
    } else {
        // Silence ends nothing by itself; what ends it is the stalled write, the violation or this side.
        let _ = timeout(LONG, driver).await.map(|ended| ended.expect("no panic"));
        drop(wire);
    }
    timeout(LONG, serving).await.expect("accepting ends").expect("no panic");
    timeout(LONG, calling).await.expect("all learn of the end").expect("no panic");
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (how, choice, bytes) = input;
    let side = if how & 1 == 0 { Side::Server } else { Side::Client };
    let bytes = if how & 2 == 0 { frames(bytes) } else { bytes.to_vec() };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(run(side, choice, bytes));
});
