//! The admin API on a real socket: by raw HTTP, and by the `forwarder` command.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

// Cargo looks for a test's modules beside it; they live in `admin/`.
#[path = "admin/command.rs"]
mod command;
#[path = "admin/harness.rs"]
mod harness;
#[path = "admin/http.rs"]
mod http;
