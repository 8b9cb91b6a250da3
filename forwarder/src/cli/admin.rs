//! The commands that speak to the admin API of a running edge.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which edge is asked, and how the answer is shown.
#[derive(Args, Debug)]
pub(crate) struct Reach {
    /// The configuration of the edge; its `admin.socket` is used.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "socket")]
    pub(crate) config: Option<PathBuf>,
    /// The socket of the edge's admin API [default: ./state/admin.sock].
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Make, list and delete service users: the machines or sites that own authtokens.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder service-user create gate-berlin
  forwarder service-user list --config edge.yml
  forwarder service-user delete su_01K…       revokes its authtokens too")]
pub(crate) struct ServiceUser {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: ServiceUserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceUserCommand {
    /// Make a service user; its id is printed alone on standard output.
    Create {
        /// What people call it.
        name: String,
    },
    /// List service users, newest first.
    List,
    /// Delete a service user with its authtokens.
    Delete {
        /// The id, su_….
        #[arg(value_parser = id)]
        id: String,
    },
}

/// Make, list and revoke authtokens: what agents connect with.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder authtoken create --owner su_01K… --acl bind:device1.internal:22 --expires 90d
  forwarder authtoken create --acl 'bind:*.gate1.internal' > token
  forwarder authtoken list
  forwarder authtoken revoke cr_01K…       closes its sessions at once")]
pub(crate) struct Authtoken {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: AuthtokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthtokenCommand {
    /// Make an authtoken; it is printed alone on standard output, now and never again.
    Create(NewAuthtoken),
    /// List authtokens without their secrets, newest first.
    List,
    /// Revoke an authtoken.
    Revoke {
        /// The id, cr_….
        #[arg(value_parser = id)]
        id: String,
    },
}

/// What an authtoken is for.
#[derive(Args, Debug)]
pub(crate) struct NewAuthtoken {
    /// The service user that owns it.
    #[arg(long, value_name = "SU_ID")]
    pub(crate) owner: Option<String>,
    /// What it may bind: bind:HOST, bind:HOST:PORT or bind:*.HOST; several unite. Without, everything.
    #[arg(long, value_name = "RULE")]
    pub(crate) acl: Vec<String>,
    /// For people, at most 255 characters.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// When it stops to count: a time such as 2027-01-31T00:00:00Z, or from now: 90d, 12h.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

/// List, stop and restart the sessions of connected agents.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  forwarder session list\n  forwarder session stop ts_01K…\n  forwarder session restart ts_01K…"
)]
pub(crate) struct Session {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: SessionCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List the connected agents, newest first.
    List,
    /// Close a session and its connections; the agent may connect again.
    Stop {
        /// The id, ts_….
        #[arg(value_parser = id)]
        id: String,
    },
    /// Ask an agent to read its configuration again and to begin a new session; its connections end.
    Restart {
        /// The id, ts_….
        #[arg(value_parser = id)]
        id: String,
    },
}

/// List the endpoints that are online.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  forwarder endpoint list --json")]
pub(crate) struct Endpoint {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: EndpointCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// List the endpoints, newest first.
    List,
}

/// An id becomes a part of a path.
fn id(text: &str) -> Result<String, String> {
    let fits = text.contains('_') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(text.to_owned()) } else { Err("an id is letters, digits and `_`".to_owned()) }
}
