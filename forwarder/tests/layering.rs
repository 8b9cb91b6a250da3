//! The wings of the crate and the rooms in them: each uses only those before it (ADR 34).
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::path::Path;

#[path = "../../policy-core/tests/support/rooms.rs"]
mod rooms;

/// The wings of the library, lowest first, and of the command, which uses it.
const WINGS: &[(&str, &[&str])] = &[
    (
        "base",
        &[
            "system",
            "memory",
            "open_files",
            "random",
            "sync",
            "said",
            "private",
            "files",
            "reports",
            "lines",
            "log",
        ],
    ),
    (
        "net",
        &[
            "socket",
            "listen",
            "accept",
            "sources",
            "limit",
            "host",
            "http_server",
            "proxy_protocol",
            "tls",
            "dial",
            "relay",
        ],
    ),
    (
        "agent",
        &[
            "interrupt",
            "refusals",
            "pauses",
            "status",
            "setup",
            "failures",
            "network",
            "upstream",
            "options",
            "reload",
            "control",
            "end",
            "memory",
            "bindings",
            "streams",
            "session",
            "run",
            "web",
            "command",
        ],
    ),
    ("control", &["identity", "audit", "admin"]),
    (
        "edge",
        &[
            // What is served, and what that may take.
            "generation",
            "admission",
            "state",
            "session_info",
            "policy_shares",
            "online",
            "own_sockets",
            // The way of a connection.
            "route",
            "events",
            "registry",
            "open",
            "waiting",
            "shares",
            "shared",
            "revalidate",
            "connection",
            "listener",
            // Agents, and the whole.
            "agents",
            "status",
            "running",
            "serve",
            "quickstart",
        ],
    ),
    ("cmd", &["exit", "cli", "agent", "edge"]),
];

#[test]
fn wings_and_rooms_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let wings: Vec<&str> = WINGS.iter().map(|(wing, _)| *wing).collect();
    rooms::assert_in_order(&src, &wings);
    for (wing, rooms) in WINGS {
        rooms::assert_in_order_within(&src, wing, rooms);
    }
}
