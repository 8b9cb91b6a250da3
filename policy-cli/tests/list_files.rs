//! List files through the command: plain and packed are the same, and a fault in any of them leaves nothing loaded.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

const POLICIES: &str = "- id: ipp_a\n  rules: [{cidr: 0.0.0.0/0, action: allow}, {cidr: \"::/0\", action: allow}]\n  \
                        files: [{path: LIST, action: deny}]\n";
const POLICY: &str = "on_tcp_connect:\n  - actions:\n      - type: restrict-ips\n        config: {ip_policies: [ipp_a]}\n      \
                      - {type: forward-internal, config: {url: \"tcp://a.internal:1\"}}\n";

/// Exit code, standard output and standard error of the command in a folder.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_policy")).args(args).current_dir(folder).output();
    let output = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("written")
}

/// A folder with a policy, IP policies that name a list, and the list.
fn site(list: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("policy.yml"), POLICY).expect("written");
    fs::write(folder.path().join("ip.yml"), POLICIES.replace("LIST", list)).expect("written");
    fs::write(folder.path().join(list), bytes).expect("written");
    folder
}

#[test]
fn plain_and_packed_lists_are_the_same() {
    let text = "# all of it\n0.0.0.0/0\n::/0\n10.0.0.1/8\n";
    let with_lists = ["lint", "--ip-policies", "ip.yml", "policy.yml"];
    let outputs: Vec<_> = [("list.txt", text.as_bytes().to_vec()), ("list.any", gzip(text.as_bytes()))]
        .map(|(name, bytes)| {
            let folder = site(name, &bytes);
            let both =
                [run(folder.path(), &with_lists), run(folder.path(), &["lint", "--kind", "list", name])];
            both.map(|(code, out, err)| (code, out.replace(name, "LIST"), err.replace(name, "LIST")))
        })
        .into();
    let [plain, packed] = outputs.as_slice() else { return assert_eq!(outputs.len(), 2) };
    assert_eq!(plain, packed);
    // The list was taken: it denies everybody, which is a warning only.
    let [(code, out, err), (_, list, _)] = plain;
    assert!(*code == Some(0) && out.contains("warning[TP434]"), "{out}");
    assert!(out.contains("LIST:4:1") && out.contains("TP433") && err.is_empty(), "{out}{err}");
    assert!(list.contains("LIST:4:1") && list.contains("1 file: 0 errors, 1 warning"), "{list}");
}

#[test]
fn a_bad_line_far_down_is_named_and_nothing_is_loaded() {
    let mut text = String::new();
    for number in 1..=1_000_000_u32 {
        match number {
            700_001 => text.push_str("\u{1b}[2Koffice\n"),
            _ => writeln!(text, "10.{}.{}.{}", number >> 16, number >> 8 & 0xff, number & 0xff)
                .expect("a text"),
        }
    }
    let folder = site("list.gz", &gzip(text.as_bytes()));
    let (code, out, err) = run(folder.path(), &["lint", "--ip-policies", "ip.yml", "policy.yml"]);
    assert_eq!((code, &*err), (Some(2), "error: `ip.yml` is not a usable list of IP policies\n"));
    assert_eq!(out.matches("error[").count(), 1, "{out}");
    assert!(out.contains("list.gz:700001:1") && out.contains("\\u{1b}[2Koffice"), "{out}");
    assert!(out.contains("700001 | ␛[2Koffice") && !out.contains("\u{1b}[2K"), "{out}");
    // As a file of its own, in the formats for programs.
    let (code, out, _) = run(folder.path(), &["lint", "--format", "github", "ip.yml"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("::error file=list.gz,line=700001,endLine=700001,col=1,endColumn=11"), "{out}");
    let (_, out, _) = run(folder.path(), &["lint", "--format", "json", "."]);
    assert!(out.contains("\"line\": 700001,\n      \"column\": 1,"), "{out}");
}

/// What is found in the IP policies that the call names is a part of the report in every format; that nothing else was
/// there to check stays a warning.
#[test]
fn ip_policies_of_the_call_are_in_the_report() {
    let folder = site("list.txt", b"10.0.0.1/8\n");
    let lint = |more: &[&str]| {
        let (code, out, err) =
            run(folder.path(), &[&["lint", "--ip-policies", "ip.yml", "policy.yml"], more].concat());
        assert_eq!(err, "", "{more:?}");
        (code, out)
    };
    let (code, out) = lint(&["--format", "json"]);
    assert!(code == Some(0) && out.contains("\"file\": \"list.txt\",\n      \"line\": 1,"), "{out}");
    assert!(out.contains("\"files\": 3,") && out.contains("\"warnings\": 1,"), "{out}");
    let (code, out) = lint(&["--format", "github"]);
    assert!(code == Some(0) && out.contains("::warning file=list.txt,line=1,"), "{out}");
    let (code, out) = lint(&["--deny-warnings"]);
    assert!(code == Some(1) && out.contains("checked 3 files: 0 errors, 1 warning"), "{out}");
    let (code, out) = lint(&["--deny-warnings", "--ignore", "TP433"]);
    assert!(code == Some(0) && out.contains("checked 3 files: 0 errors, 0 warnings"), "{out}");
    // Told once of a file that is checked anyway.
    let (_, out) = lint(&["ip.yml", "--format", "github"]);
    assert_eq!(out.matches("::warning file=list.txt").count(), 1, "{out}");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    let args = ["lint", "--ip-policies", "ip.yml", "--deny-warnings", "--ignore", "TP433", "empty"];
    let (code, _, err) = run(folder.path(), &args);
    assert!(code == Some(1) && err.starts_with("warning: nothing was checked"), "{err}");
}

#[test]
fn a_list_that_breaks_off_or_is_no_file_is_refused() {
    let whole = gzip("203.0.113.0/24\n".repeat(100).as_bytes());
    let folder = site("list.gz", whole.get(..whole.len() - 9).expect("bytes"));
    let (code, out, _) = run(folder.path(), &["lint", "ip.yml"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("cannot read the list file `list.gz`: the gzip data breaks off"), "{out}");
    let (code, _, err) = run(folder.path(), &["lint", "--kind", "list", "list.gz"]);
    assert_eq!((code, &*err), (Some(2), "error: cannot read `list.gz`: the gzip data breaks off\n"));

    fs::remove_file(folder.path().join("list.gz")).expect("removed");
    let (_, out, _) = run(folder.path(), &["lint", "ip.yml"]);
    assert!(out.contains("cannot read the list file `list.gz`: no such file or directory"), "{out}");
    fs::create_dir(folder.path().join("list.gz")).expect("a folder");
    let (_, out, _) = run(folder.path(), &["lint", "ip.yml"]);
    assert!(out.contains("cannot read the list file `list.gz`: it is not a regular file"), "{out}");
}

#[test]
fn lines_of_lists_outside_are_not_shown() {
    let root = site("secret.txt", b"10.0.0.0/8\npassword\n");
    let inner = root.path().join("site");
    fs::create_dir(&inner).expect("a folder");
    fs::write(inner.join("ip.yml"), POLICIES.replace("LIST", "../secret.txt")).expect("written");
    fs::write(inner.join("policy.yml"), POLICY).expect("written");
    for args in [&["lint", "ip.yml"][..], &["lint", "--ip-policies", "ip.yml", "policy.yml"]] {
        let (_, out, err) = run(&inner, args);
        let all = out + &err;
        assert!(all.contains("has 1 error, the first in line 2") && !all.contains("password"), "{all}");
    }
}

#[test]
fn a_fault_in_a_list_is_told_once_whoever_uses_it() {
    let folder = site("list.txt", b"203.0.113.0/24\n198.51.100.300\n");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let mut edge = "version: 1\nip_policies: ip.yml\nendpoints:\n".to_owned();
    for at in 1..=4 {
        write(&format!("p{at}.yml"), POLICY);
        writeln!(edge, "- {{name: e{at}, url: \"tcp://e:{at}\", traffic_policy_file: p{at}.yml}}")
            .expect("a text");
    }
    write("edge.yml", &edge);
    let count = |args: &[&str]| {
        let (code, out, _) = run(folder.path(), args);
        assert_eq!(code, Some(1), "{out}");
        out.lines().filter(|line| line.starts_with("error")).map(str::to_owned).collect::<Vec<_>>()
    };
    for path in ["edge.yml", "ip.yml"] {
        let errors = count(&["lint", path]);
        assert!(errors.len() == 1 && errors[0].contains("TP431"), "{path}: {errors:?}");
    }
    // Where the cause is not wanted, what follows from it is not lost.
    let codes = |errors: &[String]| {
        errors.iter().map(|it| it.chars().skip(6).take(5).collect::<String>()).collect::<Vec<_>>()
    };
    assert!(codes(&count(&["lint", "--ignore", "TP431", "edge.yml"])).contains(&"TP437".to_owned()));
    // A fault of its own is told beside it.
    write("p2.yml", "on_tcp_connect: [{actions: [{type: dney}]}]");
    assert_eq!(codes(&count(&["lint", "edge.yml"])), ["TP452", "TP305", "TP431"]);
}
