//! Agents of which the edge refuses endpoints: for now, or for good.

use std::net::Ipv4Addr;

use agent_link::mux::{Limits, Measured, Side, session};
use agent_link::{StreamType, ask};
use serde_json::{Value, json};

use crate::harness::{Folder, connect, echo_device, exchange, wait_until};
use crate::site::{Agent, DEVICE, FORWARD, Site, endpoint};
use crate::speaker::dial;

fn urls(site: &Site) -> Vec<String> {
    let mut urls: Vec<_> =
        site.list("endpoint").iter().filter_map(|it| it["url"].as_str().map(ToOwned::to_owned)).collect();
    urls.sort_unstable();
    urls
}

/// As after a power cut: the session before has the URL for a while.
#[test]
fn an_endpoint_that_is_taken_comes_online_once_it_is_free_and_others_before() {
    let ports = "public_tcp_ports: 20000-29999\n";
    let site = Site::start(FORWARD, ports);
    let (token, folder) = (site.token(&[]), Folder::new());
    let first = site.agent(&token, &echo_device().to_string(), &DEVICE);
    let outer = site.agent(&token, &echo_device().to_string(), &[]);
    let public = urls(&site).into_iter().find(|url| url.contains("localhost")).expect("public");
    let device = echo_device();
    let path = folder.write(
        "ngrok.yml",
        &site.ngrok_yml(
            "",
            &[
                endpoint("taken", "tcp://device1.internal:22", device),
                endpoint("port", &public, device),
                endpoint("free", "tcp://device2.internal:22", device),
            ],
        ),
    );
    let mut second = Agent::from_file(&path, &token);
    wait_until("the free one", || {
        urls(&site).contains(&"tcp://device2.internal:22".to_owned()).then_some(())
    });
    assert!(second.child.try_wait().expect("waitable").is_none(), "{}", second.text());
    // Killed, so that nothing of it says goodbye.
    drop(first);
    drop(outer);
    let all = ["tcp://device1.internal:22", "tcp://device2.internal:22", &public];
    wait_until("all three", || (urls(&site) == all).then_some(()));
    assert_eq!(exchange(connect(site.public), b"served"), b"served");
    assert!(second.child.try_wait().expect("waitable").is_none());
}

#[test]
fn an_endpoint_that_is_refused_for_good_holds_up_no_other_at_the_first_start() {
    let site = Site::start(FORWARD, "");
    let (token, folder, device) = (site.token(&["bind:device1.internal"]), Folder::new(), echo_device());
    let refused = [
        endpoint("elsewhere", "tcp://elsewhere.internal:22", device),
        endpoint("public", "tcp://localhost:20022", device),
    ];
    let one = [&refused[..], &[endpoint("device1", DEVICE[1], device)]].concat();
    let path = folder.write("ngrok.yml", &site.ngrok_yml(", log_format: json", &one));
    let agent = Agent::from_file(&path, &token);
    wait_until("the one that may be", || (urls(&site) == [DEVICE[1]]).then_some(()));
    let told: Vec<Value> =
        agent.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let errors = told.iter().filter(|line| line["level"] == "ERROR");
    let named: Vec<_> = errors.map(|line| line["fields"]["endpoint"].as_str().expect("a name")).collect();
    assert_eq!(named, ["elsewhere", "public"]);
    drop(agent);
    // The edge says whose they were, and why; a flood is told once a second.
    let of = |kind: &str| {
        let mut events = site.edge.events();
        events.retain(|event| event["event_type"] == kind);
        events
    };
    let event = &of("endpoint_refused.v0")[0]["object"];
    let credential = &site.list("authtoken")[0]["id"];
    assert_eq!((&event["credential"], event["url"].as_str()), (credential, Some("elsewhere.internal:22")));
    assert!(event["error_code"].as_str().is_some_and(|code| code.starts_with("ERR_NGROK_")), "{event}");
    assert!(event["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{event}");

    // An authtoken that is none is nobody's; one that does not count from here is somebody's.
    let narrow = site.admin(&[
        "authtoken",
        "create",
        "--deny-cidr",
        "127.0.0.0/8",
        "--allow-cidr",
        "192.0.2.0/24",
        "--json",
    ]);
    let narrow: Value = serde_json::from_str(&narrow).expect("JSON");
    for (token, credential, code) in [
        ("not-a-token", Value::Null, "ERR_NGROK_105"),
        (narrow["token"].as_str().expect("shown"), narrow["id"].clone(), "ERR_NGROK_116"),
    ] {
        let mut agent = Agent::from_file(&path, token);
        agent.wait_for_exit();
        let refused = wait_until("its event", || {
            of("agent_refused.v0").into_iter().find(|event| event["object"]["credential"] == credential)
        });
        let object = &refused["object"];
        assert_eq!(
            (&object["error_code"], &object["agent_ip"]),
            (&code.into(), &"127.0.0.1".into()),
            "{refused}"
        );
    }
    // Where nothing is left to serve, the agent ends.
    let path = folder.write("ngrok.yml", &site.ngrok_yml("", &refused));
    let mut agent = Agent::from_file(&path, &token);
    assert_eq!(agent.wait_for_exit().code(), Some(1), "{}", agent.text());
}

/// Anyone may say nonsense: it fills neither the log nor the events.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_nonsense_is_told_a_few_times() {
    const AGENTS: usize = 60;
    let site = Site::start(FORWARD, "");
    let nonsense =
        json!({"Version": ["3"], "Extra": {"AuthToken": "t", "HeartbeatInterval": "SECRET".repeat(1_000)}});
    for _ in 0..AGENTS {
        let tls = dial(&site.edge, site.agents, Ipv4Addr::LOCALHOST).await.expect("connected");
        let (opener, _accepted, driver) = session(Measured::unknown(tls), Side::Client, Limits::default());
        tokio::spawn(driver.run());
        let refused = ask::<Value>(&opener, StreamType::Auth, &nonsense).await.expect_err("nonsense");
        assert!(!refused.to_string().contains("SECRET"), "{refused}");
    }
    let events = wait_until("an event", || {
        let mut events = site.edge.events();
        events.retain(|event| event["event_type"] == "agent_refused.v0");
        (!events.is_empty()).then_some(events)
    });
    // Ten of one authtoken in a minute are told, as many as are answered at once.
    assert!(events.len() <= 12, "{} events", events.len());
    assert!(!format!("{events:?}").contains("SECRET"));
}
