//! What systems do each in their own way: files, signals, limits and sockets.
//!
//! Here alone it is chosen by the system: `unix` or `windows`, and what `linux` has beside what `elsewhere` stands in
//! for it. The files of a choice have the same names in them.

#[cfg_attr(unix, path = "platform/unix.rs")]
#[cfg_attr(windows, path = "platform/windows.rs")]
mod family;
#[cfg_attr(target_os = "linux", path = "platform/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "platform/elsewhere.rs")]
mod kernel;

pub use family::raise_file_limit;
pub(crate) use family::{
    CAN_RESTART, Signal, Signals, is_at_path, is_out_of_files, is_pipe, open_at_once, with_probes,
    without_waiting,
};
pub(crate) use kernel::{
    CHOOSES_INTERFACE, give_up_unacknowledged, hold_few_unsent, tcp_info, trim_memory, unacknowledged,
    use_interface,
};
