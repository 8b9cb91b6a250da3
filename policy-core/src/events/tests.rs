use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::facts::{Facts, GivenFacts};

fn event(line: &str) -> Event<'_> {
    match read_event(line.as_bytes()) {
        Ok(Line::Event(event)) => event,
        other => panic!("{other:?}"),
    }
}

/// As our edge writes it.
const OURS: &str = r#"{"account_id":null,"event_id":"ev_01","event_type":"tcp_connection_closed.v0","event_timestamp":"2026-12-02T10:00:01.5Z","principal":null,"object":{"conn":{"bytes_in":5,"bytes_out":5,"client_ip":"203.0.113.42","client_port":50000,"server_ip":"192.0.2.1","server_name":"edge.example.com","server_port":20022,"start_ts":"2026-12-02T10:00:00Z","end_ts":"2026-12-02T10:00:01.5Z"},"ip_policy":{"decision":"allow"},"traffic_policy":{"logs":[{"metadata":{"a":"\"}"}}]},"ja4_fingerprint":null,"endpoint":"ssh","decision":"forward","rule":"of\u0066ice","at":{"file":"p.yml","line":1,"column":2},"reason":"203.0.113.42 is in it","policy_sha256":"00","target":"tcp://b.internal:1","hops":["tcp://a.internal:1","tcp://b.internal:1"],"failed_forwards":[{"target":"tcp://c.internal:1","error_code":"ERR_NGROK_3210"}],"end":"done"}}"#;

#[test]
fn what_an_edge_writes_is_read() {
    let event = event(OURS);
    assert_eq!((event.kind(), event.client_text()), (EventKind::TcpConnectionClosed, "203.0.113.42"));
    assert_eq!(event.decided(), Some(Decided::As(OutcomeKind::Forward)));
    assert_eq!(event.rule().and_then(Text::get).as_deref(), Some("office"));
    let hops: Vec<_> = event.hops().expect("URLs").iter().map(ToString::to_string).collect();
    assert_eq!(hops, ["tcp://a.internal:1", "tcp://b.internal:1"]);
    let failed = event.failed_forwards().expect("fine").expect("said");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].1, ForwardFailure::UpstreamUnreachable);
    assert_eq!(event.started(), Timestamp::parse("2026-12-02T10:00:00Z"));
    assert_eq!(event.written_second(), event.started().map(|time| time.seconds() + 1));
    assert!(event.has_place());
}

#[test]
fn a_line_in_order_allocates_nothing() {
    let line = OURS.replace("\\u0066", "f");
    let mut lent = false;
    let info = allocation_counter::measure(|| {
        let event = event(&line);
        lent = matches!(event.rule().and_then(Text::get), Some(Cow::Borrowed("office")));
        lent &= event.written_second().is_some() && event.decided().is_some();
    });
    assert_eq!((lent, info.count_total), (true, 0));
}

/// Field by field as documented; what a decision is made by is not among them.
const NGROK_TCP: &str = r#"{"account_id":"ac_1","event_id":"ev_2","event_type":"tcp_connection_closed.v0","event_timestamp":"2026-08-07T10:00:01Z","object":{"conn":{"bytes_in":BYTES,"bytes_out":0,"client_ip":"::ffff:198.51.100.7","end_ts":"2026-08-07T10:00:01Z","server_ip":"192.0.2.9","server_name":"1.tcp.ngrok.io","server_port":20022,"start_ts":"2026-08-07T10:00:00Z"},"ip_policy":{"decision":IP},"ja4_fingerprint":null,"traffic_policy":{"logs":[]}},"principal":null}"#;

#[test]
fn what_ngrok_writes_says_less() {
    let of = |bytes: &str, ip: &str| {
        let line = NGROK_TCP.replace("BYTES", bytes).replace("IP", ip);
        let event = event(&line);
        assert_eq!(event.client_ip().to_string(), "198.51.100.7");
        assert!(event.hops().expect("none").is_empty() && event.failed_forwards() == Ok(None));
        event.decided()
    };
    assert_eq!(of("0", "\"block\""), Some(Decided::Refused));
    assert_eq!(of("17", "\"allow\""), Some(Decided::Admitted));
    assert_eq!(of("0", "\"allow\""), None);
    assert_eq!(of("0", "null"), None);
}

#[test]
fn facts_are_those_of_the_event() {
    let line = OURS.replace("\"server_ip\"", "\"geo\":{\"country_code\":\"DE\",\"city\":7},\"server_ip\"");
    let event = event(&line);
    let fact = |path| crate::variables::fact(path).expect(path);
    let needs = ["conn.geo.country_code", "conn.geo.city", "conn.client_ip.is_tor_node"].map(fact);
    let mut given = GivenFacts::default();
    given.set("conn.client_port", "7").expect("a port");
    let known = EventFacts::new(&event, &needs, &given);
    let facts = Facts::new(event.client_ip()).with(&known);
    let lacking: Vec<_> = facts.lacking(&needs).map(|fact| fact.path()).collect();
    assert_eq!(lacking, ["conn.client_ip.is_tor_node"]);
    let known = ["conn.client_port", "conn.server_port", "conn.server_ip", "endpoint.host"].map(fact);
    assert_eq!(facts.lacking(&known).count(), 0);
    assert_eq!(facts.lacking(&[fact("endpoint.port")]).count(), 1);
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let why = |line: &[u8]| read_event(line).map(|line| format!("{line:?}"));
    for length in 1..OURS.len() {
        assert_eq!(why(&OURS.as_bytes()[..length]).unwrap_err(), Unreadable::BreaksOff, "{length}");
    }
    assert!(matches!(read_event(b" \r"), Ok(Line::Blank)));
    assert!(matches!(read_event(br#"{"event_type":"audit.v3","object":7}"#), Ok(Line::Other(_))));
    let ours = |from: &str, to: &str| {
        assert!(OURS.contains(from), "{from}");
        why(OURS.replace(from, to).as_bytes()).unwrap_err()
    };
    let cut = [&b"\0\0\0"[..], OURS.as_bytes()].concat();
    assert_eq!(why(&cut).unwrap_err(), Unreadable::Nul);
    assert_eq!(why(b"{\"event_type\":\"\xff\"}").unwrap_err(), Unreadable::NotUtf8);
    assert_eq!(why("{\"é".as_bytes().split_last().expect("bytes").1).unwrap_err(), Unreadable::BreaksOff);
    assert_eq!(why(b"hello").unwrap_err(), Unreadable::NotJson);
    assert_eq!(why(b"{\"a\":1}}").unwrap_err(), Unreadable::NotJson);
    assert_eq!(why(b"[1]").unwrap_err(), Unreadable::NoEvent);
    assert_eq!(why(b"{\"a\":1}").unwrap_err(), Unreadable::NoEvent);
    assert_eq!(why(&vec![b' '; MAX_LINE_BYTES + 1]).unwrap_err(), Unreadable::TooLong);
    assert_eq!(ours("closed.v0", "closed.v1"), Unreadable::Version("tcp_connection_closed.v1".to_owned()));
    assert_eq!(
        ours("\"203.0.113.42\",\"client_port\"", "\"x\",\"client_port\""),
        Unreadable::Field("object.conn.client_ip")
    );
    assert_eq!(ours("50000", "70000"), Unreadable::Field("object.conn.client_port"));
    assert_eq!(
        ours("\"decision\":\"forward\"", "\"decision\":\"maybe\""),
        Unreadable::Field("object.decision")
    );
    assert_eq!(
        ours("\"endpoint\":\"ssh\"", "\"endpoint\":\"ssh\",\"endpoint\":\"b\""),
        Unreadable::Field("object.endpoint")
    );
    assert_eq!(ours("\"rule\":\"of\\u0066ice\"", "\"rule\":7"), Unreadable::Field("object.rule"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![any::<String>(), "[\"\\\\/ -~]{0,20}", "\\PC{0,24}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn is_json(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.skip().and_then(|()| scanner.end()).is_ok()
}

proptest! {
    /// What is JSON, and every text, as `serde_json` has them.
    #[test]
    fn the_scanner_takes_what_serde_takes(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("JSON");
        prop_assert!(is_json(&text), "{}", text);
        if let Value::String(wanted) = &value {
            let read = Scanner::new(&text).string().map(|text| text.get().map(Cow::into_owned));
            prop_assert_eq!(read, Ok(Some(wanted.clone())));
        }
    }

    /// One byte of a JSON text exchanged, left out or added: accepted by both or by neither.
    #[test]
    fn the_scanner_refuses_what_serde_refuses(value in any_json(), place: prop::sample::Index, with in "[\\x00-\\x7e]{0,3}", cut in 0..3_usize) {
        let text = serde_json::to_string(&value).expect("JSON");
        let start = place.index(text.len() + 1);
        let end = (start + cut).min(text.len());
        let (Some(front), Some(back)) = (text.get(..start), text.get(end..)) else { return Ok(()) };
        let changed = format!("{front}{with}{back}");
        let serde = serde_json::from_str::<serde::de::IgnoredAny>(&changed).is_ok();
        prop_assert_eq!(is_json(&changed), serde, "{}", changed);
    }

    /// The fields of an event in any order, with anything between them.
    #[test]
    fn fields_are_those_that_serde_gives(
        mut more in prop::collection::vec(("[a-z]{1,12}", any_json()), 0..5),
        endpoint in prop::option::of(any::<String>()),
        rule in prop::option::of("\\PC{0,9}"),
        port in prop::option::of(any::<u16>()),
        seed: u64,
    ) {
        more.retain(|(key, _)| !["conn", "endpoint", "rule", "decision", "reason", "hops", "at", "target"].contains(&&**key));
        let mut entries: Vec<(String, Value)> = more;
        entries.push(("endpoint".to_owned(), json!(endpoint)));
        entries.push(("rule".to_owned(), json!(rule)));
        entries.push(("conn".to_owned(), json!({"client_port": port, "client_ip": "2001:db8::1"})));
        let turn = usize::try_from(seed % entries.len() as u64).expect("few");
        entries.rotate_left(turn);
        let object: Vec<_> = entries.iter().map(|(key, value)| format!("{}: {value}", json!(key))).collect();
        let line = format!("{{\"object\":{{{}}}, \"event_type\" : \"http_request_complete.v0\"}}", object.join(","));
        let event = event(&line);
        prop_assert_eq!(event.kind(), EventKind::HttpRequestComplete);
        prop_assert_eq!(event.endpoint().and_then(Text::get).map(Cow::into_owned), endpoint);
        prop_assert_eq!(event.rule().and_then(Text::get).map(Cow::into_owned), rule);
        prop_assert_eq!(event.client_port, port);
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_event(&bytes);
    }
}
