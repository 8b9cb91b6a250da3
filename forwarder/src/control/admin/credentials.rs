//! `/credentials`: authtokens. A token stands in the answer that makes it and nowhere else.

use agent_link::Hidden;
use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::made;
use super::filter::Kind;
use super::page::List;
use super::{Admin, Answer, Call, Fault, owner};
use crate::control::identity::{Credential, CredentialId, CredentialPatch, NewCredential};

/// The path of the collection.
pub(super) const COLLECTION: &str = "credentials";
/// The kind of object in events.
pub(super) const KIND: &str = "tunnel_credential";
/// What a list of authtokens may be filtered by, and how it is cut.
pub(super) const LIST: List = List {
    path: COLLECTION,
    key: COLLECTION,
    fields: &[
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
    ],
};

/// An authtoken as the API shows it.
#[derive(Serialize)]
pub(super) struct View {
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

impl View {
    /// The authtoken as it is shown.
    pub(super) fn of(credential: Credential, call: &Call) -> Self {
        Self {
            uri: call.uri(COLLECTION, credential.id),
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
}

/// What makes a credential. A key that nobody knows is refused: a misspelt `acl` would permit everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
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
struct Update {
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

fn parse(id: &str) -> Result<CredentialId, Fault> {
    id.parse().map_err(|_| Fault::not_found(id))
}

impl Admin {
    /// A page of authtokens.
    pub(super) fn list_credentials(&self, call: &Call) -> Result<Answer, Fault> {
        LIST.answer(
            call,
            |view: &View| &view.id,
            |before: Option<&CredentialId>, most| {
                let found = self.identity.credentials(before.copied(), most);
                found.into_iter().map(|it| View::of(it, call)).collect()
            },
        )
    }

    /// Creates an authtoken, whose text only this answer has.
    pub(super) fn create_credential(&self, call: &Call) -> Result<Answer, Fault> {
        let body: Create = call.json()?;
        let new = NewCredential {
            description: body.description.unwrap_or_default(),
            metadata: body.metadata.unwrap_or_default(),
            acl: body.acl.unwrap_or_default(),
            allow_cidrs: body.allow_cidrs.unwrap_or_default(),
            deny_cidrs: body.deny_cidrs.unwrap_or_default(),
            owner_id: owner(body.owner_id, body.owner_email)?,
            expires_at: body.expires_at,
        };
        let created = self.identity.create_credential(new, Timestamp::now());
        let (credential, token) = created.map_err(|error| Fault::from_identity(error, ""))?;
        let mut view = View::of(credential, call);
        self.audit.tell(call, KIND, "created", &view);
        view.token = Some(Hidden(token.reveal().to_owned()));
        Answer::json(StatusCode::CREATED, &view)
    }

    /// One authtoken.
    pub(super) fn read_credential(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        let credential = self.identity.credential(parse(id)?).ok_or_else(|| Fault::not_found(id))?;
        Answer::json(StatusCode::OK, &View::of(credential, call))
    }

    /// Changes the rules and texts of an authtoken.
    pub(super) fn update_credential(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        let Update { description, metadata, acl, allow_cidrs, deny_cidrs, expires_at, .. } = call.json()?;
        let patch = CredentialPatch { description, metadata, acl, allow_cidrs, deny_cidrs, expires_at };
        let id_of = parse(id)?;
        let changed = self.identity.update_credential(id_of, patch);
        let (credential, durable) = made(changed, id, || self.identity.credential(id_of))?;
        let view = View::of(credential, call);
        self.audit.tell(call, KIND, "updated", &view);
        durable?;
        Answer::json(StatusCode::OK, &view)
    }

    /// Revokes an authtoken and ends its sessions.
    pub(super) fn delete_credential(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        let id_of = parse(id)?;
        let before = self.identity.credential(id_of);
        let (credential, durable) = made(self.identity.delete_credential(id_of), id, || before)?;
        self.audit.tell(call, KIND, "deleted", &View::of(credential, call));
        durable?;
        Ok(Answer::nothing())
    }
}
