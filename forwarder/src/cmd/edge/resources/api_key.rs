//! `forwarder api-key`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Resource, service_user};
use crate::cmd::edge::client::{Api, Failure, Kind, Listed, Reach, say, text};

const KIND: Kind = Kind {
    one: "API key",
    collection: "api_keys",
    list_key: "keys",
    prefix: "ak_",
    fields: &["description", "metadata"],
    list: "forwarder api-key list",
    columns: &[
        ("ID", "/id"),
        ("OWNER", "/owner_id"),
        ("CREATED", "/created_at"),
        ("DESCRIPTION", "/description"),
    ],
};

/// Manage API keys for the admin API over TCP. Create the first one on the edge itself (Unix socket).
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder api-key create --description terraform > key
  forwarder api-key list --filter 'obj.description == \"terraform\"'
  FORWARDER_API_KEY=$(cat key) forwarder session list --url http://127.0.0.1:4041
  forwarder api-key delete ak_01K…       takes effect immediately")]
pub(crate) struct ApiKey {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: ApiKeyCommand,
}

#[derive(Debug, Subcommand)]
enum ApiKeyCommand {
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
    /// The service user that owns it, by id or name; while that user is inactive, the key is refused.
    #[arg(long, value_name = "ID|NAME")]
    owner: Option<String>,
    /// For people, at most 255 characters.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Resource for ApiKey {
    const NAME: &'static str = "api-key";

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn run(&self, api: &Api) -> Result<(), Failure> {
        match &self.command {
            ApiKeyCommand::Create(new) => create(api, new),
            ApiKeyCommand::List(listed) => api.list(&KIND, listed),
            ApiKeyCommand::Delete { id } => api.delete(&KIND, id, "deleted"),
        }
    }
}

fn create(api: &Api, new: &NewApiKey) -> Result<(), Failure> {
    let mut body = Map::new();
    if let Some(owner) = &new.owner {
        body.insert("owner_id".to_owned(), json!(api.find(&service_user::KIND, owner)?));
    }
    body.insert("description".to_owned(), json!(new.description.as_deref().unwrap_or_default()));
    let made = api.create(&KIND, &Value::Object(body))?;
    let id = text(&made, "id");
    api.show_once(&made).inspect_err(|_| {
        say(format_args!("the key is lost; delete it: forwarder api-key delete {id}"));
    })?;
    say(format_args!(
        "created API key {id}. Save the line on stdout: it is not shown again (the edge stores only a hash)"
    ));
    Ok(())
}
