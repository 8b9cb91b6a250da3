//! The wings of the crate and the rooms in them: each uses only those before it (ADR 34).
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

#[path = "../../policy-core/tests/support/rooms.rs"]
mod rooms;

/// The wings of the library, lowest first, and of the command, which uses it.
const WINGS: &[(&str, &[&str])] = &[
    ("base", &["platform", "memory", "random", "sanitize", "files", "reports", "lines", "log"]),
    (
        "net",
        &["socket", "accept", "sources", "host", "http_server", "proxy_protocol", "tls", "dial", "relay"],
    ),
    (
        "agent",
        &[
            "refusals", "pauses", "status", "setup", "failures", "network", "upstream", "options", "reload",
            "control", "end", "memory", "bindings", "streams", "session", "run", "web", "command",
        ],
    ),
    ("control", &["private", "limit", "identity", "audit", "admin"]),
    (
        "edge",
        &[
            // Ground of its own.
            "sync",
            "draw",
            "listen",
            "certificates",
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
    ("cmd", &["exit", "agent", "edge", "no_edge", "cli"]),
];

/// Rooms whose files stand in an order as well. Their own file only declares them and hands on what they show, but for one.
const FILES: &[(&str, &[&str])] = &[
    (
        "net/dial",
        &["connection", "proxy", "environment", "later", "fault", "http", "socks", "names", "race", "dialer"],
    ),
    (
        "control/admin",
        &[
            "answer",
            "call",
            "filter",
            "page",
            "edge",
            "sessions",
            "guard",
            "parts",
            "resource",
            "records",
            "resources",
            "api",
            "server",
        ],
    ),
    (
        "control/identity",
        &[
            // What kinds of records and sessions name, and what a kind says of itself.
            "error",
            "ids",
            "token",
            "acl",
            "notice",
            "record",
            // Records of one kind, then of all kinds.
            "cache",
            "kinds",
            // Where they are kept, and the whole.
            "store",
            "journal",
            "disk",
            "directory",
        ],
    ),
    (
        "edge/agents",
        &[
            "settings", "ids", "refusals", "slots", "unknown", "sessions", "served", "policy", "bind",
            "session", "view",
        ],
    ),
    ("edge/certificates", &["files", "issue", "authority", "identity"]),
    ("edge/generation", &["index", "policy", "loaded", "incomplete", "load"]),
];

#[test]
fn files_of_rooms_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, files) in FILES {
        rooms::assert_in_order_within(&src, room, files);
        // That of agents stands above its files, and is not used by them.
        if *room != "edge/agents" {
            rooms::assert_only_declares(&src, room);
        }
    }
}

#[test]
fn wings_and_rooms_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let wings: Vec<&str> = WINGS.iter().map(|(wing, _)| *wing).collect();
    rooms::assert_in_order(&src, &wings);
    for (wing, rooms) in WINGS {
        rooms::assert_in_order_within(&src, wing, rooms);
    }
}

/// What keeps records knows owners, and no kind of record by name (ADR 38).
#[test]
fn what_keeps_records_knows_no_kind() {
    let identity = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/identity");
    for file in ["ids.rs", "token.rs", "record.rs", "store.rs", "disk.rs", "journal.rs", "cache.rs"] {
        let code = rooms::production_code(&identity.join(file));
        let code = code.replace("ServiceUserId", "owner").replace("CredentialId", "session");
        for kind in ["ServiceUser", "Credential", "ApiKey"] {
            assert!(!code.contains(kind), "{file} names `{kind}`");
        }
    }
    assert!(rooms::production_code(&identity.join("kinds.rs")).contains("credentials: Credential =>"));
}

/// The files that may have gates of the system: where wings, commands and the platform are chosen, and what Linux has with
/// one C library alone.
const GATED: &[&str] = &["base/platform.rs", "base/platform/linux.rs", "cmd.rs", "lib.rs"];

#[test]
fn gates_of_the_system_stand_where_it_is_chosen() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut gated = BTreeSet::new();
    for path in rooms::sources(&src) {
        // Which systems have tests is none of the program's.
        let code = rooms::production_code(&path).replace("#[cfg(test)]\n#[cfg(target_os = \"linux\")]", "");
        let is_gate = |line: &str| {
            let systems = ["unix", "windows", "target_os", "target_env", "target_family"];
            let gates =
                |gate: &str| systems.iter().any(|system| gate.contains(system)) && !gate.contains("test");
            line.split_once("cfg").is_some_and(|(_, gate)| gates(gate))
        };
        if code.lines().any(is_gate) {
            gated.insert(path.strip_prefix(&src).expect("below src").display().to_string());
        }
    }
    assert!(gated.iter().eq(GATED), "{gated:?}");
}

/// Inside of rooms as well no files side by side need one another.
#[test]
fn no_files_side_by_side_are_in_a_circle() {
    rooms::assert_no_circles(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[]);
}
