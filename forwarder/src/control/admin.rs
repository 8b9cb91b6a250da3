//! The admin API: ngrok's control-plane API, as far as this edge has its resources, over a Unix socket or TCP.
//!
//! A request passes, file by file:
//!
//! 1. `server`: a bounded number of connections, each with deadlines;
//! 2. `guard`: what TCP needs and a private socket does not: a key, a known `Host`, no `Origin`;
//! 3. [`Admin::answer`] in `api`: without a runtime; what changes something runs on a thread of its own, so that a client that
//!    leaves interrupts nothing. `resource` finds who is asked, by the list in `resources`, where each has its file;
//!    `records` is what those of the identity store do alike; they work on its `parts`;
//! 4. [`Audit`](crate::control::audit::Audit): one event a change, after it counts, also where the disk could not keep it yet.
//!
//! Source: ngrok API reference and the types of its clients (2026-11-22). Ours are `expires_at` and
//! `last_used_at` of a credential.

mod answer;
mod api;
mod call;
mod edge;
mod filter;
mod guard;
mod page;
mod parts;
mod records;
mod resource;
mod resources;
mod server;
mod sessions;

pub use answer::{Answer, Fault};
pub use api::Admin;
pub use call::Call;
pub use edge::{
    AgentsOfOwner, ChangedPolicy, EdgeControl, EdgeStatus, EndpointStatus, NotLoadedView, OfflineTarget,
    PolicyState, ReloadReport,
};
pub use guard::RequestGuard;
pub use page::encode;
pub(crate) use server::CONNECTIONS;
pub use server::{AdminSocket, respond, serve_tcp, serve_unix};
pub use sessions::{Delivery, EndpointView, NoSessions, Ref, SessionCommand, SessionView, Sessions};

#[cfg(test)]
mod tests;
