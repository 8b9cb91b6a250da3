//! What `policy lint` prints of findings.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// What `policy lint` prints of a file in a format.
fn lint(text: &str, format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ngrok.yml");
    fs::write(&file, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let output = command.current_dir(&folder).args(["lint", "ngrok.yml", "--format", format]).output();
    String::from_utf8(output.expect("it runs").stdout).expect("text")
}

/// The places behind the arrows.
fn arrows(text: &str) -> Vec<String> {
    let out = lint(text, "text");
    let lines = out.lines().filter_map(|line| line.trim_start().strip_prefix("--> ngrok.yml:"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_arrow_names_the_place_of_the_finding() {
    let repeated = "on_tcp_connect:\n  - name: a\n    actions: [{type: deny}]\n    name: b\n";
    assert_eq!(arrows(repeated), ["4:5"]);
    let one_line = "on_tcp_connect:\n  - actions: [{type: deny}, {type: log, config: {metadata: {a: 1}}}]\n";
    assert_eq!(arrows(one_line), ["2:36"]);
    let across = "on_tcp_connect:\n  - actions: [{type: deny}]\n  - actions: [{type: close-connection}]\n";
    assert_eq!(arrows(across), ["3:22"]);
    // Too far apart to be shown in one piece.
    let far = format!(
        "on_tcp_connect:\n  - actions: [{{type: deny}}]\n{}  - actions: [{{type: close-connection}}]\n",
        "  # …\n".repeat(2_000)
    );
    assert_eq!(arrows(&far), ["2003:22"]);
    assert!(lint(&far, "text").contains("::: ngrok.yml:2:22"));
}

/// Files with faults at, beside and around secrets; `hunter2secret` is all of them.
const SECRETS: &[&str] = &[
    "on_http_request:\n  - actions: [{type: basic-auth, config: {credentials: \"admin:hunter2secret\"}}]\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials: [\"admin:hunter2secret\"]\n",
    "on_tcp_connect:\n  - actions: [{type: basic-auth, config: {credentials: [\"admin:hunter2secret\"]}}]\n",
    "on_http_request:\n  - actions: [{type: basic-auth, config: {credentails: [\"admin:hunter2secret\"]}}]\n",
    "on_http_request:\n  - actions: [{type: add-headers, config: {headers: \"Authorization Bearer hunter2secret\"}}]\n",
    "on_http_request:\n  - actions: [{type: http-request, config: {url: \"https://u:hunter2secret@h/\", headers: {authorization: \"Bearer hunter2secret ${req.hots}\"}}}]\n",
    "on_http_request:\n  - actions: [{type: add-headers, config: {headers: {authorization: \"Bearer ${'hunter2secret' + 1}\"}}}]\n",
    "version: 3\nagent:\n  authtoken: hunter2secret\n  regoin: eu\n",
    "version: 3\nauthtoken: hunter2secret\n",
    "version: 2\nauthtoken: hunter2secret\nproxy_url: ftp://u:hunter2secret@h:1\n",
    "version: 3\nagent:\n  authtoken hunter2secret\n",
    "version: 3\nagent:\n\tauthtoken: hunter2secret\n",
    "version: 3\nagent:\n  authtoken: \"hunter2secret\n",
    "version: 3\nagent:\n  authtoken: [hunter2secret]\n",
    "version: 3\nagent:\n  authtokn: hunter2secret\n",
    "version: 3\nagent: {authtoken: x, authtoken: hunter2secret}\n",
    "version: 3\nagent: {authtoken: x, proxy_url: \"hppt://u:hunter2secret@h:1\"}\n",
    "version: 2\nauthtoken: x\ntunnels:\n  a: {proto: http, addr: 80, basic_auth: [\"a:hunter2secret\"], foo: 1}\n",
    "on_http_request:\n  - actions: [{type: verify-webhook, config: {provider: githb, secret: hunter2secret}}]\n",
    "on_http_request:\n  - actions: [{type: oauth, config: {provider: google, client_id: a, client_secret: hunter2secret, foo: 1}}]\n",
    "version: 3\nagent: {authtoken: x}\nendpoints:\n  - name: a\n    url: tls://a.example\n    upstream: {url: 22}\n    agent_tls_termination:\n      server_private_key: |\n        hunter2secret\n        hunter2secret\n      foo: 1\n",
    "version: 3\nagent: {authtoken: x}\nendpoints:\n  - {name: a, url: \"https://a.example\", upstream: {url: \"http://u:hunter2secret@h/x\"}}\n",
    "version: 3\nagent:\n  authtoken: [x, hunter2secret\n",
    "on_tcp_connect:\n  - actions: [{type: forward-internal, config: {url: \"tcp://u:hunter2secret@a.internal:22\"}}]\n",
    "authtoken hunter2secret\n",
    "on_http_request:\n  - actions: [{type: basic-auth, config: {credentials: [\"admin:hunter2secret<TOKEN>\"]}}]\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - a:hunter2secret\n             - b:hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - \"admin:hunter2secret\" admin\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - 'admin:it'shunter2secret'\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - !admin:hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - @hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - `hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - |hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - *hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          credentials:\n            - &hunter2secret x\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: \"Bearer hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            x-api-key: 'it's hunter2secret'\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: %hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: !hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: Bearer: hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: *hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: |\n  hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: ${basic_auth.encod('admin', 'hunter2secret')}\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            authorization: \"a\u{7}hunter2secret\"\n",
    "on_http_request:\n  - actions:\n      - type: add-headers\n        config:\n          headers:\n            \"Authorization: Bearer hunter2secret\": x\n",
    "version: 3\nagent:\n  authtoken: *hunter2secret\n",
    "version: 3\nagent:\n  authtoken: !hunter2secret\n",
    "version: 3\nagent:\n  authtoken: |\n  hunter2secret\n",
    "version: 3\nagent:\n  authtoken: >-\nhunter2secret\n",
    "version: 3\nagent:\n  authtoken: |\nhunter2secret: x\n",
    "version: 3\nagent:\n  authtoken: |\n  hunter2secret: x\n",
    "version: 3\nagent:\n  authtoken: \"\u{7}hunter2secret\"\n",
    "version: 3\nagent:\n  token: hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: verify-webhook\n        config:\n          secret: !hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: verify-webhook\n        config:\n          secret: &hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: verify-webhook\n        config:\n          {secret: !hunter2secret}\n",
    "on_http_request:\n  - actions:\n      - type: basic-auth\n        config:\n          password: hunter2secret\n",
    "on_http_request:\n  - actions:\n      - type: http-request\n        config:\n          url: \"u:hunter2secret@a.internal/x\"\n",
    "on_http_request:\n  - actions:\n      - type: http-request\n        config:\n          url: a.internal/x?token=hunter2secret\n",
    "on_tcp_connect:\n  - actions:\n      - type: terminate-tls\n        config:\n          server_private_key: |\n            -----BEGIN\n hunter2secret\n            x\n",
    // Misspelt where it does not belong.
    "version: 3\nagent: {}\nendpoints: []\nauthtokn: hunter2secret\n",
    "version: 3\nagent: {authtoken: a}\nauthtoken_: [hunter2secret]\n",
    "version: 3\nagent: {authtoken: a, tls_key: hunter2secret}\n",
    "version: 3\nagent: {authtoken: a, verify_webhook_secrets: {a: hunter2secret}}\n",
    // A key where something else belongs.
    "version: 1\nagents: {listen: \"[::]:1\", names: [e], tls: {certificate: \"-----BEGIN PRIVATE KEY-----\\nhunter2secret\", private_key: a}}\n",
    "version: 3\nagent: {authtoken: a}\nendpoints: []\ncert: |\n  -----BEGIN EC PRIVATE KEY-----\n  hunter2secret\n  -----END EC PRIVATE KEY-----\n",
    "version: 3\nagent: {authtoken: a}\ncert:\n  -----BEGIN RSA PRIVATE KEY-----\n  hunter2secret\n  hunter2secret==\nendpoint: []\n",
];

#[test]
fn no_output_shows_a_secret() {
    for text in SECRETS {
        for format in ["text", "json", "github"] {
            let out = lint(text, format);
            assert!(out.contains("TP"), "{text}: {out}");
            assert!(!out.contains("hunter2secret"), "{text}: {out}");
        }
    }
    // What stands around them is shown, at its place.
    let out = lint("version: 3\nagent: {authtoken: hunter2secret, regoin: eu}\n", "text");
    assert!(out.contains("2 | agent: {authtoken: *************, regoin: eu}"), "{out}");
    let out = lint("version: 3\nagent: {authtoken: \"hünter2secret\", regoin: eu}\n", "text");
    assert!(out.contains("--> ngrok.yml:2:37") && !out.contains("nter2"), "{out}");
}
