//! Windows, as far as the agent needs it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use socket2::TcpKeepalive;
use tokio::signal::windows as system;

/// Whether an agent may be told from afar to begin again; as with ngrok's agent, not here.
pub(crate) const CAN_RESTART: bool = false;

/// The limit of open files: there is none.
#[must_use]
pub const fn raise_file_limit() -> u64 {
    u64::MAX
}

/// Whether an error of this number says that no more files can be opened.
pub(crate) const fn is_out_of_files(_: i32) -> bool {
    false
}

/// Opens a file for reading.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Options with which opening waits for nobody: here it never does.
pub(crate) const fn without_waiting(_: &mut OpenOptions, _is_private: bool) {}

/// Whether it is a named pipe: they have names of their own, and opening one does not wait.
pub(crate) const fn is_pipe(_: &Metadata) -> bool {
    false
}

/// Whether an open file is the one at a path: whether there is one.
pub(crate) fn is_at_path(_: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

/// Probes, as many as the system sends.
pub(crate) const fn with_probes(keepalive: TcpKeepalive, _: u32) -> TcpKeepalive {
    keepalive
}

/// What a program is told.
pub(crate) enum Signal {
    #[expect(dead_code, reason = "there is no signal for it")]
    Reload,
    Stop,
}

/// Ctrl-C, Ctrl-Break, a closed console and the end of the system.
pub(crate) struct Signals {
    c: system::CtrlC,
    pause: system::CtrlBreak,
    close: system::CtrlClose,
    shutdown: system::CtrlShutdown,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            c: system::ctrl_c()?,
            pause: system::ctrl_break()?,
            close: system::ctrl_close()?,
            shutdown: system::ctrl_shutdown()?,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.c.recv() => {}
            _ = self.pause.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
        Signal::Stop
    }
}
