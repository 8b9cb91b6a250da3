//! `/credentials`: authtokens. A token stands in the answer that makes it and nowhere else.

use agent_link::Hidden;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::admin::answer::Fault;
use crate::control::admin::call::owner;
use crate::control::admin::filter::{Fields, Kind};
use crate::control::admin::records::{RecordKind, View};
use crate::control::admin::resource::Context;
use crate::control::identity::{
    Credential, CredentialId, CredentialPatch, Identity, IdentityError, NewCredential, Token,
};

/// The authtokens.
pub(in crate::control::admin) struct Credentials;

/// An authtoken as the API shows it.
#[derive(Serialize)]
pub(in crate::control::admin) struct CredentialView {
    id: String,
    uri: String,
    created_at: Timestamp,
    description: String,
    metadata: String,
    acl: Vec<String>,
    allow_cidrs: Vec<String>,
    deny_cidrs: Vec<String>,
    owner_id: Option<String>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    /// Null but in the answer that makes it.
    token: Option<Hidden>,
}

impl View for CredentialView {
    fn id(&self) -> &str {
        &self.id
    }

    fn reveal(&mut self, token: Hidden) {
        self.token = Some(token);
    }
}

/// What makes a credential. A key that nobody knows is refused: a misspelt `acl` would permit everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control::admin) struct CreateCredential {
    description: Option<String>,
    metadata: Option<String>,
    acl: Option<Vec<String>>,
    allow_cidrs: Option<Vec<String>>,
    deny_cidrs: Option<Vec<String>>,
    owner_id: Option<String>,
    owner_email: Option<String>,
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control::admin) struct UpdateCredential {
    description: Option<String>,
    metadata: Option<String>,
    acl: Option<Vec<String>>,
    allow_cidrs: Option<Vec<String>>,
    deny_cidrs: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
    /// Some clients repeat the id of the path.
    #[serde(rename = "id")]
    _id: Option<String>,
}

impl RecordKind for Credentials {
    const NAMES: &'static [&'static str] = &["credentials"];
    const ID_PREFIX: &'static str = "cr";
    const EVENT: &'static str = "tunnel_credential";
    const FIELDS: Fields = &[
        ("id", Kind::Text),
        ("uri", Kind::Text),
        ("created_at", Kind::Time),
        ("description", Kind::Text),
        ("metadata", Kind::Text),
        ("acl", Kind::Texts),
        ("allow_cidrs", Kind::Texts),
        ("deny_cidrs", Kind::Texts),
        ("owner_id", Kind::Maybe),
        ("expires_at", Kind::Maybe),
        ("last_used_at", Kind::Maybe),
    ];

    type Id = CredentialId;
    type Record = Credential;
    type Removed = Credential;
    type View = CredentialView;
    type Create = CreateCredential;
    type Update = UpdateCredential;

    fn id(credential: &Credential) -> CredentialId {
        credential.id
    }

    fn view(credential: Credential, uri: String) -> CredentialView {
        CredentialView {
            uri,
            id: credential.id.to_string(),
            created_at: credential.created_at,
            description: credential.description,
            metadata: credential.metadata,
            acl: credential.acl,
            allow_cidrs: credential.allow_cidrs,
            deny_cidrs: credential.deny_cidrs,
            owner_id: credential.owner_id.map(|id| id.to_string()),
            expires_at: credential.expires_at,
            last_used_at: credential.last_used_at,
            token: None,
        }
    }

    fn page(identity: &Identity, before: Option<CredentialId>, max: usize) -> Vec<Credential> {
        identity.credentials(before, max)
    }

    fn find(identity: &Identity, id: CredentialId) -> Option<Credential> {
        identity.credential(id)
    }

    fn create(identity: &Identity, body: CreateCredential) -> Result<(Credential, Option<Token>), Fault> {
        let new = NewCredential {
            description: body.description.unwrap_or_default(),
            metadata: body.metadata.unwrap_or_default(),
            acl: body.acl.unwrap_or_default(),
            allow_cidrs: body.allow_cidrs.unwrap_or_default(),
            deny_cidrs: body.deny_cidrs.unwrap_or_default(),
            owner_id: owner(body.owner_id, body.owner_email)?,
            expires_at: body.expires_at,
        };
        let created = identity.create_credential(new, Timestamp::now());
        let (credential, token) = created.map_err(|error| Fault::from_identity(error, ""))?;
        Ok((credential, Some(token)))
    }

    fn update(
        identity: &Identity,
        id: CredentialId,
        body: UpdateCredential,
    ) -> Result<Credential, IdentityError> {
        let UpdateCredential { description, metadata, acl, allow_cidrs, deny_cidrs, expires_at, .. } = body;
        let patch = CredentialPatch { description, metadata, acl, allow_cidrs, deny_cidrs, expires_at };
        identity.update_credential(id, patch)
    }

    fn removable(identity: &Identity, id: CredentialId) -> Option<Credential> {
        identity.credential(id)
    }

    /// Revokes it and ends its sessions.
    fn delete(identity: &Identity, id: CredentialId) -> Result<Credential, IdentityError> {
        identity.delete_credential(id)
    }

    fn emit_removed(cx: &Context<'_>, credential: Credential) {
        cx.audit::<Self>("deleted", &cx.view::<Self>(credential));
    }
}
