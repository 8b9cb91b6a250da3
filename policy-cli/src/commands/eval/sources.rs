//! `policy eval --ips`: a list of addresses, one JSON object a line.

mod by_class;
mod progress;

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use policy_core::diagnostic::printable;
use policy_core::lpm::ClassId;
use policy_core::named_file::reason;

use super::EvalSubject;
use super::known::EvalInputs;
use crate::cli::Eval;
use crate::exit::{Exit, Failure, say};
use crate::files::{leads_outside, open, shown};
use crate::render::json::decision_line;
use by_class::ByClass;
pub(crate) use progress::Progress;

/// Addresses with another outcome than expected, and lines without an address, that are named.
const MAX_NAMED: usize = 10;
/// A line longer than this holds no address.
const MAX_LINE_BYTES: u64 = 1_024;
/// Addresses that are decided together.
const BATCH: usize = 1_024;
/// Bytes that are read, and about as many that are written, at once.
const AT_ONCE: usize = 64 << 10;

/// Evaluates line by line; a bad line is named and the rest goes on.
pub(super) fn evaluate(
    path: &Path,
    subject: &EvalSubject,
    known: &EvalInputs,
    args: &Eval,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin { "<stdin>".to_owned() } else { shown(path) };
    let outside = leads_outside(path);
    let unreadable = |error: &io::Error| Failure::Usage(format!("cannot read `{name}`: {}", reason(error)));
    let input: Box<dyn Read> = match stdin {
        true => Box::new(io::stdin()),
        false => Box::new(open(path).map_err(|error| unreadable(&error))?),
    };
    let mut input = BufReader::with_capacity(AT_ONCE, input);
    let mut batch = Batch::new(&name, subject, known, args, out);
    let (mut bad_lines, mut line) = (0_usize, Vec::new());
    for number in 1_u64.. {
        // What is known is written before anything is waited for.
        if !input.buffer().contains(&b'\n') {
            batch.finish()?;
        }
        let complete = match read_line(&mut input, &mut line) {
            Ok(Some(complete)) => complete,
            Ok(None) => break,
            Err(error) => {
                batch.finish()?;
                return Err(unreadable(&error));
            }
        };
        match address(&line).filter(|_| complete) {
            Some(Line::Address(ip)) => batch.push(number, ip)?,
            Some(Line::Blank) => {}
            None => {
                bad_lines += 1;
                if bad_lines <= MAX_NAMED {
                    batch.finish()?;
                    say(&format!("{name}:{number}: {} is not an address", written(&line, outside)));
                }
            }
        }
    }
    batch.finish()?;
    if bad_lines > 0 {
        let more = not_named(bad_lines);
        return Err(Failure::Usage(format!("{bad_lines} of the lines could not be evaluated{more}")));
    }
    batch.verdict()
}

/// A line for a message; what stands in a file that a link leads to is not shown.
fn written(line: &[u8], outside: bool) -> String {
    let text: String = String::from_utf8_lossy(line).trim().chars().take(60).collect();
    if outside { "the line".to_owned() } else { format!("`{}`", printable(&text)) }
}

/// How many of those that were counted have no line of their own.
fn not_named(count: usize) -> String {
    match count.saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(", {more} of them not named here"),
    }
}

/// Addresses that are decided together, and what came of those before.
struct Batch<'s, W> {
    name: &'s str,
    subject: &'s EvalSubject,
    known: &'s EvalInputs,
    args: &'s Eval,
    out: &'s mut W,
    /// Answers of which one stands for many addresses, where there are such.
    by_class: Option<ByClass<'s>>,
    /// The addresses that wait, and their lines.
    addresses: Vec<IpAddr>,
    numbers: Vec<u64>,
    classes: Vec<ClassId>,
    /// What is to be written.
    lines: Vec<u8>,
    /// The text of an address.
    text: String,
    decided: usize,
    failed: usize,
    progress: Progress,
}

impl<'s, W: Write> Batch<'s, W> {
    fn new(
        name: &'s str,
        subject: &'s EvalSubject,
        known: &'s EvalInputs,
        args: &'s Eval,
        out: &'s mut W,
    ) -> Self {
        let by_class = match subject {
            EvalSubject::Policy(policy) => ByClass::new(policy, known, args),
            EvalSubject::Configured(_) => None,
        };
        Self {
            name,
            subject,
            known,
            args,
            out,
            by_class,
            addresses: Vec::with_capacity(BATCH),
            numbers: Vec::with_capacity(BATCH),
            classes: vec![ClassId::default(); BATCH],
            lines: Vec::with_capacity(AT_ONCE + 4_096),
            text: String::new(),
            decided: 0,
            failed: 0,
            progress: Progress::start(),
        }
    }

    /// Takes one more address.
    fn push(&mut self, number: u64, ip: IpAddr) -> Result<(), Failure> {
        self.addresses.push(ip);
        self.numbers.push(number);
        if self.addresses.len() >= BATCH {
            self.decide()?;
            self.progress.say(self.decided);
        }
        Ok(())
    }

    /// Decides about those that wait, and writes everything. What comes before a failure is written too.
    fn finish(&mut self) -> Result<(), Failure> {
        let decided = self.decide();
        self.write()?;
        self.out.flush()?;
        decided
    }

    /// Decides about those that wait.
    fn decide(&mut self) -> Result<(), Failure> {
        let (addresses, numbers) = (std::mem::take(&mut self.addresses), std::mem::take(&mut self.numbers));
        if let Some(by_class) = &self.by_class {
            by_class.classes(&addresses, &mut self.classes);
        }
        for (at, (ip, number)) in addresses.iter().zip(&numbers).enumerate() {
            let class = self.classes.get(at).copied().unwrap_or_default();
            if let Some(message) = self.answer(*ip, class)? {
                self.failed += 1;
                if self.failed <= MAX_NAMED {
                    self.write()?;
                    say(&format!("{}:{number}: {ip}: {message}", self.name));
                }
            }
            self.decided += 1;
            if self.lines.len() >= AT_ONCE {
                self.write()?;
            }
        }
        (self.addresses, self.numbers) = (addresses, numbers);
        self.addresses.clear();
        self.numbers.clear();
        Ok(())
    }

    /// Adds the answer about an address to what is to be written; what to say if it is not as expected.
    fn answer(&mut self, ip: IpAddr, class: ClassId) -> Result<Option<Arc<str>>, Failure> {
        let Some(by_class) = &mut self.by_class else {
            let answer = self.subject.ask(ip, self.known, self.args)?;
            decision_line(&mut self.lines, &answer, Some(ip))?;
            return Ok(answer.unmet(self.args).map(Arc::from));
        };
        let prepared = by_class.answer(ip, class)?;
        self.text.clear();
        push_address(&mut self.text, ip);
        match ip.to_canonical() {
            same if same == ip => prepared.line.write(&mut self.lines, Some(&self.text), &self.text)?,
            client => prepared.line.write(&mut self.lines, Some(&self.text), &client.to_string())?,
        }
        Ok(prepared.unmet.clone())
    }

    fn write(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.lines);
        self.lines.clear();
        written
    }

    /// How the command ends.
    fn verdict(&self) -> Result<Exit, Failure> {
        if self.decided == 0 {
            // An expectation of nothing would always be met.
            return Err(Failure::Usage(format!("`{}` has no address", self.name)));
        }
        if self.failed == 0 {
            return Ok(Exit::Success);
        }
        let more = not_named(self.failed);
        say(&format!("{} of {} addresses did not meet the expectation{more}", self.failed, self.decided));
        Ok(Exit::Negative)
    }
}

/// Adds an address; what most are is put together here, at a third of the time.
fn push_address(text: &mut String, ip: IpAddr) {
    let IpAddr::V4(ip) = ip else {
        // Writing to a text cannot fail.
        let _ = write!(text, "{ip}");
        return;
    };
    for (at, octet) in ip.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let zeros = if octet >= 100 { 0 } else { 1 + usize::from(octet < 10) };
        text.extend(digits.into_iter().skip(zeros).map(|digit| char::from(b'0' + digit)));
    }
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

/// Reads a line, of an overlong one the beginning; true if it is complete, nothing at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    if input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    let complete = line.ends_with(b"\n") || (line.len() as u64) < MAX_LINE_BYTES;
    if !complete {
        skip_line(input)?;
    }
    Ok(Some(complete))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_ever() {
        for octet in 0..=255 {
            for ip in [[octet, 0, 255 - octet, 9], [10, octet, 99, 100]] {
                let mut text = String::new();
                push_address(&mut text, ip.into());
                assert_eq!(text, IpAddr::from(ip).to_string());
            }
        }
    }
}
