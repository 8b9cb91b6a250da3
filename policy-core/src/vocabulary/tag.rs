//! The facts that hosts are asked for most, by a number.

use crate::cel::Tag;

pub(crate) const CLIENT_IP: Tag = Tag(0);
pub(crate) const CLIENT_PORT: Tag = Tag(1);
pub(crate) const SERVER_IP: Tag = Tag(2);
pub(crate) const SERVER_PORT: Tag = Tag(3);
pub(crate) const STARTED: Tag = Tag(4);
pub(crate) const NOW: Tag = Tag(5);
pub(crate) const ENDPOINT_URL: Tag = Tag(6);
/// A part of the endpoint's URL.
pub(crate) const ENDPOINT: Tag = Tag(7);
/// What actions produced.
pub(crate) const STATE: Tag = Tag(8);
/// Any other.
const OTHER: Tag = Tag(9);

/// The number of the fact that is declared at a path.
pub(crate) fn from_path(path: &str) -> Tag {
    match path {
        "conn.client_ip" => CLIENT_IP,
        "conn.client_port" => CLIENT_PORT,
        "conn.server_ip" => SERVER_IP,
        "conn.server_port" => SERVER_PORT,
        "conn.ts.start" => STARTED,
        "time.now" => NOW,
        "endpoint.url" => ENDPOINT_URL,
        "vars" => STATE,
        path if path.starts_with("actions.") => STATE,
        path if path.starts_with("endpoint.") => ENDPOINT,
        _ => OTHER,
    }
}
