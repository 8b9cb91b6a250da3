//! Whom an agent trusts when it connects.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::{files, provider};

/// Which authorities sign the certificate of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedCas {
    /// The public ones that this program knows.
    Trusted,
    /// Those of the machine.
    Host,
    /// Those in a PEM file.
    File(PathBuf),
}

/// TLS 1.2 and 1.3 for clients that trust these authorities and show no certificate. Reads files.
///
/// # Errors
/// With the reason, if there is no authority or one cannot be used.
pub fn client_config(cas: &TrustedCas) -> io::Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(io::Error::other)?;
    Ok(Arc::new(builder.with_root_certificates(roots(cas)?).with_no_client_auth()))
}

fn roots(cas: &TrustedCas) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match cas {
        TrustedCas::Trusted => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        TrustedCas::Host => {
            let found = rustls_native_certs::load_native_certs();
            // Machines hold a few that nobody can read.
            let (usable, _) = roots.add_parsable_certificates(found.certs);
            if usable == 0 {
                let reason = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
                let message = format!("this machine trusts no CA{reason}");
                return Err(io::Error::new(io::ErrorKind::NotFound, message));
            }
        }
        TrustedCas::File(path) => {
            for certificate in files::certificates(path)? {
                let fault = |error| files::refuse(path, format!("one of its certificates: {error}"));
                roots.add(certificate).map_err(fault)?;
            }
        }
    }
    Ok(roots)
}
