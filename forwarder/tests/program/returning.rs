//! An agent that comes back as the SDKs do: it names the endpoint as an earlier session did.

use agent_link::{StreamType, ask};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::lines::Tells;
use crate::harness::{DEADLINE, Edge, FORWARD, Folder, connect};
use crate::speaker::{bind, enter, next_header};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_comes_back_goes_on_with_its_id() {
    let folder = Folder::new();
    folder.write("policy.yml", FORWARD);
    folder.write(
        "edge.yml",
        "version: 1
agents: {listen: \"127.0.0.1:0\", names: [\"127.0.0.1\"]}
endpoints: [{name: device1, url: \"tcp://localhost:20022\", listen: \"127.0.0.1:0\", traffic_policy_file: policy.yml}]
events: [{type: file, path: events.jsonl}]
",
    );
    let mut edge = Edge::start(folder);
    let (public, agents) = (edge.address("device1"), edge.agents_address());
    edge.wait_for_admin();
    let token = edge.ask(&["authtoken", "create"]);
    let (opener, mut accepted) = enter(&edge, agents, &token).await;

    assert_eq!(bind(&opener, "before", "device1.internal:22").await, "before");
    let second = bind(&opener, "before", "device2.internal:22").await;
    assert!(second.starts_with("ep_"), "no two endpoints of a session have one id: {second}");
    let client = connect(public);
    let header = timeout(DEADLINE, next_header(&mut accepted)).await.expect("in time");
    assert_eq!(header.id, "before");
    drop(client);
    let online = edge.list("endpoint");
    assert!(online.iter().all(|it| it["id"].as_str().is_some_and(|id| id.starts_with("ep_"))), "{online:?}");

    ask::<Value>(&opener, StreamType::Unbind, &json!({"Id": "before"})).await.expect("unbound");
    let left: Vec<_> = edge.list("endpoint").iter().map(|it| it["url"].clone()).collect();
    assert_eq!(left, ["tcp://device2.internal:22"]);
    // Another agent may have called its endpoint the same.
    let (other, _accepted) = enter(&edge, agents, &token).await;
    assert_eq!(bind(&other, "before", "device3.internal:22").await, "before");
}

/// A field that the SDKs ignore, and that ours go by.
#[test]
fn one_agent_is_back_soon_after_its_edge_was_gone() {
    use crate::site::{DEVICE, Site, edge_yml};
    let mut site = Site::start(crate::site::FORWARD, "");
    site.edge.folder.write("edge.yml", &edge_yml(site.agents, site.public, ""));
    let agent = site.agent(&site.token(&[]), &crate::harness::echo_device().to_string(), &DEVICE);
    site.edge.restart();
    // From the agent's own words, so that a machine that is busy meanwhile changes nothing.
    let line = agent.wait_for(Tells::Disconnected);
    assert!(line.number("wait_ms") <= 1_250, "{line}");
}
