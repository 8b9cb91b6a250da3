//! IP policies of the command line, with the list files they name.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use policy_core::check::CheckOptions;
use policy_core::ip_policies::{IpPolicies, IpPolicyFiles, load_ip_policy_files};
use policy_core::source::Source;

use crate::exit::Failure;
use crate::files::{read, shown};
use crate::lists;
use crate::render::text::findings_of;

/// IP policies with the list files they name, relative to their own file.
pub(crate) fn load(source: &Source, path: &Path, options: &CheckOptions) -> IpPolicyFiles {
    let folder = folder_of(path);
    load_ip_policy_files(source, options, &mut |name, feed| {
        let path = folder.join(name);
        (shown(&path), lists::read_named(&path, feed))
    })
}

/// The IP policies that the command line names. What is found in them goes to standard error.
pub(crate) fn given(path: &Path) -> Result<Arc<IpPolicies>, Failure> {
    let (source, mut found) = read(path)?;
    let (mut policies, mut named) = (None, Vec::new());
    if !found.has_errors() {
        let loaded = load(&source, path, &CheckOptions::default());
        policies = loaded.usable;
        found.append(loaded.findings);
        named = loaded.lists;
    }
    let mut err = anstream::stderr().lock();
    // The findings go to standard error; if that fails too, the exit code still tells.
    let _ = findings_of(&mut err, &source, &found);
    let mut shown = named.iter().filter(|(list, _)| is_below(list, folder_of(path)));
    let _ = shown.try_for_each(|(list, found)| findings_of(&mut err, list, found));
    let unusable = || Failure::Usage(format!("`{}` is no usable list of IP policies", source.name()));
    policies.map(Arc::new).ok_or_else(unusable)
}

/// The folder in which the files are that a file names.
pub(crate) fn folder_of(path: &Path) -> &Path {
    // The parent of a bare name is empty, which is no folder that can be looked up.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A configuration may come from anybody: what stands in files outside of its folder is not shown.
pub(crate) fn is_below(file: &Source, folder: &Path) -> bool {
    let (path, folder) = (fs::canonicalize(file.name()), fs::canonicalize(folder));
    path.is_ok_and(|path| folder.is_ok_and(|folder| path.starts_with(folder)))
}
