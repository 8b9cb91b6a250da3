//! Real tables of prefixes with an id each, or generated ones of the same shape.
//!
//! The tables are read from `shared/data/cidr` beside the workspace: the full Internet table (gaissmai/bart,
//! 2025-10-19), the delegations to countries (ipverse/rir-ip, 2026-02-01), the ranges of cloud providers
//! (lord-alfred/ipranges, 2026-08-22) and a list of bad hosts (stamparm/ipsum, 2026-08-22).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use flate2::read::GzDecoder;
use ipnetwork::IpNetwork;

use super::generated::{self, Shape};

/// A prefix and the id that a lookup answers with.
pub type Entry = (IpNetwork, u32);

/// How many different ids the Internet table has.
pub const IDS: u32 = 13;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/cidr");

/// Where the tables come from: `real` or `generated`.
#[must_use]
pub fn origin() -> &'static str {
    if Path::new(FOLDER).join("bgp-full.txt.gz").is_file() { "real" } else { "generated" }
}

/// The IPv4 prefixes of the Internet table, with a hash of the text as id: the worst case for aggregation.
#[must_use]
pub fn internet_v4() -> Vec<Entry> {
    internet(true).unwrap_or_else(|| generated::table(&generated::INTERNET_V4))
}

/// The IPv6 prefixes of the Internet table, with a hash of the text as id.
#[must_use]
pub fn internet_v6() -> Vec<Entry> {
    internet(false).unwrap_or_else(|| generated::table(&generated::INTERNET_V6))
}

/// The delegations of both families, with the number of the country as id.
#[must_use]
pub fn country() -> Vec<Entry> {
    named("country-rir.tsv.gz", &[&generated::COUNTRY_V4, &generated::COUNTRY_V6])
}

/// The ranges of both families, with the number of the provider as id; nested and repeated.
#[must_use]
pub fn cloud() -> Vec<Entry> {
    named("cloud-ranges.tsv.gz", &[&generated::CLOUD_V4, &generated::CLOUD_V6])
}

/// Bad hosts, with the number of the level as id.
#[must_use]
pub fn ipsum() -> Vec<Entry> {
    named("ipsum-hosts.tsv.gz", &[&generated::HOSTS])
}

/// The id of a prefix: a fixed hash of its text, from 1 to [`IDS`].
#[must_use]
pub fn id(text: &str) -> u32 {
    u32::try_from(hash(text) % u64::from(IDS)).unwrap_or(0) + 1
}

/// The same prefixes with an AS number drawn for each: one of 91,000, as many as are in use, most of them below 400,000
/// and one of a hundred of 32 bits. Neighbours have different ones, which is the worst case for memory.
#[must_use]
pub fn with_as_numbers(entries: &[Entry]) -> Vec<Entry> {
    let number = |network: &IpNetwork| {
        let drawn = u32::try_from((hash(&network.to_string()) >> 20) % 91_000).unwrap_or(0);
        if drawn.is_multiple_of(100) { 4_200_000_000 + drawn } else { 1 + drawn * 4 }
    };
    entries.iter().map(|(network, _)| (*network, number(network))).collect()
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

fn internet(v4: bool) -> Option<Vec<Entry>> {
    let text = read("bgp-full.txt.gz")?;
    let lines = text.lines().filter(|line| line.contains(':') != v4);
    Some(lines.filter_map(|line| Some((prefix(line)?, id(line)))).collect())
}

fn named(file: &str, shapes: &[&Shape]) -> Vec<Entry> {
    let Some(text) = read(file) else {
        return shapes.iter().flat_map(|shape| generated::table(shape)).collect();
    };
    let mut ids = HashMap::new();
    let entry = |line| {
        let (cidr, name) = str::split_once(line, '\t')?;
        let next = u32::try_from(ids.len()).ok()?;
        Some((prefix(cidr)?, *ids.entry(name).or_insert(next)))
    };
    text.lines().filter_map(entry).collect()
}

/// A prefix without host bits; a line without a length is a host.
fn prefix(text: &str) -> Option<IpNetwork> {
    let network: IpNetwork = match text.split_once('/') {
        Some(_) => text.parse().ok()?,
        None => text.parse::<IpAddr>().ok()?.into(),
    };
    IpNetwork::new(network.network(), network.prefix()).ok()
}

fn read(file: &str) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(File::open(Path::new(FOLDER).join(file)).ok()?).read_to_string(&mut text).ok()?;
    Some(text)
}
