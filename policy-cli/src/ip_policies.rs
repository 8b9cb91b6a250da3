//! IP policies of the command line, with the list files they name.

use std::path::Path;
use std::sync::Arc;

use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, drop_consequences};
use policy_core::ip_policies::{IpPolicies, IpPolicyFiles, ListedAt, find_network, load_ip_policy_files};
use policy_core::ir::Entry;
use policy_core::source::Source;

use crate::exit::Failure;
use crate::files::{folder_of, read};
use crate::lists;
use crate::render::text::say_findings;

/// IP policies with the list files they name, relative to their own file.
pub(crate) fn load(source: &Source, path: &Path, options: &CheckOptions) -> IpPolicyFiles {
    let folder = folder_of(path);
    load_ip_policy_files(source, options, &mut |name, feed| lists::read_named(folder, name, feed))
}

/// The IP policies that the command line names.
pub(crate) struct GivenIpPolicies {
    /// Why there are none, if their file or a list cannot be used.
    pub(crate) policies: Result<Arc<IpPolicies>, Failure>,
    /// What may be printed of their file, then of the lists that it names, and of what was found in them.
    pub(crate) files: Vec<(Source, Diagnostics)>,
}

/// Reads the IP policies that the command line names.
pub(crate) fn read_given(path: &Path) -> Result<GivenIpPolicies, Failure> {
    let file = read(path)?;
    let mut found = file.found.clone();
    let (mut usable, mut lists) = (None, Vec::new());
    if !found.has_errors() {
        let loaded = load(&file.source, path, &CheckOptions::default());
        usable = loaded.usable;
        found.append(loaded.findings);
        lists = loaded.lists;
    }
    let unusable = || Failure::Usage(format!("`{}` is not a usable list of IP policies", file.source.name()));
    Ok(GivenIpPolicies {
        policies: usable.map(Arc::new).ok_or_else(unusable),
        files: file.shown_with(found, lists),
    })
}

/// The same for commands whose output is something else: what is found in them goes to standard error.
pub(crate) fn given(path: &Path) -> Result<Arc<IpPolicies>, Failure> {
    let GivenIpPolicies { policies, mut files } = read_given(path)?;
    drop_consequences(files.iter_mut().map(|(_, found)| found));
    say_findings(&files);
    policies
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
