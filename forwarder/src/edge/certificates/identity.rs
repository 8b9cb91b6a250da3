//! The certificate that the edge shows to agents.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{authority, files, issue};
use crate::net::tls::{files as tls_files, provider};

/// What the edge shows to agents.
#[derive(Clone)]
pub struct AgentIdentity {
    config: Arc<ServerConfig>,
    fingerprint: String,
    authority: Option<PathBuf>,
    missing_names: Vec<Box<str>>,
}

impl AgentIdentity {
    /// A certificate and key of PEM files; the certificates up to an authority may follow the first. That it is not for
    /// one of these names, which clients look for, is a warning in the log.
    ///
    /// # Errors
    /// With the file and the reason, if one cannot be used or the key belongs to another certificate.
    pub fn load(certificate: &Path, private_key: &Path, names: &[Box<str>]) -> io::Result<Self> {
        let chain = tls_files::certificates(certificate)?;
        let key = files::private_key(private_key)?;
        let Some(first) = chain.first().cloned() else {
            return Err(tls_files::refuse(certificate, "it contains no certificate"));
        };
        let config = server_config(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let message = format!("it is not the key of the certificate in `{}`", certificate.display());
                tls_files::refuse(private_key, message)
            }
            error => tls_files::refuse(certificate, error),
        })?;
        if issue::has_ended(&first, issue::now()) {
            let file = certificate.display();
            tracing::warn!(%file, "the certificate has expired: agents will refuse it");
        }
        let missing_names: Vec<Box<str>> =
            names.iter().filter(|name| !issue::is_for(&first, name)).cloned().collect();
        if !missing_names.is_empty() {
            let (file, names) = (certificate.display(), missing_names.join(", "));
            tracing::warn!(%file, names, "the certificate does not cover these names: agents that connect to one will refuse it");
        }
        Ok(Self { config, fingerprint: issue::fingerprint(&first), authority: None, missing_names })
    }

    /// A certificate for these names, DNS names or addresses without brackets, under the authority in the state
    /// folder. What is missing, ends within 30 days or is for other names is made, so an edge calls it with
    /// every start. Reads and writes files.
    ///
    /// # Errors
    /// Those of the file system; an authority that cannot be used, or not for these names, is never replaced
    /// silently, since agents trust it: the message names the command that makes a new one.
    pub fn own(state_dir: &Path, names: &[Box<str>]) -> io::Result<Self> {
        let own = authority::own(state_dir, names, issue::now())?;
        let config = server_config(own.chain, own.key).map_err(io::Error::other)?;
        Ok(Self {
            config,
            fingerprint: own.authority.fingerprint,
            authority: Some(own.authority.path),
            missing_names: Vec::new(),
        })
    }

    /// TLS 1.2 and 1.3 with this certificate, without certificates of clients.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// SHA-256 of the authority the edge made, or of the certificate it was given: hex with colons.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The names that the certificate was wanted for and is not for.
    #[must_use]
    pub fn missing_names(&self) -> &[Box<str>] {
        &self.missing_names
    }

    /// The file that agents have to trust, if the edge made its own authority.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }
}

impl fmt::Debug for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentIdentity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

pub(super) fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    Ok(Arc::new(builder.with_no_client_auth().with_single_cert(chain, key)?))
}
