//! An admin API in this process, on a socket of its own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forwarder::control::admin::{
    Admin, Delivery, EndpointView, Ref, SessionCommand, SessionView, Sessions, serve_unix,
};
use forwarder::control::audit::Audit;
use forwarder::control::identity::Identity;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One session until it is stopped, with one endpoint.
#[derive(Default)]
pub(crate) struct One {
    stopped: Mutex<bool>,
}

impl One {
    fn runs(&self) -> bool {
        !*self.stopped.lock().expect("whole")
    }
}

impl Sessions for One {
    fn sessions(&self) -> Vec<SessionView> {
        let session = SessionView {
            id: "ts_1".to_owned(),
            ip: "192.0.2.7".to_owned(),
            credential: Ref::to("cr_1"),
            metadata: "van".to_owned(),
            ..SessionView::default()
        };
        if self.runs() { vec![session] } else { Vec::new() }
    }

    fn stop(&self, id: &str) -> bool {
        let there = id == "ts_1" && self.runs();
        if there {
            *self.stopped.lock().expect("whole") = true;
        }
        there
    }

    fn ask(&self, _: &str, _: SessionCommand) -> Delivery {
        Delivery::Unsupported("it is too old for that".to_owned())
    }

    fn endpoints(&self) -> Vec<EndpointView> {
        let url = "tcp://device1.internal:22".to_owned();
        vec![EndpointView { id: "ep_1".to_owned(), url, ..EndpointView::default() }]
    }
}

pub(crate) struct Api {
    pub(crate) runtime: Runtime,
    pub(crate) identity: Identity,
    pub(crate) admin: Admin,
    pub(crate) events: Arc<Mutex<Vec<String>>>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: Option<JoinHandle<()>>,
    pub(crate) folder: tempfile::TempDir,
}

impl Api {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads");
        std::fs::create_dir(folder.path().join("state")).expect("a folder");
        let identity = Identity::open(&folder.path().join("state")).expect("a store");
        let events = Arc::<Mutex<Vec<String>>>::default();
        let sink = Arc::clone(&events);
        let audit = Audit::new(move |line| sink.lock().expect("whole").push(line));
        let admin = Admin::new(identity.clone(), Arc::new(One::default()), audit);
        let stop = CancellationToken::new();
        let socket = folder.path().join("state/admin.sock");
        let served = runtime.block_on(serve_unix(&socket, admin.clone(), stop.clone())).expect("a socket");
        Self { runtime, identity, admin, events, stop, served: Some(served), folder }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("state/admin.sock")
    }

    pub(crate) fn end(&mut self) {
        self.stop.cancel();
        let served = self.served.take().expect("runs");
        self.runtime.block_on(served).expect("ended");
    }

    /// Sends bytes and reads to the end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        exchange(UnixStream::connect(self.socket()).expect("listens"), bytes)
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nngrok-version: 2\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        parse(&self.raw(request.as_bytes()))
    }
}

pub(crate) fn exchange(mut stream: UnixStream, bytes: &[u8]) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    // A server that refuses early may not read everything.
    let _ = stream.write_all(bytes);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// The status and the body.
pub(crate) fn parse(answer: &str) -> (u16, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, if body.is_empty() { Value::Null } else { serde_json::from_str(body).expect("JSON") })
}
