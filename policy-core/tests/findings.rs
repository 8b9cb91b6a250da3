//! What is said of files that are wrong: the code, its place, and how often.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostic, Diagnostics};
use policy_core::lint::{DocumentKind, lint};
use policy_core::source::Source;

/// A file that was looked at.
struct Looked {
    source: Source,
    found: Diagnostics,
}

impl Looked {
    fn at(text: &str) -> Self {
        let source = Source::new("p.yml", text);
        let found = lint(&source, Some(DocumentKind::Policy), &CheckOptions::default()).diagnostics;
        Self { source, found }
    }

    /// Place and code of each finding.
    fn codes(&self) -> Vec<String> {
        let show = |item: &Diagnostic| format!("{} {}", self.source.position(item.span.start), item.code.id);
        self.found.iter().map(show).collect()
    }

    fn only(&self) -> &Diagnostic {
        let all: Vec<_> = self.found.iter().collect();
        let [only] = all[..] else { panic!("{all:#?}") };
        only
    }

    /// The second places of all findings.
    fn labels(&self) -> Vec<String> {
        let labels = self.found.iter().flat_map(|item| &item.labels);
        labels
            .map(|label| format!("{} {}", self.source.position(label.span().start), label.message))
            .collect()
    }
}

fn codes(text: &str) -> Vec<String> {
    Looked::at(text).codes()
}

#[test]
fn labels_of_data_flow_point_at_the_setter() {
    let conditional = "\
on_tcp_connect:
  - expressions: [conn.client_port > 1000]
    actions:
      - type: set-vars
        config:
          vars:
            - zone: office
  - expressions:
      - \"vars.zone == 'office'\"
    actions: [{type: log, config: {metadata: {zone: \"in ${vars.zone}\"}}}]
";
    let looked = Looked::at(conditional);
    assert_eq!(looked.labels()[0], "7:15 set here, if the conditions of this rule hold");
    assert!(looked.labels().iter().all(|label| label.starts_with("7:15 ")), "{:?}", looked.labels());
    let late = "\
on_tcp_connect:
  - actions: [{type: log, config: {metadata: {zone: \"in ${'a' + vars.zone}\"}}}]
  - actions: [{type: set-vars, config: {vars: [{zone: office}]}}]
";
    assert_eq!(Looked::at(late).labels(), ["3:49 set here"]);
    let other_phase = "\
on_http_request:
  - actions: [{type: set-vars, config: {vars: [{zone: office}]}}]
on_http_response:
  - actions: [{type: log, config: {metadata: {zone: \"${vars.zone}\"}}}]
";
    assert_eq!(Looked::at(other_phase).labels(), ["2:49 set here"]);
    let result = "\
on_http_request:
  - expressions: [\"actions.ngrok.basic_auth.credentials.authorized\"]
    actions: [{type: deny}]
  - actions: [{type: basic-auth, config: {credentials: [\"${secrets.get('a', 'b')}\"], enforce: false}}]
";
    assert_eq!(Looked::at(result).labels(), ["4:22 this action sets it"]);
}

fn helps(text: &str) -> Vec<String> {
    Looked::at(text).found.iter().map(|item| item.help.clone().expect("a help")).collect()
}

#[test]
fn a_version_may_stand_in_quotes() {
    for version in ["3", "\"3\"", "'3'"] {
        assert_eq!(codes(&format!("version: {version}\nagent: {{authtoken: x}}\n")), Vec::<String>::new());
    }
    assert_eq!(
        codes("version: \"2\"\nauthtoken: x\ntunnels: {ssh: {proto: tcp, addr: 22}}\n"),
        ["1:1 TP465"]
    );
    let wrong = |version: &str| {
        let looked = Looked::at(&format!("version: {version}\nagent: {{authtoken: x}}\n"));
        let only = looked.only();
        (only.code.id, only.help.clone().expect("a help"))
    };
    let range = || "give a whole number from 2 to 3".to_owned();
    for version in ["\"v3\"", "3.0", "\"3.0\"", "\"\"", "[3]"] {
        assert_eq!(wrong(version).0, "TP301", "{version}");
    }
    assert_eq!(wrong("3.0"), ("TP301", range()));
    assert_eq!(wrong("\"4\""), ("TP308", range()));
    let edge = "version: \"1\"\nendpoints:\n  - {name: a, url: \"tcp://a.example:1\", \
                traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}\n";
    assert_eq!(codes(edge), Vec::<String>::new());
}

#[test]
fn version_2_keeps_its_own_names() {
    let old = "version: 2\nauthtoken: x\nregion: eu\nroot_cas: trusted\nserver_addr: \"a.example:443\"\n\
               tunnels: {ssh: {proto: tcp, addr: 22, policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}}\n";
    assert_eq!(codes(old), ["1:1 TP465", "3:1 TP306"]);
    assert!(Looked::at(old).found.iter().all(|item| item.fix.is_none()));
    // A field that is wrong goes by the name it has in the file.
    let looked = Looked::at("version: 2\nserver_addr: 1\n");
    assert!(looked.found.iter().any(|item| item.message.starts_with("`server_addr`")), "{:?}", looked.found);
    let unknown = &helps("version: 2\nauthtokn: x\nfoo: 1\n");
    assert_eq!(unknown[1], "did you mean `authtoken`?");
    assert!(unknown[2].contains("`server_addr`") && !unknown[2].contains("`agent`"), "{unknown:?}");
    // Without a version, the layout tells which one it is.
    assert!(helps("authtoken: x\ntunnels: {}\n").contains(&"add `version: 2`".to_owned()));
    assert!(helps("agent: {authtoken: x}\n").contains(&"add `version: 3`".to_owned()));
    // In version 3 they are older names.
    assert_eq!(codes("version: 3\nagent: {root_cas: trusted}\n"), ["2:9 TP306"]);
    assert_eq!(codes("version: 3\nagent: {region: eu}\n"), ["2:9 TP302"]);
}

#[test]
fn what_follows_from_a_misspelt_field_is_not_said() {
    let config = |kind: &str, config: &str| {
        codes(&format!("on_tcp_connect:\n  - actions: [{{type: {kind}, config: {{{config}}}}}]\n"))
    };
    assert_eq!(config("restrict-ips", "allow_cidrs: [203.0.113.0/24]"), ["2:45 TP302"]);
    assert_eq!(config("forward-internal", "target: \"tcp://a.internal:22\""), ["2:49 TP302"]);
    assert_eq!(config("forward-internal", ""), ["2:22 TP303"]);
    assert_eq!(codes("on_tcp_connect:\n  - then: [{type: deny}]\n"), ["2:5 TP302"]);
    assert_eq!(codes("on_tcp_connect:\n  - actions: [{typ: deny}]\n"), ["2:16 TP302"]);
    assert_eq!(codes("verison: 3\nagent: {authtoken: x}\n"), ["1:1 TP302"]);
    assert_eq!(codes("version: 3\nagnet: {authtoken: x}\n"), ["2:1 TP302"]);
}

#[test]
fn helps_fit_the_value() {
    let help = |action: &str| helps(&format!("on_http_request:\n  - actions: [{action}]\n")).remove(0);
    let limit = |capacity: &str| {
        help(&format!(
            "{{type: rate-limit, config: {{name: a, algorithm: sliding_window, capacity: {capacity}, rate: 1m, \
             bucket_key: [conn.client_ip]}}}}"
        ))
    };
    assert_eq!(limit("1.5"), "give a whole number from 1 to 2000000000");
    assert_eq!(limit("ten"), "give a whole number from 1 to 2000000000");
    assert_eq!(limit("\"10\""), "write the number without quotes");
    let trip = |duration: &str| {
        help(&format!(
            "{{type: circuit-breaker, config: {{error_threshold: 0.5, tripped_duration: {duration}}}}}"
        ))
    };
    assert_eq!(trip("120"), "add a unit, e.g. `2m`");
    assert_eq!(trip("120000"), "add a unit: `2m` if it is in milliseconds");
    assert_eq!(trip("120000000000"), "add a unit: `2m` if it is in nanoseconds");
    let generic = "a duration has a unit; write a duration, 1s to 2m, e.g. `30s`";
    assert_eq!(trip("120000000001"), generic);
    assert_eq!(trip("121"), generic);
    let retry = |condition: &str| {
        codes(&format!(
            "on_http_request:\n  - actions:\n      - type: http-request\n        config: \
             {{url: https://a.example, retry_condition: {condition}}}\n"
        ))
    };
    for setting in ["false", "\"false\"", "\"attempts < 3\""] {
        assert_eq!(retry(setting), Vec::<String>::new(), "{setting}");
    }
    assert_eq!(retry("\"true\""), ["4:60 TP213"]);
}

/// A policy of one condition.
fn condition(expression: &str) -> String {
    format!("on_tcp_connect:\n  - expressions:\n      - {expression}\n    actions: [{{type: deny}}]\n")
}

#[test]
fn nothing_is_said_of_what_a_tag_has_left() {
    for expression in ["!has(conn.geo.city)", "!(conn.client_port in [1, 2]) && true", "!x", "*x == 1", "!"] {
        assert_eq!(codes(&condition(expression)).len(), 1, "{expression}");
    }
    assert_eq!(codes(&condition("conn.client_port > 1\n       - conn.client_port < 3")), ["4:8 TP115"]);
    let merged = "on_tcp_connect:
  - actions:
      - type: restrict-ips
        config: &o {allow: [203.0.113.0/24, \"2001:db8::/32\"]}
      - type: restrict-ips
        config: {<<: *o, enforce: true}
      - type: set-vars
        config: {vars: [&v {a: 1}]}
      - type: log
        config: {metadata: {<<: *v, b: \"${vars.a}\"}}
";
    assert_eq!(codes(merged), ["6:18 TP113", "10:29 TP113"]);
    let headers = "on_http_request:
  - actions:
      - {type: add-headers, config: {headers: &h {x-a: b}}}
      - {type: add-headers, config: {headers: {<<: *h}}}
";
    assert_eq!(codes(headers), ["4:48 TP113"]);
}

#[test]
fn comments_that_cut_expressions_are_told() {
    let one = |text: &str| {
        let looked = Looked::at(text);
        let only = looked.only();
        format!("{} {} {}", looked.codes()[0], only.severity.name(), only.help.as_deref().expect("a help"))
    };
    let help = "put the whole expression in quotes, or remove the part after ` #`";
    for (expression, place, severity) in [
        ("conn.client_port == 22 # && conn.client_port == 1", "3:32", "warning"),
        ("conn.client_port == 22\t#|| conn.client_port == 1", "3:32", "warning"),
        ("conn.geo.city == 'a #b'", "3:29", "error"),
        ("conn.client_port in [1, # 2]", "3:33", "error"),
        ("(conn.client_port == 1 # || true)", "3:32", "error"),
        ("conn.client_port == # 2", "3:29", "error"),
        ("conn.client_port == 22 # ? true : false", "3:32", "warning"),
        ("conn.client_port == 22 # && conn.geo.city == 'a' # b", "3:32", "warning"),
        ("conn.client_port == 22 # || !conn.client_ip.is_tor_node for now", "3:32", "warning"),
        ("conn.client_port == 22 # + 1 - conn.server_port", "3:32", "warning"),
    ] {
        assert_eq!(one(&condition(expression)), format!("{place} TP225 {severity} {help}"), "{expression}");
    }
    for expression in [
        "conn.client_port == 22 # ssh",
        "\"conn.geo.city == 'a #b'\"",
        "conn.geo.city == 'a#b'",
        "conn.client_port == 22 # == section ==",
        "conn.client_port == 22 # a && b explained",
        "conn.client_port == 22 # && see below",
        "conn.client_port == 22 # - ssh",
        "conn.client_port == 22 # - 1",
        "conn.client_port == 22 # in the office",
        "conn.client_port == 22 # ? why",
        "conn.client_port == 22 # // ssh",
        "conn.client_port == 22 # [ssh]",
        "conn.client_port == 22 # ...",
    ] {
        assert_eq!(codes(&condition(expression)), Vec::<String>::new(), "{expression}");
    }
    let text = "on_tcp_connect:\n  - actions:\n      - type: log\n        config:\n          metadata:\n            \
                a: ${conn.geo.city == 'a #b'}\n";
    assert_eq!(codes(text), ["6:38 TP225"]);
    let key = |key: &str| {
        codes(&format!(
            "on_http_request:\n  - actions:\n      - type: rate-limit\n        config:\n          name: a\n          \
             algorithm: sliding_window\n          capacity: 5\n          rate: 1m\n          bucket_key:\n            \
             - {key}\n"
        ))
    };
    assert_eq!(key("conn.client_ip # + req.host"), ["10:30 TP225"]);
    assert_eq!(key("getReqHeader('x-a') # [0]"), ["10:35 TP225"]);
    assert_eq!(key("conn.client_ip # the address"), Vec::<String>::new());
}

#[test]
fn one_fault_is_told_once() {
    let phase = |rest: &str| codes(&format!("on_tcp_connect:\n{rest}"));
    assert_eq!(phase("  type: deny\n"), ["2:3 TP307"]);
    assert_eq!(phase("  actions: [{type: deny}]\n"), ["2:3 TP315"]);
    let lists = |lists: &str| {
        codes(&format!("on_tcp_connect:\n  - actions:\n      - type: restrict-ips\n        config:\n{lists}"))
    };
    let allow = "          allow: [10.0.0.0/8]\n";
    assert_eq!(lists(&format!("{allow}{allow}")), ["6:11 TP105"]);
    assert_eq!(lists(&format!("          allow: []\n{allow}")), ["6:11 TP105"]);
    assert_eq!(lists(allow), ["5:11 TP436"]);
    assert_eq!(codes("version: \"03\"\nagent: {authtoken: x}\n"), ["1:10 TP308"]);
    assert_eq!(helps("version: \"03\"\nagent: {authtoken: x}\n"), ["write `3`"]);
    let log = |map: &str| {
        helps(&format!(
            "on_tcp_connect:\n  - actions: [{{type: log, config: {{metadata: {{{map}}}}}}}, {{type: deny}}]\n"
        ))
    };
    assert_eq!(log("1: a, 1: b"), ["merge the two, or remove one"]);
    assert!(log("1: a, \"1\": b").concat().starts_with("with and without quotes it is one key"));
    assert_eq!(log("1: a, \"2\": b"), Vec::<String>::new());
    let webhook = |secret: &str| {
        codes(&format!(
            "on_http_request:\n  - actions: [{{type: verify-webhook, config: {{provider: github, secret: {secret}}}}}]\n"
        ))
    };
    assert_eq!(webhook("!x"), ["2:73 TP110"]);
    assert_eq!(webhook("!secret x"), ["2:73 TP110"]);
    for expressions in ["!hasReqHeader('a')", "! hasReqHeader('a')", "!", "!!x"] {
        let policy =
            format!("on_http_request:\n  - expressions: {expressions}\n    actions: [{{type: deny}}]\n");
        assert_eq!(codes(&policy), ["2:18 TP110"], "{expressions}");
    }
}

#[test]
fn characters_that_look_like_others_are_named_once() {
    let help = |text: &str| {
        let looked = Looked::at(text);
        let only = looked.only();
        format!("{}: {}", only.message, only.help.as_deref().expect("a help"))
    };
    for (expression, said) in [
        ("conn.geo.city == ‘a’", "`‘` (U+2018) looks like `'`: write `'`"),
        ("conn.client_port ==\u{a0}1", "U+00A0 is not a plain space: write ` `"),
        ("\u{441}onn.client_port == 1", "`\u{441}` (U+0441) looks like `c`: write `c`"),
        ("conn.client_port == 1\u{200b}", "U+200B cannot be seen: remove it"),
        ("conn.client_port ≥ 1", "`≥` (U+2265) looks like `>=`: write `>=`"),
        ("conn.client_port － 1 == 0", "`－` (U+FF0D) looks like `-`: write `-`"),
    ] {
        assert_eq!(help(&condition(expression)), said, "{expression}");
    }
    assert_eq!(codes(&condition("conn.geo.city == 'a\u{200b}b'")), ["3:28 TP102"]);
    assert_eq!(codes(&condition("conn.geo.city == 'Büro – 7'")), Vec::<String>::new());
    for (policy, said) in [
        ("on_tcp_c\u{43e}nnect: []\n", "did you mean `on_tcp_connect`? `\u{43e}` (U+043E) looks like `o`"),
        (
            "on_tcp_connect: [{\u{430}ctions: []}]\n",
            "did you mean `actions`? `\u{430}` (U+0430) looks like `a`",
        ),
        (
            "on_tcp_connect: [{actions: [{type: d\u{435}ny}]}]\n",
            "did you mean `deny`? `\u{435}` (U+0435) looks like `e`",
        ),
        (
            "on_tcp_connect: [{actions: [{type: deny, con\u{200b}fig: {}}]}]\n",
            "did you mean `config`? U+200B cannot be seen",
        ),
    ] {
        assert!(help(policy).ends_with(said), "{}", help(policy));
    }
}

#[test]
fn entries_that_are_no_networks_get_the_help_that_fits() {
    let entry = |entry: &str| {
        let policy = format!(
            "on_tcp_connect:\n  - actions: [{{type: restrict-ips, config: {{allow: [\"{entry}\", \"0.0.0.0/0\", \"::/0\"]}}}}]\n"
        );
        let looked = Looked::at(&policy);
        let only = looked.only();
        format!("{} {}", only.code.id, only.help.as_deref().expect("a help"))
    };
    for (text, said) in [
        ("010.0.0.1", "TP431 write `10.0.0.1/32`, if that is meant"),
        ("10.0.0.0/08", "TP431 write `10.0.0.0/8`, if that is meant"),
        ("0.0.0.0/00", "TP431 write `0.0.0.0/0`, if that is meant"),
        ("2001:db8::/032", "TP431 write `2001:db8::/32`, if that is meant"),
        ("10.0.0.0/255.0.0.0", "TP431 write `10.0.0.0/8`: the mask as a length"),
        ("10.0.0.0/255.0.255.0", "TP431 write a length such as `/24`"),
        (" 10.0.0.0/8", "TP431 write `10.0.0.0/8`: without spaces"),
        ("10.0.0.0/8\u{200b}", "TP431 write `10.0.0.0/8`: U+200B cannot be seen"),
        ("10.0.0.0∕8", "TP431 write `10.0.0.0/8`: `∕` (U+2215) looks like `/`"),
        ("10.0.0.0/8, 11.0.0.0/8", "TP431 write each network as an entry of its own"),
        ("10.0.0.*", "TP431 write `10.0.0.0/24`: the stars as a length"),
        ("::ffff:10.0.0.0/64", "TP433 write the IPv4 network itself"),
    ] {
        assert!(entry(text).starts_with(said), "{text}: {}", entry(text));
    }
}

#[test]
fn what_is_given_twice_is_told_once_and_checked() {
    let json = r#"{"on_tcp_connect":[{"actions":[{"type":"deny"}]}],"on_tcp_connect":[]}"#;
    assert_eq!(codes(json), ["1:51 TP105"]);
    let second = "on_tcp_connect: [{actions: [{type: deny}]}]\non_tcp_connect:\n  - actions: [{type: dney}, {type: deny}, {type: deny}]\n";
    assert_eq!(codes(second), ["2:1 TP105", "3:22 TP305", "3:50 TP404"]);
    let fields = "on_tcp_connect:
  - actions: [{type: deny}]
    actions: [{type: lgo}]
    expressions: [conn.client_port == 1]
    expressions: [b == 1]
  - actions: [{type: log, config: {metadata: {a: 1}}, config: {metdata: {}}}]
";
    assert_eq!(
        codes(fields),
        ["3:5 TP105", "3:22 TP305", "5:5 TP105", "5:19 TP204", "6:55 TP105", "6:64 TP302"]
    );
    let headers =
        "on_http_request: [{actions: [{type: add-headers, config: {headers: {x-a: b, x-a: c}}}]}]\n";
    assert_eq!(codes(headers), ["1:77 TP105"]);
    let list = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [\"::/0\", 0.0.0.0/0], allow: [10.0.0.0/33]}}]}]\n";
    assert_eq!(codes(list), ["1:87 TP105", "1:95 TP431"]);
}

#[test]
fn nothing_follows_from_a_misspelt_phase_or_action() {
    let phase = "on_http_reqest:\n  - actions: [{type: set-vars, config: {vars: [{a: 1}]}}]\n  - expressions: [vars.a == 1]\n    actions: [{type: dney}]\n";
    assert_eq!(codes(phase), ["1:1 TP304", "4:22 TP305"]);
    let action = "on_http_request:
  - actions: [{type: basic-auht, config: {credentials: [\"${secrets.get('a', 'b')}\"]}}]
  - actions: [{type: set-vars, config: {vras: [{a: 1}]}}]
  - expressions: [\"actions.ngrok.basic_auth.credentials.authorized && vars.a == 1\"]
    actions: [{type: deny}]
";
    assert_eq!(codes(action), ["2:22 TP305", "3:41 TP302"]);
}

#[test]
fn placeholders_are_found_inside_of_texts() {
    let one = |text: &str| {
        let looked = Looked::at(text);
        let first = looked.found.iter().find(|item| item.code.id == "TP313").expect("a placeholder");
        (looked.codes().len(), looked.source.slice(first.span).to_owned())
    };
    let host =
        "on_http_request: [{expressions: [\"req.host.endsWith('.$MY_DOMAIN')\"], actions: [{type: deny}]}]\n";
    assert_eq!(one(host), (1, "$MY_DOMAIN".to_owned()));
    let header = "on_http_request: [{actions: [{type: add-headers, config: {headers: {authorization: \"Bearer <TOKEN>\"}}}]}]\n";
    assert_eq!(one(header), (1, "<TOKEN>".to_owned()));
    let list =
        "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [\"{{ip}}/32\", \"::/0\"]}}]}]\n";
    assert_eq!(one(list), (1, "{{ip}}".to_owned()));
    let key = "on_http_request: [{actions: [{type: rate-limit, config: {name: a, algorithm: sliding_window, capacity: 1, rate: 1m, bucket_key: [\"hash.md5('<TENANT>')\"]}}]}]\n";
    assert_eq!(one(key), (1, "<TENANT>".to_owned()));
    let bare = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [{{ip}}, \"::/0\"]}}]}]\n";
    assert_eq!(codes(bare), ["1:68 TP111"]);
}

#[test]
fn addresses_dates_and_names_in_expressions_get_the_help_that_fits() {
    let help = |expression: &str| {
        let looked = Looked::at(&condition(&format!("\"{expression}\"")));
        looked.only().help.clone().expect("a help")
    };
    for address in ["203.0.113.42", "203.0.113.0/24", "2001:db8::1", "::/0"] {
        let quoted = format!("put the address or network in quotes: `'{address}'`");
        assert_eq!(help(&format!("inCidrRange(conn.client_ip, {address})")), quoted);
        assert_eq!(help(&format!("conn.client_ip in ['10.0.0.1', {address}]")), quoted);
    }
    assert!(help("time.now > 2026-01-31").starts_with("write a time as `timestamp('2026-01-31T00:00:00Z')`"));
    assert_eq!(help("client_ip == '203.0.113.42'"), "did you mean `conn.client_ip`?");
    assert!(
        help("country_code == 'DE'").contains("`conn.geo.country_code`"),
        "{}",
        help("country_code == 'DE'")
    );
    let constant = "on_tcp_connect: [{actions: [{type: set-vars, config: {vars: [{a: \"${false}\"}]}}, {type: deny}]}]\n";
    assert_eq!(codes(constant), Vec::<String>::new());
    assert_eq!(codes(&condition("1 == 2")), ["3:9 TP213"]);
}

#[test]
fn conditions_under_another_name_are_conditions() {
    for word in ["if", "when", "expression", "condition", "expresions", "unless"] {
        let text = format!(
            "on_tcp_connect:\n- {word}: [conn.client_port == 1]\n  actions: [{{type: deny}}]\n- actions: [{{type: deny}}]\n"
        );
        assert_eq!(codes(&text), ["2:3 TP302"], "{word}");
    }
}

#[test]
fn fields_beside_type_are_told_once() {
    let of = |action: &str| codes(&format!("on_http_request:\n- actions:\n  - {action}\n"));
    for action in [
        "type: restrict-ips\n    allow: [10.0.0.0/8]",
        "type: restrict-ips\n    allow: [10.0.0.0/8]\n    config: {deny: [10.1.0.0/16]}",
        "type: forward-internal\n    url: https://a.internal",
        "type: add-headers\n    headers: {x-a: b}",
        "type: add-headers\n    confg: {headers: {x-a: b}}",
        "type: set-vars\n    vars: [{n: 5}]",
        "type: rate-limit\n    name: a",
    ] {
        assert_eq!(of(action), ["4:5 TP302"], "{action}");
    }
    // What is wrong inside of them is told as well.
    assert_eq!(of("type: restrict-ips\n    allow: [10.0.0.0/99]"), ["4:5 TP302", "4:13 TP431"]);
    assert_eq!(of("type: forward-internal"), ["3:11 TP303"]);
}

#[test]
fn what_follows_from_merge_keys_is_not_told() {
    let rules = |rules: &str| codes(&format!("on_tcp_connect:\n{rules}"));
    assert_eq!(rules("- &r\n  actions: [{type: deny}]\n- <<: *r\n  name: b\n"), ["4:3 TP113"]);
    assert_eq!(rules("- actions:\n  - &d {type: deny}\n  - <<: *d\n"), ["4:5 TP113"]);
    assert_eq!(
        rules("- &r\n  actions: [{type: deny}]\n- {<<: *r}\n- {<<: *r}\n"),
        ["4:4 TP113", "5:4 TP113"]
    );
    // Other actions after it are told, though.
    assert_eq!(
        rules("- &r\n  actions: [{type: deny}]\n- <<: *r\n- actions: [{type: close-connection}]\n"),
        ["4:3 TP113", "5:20 TP404"]
    );
}

#[test]
fn an_alias_that_never_runs_is_told_where_it_stands() {
    for (rules, at) in [
        ("- actions: &a [{type: deny}]\n- actions: *a\n", "3:3 TP404"),
        ("- &r {actions: [{type: deny}]}\n- *r\n", "3:3 TP404"),
        ("- actions: [&d {type: deny}]\n- actions: [*d]\n", "3:13 TP404"),
        ("- actions: [&d {type: deny}, *d]\n", "2:30 TP404"),
    ] {
        let looked = Looked::at(&format!("on_tcp_connect:\n{rules}"));
        assert_eq!(looked.codes(), [at], "{rules}");
        assert_eq!(looked.labels().len(), 1, "{rules}");
    }
}
