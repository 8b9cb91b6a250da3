//! `policy lint`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use policy_core::check::CheckOptions;
use policy_core::diagnostic::Diagnostics;
use policy_core::edge::load_edge_files;
use policy_core::lint::{DocumentKind, lint};
use policy_core::source::Source;

use crate::cli::{Format, Lint};
use crate::exit::{Exit, Failure, after_output};
use crate::files::{Found, expand, read, read_bytes, reason};
use crate::render;

/// What was looked at, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Files with their findings.
    pub(crate) checked: Vec<Checked>,
    /// Files of searched folders that are neither a policy nor an edge configuration.
    pub(crate) passed_over: Vec<String>,
    /// Files that could not be read or are nothing this version lints.
    failures: Vec<Failure>,
}

/// What was found in one file.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) kind: Option<DocumentKind>,
    pub(crate) diagnostics: Diagnostics,
}

pub(crate) fn run(args: &Lint) -> Result<Exit, Failure> {
    let report = check(&args.paths);
    let mut out = anstream::stdout();
    let written = match args.format {
        Format::Text => render::text::findings(&mut out, &report),
        // As it is: a terminal's stripping of control characters would change values.
        Format::Json => render::json::findings(&mut io::stdout().lock(), &report),
    };
    report.finish(written.and_then(|()| out.flush()))
}

impl Report {
    /// Says what could not be read, and gives the verdict.
    pub(crate) fn finish(self, written: io::Result<()>) -> Result<Exit, Failure> {
        let errors = self.checked.iter().any(|file| file.diagnostics.has_errors());
        let verdict = match errors {
            _ if !self.failures.is_empty() => Exit::Usage,
            true => Exit::No,
            false => Exit::Yes,
        };
        for failure in self.failures {
            failure.report();
        }
        after_output(written, verdict)
    }
}

/// Lints files and folders. In a folder, files of other kinds are passed over.
pub(crate) fn check(paths: &[PathBuf]) -> Report {
    let (files, failures) = expand(paths);
    let mut report = Report { failures, ..Report::default() };
    for file in files {
        match check_file(&file) {
            Ok(checked) => match checked.kind {
                Some(DocumentKind::Policy | DocumentKind::Edge) => report.checked.push(checked),
                // Whatever it is, it is broken, or it was named.
                _ if checked.diagnostics.has_errors() => report.checked.push(checked),
                _ if file.named => report.failures.push(Failure::Usage(format!(
                    "`{}` is an agent configuration, which this version does not lint",
                    checked.source.name()
                ))),
                _ => report.passed_over.push(checked.source.name().to_owned()),
            },
            Err(failure) => report.failures.push(failure),
        }
    }
    report
}

fn check_file(file: &Found) -> Result<Checked, Failure> {
    let (source, mut diagnostics) = read(&file.path)?;
    if diagnostics.has_errors() {
        return Ok(Checked { source, kind: None, diagnostics });
    }
    let linted = lint(&source, file.named.then_some(DocumentKind::Policy), &CheckOptions::default());
    diagnostics.append(linted.diagnostics);
    if linted.kind == Some(DocumentKind::Edge) && !diagnostics.has_errors() {
        // The policies it names are files of their own; here counts what the configuration says of them.
        diagnostics = load_edge_files(&source, &mut |name| {
            let path = file.path.parent().unwrap_or(Path::new(".")).join(name);
            let bytes = read_bytes(&path).map_err(|error| reason(&error));
            (path.display().to_string(), bytes)
        })
        .findings;
    }
    Ok(Checked { source, kind: linted.kind, diagnostics })
}
