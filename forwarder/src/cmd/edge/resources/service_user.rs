//! `forwarder service-user`.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Resource;
use crate::cmd::edge::client::{Api, Failure, Kind, Listed, Reach, print_json, say, text};

pub(super) const KIND: Kind = Kind {
    one: "service user",
    collection: "service_users",
    list_key: "service_users",
    prefix: "su_",
    fields: &["name"],
    list: "forwarder service-user list",
    columns: &[("ID", "/id"), ("NAME", "/name"), ("ACTIVE", "/active"), ("CREATED", "/created_at")],
};

/// Create, list and delete service users: the machines or sites that own authtokens and API keys.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder service-user create gate-berlin
  forwarder service-user list --config edge.yml
  forwarder service-user list --filter 'obj.name.startsWith(\"gate-\")'
  forwarder service-user delete su_01K…       revokes its authtokens and API keys too")]
pub(crate) struct ServiceUser {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: ServiceUserCommand,
}

#[derive(Debug, Subcommand)]
enum ServiceUserCommand {
    /// Create a service user; its id is printed alone on standard output.
    Create {
        /// What people call it.
        name: String,
    },
    /// List service users, newest first.
    List(Listed),
    /// Delete a service user with its authtokens and API keys.
    Delete {
        /// The id, su_…, or the name, if only one has it.
        #[arg(value_name = "ID|NAME")]
        id: String,
    },
}

impl Resource for ServiceUser {
    const NAME: &'static str = "service-user";

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn run(&self, api: &Api) -> Result<(), Failure> {
        match &self.command {
            ServiceUserCommand::Create { name } => create(api, name),
            ServiceUserCommand::List(listed) => api.list(&KIND, listed),
            ServiceUserCommand::Delete { id } => {
                api.delete(&KIND, id, "deleted, with its authtokens and API keys")
            }
        }
    }
}

fn create(api: &Api, name: &str) -> Result<(), Failure> {
    let made = api.create(&KIND, &json!({ "name": name }))?;
    if api.is_json() {
        return print_json(&made);
    }
    let id = text(&made, "id");
    writeln!(io::stdout(), "{id}")?;
    say(format_args!("created; give it an authtoken: forwarder authtoken create --owner {id}"));
    Ok(())
}
