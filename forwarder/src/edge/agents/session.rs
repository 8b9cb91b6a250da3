//! The life of one agent's session.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_link::mux::{
    Acceptor, ErrorCode, Lent, Limits, Measured, Opener, Side, Stream, Transport, session,
};
use agent_link::{
    Auth, AuthReply, AuthReplyExtra, Bind, Empty, Heartbeat, Hidden, Refusal, ReturnTime, StreamType, Unbind,
};
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::bind::Bound;
use super::served::Agents;
use super::sessions::SessionEntry;
use super::settings::AgentSettings;
use super::slots::Slot;
use super::unknown::{Stage, Unknown};
use super::{bind, ids};
use crate::base::sanitize;
use crate::control::identity::{CredentialId, Principal};
use crate::edge::events::{agent_refused, agent_session_start, agent_session_stop};
use crate::edge::session_info::SessionInfo;
use crate::edge::shared::Shared;
use crate::net::socket;
use policy_core::agent::MAX_METADATA;
use policy_core::ngrok::{
    ERR_NGROK_100, ERR_NGROK_108, ERR_NGROK_111, ERR_NGROK_115, ERR_NGROK_301, ERR_NGROK_399, NgrokCode,
};

/// Streams that an agent may have open itself: calls and heartbeats.
const OWN_STREAMS: usize = 128;
/// The same before it has said who it is: the call that says so and heartbeats.
const UNKNOWN_STREAMS: usize = 4;
/// The longest account of itself that is taken, and what is held of all that it sends before.
const AUTH_BYTES: usize = 32 << 10;
const UNKNOWN_BYTES: usize = 32 << 10;
/// Streams that it may open each second.
const OPENS_PER_SECOND: u32 = 200;
/// How long one call may take to come in.
const CALL_TIME: Duration = Duration::from_secs(10);
/// When an agent may come again for which there is no place: a session that was lost is noticed meanwhile.
const FULL_FOR: Duration = Duration::from_secs(15);
/// "Too many agents."
const FULL: NgrokCode = ERR_NGROK_108;
/// How long a farewell may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// The version of the protocol that is spoken.
const VERSION: &str = "3";
/// "The agent's address is not permitted."
const BAD_SOURCE: NgrokCode = ERR_NGROK_115;
/// "Heartbeat interval" and "heartbeat tolerance" are out of bounds.
const BAD_HEARTBEAT: NgrokCode = ERR_NGROK_111;

/// Serves an agent from its first byte to its end.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    agents: &Arc<Agents>,
    settings: Arc<AgentSettings>,
    stream: TcpStream,
    peer: SocketAddr,
    unknown: Unknown,
) {
    let deadline = unknown.since + settings.auth_timeout;
    // Without options it has no peer any more, which the next read tells.
    let _ = socket::link(&stream);
    let secured = timeout_at(deadline, secure(agents, &settings, stream, peer, &unknown));
    let secured = tokio::select! {
        biased;
        secured = secured => secured,
        () = unknown.gives_way.cancelled() => return agents.report_tls_failure(peer, "it gave way to another"),
    };
    let tls = match secured {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return agents.report_tls_failure(peer, &error.to_string()),
        Err(_) => return agents.report_tls_failure(peer, "it took too long"),
    };
    unknown.reach(Stage::Secured);
    let connection = Measured::new(tls, |tls| socket::sent(tls.get_ref().0));
    speak(shared, agents, &settings, connection, peer, unknown).await;
}

/// TLS, once it is this source's turn.
async fn secure(
    agents: &Agents,
    settings: &AgentSettings,
    stream: TcpStream,
    peer: SocketAddr,
    unknown: &Unknown,
) -> io::Result<TlsStream<TcpStream>> {
    stream.readable().await?;
    unknown.reach(Stage::Speaking);
    let turn = agents.handshakes.turn(peer.ip(), Instant::now(), settings.auth_timeout);
    match turn {
        Some(Duration::ZERO) => {}
        Some(wait) => sleep(wait).await,
        None => return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "its source begins too often")),
    }
    TlsAcceptor::from(Arc::clone(&settings.tls)).accept(stream).await
}

/// The same over an open connection.
pub(super) async fn speak(
    shared: &Arc<Shared>,
    agents: &Arc<Agents>,
    settings: &AgentSettings,
    connection: impl Transport + 'static,
    peer: SocketAddr,
    unknown: Unknown,
) {
    let deadline = unknown.since + settings.auth_timeout;
    let limits = Limits {
        streams: UNKNOWN_STREAMS,
        own_streams: settings.max_streams,
        opens_per_second: OPENS_PER_SECOND,
        // Many endpoints may be brought online at once; they wait for one another.
        unaccepted: OWN_STREAMS,
        held: UNKNOWN_BYTES,
        stall_timeout: shared.current.load().config.limits.stalled_timeout,
        ..Limits::default()
    };
    let (opener, mut accepted, driver) = session(connection, Side::Server, limits);
    // Aborted with the rest of the session, whatever ends it.
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        driver.run().await;
    });
    let authenticated = timeout_at(deadline, authenticate(agents, &mut accepted, peer, &mut tasks, &unknown));
    let authenticated = tokio::select! {
        biased;
        authenticated = authenticated => authenticated,
        () = unknown.gives_way.cancelled() => return,
    };
    let entered = match authenticated {
        Ok(Some(Ok(entered))) => entered,
        Ok(Some(Err(mut refused))) => {
            // Who is refused is told, and gone soon.
            log_refused(shared, peer, &refused.why);
            let _ = agent_link::answer(&mut refused.stream, &refused.why.refusal).await;
            drop(refused.stream);
            opener.close_in_order("authentication failed");
            let _ = timeout(GOODBYE, opener.closed()).await;
            return;
        }
        Ok(None) => return,
        Err(_) => {
            opener.close(ErrorCode::Protocol, "no authentication in time");
            let _ = timeout(GOODBYE, opener.closed()).await;
            return;
        }
    };
    drop(unknown);
    opener.allow(OWN_STREAMS);
    run(shared, agents, settings.heartbeat, entered, opener, accepted, tasks).await;
}

/// An agent that is known.
struct Entered {
    principal: Principal,
    auth: Auth,
    peer: SocketAddr,
    stream: Stream,
    _slot: Slot,
}

struct RefusedAgent {
    stream: Stream,
    why: Rejection,
}

/// Why an agent is refused.
struct Rejection {
    refusal: Refusal,
    /// Whose authtoken it has, if it is anybody's.
    credential: Option<CredentialId>,
    /// It comes too often for a line each time.
    often: bool,
}

/// Notes a refusal, whatever it is for; an agent that is refused again and again is told to wait.
fn refused(agents: &Agents, peer: SocketAddr, token: &str, refusal: Refusal) -> Rejection {
    let (refusal, often) = agents.note_refused(peer.ip(), token, refusal);
    Rejection { refusal, credential: agents.identity.whose(token), often }
}

/// Waits for the agent to say who it is; `None` if it ends before.
async fn authenticate(
    agents: &Arc<Agents>,
    accepted: &mut Acceptor,
    peer: SocketAddr,
    tasks: &mut JoinSet<()>,
    unknown: &Unknown,
) -> Option<Result<Entered, RefusedAgent>> {
    loop {
        let mut stream = accepted.accept().await?;
        match agent_link::read_type(&mut stream).await {
            Ok(StreamType::Auth) => {
                unknown.reach(Stage::Authenticating);
                let auth: Auth = match agent_link::read_call_within(&mut stream, AUTH_BYTES).await {
                    Ok(auth) => auth,
                    Err(error) => {
                        let why = refused(agents, peer, "", Refusal::new(ERR_NGROK_100, error));
                        return Some(Err(RefusedAgent { stream, why }));
                    }
                };
                return Some(match authorize(agents, &auth, peer) {
                    Ok((principal, slot)) => Ok(Entered { principal, auth, peer, stream, _slot: slot }),
                    Err(why) => Err(RefusedAgent { stream, why }),
                });
            }
            Ok(StreamType::Heartbeat) => drop(tasks.spawn(agent_link::echo(stream))),
            // Nothing else is heard before.
            Ok(_) | Err(_) => stream.reset(ErrorCode::Refused),
        }
    }
}

fn authorize(agents: &Arc<Agents>, auth: &Auth, peer: SocketAddr) -> Result<(Principal, Slot), Rejection> {
    let (source, token) = (peer.ip().to_canonical(), &*auth.extra.auth_token.0);
    let refuse = |refusal| Err(refused(agents, peer, token, refusal));
    if !agents.permits(source) {
        let why = format!("agents may not connect to this edge from {source}");
        return refuse(Refusal::new(BAD_SOURCE, why));
    }
    let principal = match agents.identity.authenticate(token, source, Timestamp::now()) {
        Ok(principal) => principal,
        Err(refusal) => return refuse(Refusal::new(refusal.code(), refusal)),
    };
    if !auth.version.iter().any(|version| version == VERSION) && !auth.version.is_empty() {
        return refuse(Refusal::new(ERR_NGROK_100, "this edge speaks version 3 of the protocol"));
    }
    let bounds = 0..=3_600_000_000_000;
    let (interval, tolerance) = (auth.extra.heartbeat_interval, auth.extra.heartbeat_tolerance);
    if !bounds.contains(&interval) || !bounds.contains(&tolerance) {
        return refuse(Refusal::new(BAD_HEARTBEAT, "heartbeats are at most an hour apart"));
    }
    if auth.extra.metadata.len() > MAX_METADATA {
        return refuse(Refusal::new(ERR_NGROK_100, format!("metadata has at most {MAX_METADATA} bytes")));
    }
    match agents.slot(principal.credential) {
        Ok(slot) => Ok((principal, slot)),
        Err(full) => refuse(Refusal::new(FULL, full).until(FULL_FOR)),
    }
}

/// Says in the log and in an event that an agent was refused, whose it is, and why.
fn log_refused(shared: &Shared, peer: SocketAddr, why: &Rejection) {
    let Rejection { refusal, credential, often } = why;
    let (code, reason) = (refusal.code, &*refusal.reason);
    // Who comes too often fills neither.
    if *often {
        return tracing::debug!(%peer, code, "agent refused");
    }
    let shown = credential.map(tracing::field::display);
    tracing::warn!(%peer, credential = shown, code, reason, "agent refused");
    shared.write_event(agent_refused(peer, *credential, refusal, Timestamp::now()));
}

/// What an agent has said of itself, under a new id of its session. It keeps its own id if it can show its cookie.
fn entry(
    shared: &Shared,
    agents: &Agents,
    auth: &Auth,
    credential: CredentialId,
    peer: SocketAddr,
    opener: &Opener,
) -> SessionEntry {
    let info = SessionInfo {
        id: ids::new("ts", &shared.random),
        credential,
        peer,
        agent_version: shown(&auth.extra.version, 128),
        os: shown(&auth.extra.os, 64),
        user_agent: shown(&auth.extra.user_agent, 1_024),
        metadata: auth.extra.metadata.as_str().into(),
        stop_unsupported: unsupported(auth.extra.stop_unsupported_error.as_deref()),
        restart_unsupported: unsupported(auth.extra.restart_unsupported_error.as_deref()),
        update_unsupported: unsupported(auth.extra.update_unsupported_error.as_deref()),
        started: Timestamp::now(),
    };
    let cookie = &auth.extra.cookie.0;
    let is_back = !auth.client_id.is_empty()
        && auth.client_id.len() <= 128
        && !cookie.is_empty()
        && cookie.len() <= 128
        && agents.sessions.may_keep(&auth.client_id, cookie, credential);
    let (client_id, cookie) = if is_back {
        (auth.client_id.as_str().into(), cookie.as_str().into())
    } else {
        (ids::new("cl", &shared.random), ids::secret(&shared.random))
    };
    SessionEntry { info, client_id, cookie, opener: opener.clone() }
}

/// What an agent is told that is let in, with its id and cookie.
fn reply(agents: &Agents, (client_id, cookie): (Box<str>, Box<str>), lent: Option<&Lent>) -> AuthReply {
    AuthReply {
        version: VERSION.to_owned(),
        client_id: client_id.into(),
        extra: AuthReplyExtra {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            region: Some("edge".to_owned()),
            cookie: Some(Hidden(cookie.into())),
            account_name: Some("edge".to_owned()),
            session_duration: Some(0),
            plan_name: Some("open".to_owned()),
            banner: Some(String::new()),
            shared_window: lent.map(Lent::bytes),
            reconnect_within_ms: Some(ReturnTime::for_agents(agents.sessions.len()).as_ms()),
        },
    }
}

/// A session whose agent is known, to its end.
async fn run(
    shared: &Arc<Shared>,
    agents: &Arc<Agents>,
    heartbeat: Heartbeat,
    entered: Entered,
    opener: Opener,
    mut accepted: Acceptor,
    mut tasks: JoinSet<()>,
) {
    let Entered { principal, auth, peer, mut stream, _slot } = entered;
    let entry = entry(shared, agents, &auth, principal.credential, peer, &opener);
    let (info, id) = (entry.info.clone(), entry.info.id.clone());
    let (client_id, cookie) = (entry.client_id.clone(), entry.cookie.clone());
    let registration = agents.sessions.register_newest(entry, |entry| {
        if let Some(why) = agents.why_not(&entry.info, Timestamp::now()) {
            entry.opener.close(ErrorCode::Cancelled, &why);
        }
    });
    let lent = auth.extra.shared_window.map(|theirs| {
        let lent = Lent::reserve();
        opener.lend(lent.bytes());
        opener.borrow(theirs);
        lent
    });
    let reply = reply(agents, (client_id, cookie), lent.as_ref());
    if agent_link::answer(&mut stream, &reply).await.is_err() {
        drop(registration);
        let _ = timeout(GOODBYE, opener.closed()).await;
        return;
    }
    drop(stream);
    tracing::info!(session = &*id, %peer, credential = %principal.credential, "agent connected");
    shared.write_event(agent_session_start(&info));
    let beating = opener.clone();
    tasks.spawn(async move {
        let error = agent_link::beat(&beating, heartbeat, |_| {}).await;
        beating.close(ErrorCode::WriteTimeout, &error.to_string());
    });

    let confirms = auth.extra.confirms_connections;
    let mut bound = Bound::new(shared, agents, id.clone(), principal, opener.clone(), confirms);
    let ended = serve_calls(&mut accepted, &mut bound, &mut tasks, shared.stop_agents.clone()).await;
    if ended == Stopped::ByEdge {
        opener.close_in_order("the edge stops");
        let _ = timeout(GOODBYE, opener.closed()).await;
    }
    // First nobody is forwarded here any more, then those who were are cut.
    drop(bound);
    drop(registration);
    // A farewell may still be on its way.
    let _ = timeout(GOODBYE, opener.closed()).await;
    let end = opener.why_closed().unwrap_or(ErrorCode::None.into());
    let why = sanitize::end("its agent", &end);
    tracing::info!(session = &*id, %peer, why, "agent disconnected");
    let error = Some(why).filter(|_| !end.is_in_order());
    shared.write_event(agent_session_stop(&info, Timestamp::now(), error.as_deref()));
}

#[derive(PartialEq)]
enum Stopped {
    ByAgent,
    ByEdge,
}

async fn serve_calls(
    accepted: &mut Acceptor,
    bound: &mut Bound<'_>,
    tasks: &mut JoinSet<()>,
    stop: CancellationToken,
) -> Stopped {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return Stopped::ByEdge,
            accepted = accepted.accept() => accepted,
            // What has ended holds no memory.
            Some(_) = tasks.join_next() => continue,
        };
        let Some(mut stream) = accepted else { return Stopped::ByAgent };
        // One call after the other: an agent that is slow to say what it wants holds up itself.
        let kind = tokio::select! {
            biased;
            () = stop.cancelled() => return Stopped::ByEdge,
            kind = timeout(CALL_TIME, agent_link::read_type(&mut stream)) => kind,
        };
        let kind = match kind {
            Ok(Ok(StreamType::Heartbeat)) => {
                tasks.spawn(agent_link::echo(stream));
                continue;
            }
            Ok(Ok(kind)) => kind,
            Ok(Err(_)) | Err(_) => {
                stream.reset(ErrorCode::Refused);
                continue;
            }
        };
        let called = tokio::select! {
            biased;
            () = stop.cancelled() => return Stopped::ByEdge,
            called = timeout(CALL_TIME, call(kind, &mut stream, bound)) => called,
        };
        if called.is_err() {
            stream.reset(ErrorCode::Cancelled);
        }
    }
}

/// One call. Who does not listen for the answer misses it.
async fn call(kind: StreamType, stream: &mut Stream, bound: &mut Bound<'_>) {
    let _ = match kind {
        StreamType::Bind => match agent_link::read_call::<Bind>(stream).await {
            Ok(request) => {
                let address =
                    request.opts.get("Addr").and_then(serde_json::Value::as_str).unwrap_or_default();
                let address = address.to_owned();
                match bind::bind(bound, request).await {
                    Ok(reply) => agent_link::answer(stream, &reply).await,
                    Err(refusal) => {
                        bound.log_refused(&address, &refusal);
                        agent_link::answer(stream, &refusal).await
                    }
                }
            }
            Err(error) => agent_link::answer(stream, &Refusal::new(ERR_NGROK_301, error)).await,
        },
        StreamType::Unbind => match agent_link::read_call::<Unbind>(stream).await {
            Ok(request) => {
                bound.unbind(&request.id);
                agent_link::answer(stream, &Empty {}).await
            }
            Err(error) => agent_link::answer(stream, &Refusal::new(ERR_NGROK_301, error)).await,
        },
        StreamType::BindLabeled => {
            let refusal = Refusal::new(
                ERR_NGROK_399,
                "labels are not supported: bind a URL such as tcp://device.internal:22",
            );
            agent_link::answer(stream, &refusal).await
        }
        _ => {
            stream.reset(ErrorCode::Refused);
            Ok(())
        }
    };
}

/// Why an agent cannot be told to do something; `None` if it can.
fn unsupported(error: Option<&str>) -> Option<Box<str>> {
    match error {
        Some("") => None,
        Some(error) => Some(shown(error, 256)),
        None => Some("it is too old for that".into()),
    }
}

/// A text of an agent's, fit to be shown.
fn shown(text: &str, max: usize) -> Box<str> {
    sanitize::cut(text, max).into()
}
