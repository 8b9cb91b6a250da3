//! `/api_keys`: what the API takes over TCP. A key stands in the answer that makes it and nowhere else.

use agent_link::Hidden;
use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::made;
use super::filter::Kind;
use super::page::List;
use super::{Admin, Answer, Call, Fault, owner};
use crate::control::identity::{ApiKey, ApiKeyId, ApiKeyPatch, NewApiKey};

/// The path of the collection.
pub(super) const COLLECTION: &str = "api_keys";
/// The kind of object in events.
pub(super) const KIND: &str = "api_key";
/// What a list of API keys may be filtered by, and how it is cut.
pub(super) const LIST: List = List {
    path: COLLECTION,
    key: "keys",
    fields: &[
        ("id", Kind::Text),
        ("uri", Kind::Text),
        ("description", Kind::Text),
        ("metadata", Kind::Text),
        ("created_at", Kind::Time),
        ("owner_id", Kind::Maybe),
    ],
};

/// An API key as the API shows it.
#[derive(Serialize)]
pub(super) struct View {
    id: String,
    uri: String,
    description: String,
    metadata: String,
    created_at: Timestamp,
    owner_id: Option<String>,
    /// Null but in the answer that makes it.
    token: Option<Hidden>,
}

impl View {
    /// The key as it is shown.
    pub(super) fn of(key: ApiKey, call: &Call) -> Self {
        Self {
            uri: call.uri(COLLECTION, key.id),
            id: key.id.to_string(),
            description: key.description,
            metadata: key.metadata,
            created_at: key.created_at,
            owner_id: key.owner_id.map(|id| id.to_string()),
            token: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    description: Option<String>,
    metadata: Option<String>,
    owner_id: Option<String>,
    owner_email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    description: Option<String>,
    metadata: Option<String>,
    /// Some clients repeat the id of the path.
    #[serde(rename = "id")]
    _id: Option<String>,
}

fn parse(id: &str) -> Result<ApiKeyId, Fault> {
    id.parse().map_err(|_| Fault::not_found(id))
}

impl Admin {
    /// A page of API keys.
    pub(super) fn list_api_keys(&self, call: &Call) -> Result<Answer, Fault> {
        LIST.answer(
            call,
            |view: &View| &view.id,
            |before: Option<&ApiKeyId>, most| {
                let found = self.identity.api_keys(before.copied(), most);
                found.into_iter().map(|it| View::of(it, call)).collect()
            },
        )
    }

    /// Creates an API key, whose text only this answer has.
    pub(super) fn create_api_key(&self, call: &Call) -> Result<Answer, Fault> {
        let body: Create = call.json()?;
        let new = NewApiKey {
            description: body.description.unwrap_or_default(),
            metadata: body.metadata.unwrap_or_default(),
            owner_id: owner(body.owner_id, body.owner_email)?,
        };
        let created = self.identity.create_api_key(new, Timestamp::now());
        let (key, token) = created.map_err(|error| Fault::from_identity(error, ""))?;
        let mut view = View::of(key, call);
        self.audit.tell(call, KIND, "created", &view);
        view.token = Some(Hidden(token.reveal().to_owned()));
        Answer::json(StatusCode::CREATED, &view)
    }

    /// One API key.
    pub(super) fn read_api_key(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        let key = self.identity.api_key(parse(id)?).ok_or_else(|| Fault::not_found(id))?;
        Answer::json(StatusCode::OK, &View::of(key, call))
    }

    /// Changes the texts of an API key.
    pub(super) fn update_api_key(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        let Update { description, metadata, .. } = call.json()?;
        let key = self.identity.update_api_key(parse(id)?, ApiKeyPatch { description, metadata });
        let view = View::of(key.map_err(|error| Fault::from_identity(error, id))?, call);
        self.audit.tell(call, KIND, "updated", &view);
        Answer::json(StatusCode::OK, &view)
    }

    /// Deletes an API key; it takes effect immediately.
    pub(super) fn delete_api_key(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        let id_of = parse(id)?;
        let before = self.identity.api_key(id_of);
        let (key, durable) = made(self.identity.delete_api_key(id_of), id, || before)?;
        self.audit.tell(call, KIND, "deleted", &View::of(key, call));
        durable?;
        Ok(Answer::nothing())
    }
}
