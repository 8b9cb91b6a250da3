//! The reserve for a full disk: a file of a fixed size, written once from end to end, in which changes that take power
//! away are kept for as long as the store cannot be written. Writing in place needs no room.
//!
//! Entries follow each other from the begin: the length of what follows the head, a number that grows, the first bytes
//! of the SHA-256 of all that, and JSON. The first entry that is none, or is older than the one before, ends them. The
//! store notes the number up to which it has them all, so nothing has to be erased.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::kinds::Change;
use crate::control::private;

/// The file in the state folder.
pub(super) const NAME: &str = "identity.reserve";
const BYTES: usize = 64 << 10;
/// Left to deletions: records that were only changed are larger, and there may be many of them.
const FOR_DELETIONS: usize = 32 << 10;
const CHECK_BYTES: usize = 16;
const HEAD_BYTES: usize = 4 + 8 + CHECK_BYTES;

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Where the next entry goes.
    end: usize,
    /// The number of the newest entry.
    newest: u64,
}

/// Changes of one entry, and its number.
pub(super) type JournalEntry = (u64, Vec<Change>);

impl Journal {
    /// Opens the file and reads what it holds; makes it where it is missing or too short.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Vec<JournalEntry>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = private::open(&folder.join(NAME), &mut options)?;
        let there = usize::try_from(file.metadata()?.len()).unwrap_or(BYTES).min(BYTES);
        if there < BYTES {
            let there = u64::try_from(there).map_err(io::Error::other)?;
            fill(&file, there).inspect_err(|_| {
                // The rest of the disk is for others.
                let _ = file.set_len(there);
            })?;
        }
        let mut bytes = vec![0; BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let (entries, end) = read(&bytes);
        let newest = entries.last().map_or(0, |(number, _)| *number);
        Ok((Self { file, end, newest }, entries))
    }

    /// Goes on after a number that was given before.
    pub(super) fn after(&mut self, number: u64) {
        self.newest = self.newest.max(number);
    }

    /// The number of the newest entry.
    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// Keeps changes; once this returns they survive a crash.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::StorageFull`] if the file has no room for them.
    pub(super) fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let json = serde_json::to_vec(changes)?;
        let number = self.newest.saturating_add(1);
        let mut entry = head(&json, number).ok_or(io::ErrorKind::StorageFull)?;
        entry.extend_from_slice(&json);
        let end = self.end.saturating_add(entry.len());
        let deletions = changes.iter().all(Change::is_deletion);
        let max = if deletions { BYTES } else { BYTES - FOR_DELETIONS };
        if end > max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // What lies behind is of another time.
        entry.resize(entry.len().saturating_add(HEAD_BYTES.min(BYTES - end)), 0);
        self.file.write_all_at(&entry, u64::try_from(self.end).map_err(io::Error::other)?)?;
        self.file.sync_data()?;
        (self.end, self.newest) = (end, number);
        Ok(())
    }

    /// Begins anew: the store has all of it.
    pub(super) fn rewind(&mut self) {
        self.end = 0;
    }
}

/// Fills the file with zeros that are really written: a hole would need room later.
fn fill(file: &File, there: u64) -> io::Result<()> {
    let missing = u64::try_from(BYTES).map_err(io::Error::other)?.saturating_sub(there);
    let zeros = vec![0; usize::try_from(missing).map_err(io::Error::other)?];
    file.write_all_at(&zeros, there)?;
    file.sync_all()
}

fn head(json: &[u8], number: u64) -> Option<Vec<u8>> {
    let mut head = u32::try_from(json.len()).ok()?.to_le_bytes().to_vec();
    head.extend_from_slice(&number.to_le_bytes());
    let digest = Sha256::new_with_prefix(&head).chain_update(json).finalize();
    head.extend_from_slice(digest.get(..CHECK_BYTES)?);
    Some(head)
}

/// The entries, and where they end.
fn read(bytes: &[u8]) -> (Vec<JournalEntry>, usize) {
    let (mut entries, mut at) = (Vec::<JournalEntry>::new(), 0_usize);
    while let Some((number, changes, length)) = bytes.get(at..).and_then(read_one) {
        if entries.last().is_some_and(|(before, _)| *before >= number) {
            break;
        }
        entries.push((number, changes));
        at = at.saturating_add(length);
    }
    (entries, at)
}

fn read_one(bytes: &[u8]) -> Option<(u64, Vec<Change>, usize)> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let number = u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?);
    let end = HEAD_BYTES.checked_add(usize::try_from(length).ok()?)?;
    let json = bytes.get(HEAD_BYTES..end)?;
    if bytes.get(..HEAD_BYTES)? != head(json, number)? {
        return None;
    }
    Some((number, serde_json::from_slice(json).ok()?, end))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::control::identity::CredentialId;

    fn removal(number: u128) -> Change {
        Change::RemoveCredential(CredentialId(ulid::Ulid(number)))
    }

    fn open(folder: &Path) -> (Journal, Vec<(u64, String)>) {
        let (journal, entries) = Journal::open(folder).expect("a journal");
        (journal, entries.into_iter().map(|(number, changes)| (number, format!("{changes:?}"))).collect())
    }

    fn shown(changes: &[Change]) -> String {
        format!("{changes:?}")
    }

    #[test]
    fn entries_come_back_in_their_order_and_older_ones_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, none) = open(folder.path());
        assert!(none.is_empty());
        journal.append(&[removal(1), removal(2)]).expect("room");
        journal.append(&[removal(3)]).expect("room");
        let (mut journal, entries) = open(folder.path());
        assert_eq!(entries, [(1, shown(&[removal(1), removal(2)])), (2, shown(&[removal(3)]))]);
        journal.append(&[removal(4)]).expect("room");
        assert_eq!(open(folder.path()).1.len(), 3);
        // Begun anew, also with an entry as long as the one that lay there.
        journal.rewind();
        journal.append(&[removal(5), removal(6)]).expect("room");
        assert_eq!(open(folder.path()).1, [(4, shown(&[removal(5), removal(6)]))]);
        let (mut journal, _) = open(folder.path());
        journal.after(9);
        journal.append(&[removal(7)]).expect("room");
        assert_eq!(open(folder.path()).1[1].0, 10);
    }

    #[test]
    fn its_room_is_taken_beforehand_and_has_an_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, _) = open(folder.path());
        let size = || {
            let found = std::fs::metadata(folder.path().join(NAME)).expect("there");
            (found.len(), found.blocks() * 512)
        };
        let before = size();
        assert!(before.0 == 64 << 10 && before.1 >= before.0, "{before:?}");
        let kept = (0..10_000).take_while(|number| journal.append(&[removal(*number)]).is_ok()).count();
        assert!((500..9_999).contains(&kept), "{kept}");
        assert_eq!(size(), before);
        let (_, entries) = open(folder.path());
        assert_eq!((entries.len(), entries.last().expect("some").0), (kept, kept as u64));
    }

    /// Whatever a crash or a disk leaves of an entry, those before it count and it does not.
    #[test]
    fn half_an_entry_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, _) = open(folder.path());
        journal.append(&[removal(1)]).expect("room");
        let begin = journal.end;
        journal.append(&[removal(2)]).expect("room");
        let end = journal.end;
        let path = folder.path().join(NAME);
        let whole = std::fs::read(&path).expect("there");
        for at in begin..end {
            let mut broken = whole.clone();
            broken[at] ^= 0x41;
            assert_eq!(read(&broken).0.len(), 1, "{at}");
            broken[at..].fill(0);
            assert!(read(&broken).0.len() == 1, "{at}");
        }
        // One that is too short is filled up.
        std::fs::write(&path, &whole[..end]).expect("written");
        assert_eq!(open(folder.path()).1.len(), 2);
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 64 << 10);
    }
}
