//! Unix: permissions of files, named pipes, signals and limits.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::TcpKeepalive;
use tokio::signal::unix::{Signal as Caught, SignalKind, signal};

/// Whether an agent may be told from afar to begin again.
pub(crate) const CAN_RESTART: bool = true;

/// The limit of open files, raised as far as the system lets this process.
#[must_use]
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where raising is refused the present limit stands.
    let raised = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    raised.unwrap_or(u64::MAX)
}

/// Whether an error of this number says that no more files can be opened.
pub(crate) fn is_out_of_files(number: i32) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| errno.raw_os_error() == number)
}

/// Opens a file for reading. A pipe has another end to wait for, and so have some files of /proc: this waits for none.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Options with which opening waits for no reader of a pipe, and a file that is made is for its owner alone (0600) where
/// it is private.
pub(crate) fn without_waiting(options: &mut OpenOptions, is_private: bool) {
    if is_private {
        options.mode(0o600);
    }
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
}

/// Whether it is a named pipe.
pub(crate) fn is_pipe(file: &Metadata) -> bool {
    file.file_type().is_fifo()
}

/// Whether an open file is the one at a path, links not followed.
pub(crate) fn is_at_path(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let ours = file.metadata()?;
    Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino()))
}

/// Probes of which so many fail in a row.
pub(crate) const fn with_probes(keepalive: TcpKeepalive, probes: u32) -> TcpKeepalive {
    keepalive.with_retries(probes)
}

/// What a program is told.
pub(crate) enum Signal {
    Reload,
    Stop,
}

/// SIGHUP; SIGTERM and SIGINT.
pub(crate) struct Signals {
    hangup: Caught,
    terminate: Caught,
    interrupt: Caught,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
        }
    }
}
