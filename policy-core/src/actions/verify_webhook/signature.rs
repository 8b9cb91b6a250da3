//! Whether a webhook is signed as its provider signs.

use std::fmt;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use hmac::{Hmac, KeyInit};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::schemes::{Digest, Encoding, Key, Mac, Part, Time, TimeAt, Unit};
use crate::cel::Timestamp;
use crate::message::RequestView;

/// Base64 as secrets are written: padding may be left out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is known of a request when its signature is checked.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) request: &'a RequestView<'a>,
    /// Its URL, as it was sent.
    pub(super) url: &'a str,
    pub(super) body: &'a [u8],
    pub(super) secret: &'a [u8],
    pub(super) now: Option<Timestamp>,
}

/// Why a webhook is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A header is not there.
    Missing(&'static str),
    /// A header is there more than once, and nobody knows which one the server reads.
    Repeated(&'static str),
    /// The signed time cannot be read.
    Time,
    /// It is too far from now.
    Age,
    /// There is no source of time.
    Clock,
    /// No signature is right.
    Signature,
    /// The secret cannot be a key of the provider.
    Secret,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(header) => write!(f, "the request has no header `{header}`"),
            Self::Repeated(header) => write!(f, "the request has the header `{header}` more than once"),
            Self::Time => f.write_str("the time of the signature cannot be read"),
            Self::Age => f.write_str("the signature is too old, or of a time to come"),
            Self::Clock => f.write_str("the time is not known here"),
            Self::Signature => f.write_str("the signature is wrong"),
            Self::Secret => f.write_str("the secret is not one of this provider"),
        }
    }
}

impl Mac {
    pub(super) fn verify(&self, signed: Signed<'_>) -> Result<(), Failure> {
        let header = one(signed.request, self.header)?;
        let time = self.time.as_ref();
        let stamp = match time.map(|time| time.at) {
            Some(TimeAt::Item(prefix)) => Some(self.item(header, prefix)?),
            Some(TimeAt::Header(name)) => Some(one(signed.request, name)?),
            Some(TimeAt::Field(_)) | None => None,
        };
        let mut parts = Vec::with_capacity(self.signed.len());
        for part in self.signed {
            parts.push(match part {
                Part::Body => signed.body,
                Part::Time => stamp.unwrap_or_default().as_bytes(),
                Part::Header(name) => one(signed.request, name)?.as_bytes(),
                Part::Text(text) => text.as_bytes(),
            });
        }
        let key = self.key(signed.secret)?;
        let code = authenticate(self.digest, &key, parts).ok_or(Failure::Secret)?;
        let expected = self.encoding.write(&code);
        // Every one is looked at: how long it takes does not tell which one is right.
        let is_right = |item: &str| {
            item.strip_prefix(self.prefix).is_some_and(|it| is_same(it.as_bytes(), expected.as_bytes()))
        };
        if !self.items(header).fold(false, |right, item| right | is_right(item)) {
            return Err(Failure::Signature);
        }
        match (time, stamp) {
            (None, _) => Ok(()),
            (Some(time), Some(stamp)) => time.check(time.unit.read(stamp), signed.now),
            (Some(time), None) => time.check(time.in_body(signed.body), signed.now),
        }
    }

    /// What stands in the header.
    fn items<'h>(&self, header: &'h str) -> impl Iterator<Item = &'h str> {
        let separator = self.separator;
        // Without a separator the whole is one item.
        header.split(move |c| Some(c) == separator).map(|item| item.trim_matches([' ', '\t']))
    }

    /// What stands behind a prefix, once.
    fn item<'h>(&self, header: &'h str, prefix: &str) -> Result<&'h str, Failure> {
        let mut found = self.items(header).filter_map(|item| item.strip_prefix(prefix));
        match (found.next(), found.next()) {
            (Some(item), None) => Ok(item),
            _ => Err(Failure::Time),
        }
    }

    fn key(&self, secret: &[u8]) -> Result<Vec<u8>, Failure> {
        let decoded = match self.key {
            Key::Text => Ok(secret.to_vec()),
            Key::Base64 => LENIENT.decode(secret),
            Key::Whsec => LENIENT.decode(secret.strip_prefix(b"whsec_").unwrap_or(secret)),
        };
        // A key without bytes is everybody's.
        decoded.ok().filter(|key| !key.is_empty()).ok_or(Failure::Secret)
    }
}

impl Encoding {
    fn write(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex(bytes),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}

impl Unit {
    /// A time as it is written, in milliseconds since 1970 began.
    fn read(self, text: &str) -> Option<i64> {
        let digits = || (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Seconds => text.parse::<i64>().ok().filter(|_| digits())?.checked_mul(1_000),
            Self::Milliseconds => text.parse().ok().filter(|_| digits()),
            Self::Rfc3339 => Timestamp::parse(text)
                .or_else(|| Timestamp::parse(&format!("{text}Z")))?
                .seconds()
                .checked_mul(1_000),
        }
    }
}

impl Time {
    /// The field of the body.
    fn in_body(&self, body: &[u8]) -> Option<i64> {
        let TimeAt::Field(name) = self.at else { return None };
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        self.unit.read(&body.get(name)?.as_u64()?.to_string())
    }

    fn check(&self, at: Option<i64>, now: Option<Timestamp>) -> Result<(), Failure> {
        let at = at.ok_or(Failure::Time)?;
        let now = now.ok_or(Failure::Clock)?.seconds().checked_mul(1_000).ok_or(Failure::Age)?;
        match now.abs_diff(at) <= u64::from(self.tolerance) * 1_000 {
            true => Ok(()),
            false => Err(Failure::Age),
        }
    }
}

/// The value of a header that is there once.
pub(super) fn one<'r>(request: &'r RequestView<'_>, name: &'static str) -> Result<&'r str, Failure> {
    let mut values = request.header_values(name);
    match (values.next(), values.next()) {
        (None, _) => Err(Failure::Missing(name)),
        (Some(_), Some(_)) => Err(Failure::Repeated(name)),
        (Some(value), None) => Ok(value.trim_matches([' ', '\t'])),
    }
}

/// The authentication code of some parts, one behind the other.
pub(super) fn authenticate<'p>(
    digest: Digest,
    key: &[u8],
    parts: impl IntoIterator<Item = &'p [u8]>,
) -> Option<Vec<u8>> {
    fn run<'p, M: KeyInit + hmac::Mac>(
        key: &[u8],
        parts: impl IntoIterator<Item = &'p [u8]>,
    ) -> Option<Vec<u8>> {
        let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
        parts.into_iter().for_each(|part| mac.update(part));
        Some(mac.finalize().into_bytes().to_vec())
    }
    match digest {
        Digest::Sha1 => run::<Hmac<Sha1>>(key, parts),
        Digest::Sha256 => run::<Hmac<Sha256>>(key, parts),
        Digest::Sha512 => run::<Hmac<Sha512>>(key, parts),
    }
}

/// Digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Compares without telling by the time it takes where two texts differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (unit, text, read) in [
            (Unit::Seconds, "1764662400", Some(1_764_662_400_000)),
            (Unit::Seconds, "", None),
            (Unit::Seconds, "-1", None),
            (Unit::Seconds, "+1", None),
            (Unit::Seconds, "1.5", None),
            (Unit::Seconds, " 1", None),
            (Unit::Seconds, "1000000000000000", None),
            (Unit::Milliseconds, "1764662400123", Some(1_764_662_400_123)),
            (Unit::Rfc3339, "2025-12-02T08:00:00Z", Some(1_764_662_400_000)),
            (Unit::Rfc3339, "2025-12-02T09:00:00+01:00", Some(1_764_662_400_000)),
            (Unit::Rfc3339, "2025-12-02T08:00:00.5", Some(1_764_662_400_000)),
            (Unit::Rfc3339, "1764662400", None),
        ] {
            assert_eq!(unit.read(text), read, "{text}");
        }
    }

    #[test]
    fn codes_are_those_of_the_standards() {
        // RFC 2202, 3 and RFC 4231, 4: the second case of each.
        let data = [b"what do ya ".as_slice(), b"want for nothing?"];
        for (digest, expected) in [
            (Digest::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Digest::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Digest::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            assert_eq!(authenticate(digest, b"Jefe", data).map(|code| hex(&code)).as_deref(), Some(expected));
        }
    }
}
