//! The writer: a bounded queue and one thread, so that a slow disk never holds up a connection for long.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use policy_core::edge::EventSink;
use tokio::sync::mpsc;

/// Lines that may wait for the writer.
const QUEUE: usize = 4_096;
/// How long the end of a connection waits for room in the queue before its event counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a stop waits for the last lines: a reader that went silent must not keep the edge alive.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Where lines go.
pub type Output = Box<dyn Write + Send>;

enum Message {
    Line(String),
    Outputs(Vec<Output>),
}

/// Hands lines to the writer thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventWriter {
    queue: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
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
        let lost = Arc::new(AtomicU64::new(0));
        let thread_lost = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("events".to_owned()).spawn(move || {
            let mut outputs = outputs;
            while let Some(message) = messages.blocking_recv() {
                match message {
                    Message::Outputs(fresh) => outputs = fresh,
                    Message::Line(line) => write_line(&mut outputs, &line, &thread_lost),
                }
            }
        })?;
        Ok((Self { queue, lost }, WriterThread { thread }))
    }

    /// Queues a line. Waits up to a second for room; a line that finds none is counted as lost.
    pub async fn send(&self, line: String) {
        if !matches!(tokio::time::timeout(PATIENCE, self.queue.send(Message::Line(line))).await, Ok(Ok(()))) {
            note_lost(&self.lost, "the queue is full");
        }
    }

    /// Exchanges the outputs after everything queued so far.
    pub async fn replace(&self, outputs: Vec<Output>) {
        if self.queue.send(Message::Outputs(outputs)).await.is_err() {
            tracing::error!("the event writer is gone");
        }
    }

    /// Lines lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn write_line(outputs: &mut [Output], line: &str, lost: &AtomicU64) {
    for output in outputs {
        let written = writeln!(output, "{line}").and_then(|()| output.flush());
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
