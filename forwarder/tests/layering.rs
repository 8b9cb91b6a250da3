//! The rooms of the crate: each uses only those before it.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

#[path = "../../policy-core/tests/support/rooms.rs"]
mod rooms;

/// The wings of the library, lowest first, and of the command, which uses it.
const WINGS: &[&str] = &["base", "net", "agent", "control", "edge", "cmd"];

#[test]
fn rooms_use_only_those_before_them() {
    rooms::assert_in_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), WINGS);
}
