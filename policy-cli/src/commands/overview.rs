//! `policy` without arguments: lint what is here and name the next commands.

use std::io::Write;
use std::path::PathBuf;

use crate::commands::lint::check;
use crate::exit::{Exit, Failure};
use crate::render;

pub(crate) fn run() -> Result<Exit, Failure> {
    let (checked, failures) = check(&[PathBuf::from(".")]);
    let mut out = anstream::stdout().lock();
    let unreadable = !failures.is_empty();
    for failure in failures {
        failure.report();
    }
    if checked.is_empty() {
        writeln!(out, "no policy or edge configuration (*.yml, *.yaml, *.json) below this folder")?;
    } else {
        render::text::findings(&mut out, &checked)?;
    }
    let policy = checked.iter().map(|file| file.source.name()).find(|name| !name.contains("edge"));
    let policy = policy.unwrap_or("POLICY");
    let eval = format!("policy eval {policy} --ip 203.0.113.42 --explain");
    let next = [
        (&*eval, "ask about an address"),
        ("policy explain TP434", "read about a finding"),
        ("policy --help", "all commands"),
    ];
    writeln!(out, "\nnext:")?;
    for (command, what) in next {
        writeln!(out, "  {command:width$}  {what}", width = eval.len())?;
    }
    out.flush()?;
    Ok(match checked.iter().any(|file| file.diagnostics.has_errors()) {
        _ if unreadable => Exit::Usage,
        true => Exit::No,
        false => Exit::Yes,
    })
}
