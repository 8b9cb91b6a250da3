//! Sets of keys (RFC 7517), which strangers may have written.
//!
//! What the crates below cannot be given without care is refused here: keys of other lengths than their curve has, RSA keys
//! that are short, long or of a broken number of bytes, keys of HMAC that are shorter than the digest (RFC 7518, 3.2).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::SigningAlgorithm;
use super::token::SignedToken;
use crate::exchange::MAX_KEY_SET;

/// Keys of a set.
pub(super) const MAX_KEYS: usize = 100;
/// Bytes of the modulus of an RSA key: 2048 bits (RFC 7518, 3.3) to 4096.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// Bytes of the exponent of an RSA key.
const MAX_EXPONENT: usize = 4;
/// Bytes of the key of an HMAC.
const MAX_SECRET: usize = 1_024;

/// A set of keys, each as it is written.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Map<String, Value>>);

impl KeySet {
    /// Reads a set; `None` if it is none, or too large. O(length).
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_KEY_SET {
            return None;
        }
        let Value::Object(mut set) = serde_json::from_str(text).ok()? else { return None };
        let Value::Array(keys) = set.remove("keys")? else { return None };
        if keys.len() > MAX_KEYS {
            return None;
        }
        // What is no object is no key, as keys of unknown kinds are none (RFC 7517, 5).
        Some(Self(
            keys.into_iter()
                .filter_map(|key| if let Value::Object(key) = key { Some(key) } else { None })
                .collect(),
        ))
    }

    /// The keys that may have signed a token: those of its name, if it gives one, else all; of its algorithm's kind.
    pub(super) fn of<'s>(
        &'s self,
        token: &'s SignedToken<'_>,
        id: Option<&'s str>,
    ) -> impl Iterator<Item = VerifyingKey> + 's {
        let text = |key: &'s Map<String, Value>, name: &str| key.get(name).and_then(Value::as_str);
        let named = self.0.iter().filter(move |key| id.is_none() || text(key, "kid") == id);
        named.filter_map(|key| VerifyingKey::read(key, token.algorithm))
    }
}

/// A key that fits an algorithm.
pub(super) struct VerifyingKey {
    key: DecodingKey,
    algorithm: Algorithm,
}

impl VerifyingKey {
    /// Reads a key for an algorithm; `None` if it is one for something else, or not to be used.
    fn read(key: &Map<String, Value>, of: SigningAlgorithm) -> Option<Self> {
        let algorithm = algorithm(of)?;
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let is = |name: &str, value: &str| text(name) == Some(value);
        let fits = |name: &str, value: &str| !key.contains_key(name) || is(name, value);
        let verifies = match key.get("key_ops") {
            None => true,
            Some(Value::Array(all)) => all.iter().any(|it| it.as_str() == Some("verify")),
            Some(_) => false,
        };
        if !verifies || !fits("use", "sig") || !fits("alg", super::name(of)) {
            return None;
        }
        let bytes = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let curve = |crv: &str, length: usize| {
            let coordinate = |name: &str| bytes(name).filter(|it| it.len() == length);
            is("crv", crv).then(|| Some([&[4], &*coordinate("x")?, &*coordinate("y")?].concat()))?
        };
        let key = match of {
            SigningAlgorithm::Rsa(_) | SigningAlgorithm::Pss(_) if is("kty", "RSA") => {
                let (modulus, exponent) = (number(bytes("n")?), number(bytes("e")?));
                let is_whole = modulus.first().is_some_and(|first| *first >= 0x80);
                let is_odd = modulus.last().is_some_and(|last| last % 2 == 1);
                let fits = RSA_BYTES.contains(&modulus.len()) && exponent.len() <= MAX_EXPONENT;
                (is_whole && is_odd && fits)
                    .then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))?
            }
            SigningAlgorithm::Ecdsa(256) if is("kty", "EC") => DecodingKey::from_ec_der(&curve("P-256", 32)?),
            SigningAlgorithm::Ecdsa(384) if is("kty", "EC") => DecodingKey::from_ec_der(&curve("P-384", 48)?),
            SigningAlgorithm::EdDsa if is("kty", "OKP") && is("crv", "Ed25519") => {
                DecodingKey::from_ed_der(&bytes("x").filter(|it| it.len() == 32)?)
            }
            SigningAlgorithm::Hmac(bits) if is("kty", "oct") => {
                let secret =
                    bytes("k").filter(|it| (usize::from(bits / 8)..=MAX_SECRET).contains(&it.len()))?;
                DecodingKey::from_secret(&secret).ok()?
            }
            _ => return None,
        };
        Some(Self { key, algorithm })
    }

    /// True if it has signed a token.
    pub(super) fn has_signed(&self, token: &SignedToken<'_>) -> bool {
        // The longest signature is that of an RSA key.
        let is_short = token.signature.len() <= RSA_BYTES.end() * 2;
        is_short
            && crypto::verify(token.signature, token.signed.as_bytes(), &self.key, self.algorithm)
                .unwrap_or(false)
    }
}

/// A number without the zeros before it.
fn number(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

/// The algorithm of the crate; `None` for one that it does not have.
pub(super) const fn algorithm(of: SigningAlgorithm) -> Option<Algorithm> {
    Some(match of {
        SigningAlgorithm::Hmac(256) => Algorithm::HS256,
        SigningAlgorithm::Hmac(384) => Algorithm::HS384,
        SigningAlgorithm::Hmac(512) => Algorithm::HS512,
        SigningAlgorithm::Rsa(256) => Algorithm::RS256,
        SigningAlgorithm::Rsa(384) => Algorithm::RS384,
        SigningAlgorithm::Rsa(512) => Algorithm::RS512,
        SigningAlgorithm::Pss(256) => Algorithm::PS256,
        SigningAlgorithm::Pss(384) => Algorithm::PS384,
        SigningAlgorithm::Pss(512) => Algorithm::PS512,
        SigningAlgorithm::Ecdsa(256) => Algorithm::ES256,
        SigningAlgorithm::Ecdsa(384) => Algorithm::ES384,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(key: &Value, of: SigningAlgorithm) -> bool {
        key.as_object().is_some_and(|key| VerifyingKey::read(key, of).is_some())
    }

    #[test]
    fn a_key_is_of_one_kind() {
        let bytes = |length: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; length]);
        let keys = [
            json!({"kty": "RSA", "n": bytes(256), "e": "AQAB"}),
            json!({"kty": "EC", "crv": "P-256", "x": bytes(32), "y": bytes(32)}),
            json!({"kty": "EC", "crv": "P-384", "x": bytes(48), "y": bytes(48)}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": bytes(32)}),
            json!({"kty": "oct", "k": bytes(64)}),
        ];
        let kind = |of| match of {
            SigningAlgorithm::Rsa(_) | SigningAlgorithm::Pss(_) => Some(0),
            SigningAlgorithm::Ecdsa(256) => Some(1),
            SigningAlgorithm::Ecdsa(384) => Some(2),
            SigningAlgorithm::EdDsa => Some(3),
            SigningAlgorithm::Hmac(_) => Some(4),
            SigningAlgorithm::Ecdsa(_) => None,
        };
        for (name, of) in super::super::ALGORITHMS {
            for (at, key) in keys.iter().enumerate() {
                assert_eq!(fits(key, *of), kind(*of) == Some(at), "{name} {key}");
            }
        }
    }

    #[test]
    fn weak_keys_and_those_of_odd_lengths_are_none() {
        let rsa = |modulus: &[u8], exponent: &str| {
            let key = json!({"kty": "RSA", "n": BASE64_URL_SAFE_NO_PAD.encode(modulus), "e": exponent});
            fits(&key, SigningAlgorithm::Rsa(256))
        };
        let (right, zeros) = (vec![0xff; 256], [vec![0; 3], vec![0xff; 256]].concat());
        assert!(rsa(&right, "AQAB") && rsa(&zeros, "AQAB") && rsa(&vec![0xff; 512], "AQAB"));
        assert!(!rsa(&vec![0xff; 255], "AQAB") && !rsa(&vec![0xff; 513], "AQAB"));
        assert!(!rsa(&[vec![0x7f], vec![0xff; 255]].concat(), "AQAB"), "2047 bits");
        assert!(!rsa(&[vec![0xff; 255], vec![0xfe]].concat(), "AQAB"), "an even one");
        assert!(!rsa(&right, "AQAAAAE") && !rsa(&right, "AQAB=") && !rsa(&right, "+w"));
        for (bits, least) in [(256, 32), (384, 48), (512, 64)] {
            let secret = |length: usize| {
                let key = json!({"kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(vec![1; length])});
                fits(&key, SigningAlgorithm::Hmac(bits))
            };
            assert!(secret(least) && secret(MAX_SECRET) && !secret(least - 1) && !secret(MAX_SECRET + 1));
        }
    }

    #[test]
    fn a_set_is_an_object_with_a_list() {
        let keys = |text: &str| KeySet::read(text).map(|set| set.0.len());
        assert_eq!(keys(r#"{"keys": [{}, 1, null, {"kty": "x"}], "more": 1}"#), Some(2));
        for text in ["", "[]", "{}", "1", r#"{"keys": {}}"#, r#"{"keys": []}x"#] {
            assert_eq!(keys(text), None, "{text}");
        }
    }
}
