//! Makes certificates, and verifies them as a client would.
//!
//! The subject of an authority follows from its key: its certificate need not be taken apart to sign with it.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData, date_time_ymd,
};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use sha2::{Digest, Sha256};

use super::files;
use crate::net::tls::{files as tls_files, provider};

const DAY: Duration = Duration::from_secs(86_400);
/// Ten years.
const AUTHORITY_DAYS: u32 = 3_653;
const EDGE_DAYS: u32 = 365;

/// SHA-256 of a certificate, hex with colons.
#[must_use]
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let bytes: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// The time of this machine.
pub(super) fn now() -> UnixTime {
    // A clock before 1970 counts as 1970; nothing is valid then.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::since_unix_epoch(since)
}

/// An authority of the edge's own, able to sign.
pub(super) struct Authority {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Authority {
    /// A new one that may sign for these names only.
    pub(super) fn make(names: &[Box<str>], now: UnixTime) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = params(&key, now, AUTHORITY_DAYS)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.name_constraints = Some(constraints(names));
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Ok(Self { certificate: certificate.der().clone(), key })
    }

    /// The one in PEM text, its key and its certificate; or what is wrong.
    pub(super) fn read(pem: &[u8]) -> Result<Self, String> {
        let certificates = tls_files::certificates_in(pem)?;
        let der = files::private_key_in(pem)?;
        let certificate = certificates.first().cloned().ok_or("it contains no certificate")?;
        let pair = vec![certificate.clone()];
        rustls::sign::CertifiedKey::from_der(pair, der.clone_key(), &provider())
            .map_err(|_| "its key and its certificate do not belong together")?;
        let key = KeyPair::try_from(&der).map_err(|_| "its key cannot be used")?;
        Ok(Self { certificate, key })
    }

    /// A certificate for these names, and its key.
    pub(super) fn issue(
        &self,
        names: &[Box<str>],
        now: UnixTime,
    ) -> io::Result<(CertificateDer<'static>, KeyPair)> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let alternative: Vec<String> = names.iter().map(ToString::to_string).collect();
        let with_names = CertificateParams::new(alternative).map_err(io::Error::other)?;
        let mut leaf = params(&key, now, EDGE_DAYS)?;
        leaf.subject_alt_names = with_names.subject_alt_names;
        leaf.distinguished_name = common_name("forwarder edge");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(params(&self.key, now, AUTHORITY_DAYS)?, &self.key);
        let certificate = leaf.signed_by(&key, &issuer).map_err(io::Error::other)?;
        Ok((certificate.der().clone(), key))
    }
}

/// What is the same in every certificate with the key of an authority.
fn params(key: &KeyPair, now: UnixTime, days: u32) -> io::Result<CertificateParams> {
    let digest = Sha256::digest(key.subject_public_key_info());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("forwarder edge authority {short}"));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Clocks differ; a certificate of this minute should not be one of the future anywhere.
    let begin = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()).saturating_sub(DAY));
    let (begin, end) = (date(begin)?, date(later(now, days))?);
    params.not_before = date_time_ymd(begin.0, begin.1, begin.2);
    params.not_after = date_time_ymd(end.0, end.1, end.2);
    Ok(params)
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// Names and addresses that the authority may sign for, and none of the kind that is not among them.
fn constraints(names: &[Box<str>]) -> NameConstraints {
    let subtree = |name: &str| match name.parse::<IpAddr>() {
        Ok(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
            address,
            if address.is_ipv4() { 32 } else { 128 },
        )),
        Err(_) => GeneralSubtree::DnsName(name.to_owned()),
    };
    let permitted_subtrees: Vec<_> = names.iter().map(|name| subtree(name)).collect();
    let dns = permitted_subtrees.iter().any(|it| matches!(it, GeneralSubtree::DnsName(_)));
    let addresses = permitted_subtrees.iter().any(|it| matches!(it, GeneralSubtree::IpAddress(_)));
    // A kind that no subtree names is not bound at all (RFC 5280, 4.2.1.10).
    let mut excluded_subtrees = Vec::new();
    if !dns {
        excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
    }
    if !addresses {
        excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    NameConstraints { permitted_subtrees, excluded_subtrees }
}

/// What a client that trusts only this authority says of a certificate.
pub(super) fn verify_chain(
    authority: &CertificateDer<'static>,
    certificate: &CertificateDer<'_>,
    names: &[Box<str>],
    at: UnixTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone())?;
    trusted(&roots, certificate, at)?;
    let parsed = ParsedCertificate::try_from(certificate)?;
    names.iter().try_for_each(|name| for_name(&parsed, name))
}

fn for_name(certificate: &ParsedCertificate<'_>, name: &str) -> Result<(), rustls::Error> {
    let name = ServerName::try_from(name).map_err(|_| CertificateError::NotValidForName)?;
    verify_server_name(certificate, &name)
}

/// True if a certificate is for this name.
pub(super) fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| for_name(&parsed, name).is_ok())
}

fn trusted(
    roots: &RootCertStore,
    certificate: &CertificateDer<'_>,
    at: UnixTime,
) -> Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, &[], at, algorithms)
}

/// Some days later.
pub(super) fn later(now: UnixTime, days: u32) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()).saturating_add(DAY.saturating_mul(days)))
}

/// Year, month and day.
fn date(at: UnixTime) -> io::Result<(i32, u8, u8)> {
    let seconds = i64::try_from(at.as_secs()).map_err(io::Error::other)?;
    let date = jiff::Timestamp::from_second(seconds).map_err(io::Error::other)?;
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).date();
    let number = |number: i8| u8::try_from(number).map_err(io::Error::other);
    Ok((date.year().into(), number(date.month())?, number(date.day())?))
}

/// PEM text of some bytes.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    const WIDTH: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(WIDTH).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// True if a certificate has ended by then.
pub(super) fn has_ended(certificate: &CertificateDer<'_>, at: UnixTime) -> bool {
    // The time is looked at first, whoever vouches for the certificate.
    let ended = |error| match error {
        rustls::Error::InvalidCertificate(error) => {
            matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. })
        }
        _ => false,
    };
    trusted(&RootCertStore::empty(), certificate, at).is_err_and(ended)
}
