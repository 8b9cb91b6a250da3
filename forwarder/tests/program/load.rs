//! Readers that stall, writers that do not stop, and an agent that opens streams without end.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use agent_link::mux::{Header, Kind, SHARED_WINDOW};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::lines::Tells;
use crate::harness::{
    DEADLINE, connect, echo_device, limit, noise, poll_to_deadline, wait_until, wait_until_steady,
};
use crate::process::{Peaks, memory};
use crate::site::{DEVICE, FORWARD, Site};
use crate::speaker::{auth, dial};

const MB: u64 = 1 << 20;
/// Memory in KiB that a process may take more than before: windows and buffers of some streams, what is lent beyond them,
/// and what its allocator keeps.
const SOME: u64 = (16 << 10) + (SHARED_WINDOW as u64 >> 10);

/// More of everything with `FAULT_LONG=1`.
fn short_or_long(short: u64, long: u64) -> u64 {
    if std::env::var_os("FAULT_LONG").is_some() { long } else { short }
}

fn block() -> Vec<u8> {
    noise(11, 1 << 20)
}

/// A server that sends as many blocks as it is asked for, and tells how far it is.
fn source() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (address, sent) = (listener.local_addr().expect("bound"), Arc::<AtomicU64>::default());
    let counted = Arc::clone(&sent);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let sent = Arc::clone(&counted);
            thread::spawn(move || {
                let mut asked = [0; 8];
                stream.read_exact(&mut asked).expect("a number");
                let block = block();
                for _ in 0..u64::from_be_bytes(asked) {
                    for part in block.chunks(64 << 10) {
                        if stream.write_all(part).is_err() {
                            return;
                        }
                        sent.fetch_add(part.len() as u64, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (address, sent)
}

/// Reads blocks to the end of the stream, `from` a place in the first one; how many bytes.
fn read_blocks(stream: &mut TcpStream, from: usize) -> u64 {
    let (block, mut at, mut bytes) = (block(), from, 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let max = buffer.len().min(block.len() - at);
        let read = stream.read(&mut buffer[..max]).expect("it continues");
        if read == 0 {
            return bytes;
        }
        assert!(buffer[..read] == block[at..at + read], "other bytes after {bytes}");
        (at, bytes) = ((at + read) % block.len(), bytes + read as u64);
    }
}

#[test]
fn a_reader_that_stalls_takes_no_memory_and_holds_up_nobody() {
    let blocks = short_or_long(256, 1_024);
    let site = Site::start(FORWARD, "limits: {stalled_timeout: 1h}\n");
    let (address, sent) = source();
    let agent = site.agent(&site.token(&[]), &address.to_string(), &DEVICE);
    let ask = |blocks: u64| {
        let mut stream = connect(site.public);
        stream.write_all(&blocks.to_be_bytes()).expect("taken");
        stream
    };
    assert_eq!(read_blocks(&mut ask(8), 0), 8 * MB);
    let processes = [site.edge.id(), agent.child.id()];
    let before = processes.map(memory);
    let mut stalled = ask(blocks);
    stalled.read_exact(&mut [0]).expect("a first byte");
    // A machine that is busy rests in between.
    let look = || sent.load(Ordering::Relaxed);
    let taken = wait_until_steady("the server to stall", Duration::from_secs(2), look) - 8 * MB;
    assert!(taken < blocks * MB, "nobody stalls");
    let (peaks, begun) = (Peaks::watch(&processes), Instant::now());
    assert_eq!(read_blocks(&mut ask(blocks), 0), blocks * MB);
    let took = begun.elapsed();
    assert_eq!(sent.load(Ordering::Relaxed), (8 + blocks) * MB + taken, "the one that stalls still does");
    let peaks = peaks.end();
    println!("{taken} bytes lie before the reader that stalls; {blocks} MiB beside it in {took:?}");
    for ((name, before), peak) in ["edge", "agent"].iter().zip(before).zip(peaks) {
        println!("memory of the {name}: {before} KiB before, {peak} KiB at most");
        assert!(peak < before + SOME, "the {name} takes {peak} KiB, {before} KiB before");
    }
    assert_eq!(1 + read_blocks(&mut stalled, 1), blocks * MB, "what waited is all there");
}

/// Writes noise and reads it at the same time; the stream is used up.
fn saturate(stream: &TcpStream, own: u64, other: u64, bytes: u64) {
    limit(stream);
    let (own, other) = (noise(own, 1 << 16), noise(other, 1 << 16));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut write, mut sent) = (stream, 0);
            while sent < bytes {
                write.write_all(&own).expect("taken in time");
                sent += own.len() as u64;
            }
            stream.shutdown(Shutdown::Write).expect("the end");
        });
        let (mut read, mut heard, mut buffer) = (stream, 0, vec![0; 1 << 16]);
        while heard < bytes {
            read.read_exact(&mut buffer).expect("heard in time");
            assert!(buffer == other, "bytes of another stream");
            heard += buffer.len() as u64;
        }
        assert_eq!(read.read(&mut buffer).expect("the end in order"), 0);
    });
}

#[test]
fn both_ends_write_all_they_can_on_64_streams() {
    const STREAMS: u64 = 64;
    let bytes = short_or_long(MB, 64 * MB);
    let site = Site::start(FORWARD, "");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    let agent = site.agent(&site.token(&[]), &address.to_string(), &DEVICE);
    let processes = [site.edge.id(), agent.child.id()];
    let (before, peaks, begun) = (processes.map(memory), Peaks::watch(&processes), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::scope(|scope| {
                for _ in 0..STREAMS {
                    let (mut stream, _) = listener.accept().expect("a connection");
                    scope.spawn(move || {
                        let mut seed = [0; 8];
                        stream.read_exact(&mut seed).expect("a number");
                        let seed = u64::from_be_bytes(seed);
                        saturate(&stream, seed + 1_000, seed, bytes);
                    });
                }
            });
        });
        for seed in 1..=STREAMS {
            let mut stream = connect(site.public);
            scope.spawn(move || {
                stream.write_all(&seed.to_be_bytes()).expect("taken");
                saturate(&stream, seed, seed + 1_000, bytes);
            });
        }
    });
    println!("{STREAMS} streams of {} MiB each way in {:?}", bytes / MB, begun.elapsed());
    println!("memory: {before:?} KiB before, {:?} KiB at most", peaks.end());
    assert_eq!(agent.count(Tells::Online), 1, "the session continues");
}

/// A frame as the protocol has it.
fn frame(kind: Kind, stream: u32, syn: bool, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short");
    [&Header { kind, length, fin: false, syn, stream }.bytes()[..], body].concat()
}

/// Says who it is, then opens streams and gives them up as fast as it can, until it is dropped; how many.
async fn storm(site: &Site, token: &str) -> u64 {
    const BATCH: u32 = 64;
    let tls = dial(&site.edge, site.agents, Ipv4Addr::LOCALHOST).await.expect("known");
    let (mut read, mut write) = tokio::io::split(tls);
    let call = [&[0; 4], auth(token).to_string().as_bytes()].concat();
    write.write_all(&frame(Kind::Data, 1, true, &call)).await.expect("taken");
    read.read_exact(&mut [0; 100]).await.expect("an answer");
    let listening = tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    let mut number = 1;
    loop {
        let batch: Vec<u8> = (number..number + BATCH)
            .flat_map(|number| {
                let (stream, heartbeat) = (2 * number + 1, [0xff; 4]);
                let cancelled = u32::to_be_bytes(6);
                [frame(Kind::Data, stream, true, &heartbeat), frame(Kind::Reset, stream, false, &cancelled)]
            })
            .flatten()
            .collect();
        if write.write_all(&batch).await.is_err() || write.flush().await.is_err() {
            break;
        }
        number += BATCH;
    }
    let _ = tokio::time::timeout(DEADLINE, listening).await.expect("it is dropped");
    number.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_opens_streams_without_end_is_dropped() {
    let streams = short_or_long(100_000, 1_000_000);
    let site = Site::start(FORWARD, "");
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let mut open = connect(site.public);
    let mut echo = |byte: u8| {
        open.write_all(&[byte]).expect("taken");
        let mut back = [0];
        open.read_exact(&mut back).expect("answered");
        assert_eq!(back, [byte]);
    };
    echo(1);
    let token = site.token(&[]);
    // What one storm takes is taken again by the next.
    let one = storm(&site, &token).await;
    let (edge, mut opened, mut dropped) = (site.edge.id(), one, 1);
    let (before, peaks) = (memory(edge), Peaks::watch(&[edge]));
    while opened < streams {
        opened += storm(&site, &token).await;
        dropped += 1;
        echo(2);
    }
    let peak = peaks.end()[0];
    println!("{opened} streams, dropped {dropped} times; {before} KiB before, {peak} KiB at most");
    assert!(opened / dropped < 20_000, "{opened} streams and dropped {dropped} times only");
    assert!(peak < before + SOME, "the edge takes {peak} KiB, {before} KiB before");
    assert_eq!(agent.count(Tells::Online), 1, "the other agent is not disturbed");
    wait_until("the abuser to be gone", || (site.list("session").len() == 1).then_some(()));
    echo(3);
}

/// Nothing else of a stream may be lost either: the end of one that stalls is told.
#[test]
fn a_client_that_goes_while_its_server_writes_frees_the_server() {
    let site = Site::start(FORWARD, "");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    let _agent = site.agent(&site.token(&[]), &address.to_string(), &DEVICE);
    let client = connect(site.public);
    let (mut server, _) = listener.accept().expect("a connection");
    limit(&server);
    drop(client);
    let block = block();
    let error = loop {
        if let Err(error) = server.write_all(&block) {
            break error;
        }
    };
    let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    assert!(expected.contains(&error.kind()), "{error}");
}

/// Neither edge nor agent keeps what a busy moment needed.
#[cfg(target_env = "gnu")]
#[test]
fn the_memory_of_closed_connections_is_given_back() {
    const CONNECTIONS: usize = 600;
    // What it takes for connections as they come is not told apart from what it takes for the first ones.
    const KEPT: u64 = 6 << 10;
    let site = Site::start(FORWARD, "limits: {max_connections: 1000, max_connections_per_source: 1000}\n");
    let agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let processes = [site.edge.id(), agent.child.id()];
    let before = processes.map(memory);
    let block = noise(3, 20_000);
    let mut open: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = connect(site.public);
            stream.write_all(&block).expect("taken");
            stream.read_exact(&mut vec![0; block.len()]).expect("an echo");
            stream
        })
        .collect();
    let peak = processes.map(memory);
    assert!(peak.iter().zip(before).all(|(peak, before)| *peak > before + 2 * KEPT), "{before:?} {peak:?}");
    open.clear();
    let given_back = poll_to_deadline(|| {
        let now = processes.map(memory);
        now.iter().zip(before).all(|(now, before)| *now < before + KEPT).then_some(())
    });
    assert!(given_back.is_some(), "before {before:?}, then {peak:?}, now {:?}", processes.map(memory));
}
