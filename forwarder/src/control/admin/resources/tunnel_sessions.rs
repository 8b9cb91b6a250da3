//! `/tunnel_sessions`: the agents that are connected.

use hyper::StatusCode;
use serde::Deserialize;

use crate::control::admin::answer::{Answer, Fault};
use crate::control::admin::filter::Filterable as _;
use crate::control::admin::page::{List, show};
use crate::control::admin::resource::{Context, Operation, Resource};
use crate::control::admin::sessions::{Delivery, SessionCommand, SessionView};
use policy_core::ngrok::{ERR_NGROK_804, ERR_NGROK_806, NgrokCode};

/// Bytes of a version that an agent is asked for.
const MAX_VERSION: usize = 64;
/// What a list may be filtered by, and how it is cut.
pub(in crate::control::admin) const LIST: List =
    List { path: "tunnel_sessions", key: "tunnel_sessions", fields: SessionView::FIELDS };

/// The sessions of agents.
pub(in crate::control::admin) struct TunnelSessions;

impl Resource for TunnelSessions {
    fn names(&self) -> &'static [&'static str] {
        &[LIST.path]
    }

    fn operations(&self) -> &'static [Operation] {
        use Operation::{ActOn, List, Read};
        &[List, Read, ActOn("stop"), ActOn("restart"), ActOn("update")]
    }

    fn id_prefix(&self) -> Option<&'static str> {
        Some("ts")
    }

    fn list(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        show(cx.call, LIST, views(cx), None, |view| &view.id)
    }

    fn read(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        show(cx.call, LIST, views(cx), Some(id), |view| &view.id)
    }

    fn act(&self, cx: &Context<'_>, id: Option<&str>, verb: &str) -> Result<Answer, Fault> {
        let id = id.ok_or_else(|| cx.not_served())?;
        match verb {
            "stop" if !cx.parts.sessions.stop(id) => Err(Fault::not_found(id)),
            "stop" => done(),
            "restart" => ask(cx, id, SessionCommand::Restart, "restart", ERR_NGROK_804),
            "update" => ask(cx, id, SessionCommand::Update(version(cx)?), "update itself", ERR_NGROK_806),
            _ => Err(cx.not_served()),
        }
    }
}

fn views(cx: &Context<'_>) -> Vec<SessionView> {
    let mut views = cx.parts.sessions.sessions();
    for view in &mut views {
        view.uri = cx.call.uri(LIST.path, &view.id);
        (view.principal, view.principal_name) = cx.principal(&view.credential.id);
        view.credential.uri = cx.uri_of(&view.credential.id);
    }
    views
}

/// The version that an agent is to have.
fn version(cx: &Context<'_>) -> Result<String, Fault> {
    /// Clients repeat the id of the path.
    #[derive(Deserialize)]
    struct UpdateRequest {
        version: Option<String>,
    }
    let version = cx.call.json::<UpdateRequest>()?.version.unwrap_or_default();
    if version.len() > MAX_VERSION {
        let message = format!("`version` has at most {MAX_VERSION} bytes");
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(version)
}

/// Hands a command on; `code` is ngrok's for an agent that cannot.
fn ask(
    cx: &Context<'_>,
    id: &str,
    command: SessionCommand,
    what: &str,
    code: NgrokCode,
) -> Result<Answer, Fault> {
    match cx.parts.sessions.ask(id, command) {
        Delivery::Yes => done(),
        Delivery::Unknown => Err(Fault::not_found(id)),
        Delivery::Unsupported(why) => {
            let message = format!("the agent does not {what}: {why}");
            Err(Fault::new(StatusCode::CONFLICT, message).coded(code))
        }
    }
}

/// ngrok's Python client takes no answer without a body here.
fn done() -> Result<Answer, Fault> {
    Answer::json(StatusCode::OK, &serde_json::Map::new())
}
