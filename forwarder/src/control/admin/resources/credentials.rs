//! `/credentials`: authtokens. A token stands in the answer that makes it and nowhere else.

use agent_link::Hidden;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::admin::answer::Fault;
use crate::control::admin::call::owner;
use crate::control::admin::filter::view;
use crate::control::admin::records::{RecordKind, View};
use crate::control::identity::{Credential, CredentialPatch, NewCredential};

/// The authtokens.
pub(in crate::control::admin) struct Credentials;

view! {
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
    } and {
        /// Null but in the answer that makes it.
        token: Option<Hidden>,
    }
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
    const EVENT: &'static str = "tunnel_credential";

    type Record = Credential;
    type View = CredentialView;
    type Create = CreateCredential;
    type Update = UpdateCredential;

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

    fn creation(body: CreateCredential) -> Result<NewCredential, Fault> {
        Ok(NewCredential {
            description: body.description.unwrap_or_default(),
            metadata: body.metadata.unwrap_or_default(),
            acl: body.acl.unwrap_or_default(),
            allow_cidrs: body.allow_cidrs.unwrap_or_default(),
            deny_cidrs: body.deny_cidrs.unwrap_or_default(),
            owner_id: owner(body.owner_id, body.owner_email)?,
            expires_at: body.expires_at,
        })
    }

    fn patch(body: UpdateCredential) -> CredentialPatch {
        let UpdateCredential { description, metadata, acl, allow_cidrs, deny_cidrs, expires_at, .. } = body;
        CredentialPatch { description, metadata, acl, allow_cidrs, deny_cidrs, expires_at }
    }
}
