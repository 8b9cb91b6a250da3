//! What the documentation of ngrok says of fields: how many, how long, which; and what is found where they are not.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::check::{CheckOptions, load_policy};
use policy_core::diagnostic::Diagnostics;
use policy_core::ip_policies::load_ip_policies;
use policy_core::source::Source;

fn found(policy: &str, options: &CheckOptions) -> Diagnostics {
    load_policy(&Source::new("p.yml", policy), options).1
}

/// Codes of findings in one action of a phase.
fn codes_in(phase: &str, kind: &str, config: &str) -> Vec<&'static str> {
    let policy = format!("{phase}: [{{actions: [{{type: {kind}, config: {{{config}}}}}]}}]");
    found(&policy, &CheckOptions::default()).iter().map(|it| it.code.id).collect()
}

fn codes(kind: &str, config: &str) -> Vec<&'static str> {
    codes_in("on_http_request", kind, config)
}

/// Entries of a list or map: `a` with each number in the place of `#`.
fn many(count: usize, of: &str) -> String {
    (0..count).map(|at| of.replace('#', &at.to_string())).collect::<Vec<_>>().join(", ")
}

/// So many are fine, and one more is not.
fn at_most(count: usize, kind: &str, config: &str, of: &str) {
    let with = |count| codes(kind, &config.replace('@', &many(count, of)));
    assert_eq!(with(count), [""; 0], "{count} in {kind}");
    assert_eq!(with(count + 1), ["TP310"], "{} in {kind}", count + 1);
}

#[test]
fn lists_and_maps_have_ten_entries_at_most() {
    let header = "x-#: a";
    at_most(10, "add-headers", "headers: {@}", header);
    at_most(10, "remove-headers", "headers: [@]", "x-#");
    at_most(10, "custom-response", "headers: {@}", header);
    at_most(10, "redirect", "to: /a, headers: {@}", header);
    at_most(10, "http-request", "url: 'https://a.internal', headers: {@}", header);
    at_most(10, "basic-auth", "credentials: [@]", "\"user#:${conn.client_ip}\"");
    let limit = "name: a, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [@]";
    at_most(10, "rate-limit", limit, "\"'#'\"");
    at_most(32, "http-request", "url: 'https://a.internal', query_params: [@]", "{key: k#, value: v}");
}

#[test]
fn parameters_of_a_request_have_their_lengths() {
    let with = |key: usize, value: usize| {
        let (key, value) = ("k".repeat(key), "v".repeat(value));
        codes(
            "http-request",
            &format!("url: 'https://a.internal', query_params: [{{key: {key}, value: {value}}}]"),
        )
    };
    assert_eq!(with(128, 8_192), [""; 0]);
    assert_eq!(with(129, 1), ["TP308"]);
    assert_eq!(with(1, 8_193), ["TP308"]);
    let method = |method: &str| {
        codes("http-request", &format!("url: 'https://a.internal', method: {method}, body: a"))
    };
    for sends in ["POST", "PUT", "PATCH"] {
        assert_eq!(method(sends), [""; 0], "{sends}");
    }
    for sends_none in ["GET", "DELETE", "OPTIONS"] {
        assert_eq!(method(sends_none), ["TP407"], "{sends_none}");
    }
}

#[test]
fn a_realm_is_short_and_ascii_and_a_limit_has_a_name() {
    let realm = |realm: &str| {
        codes("basic-auth", &format!("credentials: [\"user:${{conn.client_ip}}\"], realm: '{realm}'"))
    };
    assert_eq!(
        (realm(&"r".repeat(128)), realm(&"r".repeat(129)), realm("Büro")),
        (vec![], vec!["TP308"], vec!["TP308"])
    );
    let name = |name: &str| {
        codes(
            "rate-limit",
            &format!(
                "algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [\"'a'\"], name: '{name}'"
            ),
        )
    };
    assert_eq!(
        (name(&"n".repeat(1_023)), name(&"n".repeat(1_024)), name("")),
        (vec![], vec!["TP308"], vec!["TP308"])
    );
}

#[test]
fn algorithms_of_compression_are_a_set_of_four() {
    let of = |list: &str| codes_in("on_http_response", "compress-response", &format!("algorithms: [{list}]"));
    assert_eq!(of("gzip, deflate, br, compress"), [""; 0]);
    assert_eq!(of("br"), [""; 0]);
    assert_eq!(of("gzip, gzip"), ["TP453"]);
    assert_eq!(of("zstd"), ["TP308"]);
}

#[test]
fn rules_that_are_left_out_have_numbers_of_the_rule_set() {
    for (phase, kind) in
        [("on_http_request", "owasp-crs-request"), ("on_http_response", "owasp-crs-response")]
    {
        let of = |id: &str| codes_in(phase, kind, &format!("exclude_rule_ids: [{id}]"));
        assert_eq!((of("900000"), of("999999")), (vec![], vec![]), "{kind}");
        assert_eq!((of("899999"), of("1000000")), (vec!["TP308"], vec!["TP308"]), "{kind}");
    }
}

#[test]
fn an_application_has_both_parts_and_scopes_are_its_own() {
    let oauth = |more: &str| codes("oauth", &format!("provider: google{more}"));
    assert_eq!(oauth(", client_id: a, client_secret: '${conn.client_ip}'"), [""; 0]);
    assert_eq!(oauth(", client_id: a"), ["TP312"]);
    assert_eq!(oauth(", client_secret: '${conn.client_ip}'"), ["TP312"]);
    assert_eq!(oauth(", scopes: [email]"), ["TP312"]);
    let oidc = |more: &str| codes("openid-connect", &format!("issuer_url: 'https://id.example'{more}"));
    assert_eq!((oidc(""), oidc(", client_id: a")), (vec![], vec!["TP312"]));
}

#[test]
fn an_old_field_of_a_forward_is_ignored_with_a_warning() {
    let found = found(
        "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: 'tcp://a.internal:22', binding: internal}}]}]",
        &CheckOptions::default(),
    );
    let found: Vec<_> = found.iter().map(|it| (it.code.id, it.severity.name())).collect();
    assert_eq!(found, [("TP306", "warning")]);
}

#[test]
fn targets_have_five_parts_at_most() {
    let to = |host: &str| codes("forward-internal", &format!("url: 'https://{host}.internal'"));
    assert_eq!((to("a.b.c.d.e"), to("a.b.c.d.e.f")), (vec![], vec!["TP445"]));
}

#[test]
fn an_ip_policy_that_no_file_has_is_an_error() {
    let file =
        "- {id: ipp_office, rules: [{cidr: 10.0.0.0/8, action: allow}, {cidr: '::/0', action: allow}]}";
    let mut options = CheckOptions::default();
    options.ip_policies = load_ip_policies(&Source::new("i.yml", file)).0.map(std::sync::Arc::new);
    let of = |id: &str| {
        let policy = format!(
            "on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{ip_policies: [{id}]}}}}]}}]"
        );
        let found = found(&policy, &options);
        found.iter().map(|it| format!("{} {}", it.severity.name(), it.code.id)).collect::<Vec<_>>()
    };
    assert_eq!(of("ipp_office"), [""; 0]);
    assert_eq!(of("ipp_other"), ["error TP437"]);
}
