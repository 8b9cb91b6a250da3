//! The secret of a credential or an API key: its ULID, `_`, and 32 random bytes as base64url. That of an API key
//! begins with `ak_`, so that nobody takes the one for the other.
//!
//! The first part is no secret; it lets a person who finds a token see which credential to revoke. The second
//! has 256 bits, so one SHA-256 without salt is enough at rest.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use ulid::Ulid;
use zeroize::{Zeroize, Zeroizing};

const SECRET_BYTES: usize = 32;

/// An authtoken or an API key in clear text; its memory is cleared when it goes. Debugging hides it, and it cannot be displayed by accident.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Characters of the secret at its end.
    pub const SECRET_LENGTH: usize = (SECRET_BYTES * 4).div_ceil(3);

    /// Draws one that begins with an id.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub(super) fn draw(id: impl fmt::Display) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(secret.as_mut_slice())?;
        let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(secret.as_slice()));
        let text = Zeroizing::new(format!("{id}_{}", *secret));
        Ok(Self((**text).into()))
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The secret of a kind of record that has none.
#[derive(Clone, Copy, Debug)]
pub struct NoToken;

impl From<NoToken> for Option<Token> {
    fn from(_: NoToken) -> Self {
        None
    }
}

/// Whether a text has the form of an authtoken.
pub(super) fn is_well_formed(text: &str) -> bool {
    let Some((id, secret)) = text.split_once('_') else { return false };
    Ulid::from_string(id).is_ok_and(|read| read.to_string() == id)
        && BASE64_URL_SAFE_NO_PAD.decode(secret).is_ok_and(|secret| secret.len() == SECRET_BYTES)
}

/// The SHA-256 of a token or key, all that is kept of it.
#[derive(Clone, Copy, Debug, Eq, Hash)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "both compare all bytes")]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token's text.
    #[must_use]
    pub fn from_token(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl PartialEq for TokenHash {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_random_and_hidden() {
        let id = Ulid::generate();
        let (one, two) = (Token::draw(id).expect("random"), Token::draw(id).expect("random"));
        assert_ne!(one.reveal(), two.reveal());
        assert!(is_well_formed(one.reveal()));
        let secret = one.reveal().split_once('_').expect("two parts").1;
        // 6 bits a character, less 2 in the last one.
        assert!(secret.len() == Token::SECRET_LENGTH && secret.len() * 6 - 2 >= 192);
        assert!(!format!("{one:?}").contains(secret));
    }

    #[test]
    fn only_the_form_of_a_token_is_one() {
        let token = Token::draw(Ulid::generate()).expect("random");
        let token = token.reveal();
        let (id, secret) = token.split_once('_').expect("two parts");
        let (longer, no_id) = (format!("{token}A"), format!("_{secret}"));
        for wrong in ["", "_", "abc", "2abc_5xyz", id, secret, &longer, &no_id] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
        assert!(!is_well_formed(&token.to_lowercase()));
    }

    #[test]
    fn a_hash_is_kept_as_text() {
        let hash = TokenHash::from_token("text");
        let text = serde_json::to_string(&hash).expect("writable");
        assert_eq!(serde_json::from_str::<TokenHash>(&text).expect("readable"), hash);
        assert_ne!(hash, TokenHash::from_token("Text"));
        assert!(serde_json::from_str::<TokenHash>("\"AAAA\"").is_err());
    }
}
