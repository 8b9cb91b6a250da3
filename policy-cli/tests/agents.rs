//! `policy eval edge.yml --agent ngrok.yml`: what agents keep online at an edge.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

const EDGE: &str = r#"version: 1
agents: {listen: "127.0.0.1:4443", names: [edge.example.com]}
public_tcp_ports: 20000-20010
endpoints:
- name: ssh
  url: tcp://edge.example.com:22
  traffic_policy:
    on_tcp_connect:
    - actions: [{type: forward-internal, config: {url: "tcp://a.site.internal:22"}}]
internal_endpoints:
- {url: "tcp://*.site.internal:22", upstream: {url: "10.0.0.1:22"}}
- {url: "tcp://own.internal:22", upstream: {url: "10.0.0.2:22"}}
"#;

/// An agent with the endpoints of a list.
fn agent(endpoints: &[String]) -> String {
    format!(
        "version: 3\nagent: {{connect_url: \"edge.example.com:4443\"}}\nendpoints:\n{}",
        endpoints.concat()
    )
}

/// An endpoint; with rules for connections if there are some.
fn endpoint(name: &str, url: &str, rest: &str, rules: &str) -> String {
    let policy = match rules {
        "" => String::new(),
        rules => format!(", traffic_policy: {{on_tcp_connect: [{rules}]}}"),
    };
    format!("- {{name: {name}, url: \"{url}\", upstream: {{url: 22}}{rest}{policy}}}\n")
}

const DENY: &str = "{actions: [{type: deny}]}";

struct Site(TempDir);

impl Site {
    fn new(edge: &str, agents: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("edge.yml"), edge).expect("written");
        for (name, text) in agents {
            fs::write(folder.path().join(name), text).expect("written");
        }
        Self(folder)
    }

    /// Exit code and both outputs.
    fn eval(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
        let call = command.args(["eval", "edge.yml", "--ip", "192.0.2.1"]).args(args);
        let output = call.current_dir(&self.0).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout) + &text(output.stderr))
    }

    fn has(&self, args: &[&str], code: i32, words: &str) {
        let (found, said) = self.eval(args);
        assert!(found == Some(code) && said.contains(words), "{args:?}: {found:?}\n{said}");
    }
}

#[test]
fn an_endpoint_of_an_agent_takes_what_it_serves_more_specifically() {
    let near = agent(&[endpoint("near", "tcp://a.site.internal:22", "", DENY)]);
    let far = agent(&[endpoint("far", "tcp://*.internal:22", "", DENY)]);
    let site = Site::new(EDGE, &[("near.yml", near), ("far.yml", far)]);
    site.has(&["--endpoint", "ssh"], 0, "upstream 10.0.0.1:22");
    site.has(&["--endpoint", "ssh", "--agent", "far.yml"], 0, "upstream 10.0.0.1:22");
    for agents in [&["--agent", "near.yml"][..], &["--agent", "far.yml", "--agent", "near.yml"]] {
        let call = [&["--endpoint", "ssh", "--expect", "deny"][..], agents].concat();
        site.has(&call, 0, "decided by the policy of tcp://a.site.internal:22");
    }
    // Where an agent forwards to, the same holds.
    let gate = "{actions: [{type: forward-internal, config: {url: \"tcp://b.other.internal:22\"}}]}";
    let gate = agent(&[endpoint("gate", "tcp://a.site.internal:22", "", gate)]);
    let site = Site::new(
        EDGE,
        &[("gate.yml", gate), ("far.yml", agent(&[endpoint("far", "tcp://*.internal:22", "", DENY)]))],
    );
    site.has(&["--agent", "gate.yml"], 0, "assuming tcp://b.other.internal:22 is online");
    site.has(
        &["--agent", "gate.yml", "--agent", "far.yml"],
        0,
        "way: ssh → tcp://a.site.internal:22 → tcp://b.other.internal:22",
    );
    site.has(
        &["--agent", "gate.yml", "--agent", "far.yml"],
        0,
        "decided by the policy of tcp://b.other.internal:22",
    );
}

#[test]
fn agents_share_a_url_if_all_allow_it() {
    let pooled =
        |name, rules| agent(&[endpoint(name, "tcp://a.site.internal:22", ", pooling_enabled: true", rules)]);
    let alone = agent(&[endpoint("one", "tcp://a.site.internal:22", "", "")]);
    let files = [("one.yml", pooled("one", "")), ("two.yml", pooled("one", DENY)), ("alone.yml", alone)];
    let site = Site::new(EDGE, &files);
    site.has(
        &["--agent", "one.yml", "--agent", "two.yml"],
        0,
        "this answer is for `one of one.yml`\n  another draw gives: deny",
    );
    site.has(&["--agent", "two.yml", "--agent", "one.yml", "--expect", "allow"], 1, "got deny");
    // The same agent twice.
    site.has(&["--agent", "one.yml", "--agent", "one.yml", "--expect", "allow"], 0, "pool: ");
    let taken = "cannot be online: the endpoint `one` of `one.yml` serves tcp://a.site.internal:22, and not both allow pooling";
    site.has(&["--agent", "one.yml", "--agent", "alone.yml"], 2, taken);
    let own = agent(&[endpoint("mine", "tcp://own.internal:22", ", pooling_enabled: true", "")]);
    let site = Site::new(EDGE, &[("own.yml", own)]);
    site.has(
        &["--agent", "own.yml"],
        2,
        "the endpoint `tcp://own.internal:22` of `edge.yml` serves tcp://own.internal:22\n",
    );
}

#[test]
fn connections_come_in_at_public_endpoints_of_agents() {
    let public = |name, port| endpoint(name, &format!("tcp://edge.example.com:{port}"), "", DENY);
    let files = [
        ("a.yml", agent(&[public("jump", 20_000), public("beyond", 30_000)])),
        ("b.yml", agent(&[public("jump", 20_001), endpoint("ssh", "tcp://x.internal:22", "", "")])),
        ("c.yml", agent(&[public("other", 20_000)])),
    ];
    let site = Site::new(EDGE, &files);
    let both = ["--agent", "a.yml", "--agent", "b.yml"];
    let at = |endpoint: &'static str| [&both[..], &["--endpoint", endpoint]].concat();
    site.has(&["--agent", "a.yml", "--endpoint", "jump"], 0, "decided by the policy of jump");
    site.has(&at("tcp://edge.example.com:20001"), 0, "decided by the policy of tcp://edge.example.com:20001");
    let names = "`jump` is the name of an endpoint of `a.yml` and of one of `b.yml`; give its URL, e.g. `--endpoint \
                 tcp://edge.example.com:20000` or `--endpoint tcp://edge.example.com:20001`";
    site.has(&at("jump"), 2, names);
    site.has(&at("ssh"), 2, "is the name of an endpoint of `edge.yml` and of one of `b.yml`");
    site.has(
        &at("beyond"),
        2,
        "no address that agents may have there: these are edge.example.com, ports 20000 to 20010",
    );
    site.has(&both, 2, "`edge.yml` with its agents has several endpoints");
    site.has(&["--agent", "a.yml", "--agent", "c.yml"], 2, "public endpoints of an edge share no URL");
    let edge = EDGE.replace("public_tcp_ports: 20000-20010\n", "");
    let site = Site::new(&edge, &files);
    site.has(&["--agent", "a.yml", "--endpoint", "jump"], 2, "the edge has no `public_tcp_ports`");
    // Of what is not online nothing else is asked.
    site.has(
        &["--agent", "a.yml", "--endpoint", "ssh"],
        0,
        "note: a.yml:4: the edge does not bring the endpoint `jump` of `a.yml` online: the edge has no `public_tcp_ports`",
    );
}

/// An edge serves tcp alone; that is said once, however many cases ask.
#[test]
fn endpoints_of_other_protocols_are_not_online() {
    let web = endpoint("www", "https://www.example.com", "", DENY);
    let files = [
        ("a.yml", agent(&[web, endpoint("a", "tcp://a.site.internal:22", "", "")])),
        (
            "edge.test.yml",
            "policy: edge.yml\nagents: [a.yml]\ncases:\n  - {name: one, ip: 192.0.2.1, endpoint: ssh, expect: {forward: 'tcp://a.site.internal:22'}}\n  \
             - {name: two, ip: 192.0.2.1, endpoint: 'tcp://edge.example.com:10022', expect: {forward: 'tcp://a.site.internal:22'}}\n"
                .to_owned(),
        ),
    ];
    let note = "the edge does not bring the endpoint `www` of `a.yml` online: an edge serves tcp endpoints, not yet https\n";
    for edge in [EDGE.to_owned(), EDGE.replace("public_tcp_ports: 20000-20010\n", "")] {
        let site = Site::new(&edge, &files);
        site.has(&["--agent", "a.yml", "--endpoint", "ssh"], 0, note);
        let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
        let output = command.args(["test", "edge.test.yml"]).current_dir(&site.0).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(said.matches(note).count(), 1, "{}{said}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn wrong_calls_are_told() {
    let files = [
        ("a.yml", agent(&[endpoint("a", "tcp://a.site.internal:22", "", "")])),
        ("policy.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n".to_owned()),
        ("broken.yml", "version: 3\nagent: {}\nendpoints: [\n".to_owned()),
        (
            "geo.yml",
            agent(&[endpoint(
                "a",
                "tcp://a.site.internal:22",
                "",
                "{expressions: [\"conn.geo.country_code == 'DE'\"], actions: [{type: deny}]}",
            )]),
        ),
    ];
    let site = Site::new(EDGE, &files);
    for other in ["policy.yml", "edge.yml"] {
        site.has(&["--agent", other], 2, &format!("--agent: `{other}` is no configuration of an agent"));
    }
    site.has(&["--agent", "none.yml"], 2, "cannot read `none.yml`");
    site.has(&["--agent", "broken.yml"], 2, "`broken.yml` is not a usable configuration");
    site.has(&["--agent", "-", "--agent", "-"], 2, "standard input cannot be more than one of the files");
    site.has(
        &["--agent", "geo.yml"],
        2,
        "its policy reads `conn.geo.country_code`, and an edge has no source for it",
    );
    let closed = Site::new(&EDGE.replace("agents: {listen: \"127.0.0.1:4443\", names: [edge.example.com]}\npublic_tcp_ports: 20000-20010\n", ""), &files);
    closed.has(&["--agent", "a.yml"], 2, "the edge takes no agents");
    for subject in ["policy.yml", "a.yml"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
        let call =
            command.args(["eval", subject, "--ip", "192.0.2.1", "--agent", "a.yml"]).current_dir(&site.0);
        let output = call.output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && said.contains("is no edge configuration"), "{said}");
    }
}

#[test]
fn policies_of_agents_have_the_steps_that_an_edge_gives_them() {
    let heavy = "lists.range(100).all(x, lists.range(100).all(y, x + y + conn.client_port >= 0))";
    let rules = format!("{{expressions: [\"{heavy}\"], actions: [{{type: deny}}]}}");
    let site = Site::new(EDGE, &[("a.yml", agent(&[endpoint("a", "tcp://a.site.internal:22", "", &rules)]))]);
    site.has(
        &["--agent", "a.yml", "--set", "conn.client_port=5", "--expect", "error"],
        0,
        "decided by the policy of tcp://a.site.internal:22",
    );
    // The operator's own have more.
    let policy =
        format!("traffic_policy: {{on_tcp_connect: [{rules}]}}, upstream: {{url: \"10.0.0.1:22\"}}}}");
    let own = EDGE.replacen("upstream: {url: \"10.0.0.1:22\"}}", &policy, 1);
    let site = Site::new(&own, &[]);
    site.has(
        &["--set", "conn.client_port=5", "--expect", "deny"],
        0,
        "decided by the policy of tcp://a.site.internal:22",
    );
}

/// What is the same whoever serves an endpoint: outcome and target, and the way.
fn decided(said: &str) -> (&str, &str) {
    let part = |begin: &str, end: &str| {
        let (_, rest) = said.split_once(begin).expect(said);
        rest.split_once(end).expect(said).0
    };
    (part("\"outcome\":", ",\"rule\":"), part("\"way\":", ",\"upstream\":"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// It makes no difference which of an edge and its agents has an endpoint.
    #[test]
    fn who_has_an_endpoint_decides_nothing(
        endpoints in vec((0..3_usize, 0..4_usize, 0..6_usize), 6),
        target in 0..6_usize,
    ) {
        const URLS: [&str; 6] =
            ["tcp://*.internal:1", "tcp://a.internal:1", "tcp://*.b.internal:1", "tcp://c.b.internal:1", "tcp://b.internal:1", "tcp://*.c.b.internal:1"];
        const TARGETS: [&str; 6] =
            ["tcp://a.internal:1", "tcp://c.b.internal:1", "tcp://d.b.internal:1", "tcp://b.internal:1", "tcp://x.c.b.internal:1", "tcp://x.internal:1"];
        let forward = |at: usize, on_error: &str| {
            let url = TARGETS.get(at).copied().unwrap_or_default();
            format!("{{type: forward-internal, config: {{url: \"{url}\"{on_error}}}}}")
        };
        let entry = format!("{{actions: [{}]}}", forward(target, ""));
        let mut edge = EDGE.split("endpoints:\n").next().unwrap_or_default().to_owned();
        edge.push_str(&format!("endpoints: [{{name: e, url: \"tcp://e.example:1\", traffic_policy: {{on_tcp_connect: [{entry}]}}}}]\ninternal_endpoints:\n"));
        let (mut all, mut own) = (edge.clone(), edge);
        let mut brought = [Vec::new(), Vec::new()];
        for (at, ((whose, kind, to), url)) in endpoints.iter().zip(URLS).enumerate() {
            let rules = match kind {
                0 => String::new(),
                1 => DENY.to_owned(),
                2 => format!("{{actions: [{}]}}", forward(*to, "")),
                _ => format!("{{actions: [{}, {{type: deny}}]}}", forward(*to, ", on_error: continue")),
            };
            let item = endpoint("NAME", url, "", &rules).replace("name: NAME, ", "");
            all.push_str(&item);
            match brought.get_mut(*whose) {
                Some(list) => list.push(item.replacen('{', &format!("{{name: n{at}, "), 1)),
                None => own.push_str(&item),
            }
        }
        // Without one it is an empty list.
        own.push_str("- {url: \"tcp://none.internal:9\", upstream: {url: 22}}\n");
        let files = [("all.yml", all), ("one.yml", agent(&brought[0])), ("two.yml", agent(&brought[1]))];
        let site = Site::new(&own, &files);
        let mut call = vec!["--format", "json"];
        for (list, file) in brought.iter().zip(["one.yml", "two.yml"]) {
            if !list.is_empty() {
                call.extend(["--agent", file]);
            }
        }
        let (code, parted) = site.eval(&call);
        // Circles within a file are no configuration.
        prop_assume!(!parted.contains("TP447"));
        prop_assert_eq!(code, Some(0), "{}", parted);
        std::fs::copy(site.0.path().join("all.yml"), site.0.path().join("edge.yml")).expect("copied");
        let (code, whole) = site.eval(&["--format", "json"]);
        prop_assume!(!whole.contains("TP447"));
        prop_assert_eq!(code, Some(0), "{}", whole);
        prop_assert_eq!(decided(&parted), decided(&whole));
    }
}
