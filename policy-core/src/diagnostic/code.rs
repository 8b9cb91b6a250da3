//! Codes: what kinds of findings there are. A stage declares its own with [`codes!`], a line each.

use std::fmt;

use super::Severity;
use crate::ngrok::NgrokCode;

/// The stable identity of a kind of finding. Two are equal if their ids are.
///
/// The first digit of the id names the stage: 1 parse, 2 expressions, 3 model, 4 check, 5 analysis,
/// 6 compile, 9 evaluate. An id is never given a second meaning.
#[non_exhaustive]
pub struct Code {
    /// The id, `TPnnn`.
    pub id: &'static str,
    /// A readable name in kebab case.
    pub slug: &'static str,
    /// The severity unless the diagnostic says otherwise.
    pub severity: Severity,
    /// ngrok's codes for the same fault (ngrok documentation, error reference, 2026-08-07).
    pub ngrok: &'static [NgrokCode],
    /// What it means, why it matters, a failing and a fixed example, as Markdown.
    pub page: &'static str,
    /// True if something is missing: only a file that was read to its end can show that.
    pub(crate) absence: bool,
}

impl Code {
    /// A code that is an error unless the diagnostic says otherwise.
    pub(crate) const fn error(id: &'static str, slug: &'static str, page: &'static str) -> Self {
        Self { id, slug, severity: Severity::Error, ngrok: &[], page, absence: false }
    }

    /// The same of a warning.
    pub(crate) const fn warning(id: &'static str, slug: &'static str, page: &'static str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(id, slug, page) }
    }

    /// The same of a note.
    pub(crate) const fn note(id: &'static str, slug: &'static str, page: &'static str) -> Self {
        Self { severity: Severity::Note, ..Self::error(id, slug, page) }
    }

    /// Says that something is missing.
    pub(crate) const fn absence(self) -> Self {
        Self { absence: true, ..self }
    }

    /// Says which codes ngrok has for it.
    pub(crate) const fn ngrok(self, codes: &'static [NgrokCode]) -> Self {
        Self { ngrok: codes, ..self }
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.slug)
    }
}

/// The codes of a file and of the files below it.
#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) own: &'static [&'static Code],
    pub(crate) below: &'static [&'static Self],
}

impl Codes {
    /// All of them, in no order.
    pub(crate) fn all(&self) -> Vec<&'static Code> {
        let mut all = self.own.to_vec();
        all.extend(self.below.iter().flat_map(|codes| codes.all()));
        all
    }

    /// True if a code is one of them.
    pub(crate) fn contains(&self, code: &Code) -> bool {
        self.own.contains(&code) || self.below.iter().any(|codes| codes.contains(code))
    }
}

/// Declares the codes of a file: their severity, id and slug, ngrok's codes for the same fault, and `absence` if
/// something is missing. The page of each is its file in `docs/diagnostics`. `..name;` adds the codes of the module
/// `name`, which this one declares or uses. All of them are the `CODES` of the file.
macro_rules! codes {
    (
        $($(#[$doc:meta])* $vis:vis static $name:ident =
            $severity:ident($id:literal, $slug:literal $(, $ngrok:ident)*) $(.$absence:ident())?;)*
        $(..$below:ident;)*
    ) => {
        $(
            $(#[$doc])*
            $vis static $name: $crate::diagnostic::Code = $crate::diagnostic::Code::$severity(
                $id,
                $slug,
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics/", $id, ".md")),
            )
            .ngrok(&[$($crate::ngrok::$ngrok),*])
            $(.$absence())?;
        )*

        /// The codes of this file and of those below it.
        pub(crate) static CODES: $crate::diagnostic::Codes =
            $crate::diagnostic::Codes { own: &[$(&$name),*], below: &[$(&$below::CODES),*] };
    };
}

pub(crate) use codes;
