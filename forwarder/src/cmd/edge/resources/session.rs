//! `forwarder session`.

use clap::{Args, Subcommand};

use super::Resource;
use crate::cmd::edge::client::{Api, Failure, Kind, Listed, Reach};

const KIND: Kind = Kind {
    one: "session",
    collection: "tunnel_sessions",
    list_key: "tunnel_sessions",
    prefix: "ts_",
    fields: &["metadata", "principal_name"],
    list: "forwarder session list",
    columns: &[
        ("ID", "/id"),
        ("OWNER", "/principal_name"),
        ("IP", "/ip"),
        ("CREDENTIAL", "/credential/id"),
        ("METADATA", "/metadata"),
        ("AGENT", "/agent_version"),
        ("STARTED", "/started_at"),
    ],
};

/// List, stop and restart the sessions of connected agents.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  forwarder session list\n  forwarder session list --filter 'obj.principal_name == \"gate-berlin\"'\n  forwarder session stop ts_01K…\n  forwarder session restart gate-berlin       the one of that service user"
)]
pub(crate) struct Session {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Debug, Subcommand)]
enum SessionCommand {
    /// List the connected agents, newest first.
    List(Listed),
    /// Close a session and its connections. Our agent ends, or connects again with `remote_management: false`; to have it
    /// connect again at once, use `restart`.
    Stop {
        /// The id, ts_…, or the agent's metadata or the name of its service user, if only one has it.
        #[arg(value_name = "ID|NAME")]
        id: String,
    },
    /// Ask an agent to read its configuration again and to begin a new session; its connections end.
    Restart {
        /// The id, ts_…, or the agent's metadata or the name of its service user, if only one has it.
        #[arg(value_name = "ID|NAME")]
        id: String,
    },
}

impl Resource for Session {
    const NAME: &'static str = "session";

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn run(&self, api: &Api) -> Result<(), Failure> {
        match &self.command {
            SessionCommand::List(listed) => api.list(&KIND, listed),
            SessionCommand::Stop { id } => api.act(&KIND, id, "stop", "stopped"),
            SessionCommand::Restart { id } => api.act(&KIND, id, "restart", "asked to restart"),
        }
    }
}
