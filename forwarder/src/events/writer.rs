//! The writer: a queue with a budget and one thread, so that a slow disk or a stalled reader holds up
//! neither a connection nor the edge. What finds no room is counted as lost and said.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use policy_core::edge::EventSink;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::generation::refuse_pipe;

/// Lines that may wait for the writer.
const QUEUE: usize = 4_096;
/// Kibibytes that all waiting lines may have together.
const QUEUE_KIB: usize = 16 << 10;
/// How long a stop waits for the last lines: a reader that went silent must not keep the edge alive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Where lines go.
pub type Output = Box<dyn Write + Send>;

enum Message {
    /// A line and the room it takes in the queue.
    Line(String, OwnedSemaphorePermit),
    /// There are new outputs.
    Outputs,
}

/// Hands lines to the writer thread; never waits. Cheap to clone.
#[derive(Clone)]
pub struct EventWriter {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    fresh: Arc<Mutex<Option<Vec<Output>>>>,
    lost: Arc<AtomicU64>,
}

impl std::fmt::Debug for EventWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventWriter").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

/// Opens the destinations of a configuration; files are appended to and private (0600).
///
/// # Errors
/// Those of the file system, with the path.
pub fn open_outputs(sinks: &[EventSink], folder: &Path) -> Result<Vec<Output>, (String, io::Error)> {
    let mut outputs: Vec<Output> = Vec::new();
    for sink in sinks {
        match sink {
            EventSink::Stdout => outputs.push(Box::new(io::stdout())),
            EventSink::File(path) => {
                let path = folder.join(&**path);
                refuse_pipe(&path).map_err(|error| (path.display().to_string(), error))?;
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
                let file = file.map_err(|error| (path.display().to_string(), error))?;
                outputs.push(Box::new(file));
            }
            _ => {}
        }
    }
    Ok(outputs)
}

impl EventWriter {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(outputs: Vec<Output>) -> io::Result<(Self, WriterThread)> {
        let (queue, mut messages) = mpsc::channel(QUEUE);
        let writer = Self {
            queue,
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            fresh: Arc::default(),
            lost: Arc::default(),
        };
        let (fresh, lost) = (Arc::clone(&writer.fresh), Arc::clone(&writer.lost));
        let thread = std::thread::Builder::new().name("events".to_owned()).spawn(move || {
            let mut outputs = opened(outputs);
            while let Some(message) = messages.blocking_recv() {
                let new = fresh.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(new) = new {
                    outputs = opened(new);
                }
                if let Message::Line(line, room) = message {
                    write_line(&mut outputs, line, &lost);
                    drop(room);
                }
            }
        })?;
        Ok((writer, WriterThread { thread }))
    }

    /// Queues a line; one that finds no room is counted as lost.
    pub fn send(&self, line: String) {
        let kib = u32::try_from(line.len().div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let queued = Arc::clone(&self.room)
            .try_acquire_many_owned(kib)
            .is_ok_and(|room| self.queue.try_send(Message::Line(line, room)).is_ok());
        if !queued {
            note_lost(&self.lost, "the queue is full");
        }
    }

    /// Exchanges the outputs before the next line is written.
    pub fn replace(&self, outputs: Vec<Output>) {
        *self.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(outputs);
        // With a full queue the writer finds the outputs before its next line anyway.
        let _ = self.queue.try_send(Message::Outputs);
    }

    /// Lines lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// An output, and whether its last line may have been cut short.
struct Opened {
    output: Output,
    broken: bool,
}

fn opened(outputs: Vec<Output>) -> Vec<Opened> {
    outputs.into_iter().map(|output| Opened { output, broken: false }).collect()
}

fn write_line(outputs: &mut [Opened], mut line: String, lost: &AtomicU64) {
    line.push('\n');
    for opened in outputs {
        // After a failure a part of a line may stand there: the next one begins on a line of its own.
        let begin = if opened.broken { opened.output.write_all(b"\n") } else { Ok(()) };
        let written = begin
            .and_then(|()| opened.output.write_all(line.as_bytes()))
            .and_then(|()| opened.output.flush());
        opened.broken = written.is_err();
        if let Err(error) = written {
            note_lost(lost, &error.to_string());
        }
    }
}

/// Counts a lost line and says so at powers of two, so that a full disk does not fill the log as well.
fn note_lost(lost: &AtomicU64, reason: &str) {
    let number = lost.fetch_add(1, Ordering::Relaxed) + 1;
    if number.is_power_of_two() {
        tracing::error!(lost = number, "events lost: {reason}");
    }
}

/// The running writer thread.
#[derive(Debug)]
pub struct WriterThread {
    thread: JoinHandle<()>,
}

impl WriterThread {
    /// Waits until every queued line is written; all [`EventWriter`]s must be dropped before.
    pub async fn finish(self) {
        let deadline = tokio::time::Instant::now() + LAST_LINES;
        while !self.thread.is_finished() {
            if tokio::time::Instant::now() >= deadline {
                tracing::error!("the last events could not be written in time");
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
