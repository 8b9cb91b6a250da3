//! After a reload: the open connections are revalidated.
//!
//! First all of them cheaply, those that depend on the configuration alone before the others, so that what it refuses is
//! cut at once, whatever policies agents have brought. Then, one after the other and beside everything else, those whose
//! policies take longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::open::{Open, Revalidated};
use super::shared::Shared;
use crate::edge::generation::Generation;
use crate::edge::route::{Effort, RoutingView};

/// Of the time that revalidation takes, how many times as long others have before the next one.
const REST: u32 = 4;
/// What others have at least.
const MIN_REST: Duration = Duration::from_micros(100);

/// Exchanges what decides and revalidates all open connections by it. Gives the number that was cut, and those that could not
/// be decided cheaply.
pub(super) fn open_connections(
    shared: &Shared,
    exchange: impl FnOnce() -> Arc<Generation>,
) -> (usize, Vec<Arc<Open>>) {
    let newest = exchange();
    let world = RoutingView { generation: &newest, online: &shared.online };
    // INVARIANT: after the exchange; who is not among them looks when it has entered.
    let (own, of_agents): (Vec<_>, Vec<_>) =
        shared.connections.all().into_iter().partition(|open| !open.meets_policies_of_agents());
    let (mut cut, mut undecided) = (0, Vec::new());
    for open in own.into_iter().chain(of_agents) {
        match open.revalidate(world, Effort::Cheap) {
            Revalidated::Stays => {}
            Revalidated::Cut => cut += 1,
            Revalidated::Undecided => undecided.push(open),
        }
    }
    (cut, undecided)
}

/// Revalidates connections whose policies take long, by whatever is current when their turn comes. While the edge drains it
/// goes on: what a policy refuses does not live until the drain ends.
pub(super) async fn in_turn(shared: Arc<Shared>) {
    let mut cut = 0_usize;
    while let Some(open) = shared.waiting.next() {
        // Only this list still knew one that has ended.
        if open.cut.is_cancelled() || Arc::strong_count(&open) == 1 {
            continue;
        }
        let begun = Instant::now();
        let newest = shared.current.load_full();
        let world = RoutingView { generation: &newest, online: &shared.online };
        // One that takes more than a new connection may is refused like a new one.
        if open.revalidate(world, Effort::Full) != Revalidated::Stays {
            open.cut_undecided();
            cut += 1;
        }
        drop(newest);
        let rest = (begun.elapsed() * REST).max(MIN_REST);
        tokio::select! {
            () = shared.stop_agents.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
    tracing::info!(cut, "revalidated connections with long-running policies");
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use crate::edge::events::EventWriter;
    use crate::edge::generation::{Generation, load};
    use crate::edge::running::Edge;

    /// An edge in front of a device, at a port that the system chooses.
    fn generation(device: u16) -> Generation {
        let text = format!(
            "version: 1
endpoints:
- name: e
  url: tcp://e:22
  listen: 127.0.0.1:0
  traffic_policy: {{on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: 'tcp://d.internal:22'}}}}]}}]}}
internal_endpoints: [{{url: 'tcp://d.internal:22', upstream: {{url: '127.0.0.1:{device}'}}}}]
"
        );
        load(Path::new("edge.yml"), &|_| Ok(text.clone().into())).expect("usable").0
    }

    async fn echo(stream: &mut TcpStream) {
        stream.write_all(b"x").await.expect("open");
        stream.read_exact(&mut [0]).await.expect("an echo");
    }

    #[tokio::test]
    async fn an_open_connection_keeps_no_old_configuration() {
        let device = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = device.local_addr().expect("bound").port();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = device.accept().await.expect("the edge");
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let (events, _) = EventWriter::start(Vec::new()).expect("a thread");
        let mut edge = Edge::start(generation(port), 10, events).expect("a port");
        let (_, address) = edge.addresses().remove(0);
        let mut client = TcpStream::connect(address).await.expect("accepted");
        echo(&mut client).await;
        let first = Arc::downgrade(&edge.generation());
        let done = edge.reload(generation(port)).await;
        assert_eq!((done.cut, done.changed.len(), edge.open_connections()), (0, 0, 1));
        echo(&mut client).await;
        assert!(first.upgrade().is_none(), "the connection holds the configuration it was admitted by");
        drop(client);
        serving.await.expect("no panic");
        edge.shutdown(Duration::ZERO).await;
    }
}
