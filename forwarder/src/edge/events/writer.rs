//! The writer of events, and which events it is given.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::edge::EventSink;

use super::refusals::Refusals;
use super::shape::{Closed, tcp_connection_closed};
use crate::base::lines::{BoundedFile, Capacity, Duties, Lines, Output, Writer};

/// What may wait for the writer.
const CAPACITY: Capacity = Capacity { lines: 4_096, bytes: 16 << 20 };
/// How often refusals that were counted alone are told.
const SUMMARY_EVERY: Duration = Duration::from_secs(10);
/// How long a stop waits for the last lines: a reader that went silent must not keep the edge alive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Hands events to a thread that writes them; never waits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventWriter {
    lines: Lines,
    refusals: Arc<Refusals>,
}

/// Opens the destinations of a configuration; files are appended to, private (0600) and bounded.
///
/// # Errors
/// Those of the file system, with the path.
pub fn open_outputs(sinks: &[EventSink], folder: &Path) -> Result<Vec<Output>, (String, io::Error)> {
    let mut outputs: Vec<Output> = Vec::new();
    for sink in sinks {
        match sink {
            EventSink::Stdout => outputs.push(Box::new(io::stdout())),
            EventSink::File { path, max_bytes } => {
                let path = folder.join(&**path);
                let file = BoundedFile::open(&path, *max_bytes, true);
                outputs.push(Box::new(file.map_err(|error| (path.display().to_string(), error))?));
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
        let refusals = Arc::new(Refusals::new(Instant::now()));
        let duties = EventDuties(Arc::clone(&refusals));
        let (lines, writer) = Lines::start("events", CAPACITY, outputs, duties)?;
        Ok((Self { lines, refusals }, WriterThread { writer }))
    }

    /// Queues a line; one that finds no room is counted as lost.
    pub fn send(&self, line: String) {
        if let Err(lost) = self.lines.send(line) {
            note_lost(lost, &"the queue is full");
        }
    }

    /// Queues an event that was made.
    pub fn event(&self, made: serde_json::Result<String>) {
        match made {
            Ok(line) => self.send(line),
            Err(error) => tracing::error!(%error, "an event could not be written"),
        }
    }

    /// Tells the end of a connection. A refused one is counted alone where refusals come too fast.
    pub fn closed(&self, closed: &Closed<'_>) {
        if closed.relayed.is_none() && !self.refusals.record(closed, Instant::now()) {
            return;
        }
        self.event(tcp_connection_closed(closed));
    }

    /// Exchanges the outputs before the next line is written.
    pub fn replace(&self, outputs: Vec<Output>) {
        self.lines.replace(outputs);
    }

    /// Lines lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lines.lost()
    }
}

struct EventDuties(Arc<Refusals>);

impl Duties for EventDuties {
    fn every(&self) -> Option<Duration> {
        Some(SUMMARY_EVERY)
    }

    fn due(&mut self) -> Vec<String> {
        self.0.summaries()
    }

    fn failed(&mut self, lost: u64, error: &io::Error) {
        note_lost(lost, error);
    }

    fn recovered(&mut self, lost: u64) {
        tracing::error!(lost, "events were lost; they are written again");
    }
}

/// Says that lines are lost at powers of two, so that a full disk does not fill the log as well.
fn note_lost(lost: u64, reason: &dyn std::fmt::Display) {
    if lost.is_power_of_two() {
        tracing::error!(lost, "events lost: {reason}");
    }
}

/// The running writer thread.
#[derive(Debug)]
pub struct WriterThread {
    writer: Writer,
}

impl WriterThread {
    /// Takes no more events, and waits until every queued line is written, for a few seconds at most.
    pub async fn finish(self) {
        self.writer.end();
        if tokio::time::timeout(LAST_LINES, self.writer.ended().cancelled()).await.is_err() {
            tracing::error!("the last events could not be written in time");
        }
    }
}
