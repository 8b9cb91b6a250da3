//! Two ends over a pipe, and an end against frames that are written by hand.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;

mod turns;

fn start(connection: DuplexStream, side: Side, limits: Limits) -> (Opener, Acceptor, JoinHandle<ErrorCode>) {
    let (opener, acceptor, driver) = session(connection, side, limits);
    (opener, acceptor, tokio::spawn(driver.run()))
}

fn pair(pipe: usize) -> [(Opener, Acceptor, JoinHandle<ErrorCode>); 2] {
    let (one, other) = duplex(pipe);
    [start(one, Side::Client, Limits::default()), start(other, Side::Server, Limits::default())]
}

/// A session whose other side is written by hand.
fn raw(side: Side, limits: Limits) -> (DuplexStream, Opener, Acceptor, JoinHandle<ErrorCode>) {
    let (one, other) = duplex(1 << 20);
    let (opener, acceptor, driver) = start(other, side, limits);
    (one, opener, acceptor, driver)
}

fn frame(kind: Kind, stream: u32, flags: (bool, bool), body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short");
    let header = Header { kind, length, fin: flags.1, syn: flags.0, stream };
    [&header.bytes()[..], body].concat()
}

async fn next(connection: &mut DuplexStream) -> (Header, Vec<u8>) {
    let mut header = [0; 8];
    connection.read_exact(&mut header).await.expect("a header");
    let header = Header::parse(header).expect("a header");
    let mut body = vec![0; header.length as usize];
    connection.read_exact(&mut body).await.expect("a body");
    (header, body)
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u64 * 31 + at as u64 / 251).to_le_bytes()[0] ^ seed).collect()
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_half_ends_on_its_own() {
    let [(opener, _accept, _), (_opener, mut acceptor, _)] = pair(4_096);
    let sent = noise(1 << 20, 1);
    let mut stream = opener.open().expect("open");
    let echo = tokio::spawn(async move {
        let mut stream = acceptor.accept().await.expect("a stream");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("heard");
        // The answer begins when the question has ended.
        stream.write_all(&heard).await.expect("said");
        stream.shutdown().await.expect("shut down");
        heard.len()
    });
    stream.write_all(&sent).await.expect("sent");
    stream.shutdown().await.expect("shut down");
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.expect("read");
    assert!(back == sent, "{} of {}", back.len(), sent.len());
    assert_eq!(echo.await.expect("ends"), sent.len());
}

#[tokio::test]
async fn what_is_dropped_unfinished_does_not_look_complete() {
    let [(opener, _a, _), (_opener, mut acceptor, _)] = pair(4_096);
    let mut stream = opener.open().expect("open");
    stream.write_all(b"half a sen").await.expect("sent");
    let mut other = acceptor.accept().await.expect("a stream");
    let mut some = [0; 10];
    other.read_exact(&mut some).await.expect("some");
    stream.reset(ErrorCode::Reset);
    drop(stream);
    let error = other.read(&mut some).await.expect_err("given up");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(other.write_all(b"x").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_who_does_not_read_stops_nobody_else() {
    let [(opener, _a, _), (_opener, mut acceptor, _)] = pair(4_096);
    let mut stalled = opener.open().expect("open");
    let flood = tokio::spawn(async move {
        let chunk = vec![7; 64 << 10];
        let mut sent = 0_usize;
        while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(5), stalled.write_all(&chunk)).await {
            sent += chunk.len();
        }
        (sent, stalled)
    });
    let _unread = acceptor.accept().await.expect("the one that is not read");
    let (sent, _stalled) = flood.await.expect("ends");
    assert!(sent <= WINDOW_BYTES as usize + OUTBOX_BYTES, "{sent} bytes were taken for who reads none");
    let mut other = opener.open().expect("open");
    other.write_all(b"still here").await.expect("sent");
    let mut heard = [0; 10];
    let mut stream = acceptor.accept().await.expect("the other");
    stream.read_exact(&mut heard).await.expect("heard");
    assert_eq!(&heard, b"still here");
}

#[tokio::test]
async fn both_sides_write_all_they_can_and_nobody_waits_for_ever() {
    const STREAMS: usize = 64;
    const BYTES: usize = 600 << 10;
    let [(one, mut one_accepts, _), (other, mut other_accepts, _)] = pair(1_024);
    let mut tasks = Vec::new();
    for opener in [one, other] {
        for number in 0..STREAMS {
            let opener = opener.clone();
            tasks.push(tokio::spawn(async move {
                let seed = u8::try_from(number).expect("few");
                let mut stream = opener.open().expect("open");
                stream.write_all(&noise(BYTES, seed)).await.expect("sent");
                stream.shutdown().await.expect("shut down");
                let mut end = Vec::new();
                stream.read_to_end(&mut end).await.expect("the other half ends");
            }));
        }
    }
    let accepting = async |acceptor: &mut Acceptor| {
        let mut readers = Vec::new();
        for _ in 0..STREAMS {
            let mut stream = acceptor.accept().await.expect("a stream");
            readers.push(tokio::spawn(async move {
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).await.expect("heard");
                let seed = heard[0];
                assert!(heard == noise(BYTES, seed), "bytes of another stream");
                stream.shutdown().await.expect("shut down");
            }));
        }
        readers
    };
    let readers = tokio::join!(accepting(&mut one_accepts), accepting(&mut other_accepts));
    for task in tasks.into_iter().chain(readers.0).chain(readers.1) {
        tokio::time::timeout(Duration::from_secs(60), task).await.expect("no deadlock").expect("fine");
    }
}

#[tokio::test]
async fn a_keystroke_does_not_wait_for_the_bulk_before_it() {
    let (mut wire, opener, _acceptor, _driver) = raw(Side::Client, Limits::default());
    let (mut bulk, mut key) = (opener.open().expect("open"), opener.open().expect("open"));
    bulk.write_all(&[1; OUTBOX_BYTES]).await.expect("taken");
    key.write_all(b"k").await.expect("taken");
    let mut before = 0;
    loop {
        let (header, body) = next(&mut wire).await;
        if body == b"k" {
            break assert_eq!(header.stream, key.id());
        }
        before += body.len();
    }
    assert!(before <= 3 * QUANTUM_BYTES, "{before} bytes went first");
}

#[tokio::test]
async fn violations_end_the_session_with_their_code() {
    let opened = frame(Kind::Data, 3, (true, false), b"x");
    for (name, bytes, code) in [
        ("a type that is none", vec![0, 0, 0, 0x50, 0, 0, 0, 1], ErrorCode::Protocol),
        ("a length that lies", vec![0xff, 0xff, 0xff, 0x10, 0, 0, 0, 1], ErrorCode::FrameSize),
        ("an id of the wrong side", frame(Kind::Data, 2, (true, false), b""), ErrorCode::Protocol),
        ("an id that was used", [opened.clone(), opened.clone()].concat(), ErrorCode::Protocol),
        (
            "an id that came late, twice",
            [3, 1, 1].map(|id| frame(Kind::Data, id, (true, false), b"")).concat(),
            ErrorCode::Protocol,
        ),
        (
            "an id that comes too late",
            [10_001, 3].map(|id| frame(Kind::Data, id, (true, false), b"")).concat(),
            ErrorCode::Protocol,
        ),
        (
            "a stream of ours that is not open",
            frame(Kind::Data, 8, (false, false), b"x"),
            ErrorCode::Protocol,
        ),
    ] {
        let (mut wire, _opener, _acceptor, driver) = raw(Side::Server, Limits::default());
        wire.write_all(&bytes).await.expect("written");
        let (header, body) = next(&mut wire).await;
        assert_eq!(header.kind, Kind::GoAway, "{name}");
        assert_eq!(body[4..8], (code as u32).to_be_bytes(), "{name}");
        assert_eq!(driver.await.expect("ends"), code, "{name}");
    }
}

#[tokio::test]
async fn more_than_the_window_resets_the_stream_alone() {
    let (mut wire, _opener, mut acceptor, driver) = raw(Side::Server, Limits::default());
    wire.write_all(&frame(Kind::Data, 1, (true, false), &vec![0; WINDOW_BYTES as usize]))
        .await
        .expect("allowed");
    wire.write_all(&frame(Kind::Data, 1, (false, false), b"!")).await.expect("too much");
    wire.write_all(&frame(Kind::Data, 3, (true, false), b"")).await.expect("another");
    wire.write_all(&frame(Kind::Window, 3, (false, false), &0x7fff_ffff_u32.to_be_bytes()))
        .await
        .expect("written");
    let mut codes = Vec::new();
    while codes.len() < 2 {
        let (header, body) = next(&mut wire).await;
        if header.kind == Kind::Reset {
            codes.push((header.stream, u32::from_be_bytes(*body.first_chunk().expect("a code"))));
        }
    }
    let flow = ErrorCode::FlowControl as u32;
    assert_eq!(codes, [(1, flow), (3, flow)]);
    assert!(acceptor.accept().await.is_some() && !driver.is_finished());
}

#[tokio::test]
async fn a_storm_of_streams_ends_the_session_in_bounded_memory() {
    let limits = Limits { opens_per_second: 100, ..Limits::default() };
    let (mut wire, opener, mut acceptor, driver) = raw(Side::Server, limits);
    let accepting = tokio::spawn(async move { while acceptor.accept().await.is_some() {} });
    let (mut read, mut write) = tokio::io::split(&mut wire);
    let storm = async {
        for number in 0..100_000_u32 {
            let id = 2 * number + 1;
            let open = frame(Kind::Data, id, (true, false), b"");
            let reset = frame(Kind::Reset, id, (false, false), &6_u32.to_be_bytes());
            if write.write_all(&[open, reset].concat()).await.is_err() {
                break;
            }
        }
    };
    let listen = async { tokio::io::copy(&mut read, &mut tokio::io::sink()).await };
    let (_, _) = tokio::join!(storm, listen);
    assert_eq!(driver.await.expect("ends"), ErrorCode::EnhanceYourCalm);
    accepting.await.expect("ends");
    assert!(opener.why_closed().is_some() && opener.shared_streams() == 0);
}

#[tokio::test]
async fn streams_beyond_the_limits_are_refused_and_the_session_goes_on() {
    let limits = Limits { streams: 3, unaccepted: 2, ..Limits::default() };
    let (mut wire, _opener, mut acceptor, driver) = raw(Side::Server, limits);
    for id in [1, 3, 5] {
        wire.write_all(&frame(Kind::Data, id, (true, false), b"x")).await.expect("written");
    }
    let (header, body) = next(&mut wire).await;
    assert_eq!((header.stream, body), (5, 9_u32.to_be_bytes().to_vec()));
    let held = (acceptor.accept().await, acceptor.accept().await);
    for id in [7, 9] {
        wire.write_all(&frame(Kind::Data, id, (true, false), b"x")).await.expect("written");
    }
    let (header, body) = next(&mut wire).await;
    assert_eq!((header.stream, body), (9, 12_u32.to_be_bytes().to_vec()));
    drop(held);
    assert!(!driver.is_finished());
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_bytes_is_dropped() {
    let (one, other) = duplex(64);
    let (opener, _acceptor, driver) = start(other, Side::Server, Limits::default());
    let mut stream = opener.open().expect("open");
    stream.write_all(&[0; 1_000]).await.expect("taken");
    assert_eq!(driver.await.expect("ends"), ErrorCode::WriteTimeout);
    assert!(stream.write_all(b"x").await.is_err() && opener.open().is_err());
    drop(one);
}

#[tokio::test]
async fn a_farewell_in_order_comes_after_what_waits() {
    let [(opener, _a, _), (server, mut acceptor, driver)] = pair(512);
    let mut stream = opener.open().expect("open");
    stream.write_all(b"?").await.expect("asked");
    let mut asked = acceptor.accept().await.expect("a stream");
    asked.write_all(&[b'!'; 5_000]).await.expect("answered");
    asked.shutdown().await.expect("shut down");
    drop(asked);
    server.close_in_order("bye");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.expect("all of it");
    assert_eq!(heard.len(), 5_000);
    assert_eq!(driver.await.expect("ends"), ErrorCode::SessionClosed);
    opener.closed().await;
}

#[tokio::test]
async fn streams_begin_in_the_order_of_their_ids_whoever_writes_first() {
    let (mut wire, opener, _acceptor, _driver) = raw(Side::Client, Limits::default());
    let streams: Vec<Stream> = (0..300).map(|_| opener.open().expect("open")).collect();
    let mut last = &streams[299];
    last.write_all(b"first").await.expect("taken");
    let mut begun = Vec::new();
    while begun.len() < streams.len() {
        let (header, _) = next(&mut wire).await;
        begun.extend(header.syn.then_some(header.stream));
    }
    assert!(begun.is_sorted(), "{begun:?}");
}

#[tokio::test]
async fn streams_that_come_late_are_taken() {
    let (mut wire, _opener, mut acceptor, driver) = raw(Side::Server, Limits::default());
    for id in [3, 9, 5, 7, 1, 11] {
        wire.write_all(&frame(Kind::Data, id, (true, false), b"x")).await.expect("written");
        assert_eq!(acceptor.accept().await.expect("a stream").id(), id);
    }
    assert!(!driver.is_finished());
}

#[tokio::test]
async fn streams_begin_in_the_order_of_their_ids() {
    let [(opener, _a, driver), (_server, mut acceptor, _)] = pair(4_096);
    let mut older: Vec<_> = (0..3).map(|_| opener.open().expect("open")).collect();
    let mut newer = opener.open().expect("open");
    drop(older.remove(1));
    newer.write_all(b"n").await.expect("sent");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(acceptor.accept().await.expect("a stream").id());
    }
    assert_eq!(ids, [1, 5, 7]);
    assert!(!driver.is_finished());
}

#[tokio::test]
async fn what_is_dropped_or_refused_does_not_look_complete() {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, TimedOut};
    for (code, kind) in [
        (None, ConnectionReset),
        (Some(ErrorCode::Reset), ConnectionReset),
        (Some(ErrorCode::Refused), ConnectionRefused),
        (Some(ErrorCode::WriteTimeout), TimedOut),
    ] {
        let [(opener, _a, _), (_server, mut acceptor, _)] = pair(4_096);
        let mut stream = opener.open().expect("open");
        stream.write_all(b"half a sen").await.expect("sent");
        let mut other = acceptor.accept().await.expect("a stream");
        let mut some = [0; 10];
        other.read_exact(&mut some).await.expect("some");
        if let Some(code) = code {
            stream.reset(code);
        }
        drop(stream);
        let error = other.read(&mut some).await.expect_err("not the end of a sentence");
        assert_eq!(error.kind(), kind, "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_closed_at_once_though_the_other_side_takes_no_bytes() {
    let (mut wire, connection) = duplex(64);
    let (opener, mut acceptor, driver) = start(connection, Side::Server, Limits::default());
    wire.write_all(&frame(Kind::Data, 1, (true, false), b"x")).await.expect("written");
    let mut stream = acceptor.accept().await.expect("a stream");
    stream.read_exact(&mut [0]).await.expect("read");
    stream.write_all(&[0; 10_000]).await.expect("taken");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let now = tokio::time::Instant::now();
    opener.close(ErrorCode::Cancelled, "revoked");
    stream.read(&mut [0]).await.expect_err("nothing more");
    assert!(acceptor.accept().await.is_none() && now.elapsed() < Duration::from_millis(1));
    opener.closed().await;
    driver.await.expect("ends");
    assert!(now.elapsed() <= Duration::from_secs(2), "{:?}", now.elapsed());
}

#[tokio::test]
async fn the_limit_of_streams_can_be_raised() {
    let (mut wire, opener, mut acceptor, _driver) =
        raw(Side::Server, Limits { streams: 1, ..Limits::default() });
    for id in [1, 3] {
        wire.write_all(&frame(Kind::Data, id, (true, false), b"x")).await.expect("written");
    }
    assert_eq!(next(&mut wire).await.0.stream, 3);
    opener.allow(2);
    wire.write_all(&frame(Kind::Data, 5, (true, false), b"x")).await.expect("written");
    let _one = acceptor.accept().await;
    assert_eq!(acceptor.accept().await.map(|stream| stream.id()), Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_is_given_up_in_time_and_no_other() {
    let limits = Limits { stall_timeout: Duration::from_secs(60), ..Limits::default() };
    let (one, other) = duplex(4_096);
    let (opener, _accept, _) = start(one, Side::Client, limits);
    let (_opener, mut acceptor, _) = start(other, Side::Server, limits);
    let full = WINDOW_BYTES as usize + 1_000;
    // One is held, one was ended and dropped, one has a reader that takes its time.
    let mut held = opener.open().expect("open");
    held.write_all(&noise(full, 1)).await.expect("waits");
    let mut dropped = opener.open().expect("open");
    dropped.write_all(&noise(full, 2)).await.expect("waits");
    dropped.shutdown().await.expect("shut down");
    drop(dropped);
    let mut slow = opener.open().expect("open");
    slow.write_all(&noise(full, 3)).await.expect("waits");
    slow.shutdown().await.expect("shut down");
    let mut unread = acceptor.accept().await.expect("a stream");
    let mut unread_too = acceptor.accept().await.expect("a stream");
    let mut read = acceptor.accept().await.expect("a stream");
    let mut heard = vec![0; full];
    for part in heard.chunks_mut(full / 20) {
        read.read_exact(part).await.expect("still there");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(heard == noise(full, 3), "all of it came");
    let error = held.write_all(&noise(OUTBOX_BYTES, 1)).await.expect_err("given up");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    drop((held, slow));
    // What was cut short does not look complete.
    for stream in [&mut unread, &mut unread_too] {
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
    }
    assert_eq!(opener.shared_streams(), 0, "no place is held");
    assert!(opener.takes_streams());
}

#[tokio::test]
async fn who_says_goodbye_is_asked_for_no_more_streams() {
    let [(client, _accept, _), (server, _, driver)] = pair(4_096);
    assert!(client.takes_streams() && server.takes_streams());
    let mut stream = client.open().expect("open");
    stream.write_all(b"x").await.expect("sent");
    client.close_in_order("bye");
    assert!(!client.takes_streams());
    driver.await.expect("ends");
    assert!(!server.takes_streams());
}

/// A farewell is the end, also where the connection stays open behind it.
#[tokio::test]
async fn a_farewell_ends_a_session_at_once() {
    let (mut wire, opener, mut acceptor, driver) = raw(Side::Server, Limits::default());
    let mut stream = opener.open().expect("open");
    stream.write_all(b"x").await.expect("sent");
    let body = [&0_u32.to_be_bytes()[..], &6_u32.to_be_bytes(), b"the power goes\n".as_slice()].concat();
    wire.write_all(&frame(Kind::GoAway, 0, (false, false), &body)).await.expect("taken");
    assert_eq!(driver.await.expect("ends"), ErrorCode::Cancelled);
    let end = opener.why_closed().expect("it has ended");
    assert!(end.by_peer && !end.is_in_order());
    assert_eq!((end.code, &*end.message), (ErrorCode::Cancelled, "the power goes\n"));
    assert!(acceptor.accept().await.is_none());
    assert!(stream.read(&mut [0]).await.is_err());
}

/// Who has not said who it is fills no memory, whether its streams are accepted or not, or sent back to it.
#[tokio::test]
async fn a_session_that_is_not_opened_up_holds_few_bytes() {
    const HELD: usize = 32 << 10;
    let limits = Limits { held: HELD, ..Limits::default() };
    // In one stream or in several, until one byte is too many.
    for streams in [1_u32, 4] {
        let (mut wire, opener, mut acceptor, driver) = raw(Side::Server, limits);
        let part = vec![7; HELD / streams as usize];
        for at in 0..streams {
            wire.write_all(&frame(Kind::Data, 1 + 2 * at, (true, false), &part)).await.expect("taken");
        }
        let _unread = acceptor.accept().await.expect("the first one");
        assert!(opener.why_closed().is_none());
        wire.write_all(&frame(Kind::Data, 1, (false, false), &[7])).await.expect("taken");
        assert_eq!(driver.await.expect("no panic"), ErrorCode::FlowControl, "{streams} streams");
    }
    // Bytes that wait to go back count as well: they are taken as long as somebody takes them back.
    let (mut wire, _opener, mut acceptor, driver) = raw(Side::Server, limits);
    tokio::spawn(async move {
        let stream = acceptor.accept().await.expect("a stream");
        tokio::io::copy(&mut &stream, &mut &stream).await
    });
    wire.write_all(&frame(Kind::Data, 1, (true, false), &[])).await.expect("taken");
    // More than the pipe between them and all that is held.
    let chunk = frame(Kind::Data, 1, (false, false), &[7; 16 << 10]);
    while wire.write_all(&chunk).await.is_ok() {}
    assert_eq!(driver.await.expect("no panic"), ErrorCode::FlowControl);

    // Once it is opened up, a whole window is held.
    let (mut wire, opener, mut acceptor, _driver) = raw(Side::Server, limits);
    opener.allow(8);
    wire.write_all(&frame(Kind::Data, 1, (true, false), &vec![7; WINDOW_BYTES as usize]))
        .await
        .expect("taken");
    let mut stream = acceptor.accept().await.expect("a stream");
    stream.read_exact(&mut vec![0; WINDOW_BYTES as usize]).await.expect("all of it");
}

/// One direction of a stream among others: what is sent, how it is read, how it ends.
async fn direction(writer: Stream, reader: Stream, seed: u64) {
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: u64| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw % below
    };
    let size = |number: u64| usize::try_from(number).expect("small");
    let (length, ending, pause) = (draw(3 << 20), draw(5), draw(4));
    let sent = noise(size(length), seed.to_le_bytes()[0]);
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        let mut writer = writer;
        let result = writer.write_all(&sent).await;
        match ending {
            0 => writer.reset(ErrorCode::Reset),
            1 => drop(writer),
            _ => {
                let _ = writer.shutdown().await;
                // Held on to, or gone before its bytes are.
                if ending == 2 {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        }
        result
    });
    let mut reader = reader;
    // One in four gives up in the middle.
    let enough = if draw(4) == 0 { size(draw(1 + length)) } else { usize::MAX };
    let (mut heard, mut part) = (Vec::new(), vec![0; 60_000]);
    let mut end = Ok(1);
    while heard.len() < enough {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        end = reader.read(&mut part).await;
        let Ok(read @ 1..) = end else { break };
        heard.extend_from_slice(&part[..read]);
    }
    assert!(heard[..] == expected[..heard.len()], "other bytes");
    if let Ok(0) = end {
        assert_eq!(heard.len(), expected.len(), "an end in order before all of it");
    }
    if enough == usize::MAX && ending > 1 {
        assert!(matches!(end, Ok(0)), "{end:?} after {} of {length} bytes", heard.len());
    }
    drop(reader);
    let _ = writing.await.expect("no panic");
}

/// However streams end, what they have borrowed of a pool is there again, and nobody is refused what is lent.
#[tokio::test(start_paused = true)]
async fn what_is_lent_comes_back() {
    for seed in 0..30_u32 {
        let pools = [(seed % 4) * 400_000, 100_000 + (seed % 7) * 300_000];
        let [(client, _accept, at_client), (server, mut accepted, at_server)] = pair(50_000);
        client.lend(pools[0]);
        server.borrow(pools[0]);
        server.lend(pools[1]);
        client.borrow(pools[1]);
        let mut directions = Vec::new();
        for at in 0..8 {
            let mut one = client.open().expect("open");
            one.write_all(b"!").await.expect("sent");
            let mut other = accepted.accept().await.expect("a stream");
            other.read_exact(&mut [0]).await.expect("begun");
            let number = u64::from(seed * 100 + at);
            let (writer, reader) = if at % 3 == 0 { (other, one) } else { (one, other) };
            directions.push(tokio::spawn(direction(writer, reader, number)));
        }
        for direction in directions {
            direction.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(client.why_closed().is_none() && server.why_closed().is_none(), "seed {seed}");
        assert_eq!(client.pools(), [pools[1], pools[0]], "seed {seed}");
        assert_eq!(server.pools(), pools, "seed {seed}");
        assert_eq!((client.shared_streams(), server.shared_streams()), (0, 0), "seed {seed}");
        client.close_in_order("");
        drop((at_client, at_server));
    }
}

/// What has come whole can be read, also where a reset comes after it and part of it was lent.
#[tokio::test]
async fn a_late_reset_takes_nothing_of_a_finished_stream() {
    let (mut wire, opener, mut acceptor, _driver) = raw(Side::Server, Limits::default());
    opener.lend(1 << 20);
    let window = vec![7; WINDOW_BYTES as usize];
    wire.write_all(&frame(Kind::Data, 1, (true, false), &window)).await.expect("taken");
    wire.write_all(&frame(Kind::Data, 1, (false, true), &[8; 100_000])).await.expect("taken");
    let code = (ErrorCode::StreamClosed as u32).to_be_bytes();
    wire.write_all(&frame(Kind::Reset, 1, (false, false), &code)).await.expect("taken");
    wire.write_all(&frame(Kind::Data, 3, (true, false), b"")).await.expect("taken");
    let mut stream = acceptor.accept().await.expect("a stream");
    // It comes behind the reset.
    acceptor.accept().await.expect("another");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.expect("all of it");
    assert_eq!(heard.len(), window.len() + 100_000);
}
