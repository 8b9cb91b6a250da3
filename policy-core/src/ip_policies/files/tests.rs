//! A scripted host: its files are texts, one of which breaks off.

use super::*;
use crate::ip_policies::load_ip_policies;

/// What is found in the file and in its lists.
fn load(text: &str) -> (IpPolicyFiles, Vec<String>, usize) {
    let source = Source::new("ip-policies.yml", text);
    let mut reads = 0;
    let mut read = |name: &str, feed: &mut dyn FnMut(&[u8])| {
        reads += 1;
        let (text, outcome) = match name {
            "good.txt" => ("203.0.113.0/24\n# none\n2001:db8::7\n", Ok(())),
            "bad.txt" => ("203.0.113.0/24\n\noffice\n10.0.0.1/8\n", Ok(())),
            "secret.txt" => ("203.0.113.0/24\nsecret\n10.0.0.1/8\n", Ok(())),
            "broken.txt" => ("203.0.113.0/24\n203.0.", Err("the gzip data breaks off".to_owned())),
            _ => ("", Err("no such file or directory".to_owned())),
        };
        feed(text.as_bytes());
        NamedFile::new(format!("lists/{name}"), outcome).outside(name == "secret.txt")
    };
    let loaded = load_ip_policy_files(&source, &CheckOptions::default(), &mut read);
    let found = loaded.findings.iter();
    let found: Vec<_> =
        found.map(|it| format!("{} {} {}", source.position(it.span.start), it.code.id, it.message)).collect();
    assert_eq!(loaded.usable.is_none(), loaded.findings.has_errors());
    (loaded, found, reads)
}

#[test]
fn rules_and_lists_are_joined_and_a_list_is_read_once() {
    let (loaded, found, reads) = load(
        "- id: ipp_a\n  rules: [{cidr: 192.0.2.0/24, action: allow}]\n  files: [{path: good.txt, action: deny}]\n\
         - {id: ipp_b, files: [{path: good.txt, action: allow}]}\n",
    );
    assert!(found.is_empty(), "{found:?}");
    assert_eq!((reads, loaded.lists.len()), (1, 1));
    assert_eq!(loaded.lists[0].0.name(), "lists/good.txt");
    let policies = loaded.usable.expect("no errors");
    let sizes = |id| policies.get(id).map(|policy| (policy.allow.len(), policy.deny.len()));
    assert_eq!((sizes("ipp_a"), sizes("ipp_b")), (Some((1, 2)), Some((2, 0))));
}

#[test]
fn one_bad_line_and_nothing_is_loaded() {
    let (loaded, found, _) = load(
        "- id: ipp_a\n  files:\n    - {path: good.txt, action: deny}\n    - {path: bad.txt, action: deny}\n    \
         - {path: none.txt, action: deny}\n    - {path: broken.txt, action: deny}\n",
    );
    assert_eq!(
        found,
        [
            "4:14 TP452 the list file `bad.txt` has 1 error, the first in line 3",
            "5:14 TP452 cannot read the list file `none.txt`: no such file or directory",
            // The line that was cut is not told as a fault of its own.
            "6:14 TP452 cannot read the list file `broken.txt`: the gzip data breaks off",
        ]
    );
    assert!(loaded.usable.is_none());
    let counts: Vec<_> = loaded
        .lists
        .iter()
        .map(|(source, found)| (source.name(), found.errors(), found.warnings()))
        .collect();
    assert_eq!(counts, [("lists/good.txt", 0, 0), ("lists/bad.txt", 1, 1)]);
}

#[test]
fn the_declaration_is_checked_before_lists_are_read() {
    let faults = [
        ("- {id: ipp_a}", "1:3 TP303 an entry of the IP policies needs `rules`"),
        ("- {id: ipp_a, files: [{path: x}]}", "TP303 an entry of `files` needs `action`"),
        ("- {id: ipp_a, files: [{action: deny}]}", "TP303 an entry of `files` needs `path`"),
        ("- {id: ipp_a, files: [{path: x, action: block}]}", "TP308"),
        (
            "- {id: ipp_a, files: [{path: x, action: deny}, {path: x, action: deny}]}",
            "TP453 the list file `x`",
        ),
    ];
    for (text, fault) in faults {
        let (_, found, reads) = load(text);
        assert!(found.len() == 1 && found[0].contains(fault) && reads == 0, "{text}: {found:?}");
    }
    let many: String = (0..=MAX_FILES)
        .map(|at| format!("- {{id: ipp_{at}, files: [{{path: list{at}.txt, action: deny}}]}}\n"))
        .collect();
    let (_, found, reads) = load(&many);
    assert!(found[0].contains("65:") && found[0].contains("TP310") && reads == 0, "{found:?}");
}

#[test]
fn too_many_networks_together_are_refused() {
    let source = Source::new("x", "- {id: ipp_a, files: [{path: a, action: deny}, {path: b, action: deny}]}");
    let written = |room| {
        let (mut found, mut lists) = (Diagnostics::default(), Vec::new());
        let document = parse::parse(&source, &CheckOptions::default().limits, &mut found);
        let named = check_document(&document, &CheckOptions::default(), &mut found).expect("no errors").lists;
        let mut read = |name: &str, feed: &mut dyn FnMut(&[u8])| {
            feed(b"10.0.0.0/8\n11.0.0.0/8\n");
            NamedFile::new(name.to_owned(), Ok(()))
        };
        let taken = read_list(&named[1], &mut read, room, &mut found, &mut lists);
        (taken.is_some(), found.iter().map(|item| item.code.id).collect::<Vec<_>>())
    };
    assert_eq!(written(2), (true, Vec::new()));
    assert_eq!(written(1), (false, vec!["TP439"]));
}

#[test]
fn who_reads_no_lists_refuses_them() {
    let source = Source::new("x", "- {id: ipp_a, files: [{path: a, action: deny}]}");
    let (policies, found) = load_ip_policies(&source);
    assert!(policies.is_none());
    let message = &found.iter().next().expect("a finding").message;
    assert_eq!(message, "cannot read the list file `a`: list files are not read here");
}

#[test]
fn a_list_may_be_allowed_and_denied_and_the_last_one_may_go() {
    let (loaded, found, reads) = load(
        "- {id: ipp_a, files: [{path: good.txt, action: allow}, {path: good.txt, action: deny}]}\n\
         - {id: ipp_b, files: []}\n",
    );
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(reads, 1);
    let policies = loaded.usable.expect("no errors");
    let sizes = |id| policies.get(id).map(|policy| (policy.allow.len(), policy.deny.len()));
    assert_eq!((sizes("ipp_a"), sizes("ipp_b")), (Some((2, 2)), Some((0, 0))));
}

#[test]
fn nothing_is_shown_of_a_list_outside() {
    let (loaded, found, _) = load("- {id: ipp_a, files: [{path: secret.txt, action: deny}]}");
    assert_eq!(found, ["1:30 TP452 the list file `secret.txt` has 1 error, the first in line 2"]);
    let (source, findings) = &loaded.lists[0];
    assert!(source.is_withheld() && (findings.errors(), findings.warnings()) == (1, 1));
    assert!(!format!("{findings:?}{}", source.text()).contains("secret"), "{findings:?}");
}
