//! The resources of the API: a file and a line each. One that shows what the edge knows asks the traits that the edge
//! implements, [`Sessions`](super::Sessions) and [`EdgeControl`](super::EdgeControl), where its answers have their types.

pub(super) mod api_keys;
pub(super) mod credentials;
mod edge;
pub(super) mod endpoints;
pub(super) mod service_users;
pub(super) mod tunnel_sessions;

use super::records::RecordResource;
use super::resource::Resources;

/// All of them.
pub(super) const ALL: Resources = &[
    &RecordResource::<service_users::ServiceUsers>::NEW,
    &RecordResource::<credentials::Credentials>::NEW,
    &RecordResource::<api_keys::ApiKeys>::NEW,
    &tunnel_sessions::TunnelSessions,
    &endpoints::Endpoints,
    &edge::Edge,
];
