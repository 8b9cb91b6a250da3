//! Errors that only follow from errors in another file: one fault is told once, where it is.

use super::{Diagnostics, Severity};

/// Leaves out what only follows from errors in other files, unless nothing else is an error: a list with a typing error
/// keeps IP policies, the policies that name them and their endpoints from being used, and all of them say so. `files` are
/// the findings of all files of a configuration, or of a call.
///
/// ```
/// use policy_core::{check::CheckOptions, diagnostic::drop_consequences, ip_policies::load_ip_policy_files};
/// use policy_core::{named_file::NamedFile, source::Source};
/// let source = Source::new("ip.yml", "[{id: ipp_a, files: [{path: list.txt, action: deny}]}]");
/// let mut read = |name: &str, feed: &mut dyn FnMut(&[u8])| {
///     feed(b"203.0.113.0/33\n");
///     NamedFile::new(name.to_owned(), Ok(()))
/// };
/// let mut loaded = load_ip_policy_files(&source, &CheckOptions::default(), &mut read);
/// assert_eq!((loaded.findings.errors(), loaded.lists[0].1.errors()), (1, 1));
/// let lists = loaded.lists.iter_mut().map(|(_, found)| found);
/// drop_consequences(lists.chain([&mut loaded.findings]));
/// assert_eq!((loaded.findings.errors(), loaded.lists[0].1.errors()), (0, 1));
/// ```
pub fn drop_consequences<'d>(files: impl IntoIterator<Item = &'d mut Diagnostics>) {
    let files: Vec<_> = files.into_iter().collect();
    if files.iter().any(|found| found.has_causes()) {
        files.into_iter().for_each(Diagnostics::drop_following);
    }
}

impl Diagnostics {
    /// True if some error does not follow from those of another file.
    pub(crate) fn has_causes(&self) -> bool {
        let kept = self.items.iter().filter(|item| item.severity == Severity::Error && item.follows).count();
        self.errors > kept
    }

    fn drop_following(&mut self) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.items).into_iter().partition(|item| item.follows);
        let count = |severity| gone.iter().filter(|item| item.severity == severity).count();
        self.errors -= count(Severity::Error);
        self.warnings -= count(Severity::Warning);
        self.items = kept;
    }
}
