//! Loads a configuration and the files that it names.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::check::CheckOptions;
use policy_core::compile::Program;
use policy_core::diagnostic::counted;
use policy_core::edge::{admin_path, load_edge_files};
use policy_core::named_file::reason;
use policy_core::parse::decode;

use super::incomplete::{Filled, fill};
use super::index::Index;
use super::loaded::Generation;
use super::policy::EndpointPolicy;
use crate::base::files;
use crate::base::files::ReadFile;
use crate::base::reports::Reports;

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
            Self::Unreadable(path, error) => write!(f, "cannot read `{}`: {}", path.display(), reason(error)),
            Self::Invalid(reports) => {
                let errors = counted(reports.errors(), "error", "errors");
                write!(f, "the configuration has {errors}\n{reports}")
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
