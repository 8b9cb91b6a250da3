//! Who may send when, and how much.

use super::*;

/// Frames of the session until `enough` of what they carry by stream.
async fn frames(
    wire: &mut DuplexStream,
    mut enough: impl FnMut(&[(Header, Vec<u8>)]) -> bool,
) -> Vec<(Header, Vec<u8>)> {
    let mut all = Vec::new();
    while !enough(&all) {
        all.push(next(wire).await);
    }
    all
}

#[tokio::test]
async fn small_frames_go_first_and_starve_nobody() {
    const SMALL: usize = 500;
    let (mut wire, connection) = duplex(4_096);
    let (opener, _acceptor, _driver) = start(connection, Side::Client, Limits::default());
    let mut bulk = opener.open().expect("open");
    let bulk_id = bulk.id();
    bulk.write_all(&[1; OUTBOX_BYTES]).await.expect("taken");
    let mut streams = Vec::new();
    for _ in 0..SMALL {
        let mut small = opener.open().expect("open");
        small.write_all(&[2; SMALL_BYTES]).await.expect("taken");
        streams.push(small);
    }
    let carried = |all: &[(Header, Vec<u8>)], bulk: bool| -> usize {
        all.iter().filter(|(header, _)| (header.stream == bulk_id) == bulk).map(|(_, body)| body.len()).sum()
    };
    let all = frames(&mut wire, |all| carried(all, true) == OUTBOX_BYTES).await;
    // A turn of the small ones before each of the large one, at most; the first batch was made before they were there.
    let turns = OUTBOX_BYTES / QUANTUM_BYTES + 1;
    assert!(carried(&all, false) <= turns * (SMALL_RUN_BYTES + SMALL_BYTES), "{}", carried(&all, false));
    assert!(carried(&all, false) >= SMALL_RUN_BYTES, "they have turns");
}

#[tokio::test]
async fn a_small_stream_that_grows_meanwhile_begins_in_its_order() {
    let (mut wire, opener, _acceptor, _driver) = raw(Side::Client, Limits::default());
    let (mut first, mut second) = (opener.open().expect("open"), opener.open().expect("open"));
    // Nothing is sent before this task waits.
    first.write_all(&[1; SMALL_BYTES / 2]).await.expect("taken");
    first.write_all(&[1; 2 * SMALL_BYTES]).await.expect("taken");
    second.write_all(b"second").await.expect("taken");
    let all = frames(&mut wire, |all| all.iter().filter(|(header, _)| header.syn).count() == 2).await;
    let begun: Vec<_> = all.iter().filter(|(it, _)| it.syn).map(|(it, _)| it.stream).collect();
    assert_eq!(begun, [first.id(), second.id()]);
}

#[tokio::test]
async fn a_stream_that_is_given_up_is_answered_once() {
    const PIECES: usize = 100;
    let (mut wire, _opener, mut acceptor, _driver) = raw(Side::Server, Limits::default());
    wire.write_all(&frame(Kind::Data, 1, (true, false), b"hello")).await.expect("taken");
    // What is under way when the stream is given up, all of it in one piece.
    let stream = acceptor.accept().await.expect("a stream");
    let under_way = frame(Kind::Data, 1, (false, false), &[0; 100]).repeat(PIECES);
    wire.write_all(&under_way).await.expect("taken");
    stream.reset(ErrorCode::Reset);
    drop(stream);
    wire.write_all(&frame(Kind::Data, 3, (true, false), b"last")).await.expect("taken");
    let mut last = acceptor.accept().await.expect("another");
    last.write_all(b"end").await.expect("taken");
    let all = frames(&mut wire, |all| all.last().is_some_and(|(_, body)| body == b"end")).await;
    let resets = all.iter().filter(|(header, _)| header.kind == Kind::Reset && header.stream == 1).count();
    assert!((1..=2).contains(&resets), "{resets} for {PIECES} frames");
}

/// An end that lends nothing, as those of the SDKs do.
#[tokio::test(start_paused = true)]
async fn windows_grow_where_nothing_is_lent() {
    let round_trip = Duration::from_millis(100);
    let (mut wire, opener, mut acceptor, _driver) = raw(Side::Server, Limits::default());
    opener.told_round_trip(round_trip);
    wire.write_all(&frame(Kind::Data, 1, (true, false), b"")).await.expect("taken");
    let mut stream = acceptor.accept().await.expect("a stream");
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 20];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
    // The sender fills the window, and hears of more after a round trip.
    let mut window = WINDOW_BYTES as usize;
    for _ in 0..8 {
        let mut left = window;
        while left > 0 {
            let piece = left.min(100_000);
            wire.write_all(&frame(Kind::Data, 1, (false, false), &vec![0; piece])).await.expect("taken");
            left -= piece;
        }
        tokio::time::sleep(round_trip).await;
        window = 0;
        while let Ok((header, body)) = tokio::time::timeout(Duration::from_millis(1), next(&mut wire)).await {
            assert_eq!((header.kind, header.stream), (Kind::Window, 1));
            window += u32::from_be_bytes(*body.first_chunk().expect("a number")) as usize;
        }
    }
    assert!(window >= 4 * WINDOW_BYTES as usize, "{window} bytes a round trip");
}
