//! Common ground: the process and its system, as both ends use them.
//!
//! In order: what each system does in its own way (`platform`), `memory` given back, numbers drawn at `random`, texts of the
//! other side made fit to be shown (`sanitize`), [`files`] of configurations and the [`reports`] on them, [`lines`] through
//! queues, and the [`log`].

pub mod files;
pub mod lines;
pub mod log;
pub(crate) mod memory;
pub(crate) mod platform;
pub(crate) mod random;
/// [`reports::Reports`]: findings of a configuration and its files, as they are shown.
pub mod reports;
pub(crate) mod sanitize;

pub use platform::raise_file_limit;
