//! The short way to a program: the text of a policy in, a program or its findings out.

use std::error::Error;
use std::fmt;

use super::{CompileOptions, Program, compile};
use crate::check::{CheckOptions, load_policy};
use crate::diagnostic::{Diagnostics, Plain};
use crate::source::Source;

/// Why a text did not become a program: its findings, and the text whose places they name.
///
/// Displays as one line for each finding, `file:line:column: error[TPnnn]: message (help)`; `Debug` is the same, since
/// that is what a `main` that returns the error prints.
///
/// ```
/// use policy_core::compile::Program;
/// let error = Program::from_policy("p.yml", "on_tcp_connect: [{actions: [{type: dney}]}]").expect_err("misspelt");
/// assert!(error.to_string().starts_with("p.yml:1:36: error[TP305]: "));
/// assert_eq!(error.diagnostics.errors(), 1);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct PolicyError {
    /// The text, by the name it was given.
    pub source: Source,
    /// What was found in it: at least one error.
    pub diagnostics: Diagnostics,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain { source: &self.source, diagnostics: &self.diagnostics }.fmt(f)
    }
}

impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PolicyError {}

impl Program {
    /// Parses, checks and compiles a policy, all with their defaults: for an edge of TCP connections, without IP
    /// policies. `name` is what findings call the text, usually its path. O(text + addresses · log addresses).
    ///
    /// Warnings of a policy that compiles are dropped: [`load_policy`] has them, and `policy lint` shows them.
    ///
    /// # Errors
    /// Everything that was found in the text, if an error is among it; what this version does not run is one (TP601).
    ///
    /// ```
    /// use policy_core::compile::Program;
    /// use policy_core::phase::Phase;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let program = Program::from_policy("device1.yml", "on_tcp_connect: [{actions: [{type: deny}]}]")?;
    ///     assert_eq!(program.rules(Phase::OnTcpConnect).count(), 1);
    ///     Ok(())
    /// }
    /// ```
    pub fn from_policy(name: impl Into<Box<str>>, text: impl Into<String>) -> Result<Self, PolicyError> {
        Self::from_policy_with(name, text, &CompileOptions::default())
    }

    /// The same for a host of other phases, or with IP policies.
    ///
    /// # Errors
    /// As [`Self::from_policy`].
    pub fn from_policy_with(
        name: impl Into<Box<str>>,
        text: impl Into<String>,
        options: &CompileOptions,
    ) -> Result<Self, PolicyError> {
        let source = Source::new(name, text);
        let (policy, diagnostics) = load_policy(&source, &CheckOptions::default());
        let Some(policy) = policy else { return Err(PolicyError { source, diagnostics }) };
        compile(&policy, options).map_err(|diagnostics| PolicyError { source, diagnostics })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_line_for_each_finding() {
        let text = "on_tcp_connect:\n  - actions:\n      - type: dney\n  - actions:\n      - typ: deny\n";
        let error = Program::from_policy("site/p.yml", text).expect_err("two faults");
        let lines = error.to_string();
        let places: Vec<_> = lines.lines().filter_map(|line| line.split_once(": ")).collect();
        assert!(places.len() >= 2, "{lines}");
        assert!(lines.starts_with("site/p.yml:3:15: error[TP305]: "), "{lines}");
        assert_eq!(format!("{error:?}"), lines);
        let boxed: Box<dyn Error + Send + Sync> = error.into();
        assert_eq!(boxed.to_string(), lines);
    }

    #[test]
    fn what_does_not_run_is_an_error_at_its_place() {
        let text = "on_http_request:\n  - actions:\n      - type: deny\n";
        let error = Program::from_policy("p.yml", text).expect_err("another phase");
        let lines = error.to_string();
        assert!(lines.starts_with("p.yml:1:1: error[TP601]: "), "{lines}");
    }

    #[test]
    fn warnings_are_no_error() {
        let text = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [192.0.2.1]}}]}]";
        assert!(Program::from_policy("p.yml", text).is_ok());
    }
}
