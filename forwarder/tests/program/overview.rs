//! What the commands show of an edge that runs: whose agents are connected, what is offline, who changed a policy.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::harness::{connect, echo_device, forwarder, wait_until};
use crate::site::{FORWARD, Site};

fn json_of(site: &Site, words: &[&str]) -> Value {
    serde_json::from_str(&site.admin(&[words, &["--json"]].concat())).expect("JSON")
}

#[test]
fn status_says_whose_agents_there_are_and_what_is_offline() {
    let site = Site::start(FORWARD, "");
    let status = json_of(&site, &["status"]);
    let offline = json!([{"url": "tcp://device1.internal:22", "endpoints": ["public"]}]);
    assert_eq!(status["offline_targets"], offline);
    assert_eq!(status["agents_by_owner"], json!([]));
    assert!(site.admin(&["status"]).contains("OFFLINE TARGET"));

    let owner = site.admin(&["service-user", "create", "gate-berlin"]);
    let token = site.admin(&["authtoken", "create", "--owner", "gate-berlin"]);
    let other = site.admin(&["authtoken", "create", "--description", "spare"]);
    let upstream = echo_device().to_string();
    let url = |name: &str| format!("tcp://{name}.internal:22");
    let agents = [("device1", &token), ("device2", &token), ("device3", &other)]
        .map(|(name, token)| site.agent(token, &upstream, &["--url", &url(name)]));
    let mut open = connect(site.public);
    open.write_all(b"x").and_then(|()| open.read_exact(&mut [0])).expect("an echo");
    let status = json_of(&site, &["status"]);
    assert_eq!(status["offline_targets"], json!([]));
    assert_eq!(status["endpoints"][0]["connections"], 1);
    let owners = status["agents_by_owner"].as_array().expect("a list");
    assert_eq!(owners.len(), 2, "{status}");
    assert_eq!(owners[0], json!({"id": owner, "name": "gate-berlin", "agents": 2, "endpoints": 2}));
    assert_eq!((&owners[1]["name"], &owners[1]["agents"]), (&json!("spare"), &json!(1)));
    let text = site.admin(&["status"]);
    assert!(text.contains("gate-berlin") && !text.contains("OFFLINE TARGET"), "{text}");

    // Sessions and endpoints say whose they are.
    let sessions = json_of(&site, &["session", "list", "--filter", "obj.principal_name == 'gate-berlin'"]);
    assert_eq!(sessions.as_array().map(Vec::len), Some(2), "{sessions}");
    assert_eq!(sessions[0]["principal"]["id"], json!(owner));
    let endpoints = json_of(&site, &["endpoint", "list", "--filter", "obj.principal_name == 'spare'"]);
    assert_eq!(endpoints[0]["url"], url("device3"));
    for list in ["session", "endpoint"] {
        assert!(site.admin(&[list, "list"]).contains("gate-berlin"));
    }
    // Two are called so; one is.
    let (_, said, status) = site.ask(&["session", "stop", "gate-berlin"]);
    assert!(status.code() == Some(2) && said.contains("ts_"), "{said}");
    let stopped = site.admin(&["session", "stop", "spare"]);
    let id = stopped.split(' ').next().unwrap_or_default();
    wait_until("the end of the session", || {
        let sessions = site.list("session");
        (!sessions.iter().any(|it| it["id"] == id)).then_some(())
    });
    drop(agents);
}

#[test]
fn a_policy_that_a_reload_changes_is_an_event_that_names_who_asked() {
    let mut site = Site::start(FORWARD, "admin: {listen: \"127.0.0.1:0\"}");
    let sha256 = |site: &Site| json_of(site, &["status"])["endpoints"][0]["policy_sha256"].clone();
    let first = sha256(&site);
    let changed = |site: &Site| -> Vec<Value> {
        let events = site.edge.events().into_iter();
        events.filter(|event| event["event_type"] == "policy_changed.v0").collect()
    };
    site.admin(&["reload"]);
    assert!(changed(&site).is_empty(), "nothing has changed");
    site.edge.folder.write("policy.yml", &format!("{FORWARD}# again\n"));
    site.admin(&["reload"]);
    let second = sha256(&site);
    let told = |count: usize| wait_until("events", || Some(changed(&site)).filter(|it| it.len() == count));
    let events = told(1);
    assert_eq!(events[0]["object"], json!({"endpoint": "public", "before": first, "after": second}));
    assert_eq!(events[0]["principal"]["subject"], "local-admin");

    site.edge.folder.write("policy.yml", FORWARD);
    site.edge.signal("HUP");
    let events = told(2);
    assert_eq!(events[1]["object"], json!({"endpoint": "public", "before": second, "after": first}));
    assert_eq!(events[1]["principal"]["subject"], "signal");

    let key = site.admin(&["api-key", "create"]);
    let id = json_of(&site, &["api-key", "list"])[0]["id"].clone();
    site.edge.folder.write("policy.yml", &format!("{FORWARD}# once more\n"));
    let address = site.edge.admin_address();
    let mut command = forwarder();
    command.args(["reload", "--url", &format!("http://{address}")]).env("FORWARDER_API_KEY", key);
    assert!(command.output().expect("it runs").status.success());
    let events = wait_until("events", || Some(changed(&site)).filter(|it| it.len() == 3));
    assert_eq!(events[2]["principal"]["subject"], id);
}
