//! `/service_users`, which older clients call `/bot_users`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api_keys::ApiKeys;
use super::credentials::Credentials;
use crate::control::admin::answer::Fault;
use crate::control::admin::filter::{Fields, Kind};
use crate::control::admin::records::{RecordKind, View};
use crate::control::admin::resource::Context;
use crate::control::identity::{
    Identity, IdentityError, NewServiceUser, RemovedServiceUser, ServiceUser, ServiceUserId,
    ServiceUserPatch, Token,
};

/// The service users.
pub(in crate::control::admin) struct ServiceUsers;

/// A service user as the API shows it.
#[derive(Serialize)]
pub(in crate::control::admin) struct UserView {
    id: String,
    uri: String,
    name: String,
    active: bool,
    created_at: Timestamp,
}

impl View for UserView {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What makes or changes a service user; a field that is null counts as absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::control::admin) struct ServiceUserBody {
    name: Option<String>,
    active: Option<bool>,
    /// Some clients repeat the id of the path.
    #[serde(rename = "id")]
    _id: Option<String>,
}

impl RecordKind for ServiceUsers {
    const NAMES: &'static [&'static str] = &["service_users", "bot_users"];
    const ID_PREFIX: &'static str = "su";
    const EVENT: &'static str = "service_user";
    const FIELDS: Fields = &[
        ("id", Kind::Text),
        ("uri", Kind::Text),
        ("name", Kind::Text),
        ("active", Kind::Flag),
        ("created_at", Kind::Time),
    ];

    type Id = ServiceUserId;
    type Record = ServiceUser;
    type Removed = RemovedServiceUser;
    type View = UserView;
    type Create = ServiceUserBody;
    type Update = ServiceUserBody;

    fn id(user: &ServiceUser) -> ServiceUserId {
        user.id
    }

    fn view(user: ServiceUser, uri: String) -> UserView {
        let ServiceUser { id, name, active, created_at } = user;
        UserView { uri, id: id.to_string(), name, active, created_at }
    }

    fn page(identity: &Identity, before: Option<ServiceUserId>, max: usize) -> Vec<ServiceUser> {
        identity.service_users(before, max)
    }

    fn find(identity: &Identity, id: ServiceUserId) -> Option<ServiceUser> {
        identity.service_user(id)
    }

    fn create(identity: &Identity, body: ServiceUserBody) -> Result<(ServiceUser, Option<Token>), Fault> {
        let new = NewServiceUser { name: body.name.unwrap_or_default(), active: body.active.unwrap_or(true) };
        let user = identity.create_service_user(new, Timestamp::now());
        Ok((user.map_err(|error| Fault::from_identity(error, ""))?, None))
    }

    fn update(
        identity: &Identity,
        id: ServiceUserId,
        body: ServiceUserBody,
    ) -> Result<ServiceUser, IdentityError> {
        identity.update_service_user(id, ServiceUserPatch { name: body.name, active: body.active })
    }

    fn removable(identity: &Identity, id: ServiceUserId) -> Option<RemovedServiceUser> {
        identity.with_owned(id)
    }

    /// Deletes it with its authtokens and API keys.
    fn delete(identity: &Identity, id: ServiceUserId) -> Result<RemovedServiceUser, IdentityError> {
        identity.delete_service_user(id)
    }

    fn emit_removed(cx: &Context<'_>, removed: RemovedServiceUser) {
        for credential in removed.credentials {
            cx.audit::<Credentials>("deleted", &cx.view::<Credentials>(credential));
        }
        for key in removed.api_keys {
            cx.audit::<ApiKeys>("deleted", &cx.view::<ApiKeys>(key));
        }
        cx.audit::<Self>("deleted", &cx.view::<Self>(removed.user));
    }
}
