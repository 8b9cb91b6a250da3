//! `policy eval --ips`: a list of addresses, one JSON object a line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::Path;

use policy_core::diagnostic::printable;

use super::Subject;
use super::known::EvalInputs;
use crate::cli::Eval;
use crate::exit::{Exit, Failure, say};
use crate::files::{open, reason};
use crate::render;

/// Addresses with another outcome than expected that are named.
const MAX_NAMED: usize = 10;
/// A line longer than this holds no address.
const MAX_LINE_BYTES: u64 = 1_024;

/// Evaluates line by line; a bad line is named and the rest goes on.
pub(super) fn evaluate(
    path: &Path,
    subject: &Subject,
    known: &EvalInputs,
    args: &Eval,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
    let unreadable = |error: &io::Error| Failure::Usage(format!("cannot read `{name}`: {}", reason(error)));
    let mut input: Box<dyn BufRead> = match stdin {
        true => Box::new(BufReader::new(io::stdin())),
        false => Box::new(BufReader::new(open(path).map_err(|error| unreadable(&error))?)),
    };
    let (mut bad_lines, mut addresses, mut failed) = (0_usize, 0_usize, 0_usize);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|error| unreadable(&error))? == 0 {
            break;
        }
        let complete = line.ends_with(b"\n") || (line.len() as u64) < MAX_LINE_BYTES;
        if !complete {
            skip_line(&mut input).map_err(|error| unreadable(&error))?;
        }
        match address(&line).filter(|_| complete) {
            Some(Line::Address(ip)) => {
                let answer = subject.ask(ip, known, args)?;
                addresses += 1;
                render::json::decision(out, &answer, Some(ip))?;
                if let Some(message) = answer.unmet(args) {
                    failed += 1;
                    if failed <= MAX_NAMED {
                        say(&format!("{name}:{number}: {ip}: {message}"));
                    }
                }
            }
            Some(Line::Blank) => {}
            None => {
                bad_lines += 1;
                let shown: String = String::from_utf8_lossy(&line).trim().chars().take(60).collect();
                let shown = printable(&shown);
                say(&format!("{name}:{number}: `{shown}` is not an address"));
            }
        }
    }
    out.flush()?;
    if bad_lines > 0 {
        return Err(Failure::Usage(format!("{bad_lines} of the lines could not be evaluated")));
    }
    if addresses == 0 {
        // An expectation of nothing would always be met.
        return Err(Failure::Usage(format!("`{name}` has no address")));
    }
    if failed > 0 {
        let more = match failed.saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(", {more} of them not named here"),
        };
        say(&format!("{failed} of {addresses} addresses did not meet the expectation{more}"));
        return Ok(Exit::Negative);
    }
    Ok(Exit::Success)
}

enum Line {
    Address(IpAddr),
    Blank,
}

fn address(line: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.split('#').next().unwrap_or_default().trim();
    if text.is_empty() {
        return Some(Line::Blank);
    }
    text.parse().ok().map(Line::Address)
}

/// Reads to the end of an overlong line without keeping it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}
