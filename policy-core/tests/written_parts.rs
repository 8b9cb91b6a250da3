//! Texts with `${…}`: what is written around the expressions is checked, whatever they give.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::check::{CheckOptions, load_policy};
use policy_core::source::Source;

fn said(text: &str) -> Vec<String> {
    let (_, found) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
    found.iter().map(|it| format!("{} {}", it.severity.name(), it.code.id)).collect()
}

#[test]
fn networks_are_checked_around_expressions() {
    let list = |entry: &str| {
        let actions = format!("{{type: restrict-ips, config: {{allow: [\"{entry}\", \"::/0\"]}}}}");
        said(&format!("on_tcp_connect: [{{actions: [{actions}]}}]"))
    };
    for entry in [
        "${conn.client_ip}/129",
        "${conn.client_ip}/024",
        "${conn.client_ip}/x",
        "${conn.client_ip}/",
        "10.${conn.client_port}.0.0/33",
        "${conn.client_ip}-32",
        "${conn.client_ip}.internal",
        "2001:db8:${conn.client_port}::/200",
    ] {
        assert_eq!(list(entry), ["error TP431"], "{entry}");
    }
    assert_eq!(list("${conn.client_ip}/33"), ["warning TP431"]);
    for entry in [
        "${conn.client_ip}",
        "${conn.client_ip}/32",
        "10.0.0.0/${conn.client_port}",
        "10.${conn.client_port}.0.0/16",
        "2001:db8:${conn.client_port}::/64",
        "${conn.client_ip}/${conn.client_port}",
    ] {
        assert_eq!(list(entry), Vec::<String>::new(), "{entry}");
    }
}

#[test]
fn patterns_of_whole_urls_do_not_begin_with_a_path() {
    let both = |from: &str, to: &str| {
        let one = |action: &str| {
            said(&format!(
                "on_http_request: [{{actions: [{{type: {action}, config: {{from: '{from}', to: '{to}'}}}}]}}]"
            ))
        };
        let found = one("url-rewrite");
        assert_eq!(found, one("redirect"), "{from}");
        found
    };
    for from in [
        "^/api(/.*)?$",
        "^/old$",
        "^(/a|/b)",
        "(?:^/a|^/b)",
        r"\A/a",
        "^api",
        "^example\\.com",
        "^www",
        "^/a|^/b",
    ] {
        assert_eq!(both(from, "/x"), ["warning TP448"], "{from}");
    }
    for from in [
        "/api",
        "^https?://[^/]+/api",
        "^http",
        "(?i)^HTTPS",
        "^.*/api",
        "^[^/]+//",
        "/old$",
        "^/a|/b",
        "^/?h",
    ] {
        assert_eq!(both(from, "/x"), Vec::<String>::new(), "{from}");
    }
}

#[test]
fn groups_of_the_pattern_are_counted() {
    let of = |config: &str| {
        said(&format!("on_http_request: [{{actions: [{{type: url-rewrite, config: {{{config}}}}}]}}]"))
    };
    for config in [
        "from: /a, to: /$1",
        "from: /(a), to: /$1/$2",
        "to: /$1",
        "from: '/(?:a)', to: /$1",
        "from: /a, to: '${req.host}/$1'",
    ] {
        assert_eq!(of(config), ["warning TP449"], "{config}");
    }
    for config in [
        "from: /(a), to: /$1",
        "from: /a, to: /$0",
        "from: /a, to: /$$1",
        "from: '/${req.host}', to: /$1",
        "from: /a, to: /$args",
    ] {
        assert_eq!(of(config), Vec::<String>::new(), "{config}");
    }
    let body = "on_http_request: [{actions: [{type: request-body-find-replace, config: {replacements: [{from: a, to: $1}]}}]}]";
    assert_eq!(said(body), ["warning TP449"]);
}
