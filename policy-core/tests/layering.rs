//! The rooms of the crate: each uses only those before it, and the crate only pure dependencies.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rooms::sources;

#[path = "support/literals.rs"]
mod literals;
#[path = "support/rooms.rs"]
mod rooms;

/// The rooms of the crate, lowest first: each uses only those before it.
const ROOMS: &[&str] = &[
    // What everybody speaks of.
    "source",
    "phase",
    "duration",
    "digest",
    "ngrok",
    "diagnostic",
    "json",
    "named_file",
    "lpm",
    "url",
    "resolve",
    // Expressions, documents, and what is known of them.
    "cel",
    "message",
    "vocabulary",
    "dialect",
    "parse",
    "flow",
    "ids",
    "outcome",
    "exchange",
    "trace",
    "facts",
    "ip_policy",
    "address_list",
    // Declared fields, what reads them, and how strictly.
    "options",
    "reader",
    "schema",
    // What actions may do while they run; instructions.
    "run",
    "ir",
    // What is declared with all of these, and the language as a whole.
    "actions",
    "settings",
    "variables",
    "language",
    "given",
    "requests",
    "scenarios",
    "categories",
    "events",
    // Files, policies and configurations.
    "ip_policies",
    "model",
    "check",
    "endpoint_policy",
    "agent",
    // Programs, and what runs them.
    "compile",
    "evaluate",
    "journey",
    "reference",
    "edge",
    "network",
    "analyse",
    "lint",
    "catalog",
];

/// Rooms in an order have no circles. There are no exceptions: what a lower room has to know of a higher one is handed
/// to it (ADR 33).
#[test]
fn rooms_use_only_those_before_them() {
    rooms::assert_in_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ROOMS);
}

/// The address tables and the agent link are crates of their own, with rooms in an order as well.
#[test]
fn rooms_of_the_small_crates_use_only_those_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tables = [
        "limits",
        "key",
        "cidr",
        "steps",
        "ranges",
        "reference",
        "classes",
        "layout",
        "batch",
        "longest",
        "set",
        "table",
        "tables",
        "restriction",
    ];
    rooms::assert_in_order(&root.join("lpm/src"), &tables);
    let link = ["mux", "messages", "proxy", "returning", "streams", "call", "heartbeat"];
    rooms::assert_in_order(&root.join("../forwarder/link/src"), &link);
}

/// The stages of expressions, in the order of their use.
const STAGES: &[&str] = &[
    "codes",
    "limits",
    "values",
    "syntax",
    "library",
    "check",
    "evaluate",
    "compile",
    "analysis",
    "expression",
    "condition",
    "template",
];

/// The files of rooms that are whole stages by themselves, in the order of their use. The file of a stage only declares
/// them; those of `parse` and `lint` stand above theirs, which cannot use them.
const FILES: &[(&str, &[&str])] = &[
    ("cel/values", &["types", "quote", "fact", "fault", "time", "value", "distinct", "host"]),
    ("cel/syntax", &["ast", "literal", "macros", "lexer", "parser", "print", "text"]),
    ("cel/check", &["address_parts", "code", "env", "unify", "checker"]),
    (
        "cel/analysis",
        &["parts", "fallible", "state", "guards", "calls", "conditions", "flow", "failures", "advice"],
    ),
    (
        "parse",
        &[
            "limits", "decode", "json", "document", "plain", "keys", "merge", "origin", "lines", "brackets",
            "unclosed", "syntax", "build",
        ],
    ),
    ("lint", &["documents", "shapes", "configurations", "embedded", "detect"]),
];

/// The stages of expressions use only those before them, and so do the files of a stage, of `parse` and of `lint`
/// (ADR 35).
#[test]
fn stages_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    rooms::assert_in_order_within(&src, "cel", STAGES);
    for (room, files) in FILES {
        rooms::assert_in_order_within(&src, room, files);
        if room.starts_with("cel/") {
            rooms::assert_only_declares(&src, room);
        }
    }
}

/// Words that are the name of an action and of something else, where they stand for the latter.
const OTHER_MEANINGS: &[(&str, &str)] = &[
    // Lists and rules of addresses.
    ("policy-core/src/address_list.rs", "deny"),
    ("policy-core/src/ip_policies.rs", "deny"),
    ("policy-core/src/edge/agents.rs", "deny"),
    ("policy-cli/src/render/explain.rs", "deny"),
    // How a phase ends.
    ("policy-core/src/outcome.rs", "deny"),
    ("policy-cli/src/cli.rs", "deny"),
    ("policy-core/src/scenarios/expect.rs", "deny"),
    // What a host is asked for.
    ("policy-core/src/exchange.rs", "log"),
    ("policy-core/src/scenarios/expect.rs", "log"),
    ("policy-cli/src/commands/test/judge.rs", "log"),
    // Keys of configurations of agents.
    ("policy-core/src/settings/agent.rs", "log"),
    ("policy-core/src/settings/tunnel.rs", "oauth"),
    // What all of a HAR file stands in.
    ("policy-core/src/requests/har.rs", "log"),
    // The name of a thread.
    ("forwarder/src/base/log.rs", "log"),
];

/// What an action is called, where its results stand and what it does is said in its file: no machine, listing, digest
/// or check asks for it by name, and nor does the command, the edge or the agent.
#[test]
fn actions_are_known_by_name_in_their_files_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files: Vec<PathBuf> = ["policy-core/src", "policy-cli/src", "forwarder/src", "forwarder/link/src"]
        .iter()
        .flat_map(|folder| sources(&root.join(folder)))
        .collect();
    let (mut found, mut used, mut in_actions) = (Vec::new(), HashSet::new(), 0);
    for path in files {
        let relative = path.strip_prefix(&root).expect("below it").to_str().expect("a name");
        let production = rooms::production_code(&path);
        let texts = literals::literals(&production);
        let names = texts.iter().flat_map(|text| names_in(text));
        if relative.starts_with("policy-core/src/actions") {
            in_actions += names.count();
            continue;
        }
        for name in names {
            match OTHER_MEANINGS.iter().find(|exception| **exception == (relative, name)) {
                Some(exception) => {
                    used.insert(exception);
                }
                None => found.push(format!("{relative}: {name}")),
            }
        }
        let variants =
            production.split("ActionConfig::").skip(1).filter(|rest| rest.starts_with(char::is_uppercase));
        found.extend(variants.map(|rest| {
            format!("{relative}: ActionConfig::{}", rest.split(['(', ' ']).next().unwrap_or_default())
        }));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(in_actions > 40, "only {in_actions} names found: the scan is broken");
    let unused: Vec<_> = OTHER_MEANINGS.iter().filter(|exception| !used.contains(exception)).collect();
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:?}");
}

/// The names of actions that a text of some code is, or has in quotes, and the beginning of their results.
fn names_in(text: &str) -> impl Iterator<Item = &'static str> {
    const RESULTS: &str = "actions.ngrok.";
    let plain = text.replace("\\\"", "\"");
    let results = plain.starts_with(RESULTS).then_some(RESULTS);
    let is_named = move |name: &&str| plain == *name || plain.contains(&format!("\"{name}\""));
    policy_core::actions::NAMES.iter().copied().filter(is_named).chain(results)
}

/// Names of functions that are written in expressions' own code all the same, by file.
const SPELT_OUT: &[(&str, &str)] = &[
    // The grammar: how operators are written, and which functions they are.
    ("syntax/ast.rs", "! -_ _<_ _<=_ _>_ _>=_ _==_ _!=_ _in_ _+_ _-_ _*_ _/_ _%_"),
    ("syntax/lexer.rs", "!"),
    // Types, which functions that convert to them are called by.
    ("values/types.rs", "bool bytes double duration dyn int string timestamp type uint"),
    ("values/value.rs", "bool bytes double int string type uint"),
    ("check/env.rs", "duration dyn timestamp type"),
    // Words of other languages, and what is proposed for them.
    ("syntax/parser.rs", "or"),
    ("syntax/parser/foreign.rs", "! contains endsWith matches or startsWith"),
    ("syntax/parser/unquoted.rs", "duration timestamp"),
    ("check/checker/fields.rs", "size"),
    ("check/checker/names.rs", "!"),
    // Words of a listing.
    ("compile/predicate.rs", "contains matches"),
];

/// What a function does and what a variable means is declared with it: `cel` asks the declaration, never the name
/// (ADR 37).
#[test]
fn expressions_know_functions_and_variables_by_their_declarations() {
    let name = |doc: policy_core::dialect::FunctionDoc| {
        let call = doc.signature.rsplit_once(" -> ").expect("a result").0;
        let call = call.rsplit_once(").").map_or(call, |(_, call)| call);
        call.split('(').next().expect("a name").to_owned()
    };
    let operators =
        ["<", "<=", ">", ">=", "==", "!=", "in", "+", "-", "*", "/", "%"].map(|symbol| format!("_{symbol}_"));
    let functions: HashSet<String> = policy_core::dialect::functions()
        .map(name)
        .chain(operators)
        .chain(["!", "-_"].map(str::to_owned))
        .collect();
    let paths: HashSet<&str> = policy_core::variables::all().map(|variable| variable.path).collect();
    let roots: HashSet<&str> = paths.iter().filter_map(|path| path.split('.').next()).collect();
    assert!(functions.len() > 130 && paths.len() > 180, "{} {}", functions.len(), paths.len());
    let is_path = |text: &str| {
        paths.contains(text) || text.split_once('.').is_some_and(|(root, _)| roots.contains(root))
    };
    let cel = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cel");
    let (mut found, mut used, mut seen) = (Vec::new(), HashSet::new(), 0);
    for path in sources(&cel) {
        let relative = path.strip_prefix(&cel).expect("below it").to_str().expect("a name").to_owned();
        if relative.starts_with("library/") {
            continue;
        }
        for text in literals::literals(&rooms::production_code(&path)) {
            seen += 1;
            let spelt = SPELT_OUT
                .iter()
                .find(|(file, names)| *file == relative && names.split(' ').any(|name| name == text));
            match spelt {
                Some((file, _)) => {
                    used.insert((*file, text));
                }
                None if is_path(&text) || functions.contains(&text) => {
                    found.push(format!("{relative}: {text}"))
                }
                None => {}
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(seen > 1_000, "only {seen} texts found: the scan is broken");
    let allowed: usize = SPELT_OUT.iter().map(|(_, names)| names.split(' ').count()).sum();
    assert_eq!(used.len(), allowed, "exceptions that nothing needs: {used:?}");
}

/// ngrok's codes are constants of one list. The agent link has their numbers alone.
#[test]
fn codes_of_ngrok_are_constants() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["policy-core/src", "policy-cli/src", "forwarder/src"] {
        let folder = root.join(folder);
        for path in sources(&folder) {
            let relative = path.strip_prefix(&folder).expect("below it");
            if relative.ends_with("ngrok.rs") {
                continue;
            }
            for line in rooms::production_code(&path).lines() {
                let quoted = line.split('"').skip(1).step_by(2).any(|text| text.contains("ERR_NGROK_"));
                let number = |of: &str| {
                    let argument = line.split_once(of).map(|(_, argument)| argument);
                    argument.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
                };
                let bare = ["Refusal::new(", ".coded(", "NgrokCode::new("].into_iter().any(number);
                found.extend((quoted || bare).then(|| format!("{}: {}", path.display(), line.trim())));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The engine is embedded in edges: no runtime, clock or network may creep in with a dependency. The address tables and
/// the agent link know nothing of policies.
#[test]
fn dependencies_are_pinned() {
    let core = [
        "base64",
        "crc",
        "flate2",
        "granit-parser",
        "hmac",
        "ipnetwork",
        "jiff",
        "jsonwebtoken",
        "md-5",
        "nom",
        "policy-lpm",
        "regex",
        "serde",
        "serde_json",
        "sha1",
        "sha2",
        "strsim",
        "subtle",
        "url",
        "xxhash-rust",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(dependencies(root), core);
    assert_eq!(dependencies(&root.join("lpm")), ["ipnetwork"]);
    let link = ["bytes", "serde", "serde_json", "tokio", "tokio-util", "zeroize"];
    assert_eq!(dependencies(&root.join("../forwarder/link")), link);
}

/// The names of what a package depends on, beside what its tests need.
fn dependencies(package: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(package.join("Cargo.toml")).expect("readable");
    let (_, rest) = manifest.split_once("[dependencies]\n").expect("a section");
    let section = rest.split("\n[").next().expect("an end");
    let names = section.lines().filter_map(|line| line.split(['.', ' ']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Files stay small enough to read in one go.
#[test]
fn files_keep_to_their_budget() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in
        ["policy-core/src", "policy-core/lpm/src", "policy-cli/src", "forwarder/src", "forwarder/link/src"]
    {
        for path in sources(&root.join(folder)) {
            let lines = fs::read_to_string(&path).expect("readable").lines().count();
            assert!(lines <= 800, "{} has {lines} lines", path.display());
        }
    }
}

/// A host may keep programs and evaluations across threads and waits.
#[test]
fn programs_and_evaluations_cross_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send + Copy + 'static>() {}
    shared::<policy_core::compile::Program>();
    shared::<policy_core::lpm::LongestMatch>();
    shared::<policy_core::lpm::AddressTables>();
    shared::<policy_core::cel::Predicate>();
    shared::<policy_core::cel::Expression>();
    shared::<policy_core::facts::Facts<'static>>();
    shared::<policy_core::facts::GivenFacts>();
    shared::<policy_core::evaluate::Evaluation<'static>>();
    shared::<
        policy_core::evaluate::Evaluation<
            'static,
            policy_core::evaluate::AsWritten<policy_core::evaluate::Recording>,
        >,
    >();
    shared::<policy_core::diagnostic::Diagnostics>();
    shared::<policy_core::exchange::Reply>();
    sent::<policy_core::exchange::Step>();
    sent::<policy_core::outcome::Outcome>();
}

/// Inside of rooms as well no files side by side need one another.
#[test]
fn no_files_side_by_side_are_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for src in ["src", "lpm/src", "../forwarder/link/src"] {
        rooms::assert_no_circles(&root.join(src), &[]);
    }
}
