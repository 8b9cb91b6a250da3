//! One session with the edge.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use agent_link::mux::{Acceptor, ErrorCode, Limits, Opener, SHARED_WINDOW, Side, session};
use agent_link::{Auth, AuthExtra, AuthReply, CallError, Hidden, ReturnTime, StreamType};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bindings::{Bindings, OnlineOffers, Stopped};
use super::failures::Failures;
use super::streams::{CAN_UPDATE, Streams, Told, can_restart, can_stop};
use super::{AgentError, Control, Ended, Network, Setup, Status};
use crate::base::random::Random;
use crate::base::said;

/// Connections that the edge may have open through the agent.
const MAX_CONNECTIONS: usize = 8_192;
/// How long the edge may take for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long bytes may wait for the edge to take them.
const STALLED: Duration = Duration::from_secs(24 * 3_600);
/// How long a farewell may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What outlives a session.
pub(super) struct Memory {
    /// Where pauses are drawn.
    pub(super) random: Random,
    client_id: String,
    cookie: Hidden,
    /// What each endpoint was given, by its name and the address that is asked for.
    pub(super) given: HashMap<(Box<str>, Box<str>), Given>,
    /// The edge has known this agent at some time.
    pub(super) was_connected: bool,
    /// Not all endpoints were refused for good when the agent asked for the first time.
    pub(super) has_served: bool,
    /// Over which time the agents of this edge come back, if it has told.
    pub(super) return_time: Option<ReturnTime>,
    /// What was told of servers that cannot be reached.
    failures: Failures,
    /// The configuration is to be read again, and that was not done yet.
    pub(super) reload_due: bool,
}

impl Memory {
    /// Nothing yet.
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            client_id: String::new(),
            cookie: Hidden::default(),
            given: HashMap::new(),
            was_connected: false,
            has_served: false,
            return_time: None,
            failures: Failures::default(),
            reload_due: false,
        }
    }
}

/// What an endpoint was given.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) token: Hidden,
    /// The one that the edge chose, if that was left to it.
    pub(super) address: Box<str>,
}

/// Connects, brings the endpoints online and serves them to the end.
pub(super) async fn once(
    network: &impl Network,
    setup: &mut Setup,
    memory: &mut Memory,
    status: &Arc<Status>,
    control: &Control,
) -> Ended {
    let connected = tokio::select! {
        biased;
        () = control.stop.cancelled() => return Ended::Stopped,
        connected = network.edge(setup) => connected,
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => return Ended::Lost(error, false),
    };
    let limits = Limits {
        streams: MAX_CONNECTIONS,
        unaccepted: 1_024,
        // How long a client may take no bytes, the edge decides.
        stall_timeout: STALLED,
        ..Limits::default()
    };
    let (opener, accepted, driver) = session(connection, Side::Client, limits);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        driver.run().await;
        None
    });
    let ended = tokio::select! {
        // What it has begun it ends itself.
        biased;
        ended = serve(network, setup, memory, status, control, (&opener, accepted), &mut tasks) => ended,
        () = control.stop.cancelled() => Ended::Stopped,
    };
    opener.close_in_order(ended.farewell());
    let _ = timeout(GOODBYE, opener.closed()).await;
    ended
}

async fn serve(
    network: &impl Network,
    setup: &mut Setup,
    memory: &mut Memory,
    status: &Arc<Status>,
    control: &Control,
    (opener, mut accepted): (&Opener, Acceptor),
    tasks: &mut JoinSet<Told>,
) -> Ended {
    match authenticate(setup, memory, opener).await {
        Ok(()) => {}
        Err(CallError::Io(error)) => return Ended::Lost(error, false),
        Err(error) => return Ended::Refused(AgentError::Auth(error)),
    }
    memory.was_connected = true;
    status.connected();
    let proxy = setup.proxy.as_ref().map(tracing::field::display);
    tracing::info!(edge = %setup.server, proxy, "connected");
    let online = Arc::new(OnlineOffers::default());
    let stopped = Arc::<Stopped>::default();
    let streams = Streams {
        network: network.clone(),
        offers: Arc::clone(&online),
        stopped: Arc::clone(&stopped),
        status: Arc::clone(status),
        remote_management: setup.remote_management,
        dialer: setup.dialer.clone().through(None),
        connect_timeout: setup.connect_timeout,
        failures: memory.failures.clone(),
        cut: CancellationToken::new(),
    };
    let beats = agent_link::beat(opener, setup.heartbeat, |latency| status.beat(latency));
    let bindings = Bindings::new(opener, status, &online, &stopped, setup);
    let cut_at_the_end = streams.cut.clone().drop_guard();
    let ended = tokio::select! {
        // Those that seldom have something to do come first; the streams of connections hold up none of them.
        biased;
        () = control.stop.cancelled() => Ended::Stopped,
        error = beats => Ended::Lost(error, true),
        ended = bindings.keep(setup, memory, &control.reload) => ended,
        ended = streams.serve_all(&mut accepted, tasks) => ended.unwrap_or_else(|| {
            let why = opener.why_closed().unwrap_or(ErrorCode::SessionClosed.into());
            let message = match why.by_peer {
                true => said::end("the edge", &why),
                false => format!("the session has ended: {why}"),
            };
            Ended::Lost(io::Error::new(io::ErrorKind::ConnectionReset, message), true)
        }),
    };
    // Before any stream is given up: the edge then knows why all of them end.
    opener.close(ErrorCode::None, ended.farewell());
    drop(cut_at_the_end);
    ended
}

async fn authenticate(setup: &Setup, memory: &mut Memory, opener: &Opener) -> Result<(), CallError> {
    let unsupported = |can: Result<(), &str>| Some(can.err().unwrap_or_default().to_owned());
    let request = Auth {
        version: vec!["3".to_owned()],
        client_id: memory.client_id.clone(),
        extra: AuthExtra {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            auth_token: Hidden(setup.authtoken.expose().to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            user_agent: concat!("forwarder/", env!("CARGO_PKG_VERSION")).to_owned(),
            metadata: setup.metadata.clone(),
            cookie: memory.cookie.clone(),
            heartbeat_interval: nanoseconds(setup.heartbeat.interval),
            heartbeat_tolerance: nanoseconds(setup.heartbeat.tolerance),
            update_unsupported_error: unsupported(CAN_UPDATE),
            restart_unsupported_error: unsupported(can_restart(setup.remote_management)),
            stop_unsupported_error: unsupported(can_stop(setup.remote_management)),
            config_version: "3".to_owned(),
            client_type: "forwarder".to_owned(),
            confirms_connections: true,
            shared_window: Some(SHARED_WINDOW),
            ..AuthExtra::default()
        },
    };
    opener.lend(SHARED_WINDOW);
    let reply: AuthReply = answered(agent_link::ask(opener, StreamType::Auth, &request)).await?;
    opener.borrow(reply.extra.shared_window.unwrap_or(0));
    memory.client_id = reply.client_id;
    memory.cookie = reply.extra.cookie.unwrap_or_default();
    memory.return_time = reply.extra.reconnect_within_ms.map(ReturnTime::from_ms);
    Ok(())
}

/// An answer within its time; what a refusal says can be shown.
pub(super) async fn answered<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    let late = |_| CallError::Io(io::Error::new(io::ErrorKind::TimedOut, "the edge does not answer"));
    timeout(ANSWER_TIME, call).await.map_err(late)?.map_err(said::refusal)
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
