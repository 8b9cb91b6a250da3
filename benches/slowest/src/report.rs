//! Times of tests, and the slowest of them.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// Tests that are named.
const NAMED: usize = 10;

/// A test and what it took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timed {
    seconds: f64,
    name: String,
}

impl Timed {
    /// Of a line of the harness such as `test name ... ok <0.123s>`; `None` for any other.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let (_, seconds) = result.trim_end().strip_suffix("s>")?.rsplit_once('<')?;
        Some(Self { seconds: seconds.parse().ok()?, name: name.to_owned() })
    }

    /// As it is noted.
    fn from_note(line: &str) -> Option<Self> {
        let (seconds, name) = line.split_once(' ')?;
        Some(Self { seconds: seconds.parse().ok()?, name: name.to_owned() })
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.seconds, self.name)
    }
}

/// Writes which of the tests that were noted took longest.
pub(crate) fn write(to: &mut impl Write, noted: &str, whole: Duration) -> io::Result<()> {
    let mut all: Vec<Timed> = noted.lines().filter_map(Timed::from_note).collect();
    all.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    if all.is_empty() {
        return Ok(());
    }
    writeln!(to, "\nslowest of {} tests:", all.len())?;
    for Timed { seconds, name } in all.iter().take(NAMED) {
        writeln!(to, "{seconds:8.2} s  {name}")?;
    }
    writeln!(to, "all took {} s, what had to be built included", whole.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_results() {
        let seconds = |line: &str| Timed::from_line(line).map(|timed| timed.seconds);
        assert_eq!(seconds("test a::b ... ok <1.250s>\n"), Some(1.25));
        assert_eq!(seconds("test a::b ... \x1b[32mok\x1b(B\x1b[m <0.100s>"), Some(0.1));
        assert_eq!(seconds("test src/lib.rs - (line 3) ... FAILED <2.000s>"), Some(2.0));
        for other in ["test a ... ok", "test a ... ignored", "running 3 tests", "test result: ok. <1s>"] {
            assert_eq!(Timed::from_line(other), None, "{other}");
        }
    }

    #[test]
    fn the_slowest_are_named_first() {
        let lines = (0..30).map(|at| format!("test number::{at} ... ok <{}.500s>", at * 7 % 30));
        let noted: String = lines.map(|line| Timed::from_line(&line).expect("a time").to_string()).collect();
        let mut out = Vec::new();
        write(&mut out, &noted, Duration::from_secs(61)).expect("memory");
        let out = String::from_utf8(out).expect("text");
        let times: Vec<&str> =
            out.lines().filter_map(|line| line.split_once(" s  ")).map(|(time, _)| time.trim()).collect();
        assert_eq!(times, (20..30).rev().map(|at| format!("{at}.50")).collect::<Vec<_>>());
        assert!(
            out.starts_with("\nslowest of 30 tests:\n")
                && out.ends_with("all took 61 s, what had to be built included\n")
        );
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let mut out = Vec::new();
        write(&mut out, "", Duration::ZERO).expect("memory");
        assert!(out.is_empty());
    }
}
