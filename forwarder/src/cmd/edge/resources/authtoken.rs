//! `forwarder authtoken`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Resource, service_user};
use crate::cmd::edge::client::{Api, Failure, Kind, Listed, Reach, parse_time, say, text};

const KIND: Kind = Kind {
    one: "authtoken",
    collection: "credentials",
    list_key: "credentials",
    prefix: "cr_",
    fields: &["description", "metadata"],
    list: "forwarder authtoken list",
    columns: &[
        ("ID", "/id"),
        ("OWNER", "/owner_id"),
        ("ACL", "/acl"),
        ("EXPIRES", "/expires_at"),
        ("LAST USED", "/last_used_at"),
        ("DESCRIPTION", "/description"),
    ],
};

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
    reach: Reach,
    #[command(subcommand)]
    command: AuthtokenCommand,
}

#[derive(Debug, Subcommand)]
enum AuthtokenCommand {
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
    owner: Option<String>,
    /// What it may bind: bind:HOST, bind:HOST:PORT or bind:*.HOST; several unite. Without, everything.
    #[arg(long, value_name = "RULE")]
    acl: Vec<String>,
    /// Networks that its agents may connect from; several unite. Without, from everywhere.
    #[arg(long, value_name = "CIDR")]
    allow_cidr: Vec<String>,
    /// Networks that they may not connect from; they win over the allowed ones.
    #[arg(long, value_name = "CIDR", requires = "allow_cidr")]
    deny_cidr: Vec<String>,
    /// For people, at most 255 characters.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// When it expires: 90d, 12h or an RFC 3339 time such as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

impl Resource for Authtoken {
    const NAME: &'static str = "authtoken";

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn run(&self, api: &Api) -> Result<(), Failure> {
        match &self.command {
            AuthtokenCommand::Create(new) => create(api, new),
            AuthtokenCommand::List(listed) => api.list(&KIND, listed),
            AuthtokenCommand::Revoke { id } => api.delete(&KIND, id, "revoked"),
        }
    }
}

fn create(api: &Api, new: &NewAuthtoken) -> Result<(), Failure> {
    let mut body = Map::new();
    if let Some(expires) = &new.expires {
        let expires = parse_time(expires, Timestamp::now()).map_err(Failure::Usage)?;
        body.insert("expires_at".to_owned(), json!(expires));
    }
    if let Some(owner) = &new.owner {
        body.insert("owner_id".to_owned(), json!(api.find(&service_user::KIND, owner)?));
    }
    body.insert("acl".to_owned(), json!(new.acl));
    body.insert("allow_cidrs".to_owned(), json!(new.allow_cidr));
    body.insert("deny_cidrs".to_owned(), json!(new.deny_cidr));
    body.insert("description".to_owned(), json!(new.description.as_deref().unwrap_or_default()));
    let made = api.create(&KIND, &Value::Object(body))?;
    let id = text(&made, "id");
    api.show_once(&made).inspect_err(|_| {
        say(format_args!("the token is lost; revoke it: forwarder authtoken revoke {id}"));
    })?;
    say(format_args!(
        "created authtoken {id}. Save the line on stdout: it is not shown again (the edge stores only a hash)"
    ));
    if new.acl.is_empty() {
        say(format_args!("it may bind every address; `--acl bind:HOST` narrows that"));
    }
    Ok(())
}
