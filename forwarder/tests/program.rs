//! Whole-program tests: the real `forwarder` binary on real sockets.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

// Cargo looks for a test's modules beside it; they live in `program/`.
#[path = "program/administration.rs"]
mod administration;
#[path = "program/agent_settings.rs"]
mod agent_settings;
#[path = "program/agents.rs"]
mod agents;
#[cfg(target_os = "linux")]
#[path = "program/agents_many.rs"]
mod agents_many;
#[path = "program/agents_proxy.rs"]
mod agents_proxy;
#[path = "program/agents_refused.rs"]
mod agents_refused;
#[path = "program/agents_reload.rs"]
mod agents_reload;
#[path = "program/authority.rs"]
mod authority;
#[path = "program/beside.rs"]
mod beside;
#[path = "program/bytes.rs"]
mod bytes;
#[cfg(target_os = "linux")]
#[path = "program/churn.rs"]
mod churn;
#[path = "program/conditions.rs"]
mod conditions;
#[cfg(target_os = "linux")]
#[path = "program/costs.rs"]
mod costs;
#[path = "program/fallback.rs"]
mod fallback;
#[cfg(target_os = "linux")]
#[path = "program/full_disk.rs"]
mod full_disk;
#[path = "program/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;
#[path = "program/herd.rs"]
mod herd;
#[path = "program/ip_policies.rs"]
mod ip_policies;
#[path = "program/kills.rs"]
mod kills;
#[path = "program/lifecycle.rs"]
mod lifecycle;
#[cfg(target_os = "linux")]
#[path = "program/load.rs"]
mod load;
#[cfg(target_os = "linux")]
#[path = "program/logs.rs"]
mod logs;
#[path = "program/nat.rs"]
mod nat;
#[cfg(target_os = "linux")]
#[path = "program/neighbours.rs"]
mod neighbours;
#[path = "program/openssh.rs"]
mod openssh;
#[path = "program/outcomes.rs"]
mod outcomes;
#[path = "program/overview.rs"]
mod overview;
#[path = "program/policies.rs"]
mod policies;
#[cfg(target_os = "linux")]
#[path = "program/process.rs"]
mod process;
#[path = "program/reasons.rs"]
mod reasons;
#[path = "program/refusals.rs"]
mod refusals;
#[path = "program/reloads.rs"]
mod reloads;
#[path = "program/replay.rs"]
mod replay;
#[path = "program/returning.rs"]
mod returning;
#[path = "program/shares.rs"]
mod shares;
#[path = "program/site.rs"]
mod site;
#[path = "program/speaker.rs"]
mod speaker;
#[path = "program/sshd.rs"]
mod sshd;
#[path = "program/tokens.rs"]
mod tokens;
