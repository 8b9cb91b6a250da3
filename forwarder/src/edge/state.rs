//! The state folder: one edge at a time, and its process id.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::control::private;

/// An open state folder; the lock ends with it.
#[derive(Debug)]
pub struct StateDir {
    /// Locked; the lock, not the file, says that an edge runs, so the file is never removed.
    pid_file: File,
}

impl StateDir {
    /// Makes the folder (0700) if it is missing, locks it, and writes `edge.pid` (0600), the file that
    /// signals are sent by. On a full disk that stays empty.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::AddrInUse`] if another edge holds the folder, and
    /// [`io::ErrorKind::PermissionDenied`] if somebody else may write to it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        private::folder(folder)?;
        let path = folder.join("edge.pid");
        let mut file = private::open(&path, OpenOptions::new().write(true).create(true).truncate(false))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another edge runs on this state folder";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        match writeln!(file, "{}", std::process::id()) {
            // What listens needs no number; half of one would name another process.
            Err(error) if private::is_full(&error) => {
                tracing::warn!("cannot write the process id to `{}`: {error}", path.display());
                file.set_len(0)?;
            }
            written => written?,
        }
        Ok(Self { pid_file: file })
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // A number that stays behind names a process that is gone.
        let _ = self.pid_file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_in_the_place_of_the_file_is_refused_and_its_target_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("target");
        std::fs::write(&target, "precious").expect("written");
        symlink(&target, folder.path().join("edge.pid")).expect("a link");
        let error = StateDir::open(folder.path()).expect_err("a link");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(std::fs::read(&target).expect("there"), b"precious");
    }

    #[test]
    fn one_edge_at_a_time_and_private_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/state");
        let state = StateDir::open(&path).expect("free");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("edge.pid"))), (0o700, 0o600));
        let error = StateDir::open(&path).expect_err("locked");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(state);
        assert!(StateDir::open(&path).is_ok());
    }
}
