//! One loaded configuration: `edge.yml` and the policies it names, checked and compiled.
//!
//! Loading touches files only through the reader it is given, and nothing is half-loaded: either all of it
//! is usable, or the reports say what is not.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::check::{CheckedPolicy, load_policy};
use policy_core::compile::{CompileLimits, Program, compile};
use policy_core::diagnostic::{Diagnostic, Diagnostics, Plain};
use policy_core::edge::{EdgeConfig, PolicySource, check_targets, load_edge, unreadable, unusable};
use policy_core::parse::decode;
use policy_core::source::{Source, Span};

/// Reads a file; the path is already resolved.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// A configuration ready to serve. Immutable; shared behind an `Arc`.
#[derive(Debug)]
pub struct Generation {
    /// The configuration.
    pub config: EdgeConfig,
    /// The program of each endpoint, in the order of the configuration.
    pub programs: Vec<Arc<Program>>,
    /// The program of each internal endpoint that has a policy, in the order of the configuration.
    pub internal_programs: Vec<Option<Arc<Program>>>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
}

/// What loading found, file by file.
#[derive(Debug, Default)]
pub struct Reports {
    files: Vec<(Source, Diagnostics)>,
}

impl Reports {
    fn push(&mut self, source: Source, mut diagnostics: Diagnostics) {
        diagnostics.sort();
        self.files.push((source, diagnostics));
    }

    /// Number of errors in all files.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.files.iter().map(|(_, found)| found.errors()).sum()
    }

    /// Number of warnings in all files.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.files.iter().map(|(_, found)| found.warnings()).sum()
    }

    /// Number of files looked at.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// One line per finding.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.files.iter().filter(|(_, found)| !found.is_empty()).map(|(source, diagnostics)| {
            let mut text = Plain { source, diagnostics }.to_string();
            if diagnostics.dropped() > 0 {
                text.push_str(&format!("\n{}: {} more findings", source.name(), diagnostics.dropped()));
            }
            text
        })
    }
}

impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Why nothing could be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The configuration file itself cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The configuration or a policy has errors.
    Invalid(Reports),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::Invalid(reports) => {
                write!(f, "{reports}the configuration has {} errors", reports.errors())
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads a configuration and every policy file it names.
///
/// # Errors
/// [`LoadError`]; the reports of an invalid configuration hold every finding of every file.
pub fn load(path: &Path, read: ReadFile<'_>) -> Result<(Generation, Reports), LoadError> {
    let bytes = read(path).map_err(|error| LoadError::Unreadable(path.to_owned(), error))?;
    let (source, mut found) = decode(path.display().to_string(), bytes);
    let mut config = None;
    if !found.has_errors() {
        let (edge, later) = load_edge(&source);
        config = edge;
        found.append(later);
    }
    let mut reports = Reports::default();
    let Some(config) = config else {
        reports.push(source, found);
        return Err(LoadError::Invalid(reports));
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut loader = Loader { folder, read, found, reports };
    let programs: Vec<_> =
        config.endpoints.iter().map(|it| loader.policy(&it.policy, it.name.span)).collect();
    let internal: Vec<_> = config
        .internal_endpoints
        .iter()
        .map(|it| it.policy.as_ref().map(|policy| loader.policy(policy, it.url.span)))
        .collect();

    let Loader { mut found, mut reports, .. } = loader;
    let all = programs.iter().chain(internal.iter().flatten()).flatten();
    check_targets(&config, all.map(|(at, program)| (*at, &**program)), &mut found);
    reports.push(source, found);
    if reports.errors() > 0 {
        return Err(LoadError::Invalid(reports));
    }
    // INVARIANT: a policy without a program has left an error in the reports.
    let generation = Generation {
        programs: programs.into_iter().flatten().map(|(_, program)| program).collect(),
        internal_programs: internal.into_iter().map(|it| it.flatten().map(|(_, program)| program)).collect(),
        folder: folder.to_owned(),
        config,
    };
    Ok((generation, reports))
}

struct Loader<'a> {
    folder: &'a Path,
    read: ReadFile<'a>,
    /// Findings of the configuration itself.
    found: Diagnostics,
    reports: Reports,
}

impl Loader<'_> {
    /// The program of a policy, with the place that names the policy.
    fn policy(&mut self, source: &PolicySource, owner: Span) -> Option<(Span, Arc<Program>)> {
        match source {
            PolicySource::Inline(policy) => {
                let program = self.compile(policy).map_err(|error| self.found.push(*error)).ok()?;
                Some((owner, program))
            }
            PolicySource::File(name) => self.policy_file(&name.value, name.span),
            _ => None,
        }
    }

    fn policy_file(&mut self, name: &str, at: Span) -> Option<(Span, Arc<Program>)> {
        let path = self.folder.join(name);
        let bytes = match (self.read)(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.found.push(unreadable(at, name, &error.to_string()));
                return None;
            }
        };
        let (source, mut found) = decode(path.display().to_string(), bytes);
        let mut program = None;
        if !found.has_errors() {
            let (policy, later) = load_policy(&source);
            found.append(later);
            program =
                policy.and_then(|policy| self.compile(&policy).map_err(|error| found.push(*error)).ok());
        }
        if found.has_errors() {
            self.found.push(unusable(at, name, found.errors()));
        }
        self.reports.push(source, found);
        program.map(|program| (at, program))
    }

    fn compile(&self, policy: &CheckedPolicy) -> Result<Arc<Program>, Box<Diagnostic>> {
        compile(policy, &CompileLimits::default()).map(Arc::new)
    }
}

/// Reads a file of the file system, never more than the parser accepts.
///
/// # Errors
/// Those of the file system.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    let most = policy_core::parse::MAX_SOURCE_BYTES as u64 + 1;
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
