//! What a session learns: who it is of, and when to look at that again.

use std::sync::Arc;

use jiff::Timestamp;

use super::acl::Acl;
use super::ids::{CredentialId, ServiceUserId};

/// Who authenticated.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The credential that was used.
    pub credential: CredentialId,
    /// The service user that owns it.
    pub owner: Option<ServiceUserId>,
    /// What it may bind.
    pub acl: Arc<Acl>,
    /// When a session of it must end.
    pub expires_at: Option<Timestamp>,
}

/// What became of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// They count no more.
    Died,
    /// Their rules or their expiry changed.
    Changed,
}

/// Tells that sessions must be looked at again.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The epoch that began with it.
    pub epoch: u64,
    /// What became of the credentials.
    pub kind: NoticeKind,
    /// Which ones.
    pub credentials: Arc<[CredentialId]>,
}
