//! Who may connect: service users, their authtokens, and what those may bind.
//!
//! - `kinds` are the kinds of records, a file and a line each; `record` is what such a file says (ADR 38);
//! - `store` is where records are kept: one crash-safe file behind one trait (`disk`), and a reserve for revocations on a
//!   full disk (`journal`);
//! - `token` is the secret, shown once; only its SHA-256 is kept;
//! - `acl` says which addresses a credential may bind;
//! - `directory` keeps a copy in memory (`cache`) in step with the store, so that authentication never waits for a
//!   disk, and tells sessions what changed (`notice`);
//!
//! Source: ngrok documentation, credentials and bot users (2026-08-07). Ours is the expiry of a credential.

mod acl;
mod cache;
mod directory;
mod disk;
mod error;
mod ids;
mod journal;
mod kinds;
mod notice;
mod record;
mod store;
mod token;

pub use acl::{Acl, AclError};
pub use directory::{Identity, Removed};
pub use disk::DiskStore;
pub use error::{ApiKeyError, AuthtokenError, IdentityError, StoreError};
pub use ids::{CredentialId, IdError, RecordId, ServiceUserId};
pub use kinds::{ApiKey, ApiKeyId, ApiKeyPatch, NewApiKey};
pub use kinds::{Change, Kind, Records};
pub use kinds::{Credential, CredentialPatch, NewCredential};
pub use kinds::{NewServiceUser, ServiceUser, ServiceUserPatch};
pub use notice::{Notice, NoticeKind, Principal};
pub use record::Record;
pub use store::Store;
pub use token::{NoToken, Token, TokenHash};
