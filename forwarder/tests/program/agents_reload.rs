//! An agent that reads its files again while it runs.

use std::io::{Read, Write};

use crate::harness::lines::Tells;
use crate::harness::{Folder, connect, echo_device, exchange, limit, wait_until};
use crate::site::{Agent, DEVICE, FORWARD, Site, edge_yml, endpoint};

/// The endpoints at the edge, by URL, with the ids that it has given them.
fn online(site: &Site) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let mut all: Vec<_> =
        site.list("endpoint").iter().map(|it| (text(&it["url"]), text(&it["id"]))).collect();
    all.sort_unstable();
    all
}

fn urls(site: &Site) -> Vec<String> {
    online(site).into_iter().map(|(url, _)| url).collect()
}

fn session(site: &Site) -> String {
    let sessions = site.list("session");
    sessions.first().and_then(|it| it["id"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_reload_changes_the_endpoints_that_differ_and_nothing_else() {
    let site = Site::start(FORWARD, "");
    let (folder, device, other) = (Folder::new(), echo_device(), echo_device());
    let write =
        |more: &str, endpoints: &[String]| folder.write("ngrok.yml", &site.ngrok_yml(more, endpoints));
    let stays = endpoint("stays", DEVICE[1], device);
    let changes = |device| endpoint("changes", "tcp://b.internal:22", device);
    let path = write("", &[stays.clone(), changes(device), endpoint("goes", "tcp://c.internal:22", device)]);
    let agent = Agent::from_file(&path, &site.token(&[]));
    wait_until("three endpoints", || (urls(&site).len() == 3).then_some(()));
    let (before, first) = (online(&site), session(&site));
    let mut open = connect(site.public);
    limit(&open);
    let mut say = |byte: u8| {
        open.write_all(&[byte]).expect("taken");
        let mut heard = [0];
        open.read_exact(&mut heard).expect("answered");
        assert_eq!(heard, [byte]);
    };
    say(1);

    // The name of one that goes has another URL, and one that comes has the URL of one that goes.
    write(
        "",
        &[
            stays.clone(),
            changes(other),
            endpoint("comes", "tcp://c.internal:22", device),
            endpoint("goes", "tcp://d.internal:22", device),
        ],
    );
    agent.signal("HUP");
    let all = ["tcp://b.internal:22", "tcp://c.internal:22", "tcp://d.internal:22", DEVICE[1]];
    let after = wait_until("four endpoints", || {
        let found = online(&site);
        let is_new = |at: usize| before.iter().all(|it| *it != found[at]);
        (found.iter().map(|(url, _)| url).eq(all) && (0..3).all(is_new)).then_some(found)
    });
    let id = |all: &[(String, String)]| all.iter().find(|it| it.0 == DEVICE[1]).expect("there").1.clone();
    assert_eq!(id(&after), id(&before), "it was never away");
    say(2);

    // What cannot be used changes nothing; the process goes on.
    write("", &["{name: broken".to_owned()]);
    agent.signal("HUP");
    agent.wait_for_mention("ngrok.yml:");
    assert_eq!(online(&site), after);
    say(3);

    write("", std::slice::from_ref(&stays));
    agent.signal("HUP");
    wait_until("one endpoint", || (urls(&site) == [DEVICE[1]]).then_some(()));
    say(4);
    assert_eq!(session(&site), first, "all of it is one session");

    // Something that the edge is told takes another session.
    write(", metadata: two", std::slice::from_ref(&stays));
    agent.signal("HUP");
    wait_until("another session", || {
        let now = session(&site);
        (!now.is_empty() && now != first && urls(&site) == [DEVICE[1]]).then_some(())
    });
    assert_eq!(exchange(connect(site.public), b"again"), b"again");
}

#[test]
fn an_authtoken_and_a_ca_are_exchanged_by_exchanging_files() {
    let mut site = Site::start(FORWARD, "");
    let folder = Folder::new();
    let (ca, copy) = (site.edge.folder.path("state/ca/ca.pem"), folder.path("ca.pem"));
    let give = || std::fs::copy(&ca, &copy).expect("copied");
    give();
    let text = site.ngrok_yml("", &[endpoint("device1", DEVICE[1], echo_device())]);
    let text = text.replace(&ca.display().to_string(), &copy.display().to_string());
    let write = |token: &str, more: &str| {
        let text = text.replace("agent: {", &format!("agent: {{authtoken: {token}, "));
        folder.write("ngrok.yml", &format!("{text}{more}"))
    };
    let (one, two) = (site.token(&[]), site.token(&[]));
    let path = write(&one, "");
    // An empty variable is none.
    let mut agent = Agent::from_file(&path, "");
    wait_until("its endpoint", || (urls(&site).len() == 1).then_some(()));

    // By the steps of docs/edge.md; then the link is lost.
    site.admin(&["ca", "rotate"]);
    give();
    write(&two, "");
    let revoked = site.list("session")[0]["credential"]["id"].as_str().expect("an id").to_owned();
    site.edge.signal("HUP");
    site.edge.wait_for(Tells::Reloaded);
    site.admin(&["authtoken", "revoke", &revoked]);
    wait_until("the agent with the other token", || {
        let sessions = site.list("session");
        sessions.first().is_some_and(|it| it["credential"]["id"] != revoked.as_str()).then_some(())
    });
    wait_until("its endpoint", || (urls(&site).len() == 1).then_some(()));
    assert_eq!(exchange(connect(site.public), b"back"), b"back");

    // A file with errors, and a session that ends: what was read before is used.
    write(&one, "nonsense: 1\n");
    site.edge.folder.write("edge.yml", &edge_yml(site.agents, site.public, ""));
    site.edge.restart();
    site.edge.wait_for_admin();
    wait_until("the agent again", || (urls(&site).len() == 1).then_some(()));

    // Once it was connected it waits for a CA that it does not trust; the file with errors is no hindrance.
    site.admin(&["ca", "rotate"]);
    site.edge.restart();
    site.edge.wait_for_admin();
    agent.wait_for_mention("`connect_cas`");
    assert!(urls(&site).is_empty());
    give();
    wait_until("the agent with the new CA", || (urls(&site).len() == 1).then_some(()));
    assert!(agent.child.try_wait().expect("waitable").is_none(), "it is the same process");
}

#[test]
fn a_log_file_that_was_moved_is_opened_anew_by_a_reload() {
    let site = Site::start(FORWARD, "");
    let folder = Folder::new();
    let (log, aside) = (folder.path("agent.log"), folder.path("agent.log.1"));
    let text = site.ngrok_yml("", &[endpoint("device1", DEVICE[1], echo_device())]);
    let text = text.replace("log: stderr", &format!("log: \"{}\"", log.display()));
    let agent = Agent::from_file(&folder.write("ngrok.yml", &text), &site.token(&[]));
    wait_until("its endpoint", || (urls(&site).len() == 1).then_some(()));
    let length = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |it| it.len());
    wait_until("its first lines", || (length(&log) > 0).then_some(()));
    std::fs::rename(&log, &aside).expect("moved");
    agent.signal("HUP");
    wait_until("lines in a new file", || (length(&log) > 0).then_some(()));
    // From here on the old one can be compressed: it does not grow.
    let before = length(&aside);
    let lines = length(&log);
    agent.signal("HUP");
    wait_until("more lines", || (length(&log) > lines).then_some(()));
    assert_eq!(length(&aside), before);
}
