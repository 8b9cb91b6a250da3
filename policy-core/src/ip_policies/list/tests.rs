//! The naive reader takes the whole text line by line; where the pieces are cut must not matter.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// What a list is, told simply: its networks, and the lines with an error.
fn naive(bytes: &[u8]) -> (Vec<IpNetwork>, Vec<u32>) {
    let (mut networks, mut bad) = (Vec::new(), Vec::new());
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (line, number) in bytes.split(|&byte| byte == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let front = &line[..line.len().min(MAX_LINE_BYTES)];
        let text = match front.iter().position(|&byte| byte == b'#') {
            Some(at) => &line[..at],
            None if line.len() > MAX_LINE_BYTES => {
                bad.push(number);
                continue;
            }
            None => line,
        };
        let text = String::from_utf8_lossy(text);
        let text = text.trim_matches([' ', '\t', '\r', '\u{c}']);
        match cidr(text) {
            Ok(entry) => networks.push(entry.network),
            Err(CidrError::Empty) => {}
            Err(_) => bad.push(number),
        }
    }
    (networks, bad)
}

fn read(pieces: &[&[u8]]) -> LoadedList {
    let mut reader = ListReader::new("list.txt");
    pieces.iter().for_each(|piece| reader.feed(piece));
    reader.finish()
}

fn lines(list: &LoadedList, severity: Severity) -> Vec<u32> {
    let found = list.findings.iter().filter(|item| item.severity == severity);
    found.map(|item| list.source.position(item.span.start).line).collect()
}

/// `line:column code message (help)` of each finding.
fn told(list: &LoadedList) -> Vec<String> {
    let at = |span: Span| list.source.position(span.start);
    let found = list.findings.iter();
    found
        .map(|item| {
            let help = item.help.as_deref().unwrap_or_default();
            format!("{} {} {} ({help})", at(item.span), item.code.id, item.message)
        })
        .collect()
}

/// Lists as they come: mostly right, with everything odd in between.
fn lists() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "(10|203)\\.0\\.[0-9]{1,2}\\.0/(8|24|32)\n".prop_map(String::into_bytes),
        2 => "[ \t]*2001:db8:[0-9a-f]{1,4}::(/[0-9]{2})?[ \t]*(# ?[a-z;, ü]*)?(\r)?\n".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![
            &b"\n"[..], b"\r\n", b"#", b"\xef\xbb\xbf", b"\xff\x00", b"1.2.3.4", b"/33", b"\x1b[2K\n", "ü".as_bytes(), b"\r",
            b" \t", b"\x0c", b"; x\n", b"fe80::1%eth0\n",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => (245_usize..280, prop::sample::select(vec![b'x', b' ', b'#', b'1']))
            .prop_map(|(length, byte)| vec![byte; length]),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn cuts_do_not_matter(bytes in lists(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let whole = read(&[&bytes]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut pieces, mut from) = (Vec::new(), 0);
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        for other in [read(&pieces), read(&single)] {
            prop_assert_eq!(&other.networks, &whole.networks);
            prop_assert_eq!(told(&other), told(&whole));
            prop_assert_eq!(other.source.text(), whole.source.text());
            prop_assert_eq!(other.findings.dropped(), whole.findings.dropped());
        }
    }

    #[test]
    fn the_naive_reader_agrees(bytes in lists()) {
        let list = read(&[&bytes]);
        let (networks, bad) = naive(&bytes);
        prop_assert_eq!(list.findings.errors(), bad.len());
        let kept: Vec<_> = bad.iter().copied().take(MAX_ERRORS).collect();
        prop_assert_eq!(lines(&list, Severity::Error), kept);
        prop_assert_eq!(list.networks, bad.is_empty().then_some(networks));
        for item in list.findings.iter() {
            prop_assert!(list.source.text().get(item.span.to_range()).is_some());
            prop_assert!(!item.message.contains(char::is_control), "{:?}", item.message);
        }
        let text = list.source.text();
        prop_assert!(!text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n')), "{:?}", text);
    }
}

#[test]
fn places_are_those_of_the_file() {
    let text =
        b"\xef\xbb\xbf10.0.0.0/8\r\n\r\n \t10.0.0.1/24 # odd\n# all well\n\xff\x1b 1 #\nfe80::1%eth0/64\n\
        1.2.3.0/24; SBL1\n";
    let list = read(&[text]);
    assert_eq!(
        told(&list),
        [
            "3:3 TP433 `10.0.0.1/24` has host bits set; the network is `10.0.0.0/24` (write `10.0.0.0/24`)",
            "5:1 TP431 `\\xff\\u{1b} 1` is not a network: the part before the slash is not an IPv4 or IPv6 address \
             (write one network a line, and comments after a `#`)",
            "6:1 TP435 `fe80::1%eth0/64` has a zone id, which means nothing to another machine (give the global \
             address; a link-local one reaches no other network)",
            "7:1 TP431 `1.2.3.0/24; SBL1` is not a network: the prefix length is not a whole number (start a \
             comment with `#`)",
        ]
    );
    let spans: Vec<_> = list.findings.iter().map(|item| list.source.slice(item.span)).collect();
    assert_eq!(spans, ["10.0.0.1/24", "\u{fffd}\u{241b} 1", "fe80::1%eth0/64", "1.2.3.0/24; SBL1"]);
    assert!(list.source.text().starts_with(" \t10.0.0.1/24 # odd\n"), "{}", list.source.text());
}

#[test]
fn a_bare_address_is_its_network_without_a_warning() {
    let list = read(&[b"203.0.113.7\n2001:db8::1\n::ffff:192.0.2.1"]);
    assert!(list.findings.is_empty());
    let text: Vec<_> = list.networks.expect("no errors").iter().map(ToString::to_string).collect();
    assert_eq!(text, ["203.0.113.7/32", "2001:db8::1/128", "192.0.2.1/32"]);
}

#[test]
fn an_error_far_down_is_named_and_the_rest_still_checked() {
    let mut text = String::new();
    for number in 1..=1_000_000_u32 {
        match number {
            700_001 => text.push_str("<html>garbage\n"),
            900_000 => text.push_str("10.0.0.0/40\n"),
            _ => writeln!(text, "10.{}.{}.{}/32", number >> 16, number >> 8 & 0xff, number & 0xff)
                .expect("a text"),
        }
    }
    let list = read(&text.as_bytes().chunks(65_536).collect::<Vec<_>>());
    assert!(list.networks.is_none());
    assert_eq!(lines(&list, Severity::Error), [700_001, 900_000]);
    assert!(list.source.text().len() < 100, "the other lines are not kept");
}

#[test]
fn findings_are_kept_within_bounds_and_counted() {
    let list = read(&["10.0.0.1/8\n".repeat(1_000).as_bytes(), "x\n".repeat(50_000).as_bytes()]);
    assert_eq!((list.findings.errors(), list.findings.warnings()), (50_000, 1_000));
    assert_eq!(list.findings.iter().count(), MAX_ERRORS + MAX_WARNINGS);
    assert_eq!(list.findings.dropped(), 51_000 - MAX_ERRORS - MAX_WARNINGS);
    // Warnings alone are no hindrance.
    let list = read(&["10.0.0.1/8\n".repeat(1_000).as_bytes()]);
    assert_eq!(list.networks.map(|networks| networks.len()), Some(1_000));
}

#[test]
fn too_many_networks_are_one_error() {
    let mut reader = ListReader::new("list.txt").up_to(3);
    reader.feed("10.0.0.0/8\n".repeat(3).as_bytes());
    assert_eq!(reader.finish().networks.map(|networks| networks.len()), Some(3));
    let mut reader = ListReader::new("list.txt").up_to(3);
    reader.feed("10.0.0.0/8\n".repeat(9).as_bytes());
    reader.feed(b"x");
    let list = reader.finish();
    assert!(list.networks.is_none());
    let told = told(&list);
    assert!(told[0].starts_with("4:1 TP439 the list has more than the 3 networks that are read"), "{told:?}");
    assert!(told[1].starts_with("10:1 TP431"), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[test]
fn an_endless_line_takes_no_memory() {
    let mut reader = ListReader::new("list.txt");
    reader.feed(b"10.0.0.0/8\n");
    for _ in 0..1_000 {
        reader.feed(&[0; 10_000]);
    }
    assert!(reader.front.capacity() < 2 * KEPT);
    reader.feed(b"\n10.0.0.0/8");
    let list = reader.finish();
    let told = told(&list);
    assert!(
        told[0].starts_with("2:1 TP439 the line is longer than 256 bytes; it begins with `\\u{0}"),
        "{told:?}"
    );
    assert_eq!(told.len(), 1);
    // A comment is none of the entry.
    let list = read(&[b"10.0.0.0/8 # ", &[b'x'; 10_000], b"\n#", &[0xff; 10_000]]);
    assert!(list.findings.is_empty() && list.networks.is_some());
}

#[test]
fn nothing_in_a_line_reaches_a_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{202e}\u{85}\r\u{feff}1";
    let list = read(&[hostile.as_bytes()]);
    assert_eq!(list.source.text(), "␛]0;x␇\u{fffd}\u{fffd}␍\u{fffd}1\n");
    let message = &list.findings.iter().next().expect("a finding").message;
    assert!(message.starts_with("`\\u{1b}]0;x\\u{7}\\u{202e}\\u{85}\\r"), "{message}");
}
