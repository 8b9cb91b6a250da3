//! Who may connect: service users, their authtokens, and what those may bind.
//!
//! - `records` are what is kept, `store` is where: one crash-safe file behind one trait (`disk`), and a reserve for
//!   revocations on a full disk (`journal`);
//! - `token` is the secret, shown once; only its SHA-256 is kept;
//! - `acl` says which addresses a credential may bind;
//! - `api_keys` are for the admin API over a network;
//! - `directory` keeps a copy in memory (`cache`) in step with the store, so that authentication never waits for a
//!   disk, and tells sessions what changed (`notice`);
//!
//! Source: ngrok documentation, credentials and bot users (2026-08-07). Ours is the expiry of a credential.

mod acl;
mod api_keys;
mod cache;
mod directory;
mod disk;
mod error;
mod ids;
mod journal;
mod notice;
mod records;
mod store;
mod token;

pub use acl::{Acl, AclError};
pub use api_keys::{ApiKey, ApiKeyPatch, KeyRefusal, NewApiKey};
pub use directory::{Identity, RemovedServiceUser};
pub use disk::DiskStore;
pub use error::{IdentityError, Refusal, StoreError};
pub use ids::{ApiKeyId, CredentialId, IdError, ServiceUserId};
pub use notice::{Notice, NoticeKind, Principal};
pub use records::{
    Credential, CredentialPatch, NewCredential, NewServiceUser, ServiceUser, ServiceUserPatch,
};
pub use store::{Change, Records, Store};
pub use token::{Token, TokenHash};
