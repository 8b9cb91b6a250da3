//! Data flow: what is said of variables and results where they are read.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::check::{CheckOptions, load_policy};
use policy_core::source::Source;

/// Codes of what is said, with the lines.
fn said(text: &str) -> Vec<(&'static str, u32)> {
    let source = Source::new("p.yml", text);
    let (_, found) = load_policy(&source, &CheckOptions::default());
    found.iter().map(|it| (it.code.id, source.position(it.span.start).line)).collect()
}

/// A rule on one line.
fn rule(conditions: &[&str], actions: &str) -> String {
    let quoted: Vec<_> = conditions.iter().map(|text| format!("{text:?}")).collect();
    format!("- {{expressions: [{}], actions: [{actions}]}}\n", quoted.join(", "))
}

fn set(value: &str) -> String {
    format!("{{type: set-vars, config: {{vars: [{value}]}}}}")
}

const DENY: &str = "{type: deny}";

/// What is said of the lines of rules in a phase, the first being 2.
fn phase(name: &str, rules: &[String]) -> Vec<(&'static str, u32)> {
    said(&format!("{name}:\n{}", rules.concat()))
}

fn tcp(rules: &[String]) -> Vec<(&'static str, u32)> {
    phase("on_tcp_connect", rules)
}

fn http(rules: &[String]) -> Vec<(&'static str, u32)> {
    phase("on_http_request", rules)
}

#[test]
fn a_variable_is_judged_by_where_it_was_set() {
    let (setting, reading) =
        (rule(&["conn.client_port > 5"], &set("n: 5")), |with: &[&str]| rule(with, DENY));
    assert_eq!(tcp(&[reading(&["vars.n < 5"]), setting.clone()]), [("TP413", 2)]);
    assert_eq!(tcp(&[setting.clone(), reading(&["vars.n < 5"])]), [("TP414", 3)]);
    assert_eq!(tcp(&[setting.clone(), reading(&["has(vars.n)"])]), []);
    assert_eq!(tcp(&[setting.clone(), reading(&["has(vars.n) && vars.n < 5"])]), []);
    assert_eq!(tcp(&[rule(&[], &set("n: 5")), setting, reading(&["vars.n < 5"])]), []);
}

#[test]
fn conditions_are_known_where_they_hold() {
    let judged = |setting: &[&str], reading: &[&str]| {
        http(&[rule(setting, &set("n: 5")), rule(reading, DENY)]).iter().filter(|it| it.0 == "TP414").count()
    };
    for (setting, reading) in [
        (&["conn.client_port > 5"][..], &["conn.client_port > 5", "vars.n < 5"][..]),
        (&["conn.client_port > 5"], &["conn.client_port > 5 && vars.n < 5"]),
        (&["conn.client_port > 5"], &["vars.n < 5 && 5 < conn.client_port"]),
        (
            &["conn.client_port > 5 && req.method == 'GET'"],
            &["req.method == 'GET'", "vars.n < 5", "conn.client_port > 5"],
        ),
        (&["conn.client_port > 5"], &["conn.client_port > 10", "vars.n < 5"]),
        (&["req.method in ['GET', 'PUT']"], &["req.method == 'PUT' && vars.n < 5"]),
        (&["hasReqHeader('a')"], &["hasReqHeader('a') == true && vars.n < 5"]),
        (&["hasReqHeader('a')"], &["hasReqHeader('a') ? vars.n < 5 : false"]),
        (&["hasReqHeader('a')"], &["!hasReqHeader('a') || vars.n < 5"]),
        (&["hasReqHeader('a')"], &["!(hasReqHeader('a')) ? false : size(vars.n < 5 ? ['x'] : []) > 0"]),
        (&["hasReqHeader('a')"], &["(hasReqHeader('a') && vars.n < 5) || (hasReqHeader('a') && vars.n > 7)"]),
        (&["hasReqHeader('a') || hasReqHeader('b')"], &["hasReqHeader('a')", "vars.n < 5"]),
        (&["hasReqHeader('a') || hasReqHeader('b')"], &["hasReqHeader('b') && vars.n < 5"]),
        (&["!(hasReqHeader('a') && hasReqHeader('b'))"], &["!hasReqHeader('b')", "vars.n < 5"]),
        (&["timestamp(time.now).getHours() < 5"], &["timestamp(time.now).getHours() < 5 && vars.n < 5"]),
        (&["conn.geo.city == 'Requena'"], &["conn.geo.city == 'Requena' && vars.n < 5"]),
        (
            &["conn.geo.city == 'vars.x and rand.int'"],
            &["conn.geo.city == 'vars.x and rand.int' && vars.n < 5"],
        ),
    ] {
        assert_eq!(judged(setting, reading), 0, "{setting:?} {reading:?}");
    }
    for (setting, reading) in [
        (&["conn.client_port > 5"][..], &["conn.client_port > 4 && vars.n < 5"][..]),
        (&["conn.client_port > 5"], &["conn.client_port > 5 || vars.n < 5"]),
        (&["rand.int(0, 1) == 1"], &["rand.int(0, 1) == 1 && vars.n < 5"]),
        (&["hasReqHeader('a')"], &["hasReqHeader('a') ? req.host == 'b' : vars.n < 5"]),
        (&["hasReqHeader('a')"], &["(hasReqHeader('a') && vars.n < 5) || vars.n > 7"]),
        (&["hasReqHeader('a')"], &["vars.n < 5 ? hasReqHeader('a') : req.host == 'b'"]),
        (&["hasReqHeader('a') || hasReqHeader('b')"], &["hasReqHeader('c')", "vars.n < 5"]),
        (&["hasReqHeader('a') && hasReqHeader('b')"], &["hasReqHeader('a')", "vars.n < 5"]),
        (&["timestamp(time.now).getHours() < 5"], &["timestamp(time.now).getHours() < 6 && vars.n < 5"]),
    ] {
        assert_eq!(judged(setting, reading), 1, "{setting:?} {reading:?}");
    }
}

#[test]
fn a_condition_guards_only_while_it_means_the_same() {
    let add = "{type: add-headers, config: {headers: {x-a: b}}}";
    let judged = |condition: &str, between: &str| {
        let read = format!("{condition} && vars.n < 5");
        http(&[
            rule(&[], &set("m: 1")),
            rule(&[condition], &set("n: 5")),
            rule(&[], between),
            rule(&[&read], DENY),
        ])
    };
    assert_eq!(judged("conn.client_port == 1", add), []);
    assert_eq!(judged("hasReqHeader('x-a')", add), [("TP414", 5)]);
    assert_eq!(judged("hasReqHeader('x-a')", &set("k: 1")), []);
    assert_eq!(judged("vars.m == 1", &set("k: 1")), []);
    assert_eq!(judged("vars.m == 1", &set("m: 2")), [("TP414", 5)]);
    assert_eq!(judged("size(vars) == 1", &set("m: 2")), [("TP414", 5)]);
    let done = [
        rule(&[], &set("done: false")),
        rule(&["vars.done == false"], &set("\"n\": \"${rand.int(0,9)}\"")),
        rule(&["vars.done == false", "int(vars.n) < 5"], DENY),
    ];
    assert_eq!(tcp(&done), []);
}

#[test]
fn rules_may_cover_everything_together() {
    let both = |first: &str, second: &str| {
        tcp(&[rule(&[first], &set("n: 5")), rule(&[second], &set("n: 6")), rule(&["vars.n < 6"], DENY)])
    };
    assert_eq!(both("conn.client_port > 5", "conn.client_port <= 5"), []);
    assert_eq!(both("conn.geo.city == 'a'", "conn.geo.city != 'a'"), []);
    assert_eq!(both("conn.geo.city == 'a'", "conn.geo.city != 'b'"), [("TP414", 4)]);
    assert_eq!(both("conn.geo.city == 'a'", "conn.geo.city == 'b'"), [("TP414", 4)]);
}

#[test]
fn what_is_missing_is_told_once() {
    let log = "{type: log, config: {metadata: {a: \"${vars.n}\", b: \"${vars.n}\"}}}, {type: deny}";
    let setting = rule(&["conn.client_port > 5"], &set("n: 5"));
    assert_eq!(tcp(&[setting.clone(), rule(&["vars.n < 5"], log)]), [("TP414", 3)]);
    assert_eq!(
        tcp(&[setting.clone(), rule(&["vars.n < 5 && vars.n > 2", "vars.n != 3"], log)]),
        [("TP414", 3)]
    );
    assert_eq!(tcp(&[setting.clone(), rule(&[], log)]), [("TP414", 3)]);
    // So is what `||` absorbs, and what later rules read again, until it is set again.
    let absorbed = rule(&["conn.client_port == 1 || vars.n < 5"], log);
    assert_eq!(tcp(&[setting.clone(), absorbed]), [("TP414", 3)]);
    let reading = rule(&["vars.n < 5"], DENY);
    assert_eq!(tcp(&[setting.clone(), reading.clone(), reading.clone()]), [("TP414", 3)]);
    let again = rule(&["conn.client_port < 3"], &set("n: 6"));
    assert_eq!(tcp(&[setting, reading.clone(), again, reading]), [("TP414", 3), ("TP414", 5)]);
    let list = "{type: restrict-ips, config: {enforce: false, allow: [0.0.0.0/0, \"::/0\"]}}";
    let result = "actions.ngrok.restrict_ips.action";
    let log = format!("{{type: log, config: {{metadata: {{a: \"${{{result}}}\"}}}}}}");
    let read = rule(&[&format!("{result} == 'deny' || conn.client_port == 1")], &log);
    assert_eq!(tcp(&[rule(&["conn.client_port > 5"], list), read]), [("TP412", 3)]);
}

#[test]
fn values_that_are_written_out_have_their_keys() {
    let reading = |value: &str, read: &str| http(&[rule(&[], &set(value)), rule(&[read], DENY)]);
    assert_eq!(reading("m: {key: value}", "vars.m.key == 'value'"), []);
    assert_eq!(reading("m: {key: {a: [1, 2]}}", "vars.m.key.a[1] == 2"), []);
    assert_eq!(reading("\"m\": \"${{'key': conn.client_port}}\"", "vars.m.key == 5"), []);
    assert_eq!(reading("\"m\": \"${url.parse(req.url.raw)}\"", "vars.m.host == 'a'"), []);
    assert_eq!(reading("m: {key: value}", "vars.m.other == 'value'"), [("TP216", 3)]);
    assert_eq!(reading("m: [1]", "vars.m[1] == 1"), [("TP216", 3)]);
    let twice = |condition: &[&str]| {
        http(&[
            rule(&[], &set("m: {a: 1, b: 2}")),
            rule(condition, &set("m: {a: 1}")),
            rule(&["vars.m.b == 2"], DENY),
        ])
    };
    assert_eq!((twice(&["conn.client_port > 5"]), twice(&[])), (vec![("TP216", 4)], vec![("TP216", 4)]));
    let copied = [
        rule(&[], &set("m: {a: 1}")),
        rule(&[], &set("\"k\": \"${vars.m}\"")),
        rule(&["vars.k.a == 1"], DENY),
    ];
    assert_eq!(http(&copied), []);
}

#[test]
fn results_outlive_their_phase() {
    let rewrite = "{type: url-rewrite, config: {from: a, to: b}}";
    let log = "{type: log, config: {metadata: {a: \"${actions.ngrok.url_rewrite.url}\"}}}";
    let both = |condition: &str, reading: &str| {
        let (first, second) = (rule(&[condition], rewrite), rule(&[reading], log));
        said(&format!("on_http_request:\n{first}on_http_response:\n{second}"))
    };
    assert_eq!(both("conn.client_port > 5", "conn.client_port > 5"), []);
    assert_eq!(both("conn.client_port > 5", "conn.client_port > 4"), [("TP412", 4)]);
    // The rewriting has changed what is asked.
    assert_eq!(both("req.url.path == '/a'", "req.url.path == '/a'"), [("TP412", 4)]);
}

#[test]
fn a_misspelt_phase_is_told_once() {
    let text = "on_http_reqest:\n- actions: [{type: url-rewrite, config: {from: a, to: b}}]\non_http_response:\n\
                - actions: [{type: log, config: {metadata: {a: \"${actions.ngrok.url_rewrite.url}\"}}}]\n";
    assert_eq!(said(text), [("TP304", 1)]);
}

#[test]
fn a_condition_that_cannot_be_read_is_told_once() {
    let rules = [rule(&["conn.client_prot > 5"], &set("n: 5")), rule(&["vars.n < 5"], DENY)];
    assert_eq!(tcp(&rules), [("TP205", 2)]);
}

#[test]
fn what_is_asked_of_a_map_is_known_of_its_functions() {
    for condition in [
        "'x-a' in req.headers && getReqHeader('x-a')[0] == 'b'",
        "'x-a' in req.headers && getReqHeader('X-A')[0] == 'b'",
        "has(req.headers.x) && getReqHeader('X')[0] == 'a'",
        "'q' in req.url.query_params && getQueryParam('q')[0] == 'b'",
        "req.headers.exists(h, req.headers[h].exists(v, v == 'a'))",
        "req.headers.all(h, req.headers[h].exists(v, v == 'a'))",
        "req.headers.filter(h, req.headers[h][0] == 'a').size() > 0",
        "req.url.query_params.exists(q, req.url.query_params[q][0] == 'a')",
        "conn.geo.latitude != '' && double(conn.geo.latitude) > 50.0",
        "double(conn.geo.longitude) > 50.0 && size(conn.geo.longitude) > 0",
    ] {
        assert_eq!(http(&[rule(&[condition], DENY)]), [], "{condition}");
    }
    // Asked for in capitals it is never there, and that is all.
    assert_eq!(
        http(&[rule(&["'X-A' in req.headers && getReqHeader('X-A')[0] == 'b'"], DENY)]),
        [("TP219", 2)]
    );
    for condition in [
        "'x-b' in req.headers && getReqHeader('x-a')[0] == 'b'",
        "'x-a' in req.headers && getReqHeader('x-a')[1] == 'b'",
        "'x-a' in req.headers || getReqHeader('x-a')[0] == 'b'",
        "req.headers.exists(h, req.url.query_params[h][0] == 'a')",
        "double(conn.geo.latitude) > 50.0",
        "conn.geo.city != '' && double(conn.geo.city) > 50.0",
    ] {
        assert_eq!(http(&[rule(&[condition], DENY)]), [("TP216", 2)], "{condition}");
    }
}

#[test]
fn arguments_are_exchanged_only_where_that_helps() {
    let message = |condition: &str| {
        let text = format!("on_tcp_connect:\n{}", rule(&[condition], DENY));
        let (_, found) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
        found.iter().map(|it| it.message.clone()).next().unwrap()
    };
    let exchange = "`inCidrRange` takes the address first, then the network";
    for condition in
        ["inCidrRange('203.0.113.0/24', conn.client_ip)", "inCidrRange('203.0.113.0/24', '203.0.113.1')"]
    {
        assert_eq!(message(condition), exchange, "{condition}");
    }
    for first in ["203.0.113.1/24", "203.0.113.0/24", "2001:db8::/32"] {
        let expected = format!("`{first}` is a network, not an address, so this is always false");
        assert_eq!(message(&format!("inCidrRange('{first}', '203.0.113.0/24')")), expected);
        assert_eq!(message(&format!("inCidrRanges('{first}', ['203.0.113.0/24'])")), expected);
    }
    assert_eq!(message("inCidrRange(conn.server_ip, conn.client_ip)"), "this is an address, not a network");
}

#[test]
fn a_list_of_tokens_has_those_of_the_action() {
    let jwt = "{type: jwt-validation, config: {issuer: {allow_list: [{value: \"https://a.example.com\"}]}, http: {tokens: \
               [{type: jwt, method: header, name: Authorization, prefix: \"Bearer \"}]}, jws: {allowed_algorithms: [RS256], \
               keys: {sources: {additional_jkus: [\"https://a.example.com/keys\"]}}}}}";
    let tokens = "actions.ngrok.jwt_validation.tokens";
    let reads = |at: &str| http(&[rule(&[], jwt), rule(&[&format!("{tokens}[{at}].verified")], DENY)]);
    assert_eq!(reads("0"), []);
    assert_eq!(reads("1"), [("TP216", 3)]);
    let conditional = [rule(&["req.host == 'a'"], jwt), rule(&[&format!("{tokens}[0].verified")], DENY)];
    assert_eq!(http(&conditional), [("TP412", 3)]);
}

#[test]
fn what_a_rule_before_has_ended_is_not_missing() {
    let n = set("n: 5");
    let http_judged = |rules: &[String]| http(rules);
    let deny = |conditions: &[&str]| rule(conditions, DENY);
    let log = |text: &str| rule(&[], &format!("{{type: log, config: {{metadata: {{a: \"${{{text}}}\"}}}}}}"));
    // Variables and results.
    for (ended, setting, reading) in [
        (&["req.method != 'GET'"][..], "req.method == 'GET'", "vars.n < 5"),
        (&["conn.client_port < 5"], "conn.client_port >= 5", "vars.n < 5"),
        (
            &["req.method == 'GET'", "hasReqHeader('x')"],
            "!hasReqHeader('x') || req.method != 'GET'",
            "vars.n < 5",
        ),
    ] {
        let rules = [deny(ended), rule(&[setting], &n), deny(&[reading])];
        assert_eq!(http_judged(&rules), [], "{ended:?}");
    }
    let kept = [deny(&["req.method == 'PUT'"]), rule(&["req.method == 'GET'"], &n), deny(&["vars.n < 5"])];
    assert_eq!(http_judged(&kept), [("TP414", 4)]);
    // A rule that only looks ends nothing, and what changes in between is another condition.
    let look = rule(&["req.method != 'GET'"], "{type: log, config: {metadata: {a: 1}}}");
    assert_eq!(
        http_judged(&[look, rule(&["req.method == 'GET'"], &n), deny(&["vars.n < 5"])]),
        [("TP414", 4)]
    );
    let rewrite = rule(&[], "{type: url-rewrite, config: {from: /a, to: /b}}");
    let path = |condition: &str| format!("req.url.path {condition} '/w'");
    let changed = [deny(&[&path("!=")]), rewrite.clone(), rule(&[&path("==")], &n), deny(&["vars.n < 5"])];
    assert_eq!(http_judged(&changed), [("TP414", 5)]);
    let header = rule(&[], "{type: add-headers, config: {headers: {x-a: b}}}");
    let apart = [deny(&[&path("!=")]), header.clone(), rule(&[&path("==")], &n), deny(&["vars.n < 5"])];
    assert_eq!(http_judged(&apart), []);
    // Entries that are missing.
    let first = "getReqHeader('x-api-key')[0] != 'a'";
    for ended in [
        "!hasReqHeader('x-api-key')",
        "size(getReqHeader('X-Api-Key')) == 0",
        "getReqHeader('x-api-key') == []",
    ] {
        assert_eq!(http_judged(&[deny(&[ended]), deny(&[first])]), [], "{ended}");
        assert_eq!(
            http_judged(&[deny(&[ended]), header.clone(), log("getReqHeader('x-api-key')[0]")]),
            [],
            "{ended}"
        );
    }
    assert_eq!(http_judged(&[deny(&["!hasQueryParam('id')"]), deny(&["getQueryParam('id')[0] == '1'"])]), []);
    assert_eq!(
        http_judged(&[
            deny(&["!hasReqHeader('x')", "req.method == 'GET'"]),
            deny(&["getReqHeader('x')[0] == 'a'"])
        ]),
        [("TP216", 3)]
    );
    let within = ["req.method == 'GET'", "getReqHeader('x')[0] == 'a'"];
    assert_eq!(http_judged(&[deny(&["!hasReqHeader('x')", "req.method == 'GET'"]), deny(&within)]), []);
    assert_eq!(http_judged(&[deny(&["hasReqHeader('x-api-key')"]), deny(&[first])]), [("TP216", 3)]);
    assert_eq!(http_judged(&[deny(&["!hasReqHeader('x')"]), deny(&[first])]), [("TP216", 3)]);
}

#[test]
fn headers_come_and_go() {
    let (add, remove) = (
        "{type: add-headers, config: {headers: {X-A: b}}}",
        "{type: remove-headers, config: {headers: [X-A]}}",
    );
    let log = "{type: log, config: {metadata: {a: \"${getReqHeader('x-a')[0]}\"}}}";
    let read = rule(&["getReqHeader('x-a')[0] == 'b'"], DENY);
    assert_eq!(http(&[rule(&[], add), read.clone()]), []);
    assert_eq!(http(&[rule(&["req.method == 'GET'"], add), read.clone()]), [("TP216", 3)]);
    assert_eq!(http(&[rule(&["req.method == 'GET'"], &format!("{add}, {log}"))]), []);
    assert_eq!(http(&[rule(&[], add), rule(&["req.method == 'GET'"], remove), read.clone()]), [("TP216", 4)]);
    assert_eq!(http(&[rule(&["hasReqHeader('x-a')"], log)]), []);
    assert_eq!(http(&[rule(&["hasReqHeader('x-a')"], &format!("{remove}, {log}"))]), [("TP216", 2)]);
    let other = "{type: remove-headers, config: {headers: [x-b]}}";
    assert_eq!(http(&[rule(&["hasReqHeader('x-a')"], &format!("{other}, {log}"))]), []);
    assert_eq!(http(&[rule(&["!hasReqHeader('x-a')"], DENY), rule(&[], remove), read]), [("TP216", 4)]);
}

#[test]
fn what_fails_in_two_rules_is_told_once() {
    let rules = |first: &[&str], second: &[&str]| tcp(&[rule(first, DENY), rule(second, DENY)]);
    let (five, six) = ("double(conn.geo.latitude) > 5.0", "double(conn.geo.latitude) > 6.0");
    assert_eq!(rules(&[five], &[six]), [("TP216", 2)]);
    assert_eq!(rules(&["conn.client_port > 5", five], &[six]), [("TP216", 2), ("TP216", 3)]);
    assert_eq!(
        rules(&["conn.client_port > 5 || double(conn.geo.latitude) > 5.0"], &[six]),
        [("TP216", 2), ("TP216", 3)]
    );
    let header = |of: &str| rule(&[&format!("getReqHeader('x')[0] == '{of}'")], DENY);
    let remove = "{type: remove-headers, config: {headers: [x]}}";
    assert_eq!(http(&[header("a"), header("b")]), [("TP216", 2)]);
    assert_eq!(http(&[header("a"), rule(&[], remove), header("b")]), [("TP216", 2), ("TP216", 4)]);
}

#[test]
fn expressions_of_a_rule_may_hold_together() {
    let said = |conditions: &[&str]| http(&[rule(conditions, DENY)]);
    let never = [("TP213", 2)];
    assert_eq!(said(&["req.method == 'GET'", "req.method == 'POST'"]), never);
    assert_eq!(said(&["req.method == 'GET'", "hasReqHeader('x')", "req.method in ['POST', 'PUT']"]), never);
    assert_eq!(said(&["conn.client_port > 1024", "conn.client_port < 80"]), never);
    assert_eq!(said(&["req.method == 'GET'", "req.method in ['POST', 'GET']"]), []);
    assert_eq!(said(&["req.method != 'GET'", "req.method != 'POST'"]), []);
    // What is told otherwise is not told again.
    assert_eq!(said(&["conn.client_port > 70000", "req.method == 'GET'"]), [("TP224", 2)]);
    let within = |network: &str| format!("inCidrRange(conn.client_ip, '{network}')");
    assert_eq!(said(&[&within("10.0.0.0/8"), &within("192.0.2.0/24")]), [("TP440", 2)]);
    assert_eq!(said(&["rand.int(0, 1) == 0", "rand.int(0, 1) == 1"]), []);
    assert_eq!(said(&["false", "req.method == 'GET'"]), never);
}
