//! All agents of an edge at once lose it, and come back: not all at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_link::Heartbeat;
use forwarder::agent::{Offer, Setup, Status, UpstreamServer, run};
use forwarder::base::raise_file_limit;
use forwarder::net::dial::Dialer;
use forwarder::net::tls::client::{TrustedCas, client_config};
use policy_core::agent::Secret;
use policy_core::url::HostPort;
use rustls::pki_types::ServerName;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::site::{FORWARD, Site, edge_yml};

const MORE: &str = "limits: {max_agents: 2000}\n";
/// How often the agents are looked at.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);

fn setup(number: usize, site: &Site, tls: &Arc<rustls::ClientConfig>, token: &str) -> Setup {
    let host_port = |text: &str| HostPort::parse(text).expect("an address");
    Setup {
        server: host_port(&site.agents.to_string()),
        server_name: ServerName::from(site.agents.ip()),
        tls: Arc::clone(tls),
        cas: TrustedCas::Trusted,
        proxy: None,
        dialer: Dialer::default(),
        origin: None,
        connect_timeout: Duration::from_secs(10),
        authtoken: Secret::new(token),
        metadata: String::new(),
        heartbeat: Heartbeat { interval: Duration::from_secs(10), tolerance: Duration::from_secs(15) },
        remote_management: false,
        offers: vec![Offer {
            name: "device".into(),
            address: format!("d{number}.internal:22").into(),
            binding: None,
            pooling: false,
            metadata: "".into(),
            description: "".into(),
            policy: None,
            upstream: UpstreamServer::plain(host_port("22")),
            proxy_protocol: None,
        }],
    }
}

/// Waits until all are online again; how long each took, in order.
async fn come_back(all: &[Arc<Status>], since: Instant) -> Vec<Duration> {
    let mut took = vec![None; all.len()];
    while took.iter().any(Option::is_none) {
        assert!(
            since.elapsed() < PATIENCE,
            "{} agents are not back",
            took.iter().filter(|it| it.is_none()).count()
        );
        for (status, took) in all.iter().zip(&mut took) {
            if took.is_none() && status.view().endpoints == 1 {
                *took = Some(since.elapsed());
            }
        }
        sleep(CHECK_INTERVAL).await;
    }
    let mut took: Vec<_> = took.into_iter().flatten().collect();
    took.sort_unstable();
    took
}

/// The most within any second.
fn busiest(times: &[Duration]) -> usize {
    let within = |from: &Duration| {
        times.iter().filter(|time| *time >= from && **time < *from + Duration::from_secs(1)).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes of waiting: a measurement, by its own command"]
async fn agents_of_an_edge_that_restarts_come_back_in_turns() {
    let number = |name: &str, other| std::env::var(name).map_or(other, |text| text.parse().expect(name));
    let fleet: usize = number("FAULT_AGENTS", 1_000);
    println!("{} files may be open", raise_file_limit());
    let mut site = Site::start(FORWARD, MORE);
    site.edge.folder.write("edge.yml", &edge_yml(site.agents, site.public, MORE));
    let token = site.token(&[]);
    let tls =
        client_config(&TrustedCas::File(site.edge.folder.path("state/ca/ca.pem"))).expect("an authority");
    let stop = CancellationToken::new();
    let (mut all, mut running): (Vec<Arc<Status>>, Vec<_>) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for at in 0..fleet {
        let (status, setup, stop) = (Arc::<Status>::default(), setup(at, &site, &tls, &token), stop.clone());
        all.push(Arc::clone(&status));
        running.push(tokio::spawn(async move { run(setup, &status, stop).await }));
        if at % 100 == 99 {
            come_back(&all, Instant::now()).await;
        }
    }
    come_back(&all, Instant::now()).await;
    println!("{fleet} agents online in {:?}", begun.elapsed());
    for away in [0, 5, 20] {
        site.edge.signal("KILL");
        while all.iter().any(|status| status.view().endpoints > 0) {
            sleep(CHECK_INTERVAL).await;
        }
        // How long it is away is what the test is about.
        sleep(Duration::from_secs(away)).await;
        site.edge.restart();
        let since = Instant::now();
        let took = come_back(&all, since).await;
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        let busiest = busiest(&took);
        println!(
            "away for {away} s: back after p50 {:.1?}, p95 {:.1?}, {:.1?} at most; {busiest} in the busiest second",
            at(50),
            at(95),
            at(100)
        );
        assert!(at(95) <= Duration::from_secs(30));
        assert!(
            std::env::var_os("FAULT_MEASURE").is_some() || busiest * 10 <= fleet,
            "{busiest} of {fleet} agents in one second"
        );
    }
    stop.cancel();
    for agent in running {
        agent.await.expect("no panic").expect("stopped in order");
    }
}
