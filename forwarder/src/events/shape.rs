//! The shape of an event.

use std::net::SocketAddr;

use jiff::Timestamp;
use policy_core::parse::PlainMap;
use serde::Serialize;
use ulid::Ulid;

use crate::relay::Relayed;
use crate::route::Route;

/// A connection that is over.
#[derive(Debug)]
pub struct Closed<'a> {
    /// The name of the endpoint.
    pub endpoint: &'a str,
    /// The endpoint's URL host.
    pub server_name: &'a str,
    /// The client.
    pub client: SocketAddr,
    /// Where the connection was accepted.
    pub server: SocketAddr,
    /// When it was accepted.
    pub start: Timestamp,
    /// When it was over.
    pub end: Timestamp,
    /// What the policies said.
    pub route: &'a Route,
    /// What was carried; `None` if the connection was refused.
    pub relayed: Option<&'a Relayed>,
    /// Why the edge cut it, if it did.
    pub cut: Option<&'a str>,
}

#[derive(Serialize)]
struct Event<'a> {
    account_id: Option<&'a str>,
    event_id: String,
    event_type: &'a str,
    event_timestamp: Timestamp,
    principal: Option<&'a str>,
    object: Object<'a>,
}

#[derive(Serialize)]
struct Object<'a> {
    conn: Conn<'a>,
    ip_policy: IpPolicy<'a>,
    traffic_policy: TrafficPolicy<'a>,
    endpoint: &'a str,
    decision: &'a str,
    rule: Option<&'a str>,
    at: Option<At<'a>>,
    reason: &'a str,
    policy_sha256: String,
    target: Option<String>,
    hops: Vec<String>,
    end: Option<String>,
}

#[derive(Serialize)]
struct Conn<'a> {
    bytes_in: u64,
    bytes_out: u64,
    client_ip: String,
    client_port: u16,
    server_ip: String,
    server_name: &'a str,
    server_port: u16,
    start_ts: Timestamp,
    end_ts: Timestamp,
}

#[derive(Serialize)]
struct IpPolicy<'a> {
    decision: Option<&'a str>,
}

#[derive(Serialize)]
struct TrafficPolicy<'a> {
    logs: Vec<LogEntry<'a>>,
}

#[derive(Serialize)]
struct LogEntry<'a> {
    metadata: &'a PlainMap,
}

#[derive(Serialize)]
struct At<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

/// The event of a connection as one line of JSON, without the line break.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn tcp_connection_closed(closed: &Closed<'_>) -> serde_json::Result<String> {
    let (route, verdict) = (closed.route, &closed.route.verdict);
    serde_json::to_string(&Event {
        account_id: None,
        event_id: format!("ev_{}", Ulid::generate()),
        event_type: "tcp_connection_closed.v0",
        event_timestamp: closed.end,
        principal: None,
        object: Object {
            conn: Conn {
                bytes_in: closed.relayed.map_or(0, |relayed| relayed.bytes_in),
                bytes_out: closed.relayed.map_or(0, |relayed| relayed.bytes_out),
                client_ip: closed.client.ip().to_canonical().to_string(),
                client_port: closed.client.port(),
                server_ip: closed.server.ip().to_canonical().to_string(),
                server_name: closed.server_name,
                server_port: closed.server.port(),
                start_ts: closed.start,
                end_ts: closed.end,
            },
            ip_policy: IpPolicy {
                decision: route.ip_policy.map(|admitted| if admitted { "allow" } else { "block" }),
            },
            traffic_policy: TrafficPolicy {
                logs: route.logs.iter().map(|metadata| LogEntry { metadata }).collect(),
            },
            endpoint: closed.endpoint,
            decision: verdict.decision,
            rule: verdict.rule.as_deref(),
            at: verdict.position.map(|position| At {
                file: &verdict.file,
                line: position.line,
                column: position.column,
            }),
            reason: &verdict.reason,
            policy_sha256: verdict.policy_sha256.to_string(),
            target: route.hops.last().filter(|_| route.upstream.is_some()).map(ToString::to_string),
            hops: route.hops.iter().map(ToString::to_string).collect(),
            end: closed
                .cut
                .map(ToOwned::to_owned)
                .or_else(|| closed.relayed.map(|relayed| relayed.end.to_string())),
        },
    })
}
