//! Common ground: the process and its system, as both ends use them.
//!
//! In order: calls of the `system`, `memory` given back, how many [`open_files`] there may be, numbers drawn at
//! `random`, locks (`sync`), what the other side `said`, files that are `private`, [`files`] of configurations and the
//! [`reports`] on them, `lines` through queues, and the [`log`].

pub mod files;
pub(crate) mod lines;
pub mod log;
pub(crate) mod memory;
#[cfg(unix)]
pub mod open_files;
#[cfg(unix)]
pub(crate) mod private;
pub(crate) mod random;
pub mod reports;
pub(crate) mod said;
#[cfg(unix)]
pub(crate) mod sync;
#[cfg(target_os = "linux")]
pub(crate) mod system;
