//! The files of IP policies that an edge's configuration names, with the lists that these name.
//!
//! They are read before the configuration itself is checked, since inline policies may name what they hold. What
//! cannot be used keeps those policies from being loaded that need it, and no others.

use std::collections::BTreeSet;

use super::read::IP_POLICIES;
use crate::diagnostic::{Diagnostic, Diagnostics, counted, printable, shorten};
use crate::endpoint_policy::ReadPolicy;
use crate::ip_policies::{IpPolicies, IpPolicyFiles, MAX_NETWORKS, load_within};
use crate::language::language;
use crate::named_file::{NamedFile, withhold};
use crate::options::CheckOptions;
use crate::parse::{Document, decode};
use crate::reader::{DUPLICATE, Fields, Reader, UNREADABLE_FILE, head};
use crate::schema::Context;
use crate::source::{Source, Spanned};

/// Reads a list file, piece by piece: by the name of the file of IP policies as the configuration has it, and the name
/// of the list as that file has it, to which it is relative. Unpacking is the host's:
/// [`unpack`](crate::ip_policies::unpack).
pub type ReadListOf<'a> = &'a mut dyn FnMut(&str, &str, &mut dyn FnMut(&[u8])) -> NamedFile<()>;

/// The IP policies that a configuration names, as far as they can be used.
pub(super) struct NamedIpPolicies {
    pub(super) policies: IpPolicies,
    /// What to say in the configuration.
    pub(super) found: Diagnostics,
    /// The files of IP policies and the lists, each with its findings.
    pub(super) files: Vec<(Source, Diagnostics)>,
    /// The files of IP policies that cannot be used, as the configuration names them.
    pub(super) unusable: Vec<Box<str>>,
    /// The ids of all files.
    known: BTreeSet<Box<str>>,
}

/// Loads the IP policies that a configuration names.
pub(super) fn load_named(
    document: &Document,
    options: &CheckOptions,
    read: ReadPolicy<'_>,
    read_list: ReadListOf<'_>,
) -> NamedIpPolicies {
    let mut out = NamedIpPolicies {
        policies: IpPolicies::default(),
        found: Diagnostics::default(),
        files: Vec::new(),
        unusable: Vec::new(),
        known: BTreeSet::new(),
    };
    for name in names_in(document, options) {
        out.load(&name, options, read, read_list);
    }
    out
}

/// The files that a configuration names. What is wrong with the names is said where the configuration is checked.
fn names_in(document: &Document, options: &CheckOptions) -> Vec<Spanned<Box<str>>> {
    let reader = Reader::new(document, options, language());
    let Some((root, fields)) = document.root().and_then(|root| Some((root, Fields::from_node(root)?))) else {
        return Vec::new();
    };
    let cx = Context { reader: &reader, place: None, owner: ("the edge configuration", head(root)) };
    cx.optional(&fields, &IP_POLICIES).flatten().unwrap_or_default()
}

impl NamedIpPolicies {
    fn load(
        &mut self,
        name: &Spanned<Box<str>>,
        options: &CheckOptions,
        read: ReadPolicy<'_>,
        read_list: ReadListOf<'_>,
    ) {
        let shown_name = printable(&name.value);
        let report = |message: String, help: String| {
            Diagnostic::new(&UNREADABLE_FILE, name.span, message).with_help(help)
        };
        let NamedFile { shown, content, outside } = read(&name.value);
        let bytes = match content {
            Ok(bytes) => bytes,
            Err(reason) => {
                let message = format!("cannot read the file of IP policies `{shown_name}`: {reason}");
                let help = "the path is relative to this file; check that it exists and may be read";
                self.found.push(report(message, help.to_owned()));
                self.lack(name);
                return;
            }
        };
        let (source, mut found) = decode(shown, bytes);
        let mut policies = None;
        if !found.has_errors() {
            let room = MAX_NETWORKS.saturating_sub(self.policies.networks());
            let mut list = |list: &str, feed: &mut dyn FnMut(&[u8])| read_list(&name.value, list, feed);
            let IpPolicyFiles { usable, findings, lists } = load_within(&source, options, &mut list, room);
            policies = usable;
            found.append(findings);
            // Names in a file that is not shown are not shown either.
            self.files.extend(lists.into_iter().filter(|_| !outside));
        }
        if found.has_errors() {
            let errors = counted(found.errors(), "error", "errors");
            let message = format!("the file of IP policies `{shown_name}` has {errors}");
            let help =
                format!("fix the errors in that file first; `policy lint {}` lists them", source.name());
            let report = report(message, help);
            self.found.push(if outside { report } else { report.into_consequence() });
        }
        self.files.push(if outside { withhold(&source, found) } else { (source, found) });
        let Some(policies) = policies else { return self.lack(name) };
        let twice = self.policies.merge(policies, &mut self.known);
        for id in &twice {
            let id =
                if outside { "an IP policy".to_owned() } else { format!("the IP policy `{}`", shorten(id)) };
            let message = format!("{id} of `{shown_name}` is in another file as well");
            let found = Diagnostic::new(&DUPLICATE, name.span, message);
            self.found.push(found.with_help("use each id only once"));
        }
        if !twice.is_empty() {
            self.lack(name);
        }
    }

    fn lack(&mut self, name: &Spanned<Box<str>>) {
        self.policies.lack();
        self.unusable.push(name.value.clone());
    }
}

#[cfg(test)]
mod tests;
