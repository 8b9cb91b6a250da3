//! Any sequence of operations on two sessions that are connected: what is read is what was written, an end is seen only
//! when all was read, and nobody waits for ever.
#![no_main]

use std::time::Duration;

use agent_link::mux::{Acceptor, ErrorCode, Limits, Opener, Side, Stream, session};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

const MAX_OPERATIONS: usize = 200;
const MAX_STREAMS: usize = 32;
/// All that can happen has happened when the paused clock moves.
const MOMENT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(20);

/// The byte of a stream at a place, in one direction.
fn byte(id: u32, from: usize, at: usize) -> u8 {
    (id as usize * 7 + from * 131 + at * 31 + at / 251).to_le_bytes()[0]
}

/// One stream as both sides see it; in each pair side 0 comes first.
struct Both {
    id: u32,
    ends: [Option<Stream>; 2],
    written: [usize; 2],
    read: [usize; 2],
    shut: [bool; 2],
    given_up: bool,
}

impl Both {
    async fn write(&mut self, side: usize, length: usize) {
        let (id, at) = (self.id, self.written[side]);
        let Some(stream) = &mut self.ends[side] else { return };
        let bytes: Vec<u8> = (at..at + length).map(|at| byte(id, side, at)).collect();
        match timeout(MOMENT, stream.write(&bytes)).await {
            Ok(Ok(taken)) => {
                assert!(!self.shut[side] || taken == 0, "written after its end");
                self.written[side] += taken;
            }
            Ok(Err(_)) => assert!(self.given_up || self.shut[side], "an open stream takes bytes"),
            Err(_) => {}
        }
    }

    /// Reads once; false at the end, or if nothing comes within the time.
    async fn read(&mut self, side: usize, length: usize, patience: Duration) -> bool {
        let from = 1 - side;
        let Some(stream) = &mut self.ends[side] else { return false };
        let mut bytes = vec![0; length.max(1)];
        let Ok(read) = timeout(patience, stream.read(&mut bytes)).await else { return false };
        let Ok(count) = read else {
            assert!(self.given_up, "an open stream gives bytes");
            return false;
        };
        for found in &bytes[..count] {
            assert_eq!(*found, byte(self.id, from, self.read[side]), "other bytes");
            self.read[side] += 1;
        }
        assert!(self.read[side] <= self.written[from], "more than was written");
        let is_end = count == 0;
        assert!(!is_end || self.shut[from] && self.read[side] == self.written[from], "an end too early");
        !is_end
    }

    async fn shut(&mut self, side: usize) {
        if let Some(stream) = &mut self.ends[side] {
            // A stream that was given up can end no more: its end would look like all that was to come.
            match stream.shutdown().await {
                Ok(()) => self.shut[side] = true,
                Err(_) => assert!(self.given_up, "an open stream can be shut down"),
            }
        }
    }

    fn reset(&mut self, side: usize) {
        if let Some(stream) = &self.ends[side] {
            stream.reset(ErrorCode::Reset);
            self.given_up = true;
        }
    }

    fn drop(&mut self, side: usize) {
        if self.ends[side].take().is_some() {
            self.given_up = true;
        }
    }

    /// What was not given up can be ended in order, and arrives whole.
    async fn finish(&mut self) {
        for side in [0, 1] {
            self.shut(side).await;
        }
        if self.given_up || self.ends.iter().any(Option::is_none) {
            return;
        }
        for side in [0, 1] {
            while self.read(side, 50_000, LONG).await {}
            assert_eq!(self.read[side], self.written[1 - side], "not all arrived");
        }
    }
}

async fn accept(acceptor: &mut Acceptor, side: usize, all: &mut [Both]) {
    while let Ok(Some(stream)) = timeout(MOMENT, acceptor.accept()).await {
        let found = all.iter_mut().find(|both| both.id == stream.id());
        found.expect("a stream that was opened").ends[side] = Some(stream);
    }
}

async fn operate(code: u8, which: u8, amount: u8, openers: &[Opener; 2], all: &mut Vec<Both>) {
    let side = usize::from(code >> 7);
    let length = usize::from(amount).pow(2) * 2;
    if code & 7 == 0 && all.len() < MAX_STREAMS {
        let stream = openers[side].open().expect("few are open");
        let (id, mut ends) = (stream.id(), [None, None]);
        ends[side] = Some(stream);
        all.push(Both { id, ends, written: [0; 2], read: [0; 2], shut: [false; 2], given_up: false });
    }
    let count = all.len().max(1);
    let Some(both) = all.get_mut(usize::from(which) % count) else { return };
    match code & 7 {
        1 | 2 => both.write(side, length).await,
        3 | 4 => drop(both.read(side, length, MOMENT).await),
        5 => both.shut(side).await,
        6 if amount & 3 == 0 => both.reset(side),
        7 if amount & 3 == 0 => both.drop(side),
        _ => {}
    }
}

async fn run(pipe: usize, input: &[u8]) {
    let (one, other) = duplex(pipe);
    let limits = Limits::default();
    let (client, mut at_client, client_driver) = session(one, Side::Client, limits);
    let (server, mut at_server, server_driver) = session(other, Side::Server, limits);
    let lent = u32::try_from(pipe).unwrap_or(u32::MAX).saturating_mul(8);
    client.lend(lent);
    server.borrow(lent);
    server.lend(lent / 2);
    client.borrow(lent / 2);
    let drivers = [tokio::spawn(client_driver.run()), tokio::spawn(server_driver.run())];
    let openers = [client, server];
    let mut all = Vec::new();
    for piece in input.chunks_exact(3).take(MAX_OPERATIONS) {
        let &[code, which, amount] = piece else { continue };
        operate(code, which, amount, &openers, &mut all).await;
        if code & 0x18 == 0 {
            accept(&mut at_client, 0, &mut all).await;
            accept(&mut at_server, 1, &mut all).await;
        }
    }
    for side in [0, 1] {
        for both in &mut all {
            both.shut(side).await;
        }
    }
    accept(&mut at_client, 0, &mut all).await;
    accept(&mut at_server, 1, &mut all).await;
    for both in &mut all {
        both.finish().await;
    }
    assert!(openers.iter().all(|opener| opener.why_closed().is_none()), "the session continues");
    openers[0].close_in_order("bye");
    for driver in drivers {
        timeout(LONG, driver).await.expect("it ends").expect("no panic");
    }
}

fuzz_target!(|input: (u16, &[u8])| {
    let (pipe, bytes) = input;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(run(usize::from(pipe).max(1), bytes));
});
