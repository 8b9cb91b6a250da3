//! One loaded configuration: `edge.yml` and the policies it names, checked and compiled.
//!
//! `policy-core` reads and checks; this file brings the bytes. A start takes all of it or nothing; a reload takes what it
//! can, and names the endpoints whose policies it could not take.

mod incomplete;
mod index;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::check::CheckOptions;
use policy_core::compile::Program;
use policy_core::edge::{EdgeConfig, admin_path, load_edge_files};
use policy_core::parse::decode;
use policy_core::url::EndpointUrl;

use crate::base::files;
use crate::base::files::ReadFile;
use crate::base::reports::Reports;
pub use incomplete::{EndpointPolicy, NotLoaded};
use incomplete::{Filled, fill};
use index::Index;
pub(crate) use index::ListenerKey;

/// A configuration ready to serve. Immutable; shared behind an `Arc`.
#[derive(Debug)]
pub struct Generation {
    /// The configuration.
    pub config: EdgeConfig,
    /// The policy of each endpoint, in the order of the configuration.
    pub programs: Vec<EndpointPolicy>,
    /// The policy of each internal endpoint that has one, in the order of the configuration.
    pub internal_programs: Vec<Option<EndpointPolicy>>,
    /// The endpoints whose policies could not be loaded.
    pub not_loaded: Vec<NotLoaded>,
    /// The files of IP policies that could not be used, as the configuration names them.
    pub unusable_ip_policies: Vec<Box<str>>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    index: Index,
}

impl Generation {
    /// The endpoint behind a listener, by its index in the configuration. O(1).
    pub(crate) fn at_listener(&self, key: &ListenerKey) -> Option<usize> {
        self.index.at_listener(key)
    }

    /// Lets every endpoint listen on a port that the system chooses.
    pub(crate) fn listen_on_any_port(&mut self) {
        self.config.endpoints.iter_mut().for_each(|endpoint| endpoint.listen.value.set_port(0));
        self.index = Index::from_config(&self.config);
    }

    /// The endpoint of a name, by its index in the configuration. O(1).
    pub(crate) fn at_name(&self, name: &str) -> Option<usize> {
        self.index.at_name(name)
    }

    /// The internal endpoint with exactly this URL, by its index in the configuration.
    pub(crate) fn at_internal_url(&self, url: &EndpointUrl) -> Option<usize> {
        let same =
            |at: &usize| self.config.internal_endpoints.get(*at).is_some_and(|it| it.url.value == *url);
        self.config.internal_endpoint(url).filter(same)
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
                let plural = if reports.errors() == 1 { "" } else { "s" };
                write!(f, "the configuration has {} error{plural}\n{reports}", reports.errors())
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
    load_onto(path, read, None, true)
}

/// The same for its author: what only refuses more than was meant is an error, which a start takes with a warning.
///
/// # Errors
/// Those of [`load`].
pub fn check(path: &Path, read: ReadFile<'_>) -> Result<Reports, LoadError> {
    load_onto(path, read, None, false).map(|(_, reports)| reports)
}

/// The same for an edge that serves a configuration already. A policy that cannot be loaded is replaced as its
/// endpoint's `on_bad_policy` says: [`Generation::not_loaded`] names those, the reports say why.
///
/// # Errors
/// [`LoadError`] if the configuration itself cannot be used.
pub fn load_after(
    path: &Path,
    read: ReadFile<'_>,
    previous: &Generation,
) -> Result<(Generation, Reports), LoadError> {
    load_onto(path, read, Some(previous), true)
}

/// Where the admin socket of an edge is, by its configuration, which may be wrong elsewhere.
///
/// # Errors
/// [`LoadError`].
pub fn admin_socket(path: &Path, read: ReadFile<'_>) -> Result<PathBuf, LoadError> {
    let bytes = read(path).map_err(|error| LoadError::Unreadable(path.to_owned(), error))?;
    let (source, found) = decode(path.display().to_string(), bytes);
    let outside = files::leads_outside(path);
    let invalid = |found| LoadError::Invalid(Reports::new(Vec::new(), (source.clone(), found), outside));
    if found.has_errors() {
        return Err(invalid(found));
    }
    admin_path(&source).map(|socket| files::folder_of(path).join(socket)).map_err(invalid)
}

fn load_onto(
    path: &Path,
    read: ReadFile<'_>,
    previous: Option<&Generation>,
    serving: bool,
) -> Result<(Generation, Reports), LoadError> {
    let bytes = read(path).map_err(|error| LoadError::Unreadable(path.to_owned(), error))?;
    let (source, found) = decode(path.display().to_string(), bytes);
    let outside = files::leads_outside(path);
    if found.has_errors() {
        return Err(LoadError::Invalid(Reports::new(Vec::new(), (source, found), outside)));
    }
    let folder = files::folder_of(path);
    let mut named = |name: &str| files::named(folder, name, read);
    let mut list = |file: &str, name: &str, feed: &mut dyn FnMut(&[u8])| {
        files::named_list(files::folder_of(&folder.join(file)), name, feed)
    };
    let mut options = CheckOptions::default();
    options.serving = serving;
    let loaded = load_edge_files(&source, &options, &mut named, &mut list);
    let reports = Reports::new(loaded.policies, (source, loaded.findings), outside);
    let filled = match (loaded.usable, loaded.incomplete, previous) {
        (Some((config, programs)), ..) => {
            let programs_of = |program: Arc<Program>| EndpointPolicy::Program(program);
            Filled {
                config,
                programs: programs.endpoints.into_iter().map(programs_of).collect(),
                internal_programs: programs.internal.into_iter().map(|it| it.map(programs_of)).collect(),
                not_loaded: Vec::new(),
                unusable_ip_policies: Vec::new(),
            }
        }
        (None, Some(incomplete), Some(previous)) => fill(incomplete, previous),
        _ => return Err(LoadError::Invalid(reports)),
    };
    let Filled { config, programs, internal_programs, not_loaded, unusable_ip_policies } = filled;
    let (index, folder) = (Index::from_config(&config), folder.to_owned());
    let generation =
        Generation { config, programs, internal_programs, not_loaded, unusable_ip_policies, folder, index };
    Ok((generation, reports))
}
