//! Policies that agents bring: what they may forward to, and what they may take.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use agent_link::CallError;
use agent_link::mux::Opener;
use serde_json::{Value, json};

use crate::harness::lines::Tells;
use crate::harness::{connect, echo_device, exchange, rest_of, wait_until};
use crate::site::{DEVICE, FORWARD, Site};
use crate::speaker::{enter, try_bind_with};

pub(crate) fn forward(target: &str) -> String {
    format!("on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"{target}\"}}}}]}}]")
}

async fn bind(opener: &Opener, address: &str, policy: &str) -> Result<String, String> {
    let options = json!({"Addr": address, "TrafficPolicy": policy});
    match try_bind_with(opener, "", options, false).await {
        Ok(id) => Ok(id),
        Err(CallError::Refused { message, code, .. }) => Err(format!("{message} {code:?}")),
        Err(other) => panic!("{address}: {other}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// The site of a tenant with a device, `device1.internal`, and the port that another tenant may bind.
pub(crate) fn two_tenants(more: &str) -> (Site, u16) {
    // One that the system chooses, and that nobody is given again soon.
    let free = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|it| it.local_addr());
    let port = free.expect("a free port").port();
    let site = Site::start(FORWARD, &format!("public_tcp_ports: {port}\n{more}"));
    (site, port)
}

/// A token that may bind the public port and names below `a.internal`.
fn other_tenant(site: &Site, port: u16) -> String {
    site.token(&[&format!("bind:localhost:{port}"), "bind:*.a.internal"])
}

#[test]
fn a_policy_of_an_agent_forwards_to_what_its_token_may_bind() {
    let (site, port) = two_tenants("");
    let _device = site.agent(&site.token(&["bind:device1.internal"]), &echo_device().to_string(), &DEVICE);
    let token = other_tenant(&site, port);
    runtime().block_on(async {
        let (opener, _accepted) = enter(&site.edge, site.agents, &token).await;
        let public = format!("localhost:{port}");
        let refused =
            bind(&opener, &public, &forward("tcp://device1.internal:22")).await.expect_err("not its own");
        assert!(
            refused.contains("tcp://device1.internal:22") && refused.contains("ERR_NGROK_308"),
            "{refused}"
        );
        // A target that is known for each connection only is looked at then.
        let id = bind(&opener, &public, &forward("tcp://${'device1'}.internal:22"))
            .await
            .expect("no literal target");
        let heard = tokio::task::spawn_blocking(move || exchange(connect(address(port)), b"let me in")).await;
        assert!(heard.expect("no panic").is_empty());
        let event = site.edge.event_of("127.0.0.1");
        let reason = event["reason"].to_string();
        assert!(
            reason.contains("may not forward") && reason.contains("tcp://device1.internal:22"),
            "{event}"
        );
        drop(id);
        bind(&opener, "x.a.internal:22", &forward("tcp://y.a.internal:22")).await.expect("its own");
    });
}

#[test]
fn an_edge_that_trusts_its_agents_lets_their_policies_forward_anywhere() {
    let (site, port) = two_tenants("");
    let yml = std::fs::read_to_string(site.edge.folder.path("edge.yml")).expect("there");
    let trusting =
        yml.replace("names: [localhost, 127.0.0.1]", "names: [localhost, 127.0.0.1], policies_forward: any");
    assert_ne!(yml, trusting);
    site.edge.folder.write("edge.yml", &trusting);
    site.admin(&["reload"]);
    let _device = site.agent(&site.token(&["bind:device1.internal"]), &echo_device().to_string(), &DEVICE);
    let token = other_tenant(&site, port);
    runtime().block_on(async {
        let (opener, _accepted) = enter(&site.edge, site.agents, &token).await;
        let public = format!("localhost:{port}");
        bind(&opener, &public, &forward("tcp://device1.internal:22")).await.expect("any target");
        let heard = tokio::task::spawn_blocking(move || exchange(connect(address(port)), b"let me in")).await;
        assert_eq!(heard.expect("no panic"), b"let me in");
    });
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Conditions that compile a large pattern for each connection.
pub(crate) fn costly(next: Option<&str>) -> String {
    let rule = |n: usize| {
        format!(
            "- {{expressions: [\"conn.client_ip.matches('\\\\\\\\pL{{1,40}}' + string(conn.client_port + {n}))\"], actions: [{{type: deny}}]}}\n"
        )
    };
    let rules: String = (0..5).map(rule).collect();
    let last =
        next.map(|url| format!("- {{actions: [{{type: forward-internal, config: {{url: \"{url}\"}}}}]}}\n"));
    format!("on_tcp_connect:\n{rules}{}", last.unwrap_or_default())
}

#[test]
fn costly_policies_of_an_agent_are_cut_short_and_hold_up_nobody() {
    let (site, port) = two_tenants("");
    let _device = site.agent(&site.token(&["bind:device1.internal"]), &echo_device().to_string(), &DEVICE);
    let token = other_tenant(&site, port);
    runtime().block_on(async {
        let (opener, _accepted) = enter(&site.edge, site.agents, &token).await;
        for at in 0..6 {
            let (name, next) = (format!("h{at}.a.internal:22"), format!("tcp://h{}.a.internal:22", at + 1));
            bind(&opener, &name, &costly(Some(&next))).await.expect("bound");
        }
        bind(&opener, &format!("localhost:{port}"), &costly(Some("tcp://h0.a.internal:22")))
            .await
            .expect("bound");
        let site = &site;
        let visit = move || {
            for _ in 0..50 {
                assert!(exchange(connect(address(port)), b"").is_empty());
            }
        };
        let visits = tokio::task::spawn_blocking(visit);
        let public = site.public;
        let others = tokio::task::spawn_blocking(move || {
            for _ in 0..20 {
                assert_eq!(exchange(connect(public), b"beside"), b"beside");
            }
        });
        others.await.expect("served");
        visits.await.expect("refused");
    });
    // Its conditions have values, if they get the steps for them.
    let is_cut_short =
        |event: &Value| event["object"]["decision"] == "error" && event["object"]["at"]["line"] == 2;
    let cut_short = || Some(site.edge.events().iter().filter(|event| is_cut_short(event)).count());
    wait_until("what was cut short", || cut_short().filter(|count| *count == 50));
}

/// Cheap enough to admit a connection, and too dear for the first look of a reload.
fn for_later() -> String {
    let rule = |n: usize| {
        format!(
            "- {{expressions: [\"conn.client_ip.matches('a{{1,90}}' + string({n}))\"], actions: [{{type: deny}}]}}\n"
        )
    };
    format!("on_tcp_connect:\n{}", (0..6).map(rule).collect::<String>())
}

/// What the configuration refuses is cut at once, whatever policies the agents on the way have brought.
#[test]
fn a_narrowing_reload_does_not_wait_for_policies_of_agents() {
    let mut site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let path = site.edge.folder.write("own.yml", &for_later()).display().to_string();
    let words = [DEVICE[0], DEVICE[1], "--traffic-policy-file", &path];
    let _agent = site.agent(&token, &echo_device().to_string(), &words);
    let mut open: Vec<_> = (0..20).map(|_| connect(site.public)).collect();
    for stream in &mut open {
        stream.write_all(b"x").expect("open");
        stream.read_exact(&mut [0]).expect("an echo");
    }
    // The policy stays: all of them are decided in full, one after the other, and go on.
    site.admin(&["reload"]);
    assert_eq!(site.edge.wait_for(Tells::Revalidated).number("cut"), 0);
    for stream in &mut open {
        stream.write_all(b"x").expect("open");
        stream.read_exact(&mut [0]).expect("it continues");
    }
    site.edge.folder.write("policy.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    let begun = Instant::now();
    let report: serde_json::Value = serde_json::from_str(&site.admin(&["reload", "--json"])).expect("JSON");
    assert_eq!(
        (&report["cut"], &report["revalidating"]),
        (&20.into(), &0.into()),
        "{report} after {:?}",
        begun.elapsed()
    );
    for stream in open {
        assert_eq!(rest_of(&stream), b"", "nothing comes after the cut");
    }
}

/// What a reload leaves for later is decided while the edge drains, too.
#[test]
fn connections_that_wait_for_their_policies_are_cut_while_the_edge_drains() {
    let mut site = Site::start(FORWARD, "shutdown: {drain: 300s}\n");
    let token = site.token(&[]);
    let path = site.edge.folder.write("own.yml", &for_later()).display().to_string();
    let words = [DEVICE[0], DEVICE[1], "--traffic-policy-file", &path];
    let _agent = site.agent(&token, &echo_device().to_string(), &words);
    let elsewhere = ["--url", "tcp://device2.internal:22", "--traffic-policy-file", &path];
    let _other = site.agent(&token, &echo_device().to_string(), &elsewhere);
    let mut open: Vec<_> = (0..40).map(|_| connect(site.public)).collect();
    for stream in &mut open {
        stream.write_all(b"x").expect("open");
        stream.read_exact(&mut [0]).expect("an echo");
    }
    let policy = FORWARD.replace("device1", "device2");
    assert_ne!(policy, FORWARD);
    site.edge.folder.write("policy.yml", &policy);
    let report: serde_json::Value = serde_json::from_str(&site.admin(&["reload", "--json"])).expect("JSON");
    assert_eq!(report["revalidating"], 40, "{report}");
    site.edge.signal("TERM");
    for stream in open {
        assert_eq!(rest_of(&stream), b"", "nothing comes after the cut");
    }
    assert!(site.edge.wait_for_exit().success());
}

#[test]
fn policies_of_an_agent_take_no_more_memory_than_their_share() {
    let (site, _) = two_tenants("limits: {max_policy_memory_per_authtoken: 300000}\n");
    let (token, other) = (site.token(&[]), site.token(&[]));
    let rules = |count: usize| {
        let rule = |n: usize| {
            format!("- {{expressions: [\"conn.client_port == {n}\"], actions: [{{type: deny}}]}}\n")
        };
        format!("on_tcp_connect:\n{}", (0..count).map(rule).collect::<String>())
    };
    runtime().block_on(async {
        let (opener, _accepted) = enter(&site.edge, site.agents, &token).await;
        let large = bind(&opener, "large.internal:22", &rules(3_000)).await.expect_err("too large a text");
        assert!(large.contains("max_agent_policy_bytes"), "{large}");
        let mut bound = 0;
        let full = loop {
            match bind(&opener, &format!("d{bound}.internal:22"), &rules(60)).await {
                Ok(_) => bound += 1,
                Err(full) => break full,
            }
            assert!(bound < 20, "no end of it");
        };
        assert!(bound > 0 && full.contains("max_policy_memory_per_authtoken"), "{bound}: {full}");
        let (neighbour, _its) = enter(&site.edge, site.agents, &other).await;
        bind(&neighbour, "neighbour.internal:22", &rules(60)).await.expect("a share of its own");
        // What is gone takes none.
        opener.close_in_order("enough");
        opener.closed().await;
        let gone = || Some(()).filter(|()| site.list("session").len() == 1);
        wait_until("the session to be gone", gone);
        let (again, _back) = enter(&site.edge, site.agents, &token).await;
        bind(&again, "d.internal:22", &rules(60)).await.expect("room again");
    });
    // A list does not repeat long policies.
    let listed = site.list("endpoint");
    assert!(
        listed
            .iter()
            .all(|endpoint| endpoint["traffic_policy"].as_str().is_some_and(|text| text.len() <= 1_024))
    );
}
