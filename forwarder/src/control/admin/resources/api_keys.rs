//! `/api_keys`: what the API takes over TCP. A key stands in the answer that makes it and nowhere else.

use agent_link::Hidden;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::admin::answer::Fault;
use crate::control::admin::call::owner;
use crate::control::admin::filter::view;
use crate::control::admin::records::{RecordKind, View};
use crate::control::identity::{ApiKey, ApiKeyPatch, NewApiKey};

/// The API keys.
pub(in crate::control::admin) struct ApiKeys;

view! {
    /// An API key as the API shows it.
    #[derive(Serialize)]
    pub(in crate::control::admin) struct KeyView {
        id: String,
        uri: String,
        description: String,
        metadata: String,
        created_at: Timestamp,
        owner_id: Option<String>,
    } and {
        /// Null but in the answer that makes it.
        token: Option<Hidden>,
    }
}

impl View for KeyView {
    fn id(&self) -> &str {
        &self.id
    }

    fn reveal(&mut self, token: Hidden) {
        self.token = Some(token);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control::admin) struct CreateApiKey {
    description: Option<String>,
    metadata: Option<String>,
    owner_id: Option<String>,
    owner_email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control::admin) struct UpdateApiKey {
    description: Option<String>,
    metadata: Option<String>,
    /// Some clients repeat the id of the path.
    #[serde(rename = "id")]
    _id: Option<String>,
}

impl RecordKind for ApiKeys {
    const NAMES: &'static [&'static str] = &["api_keys"];
    const LIST_KEY: Option<&'static str> = Some("keys");
    const EVENT: &'static str = "api_key";

    type Record = ApiKey;
    type View = KeyView;
    type Create = CreateApiKey;
    type Update = UpdateApiKey;

    fn view(key: ApiKey, uri: String) -> KeyView {
        KeyView {
            uri,
            id: key.id.to_string(),
            description: key.description,
            metadata: key.metadata,
            created_at: key.created_at,
            owner_id: key.owner_id.map(|id| id.to_string()),
            token: None,
        }
    }

    fn creation(body: CreateApiKey) -> Result<NewApiKey, Fault> {
        Ok(NewApiKey {
            description: body.description.unwrap_or_default(),
            metadata: body.metadata.unwrap_or_default(),
            owner_id: owner(body.owner_id, body.owner_email)?,
        })
    }

    fn patch(body: UpdateApiKey) -> ApiKeyPatch {
        let UpdateApiKey { description, metadata, .. } = body;
        ApiKeyPatch { description, metadata }
    }
}
