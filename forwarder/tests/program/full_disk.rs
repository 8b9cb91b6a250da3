//! A full disk: an edge that may not write beyond some byte of any file. It starts, and what is revoked is revoked.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::lines::Tells;
use crate::harness::required::LINUX_TOOLS;
use crate::harness::{Edge, Folder, connect, echo_device, exchange, expect_reset, tool};
use crate::site::{DEVICE, FORWARD, Site};

/// A limit is told by an error, not by the end of the process.
const IGNORING: [&str; 4] = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
/// The reserve has room for some entries, and no page of the store can be written.
const NO_PAGE: &str = "--fsize=4096:unlimited";
/// Nothing at all can be written.
const NOTHING: &str = "--fsize=0:unlimited";
const NO_LIMIT: &str = "--fsize=unlimited:unlimited";

fn prlimit() -> Option<String> {
    tool(LINUX_TOOLS, &["/usr/bin/prlimit", "/bin/prlimit"]).map(|path| path.display().to_string())
}

/// Starts an edge, which has as much room as `limit` says from the begin.
fn start(folder: Folder, prlimit: &str, limit: &str) -> Site {
    let via: Vec<String> = IGNORING.iter().chain(&[prlimit, limit]).map(ToString::to_string).collect();
    let mut edge = Edge::start_through(&via, folder, Stdio::null());
    let public = edge.address("public");
    let agents = edge.agents_address();
    edge.wait_for_admin();
    Site { edge, agents, public }
}

fn new_site(prlimit: &str) -> Site {
    let any = ([127, 0, 0, 1], 0).into();
    let folder = Folder::new();
    folder.write("edge.yml", &crate::site::edge_yml(any, any, ""));
    folder.write("policy.yml", FORWARD);
    start(folder, prlimit, NO_LIMIT)
}

/// Changes the limit of a running edge.
fn set(site: &Site, prlimit: &str, limit: &str) {
    let status = Command::new(prlimit).args(["--pid", &site.edge.id().to_string(), limit]).status();
    assert!(status.expect("it runs").success());
}

/// Kills the edge and starts it again with as much room.
fn kill(site: Site, prlimit: &str, limit: &str) -> Site {
    start(site.edge.into_folder(), prlimit, limit)
}

fn ids(site: &Site) -> Vec<String> {
    site.list("authtoken").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
}

/// The credential of the agent that is connected.
fn connected(site: &Site) -> String {
    let credential = |session: &Value| session["credential"]["id"].as_str().map(ToOwned::to_owned);
    site.list("session").iter().find_map(credential).expect("a session")
}

#[test]
fn a_full_disk_stops_neither_a_revocation_nor_a_start() {
    let Some(prlimit) = prlimit() else { return };
    let mut site = new_site(&prlimit);
    let (token, kept) = (site.token(&[]), site.token(&[]));
    let device = echo_device().to_string();
    let mut agent = site.agent(&token, &device, &DEVICE);
    let revoked = connected(&site);
    let mut open = connect(site.public);
    open.write_all(b"?").expect("taken");
    open.read_exact(&mut [0]).expect("answered");

    set(&site, &prlimit, NO_PAGE);
    let (_, said, status) = site.ask(&["authtoken", "create"]);
    assert_eq!(status.code(), Some(3), "{said}");
    assert_eq!(ids(&site).len(), 2, "what could not be stored is not there");
    site.admin(&["authtoken", "revoke", &revoked]);
    expect_reset(&open);
    assert_eq!(agent.wait_for_exit().code(), Some(1));
    assert!(agent.text().contains("ERR_NGROK_107"), "{}", agent.text());

    // Killed, and started on the full disk.
    site = kill(site, &prlimit, NO_PAGE);
    assert!(ids(&site).len() == 1 && !ids(&site).contains(&revoked));
    let _other = site.agent(&kept, &device, &DEVICE);
    assert_eq!(exchange(connect(site.public), b"?"), b"?");
    assert_eq!(site.ask(&["authtoken", "create"]).2.code(), Some(3));

    set(&site, &prlimit, NO_LIMIT);
    site.edge.wait_for(Tells::Stored);
    site.admin(&["authtoken", "create"]);
    site = kill(site, &prlimit, NO_LIMIT);
    assert!(ids(&site).len() == 2 && !ids(&site).contains(&revoked));
}

#[test]
fn a_revocation_that_cannot_be_stored_counts_and_is_stored_later() {
    let Some(prlimit) = prlimit() else { return };
    let mut site = new_site(&prlimit);
    let token = site.token(&[]);
    let device = echo_device().to_string();
    // The store is closed after a failure, and nothing can be written when it is opened again.
    site = kill(site, &prlimit, NOTHING);
    let mut agent = site.agent(&token, &device, &DEVICE);
    let revoked = connected(&site);
    let (_, said, status) = site.ask(&["authtoken", "revoke", &revoked]);
    assert!(status.code() == Some(3) && said.contains("not durable"), "{said}");
    site.edge.wait_for(Tells::NotDurable);
    assert_eq!(agent.wait_for_exit().code(), Some(1));
    assert!(agent.text().contains("ERR_NGROK_107"), "{}", agent.text());
    assert!(ids(&site).is_empty());

    set(&site, &prlimit, NO_LIMIT);
    site.edge.wait_for(Tells::Stored);
    site = kill(site, &prlimit, NO_LIMIT);
    assert!(ids(&site).is_empty());
    site.admin(&["authtoken", "create"]);
}
