//! `/service_users`, which older clients call `/bot_users`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::admin::answer::Fault;
use crate::control::admin::filter::view;
use crate::control::admin::records::{RecordKind, View};
use crate::control::identity::{NewServiceUser, ServiceUser, ServiceUserPatch};

/// The service users.
pub(in crate::control::admin) struct ServiceUsers;

view! {
    /// A service user as the API shows it.
    #[derive(Serialize)]
    pub(in crate::control::admin) struct UserView {
        id: String,
        uri: String,
        name: String,
        active: bool,
        created_at: Timestamp,
    }
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
    const EVENT: &'static str = "service_user";

    type Record = ServiceUser;
    type View = UserView;
    type Create = ServiceUserBody;
    type Update = ServiceUserBody;

    fn view(user: ServiceUser, uri: String) -> UserView {
        let ServiceUser { id, name, active, created_at } = user;
        UserView { uri, id: id.to_string(), name, active, created_at }
    }

    fn creation(body: ServiceUserBody) -> Result<NewServiceUser, Fault> {
        Ok(NewServiceUser { name: body.name.unwrap_or_default(), active: body.active.unwrap_or(true) })
    }

    fn patch(body: ServiceUserBody) -> ServiceUserPatch {
        ServiceUserPatch { name: body.name, active: body.active }
    }
}
