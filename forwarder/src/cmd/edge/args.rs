//! The command line of the edge itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Run the remote-access guide on loopback: an edge, a policy and a device, with a visit of each kind.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder quickstart
  forwarder quickstart --keep ./site   leaves edge.yml, its policy, ngrok.yml and the CA to go on with")]
pub(crate) struct Quickstart {
    /// Assert that one visit is forwarded and one refused, then exit.
    #[arg(long)]
    pub(crate) check: bool,
    /// Leave files for an edge and an agent in a folder, new or empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

/// Run the edge. SIGHUP reloads (see `forwarder reload`), SIGTERM drains and stops.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder edge --config edge.yml
  forwarder reload --config edge.yml   load it again; kill -HUP does the same without an answer")]
pub(crate) struct Edge {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Check a configuration and the policies it names, without listening.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  forwarder check edge.yml")]
pub(crate) struct Check {
    /// The configuration.
    #[arg(value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Manage the edge's certificate authority (CA) for agent connections.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Ca {
    #[command(subcommand)]
    pub(crate) command: CaCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    Show(CaShow),
    Rotate(CaRotate),
}

/// Print the CA file that agents must trust, and the SHA-256 of the CA that signs now.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 1 if the edge has created no CA yet.

Example:
  forwarder ca show --config edge.yml")]
pub(crate) struct CaShow {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// Create a new CA for the names in the configuration. The file that agents trust then holds the new CA, the
/// previous one, and the one whose certificate the edge shows until it is reloaded.
#[derive(Args, Debug)]
#[command(after_help = "A running edge keeps its old certificate: give the file to all agents first,
then `forwarder reload`. Once `ca/previous.pem` is removed
from the state folder, the next reload removes the old CA from the file.

Example:
  forwarder ca rotate --config edge.yml")]
pub(crate) struct CaRotate {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}
