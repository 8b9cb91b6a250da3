//! Documents that are made to hurt: whatever they are, they are answered, on a small stack.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::thread;

use policy_core::agent::load_agent_files;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, MAX_DIAGNOSTICS};
use policy_core::edge::load_edge;
use policy_core::ip_policies::load_ip_policies;
use policy_core::lint::{DocumentKind, lint_as};
use policy_core::named_file::NamedFile;
use policy_core::parse::decode;

/// Everything that reads documents, on a stack of 2 MiB; what a policy gives.
fn look(text: String) -> Diagnostics {
    let reader = move || {
        let (source, found) = decode("hostile.yml", text.into_bytes());
        if found.has_errors() {
            return found;
        }
        let options = CheckOptions::default();
        let (_, edge) = load_edge(&source);
        let agent = load_agent_files(&source, &options, &mut |name| {
            NamedFile::new(name.to_owned(), Err("none".to_owned()))
        })
        .findings;
        let (_, lists) = load_ip_policies(&source);
        let policy = lint_as(&source, DocumentKind::Policy, &options).diagnostics;
        for found in [&edge, &agent, &lists, &policy] {
            assert!(found.iter().count() <= MAX_DIAGNOSTICS);
            assert!(found.iter().all(|item| item.help.is_some()));
        }
        policy
    };
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(reader).expect("a thread");
    thread.join().expect("no panic and no overflow")
}

fn codes(text: String) -> Vec<&'static str> {
    let mut codes: Vec<_> = look(text).iter().map(|item| item.code.id).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn nesting_is_refused_at_its_limit() {
    assert_eq!(codes("[".repeat(100_000)), ["TP107"]);
    assert_eq!(codes("- ".repeat(100_000)), ["TP107"]);
    assert_eq!(codes("{a: ".repeat(3_000)), ["TP107"]);
    let mut deep = String::new();
    for level in 0..3_000 {
        writeln!(deep, "{:level$}a:", "").expect("a text");
    }
    assert!(codes(deep).contains(&"TP107"));
    // As deep as the reader goes, below a field that takes anything.
    let vars = format!("{}1{}", "[".repeat(110), "]".repeat(110));
    let text =
        format!("on_http_request: [{{actions: [{{type: set-vars, config: {{vars: [{{a: {vars}}}]}}}}]}}]");
    assert_eq!(codes(text), ["TP308"]);
}

#[test]
fn aliases_do_not_multiply() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, of) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        let many = vec![format!("*{of}"); 9].join(", ");
        writeln!(bomb, "{name}: &{name} [{many}]").expect("a text");
    }
    assert!(codes(bomb).contains(&"TP107"));
    // One expensive action, used as often as aliases may.
    let action = "&a {type: url-rewrite, config: {from: '(a{1,60}){1,60}', to: \"${req.url.path}\"}}";
    let uses = vec!["*a"; 2_000].join(", ");
    look(format!("on_http_request: [{{actions: [{action}, {uses}]}}]"));
}

#[test]
fn many_of_everything_is_answered() {
    const MANY: usize = 4_000;
    let rows = |row: &dyn Fn(usize) -> String| (0..MANY).map(row).collect::<String>();
    // Keys that nobody knows: each is compared with those that exist.
    let keys = rows(&|at| format!("on_http_requst{at}: []\n"));
    assert_eq!(codes(keys), ["TP304"]);
    let fields = rows(&|at| format!("  statuscode{at}: 1\n"));
    look(format!("on_http_request: [{{actions: [{{type: deny, config:\n{fields}}}]}}]"));
    // Variables that are set and read, each by the next.
    let vars = rows(&|at| format!("        - v{at}: \"${{vars.v{}}}\"\n", at.saturating_sub(1)));
    let found = codes(format!(
        "on_http_request:\n  - actions:\n    - type: set-vars\n      config:\n       vars:\n{vars}"
    ));
    assert_eq!(found, ["TP413"], "the first reads itself");
    // Variables that nobody sets, with near names that somebody does.
    let reads = rows(&|at| format!("        - v{at}: \"${{vars.w{at}}}\"\n"));
    look(format!(
        "on_http_request:\n  - actions:\n    - type: set-vars\n      config:\n       vars:\n{reads}"
    ));
    let rules = rows(&|at| {
        format!("  - expressions: [\"conn.client_port > {at}\"]\n    actions: [{{type: deny}}]\n")
    });
    assert_eq!(codes(format!("on_tcp_connect:\n{rules}")), Vec::<&str>::new());
    let policies =
        rows(&|at| format!("- {{id: ipp_{at}, rules: [{{cidr: 192.0.2.0/24, action: allow}}]}}\n"));
    look(policies);
    // Endpoints that forward to one another in a long circle, and to wildcards.
    let circle = |at: usize| {
        let next = (at + 1) % MANY;
        format!(
            "- {{name: e{at}, url: tcp://e{at}.internal:22, upstream: {{url: 22}}, traffic_policy: {{on_tcp_connect: \
             [{{actions: [{{type: forward-internal, config: {{url: tcp://e{next}.internal:22}}}}]}}]}}}}\n"
        )
    };
    look(format!("version: 3\nagent: {{}}\nendpoints:\n{}", rows(&circle)));
}

#[test]
fn large_files_are_read() {
    let addresses = |at: usize| format!("          - 10.{}.{}.0/24\n", at >> 8 & 255, at & 255);
    let list: String = (0..800_000).map(addresses).collect();
    let text = format!(
        "on_tcp_connect:\n  - actions:\n      - type: restrict-ips\n        config:\n          allow:\n{list}"
    );
    assert!(text.len() > 18_000_000);
    assert_eq!(codes(text), ["TP436"]);
    // One long text, and one long line of expressions.
    let body = "x".repeat(20 << 20);
    let long =
        format!("on_http_request: [{{actions: [{{type: custom-response, config: {{body: {body}}}}}]}}]");
    assert_eq!(codes(long), ["TP308"]);
    let templates = "${req.method}".repeat(200_000);
    look(format!(
        "on_http_request: [{{actions: [{{type: custom-response, config: {{body: \"{templates}\"}}}}]}}]"
    ));
}
