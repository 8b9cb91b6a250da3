//! What lies between an agent and its edge: a proxy that the environment names, and what is no edge at all.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use crate::harness::lines::Tells;
use crate::harness::{DEADLINE, Folder, echo_device, forwarder};
use crate::site::{Agent, DEVICE, endpoint};

/// A proxy that refuses whatever it is asked for, and the first lines of what it is asked.
fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    let (send, asked) = channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut line = String::new();
            if BufReader::new(stream).read_line(&mut line).is_err() || send.send(line).is_err() {
                return;
            }
        }
    });
    (address.to_string(), asked)
}

/// An agent of an edge, with settings and variables; nothing of the environment of the test.
fn agent(edge: &str, more: &str, variables: &[(&str, &str)]) -> (Agent, Folder) {
    let folder = Folder::new();
    let path = folder.write(
        "ngrok.yml",
        &format!(
            "version: 3\nagent: {{connect_url: \"{edge}\", web_addr: false, log: stderr{more}}}\nendpoints:\n  - {}\n",
            endpoint("device1", DEVICE[1], 22)
        ),
    );
    let mut command = forwarder();
    command.args(["agent", "start", "--all", "--config"]).arg(path);
    for name in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    (Agent::start(command, "token"), folder)
}

#[test]
fn the_proxy_of_the_environment_is_asked_where_the_configuration_names_none() {
    const EDGE: &str = "edge.invalid:4443";
    let ((one, asked_one), (two, asked_two)) = (proxy(), proxy());
    let with_password = format!("http://me:s3cr3t@{one}");
    let variables = [("https_proxy", &*with_password), ("no_proxy", "other.invalid")];
    let (of_environment, _folder) = agent(EDGE, "", &variables);
    assert_eq!(asked_one.recv_timeout(DEADLINE).as_deref(), Ok("CONNECT edge.invalid:4443 HTTP/1.1\r\n"));
    of_environment.wait_for_mention(&one);
    assert!(!of_environment.text().contains("s3cr3t"), "{}", of_environment.text());
    drop(of_environment);
    // From here on nobody may ask the first one: what it was asked before is read.
    while asked_one.try_recv().is_ok() {}
    let (from_file, _folder) = agent(EDGE, &format!(", proxy_url: \"http://{two}\""), &variables);
    assert!(asked_two.recv_timeout(DEADLINE).is_ok());
    drop(from_file);
    let (direct, _folder) = agent(EDGE, "", &[("https_proxy", &*one), ("no_proxy", ".invalid")]);
    direct.wait_for(Tells::Disconnected);
    drop(direct);
    assert!(asked_one.try_recv().is_err(), "it is asked by none of them");
}

#[test]
fn a_variable_that_names_no_proxy_ends_the_start() {
    let (mut agent, _folder) = agent("edge.invalid:4443", "", &[("http_proxy", "ftp://me:s3cr3t@proxy")]);
    assert_eq!(agent.wait_for_exit().code(), Some(2));
    let text = agent.text();
    assert!(text.contains("http_proxy") && !text.contains("s3cr3t"), "{text}");
}

#[test]
fn what_is_no_edge_is_told_and_tried_again() {
    let (mut agent, _folder) = agent(&echo_device().to_string(), "", &[]);
    agent.wait_for_mention("`agents.listen`");
    assert!(agent.child.try_wait().expect("waitable").is_none());
}
