//! The policy files that a configuration names. Each is read once, and checked once for each kind of endpoint,
//! however many endpoints name it.

use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use super::PolicySource;
use crate::check::document::NOT_TERMINATED;
use crate::check::{CheckOptions, CheckedPolicy, load_policy};
use crate::diagnostic::{Diagnostic, Diagnostics, counted, printable};
use crate::named_file::{NamedFile, withhold};
use crate::options::EndpointTraits;
use crate::parse::decode;
use crate::reader::UNREADABLE_FILE;
use crate::source::{Source, Span};

/// Reads a policy file by the name that the configuration gives it. Relative names are relative to the configuration.
pub type ReadPolicy<'a> = &'a mut dyn FnMut(&str) -> NamedFile<Vec<u8>>;

/// The policy files that a configuration names, as far as they are read.
pub(crate) struct PolicyFiles<'a> {
    read: ReadPolicy<'a>,
    options: &'a CheckOptions,
    known: HashMap<Box<str>, LookedUp>,
    files: Vec<File>,
}

/// A name that was looked up.
#[derive(Default)]
struct LookedUp {
    /// The file; none if it cannot be read.
    file: Option<usize>,
    /// What it is for a kind of endpoint; none if it is unusable.
    checked: Vec<(EndpointTraits, Option<Rc<CheckedPolicy>>)>,
}

/// A file that could be read.
struct File {
    source: Source,
    found: Diagnostics,
    outside: bool,
    /// False if its bytes are no text that can be parsed.
    decoded: bool,
}

/// A policy of the configuration itself, or of a file.
#[derive(Clone)]
pub(crate) enum Usable<'p> {
    Inline(&'p CheckedPolicy),
    File(Rc<CheckedPolicy>),
}

impl Usable<'_> {
    /// The policy, if it stands in a file.
    pub(crate) fn file(&self) -> Option<Rc<CheckedPolicy>> {
        match self {
            Self::Inline(_) => None,
            Self::File(policy) => Some(Rc::clone(policy)),
        }
    }
}

impl Deref for Usable<'_> {
    type Target = CheckedPolicy;

    fn deref(&self) -> &CheckedPolicy {
        match self {
            Self::Inline(policy) => policy,
            Self::File(policy) => policy,
        }
    }
}

impl<'a> PolicyFiles<'a> {
    pub(crate) fn new(read: ReadPolicy<'a>, options: &'a CheckOptions) -> Self {
        Self { read, options, known: HashMap::new(), files: Vec::new() }
    }

    /// The policy files that could be read, each with its findings. Of those outside of the folder of the
    /// configuration nothing is left that must not be shown.
    pub(crate) fn into_read(self) -> Vec<(Source, Diagnostics)> {
        let shown = |mut file: File| {
            file.found.sort();
            match file.outside {
                true => withhold(&file.source, file.found),
                false => (file.source, file.found),
            }
        };
        self.files.into_iter().map(shown).collect()
    }

    /// The policy of an endpoint, read from its file if it has one; `None` if it is unusable. What is wrong with
    /// a file is said in the findings of the configuration too, where it is first named.
    pub(crate) fn policy<'p>(
        &mut self,
        policy: &'p PolicySource,
        endpoint: EndpointTraits,
        findings: &mut Diagnostics,
    ) -> Option<Usable<'p>> {
        match policy {
            PolicySource::Inline(policy) => Some(Usable::Inline(policy)),
            PolicySource::File(name) => {
                self.file(&name.value, name.span, endpoint, findings).map(Usable::File)
            }
        }
    }

    fn file(
        &mut self,
        name: &str,
        at: Span,
        endpoint: EndpointTraits,
        findings: &mut Diagnostics,
    ) -> Option<Rc<CheckedPolicy>> {
        if !self.known.contains_key(name) {
            let file = self.read(name, at, findings);
            self.known.insert(name.into(), LookedUp { file, checked: Vec::new() });
        }
        let known = self.known.get_mut(name)?;
        if let Some((_, policy)) = known.checked.iter().find(|(traits, _)| *traits == endpoint) {
            return policy.clone();
        }
        let file = self.files.get_mut(known.file?)?;
        let mut policy = None;
        if file.decoded {
            let options = CheckOptions { endpoint, ..self.options.clone() };
            let (checked, found) = load_policy(&file.source, &options);
            report_errors(&found, name, &file.source, at, findings);
            file.found.append(found);
            policy = checked.map(Rc::new);
        }
        known.checked.push((endpoint, policy.clone()));
        policy
    }

    /// Reads a file; nothing if that fails, which is reported.
    fn read(&mut self, name: &str, at: Span, findings: &mut Diagnostics) -> Option<usize> {
        let NamedFile { shown, content, outside } = (self.read)(name);
        let bytes = match content {
            Ok(bytes) => bytes,
            Err(reason) => {
                let message = format!("cannot read the policy file `{}`: {reason}", printable(name));
                let help = "the path is relative to this file; check that it exists and may be read";
                findings.push(Diagnostic::new(&UNREADABLE_FILE, at, message).with_help(help));
                return None;
            }
        };
        let (source, found) = decode(shown, bytes);
        report_errors(&found, name, &source, at, findings);
        let decoded = !found.has_errors();
        self.files.push(File { source, found, outside, decoded });
        Some(self.files.len() - 1)
    }

    /// True if what stands in a policy must not be shown.
    pub(crate) fn is_outside(&self, policy: &PolicySource) -> bool {
        self.file_of(policy).is_some_and(|at| self.files.get(at).is_none_or(|file| file.outside))
    }

    fn file_of(&self, policy: &PolicySource) -> Option<usize> {
        let PolicySource::File(name) = policy else { return None };
        self.known.get(&name.value).and_then(|known| known.file)
    }

    /// Adds what keeps a policy from being used, like any fault of its file; of one in the configuration itself, to
    /// the findings there.
    pub(crate) fn report(&mut self, found: Diagnostics, policy: &PolicySource, findings: &mut Diagnostics) {
        let file = self.file_of(policy).and_then(|at| self.files.get_mut(at));
        match (policy, file) {
            (PolicySource::File(name), Some(file)) => {
                report_errors(&found, &name.value, &file.source, name.span, findings);
                file.found.append(found);
            }
            _ => findings.append(found),
        }
    }
}

/// Says in the configuration that a file has errors.
fn report_errors(found: &Diagnostics, name: &str, file: &Source, at: Span, findings: &mut Diagnostics) {
    if !found.has_errors() {
        return;
    }
    let errors = counted(found.errors(), "error", "errors");
    let message = format!("the policy file `{}` has {errors}", printable(name));
    // Alone it may have an upstream, and no such error.
    let cloud = found.iter().any(|item| std::ptr::eq(item.code, &NOT_TERMINATED));
    let flag = if cloud { "--cloud " } else { "" };
    let help = format!("fix the errors in that file first; `policy lint {flag}{}` lists them", file.name());
    let report = Diagnostic::new(&UNREADABLE_FILE, at, message).with_help(help);
    // Of an error of its own it is told which endpoint it keeps from being served.
    findings.push(if found.has_causes() { report } else { report.into_consequence() });
}
