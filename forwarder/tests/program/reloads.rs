//! Reloads that cannot load everything: what stays in force, and who is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::lines::Tells;
use crate::harness::{Edge, Folder, connect, echo_device, exchange, forwarder, wait_until};

const OPEN: &str =
    "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}]}]\n";
/// A rule that refuses more, by a fact that this edge has no source for.
const GEO: &str = "on_tcp_connect:
- {expressions: [\"conn.geo.country_code == 'KP'\"], actions: [{type: deny}]}
- actions: [{type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}]
";

/// An edge whose endpoints `keep` and `refuse` have policies of their own.
fn edge(device: SocketAddr) -> Edge {
    let folder = Folder::new();
    let endpoint = |name: &str| {
        format!(
            "- {{name: {name}, url: \"tcp://e:22\", listen: \"127.0.0.1:0\", traffic_policy_file: {name}.yml, on_bad_policy: {name}}}\n"
        )
    };
    folder.write(
        "edge.yml",
        &format!(
            "version: 1\nendpoints:\n{}{}internal_endpoints: [{{url: \"tcp://device1.internal:22\", upstream: {{url: \"{device}\"}}}}]\nevents: [{{type: file, path: events.jsonl}}]\n",
            endpoint("keep"),
            endpoint("refuse")
        ),
    );
    folder.write("keep.yml", OPEN);
    folder.write("refuse.yml", OPEN);
    Edge::start(folder)
}

fn command(edge: &Edge, words: &[&str]) -> Output {
    let config = edge.folder.path("edge.yml");
    forwarder().args(words).arg("--config").arg(config).output().expect("it runs")
}

pub(crate) fn answer(edge: &Edge, word: &str) -> (Value, Option<i32>) {
    let output = command(edge, &[word, "--json"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{text}")), output.status.code())
}

/// True if the edge has reset or closed the connection.
pub(crate) fn is_cut(mut stream: TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_policy_that_cannot_be_loaded_is_kept_or_refused_and_told() {
    let mut edge = edge(echo_device());
    let (keep, refuse) = (edge.address("keep"), edge.address("refuse"));
    edge.wait_for_admin();
    assert_eq!(answer(&edge, "status").1, Some(0));
    let mut open = [keep, refuse].map(connect);
    for stream in &mut open {
        stream.write_all(b"x").expect("open");
        stream.read_exact(&mut [0]).expect("an echo");
    }

    edge.folder.write("keep.yml", GEO);
    edge.folder.write("refuse.yml", GEO);
    let (report, code) = answer(&edge, "reload");
    assert_eq!(code, Some(1), "{report}");
    let gap = |name: &str| {
        let gaps = report["not_loaded"].as_array().expect("a list");
        gaps.iter().find(|gap| gap["endpoint"] == name).unwrap_or_else(|| panic!("{report}")).clone()
    };
    assert!(gap("keep")["policy_sha256"].is_string() && gap("refuse")["policy_sha256"].is_null());
    assert_eq!((&report["complete"], &report["cut"]), (&Value::Bool(false), &1.into()), "{report}");
    assert_eq!(exchange(connect(keep), b"as before"), b"as before");
    assert!(exchange(connect(refuse), b"refused").is_empty());
    let [mut kept, refused] = open;
    assert!(is_cut(refused));
    kept.write_all(b"x").and_then(|()| kept.read_exact(&mut [0])).expect("it stays");

    let (status, code) = answer(&edge, "status");
    assert_eq!(code, Some(1));
    let states: Vec<_> =
        status["endpoints"].as_array().expect("a list").iter().map(|it| &it["policy"]).collect();
    assert_eq!(states, ["previous", "refusing"]);
    let told = || {
        let events = edge.events();
        let of = |event: &&Value| event["event_type"] == "policy_not_loaded.v0";
        Some(events.iter().filter(of).count()).filter(|count| *count == 2)
    };
    wait_until("an event of each", told);
    let of_refuse =
        |event: &Value| !event["object"]["consequence"].is_null() && event["object"]["endpoint"] == "refuse";
    let event = edge.events().into_iter().find(of_refuse);
    let reason = event.map(|event| event["object"]["consequence"].to_string()).unwrap_or_default();
    assert!(reason.contains("every connection is refused"), "{reason}");

    // What was kept once is not lost by the next reload, and what can be loaded again is.
    assert_eq!(answer(&edge, "reload").1, Some(1));
    assert_eq!(exchange(connect(keep), b"still"), b"still");
    edge.folder.write("keep.yml", OPEN);
    edge.folder.write("refuse.yml", OPEN);
    assert_eq!(answer(&edge, "reload").1, Some(0));
    assert_eq!(exchange(connect(refuse), b"again"), b"again");
    assert_eq!(answer(&edge, "status").1, Some(0));
}

#[test]
fn a_list_that_denies_everybody_loads_and_cuts() {
    let mut edge = edge(echo_device());
    let address = edge.address("keep");
    edge.wait_for_admin();
    let mut stream = connect(address);
    stream.write_all(b"x").expect("open");
    stream.read_exact(&mut [0]).expect("an echo");
    edge.folder.write(
        "keep.yml",
        "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [127.0.0.0/8], deny: [127.0.0.0/8]}}, {type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}]}]\n",
    );
    let (report, code) = answer(&edge, "reload");
    assert_eq!((code, &report["cut"]), (Some(0), &1.into()), "{report}");
    assert_eq!(report["changed"][0]["endpoint"], "keep");
    assert!(is_cut(stream) && exchange(connect(address), b"no").is_empty());
}

#[test]
fn a_configuration_that_cannot_be_used_changes_nothing() {
    let mut edge = edge(echo_device());
    let address = edge.address("keep");
    edge.wait_for_admin();
    let config = edge.folder.path("edge.yml");
    let text = std::fs::read_to_string(&config).expect("there");
    edge.folder.write("edge.yml", "version: 2\n");
    // The socket is named, since the file does not say where it is any more.
    let socket = edge.folder.path("state/admin.sock");
    let ask = |word: &str| {
        let output: Output = forwarder().args([word, "--socket"]).arg(&socket).output().expect("it runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    };
    let (text_of_reload, code) = ask("reload");
    assert!(code == Some(1) && text_of_reload.contains("previous configuration stays"), "{text_of_reload}");
    assert_eq!(exchange(connect(address), b"as before"), b"as before");
    let (text_of_status, code) = ask("status");
    assert!(code == Some(1) && text_of_status.contains("last reload refused"), "{text_of_status}");
    edge.folder.write("edge.yml", &text);
    assert_eq!((ask("reload").1, ask("status").1), (Some(0), Some(0)));
}

#[test]
fn a_reload_that_is_asked_for_while_the_edge_stops_is_answered() {
    let mut edge = edge(echo_device());
    let keep = edge.address("keep");
    edge.wait_for_admin();
    let mut open = connect(keep);
    open.write_all(b"x").expect("open");
    open.read_exact(&mut [0]).expect("an echo");
    edge.signal("TERM");
    edge.wait_for(Tells::Draining);
    let output = command(&edge, &["reload"]);
    assert!(!output.status.success());
    drop(open);
    assert!(edge.wait_for_exit().success());
    // Nobody is there any more: a wrong call, not a hang.
    let status: Command = {
        let mut command = forwarder();
        command.arg("status").arg("--config").arg(edge.folder.path("edge.yml"));
        command
    };
    let mut status = status;
    assert_eq!(status.output().expect("it runs").status.code(), Some(2));
}

#[test]
fn internal_endpoints_and_new_ones_have_their_say_too() {
    let device = echo_device();
    let folder = Folder::new();
    let yml = |more: &str, internal: &str| {
        format!(
            "version: 1\nendpoints:\n- {{name: e, url: \"tcp://e:22\", listen: \"127.0.0.1:0\", traffic_policy_file: open.yml}}\n{more}internal_endpoints:\n- {{url: \"tcp://device1.internal:22\", upstream: {{url: \"{device}\"}}, traffic_policy_file: inner.yml, on_bad_policy: {internal}}}\n"
        )
    };
    folder.write("edge.yml", &yml("", "keep"));
    folder.write("open.yml", OPEN);
    let inner = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [127.0.0.0/8]}}]}]\n";
    folder.write("inner.yml", inner);
    let mut edge = Edge::start(folder);
    let address = edge.address("e");
    edge.wait_for_admin();
    edge.folder.write("inner.yml", "on_tcp_connect: [{actions: [{type: dney}]}]\n");
    let (report, code) = answer(&edge, "reload");
    assert_eq!(
        (code, &report["not_loaded"][0]["endpoint"]),
        (Some(1), &"tcp://device1.internal:22".into()),
        "{report}"
    );
    assert_eq!(exchange(connect(address), b"kept"), b"kept");
    edge.folder.write("edge.yml", &yml("", "refuse"));
    assert_eq!(answer(&edge, "reload").1, Some(1));
    assert!(exchange(connect(address), b"refused").is_empty());
    // An endpoint that never had a policy has none to keep.
    let more =
        "- {name: new, url: \"tcp://n:22\", listen: \"127.0.0.1:0\", traffic_policy_file: inner.yml}\n";
    edge.folder.write("edge.yml", &yml(more, "keep"));
    assert_eq!(answer(&edge, "reload").1, Some(1));
    let new = edge.address("new");
    assert!(exchange(connect(new), b"refused").is_empty());
    edge.folder.write("inner.yml", inner);
    let (report, code) = answer(&edge, "reload");
    assert_eq!(code, Some(0), "{report}");
    let changed: Vec<_> =
        report["changed"].as_array().expect("a list").iter().map(|it| it["endpoint"].clone()).collect();
    assert_eq!(changed, ["new", "tcp://device1.internal:22"]);
    assert_eq!(exchange(connect(address), b"again"), b"again");
}

#[test]
fn lists_that_allow_nobody_and_actions_put_in_front_load() {
    let mut edge = edge(echo_device());
    let address = edge.address("keep");
    edge.wait_for_admin();
    for shut in [
        OPEN.replace("actions: [", "actions: [{type: restrict-ips, config: {allow: []}}, "),
        OPEN.replace("actions: [", "actions: [{type: restrict-ips, config: {deny: [127.0.0.1/32]}}, "),
        OPEN.replace("actions: [", "actions: [{type: deny}, "),
    ] {
        edge.folder.write("keep.yml", &shut);
        let (report, code) = answer(&edge, "reload");
        assert_eq!(code, Some(0), "{shut}: {report}");
        assert!(exchange(connect(address), b"no").is_empty(), "{shut}");
        edge.folder.write("keep.yml", OPEN);
        assert_eq!(answer(&edge, "reload").1, Some(0));
        assert_eq!(exchange(connect(address), b"yes"), b"yes");
    }
}

/// A signal that comes while a configuration is loaded is not lost: the files may have changed since they were read.
#[test]
fn a_reload_that_is_asked_for_during_another_follows_it() {
    let mut edge = edge(echo_device());
    let address = edge.address("keep");
    edge.wait_for_admin();
    let rule =
        |n: u32| format!("- {{expressions: [\"conn.client_port == {n}\"], actions: [{{type: deny}}]}}\n");
    let many: String = (0..4_000).map(rule).collect();
    for round in 0..5 {
        edge.folder.write("refuse.yml", &format!("on_tcp_connect:\n{many}{}", rule(round)));
        edge.signal("HUP");
        // Each time another part of the load is met.
        std::thread::sleep(std::time::Duration::from_millis(10 + 30 * u64::from(round)));
        edge.folder.write("keep.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
        edge.signal("HUP");
        wait_until("the second reload", || exchange(connect(address), b"x").is_empty().then_some(()));
        edge.folder.write("keep.yml", OPEN);
        edge.signal("HUP");
        wait_until("the third", || (exchange(connect(address), b"x") == b"x").then_some(()));
    }
}

/// What has nothing to do with a policy holds up none of its changes.
#[test]
fn a_tighter_policy_loads_beside_trouble_of_other_kinds() {
    let mut edge = edge(echo_device());
    let address = edge.address("keep");
    edge.wait_for_admin();
    let config = edge.folder.path("edge.yml");
    let text = std::fs::read_to_string(&config).expect("there");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound");
    let more = format!(
        "- {{name: more, url: \"tcp://m:22\", listen: \"{port}\", traffic_policy_file: refuse.yml}}\ninternal"
    );
    for broken in
        [text.replacen("internal", &more, 1), text.replace("path: events.jsonl", "path: gone/events.jsonl")]
    {
        assert_ne!(broken, text);
        edge.folder.write("edge.yml", &broken);
        edge.folder.write("keep.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
        let (report, code) = answer(&edge, "reload");
        assert_eq!((code, report["problems"].as_array().map(Vec::len)), (Some(1), Some(1)), "{report}");
        assert!(exchange(connect(address), b"no").is_empty());
        assert_eq!(answer(&edge, "status").1, Some(1));
        edge.folder.write("edge.yml", &text);
        edge.folder.write("keep.yml", OPEN);
        assert_eq!(answer(&edge, "reload").1, Some(0));
        assert_eq!(exchange(connect(address), b"yes"), b"yes");
    }
    // A file that cannot be read at all is told by the edge, not taken for an edge that is not there.
    edge.folder.write("edge.yml", "version: 1\nendpoints: [[[[");
    let (report, code) = answer(&edge, "reload");
    assert!(code == Some(1) && report["error"].is_string(), "{report}");
    edge.folder.write("edge.yml", &text);
    // Another endpoint under the name of an old one has no policy to keep.
    edge.folder.write("keep.yml", "on_tcp_connect: [{actions: [{type: dney}]}]\n");
    edge.folder.write(
        "edge.yml",
        &text.replace("name: keep, url: \"tcp://e:22\"", "name: keep, url: \"tcp://other:22\""),
    );
    let (report, _) = answer(&edge, "reload");
    assert!(report["not_loaded"][0]["policy_sha256"].is_null(), "{report}");
    assert!(exchange(connect(address), b"no").is_empty());
}
