//! The rooms of the crate: each uses only those before it.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

#[path = "../../policy-core/tests/support/rooms.rs"]
mod rooms;

/// The rooms of the library, lowest first, and of the command, which uses it.
const ROOMS: &[&str] = &[
    // The system, and what a host has of it.
    "system",
    "memory",
    "private",
    "said",
    "random",
    "sync",
    "host",
    "state",
    "files",
    "proxy_protocol",
    "generation",
    "lines",
    "log",
    "admission",
    // Who is who.
    "identity",
    "policy_shares",
    "session_info",
    "sources",
    // The way of a connection.
    "tune",
    "tls",
    "dial",
    "relay",
    "own_sockets",
    "online",
    "route",
    "admin",
    "events",
    // Agents, and the edge.
    "agent",
    "edge",
    "quickstart",
    "serve",
    // The command.
    "exit",
    "cli",
    "admin_client",
    "edge_commands",
];

#[test]
fn rooms_use_only_those_before_them() {
    rooms::assert_in_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ROOMS);
}
