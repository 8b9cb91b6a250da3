//! Configurations of edges with the files they name.

use super::*;
use crate::edge::OnBadPolicy;
use crate::named_file::NamedFile;

const EDGE: &str = "version: 1
endpoints: [{name: a, url: \"tcp://e:1\", traffic_policy_file: a.yml}]
internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 22}}]
";

fn no_list(_: &str, name: &str, _: &mut dyn FnMut(&[u8])) -> NamedFile<()> {
    NamedFile::new(name.to_owned(), Err("there is none".to_owned()))
}

fn load(policy: Result<&str, &str>) -> (bool, Vec<String>, usize) {
    load_with(EDGE, policy)
}

fn load_with(edge: &str, policy: Result<&str, &str>) -> (bool, Vec<String>, usize) {
    let source = Source::new("edge.yml", edge);
    let files = load_edge_files(
        &source,
        &CheckOptions::default(),
        &mut |name| {
            let bytes = policy.map(|text| text.as_bytes().to_vec()).map_err(ToOwned::to_owned);
            NamedFile::new(format!("/etc/{name}"), bytes)
        },
        &mut no_list,
    );
    let place = |item: &Diagnostic| format!("{} {}", source.position(item.span.start), item.code.id);
    (files.usable.is_some(), files.findings.iter().map(place).collect(), files.policies.len())
}

#[test]
fn what_is_wrong_with_a_policy_file_is_said_where_it_is_named() {
    let forward = |host: &str| {
        format!(
            "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"tcp://{host}:22\"}}}}]}}]"
        )
    };
    assert_eq!(load(Ok(&forward("d.internal"))), (true, vec![], 1));
    assert_eq!(load(Ok(&forward("x.internal"))), (true, vec!["2:62 TP455".to_owned()], 1));
    let agents = format!("{EDGE}agents: {{listen: \"127.0.0.1:2\", names: [e]}}\n");
    assert_eq!(load_with(&agents, Ok(&forward("x.internal"))), (true, vec![], 1));
    assert_eq!(load(Ok("on_tcp_connect: [")), (false, vec!["2:62 TP452".to_owned()], 1));
    assert_eq!(load(Err("it is gone")), (false, vec!["2:62 TP452".to_owned()], 0));
}

#[test]
fn a_public_endpoint_has_no_upstream_and_an_internal_one_has() {
    let through = "{on_tcp_connect: [{expressions: [\"conn.client_port > 1023\"], actions: [{type: deny}]}]}";
    let edge = |public: &str, internal: &str| {
        format!(
            "version: 1\nendpoints:\n- {{name: a, url: \"tcp://e:1\", {public}}}\ninternal_endpoints:\n- {{url: \
                 \"tcp://d.internal:22\", upstream: {{url: 22}}, {internal}}}\n"
        )
    };
    let (inline, file) = (format!("traffic_policy: {through}"), "traffic_policy_file: p.yml");
    let deny = "traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}";
    // What is served refuses what its policy leaves: a warning, so that a change that refuses more loads.
    for (serving, error) in [(false, true), (true, false)] {
        let options = CheckOptions { serving, ..CheckOptions::default() };
        for (text, codes, in_file) in [
            (edge(&inline, deny), vec!["TP409"], vec![]),
            (edge(deny, &inline), vec![], vec![]),
            (edge(file, deny), if error { vec!["TP452"] } else { vec![] }, vec!["TP409"]),
            (edge(deny, file), vec![], vec![]),
            // The same file for both.
            (edge(file, file), if error { vec!["TP452"] } else { vec![] }, vec!["TP409"]),
        ] {
            let read = &mut |name: &str| NamedFile::new(name.to_owned(), Ok(through.as_bytes().to_vec()));
            let files = load_edge_files(&Source::new("edge.yml", &*text), &options, read, &mut no_list);
            let of = |found: &Diagnostics| found.iter().map(|it| it.code.id).collect::<Vec<_>>();
            assert_eq!(of(&files.findings), codes, "{text}");
            assert_eq!(
                files.policies.iter().flat_map(|(_, it)| of(it)).collect::<Vec<_>>(),
                in_file,
                "{text}"
            );
            let fails = error && !(codes.is_empty() && in_file.is_empty());
            assert_eq!(files.usable.is_none(), fails, "{text}");
        }
    }
}

#[test]
fn what_can_be_loaded_is_there_beside_what_cannot() {
    let edge = "version: 1
endpoints:
- {name: a, url: \"tcp://e:1\", traffic_policy_file: a.yml, on_bad_policy: refuse}
- {name: b, url: \"tcp://e:2\", traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}
internal_endpoints: [{url: \"tcp://d.internal:22\", upstream: {url: 22}}]
";
    let incomplete = |edge: &str, policy: &str| {
        let (files, _) = load_all(edge, policy, false);
        assert!(files.usable.is_none() && files.findings.has_errors());
        let incomplete = files.incomplete?;
        let shape = |policies: &[LoadedPolicy]| {
            let letter = |policy: &LoadedPolicy| match policy {
                LoadedPolicy::Absent => '-',
                LoadedPolicy::Usable(_) => 'u',
                LoadedPolicy::Unusable => 'x',
            };
            policies.iter().map(letter).collect::<String>()
        };
        assert_eq!(incomplete.config.endpoints[0].on_bad_policy, OnBadPolicy::Refuse);
        assert_eq!(incomplete.config.endpoints[1].on_bad_policy, OnBadPolicy::Keep);
        Some(format!("{} {}", shape(&incomplete.endpoints), shape(&incomplete.internal)))
    };
    let geo = "on_tcp_connect: [{expressions: [\"conn.geo.city == 'x'\"], actions: [{type: deny}]}]";
    for policy in [geo, "on_tcp_connect: [{actions: [{type: dney}]}]", "on_tcp_connect: ["] {
        assert_eq!(incomplete(edge, policy).as_deref(), Some("xu -"), "{policy}");
    }
    assert_eq!(incomplete(&edge.replace("version: 1", "version: 2"), geo), None);
}

/// The files of a configuration by a host that counts what it reads; every file is the same text.
fn load_all(edge: &str, text: &str, outside: bool) -> (EdgeFiles, usize) {
    let mut reads = 0;
    let files = load_edge_files(
        &Source::new("edge.yml", edge),
        &CheckOptions::default(),
        &mut |name| {
            reads += 1;
            NamedFile::new(format!("/etc/{name}"), Ok(text.as_bytes().to_vec())).outside(outside)
        },
        &mut no_list,
    );
    (files, reads)
}

fn endpoints(count: usize, policy: impl Fn(usize) -> String) -> String {
    let one =
        |at: usize| format!("- {{name: e{at}, url: \"tcp://e:{port}\", {}}}\n", policy(at), port = at + 1);
    format!("version: 1\nendpoints:\n{}", (0..count).map(one).collect::<String>())
}

#[test]
fn a_policy_of_many_endpoints_is_loaded_once() {
    let deny = "on_tcp_connect: [{actions: [{type: deny}]}]";
    let edge = endpoints(800, |at| format!("traffic_policy_file: p{}.yml", at % 2));
    let (files, reads) = load_all(&edge, deny, false);
    let (_, programs) = files.usable.expect("no errors");
    assert_eq!((reads, files.policies.len(), programs.endpoints.len()), (2, 2, 800));
    for (at, program) in programs.endpoints.iter().enumerate() {
        assert!(Arc::ptr_eq(program, &programs.endpoints[at % 2]), "{at}");
        // Places are those of the file that is named.
        assert_eq!(program.file(), format!("/etc/p{}.yml", at % 2));
    }
    // Two that are written, the first of them shared by an alias.
    let inline = |at: usize| match at {
        0 => format!("traffic_policy: &p {{{deny}}}"),
        1..=7 => "traffic_policy: *p".to_owned(),
        _ => format!("traffic_policy: {{{deny}}}"),
    };
    let (files, _) = load_all(&endpoints(9, inline), "", false);
    let programs = files.usable.expect("no errors").1.endpoints;
    assert!(programs.iter().take(8).all(|program| Arc::ptr_eq(program, &programs[0])));
    assert!(!Arc::ptr_eq(&programs[0], &programs[8]));
    assert_ne!(
        programs[0].rules(Phase::OnTcpConnect).next().map(RuleRef::position),
        programs[8].rules(Phase::OnTcpConnect).next().map(RuleRef::position)
    );
}

#[test]
fn what_is_wrong_with_a_file_of_many_is_told_once() {
    let edge = endpoints(50, |_| "traffic_policy_file: p.yml".to_owned());
    let forward =
        "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://x.internal:22\"}}]}]";
    for (text, code) in [("on_tcp_connect: [{actions: [{type: dney}]}]", "TP452"), (forward, "TP455")] {
        let (files, reads) = load_all(&edge, text, false);
        let codes: Vec<_> = files.findings.iter().map(|it| it.code.id).collect();
        assert_eq!((codes, reads, files.policies.len()), (vec![code], 1, 1));
        assert!(files.policies[0].1.errors() <= 1);
    }
}

#[test]
fn nothing_is_shown_of_a_file_outside() {
    let edge = endpoints(1, |_| "traffic_policy_file: p.yml".to_owned());
    for text in [
        "secret:x:0\n",
        "on_tcp_connect: [{actions: [{type: secret}]}]",
        "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://secret.internal:22\"}}]}]",
        "on_tcp_connect: [{name: secret, expressions: [\"conn.geo.city == 'secret'\"], actions: [{type: deny}]}]",
        "on_tcp_connect: [{name: secret, actions: [{type: terminate-tls}]}]",
    ] {
        let (files, _) = load_all(&edge, text, true);
        let shown = format!("{:?} {:?}", files.findings, files.policies);
        let texts = files.policies.iter().map(|(source, _)| source.text()).collect::<String>();
        assert!(!files.findings.is_empty(), "{text}");
        assert!(!shown.contains("secret") && !texts.contains("secret"), "{shown}\n{texts}");
    }
}

#[test]
fn a_long_chain_is_loaded_in_a_step_for_each_endpoint() {
    let count = 20_000;
    let url = |at: usize| format!("tcp://d{at}.internal:22");
    let mut edge = format!(
        "version: 1\nendpoints: [{{name: a, url: \"tcp://e:1\", traffic_policy: {{on_tcp_connect: [{{actions: \
             [{{type: forward-internal, config: {{url: \"{}\"}}}}]}}]}}}}]\ninternal_endpoints:\n",
        url(0)
    );
    for at in 0..count {
        edge.push_str(&format!(
            "- {{url: \"{}\", upstream: {{url: 22}}, traffic_policy: {{on_tcp_connect: [{{actions: [{{type: \
                 forward-internal, config: {{url: \"{}\"}}}}]}}]}}}}\n",
            url(at),
            url(at + 1)
        ));
    }
    let (files, _) = load_all(&edge, "", false);
    let found: Vec<_> = files.findings.iter().map(|it| (it.code.id, &*it.message)).collect();
    assert_eq!(
        found,
        [("TP455", &*format!("no internal endpoint serves `{}`, so forwards to it fail", url(count)))]
    );
    let (config, _) = files.usable.expect("a warning");
    let target = EndpointUrl::parse(&url(count - 1)).expect("a URL");
    assert_eq!(config.internal_endpoint(&target), Some(count - 1));
}
