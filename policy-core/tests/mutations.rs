//! Single faults, put into right policies: each is reported, at its line.
//!
//! The faults are those people make: a misspelt key, a wrong type, a number out of range. Where they are put is
//! drawn from a seed. What is missed is listed with the reason.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use policy_core::actions::{NAMES, documentation};
use policy_core::cel::is_template;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::Diagnostics;
use policy_core::lint::{DocumentKind, lint_as};
use policy_core::parse::{Limits, NodeKind, NodeRef, Style, parse};
use policy_core::phase::Phase;
use policy_core::source::Source;

/// One change of a text, and the lines in which it has to be reported.
struct Fault {
    kind: &'static str,
    at: Range<usize>,
    with: String,
    lines: RangeInclusive<u32>,
}

/// Maps whose keys the policy chooses.
const FREE: &[&str] =
    &["headers", "metadata", "vars", "authz_url_params", "body", "query_params", "allow_list", "models"];

/// What each field takes, by its last name: numbers, durations and words.
struct Known {
    keys: HashSet<String>,
    /// Of each action.
    required: HashSet<(&'static str, String)>,
    numbers: HashSet<String>,
    durations: HashSet<String>,
    flags: HashSet<String>,
}

fn known() -> Known {
    let mut known = Known {
        keys: ["name", "expressions", "actions", "type", "config"].map(str::to_owned).into(),
        required: HashSet::new(),
        numbers: HashSet::new(),
        durations: HashSet::new(),
        flags: HashSet::new(),
    };
    for name in NAMES.iter().filter(|name| **name != "ai-gateway") {
        for field in documentation(name).expect("registered").fields {
            let last = field.path.rsplit(['.']).next().expect("a name").trim_end_matches("[]").to_owned();
            if field.required && !field.path.contains('.') {
                known.required.insert((name, last.clone()));
            }
            for (prefix, set) in [
                ("whole number", &mut known.numbers),
                ("a duration", &mut known.durations),
                ("boolean", &mut known.flags),
            ] {
                if field.kind.starts_with(prefix)
                    || (prefix == "whole number" && field.kind.starts_with("number"))
                {
                    set.insert(last.clone());
                }
            }
            known.keys.insert(last);
        }
    }
    known
}

/// Where a node stands: the keys above it, and the action that it belongs to.
#[derive(Clone, Default)]
struct Above {
    keys: Vec<String>,
    action: String,
}

/// Every fault that a policy has room for.
fn faults(source: &Source, known: &Known) -> Vec<Fault> {
    let document = parse(source, &Limits::default(), &mut Diagnostics::default());
    let mut out = Vec::new();
    if let Some(root) = document.root() {
        walk(root, &Above::default(), source, known, &mut out);
    }
    out
}

fn lines(source: &Source, range: &Range<usize>) -> RangeInclusive<u32> {
    let line = |at: usize| source.position(u32::try_from(at).expect("small")).line;
    line(range.start)..=line(range.end)
}

// Policies are as deep as `jwt-validation`.
fn walk(node: NodeRef<'_>, above: &Above, source: &Source, known: &Known, out: &mut Vec<Fault>) {
    match node.kind() {
        NodeKind::Sequence(items) => {
            for item in items.iter() {
                if let NodeKind::Scalar(scalar) = item.kind()
                    && let Some(content) = scalar.content
                {
                    let (at, text) = (content.to_range(), scalar.text);
                    let here = lines(source, &at);
                    match above.keys.last().map(String::as_str) {
                        Some("allow" | "deny") if !is_template(text) => {
                            let with = format!("{}/129", text.split('/').next().expect("a part"));
                            out.push(Fault { kind: "broken CIDR", at, with, lines: here });
                        }
                        Some("expressions") if scalar.style != Style::Plain || !text.contains(['#', ':']) => {
                            expression_faults(text, &at, &here, out);
                        }
                        _ => {}
                    }
                }
                walk(item, above, source, known, out);
            }
        }
        NodeKind::Mapping(entries) => {
            let entries: Vec<_> = entries.iter().collect();
            let mut below = above.clone();
            for (key, value) in &entries {
                if let (NodeKind::Scalar(key), NodeKind::Scalar(value)) = (key.kind(), value.kind())
                    && key.text == "type"
                    && NAMES.contains(&value.text)
                {
                    value.text.clone_into(&mut below.action);
                }
            }
            for (index, (key, value)) in entries.iter().enumerate() {
                let NodeKind::Scalar(name) = key.kind() else { continue };
                let Some(content) = name.content else { continue };
                if !above.keys.iter().any(|outer| FREE.contains(&outer.as_str())) {
                    let next = entries.get(index + 1).map(|(key, _)| key.span().to_range().start);
                    let place = Entry { name: name.text, at: content.to_range(), next, parent: node };
                    key_faults(&place, &below, source, known, out);
                    value_faults(name.text, *value, &below, source, known, out);
                }
                below.keys.push(name.text.to_owned());
                walk(*value, &below, source, known, out);
                below.keys.pop();
            }
        }
        NodeKind::Scalar(_) => {}
    }
}

/// An entry of a map.
struct Entry<'d> {
    name: &'d str,
    at: Range<usize>,
    next: Option<usize>,
    parent: NodeRef<'d>,
}

fn key_faults(entry: &Entry<'_>, above: &Above, source: &Source, known: &Known, out: &mut Vec<Fault>) {
    let Entry { name, at, next, parent } = entry;
    let here = lines(source, at);
    let is_phase = Phase::from_name(name).is_some();
    if (is_phase && above.keys.is_empty()) || known.keys.contains(*name) {
        // A letter is lost, or comes twice.
        let middle = name.len() / 2;
        for (kind, with) in [
            ("a letter lost in a key", format!("{}{}", &name[..middle], &name[middle + 1..])),
            ("a letter twice in a key", format!("{}{}", &name[..=middle], &name[middle..])),
        ] {
            // `actions` without its letter may be another key.
            if !known.keys.contains(&with) {
                out.push(Fault { kind, at: at.clone(), with, lines: here.clone() });
            }
        }
    }
    let end = next.unwrap_or(source.text().len());
    let acts = source.text()[at.start..end].contains("type");
    if is_phase && above.keys.is_empty() && *name != "on_event_stream_message" && acts {
        // Nothing but one action can stand there: every action is told, somewhere in the phase.
        out.push(Fault {
            kind: "a wrong phase",
            at: at.clone(),
            with: "on_event_stream_message".to_owned(),
            lines: lines(source, &(at.start..end)),
        });
    }
    let action = NAMES.iter().find(|name| **name == above.action).copied().unwrap_or_default();
    let in_config = above.keys.last().is_some_and(|outer| outer == "config");
    let in_rule = matches!(*name, "type" | "actions") && !in_config;
    if in_rule || (in_config && known.required.contains(&(action, (*name).to_owned()))) {
        // The entry is cut out together with its value; what stood before it on the line stays.
        let span = parent.span().to_range();
        let line_start = source.text()[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
        let block = source.text()[line_start..at.start].chars().all(|c| c == ' ');
        let Some(end) = (*next).filter(|_| block) else { return };
        let whole = lines(source, &span);
        // A field of the config is missing of its action, whose `type` stands before.
        let owner = if in_config { 3 } else { 0 };
        out.push(Fault {
            kind: "a required field dropped",
            at: at.start..end,
            with: String::new(),
            lines: whole.start().saturating_sub(owner).max(1)..=*whole.end(),
        });
    }
}

fn value_faults(
    name: &str,
    value: NodeRef<'_>,
    above: &Above,
    source: &Source,
    known: &Known,
    out: &mut Vec<Fault>,
) {
    let NodeKind::Scalar(scalar) = value.kind() else { return };
    let at = scalar.span.to_range();
    let here = lines(source, &at);
    let mut add = |kind, with: &str| {
        out.push(Fault { kind, at: at.clone(), with: with.to_owned(), lines: here.clone() });
    };
    let text = scalar.text;
    if known.numbers.contains(name) && text.parse::<f64>().is_ok() {
        add("a number out of range", "99999999999");
        add("a text for a number", "many");
    }
    if known.durations.contains(name) {
        add("a duration without a unit", "30");
        add("a negative duration", "-10s");
    }
    if known.flags.contains(name) {
        add("a word for a boolean", "maybe");
    }
    if matches!(name, "on_error" | "algorithm" | "method" | "provider") {
        add("an unknown word", "whatever");
    }
    if name == "type" && NAMES.contains(&text) {
        add("a misspelt action", &format!("{}x", &text[..text.len() - 1]));
        add("a list for a word", "[deny]");
    }
    if name == "url" && above.action == "forward-internal" && !is_template(text) {
        add("a target that is not internal", &text.replace(".internal", ".example.com"));
        add("a target with a path", &format!("{text}/path"));
    }
    if known.keys.contains(name)
        && name != "name"
        && !text.is_empty()
        && !matches!(name, "body" | "to" | "secret")
    {
        add("a map for a value", "{a: 1}");
    }
    if let Some(content) = scalar.content.filter(|_| is_template(text)) {
        let at = content.to_range();
        let closing = text.rfind('}').expect("a template");
        let open = text[..closing].to_owned();
        // A brace that stands after the last expression closes nothing.
        if text[closing + 1..].is_empty() && text.matches('}').count() == 1 {
            out.push(Fault { kind: "an open template", at: at.clone(), with: open, lines: here.clone() });
        }
        for (word, wrong) in [("${req.", "${rq."), ("${conn.", "${con."), ("${vars.", "${vrs.")] {
            if text.contains(word) {
                let with = text.replacen(word, wrong, 1);
                out.push(Fault {
                    kind: "an unknown variable in a text",
                    at: at.clone(),
                    with,
                    lines: here.clone(),
                });
            }
        }
    }
}

fn expression_faults(text: &str, at: &Range<usize>, here: &RangeInclusive<u32>, out: &mut Vec<Fault>) {
    let mut add = |kind, with: String| {
        out.push(Fault { kind, at: at.clone(), with, lines: here.clone() });
    };
    for (word, wrong) in [("req.", "rq."), ("conn.", "con."), ("res.", "rs.")] {
        if text.starts_with(word) {
            add("an unknown variable", text.replacen(word, wrong, 1));
        }
    }
    for (word, wrong) in
        [(".startsWith(", ".beginsWith("), (".contains(", ".has("), ("inCidrRange(", "inCidr(")]
    {
        if text.contains(word) {
            add("an unknown function", text.replacen(word, wrong, 1));
        }
    }
    for field in ["conn.client_ip", "req.method", "req.host", "res.status_code", "req.url.path"] {
        if text.contains(field) {
            add("a misspelt variable", text.replacen(field, &format!("{field}s"), 1));
        }
    }
    if !text.contains("//") {
        add("an unfinished expression", format!("{text} &&"));
        add("a bracket too many", format!("{text})"));
    }
}

/// A generator from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, max: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("small") % max
    }
}

/// What is said of a text: code and line, how often.
fn said(name: &str, text: String) -> BTreeMap<(&'static str, u32), usize> {
    let source = Source::new(name, text);
    let found = lint_as(&source, DocumentKind::Policy, &CheckOptions::default()).diagnostics;
    let mut out = BTreeMap::new();
    for item in found.iter() {
        *out.entry((item.code.id, source.position(item.span.start).line)).or_default() += 1;
    }
    out
}

/// Right policies: ours, and those of the corpus where it is at hand.
fn policies() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in
        ["../fixtures/actions", "../fixtures/bench", "../fixtures/remote-access", "../../shared/corpus"]
    {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        paths.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "yml"));
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        Some((name, fs::read_to_string(path).ok()?))
    };
    let mut out: Vec<_> = paths.into_iter().filter_map(read).collect();
    out.retain(|(name, text)| {
        let source = Source::new(&**name, text.clone());
        let linted = lint_as(&source, DocumentKind::Policy, &CheckOptions::default());
        linted.policy.is_some() && !linted.diagnostics.has_errors()
    });
    out
}

/// Faults of a kind that are tried in one policy.
const TRIES: usize = 3;

#[test]
fn single_faults_are_reported_at_their_line() {
    let known = known();
    let mut random = Random(0x5eed);
    let (mut tried, mut missed) = (BTreeMap::new(), Vec::new());
    for (name, text) in policies() {
        let source = Source::new(&*name, text.clone());
        let before = said(&name, text.clone());
        let mut by_kind: BTreeMap<&str, Vec<Fault>> = BTreeMap::new();
        for fault in faults(&source, &known) {
            by_kind.entry(fault.kind).or_default().push(fault);
        }
        for (kind, mut faults) in by_kind {
            for _ in 0..TRIES.min(faults.len()) {
                let fault = faults.swap_remove(random.below(faults.len()));
                let mut mutant = text.clone();
                mutant.replace_range(fault.at.clone(), &fault.with);
                let after = said(&name, mutant);
                *tried.entry(kind).or_insert(0_usize) += 1;
                let new = after.iter().filter(|(what, count)| before.get(what).is_none_or(|old| old < count));
                if !new.clone().any(|((_, line), _)| fault.lines.contains(line)) {
                    let new: Vec<_> = new.map(|(what, _)| what).collect();
                    missed.push(format!("{kind}: {name}:{:?} `{}` gives {new:?}", fault.lines, fault.with));
                }
            }
        }
    }
    let all: usize = tried.values().sum();
    println!("{tried:#?}\n{} of {all} missed:\n{}", missed.len(), missed.join("\n"));
    assert!(all > 500, "{all} faults");
    assert!(tried.len() > 15, "{tried:?}");
    assert!(missed.len() * 100 <= all, "{} of {all} missed:\n{}", missed.len(), missed.join("\n"));
}
