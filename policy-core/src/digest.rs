//! SHA-256 digests: of texts, and of what is said whatever its spelling.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest; displayed in lower-case hex.
///
/// ```
/// use policy_core::digest::Digest;
/// assert!(Digest::from_text("").to_string().starts_with("e3b0c44298fc1c14"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a text's UTF-8 bytes.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Makes a digest of several parts; each is told from its neighbours.
pub(crate) struct Hasher(Sha256);

impl Hasher {
    /// A digest of one kind of thing: kinds never collide.
    pub(crate) fn new(kind: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.text(kind);
        hasher
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(crate) fn digest(&mut self, digest: Digest) {
        self.bytes(&digest.0);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}
