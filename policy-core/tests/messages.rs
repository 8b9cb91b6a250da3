//! What messages say: no secrets, one finding for one cause, and help that is right when it is followed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::check::CheckOptions;
use policy_core::diagnostic::Diagnostics;
use policy_core::lint::lint;
use policy_core::source::Source;

/// All that is shown of a file: messages, help, fixes and its lines.
fn shown(text: &str) -> (Diagnostics, String) {
    let source = Source::new("p.yml", text);
    let found = lint(&source, None, &CheckOptions::default()).diagnostics;
    let mut all = found.excerpt(&source, 0..text.len()).into_owned();
    for item in found.iter() {
        let edits = item.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.replacement.as_str());
        let words = [item.code.id, &item.message, item.help.as_deref().unwrap_or_default()];
        words.into_iter().chain(edits).for_each(|part| {
            all.push('\n');
            all.push_str(part);
        });
    }
    (found, all)
}

fn action(phase: &str, action: &str, config: &str) -> String {
    format!("{phase}:\n  - actions:\n      - type: {action}\n        config: {config}\n")
}

#[test]
fn passwords_before_an_at_are_shown_nowhere() {
    let forward = |url: &str| action("on_tcp_connect", "forward-internal", &format!("{{url: \"{url}\"}}"));
    for url in [
        "admin:hunter2@device1.internal:22",
        "//admin:hunter2@device1.internal:22",
        "tcp:/admin:hunter2@device1.internal:22",
        "tcp//hunter2@device1.internal:22",
        "hunter2@device1.internal:22",
        "tcp://admin:hunter2@${conn.client_ip}.internal:22",
        "tcp://admin:hunter2@device1.example.com:22",
    ] {
        let (found, all) = shown(&forward(url));
        assert!(found.has_errors() && !all.contains("hunter2"), "{all}");
        assert!(all.contains("TP441"), "{all}");
    }
    let request = action("on_http_request", "http-request", "{url: \"tcp:/u:hunter2@example.com\"}");
    let agent = "\
version: 3
agent:
  authtoken: a
  connect_url: u:hunter2@edge:44
  web_addr: u:hunter2@x:y
  dns_resolver_ips: [u:hunter2@192.0.2.1, hunter2@192.0.2.2]
endpoints:
  - {name: a, url: \"u:hunter2@device1.internal:22\", upstream: {url: \"u:hunter2@localhost:22\"}}
  - {name: b, url: \"tcp:/u:hunter2@b.internal:22\", upstream: {url: \"//u:hunter2@localhost:22\"}}
";
    let edge = "\
version: 1
agents: {listen: \"u:hunter2@192.0.2.1:22\", names: [\"hunter2@x\"]}
endpoints:
  - {name: a, url: \"u:hunter2@device1.internal:22\", listen: \"u:hunter2@x:3\"}
";
    for text in [&request, agent, edge] {
        let (found, all) = shown(text);
        assert!(found.has_errors() && !all.contains("hunter2"), "{all}");
    }
    // A path is no user name, and nothing is hidden where there is no secret.
    let (_, all) = shown(&forward("tcp://device1.internal:22/a@b"));
    assert!(all.contains("`tcp://device1.internal:22/a@b`"), "{all}");
}

#[test]
fn secret_numbers_are_not_repeated() {
    for (name, config) in [
        ("verify-webhook", "{provider: github, secret: 0123456}"),
        ("add-headers", "{headers: {authorization: 0123456}}"),
        ("set-vars", "{vars: [{password: 0123456}]}"),
        ("log", "{metadata: {apiKey: 0123456}}"),
        (
            "log",
            "{metadata: {x-api-key: 0123456, client_secret: 0777, pwd: 0777, jwt: 0777, sessionCookie: 0777}}",
        ),
    ] {
        let (found, all) = shown(&action("on_http_request", name, config));
        assert!(found.iter().any(|item| item.code.id == "TP114"), "{all}");
        assert!(!all.contains("123456") && !all.contains("777") && !all.contains("511"), "{all}");
        assert!(all.contains("put it in quotes"), "{all}");
    }
    let (_, all) = shown(&action("on_http_request", "log", "{metadata: {number: 0123}}"));
    assert!(all.contains("`0123` as 123") && all.contains("write `123`"), "{all}");
}

#[test]
fn unclosed_texts_of_expressions_are_not_repeated() {
    let text = "\
on_http_request:
  - expressions: [\"req.headers['authorization'][0] == 'Bearer hunter2\"]
    actions: [{type: deny}]
";
    let (found, _) = shown(text);
    let words = |found: &Diagnostics| found.iter().map(|item| item.message.clone()).collect::<Vec<_>>();
    assert_eq!(words(&found), ["the string that starts here has no closing quote"]);
}

/// Code and help of each finding.
fn helps(text: &str) -> Vec<(&'static str, String)> {
    let found = shown(text).0;
    found.iter().map(|item| (item.code.id, item.help.clone().unwrap_or_default())).collect()
}

/// The same for an expression of a rule.
fn helps_in_expression(expression: &str) -> Vec<(&'static str, String)> {
    helps(&format!(
        "on_http_request:\n  - expressions:\n      - |-\n        {expression}\n    actions: [{{type: deny}}]\n"
    ))
}

#[test]
fn a_misspelt_field_counts_as_given() {
    for (name, config, help) in [
        ("oauth", "{provider: google, client_id: a, client_secrett: b}", "did you mean `client_secret`?"),
        ("http-request", "{url: \"https://example.com\", methd: POST, body: a}", "did you mean `method`?"),
        ("redirect", "{form: \"/a/(.*)\", to: \"https://example.com/$1\"}", "did you mean `from`?"),
        // A value that does not fit the field that is meant is not told: another one may be meant.
        ("http-request", "{url: \"https://example.com\", methd: [1], body: a}", "did you mean `method`?"),
    ] {
        let found = helps(&action("on_http_request", name, config));
        assert_eq!(found, [("TP302", help.to_owned())], "{config}");
    }
    // Where both are given, the right one counts.
    let both = "{url: \"https://example.com\", method: GET, methd: POST, body: a}";
    let codes: Vec<_> =
        helps(&action("on_http_request", "http-request", both)).into_iter().map(|it| it.0).collect();
    assert_eq!(codes, ["TP302", "TP407"]);
    // Nothing near is given.
    let neither = "{url: \"https://example.com\", body: a}";
    assert_eq!(helps(&action("on_http_request", "http-request", neither))[0].0, "TP407");
}

#[test]
fn a_misspelt_phase_is_told_once_and_merged_with_the_right_one() {
    let rule = "\n  - actions: [{type: deny}]\n";
    let source = Source::new("p.yml", format!("on_http_requst:{rule}"));
    let mut options = CheckOptions::default();
    options.endpoint = policy_core::options::EndpointTraits::from_scheme(policy_core::url::Scheme::Tcp);
    let found = lint(&source, None, &options).diagnostics;
    assert_eq!(found.iter().map(|item| item.code.id).collect::<Vec<_>>(), ["TP304"]);
    let source = Source::new("p.yml", format!("on_http_request:{rule}"));
    let found = lint(&source, None, &options).diagnostics;
    assert_eq!(found.iter().map(|item| item.code.id).collect::<Vec<_>>(), ["TP405"]);
    let (found, all) = shown(&format!("On_tcp_connect:{rule}on_tcp_connect:{rule}"));
    assert!(all.contains("which is given as well? merge the two"), "{all}");
    assert!(found.iter().all(|item| item.fix.is_none()), "{all}");
}

#[test]
fn one_cause_is_one_finding_with_help_that_fits() {
    for (expression, code, help) in [
        ("actions.ngrok.rate-limit.limited", "TP205", "did you mean `rate_limit`?"),
        ("req.headers.x-token == 'a'", "TP205", "write `req.headers['x-token']`"),
        ("'a' in req.headers.x-api-key", "TP205", "write `req.headers['x-api-key']`"),
        ("req.headers.x-token[0] == 'a'", "TP205", "write `req.headers['x-token']`"),
        ("actions.ngrok.openid_connect.error.code == 'a'", "TP205", "did you mean `oidc`?"),
        ("actions.ngrok.compress_response.error.code == 'a'", "TP205", "did you mean `compress`?"),
        ("conn->client_port == 22", "TP201", "write `.`"),
        (
            "conn.geo?.city == 'a'",
            "TP201",
            "write `.`; where a value may be missing, ask first with `has(…)`",
        ),
        ("(req.host ?? 'b') == 'a'", "TP201", "write `has(value) ? value : other`"),
        ("let x = 5", "TP201", "use another name; an expression has neither statements nor declarations"),
        (
            "(if req.host == 'a' then true else false)",
            "TP201",
            "write `condition ? value : other`, or the condition alone",
        ),
        ("conn.geo.city.length == 3", "TP205", "write `size(…)` around the value"),
        ("conn.client_ip.as.number == 'AS15169'", "TP207", "write the number alone: `15169`"),
        (
            "!conn.client_port in [22]",
            "TP207",
            "`!` binds to what follows it at once; put the comparison in parentheses: `!(… in …)`",
        ),
        (
            "1 < conn.client_port < 1024",
            "TP207",
            "write two comparisons with `&&` between them, e.g. `1 < a && a < 9`",
        ),
        ("req.host != None", "TP204", "a missing value is an error, not null; ask with `has(…)`"),
        ("req.host is not null", "TP201", "a missing value is an error, not null; ask with `has(…)`"),
        (
            "conn.client_port & 1 == 1",
            "TP201",
            "there are no operators for bits; to join two conditions write `&&` or `||`",
        ),
        ("req.host == 'a'\"", "TP201", "remove it"),
        ("inCidrRange(conn.client_ip, '10.0.0.0/33')", "TP215", "write a length from 0 to 32"),
        ("inCidrRange(conn.client_ip, '2001:db8::/129')", "TP215", "write a length from 0 to 128"),
        (
            "req.host == TOKEN",
            "TP204",
            "there are no environment variables here; write a variable of the policy, or quote it if it is a string",
        ),
    ] {
        assert_eq!(helps_in_expression(expression), [(code, help.to_owned())], "{expression}");
    }
    // Near misses: a minus between values, and words that only look like these.
    for expression in [
        "conn.client_port-1 == 21",
        "conn.client_port - 1 == 21",
        "req.host == 'a' ? true : false",
        "conn.client_port == 22 && req.host != 'None'",
        "!(conn.client_port in [22])",
        "inCidrRange(conn.client_ip, '10.0.0.0/32')",
    ] {
        assert_eq!(helps_in_expression(expression), [], "{expression}");
    }
    let is_and = helps_in_expression("req.host == 'a' & conn.client_port == 1");
    assert_eq!(is_and, [("TP201", "write `&&`".to_owned())]);
}

#[test]
fn a_result_that_a_faulty_condition_reads_is_read() {
    let policy = |field: &str| {
        format!(
            "on_tcp_connect:\n  - actions: [{{type: restrict-ips, config: {{enforce: false, allow: [192.0.2.0/24, \"2001:db8::/32\"]}}}}]\n  \
             - expressions: [\"actions.ngrok.restrict_ips.{field} == 'deny'\"]\n    actions: [{{type: deny}}]\n"
        )
    };
    let codes = |text: &str| helps(text).into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(codes(&policy("decision")), ["TP205"]);
    assert_eq!(codes(&policy("action")), Vec::<&str>::new());
}

#[test]
fn entries_that_are_no_networks_say_what_they_are() {
    for (entry, help) in [
        ("ipp_abc", "an IP policy is named under `ip_policies`, not in a list of networks"),
        ("[2001:db8::]/32", "write `2001:db8::/32`: a network alone, without brackets or scheme"),
        ("https://10.0.0.0/8", "write `10.0.0.0/8`: a network alone, without brackets or scheme"),
        ("!10.0.0.0/8", "`!` means nothing in a list: write the network into the other list, without `!`"),
        ("!a", "write e.g. `203.0.113.0/24` or `2001:db8::/32`"),
        ("u:hunter2@10.0.0.0/8", "write e.g. `203.0.113.0/24` or `2001:db8::/32`"),
    ] {
        let text =
            action("on_tcp_connect", "restrict-ips", &format!("{{allow: [\"{entry}\", 192.0.2.0/24]}}"));
        assert_eq!(helps(&text), [("TP431", help.to_owned())], "{entry}");
        assert!(!shown(&text).1.contains("hunter2"));
    }
}
