//! A client of a running edge's admin API: which edge is asked, what is asked of it, and how answers are shown.

mod address;
mod http;
mod named;
mod table;
mod time;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use forwarder::base::files::read_file;
use forwarder::edge::generation::admin_socket;
use policy_core::edge::default_admin_path;
use serde_json::{Value, json};

use self::address::ApiAddress;
use self::http::{CallError, Client};
pub(in crate::cmd::edge) use self::named::Kind;
pub(in crate::cmd::edge) use self::table::{Column, table};
pub(in crate::cmd::edge) use self::time::parse as parse_time;
use crate::cmd::exit::{Exit, fail};

/// Which edge is asked, and how the answer is shown.
#[derive(Args, Debug)]
pub(in crate::cmd::edge) struct Reach {
    /// The configuration of the edge; its `admin.socket` is used.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "socket")]
    pub(in crate::cmd::edge) config: Option<PathBuf>,
    /// The socket of the edge's admin API [default: ./state/admin.sock].
    #[arg(long, value_name = "PATH", global = true)]
    pub(in crate::cmd::edge) socket: Option<PathBuf>,
    /// The edge's `admin.listen`, such as https://edge.example.com:4041; the API key comes from FORWARDER_API_KEY.
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["config", "socket"])]
    pub(in crate::cmd::edge) url: Option<String>,
    /// Certificate authorities (CAs) of an https:// edge, as a PEM file [default: those of this machine].
    #[arg(long, value_name = "FILE", global = true, requires = "url")]
    pub(in crate::cmd::edge) ca: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(in crate::cmd::edge) json: bool,
}

/// Which objects of a list are shown.
#[derive(Args, Debug)]
pub(in crate::cmd::edge) struct Listed {
    /// Those for which an expression is true; `obj` has the fields that `--json` shows.
    #[arg(long, value_name = "CEL")]
    pub(in crate::cmd::edge) filter: Option<String>,
}

/// Why a command failed.
pub(in crate::cmd::edge) enum Failure {
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

/// How a command ends that was asked of an edge.
pub(in crate::cmd::edge) fn exit(done: Result<(), Failure>) -> Exit {
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

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The API of the edge that is meant.
pub(in crate::cmd::edge) struct Api {
    client: Client,
    json: bool,
}

impl Api {
    /// Which edge an invocation means.
    pub(in crate::cmd::edge) fn open(reach: &Reach) -> Result<Self, Failure> {
        Self::open_by(reach, socket_of)
    }

    /// The same where the edge itself is to say what is wrong with its configuration.
    pub(in crate::cmd::edge) fn open_running(reach: &Reach) -> Result<Self, Failure> {
        Self::open_by(reach, |config| {
            socket_of(config).or_else(|failure| {
                let usual = config.parent().unwrap_or(Path::new("")).join(default_admin_path());
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
            (None, None, None) => ApiAddress::Socket(default_admin_path()),
        };
        Ok(Self { client: Client::new(address), json: reach.json })
    }

    /// Asks for something; the answer.
    pub(in crate::cmd::edge) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        Ok(self.client.call(method, path, body)?)
    }

    /// The id of the one object of a kind that is meant.
    pub(in crate::cmd::edge) fn find(&self, kind: &Kind, meant: &str) -> Result<String, Failure> {
        kind.find(&self.client, meant)
    }

    /// True if answers are to be JSON.
    pub(in crate::cmd::edge) const fn is_json(&self) -> bool {
        self.json
    }

    /// What was made, or its secret alone.
    pub(in crate::cmd::edge) fn show_once(&self, made: &Value) -> Result<(), Failure> {
        if self.json {
            return print_json(made);
        }
        writeln!(io::stdout(), "{}", text(made, "token")).map_err(Failure::from)
    }

    /// Shows a list.
    pub(in crate::cmd::edge) fn list(&self, kind: &Kind, listed: &Listed) -> Result<(), Failure> {
        let items = self.client.list(kind.collection, kind.list_key, listed.filter.as_deref())?;
        if self.json {
            return print_json(&Value::Array(items));
        }
        write!(anstream::stdout(), "{}", table(kind.columns, &items))?;
        Ok(())
    }

    /// Creates an object; the answer.
    pub(in crate::cmd::edge) fn create(&self, kind: &Kind, body: &Value) -> Result<Value, Failure> {
        self.call("POST", &format!("/{}", kind.collection), Some(body))
    }

    /// Has something done to the object that is meant, such as `stop`.
    pub(in crate::cmd::edge) fn act(
        &self,
        kind: &Kind,
        meant: &str,
        verb: &str,
        what: &str,
    ) -> Result<(), Failure> {
        let id = kind.find(&self.client, meant)?;
        self.call("POST", &format!("/{}/{id}/{verb}", kind.collection), Some(&json!({})))?;
        self.done(&id, what)
    }

    /// Deletes the object that is meant.
    pub(in crate::cmd::edge) fn delete(&self, kind: &Kind, meant: &str, what: &str) -> Result<(), Failure> {
        let id = kind.find(&self.client, meant)?;
        self.client.call("DELETE", &format!("/{}/{id}", kind.collection), None)?;
        self.done(&id, what)
    }

    /// Says of an object what was done.
    fn done(&self, id: &str, what: &str) -> Result<(), Failure> {
        if self.json {
            return print_json(&json!({ "id": id }));
        }
        writeln!(io::stdout(), "{id} {what}")?;
        Ok(())
    }
}

/// A text of an answer.
pub(in crate::cmd::edge) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Prints an answer.
pub(in crate::cmd::edge) fn print_json(value: &Value) -> Result<(), Failure> {
    writeln!(io::stdout(), "{}", policy_core::json::escaped(format!("{value:#}")))?;
    Ok(())
}

/// What people read goes to standard error; standard output belongs to programs.
pub(in crate::cmd::edge) fn say(message: fmt::Arguments<'_>) {
    // Where that cannot be written, nobody reads it.
    let _ = writeln!(anstream::stderr(), "{message}");
}

fn socket_of(config: &Path) -> Result<PathBuf, Failure> {
    admin_socket(config, &read_file).map_err(|error| Failure::Usage(error.to_string().trim_end().to_owned()))
}
