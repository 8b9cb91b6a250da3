//! Configurations whose policies name IP policies, in a host's memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::check::{CheckOptions, load_policy};
use crate::compile::{CompileOptions, compile};
use crate::diagnostic::Diagnostic;
use crate::edge::{EdgeFiles, LoadedPolicy, load_edge_files};
use crate::ip_policies::load_ip_policies;
use crate::named_file::NamedFile;
use crate::source::Source;

const EDGE: &str = "version: 1
ip_policies: [office.yml, lists/block.yml]
endpoints:
- {name: office, url: \"tcp://e:1\", traffic_policy_file: p-office.yml}
- {name: block, url: \"tcp://e:2\", traffic_policy: {on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [0.0.0.0/0, \"::/0\"], ip_policies: [ipp_block]}}, {type: deny}]}]}}
- {name: neither, url: \"tcp://e:3\", traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}
";
const OFFICE: &str = "- {id: ipp_office, rules: [{cidr: 203.0.113.0/24, action: allow}]}\n";
const BLOCK: &str = "- {id: ipp_block, files: [{path: list.txt, action: deny}]}\n";

fn policy(id: &str) -> String {
    format!(
        "on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{ip_policies: [{id}]}}}}, {{type: deny}}]}}]\n"
    )
}

/// The files of a machine; a name with `outside` in it lies outside.
struct Files(HashMap<&'static str, String>);

impl Files {
    fn new() -> Self {
        let files = [
            ("office.yml", OFFICE.to_owned()),
            ("lists/block.yml", BLOCK.to_owned()),
            ("lists/list.txt", "198.51.100.0/24\n".to_owned()),
            ("p-office.yml", policy("ipp_office")),
        ];
        Self(files.into_iter().collect())
    }

    fn with(mut self, name: &'static str, text: &str) -> Self {
        self.0.insert(name, text.to_owned());
        self
    }

    fn load(&self, edge: &str) -> EdgeFiles {
        let options = CheckOptions { serving: true, ..CheckOptions::default() };
        let text = |name: &str| self.0.get(name).ok_or_else(|| "it is gone".to_owned());
        let mut read = |name: &str| {
            let bytes = text(name).map(|text| text.as_bytes().to_vec());
            NamedFile::new(name.to_owned(), bytes).outside(name.contains("outside"))
        };
        let mut list = |file: &str, name: &str, feed: &mut dyn FnMut(&[u8])| {
            let path = format!("{}/{name}", file.rsplit_once('/').map_or(".", |(folder, _)| folder));
            let content = text(&path).map(|text| feed(text.as_bytes()));
            NamedFile::new(path, content)
        };
        load_edge_files(&Source::new("edge.yml", edge), &options, &mut read, &mut list)
    }
}

/// Which policies are usable, the files of IP policies that are not, and the codes in the configuration.
fn shape(files: &EdgeFiles) -> (String, Vec<&str>, Vec<&'static str>) {
    let codes = files.findings.iter().map(|it: &Diagnostic| it.code.id).collect();
    let Some(incomplete) = &files.incomplete else {
        let usable = files.usable.as_ref();
        return (usable.map_or("none".to_owned(), |_| "all".to_owned()), Vec::new(), codes);
    };
    let letter = |policy: &LoadedPolicy| if matches!(policy, LoadedPolicy::Usable(_)) { 'u' } else { 'x' };
    let unusable = incomplete.ip_policies.iter().map(|it| &**it).collect();
    (incomplete.endpoints.iter().map(letter).collect(), unusable, codes)
}

#[test]
fn policies_take_the_networks_of_rules_and_lists() {
    let load = |files: Files| files.load(EDGE).usable.expect("no errors").1.endpoints;
    let before = load(Files::new());
    assert!(Files::new().load(EDGE).findings.is_empty());
    let after = load(Files::new().with("lists/list.txt", "198.51.100.0/24\n192.0.2.1\n"));
    let same = |at: usize| before[at].served_sha256() == after[at].served_sha256();
    assert_eq!([same(0), same(1), same(2)], [true, false, true]);
    assert_eq!(before[1].policy_sha256(), after[1].policy_sha256());
    assert_eq!(before[2].served_sha256(), before[2].policy_sha256(), "it names none");
    // One file needs no list.
    let one = EDGE.replace("[office.yml, lists/block.yml]", "office.yml").replace("ipp_block", "ipp_office");
    assert_eq!(shape(&Files::new().load(&one)).0, "all");
}

#[test]
fn a_policy_alone_has_the_digest_of_the_edge() {
    let served = Files::new().load(EDGE).usable.expect("no errors").1.endpoints[0].served_sha256();
    let (known, _) = load_ip_policies(&Source::new("elsewhere.yml", OFFICE));
    let known = known.map(Arc::new);
    let check = CheckOptions { ip_policies: known.clone(), ..CheckOptions::default() };
    let (policy, _) = load_policy(&Source::new("p.yml", policy("ipp_office")), &check);
    let options = CompileOptions { ip_policies: known, ..CompileOptions::default() };
    let program = compile(&policy.expect("no errors"), &options).expect("small");
    assert_eq!(program.served_sha256(), served);
    assert_ne!(program.policy_sha256(), served);
}

#[test]
fn what_cannot_be_used_keeps_those_from_loading_that_need_it() {
    let block = |files: Files| {
        let loaded = files.load(EDGE);
        let (usable, unusable, codes) = shape(&loaded);
        assert_eq!((&*usable, unusable), ("uxu", vec!["lists/block.yml"]), "{codes:?}");
        let said = format!("{:?}", loaded.findings);
        assert!(said.contains("what `ipp_block` permits is not known"), "{said}");
        codes
    };
    let broken = ["TP452", "TP437"];
    assert_eq!(block(Files::new().with("lists/list.txt", "nowhere\n")), broken);
    assert_eq!(block(Files::new().with("lists/block.yml", "- {id: ipp_block, rules: [")), broken);
    let mut gone = Files::new();
    gone.0.remove("lists/block.yml");
    assert_eq!(block(gone), broken);
    // An id that nobody has.
    let unknown = Files::new().with("p-office.yml", &policy("ipp_offcie")).load(EDGE);
    assert_eq!(shape(&unknown), ("xuu".to_owned(), vec![], vec!["TP452"]));
    let said = format!("{:?}", unknown.policies);
    assert!(said.contains("unknown IP policy `ipp_offcie`"), "{said}");
    let none = Files::new().load(&EDGE.replace("ip_policies: [office.yml, lists/block.yml]\n", ""));
    assert_eq!(shape(&none).0, "xxu");
}

#[test]
fn an_id_that_two_files_have_stands_for_nothing() {
    let edge = EDGE.replace("[office.yml,", "[office.yml, again.yml, third.yml,");
    let files = Files::new().with("again.yml", OFFICE).with("third.yml", OFFICE);
    let loaded = files.load(&edge);
    assert_eq!(shape(&loaded).0, "xuu");
    assert_eq!(shape(&loaded).1, ["again.yml", "third.yml"]);
}

#[test]
fn names_are_checked_and_bounded() {
    let with = |value: &str| Files::new().load(&EDGE.replace("[office.yml, lists/block.yml]", value));
    let many = (0..17).map(|at| format!("f{at}.yml")).collect::<Vec<_>>().join(", ");
    for value in ["{a: b}", "[[a]]", "\"\"", "[office.yml, office.yml]", &format!("[{many}]")] {
        let loaded = with(value);
        assert!(loaded.usable.is_none() && loaded.incomplete.is_none(), "{value}");
    }
}

#[test]
fn nothing_is_shown_of_ip_policies_outside() {
    let edge = EDGE.replace("office.yml, lists", "outside/office.yml, lists");
    for text in [
        "- {id: ipp_office, secret: 1}\n",
        "- {id: ipp_office, files: [{path: secret.txt, action: deny}]}\n",
        "- {id: ipp_block, description: secret, rules: []}\n",
    ] {
        let loaded = Files::new().with("outside/office.yml", text).load(&edge);
        assert!(loaded.usable.is_none(), "{text}");
        let shown = format!("{:?} {:?}", loaded.findings, loaded.policies);
        assert!(!shown.contains("secret"), "{shown}");
    }
}
