//! The corpus of public policies, where it is at hand: nothing panics, what is by the book has no error, and what
//! is wrong is named. And the tree against another YAML reader.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use policy_core::cel::{FieldType, is_template};
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, Severity};
use policy_core::lint::{DocumentKind, lint_as};
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

/// Files that are complete and that ngrok refuses all the same, with the codes of what is wrong. Each was read.
const WRONG: &[(&str, &[&str])] = &[
    // Credentials as maps; they are texts.
    ("add-authentication-7.json", &["TP421"]),
    ("add-authentication-7.yml", &["TP421"]),
    // A list in parentheses.
    ("block-unwanted-requests-7.json", &["TP201"]),
    // `vars` as a map; `req.path`; `${…}` inside an expression.
    ("blue-green-deployments-1.yml", &["TP201", "TP205", "TP301"]),
    ("blue-green-deployments-2.yml", &["TP301"]),
    ("blue-green-deployments-3.yml", &["TP201", "TP301"]),
    // A placeholder without quotes, which is a map.
    ("brex-webhooks-2.yml", &["TP313"]),
    // No action at all (ERR_NGROK_2206).
    ("edges-to-endpoints-2.yml", &["TP401"]),
    // `.ngrok.geo`, a name that nobody declares.
    ("gallery-manipulateheaders-1.json", &["TP204"]),
    ("gallery-manipulateheaders-1.yml", &["TP204"]),
    // An action after `custom-response` (ERR_NGROK_2207).
    ("maintenance-mode-2.yml", &["TP404"]),
    // A parenthesis too many, `&&` of a list.
    ("modules-to-traffic-policy-actions-3.yml", &["TP201", "TP207"]),
    // The result of an `oauth` that is not there.
    ("oauth-8.json", &["TP411"]),
    ("oauth-8.yml", &["TP411"]),
    // Numbers compared with texts; `vars` as a map.
    ("pre-tier-requests-1.yml", &["TP207", "TP301"]),
    // `contains` of a list.
    ("response-body-find-replace-2.json", &["TP207"]),
    ("response-body-find-replace-2.yml", &["TP207"]),
    // `rate: 100/min`.
    ("securing-endpoints-1.yml", &["TP308"]),
    // `request.headers`.
    ("set-vars-1.json", &["TP204"]),
    ("set-vars-1.yml", &["TP204"]),
    // Quotes inside quotes; `headers.get`.
    ("tutorial-3.yml", &["TP201", "TP206"]),
    // A provider that does not exist.
    ("vmware-webhooks-1.yml", &["TP308"]),
];

struct Entry {
    file: String,
    kind: String,
    status: String,
    notes: String,
}

fn index(corpus: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(corpus.join("INDEX.tsv")).expect("an index");
    let entries = text.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        Entry {
            file: fields[0].to_owned(),
            kind: fields[1].to_owned(),
            status: fields[7].to_owned(),
            notes: fields[8].to_owned(),
        }
    });
    entries.collect()
}

/// What is found in a file of the corpus.
fn look(corpus: &Path, entry: &Entry) -> (Source, Diagnostics) {
    let bytes = fs::read(corpus.join(&entry.file)).expect("listed");
    let (source, mut found) = decode(entry.file.clone(), bytes);
    if !found.has_errors() {
        let kind = if entry.kind == "agent-config" { DocumentKind::Agent } else { DocumentKind::Policy };
        found.append(lint_as(&source, kind, &CheckOptions::default()).diagnostics);
    }
    (source, found)
}

/// What is said of complete files. Each line was read and found right; `BLESS=1` writes the list anew.
const REVIEWED: &str = include_str!("corpus_reviewed.txt");

/// Complete policies and configurations have no error, but for those that are known to be wrong, and everything
/// else that is said of them has been reviewed.
#[test]
fn complete_files_have_no_error() {
    let Some(corpus) = corpus() else { return };
    let mut reviewed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in REVIEWED.lines().filter(|line| !line.starts_with('#')) {
        let (file, said) = line.split_once(' ').expect("a file and what is said");
        reviewed.entry(file).or_default().push(said);
    }
    let bless = std::env::var_os("BLESS").is_some();
    let (mut list, mut looked_at, mut unknown, mut refused) = (String::new(), 0, 0, 0);
    for entry in index(&corpus).iter().filter(|entry| entry.status == "ok") {
        looked_at += 1;
        let (source, found) = look(&corpus, entry);
        let mut lines: Vec<String> = found
            .iter()
            .map(|item| {
                let line = source.position(item.span.start).line;
                format!("{line} {} {} {}", item.severity.name(), item.code.id, item.message)
            })
            .collect();
        if lines.is_empty() {
            lines.push("nothing".to_owned());
        }
        for line in &lines {
            writeln!(list, "{} {line}", entry.file).unwrap();
        }
        let Some(said) = reviewed.get(&*entry.file).filter(|_| !bless) else {
            unknown += 1;
            refused += usize::from(found.has_errors());
            println!("not reviewed: {} {lines:?}", entry.file);
            continue;
        };
        assert_eq!(said, &lines, "{}", entry.file);
        let errors: Vec<_> = found.iter().filter(|item| item.severity == Severity::Error).collect();
        let known = WRONG.iter().find(|(file, _)| *file == entry.file).map_or(&[][..], |(_, codes)| codes);
        for item in &errors {
            assert!(known.contains(&item.code.id), "{}: {} {}", entry.file, item.code.id, item.message);
        }
        assert!(known.iter().all(|code| errors.iter().any(|item| item.code.id == *code)), "{}", entry.file);
    }
    if bless {
        let head = "# What is said of complete files of the corpus: file, line, severity, code, message.\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus_reviewed.txt");
        fs::write(path, format!("{head}{list}")).expect("writable");
        return;
    }
    assert!(looked_at > 300, "{looked_at} complete files");
    assert!(refused * 10 <= unknown, "{refused} of {unknown} files that nobody has reviewed are refused");
}

/// What the index says of a suspect file, with the codes that say the same.
const FAULTS: &[(&str, &[&str])] = &[
    ("flat-rule", &["TP307"]),
    ("phase-not-a-list", &["TP315"]),
    ("parse-error", &["TP103", "TP104", "TP105", "TP110", "TP112", "TP102", "TP201"]),
    ("unknown-action:webhook-validation", &["TP306"]),
    ("unknown-action:oidc", &["TP306", "TP316"]),
    ("unknown-action:saml", &["TP418"]),
    ("unknown-action-key", &["TP302"]),
    ("unknown-action", &["TP305"]),
    ("unknown-phase", &["TP304"]),
    ("unknown-rule-key", &["TP302"]),
    ("unknown-top-key", &["TP304", "TP316"]),
    ("undocumented-field:forward-internal.binding", &["TP306"]),
    ("undocumented-field:custom-response.content", &["TP306"]),
    ("undocumented-field", &["TP302"]),
    // What is missing may be there by a wrong name.
    ("missing-field", &["TP303", "TP302"]),
    ("rule-without-actions", &["TP303"]),
    ("expression-not-string", &["TP301"]),
    ("config-not-map", &["TP301"]),
    ("legacy-phase", &["TP306"]),
    ("placeholder", &["TP313"]),
    ("no-version", &["TP303"]),
    ("no-agent-block", &["TP461", "TP303"]),
    ("endpoint-no-upstream", &["TP303"]),
    ("wrong-top-key", &["TP302"]),
    ("tunnels", &["TP465", "TP303"]),
    ("fragment", &["TP316"]),
];

/// Files that are called placeholders for a comment that stands for the rest, or for nothing.
const NO_PLACEHOLDER: &[&str] =
    &["ngrokyml-v3-", "ngrokyml-gslb-1", "azure-sso-saml-1", "custom-error-pages-1"];

/// Words of the index that name no fault.
const NO_FAULT: &[&str] = &["from "];

/// Whatever the index says of a file that is wrong, old or incomplete is found in it.
#[test]
fn suspect_files_have_their_fault_named() {
    let Some(corpus) = corpus() else { return };
    let mut missing = Vec::new();
    let mut looked_at = 0;
    for entry in index(&corpus).iter().filter(|entry| entry.status != "ok") {
        let (_, found) = look(&corpus, entry);
        let codes: Vec<_> = found.iter().map(|item| item.code.id).collect();
        // A file that does not parse, or is no policy, is not looked into.
        let broken = ["TP102", "TP103", "TP104", "TP110", "TP316", "TP304", "TP301", "TP418"]
            .iter()
            .any(|code| codes.contains(code));
        for note in entry.notes.split("; ").filter(|note| !NO_FAULT.iter().any(|word| note.starts_with(word)))
        {
            looked_at += 1;
            if note == "placeholder" && NO_PLACEHOLDER.iter().any(|file| entry.file.starts_with(file)) {
                continue;
            }
            let Some((_, wanted)) = FAULTS.iter().find(|(fault, _)| note.starts_with(fault)) else {
                println!("{}: what is `{note}`?", entry.file);
                continue;
            };
            let named = wanted.iter().any(|code| codes.contains(code));
            if !named && (!broken || note.starts_with("parse-error")) {
                missing.push(format!("{}: {note}: {codes:?}", entry.file));
            }
        }
    }
    assert!(looked_at > 400, "{looked_at} notes");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// How often each code is given, by the status of the files.
#[test]
fn findings_by_status_and_code() {
    let Some(corpus) = corpus() else { return };
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for entry in index(&corpus) {
        let (source, found) = look(&corpus, &entry);
        for item in found.iter() {
            *counts.entry((entry.status.clone(), item.code.id)).or_default() += 1;
            let length = u32::try_from(source.text().len()).expect("small");
            assert!(item.span.end <= length && item.help.is_some(), "{}: {item:?}", entry.file);
        }
    }
    for ((status, code), count) in &counts {
        println!("{status:12} {code} {count:4}");
    }
    assert!(counts.len() > 20, "{counts:?}");
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
                let env = variables::env(variables::Site {
                    phase: Some(place.phase),
                    retry: field == "retry_condition",
                    ..variables::Site::default()
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
                let known =
                    WRONG.iter().any(|(file, _)| *file == entry.file) || WRONG_TEMPLATES.contains(&text);
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
