//! Many connections through an agent: more than files, or more than its server takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::harness::{ClosedPort, Folder, connect, echo_device, exchange, forwarder, wait_until};
use crate::site::{Agent, DEVICE, FORWARD, Site, endpoint};

/// An agent with limits of open files, as JSON in its log.
fn limited(site: &Site, folder: &Folder, upstream: impl std::fmt::Display, limits: &str) -> Agent {
    let text = site.ngrok_yml(", log_format: json", &[endpoint("device1", DEVICE[1], upstream)]);
    let path = folder.write("ngrok.yml", &text);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} exec \"$@\""), "sh"]).arg(forwarder().get_program());
    command.args(["agent", "start", "--all", "--config"]).arg(path);
    let agent = Agent::start(command, &site.token(&[]));
    wait_until("its endpoint", || (site.list("endpoint").len() == 1).then_some(()));
    agent
}

/// The lines of the log, of this level.
fn lines(agent: &Agent, level: &str) -> Vec<Value> {
    let text = agent.text();
    let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let lines = complete.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter(|line| line["level"] == level).collect()
}

/// How many connections such lines speak of.
fn told(lines: &[Value]) -> u64 {
    lines.iter().map(|line| line["fields"]["times"].as_u64().unwrap_or(0).max(1)).sum()
}

fn answered(mut stream: &TcpStream) -> bool {
    stream.write_all(b"?").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

#[test]
fn an_agent_raises_its_limit_of_open_files() {
    let (site, folder) = (Site::start(FORWARD, ""), Folder::new());
    let _agent = limited(&site, &folder, echo_device(), "ulimit -S -n 64;");
    let open: Vec<_> = (0..100).map(|_| connect(site.public)).collect();
    assert!(open.iter().all(answered));
}

#[test]
fn an_agent_that_has_no_more_files_says_so_and_serves_again() {
    const CONNECTIONS: usize = 100;
    let (site, folder) = (Site::start(FORWARD, ""), Folder::new());
    let agent = limited(&site, &folder, echo_device(), "ulimit -n 64;");
    let small = lines(&agent, "WARN").iter().any(|line| line["fields"]["files"] == 64);
    assert!(small, "it warns: {}", agent.text());
    let mut open: Vec<_> = (0..CONNECTIONS).map(|_| connect(site.public)).collect();
    open.retain(answered);
    assert!((10..64).contains(&open.len()), "{}", open.len());
    let failed = CONNECTIONS - open.len();
    let lines = wait_until("all to be told", || {
        let lines = lines(&agent, "ERROR");
        (told(&lines) >= failed as u64).then_some(lines)
    });
    assert!(lines.len() < failed / 2, "{lines:?}");
    drop(open);
    wait_until("a connection", || (exchange(connect(site.public), b"again") == b"again").then_some(()));
}

#[test]
fn a_server_that_is_down_is_told_of_once_a_second() {
    const CONNECTIONS: usize = 200;
    let (site, folder, nobody) = (Site::start(FORWARD, ""), Folder::new(), ClosedPort::hold());
    let agent = limited(&site, &folder, nobody.address, "");
    let begun = std::time::Instant::now();
    for _ in 0..CONNECTIONS {
        assert!(exchange(connect(site.public), b"anybody?").is_empty());
    }
    let of_upstream = || -> Vec<Value> {
        let lines = lines(&agent, "WARN").into_iter();
        lines.filter(|line| line["fields"]["upstream"] == format!("tcp://{}", nobody.address)).collect()
    };
    let lines = wait_until("all to be told", || {
        let lines = of_upstream();
        (told(&lines) == CONNECTIONS as u64).then_some(lines)
    });
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("not for ever");
    assert!(lines.len() <= seconds + 2, "{lines:?}");
}
