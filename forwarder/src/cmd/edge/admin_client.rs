//! The commands for identity and sessions: clients of a running edge's admin API.

mod address;
mod edge;
mod http;
mod named;
mod table;
mod time;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use forwarder::base::files::read_file;
use forwarder::edge::generation::admin_socket;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::address::ApiAddress;
pub(crate) use self::edge::{reload, status};
use self::http::{CallError, Client};
use self::table::{Column, table};
use crate::cmd::cli::edge::admin::{
    ApiKey, ApiKeyCommand, Authtoken, AuthtokenCommand, Endpoint, EndpointCommand, Listed, NewApiKey,
    NewAuthtoken, Reach, ServiceUser, ServiceUserCommand, Session, SessionCommand,
};
use crate::cmd::exit::{Exit, fail};

/// Why a command failed.
enum Failure {
    Call(CallError),
    /// What the user gave cannot be used.
    Usage(String),
    /// Nothing is called what the user gave.
    NotFound(String),
    /// The answer cannot be written.
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Usage(message) | Self::NotFound(message) => f.write_str(message),
            Self::Output(error) => write!(f, "cannot write the answer: {error}"),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn exit(done: Result<(), Failure>) -> Exit {
    let Err(failure) = done else { return Exit::Success };
    let exit = match &failure {
        Failure::Usage(_) | Failure::Call(CallError::Unreachable(..)) => Exit::Usage,
        Failure::NotFound(_) => Exit::Negative,
        Failure::Call(CallError::Refused { status, .. }) => match status {
            400 => Exit::Usage,
            // The edge stops, says no, or has no such part.
            401..=499 | 501 | 503 => Exit::Negative,
            _ => Exit::Internal,
        },
        Failure::Call(CallError::Protocol(_)) | Failure::Output(_) => Exit::Internal,
    };
    fail(exit, failure)
}

/// `forwarder service-user`.
pub(crate) fn service_user(args: &ServiceUser) -> Exit {
    exit(Api::open(&args.reach).and_then(|api| match &args.command {
        ServiceUserCommand::Create { name } => api.create_service_user(name),
        ServiceUserCommand::List(listed) => api.list("service_users", listed, table::SERVICE_USERS),
        ServiceUserCommand::Delete { id } => {
            api.delete(&named::SERVICE_USER, id, "deleted, with its authtokens and API keys")
        }
    }))
}

/// `forwarder authtoken`.
pub(crate) fn authtoken(args: &Authtoken) -> Exit {
    exit(Api::open(&args.reach).and_then(|api| match &args.command {
        AuthtokenCommand::Create(new) => api.create_authtoken(new),
        AuthtokenCommand::List(listed) => api.list("credentials", listed, table::CREDENTIALS),
        AuthtokenCommand::Revoke { id } => api.delete(&named::AUTHTOKEN, id, "revoked"),
    }))
}

/// `forwarder api-key`.
pub(crate) fn api_key(args: &ApiKey) -> Exit {
    exit(Api::open(&args.reach).and_then(|api| match &args.command {
        ApiKeyCommand::Create(new) => api.create_api_key(new),
        ApiKeyCommand::List(listed) => api.list("api_keys", listed, table::API_KEYS),
        ApiKeyCommand::Delete { id } => api.delete(&named::API_KEY, id, "deleted"),
    }))
}

/// `forwarder session`.
pub(crate) fn session(args: &Session) -> Exit {
    exit(Api::open(&args.reach).and_then(|api| match &args.command {
        SessionCommand::List(listed) => api.list("tunnel_sessions", listed, table::SESSIONS),
        SessionCommand::Stop { id } => api.ask_agent(id, "stop", "stopped"),
        SessionCommand::Restart { id } => api.ask_agent(id, "restart", "asked to restart"),
    }))
}

/// `forwarder endpoint`.
pub(crate) fn endpoint(args: &Endpoint) -> Exit {
    let EndpointCommand::List(listed) = &args.command;
    exit(Api::open(&args.reach).and_then(|api| api.list("endpoints", listed, table::ENDPOINTS)))
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The API of the edge that is meant.
struct Api {
    client: Client,
    json: bool,
}

impl Api {
    fn open(reach: &Reach) -> Result<Self, Failure> {
        Self::open_by(reach, socket_of)
    }

    /// The same where the edge itself is to say what is wrong with its configuration.
    fn open_running(reach: &Reach) -> Result<Self, Failure> {
        Self::open_by(reach, |config| {
            socket_of(config).or_else(|failure| {
                let usual = config.parent().unwrap_or(Path::new("")).join("state/admin.sock");
                if usual.exists() { Ok(usual) } else { Err(failure) }
            })
        })
    }

    fn open_by(
        reach: &Reach,
        socket_of: impl Fn(&Path) -> Result<PathBuf, Failure>,
    ) -> Result<Self, Failure> {
        let address = match (&reach.url, &reach.config, &reach.socket) {
            (Some(url), ..) => ApiAddress::at(url, reach.ca.as_deref()).map_err(Failure::Usage)?,
            (None, Some(config), _) => ApiAddress::Socket(socket_of(config)?),
            (None, None, Some(socket)) => ApiAddress::Socket(socket.clone()),
            (None, None, None) => ApiAddress::Socket(PathBuf::from("./state/admin.sock")),
        };
        Ok(Self { client: Client::new(address), json: reach.json })
    }

    fn create_service_user(&self, name: &str) -> Result<(), Failure> {
        let made = self.client.call("POST", "/service_users", Some(&json!({ "name": name })))?;
        if self.json {
            return print_json(&made);
        }
        let id = text(&made, "id");
        writeln!(io::stdout(), "{id}")?;
        say(format_args!("made; give it an authtoken: forwarder authtoken create --owner {id}"));
        Ok(())
    }

    fn create_authtoken(&self, new: &NewAuthtoken) -> Result<(), Failure> {
        let mut body = Map::new();
        if let Some(expires) = &new.expires {
            let expires = time::parse(expires, Timestamp::now()).map_err(Failure::Usage)?;
            body.insert("expires_at".to_owned(), json!(expires));
        }
        if let Some(owner) = &new.owner {
            body.insert("owner_id".to_owned(), self.owner(owner)?);
        }
        body.insert("acl".to_owned(), json!(new.acl));
        body.insert("allow_cidrs".to_owned(), json!(new.allow_cidr));
        body.insert("deny_cidrs".to_owned(), json!(new.deny_cidr));
        body.insert("description".to_owned(), json!(new.description.as_deref().unwrap_or_default()));
        let made = self.client.call("POST", "/credentials", Some(&Value::Object(body)))?;
        let id = text(&made, "id");
        self.show_once(&made).inspect_err(|_| {
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

    fn create_api_key(&self, new: &NewApiKey) -> Result<(), Failure> {
        let mut body = Map::new();
        if let Some(owner) = &new.owner {
            body.insert("owner_id".to_owned(), self.owner(owner)?);
        }
        body.insert("description".to_owned(), json!(new.description.as_deref().unwrap_or_default()));
        let made = self.client.call("POST", "/api_keys", Some(&Value::Object(body)))?;
        let id = text(&made, "id");
        self.show_once(&made).inspect_err(|_| {
            say(format_args!("the key is lost; delete it: forwarder api-key delete {id}"));
        })?;
        say(format_args!(
            "created API key {id}. Save the line on stdout: it is not shown again (the edge stores only a hash)"
        ));
        Ok(())
    }

    /// What was made, or its secret alone.
    fn show_once(&self, made: &Value) -> Result<(), Failure> {
        if self.json {
            return print_json(made);
        }
        writeln!(io::stdout(), "{}", text(made, "token")).map_err(Failure::from)
    }

    fn list(&self, collection: &str, listed: &Listed, columns: &[Column]) -> Result<(), Failure> {
        let items = self.client.list(collection, listed.filter.as_deref())?;
        if self.json {
            return print_json(&Value::Array(items));
        }
        write!(anstream::stdout(), "{}", table(columns, &items))?;
        Ok(())
    }

    fn delete(&self, kind: &named::Kind, meant: &str, what: &str) -> Result<(), Failure> {
        let id = kind.find(&self.client, meant)?;
        self.client.call("DELETE", &format!("/{}/{id}", kind.collection()), None)?;
        self.done(&id, what)
    }

    fn ask_agent(&self, meant: &str, verb: &str, what: &str) -> Result<(), Failure> {
        let id = named::SESSION.find(&self.client, meant)?;
        self.client.call("POST", &format!("/tunnel_sessions/{id}/{verb}"), Some(&json!({})))?;
        self.done(&id, what)
    }

    /// The id of the service user that is to own something.
    fn owner(&self, meant: &str) -> Result<Value, Failure> {
        named::SERVICE_USER.find(&self.client, meant).map(Value::from)
    }

    fn done(&self, id: &str, what: &str) -> Result<(), Failure> {
        if self.json {
            return print_json(&json!({ "id": id }));
        }
        writeln!(io::stdout(), "{id} {what}")?;
        Ok(())
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn print_json(value: &Value) -> Result<(), Failure> {
    writeln!(io::stdout(), "{}", policy_core::json::escaped(format!("{value:#}")))?;
    Ok(())
}

/// What people read goes to standard error; standard output belongs to programs.
fn say(message: fmt::Arguments<'_>) {
    // Where that cannot be written, nobody reads it.
    let _ = writeln!(anstream::stderr(), "{message}");
}

fn socket_of(config: &Path) -> Result<PathBuf, Failure> {
    admin_socket(config, &read_file).map_err(|error| Failure::Usage(error.to_string().trim_end().to_owned()))
}
