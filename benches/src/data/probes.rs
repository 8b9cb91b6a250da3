//! Addresses to look up, drawn from a seed in three ways.
//!
//! Random addresses mostly miss what is small, addresses in uniformly chosen prefixes touch all of a table, and
//! a Zipf law repeats a few prefixes often, as traffic does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::Random;
use super::tables::Entry;

/// How many addresses a list of probes has, so many that a table does not stay in the cache by their order.
pub const NUMBER: usize = 1 << 20;

/// How the addresses are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// All addresses are alike.
    Random,
    /// All prefixes are alike, and all addresses inside.
    InPrefix,
    /// The prefix of rank k is drawn 1/k as often as the first; the ranks are shuffled.
    Zipf,
}

impl Draw {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Random, Self::InPrefix, Self::Zipf];

    /// The name in the reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::InPrefix => "in-prefix",
            Self::Zipf => "zipf",
        }
    }
}

/// IPv4 addresses for a table.
#[must_use]
pub fn v4(draw: Draw, table: &[Entry], number: usize, seed: u64) -> Vec<Ipv4Addr> {
    let address = |bits: u128| Ipv4Addr::from(u32::try_from(bits >> 96).unwrap_or(0));
    let prefixes = table.iter().filter(|(network, _)| network.is_ipv4()).map(|(network, _)| left(network));
    bits(draw, prefixes.collect(), number, seed).map(address).collect()
}

/// IPv6 addresses for a table.
#[must_use]
pub fn v6(draw: Draw, table: &[Entry], number: usize, seed: u64) -> Vec<Ipv6Addr> {
    let prefixes = table.iter().filter(|(network, _)| network.is_ipv6()).map(|(network, _)| left(network));
    bits(draw, prefixes.collect(), number, seed).map(Ipv6Addr::from).collect()
}

/// A prefix aligned to the left of 128 bits.
fn left(network: &IpNetwork) -> (u128, u8) {
    match network.network() {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, network.prefix()),
        IpAddr::V6(address) => (address.into(), network.prefix()),
    }
}

fn bits(draw: Draw, mut prefixes: Vec<(u128, u8)>, number: usize, seed: u64) -> impl Iterator<Item = u128> {
    let mut random = Random::new(seed);
    let mut weights = Vec::new();
    if draw == Draw::Zipf {
        for at in (1..prefixes.len()).rev() {
            prefixes.swap(at, random.below(at + 1));
        }
        weights = harmonic(prefixes.len());
    }
    let total = weights.last().copied().unwrap_or(0.0);
    (0..number).map(move |_| {
        let at = match draw {
            Draw::Random => return random.wide(),
            Draw::InPrefix => random.below(prefixes.len()),
            Draw::Zipf => {
                let target = random.unit() * total;
                weights.partition_point(|&weight| weight <= target)
            }
        };
        let (bits, length) = prefixes.get(at).copied().unwrap_or((0, 0));
        bits | random.wide().checked_shr(length.into()).unwrap_or(0)
    })
}

/// The sums of 1/k.
#[allow(clippy::cast_precision_loss, reason = "ranks fit")]
fn harmonic(number: usize) -> Vec<f64> {
    let sum = |sum: &mut f64, rank: usize| {
        *sum += 1.0 / rank as f64;
        Some(*sum)
    };
    (1..=number).scan(0.0, sum).collect()
}
