//! Starting, checking, reloading, stopping.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::harness::lines::{Tells, count};
use crate::harness::required::{LINUX_TOOLS, required};
use crate::harness::{
    ClosedPort, Edge, FORWARD, Folder, GUIDE, Unanswering, connect, echo_device, edge_yml, exchange,
    forwarder, guide_policy, rest_of, second_address, wait_until,
};
use crate::site::Agent;

/// An address that no other test listens on: whoever connects after the listener is gone is refused.
const OWN_ADDRESS: &str = if cfg!(target_os = "linux") { "127.77.0.1:0" } else { "127.0.0.1:0" };

fn run(args: &[&str], config: &std::path::Path) -> Output {
    forwarder().args(args).arg(config).output().expect("it runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn quickstart_checks_itself() {
    let output = forwarder().args(["quickstart", "--check"]).output().expect("it runs");
    if second_address().is_none() {
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        return;
    }
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("ok: one connection forwarded, one refused"));
}

/// What the quickstart keeps runs by the commands that it prints.
#[test]
fn quickstart_keeps_files_that_run() {
    let folder = Folder::with_a_blank();
    let site = folder.path(".").canonicalize().expect("there");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let relative = forwarder()
        .current_dir(elsewhere.path())
        .args(["quickstart", "--check", "--keep", "./site"])
        .output()
        .expect("it runs");
    if second_address().is_some() {
        assert!(relative.status.success(), "{}", text(&relative));
    }
    assert!(elsewhere.path().join("site/edge.yml").exists());
    let keep = |at: &std::path::Path| {
        let mut command = forwarder();
        command.args(["quickstart", "--check", "--keep"]).arg(at).output().expect("it runs")
    };
    let output = keep(&site);
    if second_address().is_some() {
        assert!(output.status.success(), "{}", text(&output));
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    for command in ["edge --config", "agent start --all --config"] {
        let name = if command.starts_with("edge") { "edge.yml" } else { "ngrok.yml" };
        let line = format!("  forwarder {command} '{}'", site.join(name).display());
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    for name in ["ngrok.yml", "state"] {
        let mode = std::fs::metadata(site.join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is private");
    }
    let kept = |folder: &std::path::Path| {
        let names = std::fs::read_dir(folder).expect("there").map(|it| it.expect("one").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(kept(&site), ["device1.yml", "edge.yml", "ngrok.yml", "state"]);
    assert!(run(&["check"], &site.join("edge.yml")).status.success());
    let again = keep(&site);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again));
    let other = Folder::new();
    keep(&other.path("a/new one"));
    assert_eq!(kept(&other.path("a/new one")).len(), 4, "a folder that is not there is made");

    // The device is another than in the quickstart, which has ended.
    let agent = std::fs::read_to_string(site.join("ngrok.yml")).expect("there");
    let changed = agent.replace("url: 22 ", &format!("url: \"{}\" ", echo_device()));
    assert_ne!(changed, agent);
    std::fs::write(site.join("ngrok.yml"), changed).expect("written");
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    edge.wait_for_admin();
    let mut command = forwarder();
    command
        .args(["agent", "start", "--all", "--config"])
        .arg(site.join("ngrok.yml"))
        .env_remove("NGROK_AUTHTOKEN");
    let agent = Agent::spawn(command);
    agent.wait_for(Tells::Online);
    assert_eq!(exchange(connect(address), b"kept"), b"kept");
}

#[test]
fn check_accepts_the_guides_edge() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/remote-access/edge.yml");
    let output = run(&["check"], std::path::Path::new(config));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("checked 3 files: 0 errors, 0 warnings"));
}

#[test]
fn an_invalid_policy_stops_the_edge_before_it_accepts() {
    let folder = Folder::new();
    let config = folder.write("edge.yml", &edge_yml(1, ""));
    folder.write("policy.yml", "on_tcp_connect:\n  - actions:\n      - type: restrict-ip\n");
    for (args, code) in [(&["edge", "--config"][..], 2), (&["check"], 1)] {
        let output = run(args, &config);
        assert_eq!(output.status.code(), Some(code));
        let said = text(&output);
        assert!(said.contains("policy.yml:3:15: error[TP305]: unknown action"), "{said}");
        assert!(
            said.contains("edge.yml:6:26: error[TP452]: the policy file `policy.yml` has 1 error"),
            "{said}"
        );
        assert_eq!(count(&said, Tells::Listening), 0, "{said}");
    }
}

/// An endpoint has no upstream, so what its policy leaves is refused: a mistake of the author, and nothing that a start may
/// stop at, since it only refuses more.
#[test]
fn a_policy_that_ends_without_an_action_is_an_error_for_its_author() {
    let folder = Folder::new();
    let config = folder.write("edge.yml", &edge_yml(1, ""));
    folder.write(
        "policy.yml",
        "on_tcp_connect: [{expressions: [conn.client_port == 1], actions: [{type: deny}]}]\n",
    );
    let output = run(&["check"], &config);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("policy.yml:1:1: error[TP409]"), "{}", text(&output));
    let mut edge = Edge::start(folder);
    edge.wait_for_mention("policy.yml:1:1: warning[TP409]");
}

#[test]
fn missing_files_are_named() {
    let folder = Folder::new();
    let output = run(&["edge", "--config"], &folder.path("none.yml"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("none.yml`: no such file"), "{}", text(&output));
    let config = folder.write("edge.yml", &edge_yml(1, ""));
    let output = run(&["edge", "--config"], &config);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("edge.yml:6:26: error[TP452]: cannot read"), "{}", text(&output));
}

/// Opening a named pipe would wait for its other end, deaf to every signal.
#[test]
fn named_pipes_are_refused() {
    let folder = Folder::new();
    let config = folder.write("edge.yml", &edge_yml(1, ""));
    let pipe = std::process::Command::new("mkfifo").arg(folder.path("policy.yml")).status();
    assert!(pipe.expect("mkfifo runs").success());
    let output = run(&["edge", "--config"], &config);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("it is a named pipe"), "{}", text(&output));
}

/// Text of a policy that reaches the log cannot forge a line of it.
#[test]
fn a_policy_forges_no_log_line() {
    let folder = Folder::new();
    let config = folder.write("edge.yml", &edge_yml(1, ""));
    folder.write("policy.yml", "on_tcp_connect: [{actions: [{type: \"x\\n2026 INFO reloaded\\e[2K\"}]}]");
    let said = text(&run(&["check"], &config));
    assert!(said.contains("unknown action `x\\n2026 INFO reloaded\\u{1b}[2K`"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let folder = Folder::new();
    let config = folder.write("edge.yml", &edge_yml(1, "").replace("127.0.0.1:0", &address));
    folder.write("policy.yml", FORWARD);
    let output = run(&["edge", "--config"], &config);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(said.contains(&format!("endpoint `device1` cannot listen on {address}")), "{said}");
    assert_eq!(count(&said, Tells::Listening), 0, "{said}");
}

#[test]
fn two_edges_do_not_share_a_state_folder() {
    let mut first = Edge::in_front_of(echo_device(), FORWARD);
    first.address("device1");
    let output = run(&["edge", "--config"], &first.folder.path("edge.yml"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("another edge runs on this state folder"), "{}", text(&output));
}

#[test]
fn a_budget_over_the_limit_of_open_files_is_refused() {
    let folder = Folder::new();
    let config = folder.write("edge.yml", &edge_yml(1, "limits: {max_connections: 100}\n"));
    folder.write("policy.yml", FORWARD);
    let command =
        format!("ulimit -n 200; exec {} edge --config {}", env!("CARGO_BIN_EXE_forwarder"), config.display());
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("sh runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("lower `limits.max_connections`"), "{}", text(&output));
}

#[test]
fn a_reload_serves_the_new_policy_and_cuts_whom_it_refuses() {
    let mut edge = Edge::in_front_of(echo_device(), FORWARD);
    let address = edge.address("device1");
    let mut open = connect(address);
    open.write_all(b"x").expect("sent");
    let mut byte = [0; 1];
    open.read_exact(&mut byte).expect("echoed");

    // The same decision written differently keeps the connection.
    edge.folder.write("policy.yml", &guide_policy("127.0.0.0/8"));
    edge.signal("HUP");
    let line = edge.wait_for(Tells::Reloaded);
    assert_eq!(line.number("cut"), 0, "{line}");
    open.write_all(b"y").expect("still open");
    open.read_exact(&mut byte).expect("echoed");

    // A narrower policy cuts it, and refuses the next.
    edge.folder.write("policy.yml", GUIDE);
    edge.signal("HUP");
    let line = edge.wait_for(Tells::Reloaded);
    assert_eq!(line.number("cut"), 1, "{line}");
    assert_eq!(rest_of(&open), b"");
    assert_eq!(exchange(connect(address), b"hello"), b"");
    let is_cut = |event: &serde_json::Value| event["object"]["end"] == "the new policy refuses it";
    wait_until("the event of the cut", || edge.events().iter().any(is_cut).then_some(()));
}

/// A connection that went to its fallback is decided as it was made: unchanged files cut nothing.
#[test]
fn a_reload_keeps_a_connection_on_its_fallback() {
    let closed = ClosedPort::hold();
    let folder = Folder::new();
    let second =
        format!("  - url: tcp://device2.internal:22\n    upstream: {{url: \"{}\"}}\n", echo_device());
    let config = edge_yml(closed.address, "").replace("events:", &format!("{second}events:"));
    folder.write("edge.yml", &config);
    let first = FORWARD.replace(":22\n", ":22\n          on_error: continue\n");
    let both = format!(
        "{first}      - {{type: forward-internal, config: {{url: \"tcp://device2.internal:22\"}}}}\n"
    );
    folder.write("policy.yml", &both);
    let mut edge = Edge::start(folder);
    let mut open = connect(edge.address("device1"));
    let mut byte = [0; 1];
    for _ in 0..2 {
        open.write_all(b"x").expect("open");
        open.read_exact(&mut byte).expect("echoed");
        edge.signal("HUP");
        let line = edge.wait_for(Tells::Reloaded);
        assert_eq!(line.number("cut"), 0, "{line}");
    }
}

#[test]
fn a_bad_reload_keeps_the_last_good_policy() {
    let mut edge = Edge::in_front_of(echo_device(), FORWARD);
    let address = edge.address("device1");
    for bad in ["on_tcp_connect: [", "on_tcp_conect: []\n", "\u{0}"] {
        edge.folder.write("policy.yml", bad);
        edge.signal("HUP");
        edge.wait_for(Tells::NotLoaded);
        assert_eq!(exchange(connect(address), b"hello"), b"hello", "{bad:?}");
    }
    std::fs::remove_file(edge.folder.path("policy.yml")).expect("removed");
    edge.signal("HUP");
    edge.wait_for(Tells::NotLoaded);
    assert_eq!(exchange(connect(address), b"hello"), b"hello");
}

#[test]
fn a_reload_opens_and_closes_endpoints() {
    // An address of its own: no other test listens there.
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(echo_device(), "").replace("127.0.0.1:0", OWN_ADDRESS));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let first = edge.address("device1");
    let text = std::fs::read_to_string(edge.folder.path("edge.yml")).expect("readable");
    edge.folder.write("edge.yml", &text.replace("name: device1", "name: other"));
    edge.signal("HUP");
    let line = edge.wait_for(Tells::Reloaded);
    assert_eq!([line.number("opened"), line.number("closed")], [1, 1], "{line}");
    let second = edge.address("other");
    assert!(TcpStream::connect(first).is_err(), "the old listener is closed");
    assert_eq!(exchange(connect(second), b"hello"), b"hello");
}

#[test]
fn a_stop_drains_open_connections() {
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(echo_device(), "").replace("127.0.0.1:0", OWN_ADDRESS));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    let mut open = connect(address);
    open.write_all(b"x").expect("sent");
    let mut byte = [0; 1];
    open.read_exact(&mut byte).expect("echoed");
    edge.signal("TERM");
    edge.wait_for(Tells::Draining);
    crate::harness::wait_until("the listener to close", || {
        TcpStream::connect(address).is_err().then_some(())
    });
    open.write_all(b"y").expect("still open");
    open.read_exact(&mut byte).expect("echoed");
    drop(open);
    assert_eq!(edge.wait_for_exit().code(), Some(0));
    // Others may have come before the listener closed; this one was let through to its end.
    let whole = |event: &serde_json::Value| {
        event["object"]["conn"]["bytes_in"] == 2 && event["object"]["end"] == "both sides closed"
    };
    assert!(edge.events().iter().any(whole), "{:?}", edge.events());
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(echo_device(), "shutdown: {drain: 1s}\n"));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let mut open = connect(edge.address("device1"));
    open.write_all(b"x").expect("sent");
    let mut byte = [0; 1];
    open.read_exact(&mut byte).expect("echoed");
    edge.signal("TERM");
    assert_eq!(edge.wait_for_exit().code(), Some(0));
    let events = edge.events();
    assert_eq!(events[0]["object"]["end"], "the edge stopped");
}

/// The deadline of a drain holds for connections that are still being dialled, too.
#[test]
fn a_drain_ends_for_connections_that_are_dialling() {
    let upstream = Unanswering::hold();
    let folder = Folder::new();
    let more = "limits: {connect_timeout: 300s}\nshutdown: {drain: 0s}\n";
    folder.write("edge.yml", &edge_yml(upstream.address, more));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let mut client = connect(edge.address("device1"));
    client.write_all(b"hello").expect("sent");
    // A second connection is through when the first has been accepted long since.
    edge.signal("TERM");
    assert_eq!(edge.wait_for_exit().code(), Some(0));
    assert_eq!(rest_of(&client), b"");
}

/// A reader of events that stalls holds up neither connections, nor reloads, nor the stop.
#[test]
fn a_stalled_reader_of_events_holds_up_nothing() {
    let folder = Folder::new();
    let config = edge_yml(echo_device(), "shutdown: {drain: 0s}\n");
    folder.write("edge.yml", &config.replace("{type: file, path: events.jsonl}", "{type: stdout}"));
    let large = "x".repeat(15_000);
    let log = format!("      - {{type: log, config: {{metadata: {{a: {large}}}}}}}\n").repeat(4);
    let log = format!("on_tcp_connect:\n  - actions:\n{log}");
    folder.write("policy.yml", &format!("{log}{}", FORWARD.replace("on_tcp_connect:\n", "")));
    // A pipe that nobody reads.
    let mut edge = Edge::start_with_stdout(folder, std::process::Stdio::piped());
    let address = edge.address("device1");
    // More than the pipe and the queue hold.
    for _ in 0..400 {
        assert_eq!(exchange(connect(address), b"hello"), b"hello");
    }
    edge.wait_for(Tells::Lost);
    edge.signal("HUP");
    edge.wait_for(Tells::Reloaded);
    edge.signal("TERM");
    assert_eq!(edge.wait_for_exit().code(), Some(0));
}

/// Events that cannot be written are counted and said; the edge goes on.
#[test]
fn a_full_disk_stops_no_connection() {
    let full = std::path::Path::new("/dev/full").exists().then_some(());
    if required(LINUX_TOOLS, full, "there is no /dev/full").is_none() {
        return;
    }
    let folder = Folder::new();
    let config = edge_yml(echo_device(), "").replace("path: events.jsonl", "path: /dev/full");
    folder.write("edge.yml", &config);
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    for _ in 0..3 {
        assert_eq!(exchange(connect(address), b"hello"), b"hello");
    }
    edge.wait_for(Tells::Lost);
}
