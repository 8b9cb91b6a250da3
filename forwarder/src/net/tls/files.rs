//! PEM files, read with a bound.

use std::fmt::Display;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use crate::base::files::open;

/// More than any bundle of authorities has.
const MAX_BYTES: u64 = 4 << 20;

/// An error that names its file.
pub(crate) fn refuse(path: &Path, reason: impl Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("cannot use `{}`: {reason}", path.display()))
}

fn failed(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot use `{}`: {error}", path.display()))
}

/// The bytes of a file that is not too large.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = || {
        let mut bytes = Vec::new();
        open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = bytes().map_err(|error| failed(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(refuse(path, format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    certificates_in(&read(path)?).map_err(|reason| refuse(path, reason))
}

/// The certificates in PEM text, at least one; or what is wrong.
pub(crate) fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found.map_err(|error| what(&error))? {
        none if none.is_empty() => Err("it contains no PEM certificate"),
        found => Ok(found),
    }
}

/// What is wrong with PEM text, without any of the text: it may be a key.
pub(crate) const fn what(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it breaks off in the middle of a PEM section",
        pem::Error::NoItemsFound => "it contains no PEM data",
        _ => "it is not valid PEM",
    }
}
