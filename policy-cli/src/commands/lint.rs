//! `policy lint`.

use std::io::Write;
use std::path::PathBuf;

use policy_core::diagnostic::Diagnostics;
use policy_core::lint::{DocumentKind, lint};
use policy_core::source::Source;

use crate::cli::{Format, Lint};
use crate::exit::{Exit, Failure};
use crate::files::{Found, expand, read};
use crate::render;

/// What was found in one file.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) diagnostics: Diagnostics,
}

pub(crate) fn run(args: &Lint) -> Result<Exit, Failure> {
    let (checked, failures) = check(&args.paths);
    let mut out = anstream::stdout().lock();
    match args.format {
        Format::Text => render::text::findings(&mut out, &checked)?,
        Format::Json => render::json::findings(&mut out, &checked)?,
    }
    out.flush()?;
    let unreadable = !failures.is_empty();
    for failure in failures {
        failure.report();
    }
    Ok(match checked.iter().any(|file| file.diagnostics.has_errors()) {
        _ if unreadable => Exit::Usage,
        true => Exit::No,
        false => Exit::Yes,
    })
}

/// Lints files and folders. In a folder, files that are no policy and no edge configuration are passed over.
pub(crate) fn check(paths: &[PathBuf]) -> (Vec<Checked>, Vec<Failure>) {
    let (files, mut failures) = expand(paths);
    let mut checked = Vec::new();
    for file in files {
        match check_file(&file) {
            Ok(found) => checked.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    (checked, failures)
}

fn check_file(file: &Found) -> Result<Option<Checked>, Failure> {
    let (source, mut diagnostics) = read(&file.path)?;
    if diagnostics.has_errors() {
        return Ok(Some(Checked { source, diagnostics }));
    }
    let linted = lint(&source, file.named.then_some(DocumentKind::Policy));
    if linted.kind == Some(DocumentKind::Agent) && file.named {
        let message =
            format!("`{}` is an agent configuration, which this version does not lint", source.name());
        return Err(Failure::Usage(message));
    }
    diagnostics.append(linted.diagnostics);
    let relevant = matches!(linted.kind, Some(DocumentKind::Policy | DocumentKind::Edge));
    Ok(relevant.then_some(Checked { source, diagnostics }))
}
