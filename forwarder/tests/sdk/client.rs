//! A program of an SDK in its own process, killed with the value. It reads one call a line, JSON, and writes one
//! answer a line: `{}`, or `{"error": "what the SDK said"}`.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use crate::harness::{DEADLINE, follow, wait_until};
use crate::scenario::Site;

pub(crate) struct Client {
    child: Child,
    calls: ChildStdin,
    answers: Receiver<String>,
}

impl Client {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
        let calls = child.stdin.take().expect("piped");
        let answers = follow(child.stdout.take().expect("piped"));
        Self { child, calls, answers }
    }

    fn call(&mut self, call: &Value) -> Result<(), String> {
        writeln!(self.calls, "{call}").expect("the client reads");
        let line = self.answers.recv_timeout(DEADLINE).expect("the client answers");
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        answer.get("error").map_or(Ok(()), |error| Err(error.as_str().expect("text").to_owned()))
    }

    pub(crate) fn connect(&mut self, site: &Site, token: &str) -> Result<(), String> {
        let (server, ca) = (site.agents.to_string(), site.edge.folder.path("state/ca/ca.pem"));
        self.call(&json!({"do": "connect", "token": token, "server": server, "ca": ca}))
    }

    pub(crate) fn bind(&mut self, site: &Site, address: &str, policy: &str) -> Result<(), String> {
        let upstream = site.device.to_string();
        self.call(&json!({"do": "bind", "address": address, "policy": policy, "upstream": upstream}))
    }

    pub(crate) fn unbind(&mut self) -> Result<(), String> {
        self.call(&json!({"do": "unbind"}))
    }

    /// Waits for its end; true if it was in order.
    pub(crate) fn ends(&mut self) -> bool {
        wait_until("the end of the client", || self.child.try_wait().expect("waitable")).success()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
