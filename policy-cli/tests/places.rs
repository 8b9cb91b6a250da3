//! `--geoip` and `--categories` of `policy eval`: what files know of an address.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "support/mmdb.rs"]
mod mmdb;

/// A folder with policies, databases and categories.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    let rule = |condition: &str| {
        format!(
            "on_tcp_connect:\n- expressions: [\"{condition}\"]\n  actions: [{{type: deny}}]\n- actions: [{{type: close-connection}}]\n"
        )
    };
    write("country.yml", rule("conn.geo.country_code == 'DE'").as_bytes());
    write("system.yml", rule("conn.client_ip.as.number == 64496").as_bytes());
    write("metro.yml", rule("conn.client_ip.geo.location.metro_code == ''").as_bytes());
    write("tor.yml", rule("conn.client_ip.is_tor_node").as_bytes());
    write("office.yml", rule("'com.example' in conn.client_ip.categories").as_bytes());
    let inline = rule("conn.geo.country_code == 'DE'").replace('\n', "\n      ");
    let agent = format!(
        "version: 3\nagent: {{authtoken: x}}\nendpoints:\n- name: e\n  url: tcp://1.tcp.example:22\n  upstream: {{url: 22}}\n  traffic_policy:\n      {inline}"
    );
    write("ngrok.yml", agent.trim_end().as_bytes());
    write("city.mmdb", &mmdb::cities());
    write("asn.mmdb", &mmdb::systems());
    write("flat.mmdb", &mmdb::flat());
    write("cut.mmdb", &mmdb::cities()[..300]);
    write("sources.txt", b"203.0.113.9\n198.51.100.1\n192.0.2.1\n");
    write(
        "categories.yml",
        b"com.example.office: [203.0.113.0/24, '2001:db8::/32']\nproxy.anonymous.tor: 198.51.100.1/32\n",
    );
    write("wrong.yml", b"203.0.113.0/24: com.example\n");
    folder
}

/// Exit code, output and what is said beside it.
fn eval(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let output = command.arg("eval").args(args).current_dir(folder).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The outcome for an address, with nothing said beside it.
fn outcome(folder: &Path, policy: &str, ip: &str, args: &[&str]) -> String {
    let (code, out, err) = eval(folder, &[&[policy, "--ip", ip][..], args].concat());
    assert_eq!((code, &*err), (Some(0), ""), "{policy} {ip} {args:?}");
    out.split(':').next().unwrap_or_default().to_owned()
}

#[test]
fn a_database_knows_places_and_systems() {
    let folder = folder();
    let ask = |policy: &str, ip: &str, args: &[&str]| outcome(folder.path(), policy, ip, args);
    let city = &["--geoip", "city.mmdb"][..];
    for (ip, expected) in [
        ("203.0.113.9", "deny"),
        ("::ffff:203.0.113.9", "deny"),
        ("2001:db8::1", "deny"),
        ("198.51.100.1", "close"),
        // Of an address that is in no file nothing is known.
        ("192.0.2.1", "close"),
    ] {
        assert_eq!(ask("country.yml", ip, city), expected, "{ip}");
    }
    assert_eq!(ask("country.yml", "203.0.113.9", &["--geoip", "flat.mmdb"]), "close");
    let both = ["--geoip", "city.mmdb", "--geoip", "asn.mmdb"];
    assert_eq!(ask("system.yml", "203.0.113.9", &both), "deny");
    assert_eq!(ask("system.yml", "192.0.2.1", &both), "close");
    // What the call says counts before what a file says.
    let set = [city, &["--set", "conn.geo.country_code=FR"]].concat();
    assert_eq!(ask("country.yml", "203.0.113.9", &set), "close");
    assert_eq!(ask("ngrok.yml", "203.0.113.9", city), "deny");
    assert_eq!(ask("ngrok.yml", "192.0.2.1", city), "close");
}

#[test]
fn every_address_of_a_list_is_looked_up() {
    let folder = folder();
    let (code, out, err) =
        eval(folder.path(), &["country.yml", "--ips", "sources.txt", "--geoip", "city.mmdb"]);
    let outcomes: Vec<_> =
        out.lines().filter_map(|line| line.split("\"outcome\":\"").nth(1)?.split('"').next()).collect();
    assert_eq!((code, &*err, &*outcomes), (Some(0), "", &["deny", "close", "close"][..]));
}

#[test]
fn what_a_file_does_not_have_is_missing_still() {
    let folder = folder();
    let (code, out, err) = eval(folder.path(), &["metro.yml", "--ip", "203.0.113.9", "--geoip", "city.mmdb"]);
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(
        err.contains("`conn.client_ip.geo.location.metro_code`, which was not given: add `--set"),
        "{err}"
    );
    let (code, _, err) = eval(folder.path(), &["country.yml", "--ip", "203.0.113.9", "--geoip", "asn.mmdb"]);
    assert!(code == Some(2) && err.contains("`--geoip FILE.mmdb` gives places"), "{err}");
    let (code, _, err) = eval(folder.path(), &["tor.yml", "--ip", "203.0.113.9"]);
    assert!(code == Some(2) && err.contains("`--categories FILE` gives categories"), "{err}");
}

#[test]
fn a_file_that_is_no_database_is_a_wrong_call() {
    let folder = folder();
    for (file, said) in [
        ("none.mmdb", "cannot read `none.mmdb`: no such file or directory"),
        ("cut.mmdb", "`cut.mmdb` is not a usable database in the format of MaxMind (mmdb): "),
        ("sources.txt", "`sources.txt` is not a usable database in the format of MaxMind (mmdb): "),
        ("..", "cannot read `..`: it is not a regular file"),
    ] {
        let (code, out, err) = eval(folder.path(), &["country.yml", "--ip", "203.0.113.9", "--geoip", file]);
        assert!(code == Some(2) && out.is_empty() && err.starts_with(&format!("error: {said}")), "{err}");
    }
}

#[test]
fn a_broken_record_is_no_answer() {
    let folder = folder();
    let mut bytes = mmdb::cities();
    // The record of 198.51.100.0/25 is the second one; its code becomes a pointer out of the file.
    let at = bytes.windows(2).position(|two| two == b"JP").expect("there") - 1;
    bytes[at..at + 3].copy_from_slice(&[0x30, 0xff, 0xff]);
    fs::write(folder.path().join("broken.mmdb"), bytes).expect("written");
    let (code, out, err) =
        eval(folder.path(), &["country.yml", "--ip", "198.51.100.1", "--geoip", "broken.mmdb"]);
    assert!(code == Some(2) && out.is_empty() && err.contains("`broken.mmdb`"), "{out}{err}");
}

#[test]
fn categories_come_from_a_file() {
    let folder = folder();
    let ask = |policy: &str, ip: &str, args: &[&str]| {
        outcome(folder.path(), policy, ip, &[&["--categories", "categories.yml"][..], args].concat())
    };
    assert_eq!(ask("office.yml", "203.0.113.9", &[]), "deny");
    assert_eq!(ask("office.yml", "2001:db8::1", &[]), "deny");
    assert_eq!(ask("office.yml", "198.51.100.1", &[]), "close");
    assert_eq!(ask("tor.yml", "198.51.100.1", &[]), "deny");
    assert_eq!(ask("tor.yml", "203.0.113.9", &[]), "close");
    assert_eq!(ask("tor.yml", "203.0.113.9", &["--set", "conn.client_ip.is_tor_node=true"]), "deny");
    // In a list as well, where all of these are alike for the policy itself.
    let (code, out, _) =
        eval(folder.path(), &["office.yml", "--ips", "sources.txt", "--categories", "categories.yml"]);
    let denied = out.lines().map(|line| line.contains("\"outcome\":\"deny\"")).collect::<Vec<_>>();
    assert_eq!((code, denied), (Some(0), vec![true, false, false]), "{out}");
    let (code, _, err) =
        eval(folder.path(), &["tor.yml", "--ip", "203.0.113.9", "--categories", "wrong.yml"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("wrong.yml:1:1") && err.contains("help: the category comes first"), "{err}");
}
