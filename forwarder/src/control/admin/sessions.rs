//! `/tunnel_sessions` and `/endpoints`: what is connected and what is online, from the edge.

use std::convert::Infallible;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::filter::Kind;
use super::page::List;
use super::{Admin, Answer, Call, Fault};
use policy_core::ngrok::{ERR_NGROK_804, ERR_NGROK_806, NgrokCode};

/// Bytes of a version that an agent is asked for.
const MAX_VERSION: usize = 64;
/// Bytes of a policy that a list shows; a longer one stands in the endpoint itself.
const MAX_LISTED_POLICY: usize = 1_024;
/// The path of the sessions.
pub(super) const SESSIONS: &str = "tunnel_sessions";
/// The path of the endpoints.
pub(super) const ENDPOINTS: &str = "endpoints";
/// What a list of sessions may be filtered by, and how it is cut.
pub(super) const SESSION_LIST: List = List {
    path: SESSIONS,
    key: SESSIONS,
    fields: &[
        ("id", Kind::Text),
        ("uri", Kind::Text),
        ("agent_version", Kind::Text),
        ("credential", Kind::Ref),
        ("ip", Kind::Text),
        ("metadata", Kind::Text),
        ("os", Kind::Text),
        ("region", Kind::Text),
        ("started_at", Kind::Time),
        ("transport", Kind::Text),
        ("principal", Kind::Maybe),
        ("principal_name", Kind::Text),
    ],
};
/// What a list of endpoints may be filtered by, and how it is cut.
pub(super) const ENDPOINT_LIST: List = List {
    path: ENDPOINTS,
    key: ENDPOINTS,
    fields: &[
        ("id", Kind::Text),
        ("uri", Kind::Text),
        ("region", Kind::Text),
        ("created_at", Kind::Time),
        ("updated_at", Kind::Time),
        ("public_url", Kind::Text),
        ("proto", Kind::Text),
        ("scheme", Kind::Text),
        ("hostport", Kind::Text),
        ("host", Kind::Text),
        ("port", Kind::Number),
        ("type", Kind::Text),
        ("metadata", Kind::Text),
        ("description", Kind::Text),
        ("domain", Kind::Maybe),
        ("tcp_addr", Kind::Maybe),
        ("tunnel", Kind::Maybe),
        ("edge", Kind::Maybe),
        ("upstream_url", Kind::Text),
        ("upstream_protocol", Kind::Text),
        ("url", Kind::Text),
        ("principal", Kind::Maybe),
        ("principal_name", Kind::Text),
        ("traffic_policy", Kind::Text),
        ("bindings", Kind::Texts),
        ("tunnel_session", Kind::Maybe),
        ("name", Kind::Text),
        ("pooling_enabled", Kind::Flag),
    ],
};

/// The part of the edge that the API shows. Calls must not wait.
pub trait Sessions: Send + Sync {
    /// The connected agents, in any order.
    fn sessions(&self) -> Vec<SessionView>;

    /// Ends a session and its connections; false if there is none.
    fn stop(&self, id: &str) -> bool;

    /// Asks the agent of a session for something.
    fn ask(&self, id: &str, wish: Wish) -> Asked;

    /// The endpoints that are online, in any order.
    fn endpoints(&self) -> Vec<EndpointView>;
}

/// What an agent is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wish {
    /// To end its session and begin a new one.
    Restart,
    /// To become another version of itself; the newest if none is named.
    Update(String),
}

/// What became of a wish to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is on its way.
    Yes,
    /// There is no such session.
    Unknown,
    /// The agent cannot; why.
    Unsupported(String),
}

/// An edge without agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSessions;

impl Sessions for NoSessions {
    fn sessions(&self) -> Vec<SessionView> {
        Vec::new()
    }

    fn stop(&self, _: &str) -> bool {
        false
    }

    fn ask(&self, _: &str, _: Wish) -> Asked {
        Asked::Unknown
    }

    fn endpoints(&self) -> Vec<EndpointView> {
        Vec::new()
    }
}

/// Another object: its id, and its URI, which the API fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ref {
    /// The id.
    pub id: String,
    /// Filled in by the API.
    pub uri: String,
}

impl Ref {
    /// The object with this id.
    pub fn to(id: impl ToString) -> Self {
        Self { id: id.to_string(), uri: String::new() }
    }
}

/// A connected agent, as ngrok's API shows a tunnel session.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SessionView {
    /// `ts_…`, growing.
    pub id: String,
    /// Filled in by the API.
    pub uri: String,
    /// The version the agent told.
    pub agent_version: String,
    /// The credential it authenticated by.
    pub credential: Ref,
    /// The address it comes from.
    pub ip: String,
    /// The metadata the agent told.
    pub metadata: String,
    /// The operating system the agent told.
    pub os: String,
    /// The region of the edge.
    pub region: String,
    /// When it authenticated.
    pub started_at: Timestamp,
    /// How it is connected, such as `tls`.
    pub transport: String,
    /// Filled in by the API: the service user that owns the credential, else the credential. Ours.
    pub principal: Option<Ref>,
    /// Filled in by the API: the name of the service user, else the description of the credential. Ours.
    pub principal_name: String,
}

/// An endpoint that is online, as ngrok's API shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EndpointView {
    /// `ep_…`, growing.
    pub id: String,
    /// Filled in by the API.
    pub uri: String,
    /// The region of the edge.
    pub region: String,
    /// When it went online.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The URL, in the place where older clients look.
    pub public_url: String,
    /// The protocol, such as `tcp`.
    pub proto: String,
    /// The scheme of the URL.
    pub scheme: String,
    /// `host:port`.
    pub hostport: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `agent` when an agent made it, else `cloud`.
    pub r#type: String,
    /// For machines.
    pub metadata: String,
    /// For people.
    pub description: String,
    /// A reserved domain.
    pub domain: Option<Ref>,
    /// A reserved TCP address.
    pub tcp_addr: Option<Ref>,
    /// Of older clients.
    pub tunnel: Option<Ref>,
    /// Of older clients.
    pub edge: Option<Ref>,
    /// Where the agent sends connections.
    pub upstream_url: String,
    /// The protocol spoken there.
    pub upstream_protocol: String,
    /// The URL.
    pub url: String,
    /// The credential that made it; where that has an owner, the API puts the service user in its place.
    pub principal: Option<Ref>,
    /// Filled in by the API: the name of the service user, else the description of the credential. Ours.
    pub principal_name: String,
    /// The policy as text.
    pub traffic_policy: String,
    /// `public` or `internal`.
    pub bindings: Vec<String>,
    /// The session that serves it.
    pub tunnel_session: Option<Ref>,
    /// Its name.
    pub name: String,
    /// Whether others may share its URL.
    pub pooling_enabled: bool,
}

fn refer(reference: &mut Ref, call: &Call) {
    let collection = match reference.id.split_once('_').map(|(kind, _)| kind) {
        Some("cr") => super::credentials::COLLECTION,
        Some("su") => super::service_users::COLLECTION,
        Some("ak") => super::api_keys::COLLECTION,
        Some("ts") => SESSIONS,
        Some("ep") => ENDPOINTS,
        _ => return,
    };
    reference.uri = call.uri(collection, &reference.id);
}

/// An id of any kind: compared as text, and shown in a URI only after it was found.
struct AnyId(String);

impl std::str::FromStr for AnyId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// One object or a page of them, newest first.
fn show<T: Serialize + Clone>(
    call: &Call,
    list: List,
    mut views: Vec<T>,
    wanted: Option<&str>,
    id: impl Fn(&T) -> &str,
) -> Result<Answer, Fault> {
    if let Some(wanted) = wanted {
        let view = views.iter().find(|view| id(view) == wanted);
        return Answer::json(StatusCode::OK, view.ok_or_else(|| Fault::not_found(wanted))?);
    }
    views.sort_unstable_by(|a, b| id(b).cmp(id(a)));
    list.answer(call, &id, |before: Option<&AnyId>, most| {
        let first = before.map_or(0, |before| views.partition_point(|view| *id(view) >= *before.0));
        views.iter().skip(first).take(most).cloned().collect()
    })
}

impl Admin {
    /// Whose a credential is, and what people call that.
    fn principal(&self, credential: &str) -> (Option<Ref>, String) {
        let found = credential.parse().ok().and_then(|id| self.identity.owner(id));
        let (id, name) = found.unwrap_or_else(|| (credential.to_owned(), String::new()));
        (Some(Ref::to(id)), name)
    }

    /// A page of sessions, or one of them.
    pub(super) fn read_sessions(&self, call: &Call, id: Option<&str>) -> Result<Answer, Fault> {
        let mut views = self.sessions.sessions();
        for view in &mut views {
            view.uri = call.uri(SESSIONS, &view.id);
            (view.principal, view.principal_name) = self.principal(&view.credential.id);
            refer(&mut view.credential, call);
            view.principal.iter_mut().for_each(|it| refer(it, call));
        }
        show(call, SESSION_LIST, views, id, |view| &view.id)
    }

    /// Ends a session.
    pub(super) fn stop_session(&self, id: &str) -> Result<Answer, Fault> {
        if !self.sessions.stop(id) {
            return Err(Fault::not_found(id));
        }
        // ngrok's Python client takes no answer without a body here.
        Answer::json(StatusCode::OK, &serde_json::Map::new())
    }

    /// Asks an agent to restart.
    pub(super) fn restart_session(&self, id: &str) -> Result<Answer, Fault> {
        self.ask_agent(id, Wish::Restart, "restart", ERR_NGROK_804)
    }

    /// Asks an agent to update itself.
    pub(super) fn update_session(&self, call: &Call, id: &str) -> Result<Answer, Fault> {
        /// Clients repeat the id of the path.
        #[derive(Deserialize)]
        struct Update {
            version: Option<String>,
        }
        let version = call.json::<Update>()?.version.unwrap_or_default();
        if version.len() > MAX_VERSION {
            let message = format!("`version` has at most {MAX_VERSION} bytes");
            return Err(Fault::new(StatusCode::BAD_REQUEST, message));
        }
        self.ask_agent(id, Wish::Update(version), "update itself", ERR_NGROK_806)
    }

    /// Hands a wish on; `code` is ngrok's for an agent that cannot.
    fn ask_agent(&self, id: &str, wish: Wish, what: &str, code: NgrokCode) -> Result<Answer, Fault> {
        match self.sessions.ask(id, wish) {
            Asked::Yes => Answer::json(StatusCode::OK, &serde_json::Map::new()),
            Asked::Unknown => Err(Fault::not_found(id)),
            Asked::Unsupported(why) => {
                let message = format!("the agent does not {what}: {why}");
                Err(Fault::new(StatusCode::CONFLICT, message).coded(code))
            }
        }
    }

    /// A page of endpoints, or one of them.
    pub(super) fn read_endpoints(&self, call: &Call, id: Option<&str>) -> Result<Answer, Fault> {
        let mut views = self.sessions.endpoints();
        for view in &mut views {
            if id.is_none() && view.traffic_policy.len() > MAX_LISTED_POLICY {
                view.traffic_policy.clear();
            }
            if let Some(credential) = view.principal.take() {
                (view.principal, view.principal_name) = self.principal(&credential.id);
            }
            view.uri = call.uri(ENDPOINTS, &view.id);
            let refs = [&mut view.principal, &mut view.tunnel_session];
            refs.into_iter().flatten().for_each(|it| refer(it, call));
        }
        show(call, ENDPOINT_LIST, views, id, |view| &view.id)
    }
}
