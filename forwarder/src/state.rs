//! The state folder: one edge at a time, and its process id.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// An open state folder; the lock ends with it.
#[derive(Debug)]
pub struct StateDir {
    /// Locked; the lock, not the file, says that an edge runs, so the file is never removed.
    pid_file: File,
}

impl StateDir {
    /// Makes the folder (0700) if it is missing, locks it, and writes `edge.pid` (0600), the file that
    /// signals are sent by.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::AddrInUse`] if another edge holds the folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let pid_file = folder.join("edge.pid");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&pid_file)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another edge runs on this state folder";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // A file of an earlier day may be open to others.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
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
    use super::*;

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
