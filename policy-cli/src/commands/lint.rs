//! `policy lint`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use policy_core::agent::load_agent_files;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, drop_consequences, printable};
use policy_core::edge::load_edge_files;
use policy_core::lint::{DocumentKind, Foreign, conceal_unread, lint, lint_as, names_phase};
use policy_core::source::Source;
use policy_core::url::{Binding, Scheme};

use crate::cli::{EndpointBinding, Kind, Lint, LintFormat, Protocol};
use crate::exit::{Exit, Failure, after_output, warn};
use crate::files::{Excluded, Expanded, Found, expand, folder_of, read_as, read_named, shown};
use crate::{ip_policies, lists, render};

/// What was looked at, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Files with their findings.
    pub(crate) checked: Vec<Checked>,
    /// Files of searched folders that are neither a policy nor a configuration.
    pub(crate) passed_over: Vec<String>,
    /// What was not read or not checked although it may hold a policy: each with the reason.
    pub(crate) skipped: Vec<Skipped>,
    /// Files that could not be read.
    failures: Vec<Failure>,
}

/// Something that was left out.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) why: String,
}

/// What a file turned out to be.
enum Looked {
    Checked(Checked),
    /// A file of a searched folder without anything of the language.
    PassedOver(String),
    Skipped(Skipped),
}

/// What was found in one file.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) kind: Option<DocumentKind>,
    pub(crate) diagnostics: Diagnostics,
}

/// Runs `policy lint`.
pub(crate) fn run(args: &Lint) -> Result<Exit, Failure> {
    let options = options(args)?;
    let excluded = Excluded::new(&args.exclude)?;
    let mut report = check(&args.paths, args.kind, &options, &excluded);
    let wanted = |code: &_| {
        (args.select.is_empty() || args.select.iter().any(|codes| codes.contains(code)))
            && !args.ignore.iter().any(|codes| codes.contains(code))
    };
    if !args.select.is_empty() || !args.ignore.is_empty() {
        report.checked.iter_mut().for_each(|file| file.diagnostics.keep_codes(&wanted));
    }
    report.drop_consequences();
    let mut out = anstream::stdout();
    // As it is: a terminal's stripping of control characters would change values.
    let written = match args.format {
        LintFormat::Text => render::text::findings(&mut out, &report),
        LintFormat::Json => render::json::findings(&mut io::stdout().lock(), &report),
        LintFormat::Github => render::github::findings(&mut io::stdout().lock(), &report),
    };
    let written = written.and_then(|()| out.flush());
    if let Some(message) = report.general_warning().filter(|_| args.format != LintFormat::Github) {
        warn(message);
    }
    report.finish(written, args.deny_warnings)
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
    /// A warning about the run as a whole, which has no place in a file: there was nothing to check.
    pub(crate) const fn general_warning(&self) -> Option<&'static str> {
        match self.checked.is_empty() && self.failures.is_empty() {
            // What was skipped is named already.
            true if !self.skipped.is_empty() => Some("nothing was checked"),
            true => {
                Some("nothing was checked: no policy and no configuration (*.yml, *.yaml, *.json) was found")
            }
            false => None,
        }
    }

    /// The errors of all files.
    pub(crate) fn errors(&self) -> usize {
        self.checked.iter().map(|file| file.diagnostics.errors()).sum()
    }

    /// The warnings of all files, and of the run as a whole.
    pub(crate) fn warnings(&self) -> usize {
        let of_files: usize = self.checked.iter().map(|file| file.diagnostics.warnings()).sum();
        of_files + usize::from(self.general_warning().is_some())
    }

    /// Findings that are counted and not listed.
    pub(crate) fn not_listed(&self) -> usize {
        self.checked.iter().map(|file| file.diagnostics.dropped()).sum()
    }

    /// Leaves one error of each fault: what only follows from it in other files is not told.
    pub(crate) fn drop_consequences(&mut self) {
        drop_consequences(self.checked.iter_mut().map(|file| &mut file.diagnostics));
    }

    /// Says what could not be read, and gives the verdict.
    pub(crate) fn finish(self, written: io::Result<()>, deny_warnings: bool) -> Result<Exit, Failure> {
        let verdict = match self.errors() > 0 || deny_warnings && self.warnings() > 0 {
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

/// Lints files and folders. In a folder, files of other kinds are skipped.
pub(crate) fn check(paths: &[PathBuf], kind: Kind, options: &CheckOptions, excluded: &Excluded) -> Report {
    let Expanded { files, skipped, failures } = expand(paths, excluded);
    let outside = |(link, folder): &(PathBuf, PathBuf)| Skipped {
        name: shown(link),
        why: format!("a link that leads outside of `{}`", printable(&folder.display().to_string())),
    };
    let skipped = skipped.iter().map(outside).collect();
    let mut report = Report { failures, skipped, ..Report::default() };
    let mut named = Vec::new();
    for file in files {
        match check_file(&file, kind, options, &mut named) {
            Ok(Looked::Checked(checked)) => report.checked.push(checked),
            Ok(Looked::PassedOver(name)) => report.passed_over.push(name),
            Ok(Looked::Skipped(skipped)) => report.skipped.push(skipped),
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
) -> Result<Looked, Failure> {
    if kind == Kind::List {
        let (source, diagnostics) = lists::read(&file.path, file.outside)?;
        return Ok(Looked::Checked(Checked { source, kind: None, diagnostics }));
    }
    let given = read_as(&file.path, file.outside)?;
    let (source, mut found) = (&given.source, given.found.clone());
    let checked = |kind, found| {
        let (source, diagnostics) = given.shown(found);
        Looked::Checked(Checked { source, kind, diagnostics })
    };
    let searched = !file.named && kind == Kind::Auto;
    if found.has_errors() {
        conceal_unread(source, &mut found);
        return Ok(match searched && !names_phase(source.text()) {
            true => unreadable(source),
            false => checked(None, found),
        });
    }
    let linted = match document_kind(kind) {
        Some(kind) => lint_as(source, kind, options),
        None => lint(source, file.named.then_some(DocumentKind::Policy), options),
    };
    let Some(is) = linted.kind else { return Ok(not_checked(file, source, linted.foreign)) };
    if linted.diagnostics.has_errors() {
        found.append(linted.diagnostics);
        return Ok(checked(Some(is), found));
    }
    let folder = folder_of(&file.path);
    let mut read = |name: &str| read_named(folder, name);
    // A sound configuration is read again together with the files that it names.
    let (findings, files, of) = match is {
        DocumentKind::Edge => {
            let mut list = |file: &str, name: &str, feed: &mut dyn FnMut(&[u8])| {
                lists::read_named(folder_of(&folder.join(file)), name, feed)
            };
            let loaded = load_edge_files(source, options, &mut read, &mut list);
            (loaded.findings, loaded.policies, Some(DocumentKind::Policy))
        }
        DocumentKind::Agent => {
            let loaded = load_agent_files(source, options, &mut read);
            (loaded.findings, loaded.policies, Some(DocumentKind::Policy))
        }
        DocumentKind::IpPolicies => {
            let loaded = ip_policies::load(source, &file.path, options);
            (loaded.findings, loaded.lists, None)
        }
        _ => (linted.diagnostics, Vec::new(), None),
    };
    found.append(findings);
    // Names in a file that is not shown are not shown either.
    let files = files.into_iter().filter(|_| !given.is_outside());
    named.extend(files.map(|(source, diagnostics)| Checked { source, kind: of, diagnostics }));
    Ok(checked(Some(is), found))
}

/// What the call says that files are; `None` where their keys tell.
const fn document_kind(kind: Kind) -> Option<DocumentKind> {
    match kind {
        Kind::Auto | Kind::List => None,
        Kind::Policy => Some(DocumentKind::Policy),
        Kind::Agent => Some(DocumentKind::Agent),
        Kind::Edge => Some(DocumentKind::Edge),
        Kind::IpPolicies => Some(DocumentKind::IpPolicies),
    }
}

/// A file of a search that is no text. One that is too large to be looked at may be anything.
fn unreadable(source: &Source) -> Looked {
    let name = source.name().to_owned();
    match source.text().is_empty() {
        true => Looked::Skipped(Skipped { name, why: "it is larger than what is read".to_owned() }),
        false => Looked::PassedOver(name),
    }
}

/// A file without anything of the language.
fn not_checked(file: &Found, source: &Source, foreign: Option<Foreign>) -> Looked {
    let name = source.name().to_owned();
    match foreign {
        // It may be rendered to a policy.
        Some(what @ Foreign::Template) => Looked::Skipped(Skipped { name, why: what.to_string() }),
        Some(_) if file.outside => Looked::Skipped(Skipped { name, why: "it holds no policy".to_owned() }),
        Some(what) if file.named => {
            Looked::Skipped(Skipped { name, why: printable(&what.to_string()).into_owned() })
        }
        _ => Looked::PassedOver(name),
    }
}
