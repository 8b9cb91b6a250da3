//! IP policies together with the list files they name: all of them, or none.

use super::list::LIST_LIMIT;
use super::{IpPolicies, ListReader, MAX_NETWORKS, NamedList, Written, check_document};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, counted, printable};
use crate::named_file::{NamedFile, withhold};
use crate::options::CheckOptions;
use crate::parse;
use crate::reader::UNREADABLE_FILE;
use crate::source::Source;

/// List files that one file of IP policies may name.
pub const MAX_FILES: usize = 64;

/// Reads a list file by the name that the IP policies give it, piece by piece; fails if it cannot be read to its end.
/// Relative names are relative to the file of IP policies; unpacking is the host's.
pub type ReadList<'a> = &'a mut dyn FnMut(&str, &mut dyn FnMut(&[u8])) -> NamedFile<()>;

/// IP policies and the lists they name.
#[derive(Debug)]
#[non_exhaustive]
pub struct IpPolicyFiles {
    /// What can be used; `None` if any file has an error.
    pub usable: Option<IpPolicies>,
    /// The findings of the file of IP policies itself, sorted by place.
    pub findings: Diagnostics,
    /// The list files, as far as they could be read, each with its findings.
    pub lists: Vec<(Source, Diagnostics)>,
}

/// Reads a file of IP policies and the list files it names. A list that several policies name is read once.
///
/// # Complexity
/// O(bytes). Memory: at most twice [`MAX_NETWORKS`] networks, those of all lists and of the one that is read.
///
/// ```
/// use policy_core::{check::CheckOptions, ip_policies::load_ip_policy_files, named_file::NamedFile, source::Source};
/// let source = Source::new("ip-policies.yml", "
/// - id: ipp_guests
///   files: [{path: blocklist.txt, action: deny}]
/// ");
/// let mut read = |name: &str, feed: &mut dyn FnMut(&[u8])| {
///     feed(b"203.0.113.0/24\n2001:db8::/32\n");
///     NamedFile::new(format!("lists/{name}"), Ok(()))
/// };
/// let loaded = load_ip_policy_files(&source, &CheckOptions::default(), &mut read);
/// let policies = loaded.usable.expect("no errors");
/// assert_eq!(policies.get("ipp_guests").map(|policy| policy.deny.len()), Some(2));
/// ```
#[must_use]
pub fn load_ip_policy_files(source: &Source, options: &CheckOptions, read: ReadList<'_>) -> IpPolicyFiles {
    load_within(source, options, read, MAX_NETWORKS)
}

/// The same with room for so many networks from lists.
pub(crate) fn load_within(
    source: &Source,
    options: &CheckOptions,
    read: ReadList<'_>,
    mut room: usize,
) -> IpPolicyFiles {
    let (mut findings, mut lists) = (Diagnostics::default(), Vec::new());
    let document = parse::parse(source, &options.limits, &mut findings);
    let written = check_document(&document, options, &mut findings);
    let mut usable = None;
    if let Some(Written { mut policies, lists: named }) = written {
        for list in named {
            if let Some(taken) = read_list(&list, read, room, &mut findings, &mut lists) {
                room = room.saturating_sub(taken.len().saturating_mul(list.of.len()));
                for (id, allow) in &list.of {
                    let policy = policies.get_mut(id).into_iter();
                    policy.for_each(|policy| policy.take(taken.iter().map(|network| (*network, *allow))));
                }
            }
        }
        usable = Some(policies);
    }
    findings.sort();
    // INVARIANT: a list that was not taken has left an error in the findings.
    IpPolicyFiles { usable: usable.filter(|_| !findings.has_errors()), findings, lists }
}

/// The networks of a list; `None` if it is unusable, which is said in the findings too.
fn read_list(
    named: &NamedList,
    read: ReadList<'_>,
    room: usize,
    findings: &mut Diagnostics,
    lists: &mut Vec<(Source, Diagnostics)>,
) -> Option<Vec<ipnetwork::IpNetwork>> {
    let path = printable(&named.path.value);
    let mut reader = ListReader::new(&*named.path.value);
    let NamedFile { shown, content: outcome, outside } =
        read(&named.path.value, &mut |bytes| reader.feed(bytes));
    if outcome.is_err() {
        reader.break_off();
    }
    let list = reader.named(shown).finish();
    let report =
        |code, message: String, help: String| Diagnostic::new(code, named.path.span, message).with_help(help);
    if let Err(reason) = &outcome {
        let message = format!("cannot read the list file `{path}`: {reason}");
        let help = "the path is relative to this file; check that it is there, whole and may be read";
        findings.push(report(&UNREADABLE_FILE, message, help.to_owned()));
    }
    let first = list.findings.iter().find(|item| item.severity == Severity::Error);
    if let Some(first) = first {
        let errors = counted(list.findings.errors(), "error", "errors");
        let line = list.source.position(first.span.start).line;
        let message = format!("the list file `{path}` has {errors}, the first in line {line}");
        let help = format!(
            "fix the errors in that file first; `policy lint --kind list {}` lists them",
            list.source.name()
        );
        // Of a list outside, nothing is shown that says who names it.
        let report = report(&UNREADABLE_FILE, message, help);
        findings.push(if outside { report } else { report.into_consequence() });
    }
    let networks = list.networks.filter(|_| outcome.is_ok());
    let fits = |networks: &Vec<_>| networks.len().saturating_mul(named.of.len()) <= room;
    let taken = match networks {
        Some(networks) if !fits(&networks) => {
            let message = format!("with `{path}`, the list files have more than {MAX_NETWORKS} networks");
            let help = "merge neighbouring networks into larger ones";
            findings.push(report(&LIST_LIMIT, message, help.to_owned()));
            None
        }
        other => other,
    };
    if outcome.is_ok() || !list.findings.is_empty() {
        lists.push(match outside {
            true => withhold(&list.source, list.findings),
            false => (list.source, list.findings),
        });
    }
    taken
}

#[cfg(test)]
mod tests;
