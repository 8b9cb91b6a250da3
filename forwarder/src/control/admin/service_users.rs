//! `/service_users`.

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::made;
use super::filter::{Fields, Kind};
use super::page::List;
use super::{Admin, Answer, Call, Fault, api_keys, credentials};
use crate::control::identity::{NewServiceUser, ServiceUser, ServiceUserId, ServiceUserPatch};

/// The path of the collection.
pub(super) const COLLECTION: &str = "service_users";
/// What older clients call them.
pub(super) const OLDER: &str = "bot_users";
/// What a list may be filtered by.
pub(super) const FIELDS: Fields = &[
    ("id", Kind::Text),
    ("uri", Kind::Text),
    ("name", Kind::Text),
    ("active", Kind::Flag),
    ("created_at", Kind::Time),
];
const KIND: &str = "service_user";

#[derive(Serialize)]
struct View {
    id: String,
    uri: String,
    name: String,
    active: bool,
    created_at: Timestamp,
}

impl View {
    fn of(user: ServiceUser, call: &Call, path: &str) -> Self {
        let ServiceUser { id, name, active, created_at } = user;
        Self { uri: call.uri(path, id), id: id.to_string(), name, active, created_at }
    }
}

/// What makes or changes a service user; a field that is null counts as absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: Option<String>,
    active: Option<bool>,
    /// Some clients repeat the id of the path.
    #[serde(rename = "id")]
    _id: Option<String>,
}

fn parse(id: &str) -> Result<ServiceUserId, Fault> {
    id.parse().map_err(|_| Fault::not_found(id))
}

impl Admin {
    /// A page of service users.
    pub(super) fn list_service_users(&self, call: &Call, path: &'static str) -> Result<Answer, Fault> {
        let list = List { path, key: path, fields: FIELDS };
        list.answer(
            call,
            |view: &View| &view.id,
            |before: Option<&ServiceUserId>, most| {
                let found = self.identity.service_users(before.copied(), most);
                found.into_iter().map(|it| View::of(it, call, path)).collect()
            },
        )
    }

    /// Creates a service user.
    pub(super) fn create_service_user(&self, call: &Call, path: &str) -> Result<Answer, Fault> {
        let body: Body = call.json()?;
        let new = NewServiceUser { name: body.name.unwrap_or_default(), active: body.active.unwrap_or(true) };
        let user = self.identity.create_service_user(new, Timestamp::now());
        let view = View::of(user.map_err(|error| Fault::from_identity(error, ""))?, call, path);
        self.audit.tell(call, KIND, "created", &view);
        Answer::json(StatusCode::CREATED, &view)
    }

    /// One service user.
    pub(super) fn read_service_user(&self, call: &Call, path: &str, id: &str) -> Result<Answer, Fault> {
        let user = self.identity.service_user(parse(id)?).ok_or_else(|| Fault::not_found(id))?;
        Answer::json(StatusCode::OK, &View::of(user, call, path))
    }

    /// Changes a service user.
    pub(super) fn update_service_user(&self, call: &Call, path: &str, id: &str) -> Result<Answer, Fault> {
        let body: Body = call.json()?;
        let patch = ServiceUserPatch { name: body.name, active: body.active };
        let id_of = parse(id)?;
        let changed = self.identity.update_service_user(id_of, patch);
        let (user, durable) = made(changed, id, || self.identity.service_user(id_of))?;
        let view = View::of(user, call, path);
        self.audit.tell(call, KIND, "updated", &view);
        durable?;
        Answer::json(StatusCode::OK, &view)
    }

    /// Deletes a service user with its authtokens and API keys.
    pub(super) fn delete_service_user(&self, call: &Call, path: &str, id: &str) -> Result<Answer, Fault> {
        let id_of = parse(id)?;
        let before = self.identity.with_owned(id_of);
        let (removed, durable) = made(self.identity.delete_service_user(id_of), id, || before)?;
        for credential in removed.credentials {
            self.audit.tell(call, credentials::KIND, "deleted", &credentials::View::of(credential, call));
        }
        for key in removed.api_keys {
            self.audit.tell(call, api_keys::KIND, "deleted", &api_keys::View::of(key, call));
        }
        self.audit.tell(call, KIND, "deleted", &View::of(removed.user, call, path));
        durable?;
        Ok(Answer::nothing())
    }
}
