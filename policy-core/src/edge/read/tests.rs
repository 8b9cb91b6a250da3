//! `edge.yml` through [`load_edge`].

use super::*;
use crate::edge::{EdgeLimits, SourceShare, endpoint_share};
use crate::schema::Below;
use crate::url::EndpointUrl;

fn read(text: &str) -> (Option<EdgeConfig>, Vec<String>) {
    let source = Source::new("edge.yml", text);
    let (config, found) = load_edge(&source);
    let lines =
        found.iter().map(|d| format!("{} {} {}", source.position(d.span.start), d.code.id, d.message));
    (config, lines.collect())
}

const DENY: &str = "traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}";

#[test]
fn defaults_fill_what_is_not_given() {
    let (config, found) =
        read(&format!("version: 1\nendpoints:\n  - name: a\n    url: tcp://e.example:20022\n    {DENY}\n"));
    assert_eq!(found, Vec::<String>::new());
    let config = config.expect("no errors");
    assert_eq!(config.limits, EdgeLimits::default());
    assert_eq!(config.events, [EventSink::Stdout]);
    assert_eq!(config.endpoints[0].listen.value.to_string(), "[::]:20022");
}

#[test]
fn everything_given_is_read() {
    let (config, found) = read(
        "version: 1
state_dir: /var/lib/edge
endpoints:
  - name: a
    url: tcp://edge:1
    listen: 127.0.0.1:2
    traffic_policy_file: a.yml
internal_endpoints:
  - {url: \"tcp://*.site.internal:22\", upstream: {url: 10.0.0.7:22}}
  - {url: \"tcp://b.site.internal:22\", upstream: {url: 22}}
events:
  - {type: file, path: e.jsonl}
  - {type: file, path: f.jsonl, max_bytes: 1048576}
limits: {max_connections: 5, connect_timeout: 3s, half_close_timeout: 90s, max_hops: 2}
shutdown: {drain: 0s}
",
    );
    assert_eq!(found, Vec::<String>::new());
    let config = config.expect("no errors");
    assert_eq!(&*config.state_dir, "/var/lib/edge");
    let file = |path: &str, max_bytes| EventSink::File { path: path.into(), max_bytes };
    assert_eq!(config.events, [file("e.jsonl", 100 << 20), file("f.jsonl", 1 << 20)]);
    assert_eq!((config.limits.max_connections, config.limits.max_hops), (Some(5), 2));
    assert_eq!(config.drain, Duration::ZERO);
    let serves = |url: &str| config.internal_endpoint(&EndpointUrl::parse(url).expect("a URL"));
    assert_eq!(serves("tcp://b.site.internal:22"), Some(1));
    assert_eq!(serves("tcp://c.site.internal:22"), Some(0));
    assert_eq!(serves("tcp://c.other.internal:22"), None);
}

#[test]
fn several_faults_are_found_at_their_places() {
    let (config, found) = read(
        "version: 2
endpoint: []
endpoints:
  - name: a
    url: https://edge
    listen: here
    traffic_policy_file: a.yml
  - name: b
    url: tcp://edge:1
    traffic_policy:
      on_tcp_connect: [{actions: [{type: dney}]}]
  - {name: c, url: \"tcp://edge:2\"}
internal_endpoints:
  - {url: \"tcp://a.example:22\", upstream: {url: example.org}}
limits: {max_connections: 0, connect_timeout: 3}
",
    );
    assert!(config.is_none());
    assert_eq!(
        found,
        [
            "1:10 TP308 `version` is out of range: `2`",
            "2:1 TP302 unknown field `endpoint` in the edge configuration",
            "5:10 TP601 `https://` on an edge is not supported by this version",
            "6:13 TP451 `here` is not an address and a port",
            "11:42 TP305 unknown action `dney`",
            "12:5 TP454 the endpoint has no policy",
            "14:11 TP442 `tcp://a.example:22` is not an internal endpoint",
            "14:49 TP456 `example.org` is not an upstream: it has no port",
            "15:27 TP308 `max_connections` is out of range: `0`",
            "15:47 TP308 `connect_timeout` cannot be `3`",
        ]
    );
}

#[test]
fn event_files_have_a_limit() {
    for (sink, expected) in [
        ("{type: file, path: e, max_bytes: 0}", "`max_bytes` is out of range: `0`"),
        ("{type: file, path: e, max_bytes: 1048575}", "`max_bytes` is out of range: `1048575`"),
        ("{type: stdout, max_bytes: 1048576}", "standard output has no `max_bytes`"),
    ] {
        let (_, found) = read(&format!(
            "version: 1\nendpoints: [{{name: a, url: \"tcp://e:22\", {DENY}}}]\nevents: [{sink}]\n"
        ));
        assert!(found.len() == 1 && found[0].ends_with(expected), "{found:?}");
    }
}

#[test]
fn shares_are_parts_of_all() {
    let endpoint = |more: &str| format!("endpoints: [{{name: a, url: \"tcp://e:22\", {more}{DENY}}}]\n");
    let (config, found) = read(&format!(
        "version: 1\n{}limits: {{max_connections: 8, max_connections_per_source: 3, max_agents: 4, max_agents_per_authtoken: 3}}\n",
        endpoint("max_connections: 5, ")
    ));
    assert_eq!(found, Vec::<String>::new());
    let config = config.expect("no errors");
    let source = |endpoint, all| SourceShare { endpoint, all };
    assert_eq!((config.limits.source_share(8), config.limits.authtoken_share()), (source(3, 3), 3));
    let given = config.endpoints[0].max_connections.as_ref().map(|it| it.value);
    assert_eq!([endpoint_share(given, 8, true), endpoint_share(given, 3, true)], [5, 3]);

    let (config, found) = read(&format!("version: 1\n{}", endpoint("")));
    assert_eq!(found, Vec::<String>::new());
    let limits = config.expect("no errors").limits;
    assert_eq!(limits.authtoken_share(), 500);
    for (all, at_one, in_all) in [(10_000, 2_500, 5_000), (40, 16, 20), (20, 16, 16), (3, 3, 3)] {
        assert_eq!(limits.source_share(all), source(at_one, in_all), "of {all}");
    }
    let shares =
        [(200, true), (200, false), (1, true)].map(|(all, others)| endpoint_share(None, all, others));
    assert_eq!(shares, [100, 200, 1]);

    let (_, found) = read(&format!(
        "version: 1\n{}limits: {{max_connections: 8, max_connections_per_source: 9, max_agents_per_authtoken: 1001}}\n",
        endpoint("max_connections: 10, ")
    ));
    let found = found.join("\n");
    for part in [
        "`max_connections: 10` is more than `limits.max_connections`, which is 8",
        "`max_connections_per_source: 9` is more than `limits.max_connections`, which is 8",
        "`max_agents_per_authtoken: 1001` is more than `limits.max_agents`, which is 1000",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

/// However the own address is written.
#[test]
fn an_edge_may_not_feed_itself_under_another_name() {
    for (listen, upstream) in [
        ("127.0.0.1:22", "[::ffff:127.0.0.1]:22"),
        ("[::1]:22", "localhost:22"),
        ("[::]:22", "127.9.9.9:22"),
        ("0.0.0.0:22", "22"),
    ] {
        let (_, found) = read(&format!(
            "version: 1\nendpoints: [{{name: a, url: \"tcp://e:22\", listen: \"{listen}\", {DENY}}}]\n\
             internal_endpoints: [{{url: \"tcp://d.internal:22\", upstream: {{url: \"{upstream}\"}}}}]\n"
        ));
        assert!(found.iter().any(|line| line.contains("TP457")), "{listen} {upstream}: {found:?}");
    }
}

#[test]
fn an_edge_may_not_feed_itself() {
    let (_, found) = read(&format!(
        "version: 1\nendpoints: [{{name: a, url: \"tcp://e:22\", {DENY}}}, {{name: a, url: \"tcp://e:22\", {DENY}}}]\n\
         internal_endpoints: [{{url: \"tcp://d.internal:22\", upstream: {{url: 22}}}}]\n"
    ));
    let ids: Vec<_> = found.iter().map(|line| line.split(' ').nth(1).expect("an id")).collect();
    assert_eq!(ids, ["TP453", "TP453", "TP457"], "{found:?}");
}

#[test]
fn the_last_endpoint_may_be_taken_away() {
    let (config, found) = read("version: 1\nendpoints: []\n");
    assert!(config.is_some_and(|config| config.endpoints.is_empty()));
    assert_eq!(found, ["2:1 TP303 the edge has no endpoint: nothing listens"]);
    let (config, _) = read("version: 1\n");
    assert!(config.is_none(), "a key that is not there was lost");
}

/// Every declared field, those below others included.
fn every(declared: Declared) -> Vec<&'static dyn crate::schema::Declaration> {
    let below = |field: &&'static dyn crate::schema::Declaration| match field.below() {
        Below::Nothing => Vec::new(),
        Below::Map(declared) | Below::List(declared) => every(declared),
    };
    declared.iter().flat_map(|field| below(field).into_iter().chain([*field])).collect()
}

#[test]
fn what_takes_the_place_of_a_field_is_a_value() {
    let fields = every(TOP_FIELDS);
    assert!(fields.len() > 40);
    for field in fields {
        assert!(field.default_is_sound(), "{}", field.name());
        assert!(field.doc().ends_with('.'), "{}", field.name());
    }
}
