//! The shape of an event.

use std::net::SocketAddr;

use jiff::Timestamp;
use policy_core::outcome::OutcomeKind;
use policy_core::parse::PlainMap;
use serde::Serialize;

use crate::control::audit::event;
use crate::edge::route::Route;
use crate::net::relay::Relayed;

/// A connection that is over.
#[derive(Debug)]
pub struct Closed<'a> {
    /// The name of the endpoint; `None` if it is gone.
    pub endpoint: Option<&'a str>,
    /// The endpoint's URL host.
    pub server_name: Option<&'a str>,
    /// The client.
    pub client: SocketAddr,
    /// Where the connection was accepted.
    pub server: Option<SocketAddr>,
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
struct Object<'a> {
    conn: Conn<'a>,
    ip_policy: IpPolicy<'a>,
    traffic_policy: TrafficPolicy<'a>,
    ja4_fingerprint: Option<&'a str>,
    endpoint: Option<&'a str>,
    decision: OutcomeKind,
    rule: Option<&'a str>,
    at: Option<WrittenPlace<'a>>,
    reason: &'a str,
    policy_sha256: Option<String>,
    target: Option<String>,
    hops: Vec<String>,
    failed_forwards: Vec<FailedForward>,
    end: Option<String>,
}

#[derive(Serialize)]
struct Conn<'a> {
    bytes_in: u64,
    bytes_out: u64,
    client_ip: String,
    client_port: u16,
    server_ip: Option<String>,
    server_name: Option<&'a str>,
    server_port: Option<u16>,
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
    #[serde(skip_serializing_if = "is_zero")]
    logs_dropped: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct LogEntry<'a> {
    metadata: &'a PlainMap,
}

#[derive(Serialize)]
struct FailedForward {
    target: String,
    error_code: String,
}

#[derive(Serialize)]
struct WrittenPlace<'a> {
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
    event(
        "tcp_connection_closed.v0",
        closed.end,
        None,
        &Object {
            conn: Conn {
                bytes_in: closed.relayed.map_or(0, |relayed| relayed.bytes_in),
                bytes_out: closed.relayed.map_or(0, |relayed| relayed.bytes_out),
                client_ip: closed.client.ip().to_canonical().to_string(),
                client_port: closed.client.port(),
                server_ip: closed.server.map(|server| server.ip().to_canonical().to_string()),
                server_name: closed.server_name,
                server_port: closed.server.map(|server| server.port()),
                start_ts: closed.start,
                end_ts: closed.end,
            },
            ip_policy: IpPolicy {
                decision: route.ip_policy.map(|admitted| if admitted { "allow" } else { "block" }),
            },
            traffic_policy: TrafficPolicy {
                logs: route.logs.iter().map(|metadata| LogEntry { metadata }).collect(),
                logs_dropped: route.logs_dropped,
            },
            ja4_fingerprint: None,
            endpoint: closed.endpoint,
            decision: verdict.decision,
            rule: verdict.rule.as_deref(),
            at: verdict.position.zip(verdict.file.as_deref()).map(|(position, file)| WrittenPlace {
                file,
                line: position.line,
                column: position.column,
            }),
            reason: &verdict.reason,
            policy_sha256: verdict.policy_sha256.map(|digest| digest.to_string()),
            target: route.hops.last().filter(|_| route.upstream.is_some()).map(ToString::to_string),
            hops: route.hops.iter().map(ToString::to_string).collect(),
            failed_forwards: route
                .failed
                .iter()
                .map(|(target, failure)| FailedForward {
                    target: target.to_string(),
                    error_code: failure.ngrok_code().to_string(),
                })
                .collect(),
            end: closed
                .cut
                .map(ToOwned::to_owned)
                .or_else(|| closed.relayed.map(|relayed| relayed.end.to_string())),
        },
    )
}
