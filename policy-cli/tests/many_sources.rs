//! `policy eval --ips`: many addresses get the answers that each gets alone.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn policy(call: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    command.arg("eval").args(call).current_dir(root());
    command
}

fn output(call: &[&str]) -> Output {
    policy(call).output().expect("it runs")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

/// A generator from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// An address, most of them near the networks of the fixtures, in any spelling.
    fn address(&mut self) -> String {
        let (draw, bits) = (self.next() >> 40, self.next());
        let low = u32::try_from(bits & 0xff).expect("a byte");
        let v4 = match draw % 7 {
            0 => 0xcb00_7100 | low,
            1 => 0xc633_6400 | low,
            2 => 0x0a00_0000 | low,
            3 => 0xcb00_712a,
            _ => u32::try_from(bits >> 32).expect("half of it"),
        };
        let v6 = match draw % 3 {
            0 => 0xe680_5791_be4c_5739_d959_7b94_6d54_d4b4,
            1 => 0x2001_0db8_0007_u128 << 80 | u128::from(bits),
            _ => 0x2001_0db8_u128 << 96 | u128::from(bits) << 40,
        };
        match draw % 5 {
            0 => Ipv6Addr::from(v6).to_string(),
            1 => Ipv6Addr::from(v6).to_string().to_uppercase(),
            2 => format!("::ffff:{}", Ipv4Addr::from(v4)),
            _ => Ipv4Addr::from(v4).to_string(),
        }
    }
}

/// Lines of `--ips` beside answers of `--ip`, and who did not meet an expectation.
fn compare(call: &[&str], seed: u64) {
    let mut random = Random(seed);
    let addresses: Vec<String> = (0..24).map(|_| random.address()).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("sources.txt");
    // Some twice, so that an answer is used again.
    let lines: Vec<_> = addresses.iter().chain(addresses.iter().rev().take(9)).collect();
    let written: Vec<_> = lines.iter().map(|line| format!("  {line}\t# why\r\n\n")).collect();
    fs::write(&list, written.concat()).expect("writable");
    let many = output(&[call, &["--ips", list.to_str().expect("text")]].concat());
    let (mut expected, mut failed) = (String::new(), Vec::new());
    for line in &lines {
        let one = output(&[call, &["--ip", line, "--format", "json"]].concat());
        let ip: IpAddr = line.parse().expect("an address");
        let answer = text(one.stdout);
        let rest =
            answer.strip_prefix("{\"version\":1,").unwrap_or_else(|| panic!("{call:?} {line}: {answer}"));
        let _ = write!(expected, "{{\"version\":1,\"ip\":\"{ip}\",{rest}");
        failed.extend((one.status.code() != Some(0)).then(|| (ip, text(one.stderr))));
    }
    assert!(text(many.stdout) == expected, "{call:?}");
    let said = text(many.stderr);
    for (ip, one) in failed.iter().take(10) {
        let message = one.trim_end().strip_prefix("error: ").expect("an error");
        assert!(said.contains(&format!(": {ip}: {message}\n")), "{call:?} {ip}: {said}");
    }
    let count = format!("error: {} of {} addresses did not meet", failed.len(), lines.len());
    assert_eq!(said.contains(&count), !failed.is_empty(), "{call:?}: {said}");
    assert_eq!(many.status.code(), Some(i32::from(!failed.is_empty())), "{call:?}: {said}");
}

/// A policy in a file.
fn compare_text(text: &str, more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yml");
    fs::write(&path, text).expect("writable");
    compare(&[&[path.to_str().expect("text")], more].concat(), 0x5eed);
}

#[test]
fn of_the_guide() {
    let guide = "fixtures/remote-access/device1.yml";
    compare(&[guide], 1);
    compare(&[guide, "--expect", "deny"], 2);
    compare(&[guide, "--expect", "forward:tcp://device1.internal:22"], 3);
    compare(&[guide, "--target", "tcp://device1.internal:22=offline"], 4);
    compare(&["fixtures/remote-access/device1-open.yml"], 5);
}

#[test]
fn of_ip_policies() {
    let call = ["fixtures/ip-policies/guests.yml", "--ip-policies", "fixtures/ip-policies/ip-policies.yml"];
    compare(&call, 6);
}

#[test]
fn of_configurations() {
    compare(&["fixtures/gateway/edge.yml", "--endpoint", "ssh"], 7);
    compare(&["fixtures/gateway/edge.yml", "--expect", "allow"], 8);
}

/// Several entries of a list, rules behind conditions, names that JSON escapes, facts that are given.
#[test]
fn of_lists_and_conditions() {
    let text = "
on_tcp_connect:
- name: \"a \\\"name\\\" of 10.0.0.1 \\u202e\"
  expressions: ['inCidrRange(conn.client_ip, \"10.0.0.0/25\") && conn.client_port > 1000']
  actions: [{type: log, config: {metadata: {who: '10.0.0.1', ip: 203.0.113.42}}}, {type: deny}]
- actions:
  - type: restrict-ips
    config:
      allow: [10.0.0.0/8, 10.0.0.0/28, 203.0.113.0/24, 203.0.113.42/32, 198.51.100.0/25, '2001:db8::/32']
      deny: [203.0.113.128/25, 203.0.113.0/28, '2001:db8:7::/48']
- actions: [{type: forward-internal, config: {url: 'tcp://a.internal:22', on_error: continue}}]
- expressions: ['rand.double() < 0.5']
  actions: [{type: close-connection}]
";
    let given = ["--set", "conn.client_port=5000", "--seed", "7"];
    compare_text(text, &given);
    compare_text(
        text,
        &[&given[..], &["--target", "tcp://a.internal:22=offline", "--has-upstream"]].concat(),
    );
}

/// Policies that read more of the address than its class.
#[test]
fn of_policies_that_read_the_address() {
    let rules = |rules: &str| format!("on_tcp_connect:\n{rules}- actions: [{{type: deny}}]\n");
    for (text, more) in [
        (
            "- {expressions: [\"conn.client_ip.startsWith('10.')\"], actions: [{type: close-connection}]}\n",
            vec![],
        ),
        ("- actions: [{type: log, config: {metadata: {ip: '${conn.client_ip}'}}}]\n", vec![]),
        (
            "- actions: [{type: restrict-ips, config: {allow: ['${conn.client_ip}/31', 10.0.0.0/8]}}]\n",
            vec![],
        ),
        (
            "- actions: [{type: restrict-ips, config: {enforce: false, allow: [10.0.0.0/8, 203.0.113.0/24]}}]\n\
             - expressions: [\"actions.ngrok.restrict_ips.matched_cidr == '10.0.0.0/8'\"]\n  actions: [{type: close-connection}]\n",
            vec![],
        ),
        ("", vec!["--secret", "v/n=203.0.113.42"]),
    ] {
        compare_text(&rules(text), &more);
    }
}

#[test]
fn of_requests() {
    let text = "on_http_request:\n- expressions: [\"inCidrRange(conn.client_ip, '10.0.0.0/8')\"]\n  actions: [{type: custom-response, config: {status_code: 200, body: 'you are ${conn.client_ip}'}}]\n";
    compare_text(text, &["--url", "https://app.example.com/"]);
}

/// Long lists are decided in batches, in order, and what is no address is named where it stands.
#[test]
fn long_lists_keep_their_order() {
    let mut random = Random(99);
    let (mut list, mut addresses) = (String::new(), Vec::new());
    for number in 0..30_000 {
        let address = random.address();
        let _ = writeln!(list, "{address}");
        addresses.push(address.parse::<IpAddr>().expect("an address").to_string());
        match number {
            9_000 => list.push_str(&format!("{}\n", "1".repeat(200_000))),
            20_000 => list.push_str("10.0.0.300 # none\n"),
            // As long as a line may be.
            20_001 => list.push_str(&format!("{}\n", "#".repeat(1_023))),
            _ => {}
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sources.txt");
    fs::write(&path, list).expect("writable");
    let many = output(&["fixtures/remote-access/device1.yml", "--ips", path.to_str().expect("text")]);
    let lines = text(many.stdout);
    let told = lines.lines().map(|line| {
        let rest = line.strip_prefix("{\"version\":1,\"ip\":\"").expect("an address");
        rest.split('"').next().expect("its end").to_owned()
    });
    assert!(told.eq(addresses), "every address, in order");
    let said = text(many.stderr);
    assert!(said.contains(":9002: `111111") && said.contains(":20003: `10.0.0.300 # none` is not"), "{said}");
    assert!(said.ends_with("error: 2 of the lines could not be evaluated\n"), "{said}");
    assert_eq!(many.status.code(), Some(2));
}

/// Who writes one line and waits gets its answer.
#[test]
fn answers_do_not_wait_for_more_lines() {
    let mut command = policy(&["fixtures/remote-access/device1.yml", "--ips", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let (mut to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let mut from = BufReader::new(from);
    for address in ["203.0.113.42", "198.51.100.1", "2001:db8::1"] {
        // The beginning of another line is no reason to wait.
        write!(to, "{address}\n ").expect("it reads");
        to.flush().expect("it reads");
        let mut line = String::new();
        from.read_line(&mut line).expect("it answers");
        assert!(line.contains(&format!("\"ip\":\"{address}\"")), "{line}");
    }
    drop(to);
    assert!(child.wait().expect("it ends").success());
}
