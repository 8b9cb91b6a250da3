//! What was found in the files of a configuration.

use std::fmt;

use policy_core::diagnostic::{Diagnostics, Plain, drop_consequences};
use policy_core::named_file::withhold;
use policy_core::source::Source;

/// What loading found, file by file.
#[derive(Debug, Default)]
pub struct Reports {
    files: Vec<(Source, Diagnostics)>,
}

impl Reports {
    /// The findings of a configuration and of the files it names. Of a configuration `outside` nothing is shown, the
    /// names in it included.
    pub(crate) fn new(
        named: Vec<(Source, Diagnostics)>,
        (source, found): (Source, Diagnostics),
        outside: bool,
    ) -> Self {
        if outside {
            return Self { files: vec![withhold(&source, found)] };
        }
        let mut files = named;
        files.push((source, found));
        drop_consequences(files.iter_mut().map(|(_, found)| found));
        Self { files }
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

    /// The findings of each file that has any, one line per finding.
    pub fn texts(&self) -> impl Iterator<Item = String> {
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
        self.texts().try_for_each(|text| writeln!(f, "{text}"))
    }
}
