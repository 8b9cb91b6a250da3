//! List files: networks as lines of text, read in pieces of any size.
//!
//! A list may have millions of lines and come from anybody, so neither its text nor all of its faults are kept:
//! memory is bounded by [`MAX_NETWORKS`], whatever is fed.

use ipnetwork::IpNetwork;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity, codes, shorten, steers};
use crate::lpm::{CidrError, cidr};
use crate::reader::{PLACEHOLDER, placeholder_entry};
use crate::schema::{HOST_BITS, code_of, host_bits, not_a_network};
use crate::source::{Source, Span};

codes! {
    pub(super) static LIST_LIMIT = error("TP439", "list-limit");
}

/// Networks of one list, unless [`ListReader::up_to`] says otherwise; a full Internet table has a million.
pub const MAX_NETWORKS: usize = 1 << 24;
/// Bytes of one line up to its comment; the longest network has 43.
pub const MAX_LINE_BYTES: usize = 256;
/// Bytes of a line that are kept while its end has not come: room for a byte order mark and a `\r`.
const KEPT: usize = MAX_LINE_BYTES + 4;
/// Errors, and warnings, that are kept; further ones are counted.
const MAX_ERRORS: usize = 20;
const MAX_WARNINGS: usize = 10;

/// A list as it was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadedList {
    /// Its networks in order, host bits masked; `None` if any line has an error.
    pub networks: Option<Vec<IpNetwork>>,
    /// The lines that findings point at, by their numbers in the file. Control characters in them are shown as
    /// pictures.
    pub source: Source,
    /// The first line of the network that was looked for.
    pub line: Option<u32>,
    /// What was found, in order. The first 20 errors and 10 warnings are kept, the rest is counted.
    pub findings: Diagnostics,
}

/// Reads a list: one network or address a line, `#` comments.
///
/// A bare address is a /32 or /128. Blanks around an entry, empty lines, `\r\n` and a byte order mark are no
/// faults. A bad line is reported and the rest still checked. Host bits are masked, with a warning.
///
/// # Complexity
/// O(1) a byte. Memory: 18 bytes for each network, as much again while they grow, and some 100 KiB. After the
/// first error networks are no longer kept.
///
/// ```
/// use policy_core::ip_policies::ListReader;
/// let mut reader = ListReader::new("blocklist.txt");
/// reader.feed(b"# of today\n203.0.113.0/24\n2001:d");
/// reader.feed(b"b8::/32   # the whole site\n192.0.2.7");
/// let list = reader.finish();
/// assert_eq!(list.networks.expect("no errors").len(), 3);
///
/// let mut reader = ListReader::new("blocklist.txt");
/// reader.feed(b"203.0.113.0/24\n203.0.113.0/33\n");
/// let list = reader.finish();
/// assert!(list.networks.is_none());
/// let first = list.findings.iter().next().expect("a finding");
/// assert_eq!((first.code.id, list.source.position(first.span.start).line), ("TP431", 2));
/// ```
#[derive(Debug)]
pub struct ListReader {
    name: Box<str>,
    max: usize,
    networks: Vec<IpNetwork>,
    /// Networks so far, kept or not.
    count: usize,
    /// The number of the line that comes or is being read.
    line: u32,
    /// The front of a line whose end has not come, and whether more of it came than is kept.
    front: Vec<u8>,
    cut: bool,
    /// Lines of findings by number, and the length of their text.
    excerpts: Vec<(u32, String)>,
    length: usize,
    errors: usize,
    warnings: usize,
    found: Diagnostics,
    /// A network that is looked for, and the line where it is first.
    sought: Option<(IpNetwork, Option<u32>)>,
}

impl ListReader {
    /// A reader of a list by its name, usually a path.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            max: MAX_NETWORKS,
            networks: Vec::new(),
            count: 0,
            line: 1,
            front: Vec::new(),
            cut: false,
            excerpts: Vec::new(),
            length: 0,
            errors: MAX_ERRORS,
            warnings: MAX_WARNINGS,
            found: Diagnostics::default(),
            sought: None,
        }
    }

    /// The same, which looks for a network: [`LoadedList::line`].
    #[must_use]
    pub fn seeking(self, network: IpNetwork) -> Self {
        Self { sought: Some((network, None)), ..self }
    }

    /// The same for so many networks at most.
    #[must_use]
    pub fn up_to(self, networks: usize) -> Self {
        Self { max: networks, ..self }
    }

    /// Reads on. Where the pieces are cut does not matter.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                // The usual line lies in one piece and is not copied.
                Some(line) if self.front.is_empty() => {
                    self.end_line(line.get(..KEPT).unwrap_or(line), line.len() > KEPT);
                }
                Some(line) => {
                    self.keep(line);
                    self.end_front();
                }
                None => self.keep(piece),
            }
        }
    }

    /// Ends the list.
    #[must_use]
    pub fn finish(mut self) -> LoadedList {
        if !self.front.is_empty() {
            self.end_front();
        }
        self.found.sort();
        let networks = (!self.found.has_errors()).then_some(self.networks);
        let (source, line) =
            (Source::excerpts(self.name, &self.excerpts), self.sought.and_then(|(_, line)| line));
        LoadedList { networks, source, line, findings: self.found }
    }

    /// The same by another name.
    pub(super) fn named(self, name: String) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Forgets a line whose end will not come.
    pub(super) fn break_off(&mut self) {
        self.front.clear();
        self.cut = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.front.len());
        self.cut |= bytes.len() > room;
        self.front.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn end_front(&mut self) {
        let front = std::mem::take(&mut self.front);
        let cut = std::mem::take(&mut self.cut);
        self.end_line(&front, cut);
        // For the next line that comes in parts.
        self.front = front;
        self.front.clear();
    }

    /// A line without its end; `cut` if there is more of it.
    fn end_line(&mut self, line: &[u8], cut: bool) {
        let number = self.line;
        self.line = number.saturating_add(1);
        let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let line = if cut { line } else { line.strip_suffix(b"\r").unwrap_or(line) };
        let comment = line.iter().take(MAX_LINE_BYTES).position(|&byte| byte == b'#');
        let text = line.get(..comment.unwrap_or(line.len())).unwrap_or(line);
        if comment.is_none() && line.len() > MAX_LINE_BYTES {
            let word = shown(text.get(..40).unwrap_or(text));
            self.report((number, line), text.trim_ascii_start(), (&LIST_LIMIT, Severity::Error), |span| {
                let message =
                    format!("the line is longer than {MAX_LINE_BYTES} bytes; it begins with `{word}`");
                Diagnostic::new(&LIST_LIMIT, span, message).with_help("write one network a line")
            });
            return;
        }
        let entry = text.trim_ascii();
        if entry.is_empty() {
            return;
        }
        let parsed = std::str::from_utf8(entry).map_err(|_| CidrError::Address).and_then(cidr);
        match parsed {
            Ok(parsed) => {
                if parsed.host_bits {
                    self.report((number, line), entry, (&HOST_BITS, Severity::Warning), |span| {
                        host_bits(&shown(entry), &parsed, span, Some(span))
                    });
                }
                self.add(parsed.network, (number, line), entry);
            }
            Err(_) if is_waiting(entry) => {
                self.report((number, line), entry, (&PLACEHOLDER, Severity::Error), |span| {
                    let text = String::from_utf8_lossy(entry);
                    placeholder_entry(&text, span)
                        .unwrap_or_else(|| not_a_network(&text, CidrError::Address, span))
                });
            }
            Err(error) => self.report((number, line), entry, (code_of(error), Severity::Error), |span| {
                let found = not_a_network(&shown(entry), error, span);
                let has = |of: &[u8]| entry.iter().any(|byte| of.contains(byte));
                match (has(b";"), has(b", \t")) {
                    (true, _) => found.with_help("start a comment with `#`"),
                    (false, true) => found.with_help("write one network a line, and comments after a `#`"),
                    (false, false) => found,
                }
            }),
        }
    }

    fn add(&mut self, network: IpNetwork, line: (u32, &[u8]), entry: &[u8]) {
        if let Some((_, at @ None)) = self.sought.as_mut().filter(|(sought, _)| *sought == network) {
            *at = Some(line.0);
        }
        let full = self.count == self.max;
        self.count = self.count.saturating_add(1);
        if full {
            let max = self.max;
            self.report(line, entry, (&LIST_LIMIT, Severity::Error), |span| {
                let message = format!("the list has more than the {max} networks that are read");
                Diagnostic::new(&LIST_LIMIT, span, message)
                    .with_help("merge neighbouring networks into larger ones")
            });
        } else if !self.found.has_errors() {
            self.networks.push(network);
        }
    }

    /// Reports a finding at a part of a line, or counts it. `part` lies in `line`.
    fn report(
        &mut self,
        (number, line): (u32, &[u8]),
        part: &[u8],
        (code, severity): (&'static Code, Severity),
        found: impl FnOnce(Span) -> Diagnostic,
    ) {
        let left = match severity {
            Severity::Error => {
                // Nothing of the list will be used.
                self.networks = Vec::new();
                &mut self.errors
            }
            Severity::Warning | Severity::Note => &mut self.warnings,
        };
        let Some(rest) = left.checked_sub(1) else {
            self.found.count_only(code, severity);
            return;
        };
        *left = rest;
        let begin = line.len() - line.trim_ascii_start().len();
        let (before, behind) = line.split_at_checked(begin).unwrap_or((line, &[]));
        let behind = behind.get(part.len()..).unwrap_or_default();
        let [before, part, behind] = [before, part, behind].map(excerpt);
        // A line may have a warning and an error.
        if self.excerpts.last().is_none_or(|(last, _)| *last != number) {
            let text = format!("{before}{part}{behind}");
            self.length += text.len() + 1;
            self.excerpts.push((number, text));
        }
        let begin = self.length - 1 - self.excerpts.last().map_or(0, |(_, text)| text.len()) + before.len();
        self.found.push(found(Span::from_range(begin..begin + part.len())).with_severity(severity));
    }
}

/// Bytes of a line for a message.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().flat_map(|byte| byte.escape_ascii()).map(char::from));
    }
    shorten(&text).into_owned()
}

/// A part of a line to be shown in its place: one character for each, none of which does anything.
fn excerpt(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().chars().map(picture));
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// The control pictures of Unicode (U+2400) show what a character would do.
fn picture(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{feff}' => char::REPLACEMENT_CHARACTER,
        c if steers(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// True for an entry that is a placeholder.
fn is_waiting(entry: &[u8]) -> bool {
    std::str::from_utf8(entry).is_ok_and(|text| placeholder_entry(text, Span::default()).is_some())
}

#[cfg(test)]
mod tests;
