//! Credentials: authtokens without their secret, what they may bind and where their agents may come from.
//!
//! Source: ngrok documentation, credentials (2026-08-07). Ours is the expiry.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use jiff::Timestamp;
use policy_core::lpm::{Restriction, cidr};
use policy_core::ngrok::ERR_NGROK_393;
use serde::{Deserialize, Serialize};

use crate::control::identity::acl::{Acl, AclError};
use crate::control::identity::error::IdentityError;
use crate::control::identity::ids::{CredentialId, ServiceUserId};
use crate::control::identity::notice::NoticeKind;
use crate::control::identity::record::{Record, check_notes, invalid};
use crate::control::identity::token::{Token, TokenHash};

/// Networks of one list of sources.
const MAX_NETWORKS: usize = 1_000;

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

/// What changes a credential; `None` leaves a field as it is. An empty list in place of rules is refused, since it would
/// permit everything.
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

/// The rules of a credential, read.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What it may bind.
    pub(in crate::control::identity) acl: Arc<Acl>,
    /// Where it counts; without it everywhere.
    sources: Option<Restriction>,
}

impl Rules {
    /// True if the credential counts for who comes from there.
    pub(in crate::control::identity) fn permits(&self, source: IpAddr) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.permits(source))
    }
}

impl Record for Credential {
    const TABLE: &'static str = "credentials";
    const NAME: &'static str = "credentials";
    const MAX: usize = 100_000;
    const USES: Option<&'static str> = Some("last_used");

    type Id = CredentialId;
    type New = NewCredential;
    type Patch = CredentialPatch;
    type Secret = Token;
    type Rules = Rules;

    fn id(&self) -> CredentialId {
        self.id
    }

    fn owner(&self) -> Option<ServiceUserId> {
        self.owner_id
    }

    fn credential(&self) -> Option<CredentialId> {
        Some(self.id)
    }

    fn hash(&self) -> Option<TokenHash> {
        Some(self.sha256)
    }

    fn last_used(&mut self) -> Option<&mut Option<Timestamp>> {
        Some(&mut self.last_used_at)
    }

    fn make(
        id: CredentialId,
        new: NewCredential,
        created_at: Timestamp,
    ) -> Result<(Self, Token), IdentityError> {
        let token = Token::draw(id.0).map_err(IdentityError::Random)?;
        let credential = Self {
            id,
            description: new.description,
            metadata: new.metadata,
            acl: new.acl,
            allow_cidrs: new.allow_cidrs,
            deny_cidrs: new.deny_cidrs,
            owner_id: new.owner_id,
            created_at,
            expires_at: new.expires_at,
            last_used_at: None,
            sha256: TokenHash::from_token(token.reveal()),
        };
        Ok((credential, token))
    }

    fn patched(&self, patch: CredentialPatch) -> Result<Self, IdentityError> {
        self.check_patch(&patch)?;
        let mut new = self.clone();
        new.description = patch.description.unwrap_or(new.description);
        new.metadata = patch.metadata.unwrap_or(new.metadata);
        new.acl = patch.acl.unwrap_or(new.acl);
        new.allow_cidrs = patch.allow_cidrs.unwrap_or(new.allow_cidrs);
        new.deny_cidrs = patch.deny_cidrs.unwrap_or(new.deny_cidrs);
        new.expires_at = patch.expires_at.or(new.expires_at);
        Ok(new)
    }

    /// Checks the fields and reads the rules.
    fn rules(&self) -> Result<Rules, IdentityError> {
        check_notes(&self.description, &self.metadata)?;
        let acl = Acl::parse(&self.acl).map_err(|error| IdentityError::Invalid {
            code: Some(AclError::CODE),
            message: error.to_string(),
        })?;
        let acl = Arc::new(acl);
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

    fn check_new(&self, now: Timestamp) -> Result<(), IdentityError> {
        if self.is_expired(now) {
            return Err(invalid("`expires_at` is in the past"));
        }
        Ok(())
    }

    fn takes_away(&self, old: &Self) -> bool {
        let rules = |of: &Self| (of.acl.clone(), of.allow_cidrs.clone(), of.deny_cidrs.clone());
        let earlier = match (self.expires_at, old.expires_at) {
            (Some(new), Some(old)) => new < old,
            (new, old) => new.is_some() && old.is_none(),
        };
        earlier || rules(self) != rules(old)
    }

    fn told(&self, old: &Self) -> Option<NoticeKind> {
        let changed = self.takes_away(old) || self.expires_at != old.expires_at;
        changed.then_some(NoticeKind::Changed)
    }
}

impl Credential {
    /// Refuses a patch that permits everything without saying so: an empty list means that nothing is restricted, and
    /// may be what a client sends for "no change".
    fn check_patch(&self, patch: &CredentialPatch) -> Result<(), IdentityError> {
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
        Err(invalid(message))
    }

    /// True from the time of expiry on.
    pub(in crate::control::identity) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Reads networks, each as an entry of `restrict-ips`.
fn networks(field: &str, texts: &[String]) -> Result<Vec<IpNetwork>, IdentityError> {
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
