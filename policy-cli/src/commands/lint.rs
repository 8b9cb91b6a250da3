//! `policy lint`.

use std::io::{self, Write};
use std::path::PathBuf;

use policy_core::agent::load_agent_files;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::printable;
use policy_core::edge::load_edge_files;
use policy_core::lint::{DocumentKind, Foreign, conceal_unread, lint, lint_as, names_phase};
use policy_core::source::Source;
use policy_core::url::{Binding, Scheme};

use crate::cli::{EndpointBinding, Kind, Lint, LintFormat, Protocol};
use crate::exit::{Exit, Failure, warn};
use crate::files::{Excluded, Expanded, FoundFile, expand, folder_of, read_as, read_named, shown};
use crate::ip_policies::{self, GivenIpPolicies};
use crate::report::{Checked, Report, Skipped};
use crate::{lists, render};

/// What a file turned out to be.
enum Looked {
    Checked(Checked),
    /// A file of a searched folder without anything of the language.
    Unrelated(String),
    Skipped(Skipped),
}

/// Runs `policy lint`.
pub(crate) fn run(args: &Lint) -> Result<Exit, Failure> {
    let given = args.ip_policies.as_deref().map(ip_policies::read_given).transpose()?;
    let excluded = Excluded::new(&args.exclude)?;
    let mut report = match given {
        Some(given) => check_with(given, args, &excluded),
        None => check(&args.paths, args.kind, &options(args), &excluded),
    };
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
fn options(args: &Lint) -> CheckOptions {
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
    options
}

/// Lints with the IP policies that the call names; what was found in them is a part of the report. Without them nothing
/// can be said of policies that name them.
fn check_with(given: GivenIpPolicies, args: &Lint, excluded: &Excluded) -> Report {
    let mut report = match given.policies {
        Ok(policies) => {
            let mut options = options(args);
            options.ip_policies = Some(policies);
            check(&args.paths, args.kind, &options, excluded)
        }
        Err(failure) => Report { failures: vec![failure], ..Report::default() },
    };
    let mut kind = Some(DocumentKind::IpPolicies);
    let files = given.files.into_iter();
    // The lists that the file names are of no kind.
    let files = files.map(|(source, diagnostics)| Checked { source, kind: kind.take(), diagnostics });
    report.add_named(files.collect());
    report
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
            Ok(Looked::Unrelated(name)) => report.unrelated.push(name),
            Ok(Looked::Skipped(skipped)) => report.skipped.push(skipped),
            Err(failure) => report.failures.push(failure),
        }
    }
    report.found_nothing = report.checked.is_empty();
    report.add_named(named);
    report
}

fn check_file(
    file: &FoundFile,
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
        Kind::Test => Some(DocumentKind::Test),
    }
}

/// A file of a search that is no text. One that is too large to be looked at may be anything.
fn unreadable(source: &Source) -> Looked {
    let name = source.name().to_owned();
    match source.text().is_empty() {
        true => Looked::Skipped(Skipped { name, why: "it is larger than what is read".to_owned() }),
        false => Looked::Unrelated(name),
    }
}

/// A file without anything of the language.
fn not_checked(file: &FoundFile, source: &Source, foreign: Option<Foreign>) -> Looked {
    let name = source.name().to_owned();
    match foreign {
        // It may be rendered to a policy.
        Some(what @ Foreign::Template) => Looked::Skipped(Skipped { name, why: what.to_string() }),
        Some(_) if file.outside => Looked::Skipped(Skipped { name, why: "it contains no policy".to_owned() }),
        Some(what) if file.named => {
            Looked::Skipped(Skipped { name, why: printable(&what.to_string()).into_owned() })
        }
        _ => Looked::Unrelated(name),
    }
}
