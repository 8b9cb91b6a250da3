//! `tls` of the listeners of an edge: a certificate and its key, as files.

use crate::schema::{Field, FilePath, Record};

static CERTIFICATE: Field<FilePath> = Field::required(
    "certificate",
    FilePath,
    "certificate: edge.pem",
    "PEM: the certificate, followed by intermediate certificates.",
);
/// Some paste the key itself where its path belongs.
static PRIVATE_KEY: Field<FilePath> =
    Field::required("private_key", FilePath, "private_key: edge.key", "PEM: its key.").secret();

/// Certificate and key of a listener.
pub(crate) const CERTIFICATE_FILES: Record<CertificateFiles> = Record {
    fields: &[&CERTIFICATE, &PRIVATE_KEY],
    ignored: &[],
    read: |fields, cx| {
        let (certificate, private_key) = (cx.read(fields, &CERTIFICATE), cx.read(fields, &PRIVATE_KEY));
        Some(CertificateFiles { certificate: certificate?.value, private_key: private_key?.value })
    },
};

/// The same where names of secrets are collected.
pub(super) static TLS: Field<Record<CertificateFiles>> =
    Field::optional("tls", CERTIFICATE_FILES, "The certificate of a listener.");

/// A certificate and its key, as PEM files; relative to the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateFiles {
    /// The certificate, followed by intermediate certificates.
    pub certificate: Box<str>,
    /// Its key.
    pub private_key: Box<str>,
}
