//! A network that forgets a connection: nothing comes through any more, and nobody is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::lines::Tells;
use crate::harness::{Device, Folder, connect, echo_device, exchange, forwarder, wait_until};
use crate::site::{Agent, FORWARD, Site};

/// Carries connections until it forgets those that it has; new ones it carries.
struct Nat {
    address: SocketAddr,
    forgotten: Arc<AtomicBool>,
}

impl Nat {
    fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let (address, forgotten) = (listener.local_addr().expect("bound"), Arc::<AtomicBool>::default());
        let forget = Arc::clone(&forgotten);
        thread::spawn(move || {
            for inside in listener.incoming().map_while(Result::ok) {
                let Ok(outside) = TcpStream::connect(target) else { continue };
                // What is made after it has forgotten is not forgotten.
                let forget =
                    if forget.load(Ordering::Relaxed) { Arc::default() } else { Arc::clone(&forget) };
                for (from, to) in [(&inside, &outside), (&outside, &inside)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    let forget = Arc::clone(&forget);
                    thread::spawn(move || carry(from, to, &forget));
                }
            }
        });
        Self { address, forgotten }
    }

    fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, forgotten: &AtomicBool) {
    from.set_read_timeout(Some(Duration::from_millis(50))).expect("settable");
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer);
        if forgotten.load(Ordering::Relaxed) {
            // Neither an end nor a reset, for as long as the test runs.
            std::mem::forget((from, to));
            return;
        }
        match read {
            Ok(read @ 1..) if to.write_all(&buffer[..read]).is_ok() => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn agent(site: &Site, folder: &Folder, nat: &Nat, upstream: SocketAddr) -> Agent {
    let text = format!(
        "version: 3
agent: {{connect_url: \"localhost:{}\", connect_cas: \"{}\", web_addr: false, log: stderr, heartbeat_interval: 1s, heartbeat_tolerance: 2s}}
endpoints: [{{name: device1, url: \"tcp://device1.internal:22\", upstream: {{url: \"{upstream}\"}}}}]
",
        nat.address.port(),
        site.edge.folder.path("state/ca/ca.pem").display()
    );
    let config = folder.write("ngrok.yml", &text);
    let mut command = forwarder();
    command.args(["agent", "start", "--all", "--config"]).arg(config);
    let agent = Agent::start(command, &site.token(&[]));
    agent.wait_for(Tells::Online);
    agent
}

#[test]
fn an_agent_that_the_network_forgets_comes_back_and_nobody_hangs() {
    let site =
        Site::start(FORWARD, "limits: {agent_heartbeat_interval: 1s, agent_heartbeat_tolerance: 2s}\n");
    let (nat, folder) = (Nat::before(site.agents), Folder::new());
    // The server hears of the end as well, though it says nothing and is told nothing.
    let device = Device::once(|mut stream| {
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).expect("the greeting");
        stream.write_all(&heard).expect("the answer");
        let end = stream.read(&mut heard);
        let reset = |kind| kind == ErrorKind::ConnectionReset;
        assert!(end.as_ref().is_ok_and(|read| *read == 0) || end.as_ref().is_err_and(|it| reset(it.kind())));
    });
    let agent = agent(&site, &folder, &nat, device.address);
    let mut client = connect(site.public);
    client.write_all(b"hello").expect("taken");
    let mut heard = [0; 5];
    client.read_exact(&mut heard).expect("answered");
    nat.forget();
    let begun = Instant::now();
    let end = client.read(&mut heard);
    println!("the client is cut after {:?}: {end:?}", begun.elapsed());
    assert!(end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset), "cut short, and looks so");
    device.join();
    println!("its server after {:?}", begun.elapsed());
    wait_until("the agent to come back", || (agent.count(Tells::Online) > 1).then_some(()));
    println!("the agent is back after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30), "somebody hung");
    assert_eq!(site.list("session").len(), 1);
}

/// The same while bytes flow, and from then on.
#[test]
fn connections_of_a_forgotten_agent_are_cut_under_load() {
    let site =
        Site::start(FORWARD, "limits: {agent_heartbeat_interval: 1s, agent_heartbeat_tolerance: 2s}\n");
    let (nat, folder) = (Nat::before(site.agents), Folder::new());
    let agent = agent(&site, &folder, &nat, echo_device());
    let carried = Arc::<AtomicU64>::default();
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (mut client, carried) = (connect(site.public), Arc::clone(&carried));
            thread::spawn(move || {
                let (mut heard, mut rounds) = ([0; 1_000], 0_u64);
                while client.write_all(&[7; 1_000]).is_ok() {
                    match client.read_exact(&mut heard) {
                        Ok(()) => assert_eq!(heard, [7; 1_000]),
                        Err(error) => return (rounds, error.kind()),
                    }
                    rounds += 1;
                    carried.fetch_add(1, Ordering::Relaxed);
                }
                (rounds, ErrorKind::BrokenPipe)
            })
        })
        .collect();
    wait_until("the connections", || (carried.load(Ordering::Relaxed) > 200).then_some(()));
    nat.forget();
    for client in clients {
        let (rounds, kind) = client.join().expect("exact until it is cut");
        assert!(
            !matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "it hangs after {rounds} rounds"
        );
    }
    wait_until("the agent to come back", || (agent.count(Tells::Online) > 1).then_some(()));
    assert_eq!(exchange(connect(site.public), b"again"), b"again");
}
