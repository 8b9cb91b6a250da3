//! Folders and files of the edge's own: nobody else may write to them, and no link leads elsewhere.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Others may write.
const WRITABLE: u32 = 0o022;
/// Many may write, each to what is theirs: a folder for all, which is not made private.
const STICKY: u32 = 0o1000;

/// Makes a folder (0700) if it is missing. One that others may write to is made private where it is ours.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::PermissionDenied`] for a folder of somebody else, or one that cannot be
/// made private.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // A link of somebody else leads wherever they like.
    let link = std::fs::symlink_metadata(path)?;
    owned(path, &link)?;
    let folder = File::open(path)?;
    let found = folder.metadata()?;
    if !found.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("`{}` is not a folder", path.display()),
        ));
    }
    owned(path, &found)?;
    let mode = found.mode() & 0o7777;
    if mode & WRITABLE == 0 {
        return Ok(());
    }
    if found.uid() != own_id() || mode & STICKY != 0 {
        let path = path.display();
        let message = format!(
            "others may write to `{path}` (mode {mode:04o}, owner {}): use a folder of its own, or `chmod 0700 {path}`",
            found.uid()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    folder.set_permissions(Permissions::from_mode(0o700))?;
    tracing::warn!(folder = %path.display(), "others could write to this folder (mode {mode:04o}); it is 0700 now");
    Ok(())
}

/// Refuses what belongs to somebody who is neither this user nor root.
pub(crate) fn owned(path: &Path, found: &Metadata) -> io::Result<()> {
    let (owner, own) = (found.uid(), own_id());
    if owner == own || owner == 0 {
        return Ok(());
    }
    let path = path.display();
    // Root that takes a folder over keeps its service out of it.
    let take_over = if own == 0 { String::new() } else { format!(", or `chown {own} {path}`") };
    let message = format!(
        "`{path}` belongs to user {owner} and this process runs as user {own}: run it as that user, e.g. with \
         `sudo -u '#{owner}'`{take_over}"
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// Opens a file of our own (0600): never through a link, and only a regular one of this user or root.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::PermissionDenied`] for anything else that stands there.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = options.mode(0o600).custom_flags(flags).open(path).map_err(|error| {
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        if is_link { refused(path, "is a symbolic link: remove it") } else { error }
    })?;
    let found = file.metadata()?;
    regular(path, &found)?;
    // A file of an earlier day may be open to others.
    if found.mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Refuses what stands in the place of a file of our own and is none.
///
/// # Errors
/// As [`open`]; none if nothing is there.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(refused(path, "is a symbolic link: remove it")),
        Ok(found) => regular(path, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn regular(path: &Path, found: &Metadata) -> io::Result<()> {
    if !found.is_file() {
        return Err(refused(path, "is not a regular file: remove it"));
    }
    owned(path, found)
}

fn refused(path: &Path, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("`{}` {reason}", path.display()))
}

fn own_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// True if there is no room on the disk, or none that this process may use.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).expect("there").mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }

    /// Another user's, where this process may give things away.
    fn given_away(path: &Path) -> bool {
        let given = chown(path, Some(12_345), None).is_ok();
        if !given {
            eprintln!("skipped: only root can give files to others");
        }
        given
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_made_private() {
        let outer = tempfile::tempdir().expect("a folder");
        let path = outer.path().join("a/state");
        folder(&path).expect("made");
        assert_eq!(mode(&path), 0o700);
        for (before, after) in [(0o777, 0o700), (0o770, 0o700), (0o755, 0o755)] {
            set_mode(&path, before);
            folder(&path).expect("ours");
            assert_eq!(mode(&path), after);
        }
        // One for everybody is left as it is.
        set_mode(&path, 0o1777);
        let error = folder(&path).expect_err("shared").to_string();
        assert!(error.contains("mode 1777") && error.contains("chmod 0700"), "{error}");
        assert_eq!(mode(&path), 0o1777);
        std::fs::write(outer.path().join("file"), "").expect("written");
        assert!(folder(&outer.path().join("file")).is_err());
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_also_behind_a_link() {
        let outer = tempfile::tempdir().expect("a folder");
        let (path, link) = (outer.path().join("state"), outer.path().join("link"));
        folder(&path).expect("made");
        symlink(&path, &link).expect("a link");
        folder(&link).expect("our link to our folder");
        if !given_away(&path) {
            return;
        }
        for path in [&path, &link] {
            let error = folder(path).expect_err("theirs").to_string();
            assert!(error.contains("user 12345") && error.contains("sudo -u '#12345'"), "{error}");
        }
        assert_eq!(mode(&path), 0o700);
        let ours = outer.path().join("ours");
        folder(&ours).expect("made");
        set_mode(&ours, 0o777);
        let theirs = outer.path().join("theirs");
        symlink(&ours, &theirs).expect("a link");
        std::os::unix::fs::lchown(&theirs, Some(12_345), None).expect("root");
        assert!(folder(&theirs).is_err());
        assert_eq!(mode(&ours), 0o777, "nothing is changed through their link");
    }

    #[test]
    fn a_file_is_never_opened_through_a_link() {
        let outer = tempfile::tempdir().expect("a folder");
        let (target, link) = (outer.path().join("target"), outer.path().join("link"));
        std::fs::write(&target, "precious").expect("written");
        set_mode(&target, 0o644);
        symlink(&target, &link).expect("a link");
        let writing = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            options
        };
        for error in [open(&link, &mut writing()).map(drop), check(&link)] {
            let error = error.expect_err("a link").to_string();
            assert!(error.contains("link") && error.contains("symbolic"), "{error}");
        }
        assert_eq!(mode(&target), 0o644);
        open(&target, &mut writing()).expect("a file");
        assert_eq!((mode(&target), &*std::fs::read(&target).expect("there")), (0o600, &b"precious"[..]));
        let pipe = outer.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(open(&pipe, OpenOptions::new().read(true).write(true)).is_err());
            assert!(check(&pipe).is_err());
        }
        check(&outer.path().join("missing")).expect("nothing there");
        if given_away(&target) {
            let error = open(&target, &mut writing()).expect_err("theirs").to_string();
            assert!(error.contains("user 12345"), "{error}");
            assert!(check(&target).is_err());
        }
    }
}
