//! Lines of many threads, written by one: a bounded queue, so that a full disk or a reader that has stopped holds up
//! nobody who has something to say. What finds no room is counted as lost, and said once there is room again.
//!
//! Events and the log of both programs go this way.

mod file;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub(crate) use file::BoundedFile;

/// Where lines go.
pub type Output = Box<dyn Write + Send>;

/// What may wait for the writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

/// What the writer does beside writing, on its own thread.
pub(crate) trait Duties: Send + 'static {
    /// How often it has lines of its own; without it never.
    fn every(&self) -> Option<Duration> {
        None
    }

    /// Its own lines that are due now.
    fn due(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// An output has failed; so many lines are lost by now.
    fn failed(&mut self, _lost: u64, _error: &io::Error) {}

    /// Lines are written again after so many were lost.
    fn recovered(&mut self, _lost: u64) {}
}

/// Hands lines to the writer; never waits for it. Cheap to clone. The writer ends when all are gone.
#[derive(Clone)]
pub(crate) struct Lines {
    queue: Arc<Queue>,
    _open: Arc<Open>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

/// The writer, to be waited for.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Queue>);

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer(…)")
    }
}

/// Its end ends the writer.
struct Open(Arc<Queue>);

impl Drop for Open {
    fn drop(&mut self) {
        Writer(Arc::clone(&self.0)).end();
    }
}

struct Queue {
    capacity: Capacity,
    state: Mutex<State>,
    /// For the writer: there is something to do.
    work: Condvar,
    /// For whoever waits: everything is written.
    idle: Condvar,
    /// The writer has ended; cancelled while the state is locked.
    ended: CancellationToken,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    lost: u64,
    fresh: Option<Vec<Output>>,
    /// The writer is at a line.
    writing: bool,
    ending: bool,
}

enum Task {
    Line(String),
    Outputs(Vec<Output>),
    Due,
    End,
}

impl Lines {
    /// Starts the writer on a thread of its own.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        name: &str,
        capacity: Capacity,
        outputs: Vec<Output>,
        duties: impl Duties,
    ) -> io::Result<(Self, Writer)> {
        let queue = Arc::new(Queue {
            capacity,
            state: Mutex::default(),
            work: Condvar::new(),
            idle: Condvar::new(),
            ended: CancellationToken::new(),
        });
        let worker = Arc::clone(&queue);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || worker.write(outputs, duties))?;
        let open = Arc::new(Open(Arc::clone(&queue)));
        Ok((Self { queue: Arc::clone(&queue), _open: open }, Writer(queue)))
    }

    /// Queues a line without its line break.
    ///
    /// # Errors
    /// If there is no room: the number of lines lost by now.
    pub(crate) fn send(&self, line: String) -> Result<(), u64> {
        let mut state = self.queue.state();
        let fits = !state.ending
            && state.lines.len() < self.queue.capacity.lines
            && state.bytes.saturating_add(line.len()) <= self.queue.capacity.bytes;
        if !fits {
            state.lost = state.lost.saturating_add(1);
            return Err(state.lost);
        }
        state.bytes = state.bytes.saturating_add(line.len());
        state.lines.push_back(line);
        drop(state);
        self.queue.work.notify_one();
        Ok(())
    }

    /// Exchanges the outputs before the next line is written.
    pub(crate) fn replace(&self, outputs: Vec<Output>) {
        self.queue.state().fresh = Some(outputs);
        self.queue.work.notify_one();
    }

    /// Lines lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.queue.state().lost
    }
}

impl Writer {
    /// Waits until all lines queued so far are written; false if that takes longer than `max`.
    pub(crate) fn flush(&self, max: Duration) -> bool {
        let end = Instant::now() + max;
        let mut state = self.0.state();
        while !self.ended().is_cancelled() && (state.writing || !state.lines.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.idle.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Takes no more lines; what is queued is written still.
    pub(crate) fn end(&self) {
        self.0.state().ending = true;
        self.0.work.notify_one();
    }

    /// Cancelled once everything is written after [`Self::end`].
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the writer does.
    fn write(&self, outputs: Vec<Output>, mut duties: impl Duties) {
        let (mut outputs, mut told) = (opened(outputs), 0);
        let every = duties.every();
        let mut due = every.map(|every| Instant::now() + every);
        loop {
            match self.next(due) {
                Task::Line(line) => {
                    let whole = self.write_line(&mut outputs, line, &mut duties);
                    self.report_lost(whole, &mut told, &mut duties);
                }
                Task::Outputs(fresh) => outputs = opened(fresh),
                task @ (Task::Due | Task::End) => {
                    for line in duties.due() {
                        self.write_line(&mut outputs, line, &mut duties);
                    }
                    if matches!(task, Task::End) {
                        break;
                    }
                    due = every.map(|every| Instant::now() + every);
                }
            }
        }
        drop(outputs);
        let state = self.state();
        self.ended.cancel();
        drop(state);
        self.idle.notify_all();
    }

    /// Waits for the next task.
    fn next(&self, due: Option<Instant>) -> Task {
        let mut state = self.state();
        state.writing = false;
        loop {
            if let Some(fresh) = state.fresh.take() {
                return Task::Outputs(fresh);
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                state.writing = true;
                return Task::Due;
            }
            if let Some(line) = state.lines.pop_front() {
                state.bytes = state.bytes.saturating_sub(line.len());
                state.writing = true;
                return Task::Line(line);
            }
            self.idle.notify_all();
            if state.ending {
                return Task::End;
            }
            state = match left {
                Some(left) => self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Writes a line to every output; whether all of them have it.
    fn write_line(&self, outputs: &mut [Opened], mut line: String, duties: &mut impl Duties) -> bool {
        line.push('\n');
        let mut whole = true;
        for opened in outputs {
            // After a failure a part of a line may stand there: the next one begins on a line of its own.
            let begin = if opened.broken { opened.output.write_all(b"\n") } else { Ok(()) };
            let written = begin
                .and_then(|()| opened.output.write_all(line.as_bytes()))
                .and_then(|()| opened.output.flush());
            opened.broken = written.is_err();
            if let Err(error) = written {
                whole = false;
                let lost = {
                    let mut state = self.state();
                    state.lost = state.lost.saturating_add(1);
                    state.lost
                };
                duties.failed(lost, &error);
            }
        }
        whole
    }

    /// Says how many lines were lost, once there is room for that to be read.
    fn report_lost(&self, whole: bool, told: &mut u64, duties: &mut impl Duties) {
        let (lost, roomy) = {
            let state = self.state();
            (state.lost, state.lines.len() <= self.capacity.lines / 2)
        };
        if whole && roomy && lost > *told {
            duties.recovered(lost.saturating_sub(*told));
            *told = lost;
        }
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

#[cfg(test)]
mod tests;
