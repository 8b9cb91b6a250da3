//! Golden outputs: for every fixture its findings and, where it compiles, its program and its decisions.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use policy_core::check::CheckOptions;
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::diagnostic::{Diagnostics, Plain};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::lint::{DocumentKind, lint};
use policy_core::parse::decode;
use policy_core::phase::Phase;
use policy_core::source::Source;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn files() -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for folder in ["actions", "lint", "quickstart", "remote-access"] {
        let mut names: Vec<_> = fs::read_dir(fixtures().join(folder))
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .filter(|name| name.ends_with(".yml") || name.ends_with(".json"))
            .collect();
        names.sort();
        for name in names {
            let bytes = fs::read(fixtures().join(folder).join(&name)).expect("readable");
            out.push((format!("{folder}/{name}"), bytes));
        }
    }
    out
}

#[test]
fn every_fixture_has_its_findings_program_and_decisions() {
    for (name, bytes) in files() {
        let (source, mut found) = decode(name.clone(), bytes);
        let linted = lint(&source, Some(DocumentKind::Policy), &CheckOptions::default());
        found.append(linted.diagnostics);
        let mut text = format!("kind: {:?}\n", linted.kind.expect("a kind"));
        findings(&mut text, &source, &found);
        if let Some(policy) = linted.policy {
            match compile(&policy, &CompileOptions::default()) {
                Ok(program) => decisions(&mut text, &program),
                // What the language has and this version does not run.
                Err(found) => findings(&mut text, &source, &found),
            }
        }
        insta::assert_snapshot!(name.replace(['/', '.'], "_"), text);
    }
}

fn findings(out: &mut String, source: &Source, found: &Diagnostics) {
    let (errors, warnings) = (found.errors(), found.warnings());
    writeln!(out, "errors: {errors}, warnings: {warnings}\n{}", Plain { source, diagnostics: found })
        .unwrap();
    for item in found.iter() {
        for label in &item.labels {
            writeln!(out, "  {} {}", source.position(label.span().start), label.message).unwrap();
        }
        for edit in item.fix.iter().flat_map(|fix| &fix.edits) {
            let fix = (source.slice(edit.span), &edit.replacement);
            writeln!(out, "  fix {}: {:?} -> {:?}", source.position(edit.span.start), fix.0, fix.1).unwrap();
        }
    }
}

fn decisions(out: &mut String, program: &Program) {
    let rules = program.rules(Phase::OnTcpConnect).count();
    for table in program.address_tables() {
        writeln!(out, "program: {rules} rules, {} classes", table.classes()).unwrap();
        for (first, last, class) in table.regions() {
            writeln!(out, "  {first} - {last} class {}", class.index()).unwrap();
        }
    }
    for online in [true, false] {
        for ip in
            ["203.0.113.42", "203.0.113.7", "198.51.100.1", "127.0.0.1", "::ffff:203.0.113.42", "2001:db8::1"]
        {
            let facts = Facts::new(ip.parse().expect("an address"));
            let mut run = program.on_tcp_connect(&facts);
            let outcome = run.run(|effect, _| match effect {
                Effect::Forward(_) if online => Reply::Forwarded,
                Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
                _ => Reply::Logged,
            });
            let by = outcome.by().and_then(|by| program.action(by));
            let at = by.map(|it| format!(" at {}", it.position())).unwrap_or_default();
            let reason = run.reason();
            let state = if online { "online" } else { "offline" };
            writeln!(out, "{ip} {state}: {}{at}: {reason}", outcome.name()).unwrap();
        }
    }
}

/// The configuration on the page of the edge is valid.
#[test]
fn the_documented_edge_configuration_is_valid() {
    let page = fs::read_to_string(fixtures().join("../docs/edge.md")).expect("readable");
    let yaml = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let source = Source::new("edge.yml", yaml);
    let (config, found) = policy_core::edge::load_edge(&source);
    assert!(config.is_some() && found.is_empty(), "{}", Plain { source: &source, diagnostics: &found });
}

/// The configuration on the page of the agent is valid.
#[test]
fn the_documented_agent_configuration_is_valid() {
    let page = fs::read_to_string(fixtures().join("../docs/agent.md")).expect("readable");
    let yaml = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let source = Source::new("ngrok.yml", yaml);
    let (config, found) = policy_core::agent::load_agent(&source, &CheckOptions::default());
    assert!(config.is_some() && found.is_empty(), "{}", Plain { source: &source, diagnostics: &found });
}

/// Bytes from one change to the next: all of them are looked at where `EVERY_BYTE` is set, as it is every night.
fn stride() -> usize {
    if std::env::var_os("EVERY_BYTE").is_some() { 1 } else { 7 }
}

/// A file cut at any byte gives findings or a policy, in bounded time, and never a panic.
#[test]
fn a_file_cut_at_any_byte_is_survived() {
    for (nth, (name, bytes)) in files().into_iter().enumerate() {
        for end in (nth % stride()..=bytes.len()).step_by(stride()) {
            let (source, found) = decode(name.clone(), bytes[..end].to_vec());
            if found.has_errors() {
                continue;
            }
            let linted = lint(&source, Some(DocumentKind::Policy), &CheckOptions::default());
            let usable = linted.policy.is_some();
            assert!(!usable || !linted.diagnostics.has_errors(), "{name} cut at {end}");
            let length = u32::try_from(end).expect("small");
            for item in linted.diagnostics.iter() {
                assert!(
                    item.span.start <= item.span.end && item.span.end <= length,
                    "{name} at {end}: {item:?}"
                );
                assert!(item.help.is_some(), "{name} at {end}: no help: {item:?}");
            }
        }
    }
}

/// One byte changed anywhere: the same promises.
#[test]
fn a_changed_byte_is_survived() {
    for (nth, (name, bytes)) in files().into_iter().enumerate() {
        for at in (nth % stride()..bytes.len()).step_by(stride()) {
            const BYTES: [u8; 6] = [0, b'\t', b'[', b'"', b'*', 0xff];
            // Of the many files of actions each byte is changed once.
            let by_turn = &BYTES[at % BYTES.len()..][..1];
            for &byte in if name.starts_with("actions/") { by_turn } else { &BYTES[..] } {
                let mut changed = bytes.clone();
                changed[at] = byte;
                let (source, found) = decode(name.clone(), changed);
                if !found.has_errors() {
                    let linted = lint(&source, Some(DocumentKind::Policy), &CheckOptions::default());
                    assert!(linted.policy.is_none() || !linted.diagnostics.has_errors(), "{name} at {at}");
                }
            }
        }
    }
}
