//! What values are taken for.

use super::*;

#[test]
fn ranges_of_ports() {
    for (text, ports) in [
        ("20000-20999", Some(20_000..=20_999)),
        ("1 - 65535", Some(1..=65_535)),
        ("22", Some(22..=22)),
        ("22-22", Some(22..=22)),
        ("0-5", None),
        ("5-70000", None),
        ("5-", None),
        ("-5", None),
        ("5-6-7", None),
        ("", None),
    ] {
        assert_eq!(port_range(text), ports, "{text}");
    }
}

#[test]
fn names_that_a_certificate_can_be_made_for() {
    for (text, name) in [
        ("Edge.Example.com.", Some("edge.example.com")),
        ("[::1]", Some("::1")),
        ("2001:db8::0:1", Some("2001:db8::1")),
        ("::ffff:192.0.2.1", Some("192.0.2.1")),
        ("*.example.com", None),
        ("0.0.0.0", None),
        ("::", None),
        ("-a.example", None),
        ("a.1", None),
        ("a.0x1f", None),
        ("", None),
    ] {
        assert_eq!(server_name(text).as_deref(), name, "{text}");
    }
}
