//! Tables in the documentation are those of the code. `BLESS=1 cargo test -p policy-core --test generated`
//! writes them anew.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use policy_core::actions::{ActionDoc, Ends, NAMES, PROVIDERS, documentation};
use policy_core::compile::{CompileOptions, Program};
use policy_core::dialect::functions;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::requests;
use policy_core::scenarios;
use policy_core::schema::FieldDoc;
use policy_core::url::Scheme;
use policy_core::variables;
use policy_core::{agent, edge, ip_policies};

/// The phases of a row: all of them are said by nothing.
fn phases(set: PhaseSet) -> &'static str {
    let has = |phase| set.contains(phase);
    match (has(Phase::OnTcpConnect), has(Phase::OnHttpRequest), has(Phase::OnHttpResponse)) {
        (true, ..) => "",
        (false, true, _) => "requests, responses",
        (false, false, _) => "responses",
    }
}

fn variable_table() -> String {
    let mut out = String::from("| variable | type | where | what |\n|---|---|---|---|\n");
    for variable in variables::all() {
        let (path, ty, doc) = (variable.path, variable.ty, variable.doc);
        let optional = if variable.optional { ", may be missing" } else { "" };
        writeln!(out, "| `{path}` | {ty} | {} | {doc}{optional} |", phases(variable.phases)).expect("a text");
    }
    out
}

fn function_table() -> String {
    let mut out = String::from("| function | where | what |\n|---|---|---|\n");
    for function in functions() {
        let signature = function.signature.replace('|', "\\|");
        writeln!(out, "| `{signature}` | {} | {} |", phases(function.phases), function.doc).expect("a text");
    }
    out
}

#[test]
fn the_tables_of_expressions_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/expressions.md");
    replace_tables(&path, &[("variables", variable_table()), ("functions", function_table())]);
}

/// Writes tables between their marks, or says that they are old.
fn replace_tables(path: &Path, tables: &[(&str, String)]) {
    let page = fs::read_to_string(path).expect("readable");
    let mut wanted = page.clone();
    for (name, table) in tables {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (front, rest) = wanted.split_once(&begin).expect("a beginning");
        let (_, back) = rest.split_once(&end).expect("an end");
        wanted = format!("{front}{begin}{table}{end}{back}");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, &wanted).expect("writable");
        return;
    }
    assert!(page == wanted, "{} is out of date; run with BLESS=1", path.display());
}

/// The phases in which hosts of this version run an action.
fn running(action: &ActionDoc) -> Vec<String> {
    // Edges run the first, `policy eval` all of them.
    action.runs.iter().map(|phase| format!("`{phase}`")).collect()
}

/// Phases, protocols and whether it ends the phase.
fn action_facts(action: &ActionDoc) -> String {
    let phases: Vec<_> = action.phases.iter().map(|phase| format!("`{phase}`")).collect();
    let http = !action.phases.contains(Phase::OnTcpConnect);
    let schemes =
        action.schemes.iter().filter(|scheme| !http || matches!(scheme, Scheme::Http | Scheme::Https));
    let schemes: Vec<_> = schemes.map(|scheme| scheme.name()).collect();
    let ends = match action.ends {
        Ends::Never => "no".to_owned(),
        Ends::Always => "yes".to_owned(),
        Ends::Refusing(how) => format!("when it refuses: {how}"),
        Ends::Sometimes(when) => when.to_owned(),
        _ => panic!("say what it means"),
    };
    let runs = running(action);
    let runs = match &*runs {
        [] => "no, it is checked only".to_owned(),
        phases => format!("in {}", phases.join(", ")),
    };
    format!(
        "| phases | endpoints | ends the phase | this version runs it |\n|---|---|---|---|\n| {} | {} | {ends} | {runs} |\n",
        phases.join(", "),
        schemes.join(", ")
    )
}

/// A table of the fields of a configuration.
fn configuration_table(fields: &[FieldDoc]) -> String {
    let mut table = String::from("| field | type | default | what |\n|---|---|---|---|\n");
    for field in fields {
        let default = match field.default {
            Some(default) => format!("`{default}`"),
            None if field.required => "required".to_owned(),
            None => String::new(),
        };
        let (path, kind, doc) = (&field.path, field.kind.replace('|', "\\|"), field.doc);
        writeln!(table, "| `{path}` | {kind} | {default} | {doc} |").unwrap();
    }
    table
}

#[test]
fn the_tables_of_configurations_are_current() {
    for (page, fields) in [
        ("ip-policies.md", ip_policies::fields()),
        ("edge.md", edge::fields()),
        ("agent.md", agent::fields()),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        replace_tables(&path, &[("fields", configuration_table(&fields))]);
    }
}

#[test]
fn the_tables_of_request_files_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/request-files.md");
    let tables = [
        ("request-fields", configuration_table(&requests::request_fields())),
        ("response-fields", configuration_table(&requests::response_fields())),
    ];
    replace_tables(&path, &tables);
}

#[test]
fn the_tables_of_scenario_files_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/testing.md");
    let tables = [
        ("scenario-fields", configuration_table(&scenarios::scenario_fields())),
        ("case-fields", configuration_table(&scenarios::case_fields())),
        ("expect-fields", configuration_table(&scenarios::expect_fields())),
    ];
    replace_tables(&path, &tables);
}

/// True if a policy with webhooks of a provider compiles.
fn runs_provider(name: &str) -> bool {
    let config = format!("{{provider: {name}, secret: 0123456789}}");
    let text = format!("on_http_request: [{{actions: [{{type: verify-webhook, config: {config}}}]}}]");
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    Program::from_policy_with("p.yml", &text, &options).is_ok()
}

fn field_table(action: &ActionDoc) -> String {
    if action.fields.is_empty() {
        return "It has none.\n".to_owned();
    }
    let mut out = String::from("| field | type | default | `${…}` | what |\n|---|---|---|---|---|\n");
    for field in &action.fields {
        let default = match (field.required, field.default) {
            (true, _) => "required".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        let interpolates = if field.interpolates { "yes" } else { "" };
        let kind = field.kind.replace('|', "\\|");
        writeln!(out, "| `{}` | {kind} | {default} | {interpolates} | {} |", field.path, field.doc).unwrap();
    }
    if action.name == "verify-webhook" {
        let (run, others): (Vec<&str>, Vec<&str>) = PROVIDERS.iter().partition(|name| runs_provider(name));
        let listed = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        writeln!(out, "\nProviders that this version runs, {}: {}.", run.len(), listed(&run)).unwrap();
        writeln!(out, "\nProviders that are checked only, {}: {}.", others.len(), listed(&others)).unwrap();
    }
    out
}

/// The results of an action, below its path; those of records it has after them.
fn result_table(action: &ActionDoc) -> String {
    let all: Vec<_> = variables::all().collect();
    let results: Vec<_> =
        action.results.iter().flat_map(|path| all.iter().filter(move |it| it.path == *path)).collect();
    if results.is_empty() {
        return "It produces none.\n".to_owned();
    }
    let mut out = String::from("| variable | type | what |\n|---|---|---|\n");
    for variable in results {
        writeln!(out, "| `{}` | {} | {} |", variable.path, variable.ty, variable.doc).unwrap();
    }
    out
}

/// The actions that run, and where.
fn running_table() -> String {
    let mut out = String::from("| action | phases |\n|---|---|\n");
    for action in NAMES.iter().filter_map(|name| documentation(name)) {
        let phases = running(&action);
        if !phases.is_empty() {
            writeln!(out, "| `{}` | {} |", action.name, phases.join(", ")).expect("a text");
        }
    }
    out
}

#[test]
fn the_table_of_running_actions_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics/TP601.md");
    replace_tables(&path, &[("running", running_table())]);
}

/// The page of a new action: what every page has, with room for what only its author knows.
fn skeleton(action: &ActionDoc) -> String {
    let table = |name: &str| format!("<!-- {name} -->\n<!-- end of {name} -->\n");
    let name = action.name;
    format!(
        "# {name}\n\n{}\n## What it does\n\n## Fields\n\n{}\n## Results\n\n{}\n## Errors\n\n\
         ## Differences from ngrok\n\n## Example\n",
        table("facts"),
        table("fields"),
        table("results")
    )
}

#[test]
fn the_tables_of_actions_are_current() {
    for name in NAMES {
        let action = documentation(name).expect("registered");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/actions/{name}.md"));
        let page = fs::read_to_string(&path).expect("readable");
        if std::env::var_os("BLESS").is_some() && page.trim() == format!("# {name}") {
            fs::write(&path, skeleton(&action)).expect("writable");
        }
        let tables = [
            ("facts", action_facts(&action)),
            ("fields", field_table(&action)),
            ("results", result_table(&action)),
        ];
        replace_tables(&path, &tables);
    }
}
