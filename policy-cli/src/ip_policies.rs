//! IP policies of the command line, with the list files they name.

use std::path::Path;
use std::sync::Arc;

use policy_core::check::CheckOptions;
use policy_core::diagnostic::drop_consequences;
use policy_core::ip_policies::{IpPolicies, IpPolicyFiles, ListedAt, find_network, load_ip_policy_files};
use policy_core::ir::Entry;
use policy_core::source::Source;

use crate::exit::Failure;
use crate::files::{folder_of, read};
use crate::lists;
use crate::render::text::findings_of;

/// IP policies with the list files they name, relative to their own file.
pub(crate) fn load(source: &Source, path: &Path, options: &CheckOptions) -> IpPolicyFiles {
    let folder = folder_of(path);
    load_ip_policy_files(source, options, &mut |name, feed| lists::read_named(folder, name, feed))
}

/// The IP policies that the command line names. What is found in them goes to standard error.
pub(crate) fn given(path: &Path) -> Result<Arc<IpPolicies>, Failure> {
    let file = read(path)?;
    let mut found = file.found.clone();
    let (mut policies, mut named) = (None, Vec::new());
    if !found.has_errors() {
        let loaded = load(&file.source, path, &CheckOptions::default());
        policies = loaded.usable;
        found.append(loaded.findings);
        named = loaded.lists;
        drop_consequences(named.iter_mut().map(|(_, found)| found).chain([&mut found]));
    }
    let mut err = anstream::stderr().lock();
    let (source, found) = file.shown(found);
    // The findings go to standard error; if that fails too, the exit code still tells.
    let _ = findings_of(&mut err, &source, &found);
    // Names in a file that is not shown are not shown either.
    let mut shown = named.iter().filter(|_| !file.is_outside());
    let _ = shown.try_for_each(|(list, found)| findings_of(&mut err, list, found));
    let unusable = || Failure::Usage(format!("`{}` is no usable list of IP policies", source.name()));
    policies.map(Arc::new).ok_or_else(unusable)
}

/// Where an entry stands that an IP policy has: the file of IP policies or a list, and the line. Nothing of files that
/// must not be shown.
pub(crate) fn listed_at(path: &Path, id: &str, entry: &Entry, allow: bool) -> Option<ListedAt> {
    // Standard input and pipes have been read and are gone.
    let file = path.is_file().then(|| read(path).ok()).flatten().filter(|file| !file.is_outside())?;
    let folder = folder_of(path);
    find_network(&file.source, id, (entry.network, allow), &mut |name, feed| {
        lists::read_named(folder, name, feed)
    })
}
