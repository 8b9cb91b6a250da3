//! What the full Internet table takes with the AS number of each prefix, and how long lookups in it take.
//!
//! `cargo run --release -p benches --example as_numbers -- FILE…`; a line of a file is `first,last,number`, whatever
//! follows, as in the tables of the npm package `@ip-location-db/asn`. A prefix has the number of its first address.
#![allow(clippy::print_stdout, reason = "it tells figures")]
#![allow(clippy::cast_precision_loss, reason = "far below 2^52")]

use std::fs;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use allocation_counter::measure;
use benches::bars::drive::throughput;
use benches::data::probes::{self, Draw};
use benches::data::tables::{Entry, internet_v4, internet_v6, with_as_numbers};
use policy_core::lpm::{LongestMatch, range_networks};

/// Addresses of a round.
const PROBES: usize = 1 << 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut ranges = Vec::new();
    for file in std::env::args().skip(1) {
        let text = fs::read_to_string(file)?;
        ranges.extend(text.lines().filter_map(line).flat_map(|(first, last, number)| {
            range_networks(first, last).into_iter().map(move |network| (network, number))
        }));
    }
    let numbers = LongestMatch::build(ranges)?;
    let real = |entries: &[Entry]| -> Vec<Entry> {
        let number = |entry: &Entry| (entry.0, numbers.lookup(entry.0.network()).unwrap_or(0));
        entries.iter().map(number).collect()
    };
    let own = |entries: &[Entry]| -> Vec<Entry> { entries.iter().map(|entry| entry.0).zip(0..).collect() };
    let (v4, v6) = (internet_v4(), internet_v6());
    let both = [&*v4, &*v6].concat();
    for (family, entries) in [("v4", &v4), ("v6", &v6), ("both", &both)] {
        tell(&format!("{family}, 13 ids"), entries)?;
        tell(&format!("{family}, the AS number of each"), &real(entries))?;
        tell(&format!("{family}, an AS number drawn for each"), &with_as_numbers(entries))?;
        tell(&format!("{family}, a value of its own for each"), &own(entries))?;
    }
    Ok(())
}

fn line(text: &str) -> Option<(IpAddr, IpAddr, u32)> {
    let mut fields = text.split(',');
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Builds a table, counts its memory and looks addresses up.
fn tell(what: &str, entries: &[Entry]) -> Result<(), Box<dyn std::error::Error>> {
    let (mut built, begin) = (None, Instant::now());
    let counted = measure(|| built = LongestMatch::build(entries.iter().copied()).ok());
    let (table, built_in) = (built.ok_or("too large")?, begin.elapsed());
    let each = |bytes: f64| bytes / entries.len().max(1) as f64;
    println!(
        "{what}: {:.2} bytes a prefix, {:.2} by its own account, up to {:.0} while it is built in {:.0} ms",
        each(counted.bytes_current as f64),
        each(table.heap_bytes() as f64),
        each(counted.bytes_max as f64),
        built_in.as_secs_f64() * 1e3
    );
    for draw in Draw::ALL {
        let v4 = probes::v4(draw, entries, PROBES, 40);
        let v6 = probes::v6(draw, entries, PROBES, 60);
        let has = |v6: bool| entries.iter().any(|(network, _)| network.is_ipv6() == v6);
        let best = |family, lookups: &dyn Fn() -> u64| {
            println!("  {family} {}: {:.1} ns", draw.name(), best(lookups))
        };
        if has(false) {
            best("v4", &|| throughput(&v4, |address| table.lookup_v4(address)));
        }
        if has(true) {
            best("v6", &|| throughput(&v6, |address| table.lookup_v6(address)));
        }
    }
    Ok(())
}

/// Nanoseconds a lookup in the best of 40 rounds.
fn best(lookups: &dyn Fn() -> u64) -> f64 {
    let round = |_| {
        let begin = Instant::now();
        black_box(lookups());
        begin.elapsed().as_secs_f64() * 1e9 / PROBES as f64
    };
    (0..40).map(round).fold(f64::INFINITY, f64::min)
}
