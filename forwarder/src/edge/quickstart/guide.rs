//! The guide that the quickstart follows: its files, its addresses, and what may go wrong.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::edge::generation::LoadError;
use crate::edge::running::BindError;

pub(super) const POLICY: &str = include_str!("../../../../fixtures/quickstart/device1.yml");
pub(super) const EDGE: &str = include_str!("../../../../fixtures/quickstart/edge.yml");
pub(super) const AGENT: &str = include_str!("../../../../fixtures/quickstart/ngrok.yml");
pub(super) const FOLDER: &str = "fixtures/quickstart";

/// The address that the policy admits.
pub(super) const ADMITTED: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// An address of this machine that the policy does not admit.
pub(super) const REFUSED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// What to do where loopback has one address only.
pub(super) const ALIAS: &str = "on macOS run `sudo ifconfig lo0 alias 127.0.0.2 up` and start again";

/// Why the quickstart did not run.
#[derive(Debug)]
pub enum QuickstartError {
    /// The compiled-in fixture cannot be loaded.
    Load(LoadError),
    /// The edge cannot listen.
    Bind(BindError),
    /// Something of the system failed.
    System(io::Error),
    /// The visits did not end as the policy says.
    Unexpected(String),
    /// The folder that is to keep the files cannot be used.
    Folder(PathBuf, String),
    /// This machine has no second loopback address.
    NoSecondAddress,
}

impl fmt::Display for QuickstartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
            Self::Unexpected(what) => f.write_str(what),
            Self::Folder(folder, why) => write!(f, "cannot keep files in `{}`: {why}", folder.display()),
            Self::NoSecondAddress => {
                write!(f, "the refusal could not be shown: this machine has no address {REFUSED}; {ALIAS}")
            }
        }
    }
}

impl std::error::Error for QuickstartError {}

impl From<io::Error> for QuickstartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
