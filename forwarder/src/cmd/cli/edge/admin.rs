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
    /// The edge's `admin.listen`, such as https://edge.example.com:4041; the API key comes from FORWARDER_API_KEY.
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["config", "socket"])]
    pub(crate) url: Option<String>,
    /// Certificate authorities (CAs) of an https:// edge, as a PEM file [default: those of this machine].
    #[arg(long, value_name = "FILE", global = true, requires = "url")]
    pub(crate) ca: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Create, list and delete service users: the machines or sites that own authtokens.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder service-user create gate-berlin
  forwarder service-user list --config edge.yml
  forwarder service-user list --filter 'obj.name.startsWith(\"gate-\")'
  forwarder service-user delete su_01K…       revokes its authtokens too")]
pub(crate) struct ServiceUser {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: ServiceUserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceUserCommand {
    /// Create a service user; its id is printed alone on standard output.
    Create {
        /// What people call it.
        name: String,
    },
    /// List service users, newest first.
    List(Listed),
    /// Delete a service user with its authtokens.
    Delete {
        /// The id, su_…, or the name, if only one has it.
        #[arg(value_name = "ID|NAME")]
        id: String,
    },
}

/// Create, list and revoke authtokens: what agents connect with.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder authtoken create --owner gate-berlin --acl bind:device1.internal:22 --expires 90d
  forwarder authtoken create --acl 'bind:*.gate1.internal' --allow-cidr 203.0.113.0/24 > token
  forwarder authtoken list --filter 'size(obj.acl) == 0'      those that may bind everything
  forwarder authtoken revoke cr_01K…       closes its sessions at once
  forwarder authtoken revoke spare         the one with that description")]
pub(crate) struct Authtoken {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: AuthtokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthtokenCommand {
    /// Create an authtoken; it is printed once, alone on standard output.
    Create(NewAuthtoken),
    /// List authtokens without their secrets, newest first.
    List(Listed),
    /// Revoke an authtoken.
    Revoke {
        /// The id, cr_…, or the description or metadata, if only one has it.
        #[arg(value_name = "ID|DESCRIPTION")]
        id: String,
    },
}

/// What an authtoken is for.
#[derive(Args, Debug)]
pub(crate) struct NewAuthtoken {
    /// The service user that owns it: its id, or its name if only one has it.
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) owner: Option<String>,
    /// What it may bind: bind:HOST, bind:HOST:PORT or bind:*.HOST; several unite. Without, everything.
    #[arg(long, value_name = "RULE")]
    pub(crate) acl: Vec<String>,
    /// Networks that its agents may connect from; several unite. Without, from everywhere.
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow_cidr: Vec<String>,
    /// Networks that they may not connect from; they win over the allowed ones.
    #[arg(long, value_name = "CIDR", requires = "allow_cidr")]
    pub(crate) deny_cidr: Vec<String>,
    /// For people, at most 255 characters.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// When it expires: 90d, 12h or an RFC 3339 time such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

/// Manage API keys for the admin API over TCP. Create the first one on the edge itself (Unix socket).
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder api-key create --description terraform > key
  forwarder api-key list --filter 'obj.description == \"terraform\"'
  FORWARDER_API_KEY=$(cat key) forwarder session list --url http://127.0.0.1:4041
  forwarder api-key delete ak_01K…       takes effect immediately")]
pub(crate) struct ApiKey {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: ApiKeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Create an API key; it is printed once, alone on standard output.
    Create(NewApiKey),
    /// List API keys without their secrets, newest first.
    List(Listed),
    /// Delete an API key.
    Delete {
        /// The id, ak_…, or the description or metadata, if only one has it.
        #[arg(value_name = "ID|DESCRIPTION")]
        id: String,
    },
}

/// Whose an API key is.
#[derive(Args, Debug)]
pub(crate) struct NewApiKey {
    /// The service user that owns it, by id or name: the key counts only while that is active.
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) owner: Option<String>,
    /// For people, at most 255 characters.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

/// List, stop and restart the sessions of connected agents.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  forwarder session list\n  forwarder session list --filter 'obj.principal_name == \"gate-berlin\"'\n  forwarder session stop ts_01K…\n  forwarder session restart gate-berlin       the one of that service user"
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

/// List the endpoints that are online.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  forwarder endpoint list --json\n  forwarder endpoint list --filter 'obj.proto == \"tcp\"'"
)]
pub(crate) struct Endpoint {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: EndpointCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EndpointCommand {
    /// List the endpoints, newest first.
    List(Listed),
}

/// Which objects of a list are shown.
#[derive(Args, Debug)]
pub(crate) struct Listed {
    /// Those for which an expression is true; `obj` has the fields that `--json` shows.
    #[arg(long, value_name = "CEL")]
    pub(crate) filter: Option<String>,
}

/// Load the configuration of a running edge again, and say what changed.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 all of it is in force, 1 a policy could not be loaded or nothing has changed
because the configuration is invalid (the output says what stays in force), 2 the edge cannot be reached.

Examples:
  forwarder reload --config edge.yml
  forwarder reload --url https://edge.example.com:4041 --json"
)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// Show what a running edge serves: its endpoints with the policies in force, agents and connections.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 everything is in force as configured, 1 a policy could not be loaded or the last
reload was refused, 2 the edge cannot be reached.

Example:
  forwarder status --config edge.yml"
)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) reach: Reach,
}
