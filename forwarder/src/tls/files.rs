//! PEM files: read with a bound, written so that no reader ever sees half of one.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::generation::refuse_pipe;

/// More than any bundle of authorities has.
const MOST_BYTES: u64 = 4 << 20;

/// An error that names its file.
pub(super) fn refuse(path: &Path, reason: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot use `{}`: {reason}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot use `{}`: {error}", path.display()))
}

/// The bytes of a file that is not too large.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = || {
        let mut bytes = Vec::new();
        refuse_pipe(path)?;
        File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = bytes().map_err(|error| failed(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(refuse(path, format!("it has more than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// The same; `None` if there is no such file.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The certificates of a PEM file, at least one.
pub(super) fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    certificates_in(&read(path)?).map_err(|reason| refuse(path, reason))
}

/// The certificates in PEM text, at least one; or what is wrong.
pub(super) fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found.map_err(|error| what(&error))? {
        none if none.is_empty() => Err("it holds no certificate in PEM"),
        found => Ok(found),
    }
}

/// The first private key of a PEM file.
pub(super) fn private_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    private_key_in(&read(path)?).map_err(|reason| refuse(path, reason))
}

/// The first private key in PEM text; or what is wrong.
pub(super) fn private_key_in(pem: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => "it holds no private key in PEM; one with a password cannot be used",
        error => what(&error),
    })
}

/// What is wrong with PEM text, without any of the text: it may be a key.
const fn what(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it breaks off in the middle of a PEM section",
        pem::Error::NoItemsFound => "it holds nothing in PEM",
        _ => "it is not valid PEM",
    }
}

/// Replaces a file: afterwards it has the old content or the new, whatever happens meanwhile.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let replace = || {
        // One that a crash left behind would keep its own mode.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    replace()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display())))
}
