//! What `policy reach` proves against what `policy eval` decides: witnesses arrive, sources at the ends of what always arrives
//! do, and nobody next to what arrives.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

#[path = "support/command.rs"]
mod command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The answer as JSON, or why there is none.
fn reach(folder: &Path, file: &str, more: &[&str]) -> Result<Value, (Option<i32>, String)> {
    let call = [&["reach", file, "--format", "json"], more].concat();
    let (code, out, err) = command::policy(folder, &call);
    if code == Some(0) { Ok(serde_json::from_str(&out).expect("JSON")) } else { Err((code, err)) }
}

/// Where a connection with the facts of a region's witness goes.
fn goes(folder: &Path, file: &str, region: &Value, client: &str) -> Value {
    let mut call: Vec<String> =
        ["eval", file, "--ip", client, "--has-upstream", "--format", "json"].map(str::to_owned).into();
    for (path, value) in region["witness_facts"].as_object().into_iter().flatten() {
        call.extend(["--set".to_owned(), format!("{path}={}", value.as_str().expect("text"))]);
    }
    for url in region["witness_offline"].as_array().into_iter().flatten() {
        call.extend(["--target".to_owned(), format!("{}=offline", url.as_str().expect("text"))]);
    }
    let call: Vec<_> = call.iter().map(String::as_str).collect();
    let (code, out, err) = command::policy(folder, &call);
    assert_eq!(code, Some(0), "{call:?}: {err}");
    let it: Value = serde_json::from_str(&out).expect("JSON");
    match it["outcome"].as_str() {
        Some("forward") => it["target"].clone(),
        Some("upstream") => json!("the endpoint's own upstream"),
        _ => Value::Null,
    }
}

/// The first and last address of a network.
fn ends(network: &str) -> [IpAddr; 2] {
    let (address, length) = network.split_once('/').expect("a network");
    let length: u32 = length.parse().expect("a length");
    match address.parse().expect("an address") {
        IpAddr::V4(first) => {
            let first = u32::from(first);
            [first, first | u32::MAX.checked_shr(length).unwrap_or(0)]
                .map(|it| IpAddr::V4(Ipv4Addr::from(it)))
        }
        IpAddr::V6(first) => {
            let first = u128::from(first);
            [first, first | u128::MAX.checked_shr(length).unwrap_or(0)]
                .map(|it| IpAddr::V6(Ipv6Addr::from(it)))
        }
    }
}

/// The addresses on both sides of a network.
fn neighbours(network: &str) -> Vec<IpAddr> {
    let before = |it| match it {
        IpAddr::V4(it) => u32::from(it).checked_sub(1).map(|it| IpAddr::V4(it.into())),
        IpAddr::V6(it) => u128::from(it).checked_sub(1).map(|it| IpAddr::V6(it.into())),
    };
    let after = |it| match it {
        IpAddr::V4(it) => u32::from(it).checked_add(1).map(|it| IpAddr::V4(it.into())),
        IpAddr::V6(it) => u128::from(it).checked_add(1).map(|it| IpAddr::V6(it.into())),
    };
    let [first, last] = ends(network);
    [before(first), after(last)].into_iter().flatten().collect()
}

fn is_within(networks: &[&str], address: IpAddr) -> bool {
    networks
        .iter()
        .map(|network| ends(network))
        .any(|[first, last]| first.is_ipv4() == address.is_ipv4() && first <= address && address <= last)
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|it| it.as_str().expect("text")).collect()
}

/// Holds an answer against decisions; how many were made.
fn check(folder: &Path, file: &str, answer: &Value) -> usize {
    let mut decided = 0;
    for target in answer["targets"].as_array().expect("targets") {
        let regions = target["regions"].as_array().expect("regions");
        let all: Vec<_> = regions.iter().flat_map(|region| texts(&region["sources"])).collect();
        let is_pattern = target["target"].as_str().is_some_and(|text| text.contains("${"));
        for region in regions {
            let Some(witness) = region["witness"].as_str() else {
                assert_eq!(region["verdict"], json!("unknown"), "{file}: {region}");
                continue;
            };
            let expected = |client: &str| {
                let to = goes(folder, file, region, client);
                if is_pattern { !to.is_null() } else { to == target["target"] }
            };
            assert!(expected(witness), "{file}: {witness} of {region}");
            decided += 1;
            let sources = texts(&region["sources"]);
            for network in sources.iter().take(3).chain(sources.last()) {
                let ends = ends(network).map(|end| end.to_string());
                assert!(
                    region["verdict"] != json!("proved") || ends.iter().all(|end| expected(end)),
                    "{file}: {network}"
                );
                let outside = neighbours(network).into_iter().filter(|it| !is_within(&all, *it));
                for address in outside {
                    assert!(!expected(&address.to_string()), "{file}: {address} is outside of {region}");
                    decided += 1;
                }
            }
        }
    }
    decided
}

/// Every policy below a folder; how many were asked, and how many decisions agreed.
fn check_all(folder: &Path) -> (usize, usize) {
    let (mut asked, mut decided, mut folders) = (0, 0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|it| it == "yml" || it == "yaml") {
                let path = entry.path();
                let file = path.to_str().expect("text");
                match reach(&root(), file, &["--has-upstream"]) {
                    Ok(answer) => {
                        asked += 1;
                        decided += check(&root(), file, &answer);
                    }
                    Err((code, err)) => assert_eq!(code, Some(2), "{file}: {err}"),
                }
            }
        }
    }
    (asked, decided)
}

#[test]
fn what_is_proved_is_what_is_decided() {
    let (asked, decided) = check_all(&root().join("fixtures"));
    assert!(asked >= 5 && decided >= 20, "{asked} policies, {decided} decisions");
}

#[test]
fn public_policies_are_proved_as_they_are_decided() {
    let corpus = root().join("../shared/corpus");
    if !corpus.is_dir() {
        eprintln!("skipped: the corpus is not here");
        return;
    }
    let (asked, decided) = check_all(&corpus);
    assert!(asked > 0 && decided > 0, "{asked} policies, {decided} decisions");
}

/// Everybody, nobody and whole families have words; the counts are exact.
#[test]
fn whole_families_are_said_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = |actions: &str, more: &[&str]| {
        let policy = format!(
            "on_tcp_connect:\n- actions:\n{actions}  - {{type: forward-internal, config: {{url: 'tcp://d.internal:22'}}}}\n"
        );
        fs::write(folder.path().join("p.yml"), policy).expect("written");
        command::policy(folder.path(), &[&["reach", "p.yml"], more].concat())
    };
    let allow = |list: &str| format!("  - {{type: restrict-ips, config: {{allow: [{list}]}}}}\n");
    for (actions, said) in [
        (String::new(), "everyone: every IPv4 and IPv6 address"),
        (allow("0.0.0.0/0"), "every IPv4 address"),
        (allow("'::/0'"), "every IPv6 address"),
        (allow("10.0.0.0/8") + &allow("11.0.0.0/8"), "nobody"),
        (allow("0.0.0.0/1, 128.0.0.0/2"), "    128.0.0.0/2\n"),
        (allow("10.0.0.0/9, 10.128.0.0/9"), "    10.0.0.0/8 (private)\n"),
        (allow("127.0.0.1"), "    127.0.0.1/32 (loopback)\n"),
    ] {
        let (code, out, err) = ask(&actions, &[]);
        assert!(code == Some(0) && out.contains(said), "{said}: {out}{err}");
    }
    let counts = |list: &str| {
        let (_, out, _) = ask(&allow(list), &["--format", "json"]);
        let it: Value = serde_json::from_str(&out).expect("JSON");
        it["targets"][0]["regions"][0]["addresses"].clone()
    };
    // Addresses that are IPv4 are none of IPv6.
    let all_v6 = (u128::MAX - u128::from(u32::MAX)).to_string();
    assert_eq!(counts("0.0.0.0/0, '::/0'"), json!({"ipv4": "4294967296", "ipv6": all_v6}));
    assert_eq!(counts("192.0.2.7"), json!({"ipv4": "1", "ipv6": "0"}));
}

/// Only the sources that are asked about are shown, with a connection of theirs.
#[test]
fn sources_can_be_narrowed() {
    let file = "fixtures/reach/sites.yml";
    let answer = reach(&root(), file, &["--from", "10.1.2.0/24", "--from", "192.0.2.1"]).expect("an answer");
    let admin = &answer["targets"][0]["regions"];
    assert_eq!(admin[0]["sources"], json!(["10.1.2.0/24"]));
    assert_eq!(admin[0]["witness"], json!("10.1.2.0"));
    assert_eq!(admin[1], Value::Null);
    assert!(check(&root(), file, &reach(&root(), file, &[]).expect("an answer")) > 5);
    let nobody = reach(&root(), file, &["--from", "192.0.2.1"]).expect("an answer");
    assert_eq!(nobody["targets"][0]["regions"], json!([]));
}

/// A policy of which not all is judged has no answer, and neither has one with errors.
#[test]
fn what_is_not_judged_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (policy, said) in [
        ("on_http_request: [{actions: [{type: deny}]}]\n", "has rules in `on_http_request`"),
        ("on_tcp_connect: [{actions: [{type: deni}]}]\n", "is not a usable policy"),
        ("version: 1\nendpoints: []\n", "is an edge configuration"),
    ] {
        fs::write(folder.path().join("p.yml"), policy).expect("written");
        let (code, err) = reach(folder.path(), "p.yml", &[]).expect_err(said);
        assert!(code == Some(2) && err.contains(said), "{said}: {err}");
    }
}
