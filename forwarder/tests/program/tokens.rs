//! Tokens: whom a revocation ends, how often one may be guessed, and who gets a URL.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use agent_link::CallError;

use crate::harness::lines::Tells;
use crate::harness::{
    Edge, Folder, connect, connect_from, echo_device, exchange, second_address, wait_until,
};
use crate::site::{DEVICE, FORWARD, Site};
use crate::speaker::{enter, try_bind, try_enter};

/// A public endpoint that forwards to a target.
fn endpoint(folder: &Folder, name: &str, target: &str) -> String {
    let policy = format!("{name}.yml");
    folder.write(
        &policy,
        &format!("on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"tcp://{target}:22\"}}}}]}}]\n"),
    );
    format!(
        "  - {{name: {name}, url: \"tcp://localhost:20022\", listen: \"127.0.0.1:0\", traffic_policy_file: {policy}}}\n"
    )
}

fn talk(stream: &mut TcpStream, byte: u8) -> bool {
    let mut back = [0];
    stream.write_all(&[byte]).is_ok() && stream.read_exact(&mut back).is_ok() && back == [byte]
}

#[test]
fn a_revocation_cuts_the_connections_of_its_token_and_no_others() {
    const EACH: usize = 40;
    let (folder, direct) = (Folder::new(), echo_device());
    let names = ["one", "two", "three", "direct"];
    let targets = ["device1.internal", "device2.internal", "device3.internal", "direct.internal"];
    let endpoints: String =
        names.iter().zip(targets).map(|(name, target)| endpoint(&folder, name, target)).collect();
    folder.write(
        "edge.yml",
        &format!(
            "version: 1
agents: {{listen: \"127.0.0.1:0\", names: [localhost]}}
endpoints:
{endpoints}internal_endpoints: [{{url: \"tcp://direct.internal:22\", upstream: {{url: \"{direct}\"}}}}]
events: [{{type: file, path: events.jsonl}}]
"
        ),
    );
    let mut edge = Edge::start(folder);
    let addresses = names.map(|name| edge.address(name));
    let agents = edge.agents_address();
    edge.wait_for_admin();
    let site = Site { edge, agents, public: addresses[0] };
    let (token, other) = (site.token(&[]), site.token(&[]));
    let credential =
        |session: &serde_json::Value| session["credential"]["id"].as_str().map(ToOwned::to_owned);
    let device = |token: &str, at: usize| {
        site.agent(token, &echo_device().to_string(), &["--url", &format!("tcp://{}:22", targets[at])])
    };
    // Two agents have the token that is revoked.
    let (_first, _third) = (device(&token, 0), device(&token, 2));
    let revoked = site.list("session").iter().find_map(credential).expect("a session");
    let mut second = device(&other, 1);
    // In turns, so that those of each lie between those of the others.
    let mut open: Vec<(usize, TcpStream)> =
        (0..EACH).flat_map(|_| 0..names.len()).map(|at| (at, connect(addresses[at]))).collect();
    assert!(open.iter_mut().all(|(_, stream)| talk(stream, 1)));
    site.admin(&["authtoken", "revoke", &revoked]);
    let (cut, mut kept): (Vec<_>, Vec<_>) = open.into_iter().partition(|(at, _)| *at == 0 || *at == 2);
    for (_, mut stream) in cut {
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() && end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
    for (at, stream) in &mut kept {
        assert!(talk(stream, 2), "a connection at {} is cut", names[*at]);
    }
    assert!(second.child.try_wait().expect("waitable").is_none());
    let events = wait_until("the events of those that were cut", || {
        let mut events = site.edge.events();
        events.retain(|event| event["event_type"] == "tcp_connection_closed.v0");
        (events.len() >= 2 * EACH).then_some(events)
    });
    assert_eq!(events.len(), 2 * EACH);
    for event in events {
        let object = &event["object"];
        assert!(object["endpoint"] == "one" || object["endpoint"] == "three", "{object}");
    }
    assert_eq!(exchange(connect(addresses[1]), b"still"), b"still");
    assert!(exchange(connect(addresses[0]), b"gone").is_empty());
}

#[test]
fn a_narrower_policy_cuts_whom_it_refuses_and_nobody_else() {
    const EACH: usize = 20;
    let Some(second) = second_address() else { return };
    let folder = Folder::new();
    let endpoints = ["narrowed", "kept"].map(|name| endpoint(&folder, name, "device1.internal")).concat();
    folder.write(
        "edge.yml",
        &format!(
            "version: 1
agents: {{listen: \"127.0.0.1:0\", names: [localhost]}}
endpoints:
{endpoints}events: [{{type: file, path: events.jsonl}}]
"
        ),
    );
    let mut edge = Edge::start(folder);
    let addresses = ["narrowed", "kept"].map(|name| edge.address(name));
    let agents = edge.agents_address();
    edge.wait_for_admin();
    let mut site = Site { edge, agents, public: addresses[0] };
    let _agent = site.agent(&site.token(&[]), &echo_device().to_string(), &DEVICE);
    let ways = [0, 1].map(|at| [Ipv4Addr::LOCALHOST, second].map(|source| (at, source)));
    let ways: Vec<_> = std::iter::repeat_n(ways, EACH).flatten().flatten().collect();
    let mut open: Vec<_> =
        ways.into_iter().map(|(at, source)| (at, source, connect_from(source, addresses[at]))).collect();
    assert!(open.iter_mut().all(|(_, _, stream)| talk(stream, 1)));
    site.edge.folder.write(
        "narrowed.yml",
        "on_tcp_connect:
  - actions: [{type: restrict-ips, config: {allow: [127.0.0.1/32]}}]
  - actions: [{type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}]
",
    );
    site.edge.signal("HUP");
    assert_eq!(site.edge.wait_for(Tells::Reloaded).number("cut"), EACH as u64);
    for (at, source, stream) in &mut open {
        let stays = *at == 1 || *source == Ipv4Addr::LOCALHOST;
        assert_eq!(talk(stream, 2), stays, "from {source}");
    }
    let events = site.edge.wait_for_events(1 + EACH);
    let closed = events.iter().filter(|event| event["event_type"] == "tcp_connection_closed.v0");
    let ends: Vec<_> = closed.map(|event| event["object"]["end"].as_str().expect("a reason")).collect();
    assert_eq!(ends, ["the new policy refuses it"; EACH]);
}

fn code(error: CallError) -> String {
    match error {
        CallError::Refused { code, .. } => code.expect("a code"),
        _ => "closed".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_tokens_is_told_to_wait_and_a_right_one_is_let_in() {
    let site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let guess = async |token: &str| {
        let entered = try_enter(&site.edge, site.agents, Ipv4Addr::LOCALHOST, token).await;
        entered.map(|_| ()).map_err(|error| match error {
            CallError::Refused { code, retry_after, .. } => (code.expect("a code"), retry_after),
            other => panic!("{other}"),
        })
    };
    let revoked = site.token(&[]);
    let newest = site.list("authtoken")[0]["id"].as_str().expect("an id").to_owned();
    site.admin(&["authtoken", "revoke", &newest]);
    for round in 0..20 {
        let (guessed, code) =
            if round % 2 == 0 { (&*revoked, "ERR_NGROK_107") } else { ("short", "ERR_NGROK_105") };
        let (answer, wait) = guess(guessed).await.expect_err("wrong");
        assert_eq!(answer, code, "round {round}");
        assert_eq!(wait.is_some(), round >= 18, "round {round}: {wait:?}");
        assert!(wait.is_none_or(|wait| wait <= std::time::Duration::from_secs(61)), "{wait:?}");
    }
    // Others behind the same address are not made to pay for it.
    assert_eq!(guess(&token).await, Ok(()));
}

/// Two addresses that hold as many silent connections as they can keep no agent out, wherever it is.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_no_agent_out() {
    const EACH: usize = 300;
    if second_address().is_none() {
        return;
    }
    let _ = forwarder::base::raise_file_limit();
    let site = Site::start(FORWARD, "");
    let token = site.token(&[]);
    let silent = |source: u8| -> Vec<TcpStream> {
        (0..EACH).map(|_| connect_from(Ipv4Addr::new(127, 0, 0, source), site.agents)).collect()
    };
    let mut held = [silent(2), silent(3)];
    for round in 0..10_usize {
        let source = Ipv4Addr::new(127, 0, 0, if round % 2 == 0 { 1 } else { 4 });
        let entered = try_enter(&site.edge, site.agents, source, &token).await;
        assert!(entered.is_ok(), "round {round}: {:?}", entered.err());
        // They come again and again.
        held[round % 2] = silent(if round % 2 == 0 { 2 } else { 3 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_leaves_places_to_others() {
    let site = Site::start(FORWARD, "limits: {max_agents: 4}\n");
    let (one, other) = (site.token(&[]), site.token(&[]));
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(enter(&site.edge, site.agents, &one).await);
    }
    match try_enter(&site.edge, site.agents, Ipv4Addr::LOCALHOST, &one).await {
        Err(CallError::Refused { message, code: Some(code), retry_after: Some(_) }) => {
            assert_eq!(code, "ERR_NGROK_108");
            assert!(message.contains("`limits.max_agents_per_authtoken`"), "{message}");
        }
        answer => panic!("{:?}", answer.err()),
    }
    held.push(enter(&site.edge, site.agents, &other).await);
    assert_eq!(site.list("session").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_who_want_a_url_has_it_every_time() {
    const TAKEN: &str = "ERR_NGROK_334";
    let site = Site::start(FORWARD, "");
    let (one, _one) = enter(&site.edge, site.agents, &site.token(&[])).await;
    let (other, _other) = enter(&site.edge, site.agents, &site.token(&[])).await;
    for round in 0..20 {
        for (first, second, both) in
            [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
        {
            let url = format!("d{round}-{first}-{second}.internal:22");
            let (mut earlier, mut later) = (&one, &other);
            if round % 2 == 1 {
                std::mem::swap(&mut earlier, &mut later);
            }
            try_bind(earlier, "", &url, first).await.expect("free");
            let answer = try_bind(later, "", &url, second).await.map(|_| ()).map_err(code);
            assert_eq!(answer, if both { Ok(()) } else { Err(TAKEN.to_owned()) }, "{url}");
        }
        // At once: one of them, whoever comes first, and never both.
        let url = format!("race{round}.internal:22");
        let both = tokio::join!(try_bind(&one, "", &url, false), try_bind(&other, "", &url, round % 2 == 0));
        let (won, lost) = match both {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("{both:?}"),
        };
        assert!(won.starts_with("ep_") && code(lost) == TAKEN);
    }
    assert_eq!(site.list("endpoint").len(), 20 * 6);
}
