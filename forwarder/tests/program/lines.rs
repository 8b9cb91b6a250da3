//! Lines of a log, by their fields. What a line tells is known by the names of its fields, which are an interface; its
//! words are for people, and no test waits for them.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    // Of an edge.
    /// Where an endpoint listens.
    Listening,
    /// Where agents connect.
    AgentsListen,
    /// The socket of the administration.
    AdminSocket,
    /// Where the administration listens.
    AdminListens,
    /// What a reload has done.
    Reloaded,
    /// A policy that a reload could not load.
    NotLoaded,
    /// Connections are decided that a reload had left for later.
    Revalidated,
    /// The edge stops, and how many connections are open.
    Draining,
    /// Lines of the log, or events, that nobody could read.
    Lost,
    /// Changes of credentials that could not be stored, and that were stored later.
    NotDurable,
    Stored,
    /// Whoever connected as an agent and failed to speak TLS.
    TlsFailed,
    // Of an agent.
    /// An endpoint that is online.
    Online,
    /// There is no session, and when the agent tries again.
    Disconnected,
    /// An endpoint that is refused, and when the agent asks for it again.
    Refused,
    /// An endpoint that the edge has stopped.
    Stopped,
    /// A server that cannot be reached.
    UpstreamFailed,
}

impl Tells {
    /// The fields of such a line, and those that tell others with the same ones apart.
    const fn fields(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Listening => (&["endpoint", "address"], &[]),
            Self::AgentsListen => (&["address", "fingerprint"], &[]),
            Self::AdminSocket => (&["socket"], &[]),
            Self::AdminListens => (&["address", "scheme"], &[]),
            Self::Reloaded => (&["opened", "closed", "cut", "complete"], &[]),
            Self::NotLoaded => (&["endpoint", "file"], &[]),
            Self::Revalidated => (&["cut"], &["opened"]),
            Self::Draining => (&["open"], &["endpoint"]),
            Self::Lost => (&["lost"], &[]),
            Self::NotDurable => (&["changes"], &[]),
            Self::Stored => (&["stored"], &[]),
            Self::TlsFailed => (&["peer", "error"], &[]),
            Self::Online => (&["endpoint", "url", "upstream"], &[]),
            Self::Disconnected => (&["error", "wait_ms"], &[]),
            Self::Refused => (&["endpoint", "error", "again_in_ms"], &[]),
            Self::Stopped => (&["endpoint", "reason", "code"], &[]),
            Self::UpstreamFailed => (&["endpoint", "upstream", "error"], &[]),
        }
    }
}

/// A line of a log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    text: String,
    fields: BTreeMap<String, String>,
}

impl Line {
    /// Reads a line, in JSON or as it is written for people. Of a value there that is not quoted the first word counts.
    pub(crate) fn read(text: &str) -> Self {
        let fields =
            serde_json::from_str(text).map_or_else(|_| read_pairs(text), |line: Value| json_fields(&line));
        Self { text: text.to_owned(), fields }
    }

    pub(crate) fn tells(&self, what: Tells) -> bool {
        let (has, lacks) = what.fields();
        let is_there = |field: &&str| self.fields.contains_key(*field);
        has.iter().all(is_there) && !lacks.iter().any(is_there)
    }

    /// True if it has something that stands for itself: the code of an error or a finding, an address, a file, the name of
    /// a setting or a command. Not words.
    pub(crate) fn mentions(&self, what: &str) -> bool {
        let is_word = |c: char| c.is_alphabetic() || c == ' ';
        assert!(!what.chars().all(is_word), "wait for a field, not for words: {what}");
        self.text.contains(what)
    }

    /// The text of a field.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no `{name}` in: {}", self.text))
    }

    /// A field that is a number, an address or the like.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> T {
        self.field(name).parse().ok().unwrap_or_else(|| panic!("what is `{name}` in: {}", self.text))
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.parsed(name)
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// How many lines of a log tell that.
pub(crate) fn count(log: &str, what: Tells) -> usize {
    log.lines().filter(|line| Line::read(line).tells(what)).count()
}

fn json_fields(line: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let fields = line["fields"].as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The pairs of `name=value` and `name="value"`.
fn read_pairs(line: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let (value, left) = value(after);
        rest = if is_name { left } else { after };
        if is_name {
            pairs.entry(name.to_owned()).or_insert(value);
        }
    }
    pairs
}

/// The value that a text begins with, and what comes after it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        return (value.to_owned(), rest);
    };
    let (mut value, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    (value, chars.as_str())
}

#[test]
fn lines_are_read_by_their_fields() {
    let people = r#"2026-01-31T10:00:00Z  INFO any words a=b endpoint="device \"1\"" address=127.0.0.1:22"#;
    let json =
        r#"{"level":"INFO","fields":{"message":"x","endpoint":"device \"1\"","address":"127.0.0.1:22"}}"#;
    for line in [people, json].map(Line::read) {
        assert!(line.tells(Tells::Listening) && !line.tells(Tells::AgentsListen), "{line}");
        assert_eq!((line.field("endpoint"), line.field("address")), ("device \"1\"", "127.0.0.1:22"));
        assert_eq!(line.parsed::<std::net::SocketAddr>("address").port(), 22);
    }
    assert!(Line::read(r#"cut="1" wait_ms=7"#).number("wait_ms") == 7);
    assert_eq!(count(&format!("{people}\nlistening\n{json}\n"), Tells::Listening), 2);
}
