//! The report of a lint: what was looked at, what was found and what was left out; what every format shows.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use policy_core::diagnostic::{Diagnostics, drop_consequences};
use policy_core::lint::DocumentKind;
use policy_core::source::Source;

use crate::exit::{Exit, Failure, after_output};

/// What was looked at, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Files with their findings.
    pub(crate) checked: Vec<Checked>,
    /// Files of searched folders that are neither a policy nor a configuration.
    pub(crate) unrelated: Vec<String>,
    /// What was not read or not checked although it may hold a policy: each with the reason.
    pub(crate) skipped: Vec<Skipped>,
    /// True if the paths of the call hold nothing to check.
    pub(crate) found_nothing: bool,
    /// Files that could not be read.
    pub(crate) failures: Vec<Failure>,
}

/// Something that was left out.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) why: String,
}

/// What was found in one file.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) source: Source,
    pub(crate) kind: Option<DocumentKind>,
    pub(crate) diagnostics: Diagnostics,
}

impl Report {
    /// A warning about the run as a whole, which has no place in a file: there was nothing to check.
    pub(crate) const fn general_warning(&self) -> Option<&'static str> {
        match self.found_nothing && self.failures.is_empty() {
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
            true => Exit::Negative,
            false => Exit::Success,
        };
        for failure in self.failures {
            failure.report();
        }
        after_output(written, verdict)
    }

    /// Adds what was found in files that checked ones or the call name.
    pub(crate) fn add_named(&mut self, named: Vec<Checked>) {
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
                // A policy may be right for one endpoint and wrong for another; anything else is the same for all.
                Some(file) if new.kind == Some(DocumentKind::Policy) => {
                    file.diagnostics.append(new.diagnostics);
                    file.diagnostics.sort();
                }
                Some(_) => {}
                None => self.checked.push(new),
            }
        }
    }
}
