//! `policy` without arguments: lint what is here and name the next commands.

use std::io::{self, Write};
use std::path::PathBuf;

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::lint::DocumentKind;
use policy_core::phase::Phase;
use policy_core::source::Source;

use crate::cli::Kind;
use crate::commands::lint::check;
use crate::exit::{Exit, Failure};
use crate::files::Excluded;
use crate::render;
use crate::report::Report;

/// Runs `policy` without arguments.
pub(crate) fn run() -> Result<Exit, Failure> {
    let mut report = check(&[PathBuf::from(".")], Kind::Auto, &CheckOptions::default(), &Excluded::default());
    report.drop_consequences();
    let mut out = anstream::stdout().lock();
    let written = show(&mut out, &report).and_then(|()| out.flush());
    report.finish(written, false)
}

fn show(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if report.checked.is_empty() {
        writeln!(out, "no policy or configuration (*.yml, *.yaml, *.json) below this folder")?;
    } else {
        render::text::findings(out, report)?;
    }
    let mut policies = report.checked.iter().filter(|file| file.kind == Some(DocumentKind::Policy));
    let policy = policies.find(|file| can_be_asked(&file.source)).map_or("POLICY", |file| file.source.name());
    let code = report.checked.iter().find_map(|file| file.diagnostics.iter().next()).map(|item| item.code.id);
    let (explain, about) = match code {
        Some(code) => (format!("policy explain {code}"), "read about a finding"),
        None => ("policy explain restrict-ips".to_owned(), "read about an action"),
    };
    let eval = format!("policy eval {policy} --ip 203.0.113.42 --explain");
    let first = match report.checked.is_empty() {
        true => ("policy init", "write a first policy, its cases, and a job that runs both"),
        false => (&*eval, "ask about an address"),
    };
    writeln!(out, "\nnext:")?;
    for (command, what) in [first, (&*explain, about), ("policy --help", "all commands")] {
        writeln!(out, "  {command:width$}  {what}", width = eval.len())?;
    }
    Ok(())
}

/// True for a policy that `policy eval` has an answer for.
fn can_be_asked(source: &Source) -> bool {
    let (policy, _) = load_policy(source, &CheckOptions::default());
    policy.is_some_and(|policy| {
        policy.policy().rules(Phase::OnTcpConnect).next().is_some()
            && compile(&policy, &CompileOptions::default()).is_ok()
    })
}
