//! A small writer of databases in the format of MaxMind (maxmind.github.io/MaxMind-DB, version 2.0).

use std::net::IpAddr;

/// A value of a record.
#[derive(Clone, Debug)]
pub(crate) enum Mmdb {
    Text(&'static str),
    Number(u32),
    Short(u16),
    Long(u64),
    Double(f64),
    Bool(bool),
    List(Vec<Mmdb>),
    Map(Vec<(&'static str, Mmdb)>),
}

/// A map of texts and other values.
pub(crate) fn map<const N: usize>(entries: [(&'static str, Mmdb); N]) -> Mmdb {
    Mmdb::Map(entries.to_vec())
}

/// A name as MaxMind writes it, in several languages.
pub(crate) fn names(name: &'static str) -> Mmdb {
    map([("names", map([("de", Mmdb::Text("?")), ("en", Mmdb::Text(name))]))])
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, long) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    let short = u8::try_from(short).expect("small");
    match kind {
        1..8 => out.push(kind << 5 | short),
        _ => out.extend([short, kind - 7]),
    }
    out.extend(long.map(|size| u8::try_from(size).expect("up to 284")));
}

fn write(value: &Mmdb, out: &mut Vec<u8>) {
    match value {
        Mmdb::Text(text) => {
            control(2, text.len(), out);
            out.extend(text.bytes());
        }
        Mmdb::Number(number) => {
            control(6, 4, out);
            out.extend(number.to_be_bytes());
        }
        Mmdb::Short(number) => {
            control(5, 2, out);
            out.extend(number.to_be_bytes());
        }
        Mmdb::Long(number) => {
            control(9, 8, out);
            out.extend(number.to_be_bytes());
        }
        Mmdb::Double(number) => {
            control(3, 8, out);
            out.extend(number.to_be_bytes());
        }
        Mmdb::Bool(value) => control(14, usize::from(*value), out),
        Mmdb::List(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Mmdb::Map(entries) => {
            control(7, entries.len(), out);
            for (key, value) in entries {
                write(&Mmdb::Text(key), out);
                write(value, out);
            }
        }
    }
}

/// Where a branch leads.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A database of networks, none of which lies in another.
pub(crate) fn database(kind: &'static str, networks: &[(&str, Mmdb)]) -> Vec<u8> {
    database_of(kind, 6, networks)
}

/// The same of IPv4 alone, or of both families.
pub(crate) fn database_of(kind: &'static str, version: u16, networks: &[(&str, Mmdb)]) -> Vec<u8> {
    let start = if version == 4 { 96 } else { 0 };
    let (mut nodes, mut data) = (vec![[Branch::Nothing; 2]], Vec::new());
    for (network, value) in networks {
        let (address, length) = network.split_once('/').expect("a network");
        let length: u32 = length.parse().expect("a length");
        let (bits, length) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (u128::from(address.to_bits()), length + 96),
            IpAddr::V6(address) => (address.to_bits(), length),
        };
        let mut at = 0;
        for depth in start..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[at][side] = Branch::Data(data.len());
                break;
            }
            at = match nodes[at][side] {
                Branch::Node(next) => next,
                Branch::Nothing | Branch::Data(_) => {
                    nodes.push([Branch::Nothing; 2]);
                    nodes[at][side] = Branch::Node(nodes.len() - 1);
                    nodes.len() - 1
                }
            };
        }
        write(value, &mut data);
    }
    let mut out = Vec::new();
    for branch in nodes.iter().flatten() {
        let record = match branch {
            Branch::Node(at) => *at,
            Branch::Nothing => nodes.len(),
            Branch::Data(at) => nodes.len() + 16 + at,
        };
        out.extend(&u32::try_from(record).expect("small").to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = map([
        ("binary_format_major_version", Mmdb::Short(2)),
        ("binary_format_minor_version", Mmdb::Short(0)),
        ("build_epoch", Mmdb::Long(1_700_000_000)),
        ("database_type", Mmdb::Text(kind)),
        ("description", map([("en", Mmdb::Text("of a test"))])),
        ("ip_version", Mmdb::Short(version)),
        ("languages", Mmdb::List(vec![Mmdb::Text("en")])),
        ("node_count", Mmdb::Number(u32::try_from(nodes.len()).expect("small"))),
        ("record_size", Mmdb::Short(24)),
    ]);
    write(&metadata, &mut out);
    out
}

/// Cities as MaxMind has them: one in Berlin, one of which only the country is known.
pub(crate) fn cities() -> Vec<u8> {
    let germany = || {
        map([
            ("iso_code", Mmdb::Text("DE")),
            ("is_in_european_union", Mmdb::Bool(true)),
            ("names", map([("en", Mmdb::Text("Germany"))])),
        ])
    };
    let berlin = map([
        ("city", names("Berlin")),
        ("continent", names("Europe")),
        ("country", germany()),
        (
            "location",
            map([
                ("accuracy_radius", Mmdb::Number(20)),
                ("latitude", Mmdb::Double(52.52)),
                ("longitude", Mmdb::Double(13.4)),
                ("time_zone", Mmdb::Text("Europe/Berlin")),
            ]),
        ),
        ("postal", map([("code", Mmdb::Text("10115"))])),
        ("registered_country", germany()),
        ("subdivisions", Mmdb::List(vec![names("Land Berlin")])),
    ]);
    let japan = map([(
        "country",
        map([("iso_code", Mmdb::Text("JP")), ("names", map([("en", Mmdb::Text("Japan"))]))]),
    )]);
    database(
        "GeoLite2-City",
        &[("203.0.113.0/24", berlin.clone()), ("198.51.100.0/25", japan), ("2001:db8::/32", berlin)],
    )
}

/// Autonomous systems as MaxMind has them.
pub(crate) fn systems() -> Vec<u8> {
    let system = map([
        ("autonomous_system_number", Mmdb::Number(64_496)),
        ("autonomous_system_organization", Mmdb::Text("Example Net")),
    ]);
    database("GeoLite2-ASN", &[("203.0.113.0/24", system)])
}

/// Countries and systems as IPinfo and others have them: flat, codes and numbers as texts.
pub(crate) fn flat() -> Vec<u8> {
    let record = map([
        ("asn", Mmdb::Text("AS64497")),
        ("as_name", Mmdb::Text("Flat Net")),
        ("country", Mmdb::Text("France")),
        ("country_code", Mmdb::Text("FR")),
        ("continent", Mmdb::Text("Europe")),
        ("continent_code", Mmdb::Text("EU")),
        ("lat", Mmdb::Text("48.85")),
    ]);
    let old = map([("country", Mmdb::Text("IT")), ("country_name", Mmdb::Text("Italy"))]);
    database("ipinfo_lite", &[("203.0.113.0/24", record), ("192.0.2.0/24", old)])
}
