//! A file that lines are appended to and that has an end: at its limit it is moved to `<path>.1`, in the place of the
//! one before, and begun anew. It is begun anew as well where somebody else has moved or removed it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::base::files::refuse_pipe;
use crate::base::platform::{is_at_path, is_pipe, without_waiting};

/// How often it is looked whether the file is still at its path.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Two of these at most lie on the disk, each with at most `max_bytes`.
#[derive(Debug)]
pub(crate) struct BoundedFile {
    file: File,
    path: PathBuf,
    /// As far as this process knows.
    bytes: u64,
    max_bytes: u64,
    is_private: bool,
    /// Devices are not moved.
    moves: bool,
    looked: Instant,
    look_every: Duration,
}

impl BoundedFile {
    /// Opens or makes a file; a private one is for its owner alone (0600).
    ///
    /// # Errors
    /// Those of the file system; a named pipe is refused.
    pub(crate) fn open(path: &Path, max_bytes: u64, is_private: bool) -> io::Result<Self> {
        refuse_pipe(path)?;
        let file = append(path, is_private)?;
        let found = file.metadata()?;
        let moves = found.is_file();
        // Behind a link the file itself is moved, within its own folder.
        let path = if moves { fs::canonicalize(path)? } else { path.to_owned() };
        Ok(Self {
            file,
            path,
            bytes: found.len(),
            max_bytes,
            is_private,
            moves,
            looked: Instant::now(),
            look_every: CHECK_INTERVAL,
        })
    }

    /// Begins anew where the file was moved or removed, so that no more than a second's lines go after it.
    fn follow_path(&mut self) {
        if !self.moves || self.looked.elapsed() < self.look_every {
            return;
        }
        self.looked = Instant::now();
        if !is_at_path(&self.file, &self.path).unwrap_or(true) {
            // Where no other can be had, the one that is open goes on until the next look.
            let _ = self.begin();
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file = append(&self.path, self.is_private)?;
        self.bytes = self.file.metadata()?.len();
        Ok(())
    }

    /// Moves the file away if it has no room for more.
    fn make_room(&mut self, more: u64) -> io::Result<()> {
        let fits = |bytes: u64| bytes == 0 || bytes.saturating_add(more) <= self.max_bytes;
        if !self.moves || fits(self.bytes) {
            return Ok(());
        }
        // Somebody may have emptied it.
        self.bytes = self.file.metadata()?.len();
        if fits(self.bytes) {
            return Ok(());
        }
        // Somebody may have moved it, and what stands there now is none of ours to move.
        if is_at_path(&self.file, &self.path)? {
            fs::rename(&self.path, before(&self.path)).map_err(|error| {
                let message = format!("`{}` is full and cannot be moved: {error}", self.path.display());
                io::Error::new(error.kind(), message)
            })?;
        }
        self.begin()
    }
}

impl Write for BoundedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    /// A line is never cut in two files.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.follow_path();
        self.make_room(length)?;
        let written = self.file.write_all(bytes);
        self.bytes = self.bytes.saturating_add(length);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path, is_private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Nothing waits for the reader of a pipe that stands there instead.
    without_waiting(&mut options, is_private);
    let file = options.open(path)?;
    if is_pipe(&file.metadata()?) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a named pipe"));
    }
    Ok(file)
}

/// The name of the file before this one.
fn before(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("there")
    }

    #[test]
    fn a_full_file_is_moved_and_two_are_all_there_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let mut file = BoundedFile::open(&path, 10, true).expect("new");
        for line in ["1234\n", "5678\n", "9\n", "abcdefghijklmno\n", "p\n"] {
            file.write_all(line.as_bytes()).expect("written");
        }
        assert_eq!((&*read(&path), &*read(&before(&path))), ("p\n", "abcdefghijklmno\n"));
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 2);
        // Also one that was full when it was opened.
        fs::write(&path, "0123456789\n").expect("written");
        let mut file = BoundedFile::open(&path, 10, true).expect("there");
        file.write_all(b"q\n").expect("written");
        assert_eq!((&*read(&path), &*read(&before(&path))), ("q\n", "0123456789\n"));
        let mode = std::os::unix::fs::PermissionsExt::mode;
        assert_eq!(mode(&fs::metadata(&path).expect("there").permissions()) & 0o777, 0o600);
    }

    #[test]
    fn what_others_moved_or_emptied_is_left_to_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, aside) = (folder.path().join("log"), folder.path().join("log.old"));
        let mut file = BoundedFile::open(&path, 10, false).expect("new");
        file.write_all(b"12345678\n").expect("written");
        fs::rename(&path, &aside).expect("moved");
        fs::write(&path, "other\n").expect("written");
        file.write_all(b"9\n").expect("written");
        assert_eq!((&*read(&aside), &*read(&path)), ("12345678\n", "other\n9\n"));
        assert!(!before(&path).exists());
        // As logrotate's `copytruncate` does.
        OpenOptions::new().write(true).truncate(true).open(&path).expect("emptied");
        file.write_all(b"abcdefgh\n").expect("written");
        assert_eq!(read(&path), "abcdefgh\n");
        assert!(!before(&path).exists());
    }

    #[test]
    fn a_file_that_others_moved_or_removed_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, aside) = (folder.path().join("log"), folder.path().join("log.old"));
        let open = BoundedFile::open(&path, 1 << 20, false).expect("new");
        let mut file = BoundedFile { look_every: Duration::ZERO, ..open };
        file.write_all(b"1\n").expect("written");
        fs::rename(&path, &aside).expect("moved");
        file.write_all(b"2\n").expect("written");
        assert_eq!((&*read(&aside), &*read(&path)), ("1\n", "2\n"));
        fs::remove_file(&path).expect("removed");
        file.write_all(b"3\n").expect("written");
        assert_eq!(read(&path), "3\n");
        // Nobody looks at each line.
        file.look_every = CHECK_INTERVAL;
        fs::remove_file(&path).expect("removed");
        file.write_all(b"4\n").expect("written");
        assert!(!path.exists());
    }

    #[test]
    fn behind_a_link_the_file_itself_is_moved() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let mut file = BoundedFile::open(&link, 4, true).expect("new");
        file.write_all(b"123\n").expect("written");
        file.write_all(b"456\n").expect("written");
        assert_eq!((&*read(&link), &*read(&before(&path))), ("456\n", "123\n"));
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    }

    #[test]
    fn a_device_is_written_to_for_ever() {
        let mut file = BoundedFile::open(Path::new("/dev/null"), 1, true).expect("there");
        for _ in 0..3 {
            file.write_all(b"more than it may\n").expect("taken");
        }
    }

    /// Whoever puts a pipe in its place neither stops the writer nor gets a line, and lines go on once it is gone.
    #[test]
    fn a_pipe_in_its_place_is_passed_by() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.log");
        let mut file = BoundedFile::open(&path, 1_000, false).expect("there");
        file.look_every = Duration::ZERO;
        file.write_all(b"one\n").expect("written");
        fs::rename(&path, folder.path().join("moved")).expect("moved");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("a pipe");
        file.write_all(b"two\n").expect("written where it was");
        fs::remove_file(&path).expect("gone");
        file.write_all(b"three\n").expect("written");
        assert_eq!(read(&folder.path().join("moved")), "one\ntwo\n");
        assert_eq!(read(&path), "three\n");
    }
}
