//! The rooms of the crate: each uses only those before it.
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

/// The rooms of the crate, lowest first.
const ROOMS: &[&str] = &[
    "exit",
    "cli",
    "hidden",
    "files",
    "revisions",
    "geoip",
    "lists",
    "coverage",
    "answer",
    "report",
    "suite",
    "render",
    "ip_policies",
    "configurations",
    "commands",
];

#[test]
fn rooms_use_only_those_before_them() {
    rooms::assert_in_order(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ROOMS);
}

/// Inside of rooms as well no files side by side need one another.
#[test]
fn no_files_side_by_side_are_in_a_circle() {
    rooms::assert_no_circles(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[]);
}
