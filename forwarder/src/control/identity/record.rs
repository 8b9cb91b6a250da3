//! What a kind of record says of itself: what keeps records knows none of them by name (ADR 38).

use std::fmt;

use jiff::Timestamp;
use policy_core::agent::{MAX_DESCRIPTION, MAX_METADATA};
use policy_core::ngrok::{ERR_NGROK_18012, ERR_NGROK_18013, NgrokCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::IdentityError;
use super::ids::{CredentialId, RecordId, ServiceUserId};
use super::notice::NoticeKind;
use super::token::{Token, TokenHash};

/// A kind of record. Its JSON is what is kept: fields may be added, with a default, and never change their meaning.
pub trait Record:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The name of its table on the disk, which never changes.
    const TABLE: &'static str;
    /// What people call them.
    const NAME: &'static str;
    /// How many an edge keeps: they are all in memory.
    const MAX: usize;
    /// The table on the disk of when each was last used, for a kind that keeps that: apart from the records, so that a
    /// note of a use never undoes a change.
    const USES: Option<&'static str> = None;

    /// What it is kept by.
    type Id: RecordId;
    /// What makes one.
    type New;
    /// What changes one.
    type Patch;
    /// What is shown once, when it is made.
    type Secret: Into<Option<Token>>;
    /// What is read from it once, so that nobody who authenticates waits for that.
    type Rules: Clone + fmt::Debug + Send + Sync;

    /// Its id.
    fn id(&self) -> Self::Id;

    /// Whose it is: it goes with its owner.
    fn owner(&self) -> Option<ServiceUserId> {
        None
    }

    /// As what it owns others.
    fn owns(&self) -> Option<ServiceUserId> {
        None
    }

    /// The hash of its secret, by which it is found.
    fn hash(&self) -> Option<TokenHash> {
        None
    }

    /// Where it says when it was last used, for a kind that keeps that.
    fn last_used(&mut self) -> Option<&mut Option<Timestamp>> {
        None
    }

    /// Makes one; nothing is checked yet. `created_at` has whole seconds.
    ///
    /// # Errors
    /// [`IdentityError::Random`].
    fn make(
        id: Self::Id,
        new: Self::New,
        created_at: Timestamp,
    ) -> Result<(Self, Self::Secret), IdentityError>;

    /// This one with some fields changed; nothing is checked yet but the patch.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a patch that cannot be meant.
    fn patched(&self, patch: Self::Patch) -> Result<Self, IdentityError>;

    /// Checks the fields of one that is new or changed.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`].
    fn check(&self) -> Result<(), IdentityError> {
        Ok(())
    }

    /// Reads what authentication needs, also of what comes from the store.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`].
    fn rules(&self) -> Result<Self::Rules, IdentityError>;

    /// Checks what holds only for one that is made now.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`].
    fn check_new(&self, _now: Timestamp) -> Result<(), IdentityError> {
        Ok(())
    }

    /// Whether somebody may have less power than by `old`: such a change counts before it is stored (ADR 17).
    fn takes_away(&self, _old: &Self) -> bool {
        false
    }

    /// As what sessions use it. They depend on what owns it too.
    fn credential(&self) -> Option<CredentialId> {
        None
    }

    /// What sessions that depend on it are told when it was `old` before.
    fn told(&self, _old: &Self) -> Option<NoticeKind> {
        None
    }
}

/// A field that cannot be used, where ngrok has no code for that.
pub(super) fn invalid(message: impl Into<String>) -> IdentityError {
    IdentityError::Invalid { code: None, message: message.into() }
}

/// Checks the texts that people and machines give.
pub(super) fn check_notes(description: &str, metadata: &str) -> Result<(), IdentityError> {
    check_length("description", description, MAX_DESCRIPTION, Some(ERR_NGROK_18012))?;
    check_length("metadata", metadata, MAX_METADATA, Some(ERR_NGROK_18013))
}

/// Refuses a text of more than `max` characters.
pub(super) fn check_length(
    field: &str,
    text: &str,
    max: usize,
    code: Option<NgrokCode>,
) -> Result<(), IdentityError> {
    if text.chars().take(max + 1).count() <= max {
        return Ok(());
    }
    Err(IdentityError::Invalid { code, message: format!("`{field}` has more than {max} characters") })
}
