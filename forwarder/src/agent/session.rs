//! One session with the edge.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use agent_link::mux::{Acceptor, ErrorCode, Limits, Opener, SHARED_WINDOW, Side, session};
use agent_link::{Auth, AuthExtra, AuthReply, CallError, Hidden, ReturnTime, StreamType};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bindings::{Bindings, OnlineOffers, Stopped};
use super::control::Control;
use super::end::{AgentError, SessionEnd};
use super::memory::Memory;
use super::network::Network;
use super::refusals::answered;
use super::setup::Setup;
use super::status::Status;
use super::streams::{CAN_UPDATE, Streams, TaskEnd, can_restart, can_stop};
use crate::base::sanitize;

/// Connections that the edge may have open through the agent.
const MAX_CONNECTIONS: usize = 8_192;
/// How long bytes may wait for the edge to take them.
const STALLED: Duration = Duration::from_secs(24 * 3_600);
/// How long a farewell may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Connects, brings the endpoints online and serves them to the end.
pub(super) async fn once(
    network: &impl Network,
    setup: &mut Setup,
    memory: &mut Memory,
    status: &Arc<Status>,
    control: &Control,
) -> SessionEnd {
    let connected = tokio::select! {
        biased;
        () = control.stop.cancelled() => return SessionEnd::Stopped,
        connected = network.edge(setup) => connected,
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => return SessionEnd::Lost(error, false),
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
        () = control.stop.cancelled() => SessionEnd::Stopped,
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
    tasks: &mut JoinSet<TaskEnd>,
) -> SessionEnd {
    match authenticate(setup, memory, opener).await {
        Ok(()) => {}
        Err(CallError::Io(error)) => return SessionEnd::Lost(error, false),
        Err(error) => return SessionEnd::Refused(AgentError::Auth(error)),
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
        () = control.stop.cancelled() => SessionEnd::Stopped,
        error = beats => SessionEnd::Lost(error, true),
        ended = bindings.keep(setup, memory, &control.reload) => ended,
        ended = streams.serve_all(&mut accepted, tasks) => ended.unwrap_or_else(|| {
            let why = opener.why_closed().unwrap_or(ErrorCode::SessionClosed.into());
            let message = match why.by_peer {
                true => sanitize::end("the edge", &why),
                false => format!("the session has ended: {why}"),
            };
            SessionEnd::Lost(io::Error::new(io::ErrorKind::ConnectionReset, message), true)
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

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
