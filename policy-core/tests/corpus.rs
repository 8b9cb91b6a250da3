//! The corpus of public policies, where it is at hand: nothing panics, and what is by the book gets no
//! finding but that a part of the language is not there yet. And the tree against another YAML reader.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use policy_core::cel::{FieldType, Site, is_template};
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, Severity};
use policy_core::lint::{DocumentKind, lint};
use policy_core::parse::{Limits, NodeKind, NodeRef, Plain, decode, parse};
use policy_core::phase::Phase;
use policy_core::source::Source;
use policy_core::variables;

/// The corpus lies beside the project; a clone without it skips.
fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !path.is_dir() {
        eprintln!("skipped: there is no corpus at {}", path.display());
        return None;
    }
    Some(path)
}

/// Files that are complete as policies and hold an expression that is wrong, with what is found. ngrok refuses
/// such expressions too (ERR_NGROK_2200).
const WRONG_EXPRESSIONS: &[(&str, &[&str])] = &[
    // A list in parentheses.
    ("block-unwanted-requests-7.json", &["TP201"]),
    // `${…}` inside an expression; `req.path`.
    ("blue-green-deployments-1.yml", &["TP201", "TP205"]),
    ("blue-green-deployments-3.yml", &["TP201"]),
    // `contains` of a list.
    ("response-body-find-replace-2.json", &["TP207"]),
    ("response-body-find-replace-2.yml", &["TP207"]),
    // Quotes inside quotes; `headers.get`.
    ("tutorial-3.yml", &["TP201", "TP206"]),
];

/// What a careful reader says of right expressions in complete policies: `includes`, a header or parameter
/// that may be missing, a header name with capitals that is never found.
const ADVICE: &[&str] = &["TP211", "TP216", "TP219"];

struct Entry {
    file: String,
    kind: String,
    status: String,
}

fn index(corpus: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(corpus.join("INDEX.tsv")).expect("an index");
    let entries = text.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        Entry { file: fields[0].to_owned(), kind: fields[1].to_owned(), status: fields[7].to_owned() }
    });
    entries.collect()
}

#[test]
fn complete_policies_lack_only_what_this_version_lacks() {
    let Some(corpus) = corpus() else { return };
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut looked_at = 0;
    for entry in index(&corpus) {
        let bytes = fs::read(corpus.join(&entry.file)).expect("listed");
        let (source, mut found) = decode(entry.file.clone(), bytes);
        if !found.has_errors() {
            found.append(lint(&source, Some(DocumentKind::Policy), &CheckOptions::default()).diagnostics);
        }
        for item in found.iter() {
            *counts.entry((entry.status.clone(), item.code.id)).or_default() += 1;
        }
        if entry.kind == "policy" && entry.status == "ok" {
            looked_at += 1;
            let wrong = WRONG_EXPRESSIONS.iter().find(|(file, _)| *file == entry.file);
            let known = wrong.map_or(&[][..], |(_, codes)| codes);
            let mut seen: Vec<&str> = Vec::new();
            let unexpected: Vec<_> = found
                .iter()
                .filter(|item| match item.severity {
                    Severity::Error => {
                        seen.push(item.code.id);
                        item.code.id != "TP601" && !known.contains(&item.code.id)
                    }
                    _ => item.code.id.starts_with("TP2") && !ADVICE.contains(&item.code.id),
                })
                .map(|item| format!("{} {}", item.code.id, item.message))
                .collect();
            assert!(unexpected.is_empty(), "{}: {unexpected:?}", entry.file);
            assert!(known.iter().all(|code| seen.contains(code)), "{}: {seen:?}", entry.file);
        }
    }
    assert!(looked_at > 100, "{looked_at} complete policies");
    println!("findings by status and code: {counts:#?}");
}

/// `serde_yaml` reads the same data wherever both readers accept a file.
#[test]
fn the_tree_agrees_with_another_yaml_reader() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let folders = ["lint", "quickstart", "remote-access"].map(|folder| fixtures.join(folder));
    let mut compared = 0;
    for folder in folders.into_iter().chain(corpus()) {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            let named = path.extension().is_some_and(|end| end == "yml" || end == "json");
            let Some(text) = fs::read_to_string(&path).ok().filter(|_| named) else { continue };
            let mut found = Diagnostics::default();
            let document = parse(&Source::new("t", text.clone()), &Limits::default(), &mut found);
            let Ok(theirs) = serde_yaml::from_str::<serde_yaml::Value>(&text) else { continue };
            let Some(root) = document.root().filter(|_| found.is_empty()) else { continue };
            let ours = serde_json::to_value(Plain::from_node(root)).expect("plain data");
            let theirs = serde_json::to_value(theirs).expect("plain data");
            assert_eq!(ours, theirs, "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} files compared");
}

/// Where an expression of the corpus stands, as far as checking goes.
#[derive(Clone, Copy)]
struct Place {
    phase: Phase,
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Complete,
    Other,
}

/// Complete policies with an expression in some other field that is wrong: a variable nobody has, a call with
/// too few arguments, a missing parenthesis, an aggregate that is misused. ngrok refuses them too (ERR_NGROK_2224).
const WRONG_TEMPLATES: &[&str] = &[
    // `.ngrok.geo…`
    "${.ngrok.geo.country_code}",
    // `req.id`, `request.headers`
    "${req.id}",
    "x-foo header: ${request.headers['x-foo']}",
    // One argument.
    "${secrets.get('openai-api-key')}",
    "${secrets.get('azure-api-key')}",
    // `&&` of a list; a parenthesis too many.
    "${vars.allowed_email_domains && !vars.allowed_email_domains.exists_one(i, (vars.identity.email.endsWith('@' + i))}",
];

/// Every expression of the corpus, wherever it stands: a condition, a bucket key, a retry condition, or inside
/// `${…}` of any field. It parses and checks, or is on a list of wrong ones; and whatever it is, the places of
/// its findings lie inside it.
#[test]
fn every_expression_checks_or_is_known_to_be_wrong() {
    let Some(corpus) = corpus() else { return };
    let mut checked = 0;
    let mut wrong = Vec::new();
    for entry in index(&corpus) {
        let bytes = fs::read(corpus.join(&entry.file)).expect("listed");
        let (source, found) = decode(entry.file.clone(), bytes);
        if found.has_errors() {
            continue;
        }
        let document = parse(&source, &Limits::default(), &mut Diagnostics::default());
        let complete = entry.status == "ok" && document.cut_at().is_none();
        let status = if complete { Status::Complete } else { Status::Other };
        if let Some(root) = document.root() {
            walk(root, Place { phase: Phase::OnHttpRequest, status }, "", &mut |place, field, text| {
                checked += 1;
                let env = variables::env(Site {
                    phase: Some(place.phase),
                    scheme: None,
                    retry: field == "retry_condition",
                });
                let found = match field {
                    "expressions" | "bucket_key" | "retry_condition" => env.check(text).1,
                    _ => env.check_template(text, FieldType::Any).1,
                };
                for item in found.iter() {
                    assert!(
                        text.get(item.span.to_range()).is_some() && item.help.is_some(),
                        "{text}: {item:?}"
                    );
                }
                let known = WRONG_EXPRESSIONS.iter().any(|(file, _)| *file == entry.file)
                    || WRONG_TEMPLATES.contains(&text);
                if place.status == Status::Complete && found.has_errors() && !known {
                    let all: Vec<_> =
                        found.iter().map(|item| format!("{} {}", item.code.id, item.message)).collect();
                    wrong.push(format!("{}: {text}: {all:?}", entry.file));
                }
                // What is on the list deserves its place there.
                let template = WRONG_TEMPLATES.contains(&text);
                assert!(!template || found.has_errors(), "{text} is right");
            });
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 500, "{checked} expressions");
}

/// Calls `each` with every text that is, or holds, an expression.
fn walk(node: NodeRef<'_>, place: Place, field: &str, each: &mut dyn FnMut(Place, &str, &str)) {
    match node.kind() {
        NodeKind::Scalar(scalar) => {
            let raw = matches!(field, "expressions" | "bucket_key" | "retry_condition");
            if raw || is_template(scalar.text) {
                each(place, field, scalar.text);
            }
        }
        NodeKind::Sequence(items) => items.iter().for_each(|item| walk(item, place, field, each)),
        NodeKind::Mapping(entries) => {
            for (key, value) in entries.iter() {
                let NodeKind::Scalar(key) = key.kind() else { continue };
                let phase = Phase::from_name(key.text).unwrap_or(place.phase);
                walk(value, Place { phase, ..place }, key.text, each);
            }
        }
    }
}
