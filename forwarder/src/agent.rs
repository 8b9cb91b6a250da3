//! The agent: dials an edge, keeps endpoints online, and takes their connections to servers it can reach.
//!
//! Nothing listens for the network: the one connection that the agent makes carries everything. When it is lost, the
//! agent connects again (`pauses`), so that the thousand agents of one edge do not come at once. A proxy or an edge
//! that says how long to wait is listened to. Then it brings its endpoints back.
//!
//! In order: what `refusals` mean and which `pauses` follow, the `status` for others, the `setup`,
//! `failures` to reach servers, the `network` and an `upstream` in it, `options` and their `reload`, how an agent is told
//! what to do (`control`) and how it ends (`end`), what it keeps (`memory`), its `bindings`, the `streams` that the edge
//! opens, one `session`, and all of them (`run`), its own API (`web`) and the `command`.

mod bindings;
mod command;
mod control;
mod end;
mod failures;
mod memory;
pub(crate) mod network;
mod options;
mod pauses;
mod refusals;
mod reload;
pub(crate) mod run;
mod session;
mod setup;
mod status;
mod streams;
mod upstream;
mod web;

pub use command::{run_to_end, start_log};
pub use control::Control;
pub use end::AgentError;
pub use options::{Checked, Loaded, OptionsError, check, from_command, load_setup};
pub use run::run;
pub use setup::{Chosen, Offer, Origin, Setup, TcpCommand, UpstreamServer};
pub use status::{EndpointStatus, Status, StatusView, UpstreamStatus};
pub use web::serve_web;
