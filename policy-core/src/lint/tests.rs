//! What files are taken for, and what is found in them.

use super::*;
use crate::check::load_policy;
use crate::diagnostic::Diagnostic;
use crate::lpm::TableLimits;

fn look(text: &str) -> Linted {
    lint(&Source::new("f.yml", text), None, &CheckOptions::default())
}

/// The code, place and help of each finding.
fn said(text: &str) -> Vec<(&'static str, String, String)> {
    let source = Source::new("f.yml", text);
    let of = |item: &Diagnostic| {
        let help = item.help.clone().unwrap_or_default();
        (item.code.id, source.position(item.span.start).to_string(), help)
    };
    lint(&source, None, &CheckOptions::default()).diagnostics.iter().map(of).collect()
}

#[test]
fn files_of_other_programs_are_left_alone() {
    for text in [
        "version: \"3\"\nservices: {app: {build: .}}\nvolumes: {data: {}}\n",
        "version: '3'\nvars: {PORT: 8080}\ntasks: {default: {cmds: [\"policy lint .\"]}}\n",
        "version: 2\nupdates: [{package-ecosystem: cargo, directory: /}]\n",
        "version: 2\njobs: {build: {docker: [{image: rust}]}}\nworkflows: {main: {jobs: [build]}}\n",
        "version: 2\nbuild: {os: ubuntu-24.04}\npython: {install: []}\n",
        "version: 2\nmodels: [{name: a, columns: []}]\n",
        "version: \"2\"\nlinters: {default: all}\n",
        "version: 1\nformatters: {brief: {format: a}}\n",
        "endpoints: [{name: site, url: \"https://example.org\", interval: 60s, conditions: []}]\n",
        "agents: [{name: a, model: b}]\n",
        "agent: {image: rust, label: linux}\n",
        "inbound: [{tag: socks, port: 1080}]\noutbound: [{tag: direct}]\n",
        "name: deploy\non: {push: {}}\njobs: {a: {steps: [{run: \"on_http_request:\\n- actions: []\"}]}}\n",
        "- name: edges\n  tasks: [{copy: {content: \"on_tcp_connect: []\"}}]\n",
        "- alias: door\n  actions: [{type: turn_on, device_id: a}]\n",
        "on_connect: [{actions: [{type: notify}]}]\n",
        "outputs: [{type: log}, {type: redirect}]\nfields: [{type: logs}]\n",
        "type: object\nproperties: {on_tcp_connect: {type: array, items: {}}}\n",
        "name: [unclosed\n",
    ] {
        let linted = look(text);
        assert_eq!((linted.kind, linted.diagnostics.is_empty()), (None, true), "{text}");
    }
    // What is certain is left alone where it is named as well.
    let named = |text: &str| {
        lint(&Source::new("f.yml", text), Some(DocumentKind::Policy), &CheckOptions::default()).foreign
    };
    let manifest = |kind: &str| Some(Foreign::Manifest(kind.into()));
    assert_eq!(named("services: {app: {image: nginx}}"), Some(Foreign::Compose));
    assert_eq!(named("apiVersion: v1\nkind: ConfigMap\ndata: {a: on_tcp_connect}\n"), manifest("ConfigMap"));
    assert_eq!(
        named("apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Secret\n"),
        manifest("Service")
    );
    assert_eq!(named("{{- if .Values.a }}\na: []\n{{- end }}\n"), Some(Foreign::Template));
    assert_eq!(named("# on_tcp_connect\n{% if a %}\na: []\n{% endif %}\n"), Some(Foreign::Template));
    assert_eq!(named("services: [nginx]"), None);
}

#[test]
fn files_of_ours_are_known_by_what_they_hold() {
    for (text, kind) in [
        ("version: 3\nagent: {authtoken: a}\n", DocumentKind::Agent),
        ("version: \"3\"\nagent:\n", DocumentKind::Agent),
        ("version: 3\n", DocumentKind::Agent),
        ("version: 2\nauthtoken: a\ntunnels: {ssh: {proto: tcp, addr: 22}}\n", DocumentKind::Agent),
        ("authtoken: a\n", DocumentKind::Agent),
        ("tunnels: {ssh: {proto: tcp, addr: 22}}\n", DocumentKind::Agent),
        ("endpoints: [{name: a, url: \"tcp://a.internal:22\", upstream: {url: 22}}]\n", DocumentKind::Agent),
        ("endpoints: [{name: a, url: \"https://a.example\", metadata: x}]\n", DocumentKind::Agent),
        ("version: 3\nexamples: [{name: a, upstream: {url: 80}}]\n", DocumentKind::Agent),
        ("version: 1\nendpoints: [{name: a}]\n", DocumentKind::Edge),
        ("version: 1\nagents: {listen: \"127.0.0.1:1\", names: [a]}\n", DocumentKind::Edge),
        ("internal_endpoints: []\n", DocumentKind::Edge),
        ("inbound: [{actions: [{type: deny}]}]\n", DocumentKind::Policy),
        ("on_tcp_conect: [{actions: [{type: deny}]}]\n", DocumentKind::Policy),
        ("- expressions: [\"true\"]\n  actions: [{type: deny}]\n", DocumentKind::Policy),
        ("actions: [{type: dney}]\n", DocumentKind::Policy),
        ("expressions: [conn.client_port == 22]\n", DocumentKind::Policy),
        ("- type: restrict-ips\n  config: {allow: []}\n", DocumentKind::Policy),
        ("- id: ipp_a\n  rules: []\n", DocumentKind::IpPolicies),
        ("on_tcp_connect: [\n", DocumentKind::Policy),
        ("name: a\nx: [\non_tcp_connect: []\n", DocumentKind::Policy),
        ("traffic_policy: {on_tcp_connect: []}\n", DocumentKind::Embedding),
    ] {
        assert_eq!(look(text).kind, Some(kind), "{text}");
    }
}

#[test]
fn configurations_of_others_are_left_alone() {
    for text in [
        "version: 3\nname: gw\nport: 8080\nendpoints: [{endpoint: /a, method: GET, backend: [{host: [\"http://a\"]}]}]\n",
        "{\"version\": 3, \"endpoints\": [{\"endpoint\": \"/a\", \"backend\": [{\"url_pattern\": \"/a\"}]}]}",
        "version: 1\nendpoints: [{path: /a, backend: \"http://a:80\", methods: [GET]}]\n",
        "version: 1\nendpoints: {users: {url: \"http://users:80\", timeout: 3s}}\n",
        "version: 1\nendpoints: {users: {url: \"http://users:80\"}}\n",
        "version: 1\nendpoints: [{name: a, url: \"https://a.example\", interval: 60s}]\nlimits: {rate: 1}\n",
        "version: 1\nendpoints: [{name: a, url: \"https://a.example\"}, {name: b, url: \"https://b.example\"}]\n",
        "version: 1\nendpoints: [{name: a, url: \"tcp://a:22\", check: tcp, interval: 1m, alerts: []}]\n",
        "version: 1\nendpoints: [{name: a, path: /a, upstream: \"http://a:80\"}]\n",
        "version: 1\nendpoints: [{id: a, route: /a}]\nlimits: {rate: 1}\nevents: []\n",
        "version: 1\nlisten: \":80\"\nendpoints: [{name: a, listen: \":81\", handler: b}]\n",
        "version: 1\nendpoints: [/a, /b]\n",
        "version: 1\nagents: [{name: a, model: b}]\nendpoints: []\n",
        "version: 1\nagents: {listen: \":1\", workers: 4, queue: a}\n",
        "version: 1\nstate_dir: /var/lib/a\nplugins: []\nlog: {level: info}\n",
        "version: 1\ninternal_endpoints: [{path: /a, target: b}]\n",
        "internal_endpoints: {db: \"db.internal:5432\"}\nendpoints: {api: \"https://a.example\"}\n",
        "internal_endpoints: [{name: db, host: db.internal}]\n",
        "endpoints: [{name: a, url: \"https://a.example\"}]\n",
        "endpoints: [{name: a, path: /a, upstream: {url: \"http://a:80\"}, methods: [GET]}]\nplugins: []\n",
        "version: 2\nendpoints: [{path: /a, target: b}]\n",
        "version: 3\nendpoints: [{name: a, listen: \":80\", routes: []}]\n",
        "version: 3\nendpoints: []\nservices: []\n",
        "version: 2\nmodels: [{name: a}]\nmetadata: {a: b}\n",
        "version: 2\nagent: {image: a, metadata: b, pool: c}\n",
        "agent: {log_level: info, interval: 10s, hostname: a}\n",
        "image: {tag: a}\nendpoints: {api: {url: b}}\nagent: {image: a, log_level: info}\n",
        "tunnels: {wg0: {addr: 10.0.0.1, mtu: 1400, peers: []}}\n",
        "global: {scrape_interval: 15s}\nscrape_configs: [{job_name: a}]\n",
        "openapi: 3.1.0\ninfo: {version: \"1\"}\npaths: {/a: {get: {}}}\n",
        "apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\n",
    ] {
        let linted = look(text);
        assert_eq!((linted.kind, linted.diagnostics.is_empty()), (None, true), "{text}");
    }
}

#[test]
fn broken_configurations_are_found() {
    let edge = |text: &str| (text.to_owned(), DocumentKind::Edge);
    let agent = |text: &str| (text.to_owned(), DocumentKind::Agent);
    let public = "url: \"tcp://edge.example.com:20022\"";
    for (text, kind) in [
        edge("version: 1\nendpoints:\n"),
        edge("version: 1\nendpoints: []\n"),
        edge("version: 1\nstate_dir: ./state\n"),
        edge("version: 1\nagents: {listen: \"0.0.0.0:4443\"}\n"),
        edge("version: 1\nagents: {listen: \"0.0.0.0:4443\", certificate: a, private_key: b}\n"),
        edge(&format!("version: 1\nendpoints: {{name: a, {public}, traffic_policy_file: a.yml}}\n")),
        edge(&format!("version: 1\nendpoints: {{ssh: {{{public}, traffic_policy_file: a.yml}}}}\n")),
        edge(&format!("version: 1\nendponits: [{{name: a, {public}, traffic_policy_file: a.yml}}]\n")),
        edge(&format!("version: 1\nendpoints: [{{nmae: a, {public}, policy: a.yml}}]\n")),
        edge(&format!("version: 1\nendpoints: [{{name: a, {public}, trafic_policy: {{}}}}]\n")),
        edge(&format!("version: 1\nmetrics: {{}}\nendpoints: [{{name: a, {public}}}]\n")),
        edge(&format!(
            "version: 2\nendpoints: [{{name: a, {public}, listen: \":1\", traffic_policy: {{}}}}]\n"
        )),
        edge(&format!("endpoints: [{{name: a, {public}, listen: \"[::]:1\"}}]\n")),
        edge("version: 1\nendpoints: [{name: a, url: \"https://a.example\", traffic_policy: {}}]\n"),
        edge("version: 1\ninternal_endpoints: [{url: \"tcp://a.internal:22\", upstraem: {url: 22}}]\n"),
        agent("version: 3\nendpoints: [{name: a, upstraem: {url: 80}}]\n"),
        agent("version: 3\nendpoints: [{name: a, url: \"tcp://a.internal:22\", port: 22}]\n"),
        agent("version: 3\nendpoints: {name: a, url: \"tcp://a.internal:22\", upstream: {url: 22}}\n"),
        agent("version: 3\nagnet: {authtoken: a}\n"),
        agent("version: 2\nweb_addr: 4041\nauthtoken: a\n"),
        agent("version: 2\nregion: eu\ntunnels: {web: {proto: http, addr: 80, foo: 1}}\n"),
    ] {
        assert_eq!(look(&text).kind, Some(kind), "{text}");
    }
    // A misspelt policy is not missing as well.
    let misspelt = format!("version: 1\nendpoints: [{{name: a, {public}, traffic_polcy_file: a.yml}}]\n");
    assert_eq!(said(&misspelt).iter().map(|it| it.0).collect::<Vec<_>>(), ["TP302"]);
}

const MANIFESTS: &str = "apiVersion: v1
kind: Service
metadata: {name: a}
---
apiVersion: ngrok.k8s.ngrok.com/v1alpha1
kind: CloudEndpoint
metadata: {name: b}
spec:
  trafficPolicy:
    inline: {on_tcp_connect: [{actions: [{type: deny}]}]}
---
apiVersion: ingress.k8s.ngrok.com/v1alpha1
kind: IPPolicy
spec: {rules: [{cidr: 10.0.0.0/8, action: allow}]}
";

#[test]
fn policies_inside_of_other_files_are_named() {
    let ip = "write them as `- {id: ipp_…, rules: […]}` into a file of IP policies, and lint that";
    let take = |path: &str, cloud: &str| {
        format!(
            "lint it in a file of its own with the phases at the top, e.g. `yq {path} f.yml | policy lint{cloud} -`"
        )
    };
    let one = |at: &str, help: String| vec![("TP316", at.to_owned(), help)];
    assert_eq!(
        said(MANIFESTS),
        [
            one("10:5", take("'select(.kind == \"CloudEndpoint\" and .metadata.name == \"b\") | .spec.trafficPolicy.inline'", " --cloud")),
            one("14:8", ip.to_owned())
        ]
        .concat()
    );
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: ngrok.k8s.ngrok.com/v1alpha1, kind: \
                NgrokTrafficPolicy, spec: {policy: {on_tcp_connect: []}}}\n";
    assert_eq!(said(list), one("4:79", take("'.items[0].spec.policy'", "")));
    for (text, at, path) in [
        ("policy:\n  on_http_request: []\n", "1:1", "'.policy'"),
        ("a: {b: {on_tcp_connect: [{actions: [{type: deny}]}]}}\n", "1:5", "'.a.b'"),
        ("[{traffic_policy: {on_tcp_connect: []}}]\n", "1:3", "'.[0].traffic_policy'"),
        ("a-b: {on_tcp_connect: [{actions: []}]}\n", "1:1", "'.\"a-b\"'"),
        ("[{on_tcp_connect: [{actions: [{type: deny}]}]}]\n", "1:2", "'.[0]'"),
        ("a:\n  - on_request: [{actions: [{type: deny}]}]\n", "2:5", "'.a[0]'"),
        ("traffic_policy: \"on_tcp_connect: []\"\n", "1:1", "-r '.traffic_policy'"),
    ] {
        assert_eq!(said(text), one(at, take(path, "")), "{text}");
    }
    // No command with what a shell would take for something else.
    let (_, _, help) = said("\"a'b\": {on_tcp_connect: [{actions: []}]}\n").remove(0);
    assert_eq!(help, "lint it in a file of its own with the phases at the top");
    // Of what is broken the syntax is told, and nothing that follows from it.
    let broken =
        "apiVersion: v1\nkind: Namespace\n---\nspec:\n  policy:\n    on_http_request:\n      - name: a: b\n";
    let found = said(broken);
    assert_eq!(found.iter().map(|(code, at, _)| (*code, &**at)).collect::<Vec<_>>(), [("TP103", "7:16")]);
    // A configuration and a policy hold what they hold at its place.
    assert!(
        said(
            "on_tcp_connect: [{actions: [{type: log, config: {metadata: {policy: {on_tcp_connect: []}}}}]}]"
        )
        .is_empty()
    );
}

#[test]
fn many_policies_in_a_file_are_counted() {
    // A long key above many of them is not repeated for each.
    let key = "k".repeat(900);
    let below: String =
        (0..500).map(|at| format!("  a{at}: {{on_tcp_connect: [{{actions: []}}]}}\n")).collect();
    let found = look(&format!("{key}:\n{below}")).diagnostics;
    assert!(found.errors() == 500 && found.iter().all(|item| item.message.len() < 500));
    let text: String = (0..120).map(|at| format!("a{at}: {{on_tcp_connect: [{{actions: []}}]}}\n")).collect();
    let found = look(&text).diagnostics;
    assert_eq!((found.errors(), found.iter().count(), found.dropped()), (120, 50, 70));
}

#[test]
fn rules_that_lost_their_phase_are_not_passed_over() {
    for text in [
        "policy:\n  inbound:\n    - actions: [{type: deny}]\n",
        "rules:\n  - name: x\n    actions: [{type: deny}]\n",
        "web:\n  actions:\n    - type: restrict-ips\n      config: {allow: []}\n",
        "foo: {rules: [{expressions: [a], actions: [{type: log}]}]}\n",
        "policies: {a: {b: [{type: deny, config: {}}]}}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  policy.yml: |\n    # ours\n    on_tcp_connect: []\n",
    ] {
        assert_eq!(look(text).kind, Some(DocumentKind::Embedding), "{text}");
        assert!(said(text).iter().any(|(code, ..)| *code == "TP316"), "{text}");
    }
}

#[test]
fn templates_of_policies_are_not_passed_over() {
    let policy = "on_tcp_connect:\n  - actions:\n      - type: deny\n";
    let list =
        "on_tcp_connect:\n  - actions:\n      - type: restrict-ips\n        config:\n          allow:\n";
    for (begin, end) in
        [("{{- if .a }}", "{{- end }}"), ("{% if a %}", "{% endif %}"), ("<% if a %>", "<% end %>")]
    {
        for (text, at) in [
            (format!("{begin}\n{policy}{end}\n"), "1:1"),
            (format!("# ours\n---\n{begin}\n{policy}{end}\n"), "3:1"),
            (format!("{policy}{end}\n"), "4:1"),
            (format!("{list}          {begin}\n          - {{{{ . }}}}\n          {end}\n"), "6:11"),
            (
                format!("apiVersion: v1\nkind: ConfigMap\n{begin}\ndata:\n  p.yml: |\n    {policy}{end}\n"),
                "3:1",
            ),
            (format!("a: 1\n---\n{begin}\n\"on_tcp_connect\": []\n{end}\n"), "3:1"),
        ] {
            let found = said(&text);
            let [(code, place, help)] = &*found else { panic!("{text}: {found:?}") };
            let expected = ("TP316", at, "render it, and lint what comes out");
            assert_eq!((*code, &**place, &**help), expected, "{text}");
            let source = Source::new("f.yml", text);
            let forced = lint_as(&source, DocumentKind::Policy, &CheckOptions::default());
            assert!(forced.diagnostics.iter().all(|item| item.code.id != "TP103"), "{source:?}");
        }
    }
    // What is broken for another reason, and has such a line in a text.
    let body = "on_tcp_connect:\n  - actions:\n      - type: log\n        config:\n          metadata: |-\n            \
                {{ x }}\n\n       bad: x\n";
    let codes: Vec<_> = said(body).iter().map(|it| it.0).collect();
    assert!(codes.contains(&"TP103") && !codes.contains(&"TP316"), "{codes:?}");
}

#[test]
fn keys_that_mean_a_phase_are_told_as_that() {
    for (key, phase) in [
        ("on_request", "on_http_request"),
        ("on_http", "on_http_request"),
        ("onHttp", "on_http_request"),
        ("on-requests", "on_http_request"),
        ("on_response", "on_http_response"),
        ("on_tcp", "on_tcp_connect"),
        ("on_connect", "on_tcp_connect"),
        ("on_connection", "on_tcp_connect"),
        ("on_message", "on_event_stream_message"),
    ] {
        let text = format!("{key}:\n  - actions:\n      - type: log\n");
        assert_eq!(
            said(&text).first(),
            Some(&("TP304", "1:1".to_owned(), format!("did you mean `{phase}`?")))
        );
        let below = format!("traffic_policy:\n  {key}:\n    - actions:\n        - type: log\n");
        let help = said(&below).remove(0).2;
        assert!(help.contains("`yq '.traffic_policy' f.yml | policy lint -`"), "{help}");
    }
    // Other programs have such keys too, with other things below them.
    for text in [
        "on_request: [{actions: [{type: notify}]}]\n",
        "on_request: log\n",
        "on: {request: [{actions: [{type: notify}]}]}\n",
    ] {
        assert_eq!(look(text).kind, None, "{text}");
    }
}

#[test]
fn ip_policies_are_known_by_their_rules() {
    for text in [
        "- id: 1\n  rules: [{cidr: 10.0.0.0/8, action: allow}]\n",
        "- description: office\n  rules: [{cidr: 10.0.0.0/8, action: deny, description: a}]\n",
    ] {
        assert_eq!(look(text).kind, Some(DocumentKind::IpPolicies), "{text}");
        assert!(look(text).diagnostics.has_errors(), "{text}");
    }
    for text in [
        "- name: sg\n  rules: [{cidr: 10.0.0.0/8, action: allow, port: 22}]\n",
        "- id: 1\n  rules: [{cidr: 10.0.0.0/8, action: allow, port: 22}]\n",
        "- id: 1\n  vpc: a\n  rules: [{cidr: 10.0.0.0/8, action: allow}]\n",
    ] {
        assert_eq!(look(text).kind, None, "{text}");
    }
}

#[test]
fn texts_of_files_are_looked_into() {
    let policy = "on_tcp_connect:\n        - actions: [{type: deny}]\n";
    for (text, at) in [
        (
            format!("services: {{a: {{image: b}}}}\nconfigs:\n  policy:\n    content: |\n      {policy}"),
            "4:5",
        ),
        (format!("write_files:\n  - path: /etc/a.yml\n    content: |\n      {policy}"), "3:5"),
    ] {
        let found = said(&text);
        assert_eq!(found.iter().map(|it| (it.0, &*it.1)).collect::<Vec<_>>(), [("TP316", at)], "{text}");
    }
}

#[test]
fn what_is_too_large_is_told_whatever_runs_of_it() {
    let lists = "{type: restrict-ips, config: {allow: [10.0.0.0/8, 192.0.2.0/24]}}";
    for (policy, what) in [
        (format!("on_tcp_connect: [{{actions: [{lists}]}}]"), "connections"),
        (format!("on_http_request: [{{actions: [{lists}]}}]"), "requests, which no edge runs"),
        (
            format!(
                "on_tcp_connect: [{{actions: [{lists}]}}]\non_http_response: [{{actions: [{{type: compress-response}}]}}]"
            ),
            "beside what is not run",
        ),
    ] {
        let source = Source::new("p.yml", policy);
        let checked = || load_policy(&source, &CheckOptions::default()).0;
        let look = |bytes: usize| {
            let mut found = Diagnostics::default();
            let with = CompileOptions { table: TableLimits::new(bytes), ..CompileOptions::default() };
            let fits = of_permitted_size(checked().expect(what), &with, &mut found).is_some();
            (fits, found.iter().map(|item| item.code.id).collect::<Vec<_>>())
        };
        assert_eq!(look(16), (false, vec!["TP602"]), "{what}");
        assert_eq!(look(1 << 20), (true, vec![]), "{what}");
    }
}

/// What follows a secret field in a text that cannot be read ends it only if it is known as a field.
#[test]
fn fields_at_the_top_of_every_file_are_known() {
    let tops = [crate::edge::TOP_FIELDS, crate::agent::TOP, crate::ip_policies::TOP, crate::scenarios::TOP];
    let names = tops.into_iter().flat_map(crate::schema::names);
    for name in names.chain(crate::phase::Phase::ALL.map(crate::phase::Phase::name)) {
        assert!(crate::language::language().names.known.contains(name), "{name}");
    }
}

/// A list of IP policies in a map has no other fields than its own and those of answers of the API.
#[test]
fn unknown_fields_beside_ip_policies_are_reported() {
    let lint = |text: &str| {
        let source = Source::new("ip.yml", text);
        lint_as(&source, DocumentKind::IpPolicies, &CheckOptions::default()).diagnostics
    };
    let found = lint("ip_policies: []\nip_policys: []\n");
    assert_eq!((found.errors(), found.iter().next().map(|it| it.code.id)), (1, Some("TP302")), "{found:?}");
    assert_eq!(lint("ip_policies: []\nnext_page_uri: null\n").errors(), 0);
}
