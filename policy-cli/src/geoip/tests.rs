//! Databases that the tests write, and damaged ones.

use proptest::prelude::*;

use super::*;

#[path = "../../tests/support/mmdb.rs"]
mod mmdb;

use mmdb::{Mmdb, cities, database, database_of, flat, map, systems};

fn databases(files: Vec<Vec<u8>>) -> Databases {
    let files = files.into_iter().map(|bytes| Database::new("x.mmdb".to_owned(), bytes).expect("right"));
    Databases::new(files.collect())
}

fn fact(path: &str) -> Fact {
    policy_core::variables::fact(path).expect(path)
}

/// A fact of an address as it is written.
fn get(databases: &Databases, address: &str, path: &str) -> Option<String> {
    let facts = databases.about(address.parse().expect(address), None);
    let value = facts.get(fact(path)).map(ToString::to_string);
    assert_eq!(facts.failure(), None, "{address} {path}");
    value
}

#[test]
fn records_of_maxmind_are_understood() {
    let both = databases(vec![cities(), systems()]);
    for (path, value) in [
        ("conn.geo.city", "\"Berlin\""),
        ("conn.geo.country", "\"Germany\""),
        ("conn.geo.country_code", "\"DE\""),
        ("conn.geo.latitude", "\"52.52\""),
        ("conn.geo.longitude", "\"13.4\""),
        ("conn.geo.radius", "\"20\""),
        ("conn.geo.subdivision", "\"Land Berlin\""),
        ("conn.client_ip.geo.location.continent", "\"Europe\""),
        ("conn.client_ip.geo.location.is_eu", "true"),
        ("conn.client_ip.geo.location.postal_code", "\"10115\""),
        ("conn.client_ip.geo.location.timezone", "\"Europe/Berlin\""),
        ("conn.client_ip.geo.registered_location.country_code", "\"DE\""),
        ("conn.client_ip.as.number", "64496"),
        ("conn.client_ip.as.organization", "\"Example Net\""),
    ] {
        assert_eq!(get(&both, "203.0.113.9", path).as_deref(), Some(value), "{path}");
    }
    assert_eq!(get(&both, "::ffff:203.0.113.9", "conn.geo.city").as_deref(), Some("\"Berlin\""));
    assert_eq!(get(&both, "2001:db8::7", "conn.geo.city").as_deref(), Some("\"Berlin\""));
}

#[test]
fn what_a_file_does_not_know_is_empty_and_what_it_never_has_is_missing() {
    let only = databases(vec![cities()]);
    let get = |address: &str, path: &str| get(&only, address, path);
    assert_eq!(get("198.51.100.1", "conn.geo.city").as_deref(), Some("\"\""));
    assert_eq!(get("198.51.100.1", "conn.geo.country_code").as_deref(), Some("\"JP\""));
    assert_eq!(get("198.51.100.1", "conn.client_ip.geo.location.is_eu").as_deref(), Some("false"));
    assert_eq!(get("192.0.2.1", "conn.geo.country_code").as_deref(), Some("\"\""));
    for path in ["conn.client_ip.as.number", "conn.client_ip.geo.location.metro_code", "conn.client_port"] {
        assert_eq!(get("203.0.113.9", path), None, "{path}");
    }
    let systems = databases(vec![systems()]);
    assert_eq!(super::tests::get(&systems, "192.0.2.1", "conn.client_ip.as.number").as_deref(), Some("0"));
}

#[test]
fn a_file_of_one_family_is_no_source_for_the_other() {
    let old = database_of("Country", 4, &[("203.0.113.0/24", map([("country_code", Mmdb::Text("FR"))]))]);
    let only = databases(vec![old]);
    assert_eq!(get(&only, "203.0.113.9", "conn.geo.country_code").as_deref(), Some("\"FR\""));
    assert_eq!(get(&only, "192.0.2.1", "conn.geo.country_code").as_deref(), Some("\"\""));
    assert_eq!(get(&only, "2001:db8::1", "conn.geo.country_code"), None);
}

#[test]
fn flat_records_are_understood() {
    let only = databases(vec![flat()]);
    let get = |address: &str, path: &str| get(&only, address, path);
    assert_eq!(get("203.0.113.9", "conn.geo.country").as_deref(), Some("\"France\""));
    assert_eq!(get("203.0.113.9", "conn.geo.country_code").as_deref(), Some("\"FR\""));
    assert_eq!(get("203.0.113.9", "conn.geo.latitude").as_deref(), Some("\"48.85\""));
    assert_eq!(get("203.0.113.9", "conn.client_ip.as.number").as_deref(), Some("64497"));
    assert_eq!(get("203.0.113.9", "conn.client_ip.as.organization").as_deref(), Some("\"Flat Net\""));
    assert_eq!(get("203.0.113.9", "conn.client_ip.geo.location.continent").as_deref(), Some("\"Europe\""));
    assert_eq!(get("192.0.2.1", "conn.geo.country").as_deref(), Some("\"Italy\""));
    assert_eq!(get("192.0.2.1", "conn.geo.country_code").as_deref(), Some("\"IT\""));
    // Of several files the first that knows it.
    let both = databases(vec![cities(), flat()]);
    assert_eq!(super::tests::get(&both, "203.0.113.9", "conn.geo.country_code").as_deref(), Some("\"DE\""));
    assert_eq!(super::tests::get(&both, "192.0.2.1", "conn.geo.country_code").as_deref(), Some("\"IT\""));
}

#[test]
fn the_address_of_the_server_is_looked_up_too() {
    let only = databases(vec![cities()]);
    let address = |text: &str| text.parse().expect(text);
    let facts = only.about(address("192.0.2.1"), Some(address("203.0.113.1")));
    let city = facts.get(fact("conn.server_ip.geo.location.city")).map(ToString::to_string);
    assert_eq!(city.as_deref(), Some("\"Berlin\""));
    assert!(only.about(address("192.0.2.1"), None).get(fact("conn.server_ip.geo.location.city")).is_none());
}

#[test]
fn every_kind_is_a_fact() {
    let paths = KINDS.iter().flat_map(|kind| kind.facts);
    paths.for_each(|path| assert!(may_give(fact(&format!("conn.{path}")))));
    assert!(may_give(fact("conn.server_ip.as.number")) && !may_give(fact("conn.server_ip")));
}

fn error(bytes: Vec<u8>) -> String {
    Database::new("x.mmdb".to_owned(), bytes).err().expect("an error")
}

#[test]
fn what_is_no_database_is_an_error() {
    error(Vec::new());
    error(b"country,code\n".to_vec());
    let other = database("Whois\u{202e}", &[("192.0.2.0/24", map([("name", Mmdb::Text("x"))]))]);
    let told = error(other);
    assert!(told.contains("neither places nor autonomous systems") && !told.contains('\u{202e}'), "{told}");
    let mut cut = cities();
    cut.truncate(cut.len() / 2);
    error(cut);
}

/// A tree in which every node is reached by both branches of the one before: 2^127 ways.
#[test]
fn a_tree_that_folds_onto_itself_takes_no_time() {
    let mut bytes = database("City", &[("8000::/127", map([("city", Mmdb::Text("x"))]))]);
    let nodes = 127_usize;
    for node in 0..nodes {
        let next = u32::try_from(if node + 1 < nodes { node + 1 } else { nodes }).expect("small");
        for side in 0..2 {
            bytes[node * 6 + side * 3..][..3].copy_from_slice(&next.to_be_bytes()[1..]);
        }
    }
    error(bytes);
    let mut circle = cities();
    circle[..6].copy_from_slice(&[0; 6]);
    let _ = Database::new("x.mmdb".to_owned(), circle);
}

proptest! {
    /// Any damage is an error, or other facts; never a panic, a hang or a large allocation.
    #[test]
    fn damaged_files_do_no_harm(
        which in 0..3_usize,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        end in proptest::option::weighted(0.1, any::<proptest::sample::Index>()),
        address in any::<u32>(),
    ) {
        let mut bytes = [cities, systems, flat][which]();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Ok(file) = Database::new("x.mmdb".to_owned(), bytes) {
            let all = Databases::new(vec![file]);
            for address in [address, 0xcb00_7109, 0xc633_6401] {
                let facts = all.about(IpAddr::from(address.to_be_bytes()), None);
                for (fact, ..) in &all.facts {
                    let _ = facts.get(*fact);
                }
            }
        }
    }
}
