//! The administration over TCP: keys, names, TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use crate::harness::{Edge, Folder, connect, connect_from, forwarder, second_address};

fn edge(admin: &str, more: &str) -> Edge {
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(admin, more));
    Edge::start(folder)
}

fn edge_yml(admin: &str, more: &str) -> String {
    format!(
        "version: 1
agents: {{listen: \"127.0.0.1:0\", names: [edge.example.com]}}
admin: {{{admin}}}
events: [{{type: file, path: events.jsonl}}]
{more}"
    )
}

/// Runs a command over TCP; its exit code, its answer and what it said.
fn over_tcp(key: &str, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        forwarder().args(args).env("FORWARDER_API_KEY", key).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

#[test]
fn every_filter_of_the_help_can_be_used() {
    let mut edge = edge("listen: \"127.0.0.1:0\"", "");
    edge.wait_for_admin();
    for objects in ["service-user", "authtoken", "api-key", "session", "endpoint"] {
        let help = forwarder().args([objects, "--help"]).output().expect("it runs").stdout;
        let help = String::from_utf8(help).expect("text");
        let filters: Vec<_> =
            help.split("--filter '").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
        assert!(!filters.is_empty(), "{help}");
        for filter in filters {
            edge.ask(&[objects, "list", "--filter", filter]);
        }
    }
}

#[test]
fn the_first_key_comes_from_the_socket_and_works_until_it_is_deleted() {
    let mut edge = edge("listen: \"127.0.0.1:0\"", "");
    let address = edge.admin_address();
    edge.wait_for_mention("forwarder api-key create");
    let url = format!("http://{address}");
    let list = ["authtoken", "list", "--json", "--url", &url];
    let (code, _, said) = over_tcp("ak_guess", &list);
    assert!(code == 1 && said.contains("ERR_NGROK_203"), "{said}");
    let key = edge.ask(&["api-key", "create", "--description", "robot"]);
    let (code, listed, said) = over_tcp(&key, &["api-key", "list", "--url", &url]);
    // `ak_`, a ULID, `_`, the secret.
    let (id, secret) = key.split_at(29);
    let secret = secret.strip_prefix('_').expect("two parts");
    assert!(code == 0 && listed.contains(id) && listed.contains("robot"), "{listed}{said}");
    assert!(!listed.contains(secret));
    let (code, token, said) = over_tcp(&key, &["authtoken", "create", "--url", &url]);
    assert_eq!((code, token.lines().count()), (0, 1), "{said}");
    assert_eq!(over_tcp(&key, &list).0, 0);
    // An authtoken, the id of a key, and a key as an authtoken are told apart.
    assert!(over_tcp(token.trim(), &list).2.contains("ERR_NGROK_206"));
    assert!(over_tcp(id, &list).2.contains("ERR_NGROK_208"));
    edge.restart();
    let url = format!("http://{}", edge.admin_address());
    let list = ["authtoken", "list", "--json", "--url", &url];
    assert_eq!(over_tcp(&key, &list).0, 0, "a key survives a restart");
    edge.ask(&["api-key", "delete", id]);
    let (code, _, said) = over_tcp(&key, &list);
    assert!(code == 1 && said.contains("ERR_NGROK_203"), "{said}");
    let events = edge.events();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event["event_type"].as_str().expect("text"), event["principal"]["subject"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("api_key_created.v0", Some("local-admin")),
            ("tunnel_credential_created.v0", Some(id)),
            ("api_key_deleted.v0", Some("local-admin"))
        ]
    );
    for entry in fs::read_dir(edge.folder.path("state")).expect("there").flatten() {
        if entry.file_type().expect("readable").is_file() {
            let bytes = fs::read(entry.path()).expect("readable");
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
            assert_eq!(entry.metadata().expect("there").permissions().mode() & 0o077, 0);
        }
    }
    assert!(!fs::read_to_string(edge.folder.path("events.jsonl")).expect("there").contains(secret));
}

#[test]
fn a_certificate_opens_the_network() {
    let made = rcgen::generate_simple_self_signed(["edge.example.com".to_owned(), "localhost".to_owned()]);
    let made = made.expect("made");
    let folder = Folder::new();
    let ca = folder.write("admin.pem", &made.cert.pem());
    folder.write("admin.key", &made.signing_key.serialize_pem());
    let admin = "listen: \"0.0.0.0:0\", tls: {certificate: admin.pem, private_key: admin.key}";
    folder.write("edge.yml", &edge_yml(admin, ""));
    let mut edge = Edge::start(folder);
    let port = edge.admin_address().port();
    let key = edge.ask(&["api-key", "create"]);
    let url = format!("https://localhost:{port}");
    let ca = ca.display().to_string();
    let (code, made, said) =
        over_tcp(&key, &["service-user", "create", "gate", "--json", "--url", &url, "--ca", &ca]);
    assert_eq!(code, 0, "{said}");
    assert!(made.contains(&format!("\"{url}/service_users/su_")), "{made}");
    // Whom nobody vouches for gets no key.
    let (code, _, said) = over_tcp(&key, &["service-user", "list", "--url", &url]);
    assert!(code == 2 && said.contains("cannot connect to the edge") && !said.contains(&key), "{said}");
    let plain = format!("http://localhost:{port}");
    assert_eq!(over_tcp(&key, &["service-user", "list", "--url", &plain]).0, 3);
}

/// What a client that is no command of ours meets.
#[test]
fn strangers_and_floods_are_refused() {
    let mut edge = edge("listen: \"127.0.0.1:0\"", "");
    let address = edge.admin_address();
    let key = edge.ask(&["api-key", "create"]);
    let ask = |lines: &str| {
        let mut stream = connect(address);
        let _ = write!(stream, "GET /credentials HTTP/1.1\r\n{lines}\r\n");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let bearer = format!("authorization: Bearer {key}\r\n");
    assert_eq!(ask(&format!("host: {address}\r\n{bearer}")), "200");
    assert_eq!(ask(&format!("host: edge.example.com\r\n{bearer}")), "200", "the name that agents use");
    assert_eq!(ask(&format!("host: evil.example\r\n{bearer}")), "421");
    assert_eq!(ask(&format!("host: localhost\r\norigin: http://localhost\r\n{bearer}")), "403");
    assert_eq!(ask(&format!("host: localhost\r\nx: {}\r\n{bearer}", "x".repeat(64 << 10))), "431");
    // A second request on a connection is not read.
    let mut stream = connect(address);
    let request = format!("GET /credentials HTTP/1.1\r\nhost: localhost\r\n{bearer}\r\n");
    let _ = write!(stream, "{request}{request}");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    for _ in 0..10 {
        assert_eq!(ask("host: localhost\r\nauthorization: Bearer guess\r\n"), "401");
    }
    assert_eq!(ask(&format!("host: localhost\r\n{bearer}")), "429");
    // The socket knows nothing of that.
    edge.ask(&["authtoken", "list"]);
}

#[test]
fn one_address_leaves_room_for_others() {
    let Some(second) = second_address() else { return };
    let mut edge = edge("listen: \"127.0.0.1:0\"", "");
    let address = edge.admin_address();
    let key = edge.ask(&["api-key", "create"]);
    // More than the listener takes, and none says anything.
    let mut silent: Vec<_> = (0..70).map(|_| connect(address)).collect();
    let last = silent.last_mut().expect("70");
    // Sooner than those that are let in have to say something.
    last.set_read_timeout(Some(Duration::from_secs(5))).expect("settable");
    assert_eq!(last.read(&mut [0]).ok(), Some(0), "closed at once");
    let mut stream = connect_from(second, address);
    let request = format!("GET /api_keys HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_new_listener_counts_from_the_next_start() {
    let mut edge = edge("socket: admin.sock", "");
    edge.wait_for_admin();
    edge.folder.write("edge.yml", &edge_yml("socket: admin.sock, listen: \"127.0.0.1:0\"", ""));
    edge.signal("HUP");
    edge.wait_for_mention("`admin`");
    edge.restart();
    edge.admin_address();
}

#[test]
fn what_cannot_be_listened_on_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = taken.local_addr().expect("bound");
    let start = |admin: &str| {
        let folder = Folder::new();
        folder.write("edge.yml", &edge_yml(admin, ""));
        let output =
            forwarder().args(["edge", "--config"]).arg(folder.path("edge.yml")).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (code, said) = start(&format!("listen: \"{address}\""));
    assert!(code == Some(2) && said.contains(&address.to_string()), "{said}");
    let (code, said) = start("listen: \"0.0.0.0:0\"");
    assert!(
        code == Some(2) && said.contains("not a loopback address, and no certificate is configured"),
        "{said}"
    );
    let (code, said) = start("listen: \"0.0.0.0:0\", tls: {certificate: no.pem, private_key: no.key}");
    assert!(code == Some(2) && said.contains("no.pem"), "{said}");
}
