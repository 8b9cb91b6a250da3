//! An authority of the edge's own, and the certificate it makes for the agents' listener.
//!
//! All of it is in the folder `ca` (0700) of the state folder:
//!
//! | file | |
//! |---|---|
//! | `ca.key` | the authority: its key and its certificate in one file, so that they change together |
//! | `ca.pem` | what agents trust: the authority and the one before it; made from the others |
//! | `previous.pem` | the authority before the last rotation; without the file nobody trusts it any more |
//! | `edge.pem`, `edge.key` | the edge's certificate; whatever is wrong with the two, they are made anew |

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::files;
use super::issue::{Authority, fingerprint, has_ended, later, now, pem, verify_chain};
use crate::control::private;
use crate::net::tls::{files as tls_files, provider};

/// A certificate that ends within this is made anew.
const RENEWAL_DAYS: u32 = 30;
/// An authority that ends within this is said to.
const NOTICE_DAYS: u32 = 90;
/// What makes a new authority, as messages name it.
const ROTATE: &str = "`forwarder ca rotate --config FILE`";

/// An authority that agents trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFile {
    /// The file to trust.
    pub path: PathBuf,
    /// SHA-256 of the authority, hex with colons.
    pub fingerprint: String,
}

/// The certificate of an edge under its own authority.
pub(super) struct Own {
    pub(super) authority: AuthorityFile,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// The certificate for these names, made where it is missing or ends soon.
pub(super) fn own(state_dir: &Path, names: &[Box<str>], now: UnixTime) -> io::Result<Own> {
    let folder = Folder::lock(state_dir)?;
    let authority = match folder.authority()? {
        Some(authority) => authority,
        None => {
            let authority = Authority::make(names, now)?;
            folder.write_authority(&authority)?;
            authority
        }
    };
    // Agents may hold an older bundle; what they are to copy is right from here on.
    unless_full(folder.write_bundle(&authority))?;
    if has_ended(&authority.certificate, now) {
        return Err(tls_files::refuse(
            &folder.path(CA_KEY),
            format!("the edge's CA has expired; {}", anew()),
        ));
    }
    if has_ended(&authority.certificate, later(now, NOTICE_DAYS)) {
        tracing::warn!("the edge's CA expires within {NOTICE_DAYS} days: {}", anew());
    }
    let file = AuthorityFile { path: folder.path(BUNDLE), fingerprint: fingerprint(&authority.certificate) };
    if let Some((chain, key)) = folder.edge_certificate(&authority, names, now) {
        return Ok(Own { authority: file, chain, key });
    }
    let (chain, key) = authority.issue(names, now)?;
    // What agents would refuse is not shown to them, and not written.
    verify_chain(&authority.certificate, &chain, names, now).map_err(|error| {
        let names = names.join(", ");
        let message = format!("this CA may not sign for the names {names} ({error}); {}", anew());
        tls_files::refuse(&folder.path(BUNDLE), message)
    })?;
    unless_full(folder.write_edge(names, &chain, &key))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    Ok(Own { authority: file, chain: vec![chain], key })
}

/// Makes a new authority for these names. The one before stays in the bundle that agents trust, so that they can
/// be given the bundle before the edge is restarted and shows a certificate of the new one; so does the one whose
/// certificate the edge shows, where it was not reloaded since an earlier rotation.
///
/// # Errors
/// Those of the file system.
pub fn rotate(state_dir: &Path, names: &[Box<str>]) -> io::Result<AuthorityFile> {
    let folder = Folder::lock(state_dir)?;
    if let Some(last) = folder.last_certificate() {
        let in_use = folder.in_use().filter(|it| *it != last);
        let kept: String = [Some(last), in_use].iter().flatten().map(|it| pem("CERTIFICATE", it)).collect();
        files::write(&folder.path(PREVIOUS), kept.as_bytes(), 0o644)?;
    }
    let authority = Authority::make(names, now())?;
    folder.write_authority(&authority)?;
    folder.write_bundle(&authority)?;
    Ok(AuthorityFile { path: folder.path(BUNDLE), fingerprint: fingerprint(&authority.certificate) })
}

/// The authority in a state folder, if there is one; nothing is made.
///
/// # Errors
/// Those of the file system, or a file that is no certificate.
pub fn show(state_dir: &Path) -> io::Result<Option<AuthorityFile>> {
    let path = state_dir.join(FOLDER).join(BUNDLE);
    let Some(pem) = files::read_if_there(&path)? else { return Ok(None) };
    let found = tls_files::certificates_in(&pem).map_err(|reason| tls_files::refuse(&path, reason))?;
    Ok(found.first().map(|first| AuthorityFile { fingerprint: fingerprint(first), path }))
}

/// What can be made again at the next start stops no edge on a full disk.
fn unless_full(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if private::is_full(&error) => {
            tracing::warn!("{error}");
            Ok(())
        }
        written => written,
    }
}

fn anew() -> String {
    format!("{ROTATE} makes a new one, which agents have to trust")
}

const FOLDER: &str = "ca";
const CA_KEY: &str = "ca.key";
const BUNDLE: &str = "ca.pem";
const PREVIOUS: &str = "previous.pem";
const EDGE: &str = "edge.pem";
const EDGE_KEY: &str = "edge.key";

/// The folder of the authority; locked until dropped.
struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is missing, and waits for whoever else is at it.
    fn lock(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(FOLDER);
        let lock = || {
            private::folder(state_dir)?;
            private::folder(&path)?;
            for name in [CA_KEY, BUNDLE, PREVIOUS, EDGE, EDGE_KEY] {
                private::check(&path.join(name))?;
            }
            let mut options = OpenOptions::new();
            let lock = private::open(&path.join("lock"), options.write(true).create(true).truncate(false))?;
            lock.lock()?;
            Ok(lock)
        };
        let lock = lock().map_err(|error: io::Error| {
            io::Error::new(error.kind(), format!("cannot use `{}`: {error}", path.display()))
        })?;
        Ok(Self { path, _lock: lock })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The authority; `None` if there never was one.
    fn authority(&self) -> io::Result<Option<Authority>> {
        let path = self.path(CA_KEY);
        let unusable = |reason: &dyn fmt::Display| {
            tls_files::refuse(&path, format!("{reason}; restore it, or {} ", anew()).trim_end())
        };
        let Some(pem) = files::read_if_there(&path)? else {
            // Agents trust what stands there: it is not replaced without being asked.
            return match files::read_if_there(&self.path(BUNDLE))? {
                Some(_) => Err(unusable(&format_args!("it is gone, and `{BUNDLE}` is there"))),
                None => Ok(None),
            };
        };
        Authority::read(&pem).map(Some).map_err(|reason| unusable(&reason))
    }

    /// The certificate of the authority as far as one can be read, for the sake of agents that trust it.
    fn last_certificate(&self) -> Option<CertificateDer<'static>> {
        [CA_KEY, BUNDLE].iter().find_map(|name| {
            let found = tls_files::certificates(&self.path(name)).ok()?;
            found.into_iter().next()
        })
    }

    /// Whose certificate the edge shows, if it is one of those before.
    fn in_use(&self) -> Option<CertificateDer<'static>> {
        let edge = tls_files::certificates(&self.path(EDGE)).ok()?;
        let (edge, now) = (edge.first()?, now());
        let previous = tls_files::certificates(&self.path(PREVIOUS)).unwrap_or_default();
        previous.into_iter().find(|authority| verify_chain(authority, edge, &[], now).is_ok())
    }

    fn write_authority(&self, authority: &Authority) -> io::Result<()> {
        let text = format!(
            "{}{}",
            pem("CERTIFICATE", &authority.certificate),
            pem("PRIVATE KEY", authority.key.serialized_der())
        );
        files::write(&self.path(CA_KEY), text.as_bytes(), 0o600)
    }

    /// Makes the bundle, unless it is right.
    fn write_bundle(&self, authority: &Authority) -> io::Result<()> {
        let mut text =
            "# Agents trust this file. The edge writes it: the current CA, then previous ones.\n".to_owned();
        text.push_str(&pem("CERTIFICATE", &authority.certificate));
        let previous = files::read_if_there(&self.path(PREVIOUS))?;
        // One that cannot be understood costs agents nothing but time.
        let previous = previous.and_then(|pem| tls_files::certificates_in(&pem).ok()).unwrap_or_default();
        for certificate in previous.iter().filter(|&it| *it != authority.certificate) {
            text.push_str(&pem("CERTIFICATE", certificate));
        }
        let path = self.path(BUNDLE);
        if files::read_if_there(&path)?.is_some_and(|now| now == text.as_bytes()) {
            return Ok(());
        }
        files::write(&path, text.as_bytes(), 0o644)
    }

    /// The edge's certificate, if it is for these names and lasts long enough.
    fn edge_certificate(
        &self,
        authority: &Authority,
        names: &[Box<str>],
        now: UnixTime,
    ) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let pem = tls_files::read(&self.path(EDGE)).ok()?;
        if !pem.starts_with(heading(names).as_bytes()) {
            return None;
        }
        let chain = tls_files::certificates_in(&pem).ok()?;
        let key = files::private_key(&self.path(EDGE_KEY)).ok()?;
        let until = later(now, RENEWAL_DAYS);
        let first = chain.first()?;
        let signs = rustls::sign::CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider()).is_ok();
        let lasts = verify_chain(&authority.certificate, first, names, until).is_ok();
        (signs && lasts).then_some((chain, key))
    }

    fn write_edge(&self, names: &[Box<str>], chain: &CertificateDer<'_>, key: &KeyPair) -> io::Result<()> {
        let pem_key = pem("PRIVATE KEY", key.serialized_der());
        files::write(&self.path(EDGE_KEY), pem_key.as_bytes(), 0o600)?;
        let text = heading(names) + &pem("CERTIFICATE", chain);
        files::write(&self.path(EDGE), text.as_bytes(), 0o644)
    }
}

/// The first line of the edge's certificate: other names, another certificate.
fn heading(names: &[Box<str>]) -> String {
    format!("# Made by the edge for: {}\n", names.join(", "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A certificate for a name that the authority of this folder must not vouch for.
    pub(in crate::edge::certificates) fn forge(
        state_dir: &Path,
        name: &str,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let folder = Folder::lock(state_dir).expect("there");
        let authority = folder.authority().expect("usable").expect("there");
        let (certificate, key) = authority.issue(&[name.into()], now()).expect("signed");
        (vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
    }
}
