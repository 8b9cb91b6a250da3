//! How a person or the system tells an agent to stop, or to read its configuration again.

use std::io;

#[cfg(unix)]
use tokio::signal::unix as system;
#[cfg(windows)]
use tokio::signal::windows as system;

/// What an agent is told.
pub(super) enum AgentSignal {
    #[cfg_attr(windows, expect(dead_code, reason = "there is no signal for it"))]
    Reload,
    Stop,
}

/// SIGHUP; SIGTERM and SIGINT.
#[cfg(unix)]
pub(super) struct Signals {
    hangup: system::Signal,
    terminate: system::Signal,
    interrupt: system::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        use system::{SignalKind, signal};
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> AgentSignal {
        tokio::select! {
            _ = self.hangup.recv() => AgentSignal::Reload,
            _ = self.terminate.recv() => AgentSignal::Stop,
            _ = self.interrupt.recv() => AgentSignal::Stop,
        }
    }
}

/// Ctrl-C, Ctrl-Break, a closed console and the end of the system.
#[cfg(windows)]
pub(super) struct Signals {
    c: system::CtrlC,
    pause: system::CtrlBreak,
    close: system::CtrlClose,
    shutdown: system::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            c: system::ctrl_c()?,
            pause: system::ctrl_break()?,
            close: system::ctrl_close()?,
            shutdown: system::ctrl_shutdown()?,
        })
    }

    pub(super) async fn next(&mut self) -> AgentSignal {
        tokio::select! {
            _ = self.c.recv() => {}
            _ = self.pause.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
        AgentSignal::Stop
    }
}
