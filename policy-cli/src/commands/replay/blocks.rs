//! A log in blocks of whole lines, which two threads decide in turns: the same blocks at every call, so that what is counted
//! does not depend on who was faster.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use memchr::{memchr, memchr_iter, memrchr};
use policy_core::events::MAX_LINE_BYTES;
use policy_core::ip_policies::unpack_stream;
use policy_core::named_file::reason;

use super::shard::{Block, ReplayInputs, Shard};
use super::tally::Tally;
use crate::commands::eval::Progress;
use crate::exit::Failure;
use crate::files::open;

/// Threads that decide.
const SHARDS: usize = 2;
/// Bytes of a block; a line that is longer than one is too long.
const BLOCK: usize = MAX_LINE_BYTES + 1;
/// Blocks that may wait for a thread.
const WAITING: usize = 2;

/// Reads and decides a log; what was found, and whether all of it could be read.
pub(super) fn replay(path: &Path, asked: &ReplayInputs<'_>) -> Result<(Tally, Result<(), Failure>), Failure> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { "<stdin>".to_owned() } else { crate::files::shown(path) };
    let unreadable = |why: String| Failure::Usage(format!("cannot read `{name}`: {why}"));
    let file: Option<File> = match is_stdin {
        true => None,
        false => Some(open(path).map_err(|error| unreadable(reason(&error)))?),
    };
    let (back, spare) = channel();
    let (tally, read) = thread::scope(|scope| {
        let (mut senders, mut shards) = (Vec::new(), Vec::new());
        for _ in 0..SHARDS {
            let (sender, blocks) = sync_channel::<Block>(WAITING);
            let back: Sender<Vec<u8>> = back.clone();
            senders.push(sender);
            shards.push(scope.spawn(move || decide(asked, &blocks, &back)));
        }
        drop(back);
        let mut cutter = Cutter::new(senders, spare);
        let read = match file {
            None => unpack_stream(io::stdin().lock(), &mut |bytes| cutter.feed(bytes)),
            Some(file) => unpack_stream(file, &mut |bytes| cutter.feed(bytes)),
        };
        cutter.finish();
        let mut tally = Tally::default();
        for shard in shards {
            match shard.join() {
                Ok(found) => tally.merge(found),
                Err(_) => return Err(Failure::Internal("a thread that decides has failed".to_owned())),
            }
        }
        Ok((tally, read))
    })?;
    let mut tally = tally;
    tally.finish();
    Ok((tally, read.map_err(unreadable)))
}

fn decide(asked: &ReplayInputs<'_>, blocks: &Receiver<Block>, back: &Sender<Vec<u8>>) -> Tally {
    let mut shard = Shard::new(asked);
    for block in blocks {
        shard.block(&block);
        // Nobody wants it after the last one.
        let _ = back.send(block.bytes);
    }
    shard.finish()
}

/// Cuts what is read into blocks.
struct Cutter {
    senders: Vec<SyncSender<Block>>,
    spare: Receiver<Vec<u8>>,
    block: Block,
    /// The rest of a line that is too long.
    passes_over: bool,
    progress: Progress,
}

impl Cutter {
    fn new(senders: Vec<SyncSender<Block>>, spare: Receiver<Vec<u8>>) -> Self {
        let block = Block { index: 0, first_line: 1, bytes: Vec::with_capacity(BLOCK) };
        Self { senders, spare, block, passes_over: false, progress: Progress::start() }
    }

    fn feed(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.passes_over {
                // What is kept of the line says that it is too long.
                let Some(end) = memchr(b'\n', piece) else { return };
                piece = piece.get(end + 1..).unwrap_or_default();
                self.passes_over = false;
                self.block.bytes.push(b'\n');
                continue;
            }
            let room = BLOCK.saturating_sub(self.block.bytes.len()).min(piece.len());
            let (now, later) = piece.split_at_checked(room).unwrap_or((piece, &[]));
            self.block.bytes.extend_from_slice(now);
            piece = later;
            if self.block.bytes.len() >= BLOCK {
                self.cut();
            }
        }
    }

    /// Hands on the whole lines of a full block.
    fn cut(&mut self) {
        let end = memrchr(b'\n', &self.block.bytes).map(|at| at + 1);
        let Some(end) = end else {
            self.passes_over = true;
            return;
        };
        let mut next = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK + 1));
        next.clear();
        next.extend_from_slice(self.block.bytes.get(end..).unwrap_or_default());
        self.block.bytes.truncate(end);
        self.hand_on(next);
    }

    fn hand_on(&mut self, next: Vec<u8>) {
        let index = self.block.index + 1;
        let lines = memchr_iter(b'\n', &self.block.bytes).count() as u64;
        let first_line = self.block.first_line + lines;
        let block = std::mem::replace(&mut self.block, Block { index, first_line, bytes: next });
        let shard = usize::try_from(block.index % SHARDS as u64).unwrap_or(0);
        if let Some(sender) = self.senders.get(shard) {
            // A thread that is gone is told when it is joined.
            let _ = sender.send(block);
        }
        self.progress.say_of(first_line.saturating_sub(1), "lines");
    }

    fn finish(mut self) {
        if !self.block.bytes.is_empty() {
            self.hand_on(Vec::new());
        }
    }
}
