//! The resources of the API: a file and a line each.

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
