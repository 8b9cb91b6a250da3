//! Files of the command line and files that configurations name: what may be opened, and what may be shown of it.
//!
//! A configuration may come from anybody. It cannot make its reader wait, and what stands in a file outside of its
//! folder is shown to nobody.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use policy_core::ip_policies::unpack;
use policy_core::named_file::{NamedFile, reason};
use policy_core::parse::MAX_SOURCE_BYTES;

use crate::base::platform::{is_pipe, open_at_once};

/// Reads a file; the path is already resolved.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Opens a file for reading: a regular one, or a handle that the caller has opened, such as a shell's `<(…)`.
/// Neither opening nor reading waits for anybody else.
///
/// # Errors
/// Those of the file system, and for what is no regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    refuse_pipe(path)?;
    if is_own_handle(path) {
        return File::open(path);
    }
    let file = open_at_once(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR)),
    }
}

const NOT_REGULAR: &str = "it is not a regular file";

fn is_own_handle(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

/// Reads a file of the file system, never more than the parser accepts and one byte.
///
/// # Errors
/// Those of the file system.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Refuses a named pipe: opening one waits for its other end, deaf to signals.
///
/// # Errors
/// If the path is a named pipe.
pub(crate) fn refuse_pipe(path: &Path) -> io::Result<()> {
    let pipe = std::fs::symlink_metadata(path).is_ok_and(|it| is_pipe(&it));
    let followed = std::fs::metadata(path).is_ok_and(|it| is_pipe(&it));
    // The anonymous pipe of a shell's `<(…)` has its other end already; it is a link below /dev or /proc.
    let anonymous = !pipe && followed && (path.starts_with("/dev") || path.starts_with("/proc"));
    if followed && !anonymous {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a named pipe"));
    }
    Ok(())
}

/// A file that a configuration in a folder names: a regular one, read by `read`.
pub(crate) fn named(folder: &Path, name: &str, read: ReadFile<'_>) -> NamedFile<Vec<u8>> {
    let path = folder.join(name);
    let bytes = || {
        refuse_pipe(&path)?;
        match fs::metadata(&path).is_ok_and(|kind| !kind.is_file()) {
            true => Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR)),
            false => read(&path),
        }
    };
    let content = bytes().map_err(|error| reason(&error));
    let there = fs::symlink_metadata(&path).is_ok();
    NamedFile::new(path.display().to_string(), content).outside(there && !is_below(&path, folder))
}

/// A list file that a file of IP policies in a folder names: a regular one, plain or packed.
pub fn named_list(folder: &Path, name: &str, feed: &mut dyn FnMut(&[u8])) -> NamedFile<()> {
    let path = folder.join(name);
    let opened = open_at_once(&path).and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR)),
    });
    let content = opened.map_err(|error| reason(&error)).and_then(|file| unpack(file, feed));
    let there = fs::symlink_metadata(&path).is_ok();
    NamedFile::new(path.display().to_string(), content).outside(there && !is_below(&path, folder))
}

/// True if a path leads through a link out of the folder it seems to lie in: out of the folder of a link, or out of
/// the current one. Links may come with a checkout, so what stands in such a file is not shown.
pub(crate) fn leads_outside(path: &Path) -> bool {
    let path: PathBuf = path.components().collect();
    if is_own_handle(&path) || fs::symlink_metadata(&path).is_err() {
        return false;
    }
    let is_link = fs::symlink_metadata(&path).is_ok_and(|kind| kind.is_symlink());
    let inside = path.is_relative() && !path.components().any(|part| part == Component::ParentDir);
    is_link && !is_below(&path, folder_of(&path)) || inside && !is_below(&path, Path::new("."))
}

/// The folder in which the files are that a file names.
pub(crate) fn folder_of(path: &Path) -> &Path {
    // The parent of a bare name is empty, which is no folder that can be looked up.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// True if a file lies below a folder, links followed.
fn is_below(path: &Path, folder: &Path) -> bool {
    let (path, folder) = (fs::canonicalize(path), fs::canonicalize(folder));
    path.is_ok_and(|path| folder.is_ok_and(|folder| path.starts_with(folder)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::edge::generation::{LoadError, load};

    #[test]
    fn nothing_waits_for_another_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe.yml");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        symlink(&pipe, folder.path().join("link.yml")).expect("a link");
        for name in ["pipe.yml", "link.yml", "."] {
            assert!(open(&folder.path().join(name)).is_err(), "{name}");
            assert!(named(folder.path(), name, &read_file).content.is_err(), "{name}");
        }
        assert!(open(Path::new("/dev/zero")).is_err());
        fs::write(folder.path().join("file.yml"), "a").expect("written");
        assert_eq!(read_file(&folder.path().join("file.yml")).expect("read"), b"a");
    }

    #[test]
    fn why_a_named_file_cannot_be_read_is_said_without_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = Some("no such file or directory".to_owned());
        assert_eq!(named(folder.path(), "gone.yml", &read_file).content.err(), missing);
        assert_eq!(named_list(folder.path(), "gone.txt", &mut |_| {}).content.err(), missing);
    }

    #[test]
    fn what_stands_outside_is_not_reported() {
        let root = tempfile::tempdir().expect("a folder");
        let site = root.path().join("site");
        fs::create_dir(&site).expect("a folder");
        let secret = root.path().join("secret.yml");
        fs::write(&secret, "on_tcp_connect:\n  - actions: [{type: secret}]\n").expect("written");
        symlink(&secret, site.join("link.yml")).expect("a link");
        let edge = |policy: &str| {
            format!(
                "version: 1\nendpoints: [{{name: a, url: \"tcp://e:1\", traffic_policy_file: {policy}}}]\n"
            )
        };
        let config = site.join("edge.yml");
        for policy in ["link.yml", "../secret.yml", &secret.display().to_string()] {
            fs::write(&config, edge(policy)).expect("written");
            let said = said_by(&config);
            assert!(said.contains(":2:1: error[TP305]: unknown action; the file lies outside"), "{said}");
            assert!(!said.contains("`secret`") && said.contains("error[TP452]"), "{said}");
        }
        // A configuration that is a link out of its folder.
        fs::write(&secret, "version: 1\nsecret: 1\n").expect("written");
        let said = said_by(&site.join("link.yml"));
        assert!(said.contains("link.yml:2:1: error[TP302]") && !said.contains("`secret`"), "{said}");
        // One that stays inside is shown.
        fs::write(site.join("policy.yml"), "on_tcp_connect: [{actions: [{type: dney}]}]\n").expect("written");
        symlink("policy.yml", site.join("inside.yml")).expect("a link");
        fs::write(&config, edge("inside.yml")).expect("written");
        assert!(said_by(&config).contains("unknown action `dney`"));
    }

    fn said_by(config: &Path) -> String {
        match load(config, &read_file) {
            Err(LoadError::Invalid(reports)) => reports.to_string(),
            other => format!("{other:?}"),
        }
    }
}
