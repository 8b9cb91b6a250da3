//! Raw HTTP.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use forwarder::control::admin::{RequestGuard, serve_tcp, serve_unix};
use forwarder::control::identity::{ApiKey, Credential, NewApiKey, ServiceUser};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::harness::{Api, parse};

#[test]
fn a_credential_over_the_socket() {
    let api = Api::start();
    let (status, made) = api.call("POST", "/credentials", r#"{"acl":["bind:device1.internal:22"]}"#);
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("shown once");
    let principal = api.identity.authenticate(token, [127, 0, 0, 1].into(), Timestamp::now()).expect("alive");
    assert!(principal.acl.permits("device1.internal", Some(22)));
    let path = format!("/credentials/{}", made["id"].as_str().expect("an id"));
    assert_eq!(api.call("GET", &path, "").0, 200);
    assert_eq!(api.call("DELETE", &path, "").0, 204);
    assert!(api.identity.validate(principal.credential, [127, 0, 0, 1].into(), Timestamp::now()).is_err());
    assert_eq!(api.call("GET", &path, "").0, 404);
    let events = api.events.lock().expect("whole");
    assert!(events.len() == 2 && events.iter().all(|line| !line.contains('\n') && !line.contains(token)));
}

#[test]
fn the_socket_is_private_and_goes_with_the_server() {
    let mut api = Api::start();
    let mode = fs::metadata(api.socket()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let names = || fs::read_dir(api.folder.path().join("state")).expect("there").count();
    assert_eq!(names(), 3, "the socket, the store and its reserve");
    // A socket that somebody serves is not taken.
    let socket = api.socket();
    let again = serve_unix(&socket, api.admin.clone(), CancellationToken::new());
    let error = api.runtime.block_on(again).expect_err("taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(api.call("GET", "/credentials", "").0, 200);
    api.end();
    assert!(!api.socket().exists());
}

#[test]
fn a_stale_socket_is_replaced_and_a_file_is_not() {
    let mut api = Api::start();
    api.end();
    drop(UnixListener::bind(api.socket()).expect("free"));
    let start = || {
        let socket = api.socket();
        let serve = serve_unix(&socket, api.admin.clone(), CancellationToken::new());
        api.runtime.block_on(serve).map(drop)
    };
    start().expect("a stale socket is replaced");
    assert_eq!(api.call("GET", "/credentials", "").0, 200);
    fs::remove_file(api.socket()).expect("ours");
    fs::write(api.socket(), "text").expect("writable");
    assert_eq!(start().expect_err("a file").kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(api.socket()).expect("there"), "text");
    fs::remove_file(api.socket()).expect("ours");
    let folder = api.folder.path().join("state");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("ours");
    assert_eq!(start().expect_err("a public folder").kind(), std::io::ErrorKind::PermissionDenied);
}

#[test]
fn what_is_too_long_or_no_http_is_refused() {
    let api = Api::start();
    let body = format!(r#"{{"metadata":"{}"}}"#, "x".repeat(64 << 10));
    assert_eq!(api.call("POST", "/credentials", &body).0, 413);
    let chunked = format!(
        "POST /credentials HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(parse(&api.raw(chunked.as_bytes())).0, 413);
    let header = format!("GET /credentials HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(64 << 10));
    assert!(api.raw(header.as_bytes()).starts_with("HTTP/1.1 431"));
    assert!(api.raw(b"\x16\x03\x01\x02\x00hello\r\n\r\n").starts_with("HTTP/1.1 400"));
    let origin = b"GET /credentials HTTP/1.1\r\nhost: a\r\norigin: http://a\r\n\r\n";
    assert_eq!(parse(&api.raw(origin)).0, 403);
    assert_eq!(
        parse(&api.raw(b"POST /credentials HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n{")).0,
        400
    );
    assert!(api.identity.page::<Credential>(None, 9).is_empty());
}

#[test]
fn connections_that_say_nothing_do_not_lock_others_out() {
    let api = Api::start();
    let silent: Vec<_> = (0..32).map(|_| UnixStream::connect(api.socket()).expect("listens")).collect();
    assert_eq!(api.call("GET", "/credentials", "").0, 200);
    drop(silent);
}

#[test]
fn tcp_needs_a_key_and_a_name() {
    use std::io::{Read, Write};
    let api = Api::start();
    let made = api.identity.create::<ApiKey>(NewApiKey::default(), Timestamp::now());
    let (key, secret) = made.expect("made");
    let bearer = format!("authorization: Bearer {}\r\n", secret.reveal());
    let guard = RequestGuard::tcp(["localhost".to_owned()], api.identity.clone(), false);
    let address = api.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        serve_tcp(listener, None, guard, api.admin.clone(), api.stop.clone());
        address
    });
    let call = |lines: &str| {
        let mut stream = std::net::TcpStream::connect(address).expect("listens");
        write!(stream, "POST /service_users HTTP/1.1\r\n{lines}content-length: 12\r\n\r\n{{\"name\":\"a\"}}")
            .expect("taken");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        parse(&answer)
    };
    assert_eq!(call(&format!("host: localhost\r\n{bearer}")).0, 201);
    let subject = format!(r#""subject":"{}""#, key.id);
    assert!(api.events.lock().expect("whole")[0].contains(&subject));
    assert_eq!(call("host: localhost\r\n").1["error_code"], "ERR_NGROK_200");
    assert_eq!(call("host: localhost\r\nauthorization: Bearer another\r\n").1["error_code"], "ERR_NGROK_203");
    assert_eq!(call(&format!("host: evil.example\r\n{bearer}")).0, 421);
    api.identity.delete::<ApiKey>(key.id).expect("there");
    assert_eq!(call(&format!("host: localhost\r\n{bearer}")).0, 401);
    assert_eq!(api.identity.page::<ServiceUser>(None, 9).len(), 1);
}
