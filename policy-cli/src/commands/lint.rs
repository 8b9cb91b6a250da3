//! `policy lint`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use policy_core::agent::load_agent_files;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, printable};
use policy_core::edge::load_edge_files;
use policy_core::lint::{DocumentKind, lint, lint_as};
use policy_core::source::Source;
use policy_core::url::{Binding, Scheme};

use crate::cli::{EndpointBinding, Kind, Lint, LintFormat, Protocol};
use crate::exit::{Exit, Failure, after_output};
use crate::files::{Expanded, Found, expand, folder_of, read_as, read_named, shown};
use crate::{ip_policies, lists, render};

/// What was looked at, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Files with their findings.
    pub(crate) checked: Vec<Checked>,
    /// Files of searched folders that are neither a policy nor a configuration.
    pub(crate) passed_over: Vec<String>,
    /// Links in searched folders that lead out of them: each with its folder.
    pub(crate) skipped: Vec<(String, String)>,
    /// Files that could not be read.
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
    let options = options(args)?;
    let mut report = check(&args.paths, args.kind, &options);
    let wanted = |code: &_| {
        (args.select.is_empty() || args.select.iter().any(|codes| codes.contains(code)))
            && !args.ignore.iter().any(|codes| codes.contains(code))
    };
    if !args.select.is_empty() || !args.ignore.is_empty() {
        report.checked.iter_mut().for_each(|file| file.diagnostics.keep_codes(&wanted));
    }
    let mut out = anstream::stdout();
    // As it is: a terminal's stripping of control characters would change values.
    let written = match args.format {
        LintFormat::Text => render::text::findings(&mut out, &report),
        LintFormat::Json => render::json::findings(&mut io::stdout().lock(), &report),
        LintFormat::Github => render::github::findings(&mut io::stdout().lock(), &report),
    };
    report.finish(written.and_then(|()| out.flush()), args.deny_warnings)
}

/// What the call says of the endpoint, and how strictly to look.
fn options(args: &Lint) -> Result<CheckOptions, Failure> {
    let mut options = CheckOptions::default();
    options.endpoint.scheme = args.protocol.map(|protocol| match protocol {
        Protocol::Tcp => Scheme::Tcp,
        Protocol::Tls => Scheme::Tls,
        Protocol::Http => Scheme::Http,
        Protocol::Https => Scheme::Https,
    });
    options.endpoint.binding = args.binding.map(|binding| match binding {
        EndpointBinding::Public => Binding::Public,
        EndpointBinding::Internal => Binding::Internal,
        EndpointBinding::Kubernetes => Binding::Kubernetes,
    });
    options.endpoint.cloud = args.cloud;
    options.strict = args.strict;
    options.lenient = args.lenient;
    options.ip_policies = args.ip_policies.as_deref().map(ip_policies::given).transpose()?;
    Ok(options)
}

impl Report {
    /// Says what could not be read, and gives the verdict.
    pub(crate) fn finish(self, written: io::Result<()>, deny_warnings: bool) -> Result<Exit, Failure> {
        let bad = |found: &Diagnostics| found.has_errors() || deny_warnings && found.warnings() > 0;
        let verdict = match self.checked.iter().any(|file| bad(&file.diagnostics)) {
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
pub(crate) fn check(paths: &[PathBuf], kind: Kind, options: &CheckOptions) -> Report {
    let Expanded { files, skipped, failures } = expand(paths);
    let skipped = skipped.iter().map(|(link, folder)| (shown(link), folder.display().to_string()));
    let skipped = skipped.map(|(link, folder)| (link, printable(&folder).into_owned())).collect();
    let mut report = Report { failures, skipped, ..Report::default() };
    let mut named = Vec::new();
    for file in files {
        match check_file(&file, kind, options, &mut named) {
            // Whatever it is, it is broken, or it was named.
            Ok(checked) if checked.kind.is_some() || file.named || checked.diagnostics.has_errors() => {
                report.checked.push(checked);
            }
            Ok(checked) => report.passed_over.push(checked.source.name().to_owned()),
            Err(failure) => report.failures.push(failure),
        }
    }
    report.add_named(named);
    report
}

impl Report {
    /// Adds what was found in files that checked ones name.
    fn add_named(&mut self, named: Vec<Checked>) {
        let place = |source: &Source| {
            let path = PathBuf::from(source.name());
            fs::canonicalize(&path).unwrap_or(path)
        };
        let checked = self.checked.iter().enumerate();
        let mut known: HashMap<PathBuf, usize> =
            checked.map(|(at, file)| (place(&file.source), at)).collect();
        for new in named {
            let at = *known.entry(place(&new.source)).or_insert(self.checked.len());
            match self.checked.get_mut(at) {
                // Of one of the two nothing but lines is there; the other says it all.
                Some(file) if file.source.is_withheld() || new.source.is_withheld() => {}
                // A policy may be right for one endpoint and wrong for another; a list is the same for all.
                Some(file) if new.kind.is_some() => {
                    file.diagnostics.append(new.diagnostics);
                    file.diagnostics.sort();
                }
                Some(_) => {}
                None => self.checked.push(new),
            }
        }
    }
}

fn check_file(
    file: &Found,
    kind: Kind,
    options: &CheckOptions,
    named: &mut Vec<Checked>,
) -> Result<Checked, Failure> {
    if kind == Kind::List {
        let (source, diagnostics) = lists::read(&file.path, file.outside)?;
        return Ok(Checked { source, kind: None, diagnostics });
    }
    let given = read_as(&file.path, file.outside)?;
    let checked = |kind, found| {
        let (source, diagnostics) = given.shown(found);
        Checked { source, kind, diagnostics }
    };
    if given.found.has_errors() {
        return Ok(checked(None, given.found.clone()));
    }
    let (source, mut found) = (&given.source, given.found.clone());
    let as_kind = |kind| lint_as(source, kind, options);
    let linted = match kind {
        Kind::Auto | Kind::List => lint(source, file.named.then_some(DocumentKind::Policy), options),
        Kind::Policy => as_kind(DocumentKind::Policy),
        Kind::Agent => as_kind(DocumentKind::Agent),
        Kind::Edge => as_kind(DocumentKind::Edge),
        Kind::IpPolicies => as_kind(DocumentKind::IpPolicies),
    };
    if linted.diagnostics.has_errors() {
        found.append(linted.diagnostics);
        return Ok(checked(linted.kind, found));
    }
    let folder = folder_of(&file.path);
    let mut read = |name: &str| read_named(folder, name);
    // A sound configuration is read again together with the files that it names.
    let (findings, files, of) = match linted.kind {
        Some(DocumentKind::Edge) => {
            let mut list = |file: &str, name: &str, feed: &mut dyn FnMut(&[u8])| {
                lists::read_named(folder_of(&folder.join(file)), name, feed)
            };
            let loaded = load_edge_files(source, options, &mut read, &mut list);
            (loaded.findings, loaded.policies, Some(DocumentKind::Policy))
        }
        Some(DocumentKind::Agent) => {
            let loaded = load_agent_files(source, options, &mut read);
            (loaded.findings, loaded.policies, Some(DocumentKind::Policy))
        }
        Some(DocumentKind::IpPolicies) => {
            let loaded = ip_policies::load(source, &file.path, options);
            (loaded.findings, loaded.lists, None)
        }
        _ => (linted.diagnostics, Vec::new(), None),
    };
    found.append(findings);
    // Names in a file that is not shown are not shown either.
    let files = files.into_iter().filter(|_| !given.is_outside());
    named.extend(files.map(|(source, diagnostics)| Checked { source, kind: of, diagnostics }));
    Ok(checked(linted.kind, found))
}
