//! Lines whose writer stalls, fails and goes on.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const SMALL: Capacity = Capacity { lines: 4, bytes: 100 };
const LONG: Duration = Duration::from_secs(30);

/// Takes a line only when it is told to; what it took.
struct Stalling {
    go: Receiver<io::Result<()>>,
    text: Arc<Mutex<String>>,
}

impl Write for Stalling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go.recv().unwrap_or(Ok(()))?;
        self.text.lock().expect("whole").push_str(std::str::from_utf8(bytes).expect("text"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stalling() -> (Sender<io::Result<()>>, Arc<Mutex<String>>, Vec<Output>) {
    let (send, go) = channel();
    let text = Arc::<Mutex<String>>::default();
    (send, Arc::clone(&text), vec![Box::new(Stalling { go, text })])
}

#[derive(Default)]
struct Told {
    recovered: Arc<Mutex<Vec<u64>>>,
    every: Option<Duration>,
}

impl Duties for Told {
    fn every(&self) -> Option<Duration> {
        self.every
    }

    fn due(&mut self) -> Vec<String> {
        vec!["due".to_owned()]
    }

    fn recovered(&mut self, lost: u64) {
        self.recovered.lock().expect("whole").push(lost);
    }
}

#[test]
fn a_stalled_output_holds_up_nobody_and_what_is_lost_is_told() {
    let (go, text, outputs) = stalling();
    let told = Told::default();
    let recovered = Arc::clone(&told.recovered);
    let (lines, writer) = Lines::start("test", SMALL, outputs, told).expect("a thread");
    lines.send("0".to_owned()).expect("room");
    // The writer has that one, and the queue is empty again.
    while !lines.queue.state().lines.is_empty() {
        std::thread::yield_now();
    }
    for number in 1..=4 {
        lines.send(number.to_string()).expect("room");
    }
    assert_eq!((lines.send("5".to_owned()), lines.send("6".to_owned())), (Err(1), Err(2)));
    assert!(!writer.flush(Duration::from_millis(20)), "nothing is written yet");
    drop(go);
    assert!(writer.flush(LONG));
    assert_eq!(*text.lock().expect("whole"), "0\n1\n2\n3\n4\n");
    assert_eq!(*recovered.lock().expect("whole"), [2], "told once");
    drop(lines);
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(writer.ended().cancelled());
    assert!(text.lock().expect("whole").ends_with("4\ndue\n"), "the last duties are done");
}

#[test]
fn bytes_are_bounded_as_lines_are() {
    let (_go, _, outputs) = stalling();
    let (lines, _) = Lines::start("test", SMALL, outputs, Told::default()).expect("a thread");
    assert_eq!(lines.send("x".repeat(101)), Err(1), "more than all lines may have together");
    lines.send("x".repeat(100)).expect("room");
    while !lines.queue.state().lines.is_empty() {
        std::thread::yield_now();
    }
    lines.send("x".repeat(60)).expect("room");
    assert_eq!(lines.send("x".repeat(60)), Err(2));
}

#[test]
fn a_line_after_a_failure_begins_on_a_line_of_its_own() {
    let (go, text, outputs) = stalling();
    let told = Told::default();
    let recovered = Arc::clone(&told.recovered);
    let (lines, writer) = Lines::start("test", SMALL, outputs, told).expect("a thread");
    go.send(Err(io::ErrorKind::BrokenPipe.into())).expect("it waits");
    lines.send("lost".to_owned()).expect("room");
    lines.send("kept".to_owned()).expect("room");
    drop(go);
    assert!(writer.flush(LONG));
    assert_eq!((&**text.lock().expect("whole"), lines.lost()), ("\nkept\n", 1));
    assert_eq!(*recovered.lock().expect("whole"), [1]);
}

#[test]
fn duties_are_done_while_nobody_says_anything() {
    let (go, text, outputs) = stalling();
    drop(go);
    let told = Told { every: Some(Duration::from_millis(1)), ..Told::default() };
    let (_lines, _) = Lines::start("test", SMALL, outputs, told).expect("a thread");
    let end = Instant::now() + LONG;
    while text.lock().expect("whole").lines().count() < 3 {
        assert!(Instant::now() < end, "nothing is due");
        std::thread::yield_now();
    }
}
