//! What is kept about service users and credentials, and what makes or changes them.

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use policy_core::agent::{MAX_DESCRIPTION, MAX_METADATA};
use policy_core::lpm::{Restriction, cidr};
use policy_core::ngrok::{ERR_NGROK_393, ERR_NGROK_18012, ERR_NGROK_18013, NgrokCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::acl::Acl;
use super::error::IdentityError;
use super::ids::{CredentialId, RecordId, ServiceUserId};
use super::token::TokenHash;

/// Networks of one list of sources.
const MAX_NETWORKS: usize = 1_000;

/// A kind of record: what a store knows of it.
pub(super) trait Record: Clone + Serialize + DeserializeOwned {
    /// The name of its table on the disk.
    const TABLE: &'static str;

    /// What it is kept by.
    type Id: RecordId;

    /// Its id.
    fn id(&self) -> Self::Id;

    /// Whose it is.
    fn owner(&self) -> Option<ServiceUserId>;
}

impl Record for ServiceUser {
    const TABLE: &'static str = "service_users";

    type Id = ServiceUserId;

    fn id(&self) -> ServiceUserId {
        self.id
    }

    fn owner(&self) -> Option<ServiceUserId> {
        None
    }
}

impl Record for Credential {
    const TABLE: &'static str = "credentials";

    type Id = CredentialId;

    fn id(&self) -> CredentialId {
        self.id
    }

    fn owner(&self) -> Option<ServiceUserId> {
        self.owner_id
    }
}

/// A machine or site that owns credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUser {
    /// Its id.
    pub id: ServiceUserId,
    /// What people call it.
    pub name: String,
    /// Whether its credentials count.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An authtoken, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// For people, at most 255 characters.
    pub description: String,
    /// For machines, at most 4,096 characters.
    pub metadata: String,
    /// What it may bind; nothing listed permits everything.
    pub acl: Vec<String>,
    /// Networks that its agents may connect from, at most 1,000; without any in both lists, from everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_cidrs: Vec<String>,
    /// Networks that they may not connect from, at most 1,000; they win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny_cidrs: Vec<String>,
    /// Whose it is.
    pub owner_id: Option<ServiceUserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it last authenticated, to about a minute.
    #[serde(skip)]
    pub last_used_at: Option<Timestamp>,
    /// The hash of its token.
    pub sha256: TokenHash,
}

/// The rules of a credential, read.
pub(super) struct Rules {
    pub(super) acl: Acl,
    /// Where it counts; without it everywhere.
    pub(super) sources: Option<Restriction>,
}

/// What makes a service user.
#[derive(Clone, Debug)]
pub struct NewServiceUser {
    /// What people call it.
    pub name: String,
    /// Whether its credentials count.
    pub active: bool,
}

/// What changes a service user; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ServiceUserPatch {
    /// A new name.
    pub name: Option<String>,
    /// Whether its credentials count from now on.
    pub active: Option<bool>,
}

/// What makes a credential.
#[derive(Clone, Debug, Default)]
pub struct NewCredential {
    /// For people.
    pub description: String,
    /// For machines.
    pub metadata: String,
    /// What it may bind.
    pub acl: Vec<String>,
    /// Networks that its agents may connect from.
    pub allow_cidrs: Vec<String>,
    /// Networks that they may not connect from.
    pub deny_cidrs: Vec<String>,
    /// Whose it is.
    pub owner_id: Option<ServiceUserId>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// What changes a credential; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct CredentialPatch {
    /// A new description.
    pub description: Option<String>,
    /// New metadata.
    pub metadata: Option<String>,
    /// New rules.
    pub acl: Option<Vec<String>>,
    /// New networks that agents may connect from.
    pub allow_cidrs: Option<Vec<String>>,
    /// New networks that they may not connect from.
    pub deny_cidrs: Option<Vec<String>>,
    /// A new time at which it expires.
    pub expires_at: Option<Timestamp>,
}

impl ServiceUser {
    /// Refuses an empty name, and one that is too long.
    pub(super) fn check(&self) -> Result<(), IdentityError> {
        if self.name.trim().is_empty() {
            return Err(IdentityError::Invalid {
                code: None,
                message: "`name` must not be empty".to_owned(),
            });
        }
        check_length("name", &self.name, MAX_DESCRIPTION, None)
    }

    /// The service user with some fields changed.
    pub(super) fn patched(&self, patch: ServiceUserPatch) -> Self {
        Self {
            name: patch.name.unwrap_or_else(|| self.name.clone()),
            active: patch.active.unwrap_or(self.active),
            ..*self
        }
    }
}

impl Credential {
    /// Checks the fields and reads the rules.
    pub(super) fn check(&self) -> Result<Rules, IdentityError> {
        check_notes(&self.description, &self.metadata)?;
        let acl = Acl::parse(&self.acl).map_err(|error| IdentityError::Invalid {
            code: Some(super::AclError::CODE),
            message: error.to_string(),
        })?;
        let (allow, deny) =
            (networks("allow_cidrs", &self.allow_cidrs)?, networks("deny_cidrs", &self.deny_cidrs)?);
        if allow.is_empty() && deny.is_empty() {
            return Ok(Rules { acl, sources: None });
        }
        let invalid = |message: String| IdentityError::Invalid { code: Some(ERR_NGROK_393), message };
        if allow.is_empty() {
            let message = "no address is allowed; to permit all but the denied, allow 0.0.0.0/0 and ::/0";
            return Err(invalid(message.to_owned()));
        }
        let sources = Restriction::build(allow, deny).map_err(|error| invalid(error.to_string()))?;
        Ok(Rules { acl, sources: Some(sources) })
    }

    /// Refuses a patch that permits everything without saying so: an empty list means that nothing is restricted, and
    /// may be what a client sends for "no change".
    pub(super) fn check_patch(&self, patch: &CredentialPatch) -> Result<(), IdentityError> {
        let empties = |old: &[String], new: &Option<Vec<String>>| {
            !old.is_empty() && new.as_ref().is_some_and(Vec::is_empty)
        };
        let message = if empties(&self.acl, &patch.acl) {
            "an empty `acl` would permit every address; to permit that send [\"*\"], to keep the rules leave `acl` out"
        } else if empties(&self.allow_cidrs, &patch.allow_cidrs) {
            "an empty `allow_cidrs` would permit every source; to permit that send [\"0.0.0.0/0\", \"::/0\"], to keep the networks leave it out"
        } else {
            return Ok(());
        };
        Err(IdentityError::Invalid { code: None, message: message.to_owned() })
    }

    /// The authtoken with some fields changed.
    pub(super) fn patched(&self, patch: CredentialPatch) -> Self {
        let mut new = self.clone();
        new.description = patch.description.unwrap_or(new.description);
        new.metadata = patch.metadata.unwrap_or(new.metadata);
        new.acl = patch.acl.unwrap_or(new.acl);
        new.allow_cidrs = patch.allow_cidrs.unwrap_or(new.allow_cidrs);
        new.deny_cidrs = patch.deny_cidrs.unwrap_or(new.deny_cidrs);
        new.expires_at = patch.expires_at.or(new.expires_at);
        new
    }

    /// Whether a session that the old rules permit may be refused by these.
    pub(super) fn may_narrow(&self, old: &Self) -> bool {
        let rules = |of: &Self| (of.acl.clone(), of.allow_cidrs.clone(), of.deny_cidrs.clone());
        let earlier = match (self.expires_at, old.expires_at) {
            (Some(new), Some(old)) => new < old,
            (new, old) => new.is_some() && old.is_none(),
        };
        earlier || rules(self) != rules(old)
    }

    /// True from the time of expiry on.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Reads networks, each as an entry of `restrict-ips`.
fn networks(field: &str, texts: &[String]) -> Result<Vec<IpNetwork>, IdentityError> {
    let invalid = |message: String| IdentityError::Invalid { code: None, message };
    if texts.len() > MAX_NETWORKS {
        return Err(invalid(format!("`{field}` has more than {MAX_NETWORKS} networks")));
    }
    let read = |text: &String| {
        let shown = || text.chars().take(64).collect::<String>();
        cidr(text)
            .map(|entry| entry.network)
            .map_err(|error| invalid(format!("`{field}`: `{}` is not a network: {error}", shown())))
    };
    texts.iter().map(read).collect()
}

/// Checks the texts that people and machines give.
pub(super) fn check_notes(description: &str, metadata: &str) -> Result<(), IdentityError> {
    check_length("description", description, MAX_DESCRIPTION, Some(ERR_NGROK_18012))?;
    check_length("metadata", metadata, MAX_METADATA, Some(ERR_NGROK_18013))
}

fn check_length(field: &str, text: &str, max: usize, code: Option<NgrokCode>) -> Result<(), IdentityError> {
    if text.chars().take(max + 1).count() <= max {
        return Ok(());
    }
    Err(IdentityError::Invalid { code, message: format!("`{field}` has more than {max} characters") })
}
