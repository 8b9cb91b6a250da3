//! `forwarder quickstart`: the remote-access guide on loopback, in one process.
//!
//! An edge, a policy, the agent of the device's site and an echo device, from the files under `fixtures/quickstart`,
//! which are compiled in. Everything is the real thing but the device, which only echoes.

mod device;
mod guide;
mod keep;
mod site;
mod visit;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use policy_core::outcome::OutcomeKind;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::edge::events::{EventWriter, Output};
pub use guide::QuickstartError;
use guide::{ADMITTED, ALIAS, FOLDER, REFUSED};
use keep::Kept;
use site::Site;
use visit::{Visit, visit};

/// Runs the quickstart. With `check` it asserts both visits and ends; otherwise it stays until interrupted. `keep` is a
/// folder, new or empty, in which it leaves files for an edge and an agent that run by themselves.
///
/// # Errors
/// [`QuickstartError`].
pub async fn run(check: bool, keep: Option<&Path>, out: &mut impl Write) -> Result<(), QuickstartError> {
    let kept = keep.map(Kept::begin).transpose()?;
    let device = device::start().await?;
    let lines = Lines::default();
    let outputs: Vec<Output> = vec![Box::new(lines.clone())];
    let (events, thread) = EventWriter::start(outputs)?;
    let site = Site::start(device, check, kept.as_ref(), events.clone()).await?;
    let [(_, address)] = &*site.edge.addresses() else {
        return Err(QuickstartError::Unexpected("the fixture has one endpoint".to_owned()));
    };
    let address = *address;

    writeln!(out, "The remote-access guide on this machine\n")?;
    writeln!(out, "  edge    listens on {address}")?;
    writeln!(out, "  policy  {FOLDER}/device1.yml: {ADMITTED} may connect, on to tcp://device1.internal:22")?;
    writeln!(out, "  agent   {FOLDER}/ngrok.yml: connected to {}, keeps the device online", site.agents)?;
    writeln!(out, "  device  an echo service on {device}, for the agent only\n")?;

    let admitted = visit(address, ADMITTED).await?;
    show(out, 1, "the policy admits", ADMITTED, &admitted, &lines.wait(1).await)?;
    let second = visit(address, REFUSED).await;
    let no_second = matches!(&second, Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable);
    if no_second {
        writeln!(out, "2. the refusal cannot be shown: this machine has no address {REFUSED}; {ALIAS}\n")?;
    } else {
        let refused = second?;
        show(out, 2, "the policy does not admit", REFUSED, &refused, &lines.wait(2).await)?;
        assert_visits(&admitted, &refused, &lines.all())?;
    }

    if let Some(kept) = &kept {
        kept.invite(out)?;
    }
    if check {
        if no_second {
            return Err(QuickstartError::NoSecondAddress);
        }
        writeln!(out, "ok: one connection forwarded, one refused")?;
    } else {
        invite(out, address)?;
        out.flush()?;
        tokio::signal::ctrl_c().await?;
    }
    site.stop().await;
    drop(events);
    thread.finish().await;
    Ok(())
}

fn show(
    out: &mut impl Write,
    number: usize,
    what: &str,
    from: IpAddr,
    visit: &Visit,
    event: &str,
) -> io::Result<()> {
    writeln!(out, "{number}. a client at {from}, which {what}")?;
    writeln!(out, "   sent      {}", visit.sent)?;
    match &*visit.received {
        "" => writeln!(out, "   received  nothing: the connection was closed")?,
        text => writeln!(out, "   received  {text}")?,
    }
    let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
    let word = |key: &str| event.pointer(&format!("/object/{key}")).and_then(|it| it.as_str()).unwrap_or("-");
    writeln!(out, "   event     {}: {}\n", word("decision"), word("reason"))
}

/// The visits must have ended as the policy says, and the events must say so.
fn assert_visits(admitted: &Visit, refused: &Visit, events: &[String]) -> Result<(), QuickstartError> {
    let unexpected = |what: String| Err(QuickstartError::Unexpected(what));
    if admitted.received != admitted.sent {
        return unexpected(format!("{ADMITTED} got `{}` for `{}`", admitted.received, admitted.sent));
    }
    if !refused.received.is_empty() {
        return unexpected(format!("{REFUSED} got `{}` and should get nothing", refused.received));
    }
    for (event, decision) in events.iter().zip([OutcomeKind::Forward, OutcomeKind::Deny]) {
        let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
        let found = event.pointer("/object/decision").and_then(|it| it.as_str());
        if found != Some(decision.name()) {
            return unexpected(format!("the event says {found:?} and not `{decision}`"));
        }
    }
    match events.len() {
        2 => Ok(()),
        number => unexpected(format!("{number} events for two connections")),
    }
}

fn invite(out: &mut impl Write, address: SocketAddr) -> io::Result<()> {
    let (ip, port) = (address.ip(), address.port());
    let width = format!("nc -s {REFUSED} {ip} {port}").len();
    writeln!(out, "Now you, in another terminal:\n")?;
    for (command, what) in [
        (format!("nc {ip} {port}"), "type a line, the device echoes it"),
        (format!("nc -s {REFUSED} {ip} {port}"), "closed at once"),
    ] {
        writeln!(out, "  {command:width$}  {what}")?;
    }
    writeln!(out, "\nWhy, without connecting:\n")?;
    writeln!(
        out,
        "  cargo run --release -p policy-cli -- eval {FOLDER}/device1.yml --ip {REFUSED} --explain\n"
    )?;
    writeln!(out, "Ctrl-C stops it.")
}

/// How long the event of a visit may take.
const EVENT_TIME: Duration = Duration::from_secs(5);

/// Events as lines in memory, for showing them.
#[derive(Clone, Default)]
struct Lines(Arc<HeldLines>);

#[derive(Default)]
struct HeldLines {
    bytes: Mutex<Vec<u8>>,
    /// There are more of them.
    more: Notify,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const ENOUGH: usize = 1 << 20;
        let mut held = self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the first events are shown; the visits of a long evening are not kept.
        if held.len() < ENOUGH {
            held.extend_from_slice(bytes);
        }
        drop(held);
        self.0.more.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn all(&self) -> Vec<String> {
        let held = self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        // The agent's own events are not those of the visits.
        let of_visits = |line: &&str| line.contains("\"tcp_connection_closed.v0\"");
        String::from_utf8_lossy(&held).lines().filter(of_visits).map(ToOwned::to_owned).collect()
    }

    /// The event with this number, from 1, once it is there; empty if it does not come.
    async fn wait(&self, number: usize) -> String {
        let line = async {
            loop {
                // It hears of whatever is written from here on.
                let more = self.0.more.notified();
                if let Some(line) = self.all().into_iter().nth(number - 1) {
                    return line;
                }
                more.await;
            }
        };
        timeout(EVENT_TIME, line).await.unwrap_or_default()
    }
}
