//! `forwarder edge`: an edge under the control of signals.
//!
//! SIGHUP reloads, as far as everything can be loaded (ADR 20); SIGTERM and SIGINT stop accepting and
//! drain; a second one cuts at once.

mod administration;
mod agents;
mod error;

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use policy_core::diagnostic::printable;
use policy_core::edge::EdgeConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, interval_at};

use crate::base::files::read_file;
use crate::base::raise_file_limit;
use crate::base::reports::Reports;
use crate::control::admin::{ChangedPolicy, ReloadReport};
use crate::control::audit::Caller;
use crate::edge::admission::{Reserve, connections};
use crate::edge::agents::{EndedAgents, UNKNOWN as UNKNOWN_AGENTS};
use crate::edge::events::{
    EventWriter, WriterThread, open_outputs, policy_changed, policy_not_loaded, reload_failed,
};
use crate::edge::generation::{Generation, load, load_after};
use crate::edge::running::Edge;
use crate::edge::state::StateDir;
use crate::edge::status::{LastReload, ReloadFaults, not_loaded};
use agents::{ControlPlane, Folders, RENEW_EVERY, Reach};
pub use error::StartError;

/// Reloads that may be asked for while one runs.
const REQUESTS: usize = 8;

/// Runs an edge until it is told to stop.
///
/// # Errors
/// [`StartError`]; then nothing is served any more.
pub async fn serve(path: &Path) -> Result<(), StartError> {
    // Signals are caught from here on: one that comes while the edge starts is not lost.
    let mut signals = Signals::new().map_err(StartError::System)?;
    let (generation, reports) = load(path, &read_file).map_err(StartError::Load)?;
    for text in reports.texts() {
        tracing::warn!("{text}");
    }
    let config = &generation.config;
    let files = raise_file_limit();
    let slots =
        connections(config.limits.max_connections, reserve(config, administration::files(config)), files);
    let slots = slots.map_err(StartError::Budget)?;
    let state_path = generation.folder.join(&*config.state_dir);
    let unusable = |error| StartError::File(state_path.display().to_string(), error);
    let _state = StateDir::open(&state_path).map_err(unusable)?;
    let outputs = open_outputs(&config.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let (events, thread) = EventWriter::start(outputs).map_err(StartError::System)?;

    let folders = Folders { folder: generation.folder.clone(), state: state_path };
    let (drain, config) = (config.drain, config.clone());
    let edge = Edge::start(generation, slots, events.clone()).map_err(StartError::Bind)?;
    announce(&edge);
    // A request waits while a reload runs; one that waits is answered by the next.
    let (reloads, mut requests) = mpsc::channel(REQUESTS);
    let reach = Reach { reloads, last: LastReload::default() };
    let budget = Capacity { slots, files };
    let mut served = Served { edge, control: None, events, folders, reach, budget, drain };
    served.begin(&config).await?;
    let mut renewal = interval_at(Instant::now() + RENEW_EVERY, RENEW_EVERY);
    loop {
        let asked = tokio::select! {
            told = signals.next() => match told {
                EdgeSignal::Reload => None,
                EdgeSignal::Stop => break,
            },
            Some(asked) = requests.recv() => Some(asked),
            _ = renewal.tick() => {
                agents::renew(&served.edge, served.control.as_ref(), &served.folders).await;
                continue;
            }
        };
        let loaded = tokio::select! {
            loaded = load_apart(path, served.edge.generation()) => loaded,
            () = signals.stop() => break,
        };
        let report = served.reload(loaded).await;
        served.write_changed_policies(&report, asked.as_ref().map(|asked| asked.by));
        if let Some(asked) = asked {
            // Who asked may not wait any more.
            let _ = asked.done.send(report);
        }
    }
    // Nobody waits for a reload that does not come.
    drop(requests);
    served.stop(thread, &mut signals).await;
    Ok(())
}

/// What needs files beside connections; the administration so many.
fn reserve(config: &EdgeConfig, admin: usize) -> Reserve {
    let listeners = config.endpoints.len();
    match config.agents {
        Some(_) => {
            let max_agents = usize::try_from(config.limits.max_agents).unwrap_or(usize::MAX);
            Reserve { listeners, max_agents, unknown_agents: UNKNOWN_AGENTS, admin }
        }
        None => Reserve { listeners, max_agents: 0, unknown_agents: 0, admin },
    }
}

/// True if something about the administration has changed, which a reload leaves as it is.
fn admin_differs(old: &EdgeConfig, new: &EdgeConfig) -> bool {
    let admin = |config: &EdgeConfig| {
        config.admin_listener.as_ref().map(|it| (it.listen.value, it.names.clone(), it.tls.clone()))
    };
    admin(old) != admin(new) || old.admin_path() != new.admin_path()
}

fn announce(edge: &Edge) {
    for (endpoint, address) in edge.addresses() {
        tracing::info!(endpoint, %address, "listening");
    }
}

/// Loads on a thread of its own: a policy may be large, and the runtime's own blocking threads may all be
/// waiting for name lookups.
async fn load_apart(path: &Path, previous: Arc<Generation>) -> Result<(Generation, Reports), StartError> {
    let (send, receive) = oneshot::channel();
    let path = path.to_owned();
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            // Nobody waits any more if the edge was told to stop meanwhile.
            let _ = send.send(load_after(&path, &read_file, &previous));
        })
        .map_err(StartError::System)?;
    let loaded = receive.await.map_err(|error| StartError::System(io::Error::other(error)))?;
    loaded.map_err(StartError::Load)
}

/// What a reload has to fit in.
#[derive(Clone, Copy)]
struct Capacity {
    slots: usize,
    files: u64,
}

/// A running edge with its administration.
struct Served {
    edge: Edge,
    control: Option<ControlPlane>,
    events: EventWriter,
    folders: Folders,
    reach: Reach,
    budget: Capacity,
    drain: Duration,
}

impl Served {
    /// Serves agents and the administration for the first time.
    async fn begin(&mut self, config: &EdgeConfig) -> Result<(), StartError> {
        let ready = agents::ready(&self.edge, config, &self.folders, false).await?;
        agents::take(&mut self.edge, ready, &mut self.control, &self.events, &self.reach).await;
        Ok(())
    }

    /// Serves what was loaded as far as it can be, and tells in log, events and answer what cannot.
    async fn reload(&mut self, loaded: Result<(Generation, Reports), StartError>) -> ReloadReport {
        let now = Timestamp::now();
        let report = match loaded {
            Ok((generation, reports)) => self.take_over(generation, &reports).await,
            Err(error) => {
                let reason = error.to_string();
                tracing::error!("reload refused, the previous configuration stays in force: {reason}");
                self.write_event(reload_failed(&reason, now));
                ReloadReport { error: Some(reason), ..ReloadReport::default() }
            }
        };
        for gap in &report.not_loaded {
            let (endpoint, file, consequence) = (&gap.endpoint, gap.file.as_deref(), gap.consequence);
            tracing::error!(endpoint, file, "policy not loaded: {consequence}");
            self.write_event(policy_not_loaded(gap, now));
        }
        let findings = if report.complete { Vec::new() } else { report.findings.clone() };
        let mut last = self.reach.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = ReloadFaults { error: report.error.clone(), problems: report.problems.clone(), findings };
        drop(last);
        report
    }

    /// Lets connections end for a while, then everything; at once on a further signal.
    async fn stop(self, thread: WriterThread, signals: &mut Signals) {
        let Self { edge, control, events, drain, .. } = self;
        tracing::info!(open = edge.open_connections(), "draining for at most {drain:?}");
        let cut = tokio::select! {
            cut = edge.shutdown(drain) => cut,
            () = signals.stop() => return tracing::warn!("stopped immediately"),
        };
        if let Some(control) = control {
            control.close().await;
        }
        drop(events);
        thread.finish().await;
        tracing::info!(cut, "stopped");
    }

    /// Says what of a new configuration a reload leaves as it is.
    fn warn_of_restart(&self, old: &EdgeConfig, new: &EdgeConfig) {
        if old.limits.max_connections != new.limits.max_connections || old.state_dir != new.state_dir {
            tracing::warn!("a new `max_connections` or `state_dir` takes effect after a restart");
        }
        if self.control.is_some() && admin_differs(old, new) {
            tracing::warn!("changes of `admin` take effect after a restart");
        }
    }

    async fn take_over(&mut self, generation: Generation, reports: &Reports) -> ReloadReport {
        let findings: Vec<String> = reports.texts().collect();
        findings.iter().for_each(|text| tracing::warn!("{text}"));
        let (old, new) = (self.edge.config(), &generation.config);
        let slots = u32::try_from(self.budget.slots).unwrap_or(u32::MAX);
        // The administration that runs goes on, whatever a new configuration says of it.
        let admin = self.control.as_ref().map_or_else(|| administration::files(new), |control| control.files);
        let mut problems = Vec::new();
        if let Err(error) = connections(Some(slots), reserve(new, admin), self.budget.files) {
            problems.push(format!("open files may run out: {error}"));
        }
        self.warn_of_restart(&old, new);
        // What only refuses more must not wait for what has nothing to do with it: the rest of a configuration is told
        // where it cannot be had, and stays as it was.
        let ready = agents::ready(&self.edge, new, &self.folders, self.control.is_some()).await;
        let ready = ready.map_err(|error| {
            problems.push(format!("`agents` and `admin` stay as they were: {error}"));
        });
        let outputs = open_outputs(&new.events, &generation.folder);
        let outputs = outputs.map_err(|(path, error)| {
            problems
                .push(format!("the destinations of events stay as they were: cannot use `{path}`: {error}"));
        });
        let unusable = generation.unusable_ip_policies.iter();
        problems.extend(unusable.map(|file| {
            format!("policies that name an IP policy of `{}` are not loaded: it has errors", printable(file))
        }));
        let drain = new.drain;
        let not_loaded: Vec<_> = generation.not_loaded.iter().map(not_loaded).collect();
        let done = self.edge.reload(generation).await;
        problems.extend(done.unbound.iter().map(ToString::to_string));
        if let Ok(outputs) = outputs {
            self.events.replace(outputs);
        }
        let ended = match ready {
            Ok(ready) => {
                agents::take(&mut self.edge, ready, &mut self.control, &self.events, &self.reach).await
            }
            // Agents are served by the settings of before.
            Err(()) => EndedAgents::default(),
        };
        problems.iter().for_each(|problem| tracing::error!("not in force: {problem}"));
        self.drain = drain;
        let report = ReloadReport {
            complete: not_loaded.is_empty() && problems.is_empty(),
            error: None,
            changed: done.changed,
            not_loaded,
            problems,
            findings,
            opened: done.opened,
            closed: done.closed,
            cut: done.cut,
            revalidating: done.later,
            sessions_ended: ended.sessions,
            endpoints_stopped: ended.endpoints,
        };
        log(&report);
        announce(&self.edge);
        report
    }

    /// Tells which policies a reload has changed, and who asked for it; nobody but a signal if none is named.
    fn write_changed_policies(&self, report: &ReloadReport, by: Option<Caller>) {
        report
            .changed
            .iter()
            .for_each(|changed| self.write_event(policy_changed(changed, by, Timestamp::now())));
    }

    fn write_event(&self, event: serde_json::Result<String>) {
        self.events.event(event);
    }
}

fn log(report: &ReloadReport) {
    for ChangedPolicy { endpoint, before, after, .. } in &report.changed {
        let (before, after) = (before.as_deref(), after.as_deref());
        tracing::info!(endpoint, before, after, "new policy");
    }
    tracing::info!(
        opened = report.opened,
        closed = report.closed,
        cut = report.cut,
        later = report.revalidating,
        sessions = report.sessions_ended,
        endpoints = report.endpoints_stopped,
        complete = report.complete,
        "reloaded"
    );
}

enum EdgeSignal {
    Reload,
    Stop,
}

struct Signals {
    /// A reload was asked for that has not begun.
    again: bool,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            again: false,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a stop. Reloads that are asked for meanwhile come after it, as one: what is being loaded may be older.
    async fn stop(&mut self) {
        while let EdgeSignal::Reload = self.receive().await {
            self.again = true;
        }
    }

    async fn next(&mut self) -> EdgeSignal {
        if std::mem::take(&mut self.again) { EdgeSignal::Reload } else { self.receive().await }
    }

    async fn receive(&mut self) -> EdgeSignal {
        tokio::select! {
            _ = self.hangup.recv() => EdgeSignal::Reload,
            _ = self.terminate.recv() => EdgeSignal::Stop,
            _ = self.interrupt.recv() => EdgeSignal::Stop,
        }
    }
}
