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
        "010.0.0.${conn.client_port}/32",
        "300.${conn.client_port}.0.0/16",
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
        "^/?api/(.*)",
        "^[/]api",
        "(?m)^/api",
        "^/*api",
        r"^\s*/api",
        "^/${req.method}/x",
        "^$",
        "^/?$",
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
        "^[a-z]+://",
        "^[^/]+/api",
        "^(/api)?",
        "^${req.url.scheme}://",
        "^h${req.method}",
        "^/*",
        "$",
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

#[test]
fn web_urls_begin_with_their_scheme() {
    let of = |url: &str| {
        said(&format!("on_http_request: [{{actions: [{{type: http-request, config: {{url: \"{url}\"}}}}]}}]"))
    };
    for url in ["${req.host}.internal/x", "ftp://${req.host}", "api.${req.host}/x", "//${req.host}/x"] {
        assert_eq!(of(url), ["error TP318"], "{url}");
    }
    for url in [
        "https://${req.host}.internal/x",
        "HTTPS://${req.host}/",
        "${req.url}",
        "http${endpoint.port == 443 ? 's' : ''}://a.internal",
        "${req.url.scheme}://a.internal/x",
    ] {
        assert_eq!(of(url), Vec::<String>::new(), "{url}");
    }
}

#[test]
fn whole_urls_do_not_begin_with_a_path() {
    let of = |condition: &str| {
        said(&format!("on_http_request: [{{expressions: [\"{condition}\"], actions: [{{type: deny}}]}}]"))
    };
    for condition in [
        "req.url.startsWith('/api')",
        "req.url.matches('^/api')",
        "req.url == '/api'",
        "'/api' == req.url",
        "req.url in ['/api', '/v2']",
        "req.url.startsWith('example.com')",
    ] {
        let found = of(condition);
        assert!(!found.is_empty() && found.iter().all(|it| it == "warning TP224"), "{condition}: {found:?}");
    }
    for condition in [
        "req.url.path.startsWith('/api')",
        "req.url.startsWith('https://example.com/')",
        "req.url.startsWith('http')",
        "req.url.contains('/api')",
        "req.url.endsWith('/api')",
        "req.url.matches('/api')",
        "req.url.matches('^https?://')",
        "req.url.path.matches('^/api')",
    ] {
        assert_eq!(of(condition), Vec::<String>::new(), "{condition}");
    }
}

#[test]
fn categories_begin_as_one_does() {
    let of = |condition: &str| {
        said(&format!("on_http_request: [{{expressions: [\"{condition}\"], actions: [{{type: deny}}]}}]"))
    };
    let begins = |text: &str| of(&format!("conn.client_ip.categories.exists(c, c.startsWith('{text}'))"));
    assert_eq!(begins("proxy.tor"), ["warning TP224"]);
    for text in ["proxy.", "com.githu", "com.microsoft.azure.Any", "proxy.anonymous.tor"] {
        assert_eq!(begins(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn values_that_wait_to_be_filled_in_are_told_once() {
    let list = |entry: &str| {
        said(&format!(
            "on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{allow: [\"{entry}\", \"::/0\"]}}}}]}}]"
        ))
    };
    for entry in ["$OFFICE", "%IP%", "<your ip>/32", "{{ip}}", "<CIDR>"] {
        assert_eq!(list(entry), ["error TP313"], "{entry}");
    }
    let header = |value: &str| {
        said(&format!(
            "on_http_request: [{{actions: [{{type: add-headers, config: {{headers: {{x-a: \"{value}\"}}}}}}]}}]"
        ))
    };
    assert_eq!(header("Bearer $TOKEN"), ["warning TP313"]);
    for value in ["<none>", "Site <berlin>", "{id}"] {
        assert_eq!(header(value), Vec::<String>::new(), "{value}");
    }
    for condition in [
        "req.host.endsWith('.$DOMAIN')",
        "req.host.endsWith('.${MY_DOMAIN}')",
        "req.host == '<api key>'",
        "inCidrRange(conn.client_ip, '<CIDR>')",
    ] {
        let text =
            format!("on_http_request: [{{expressions: [\"{condition}\"], actions: [{{type: deny}}]}}]");
        assert_eq!(said(&text), ["warning TP313"], "{condition}");
    }
    // Brackets alone make no placeholder.
    let none = "on_tcp_connect: [{expressions: [\"inCidrRange(conn.client_ip, '<none>')\"], actions: [{type: deny}]}]";
    assert_eq!(said(none), ["error TP215"]);
}
