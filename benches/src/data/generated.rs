//! Tables made from a seed, shaped like the real ones: as many prefixes of each length, clustered and nested.
//!
//! The lengths of the Internet table are those of 2025-10-19.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::Random;
use super::tables::{self, Entry};

/// What a table is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Which family: addresses of 32 bits, else of 128.
    pub v4: bool,
    /// How many prefixes of each length, short ones first.
    pub lengths: &'static [(u8, usize)],
    /// How many ids; zero for a hash of the prefix.
    pub ids: u32,
    /// How many of a hundred prefixes lie in a shorter one.
    pub nested: usize,
    /// How many of a hundred prefixes follow one of the same length.
    pub adjacent: usize,
    /// The seed.
    pub seed: u64,
}

impl Shape {
    /// The same shape with a part of the prefixes.
    #[must_use]
    pub const fn with_lengths(self, lengths: &'static [(u8, usize)]) -> Self {
        Self { lengths, ..self }
    }
}

/// The IPv4 Internet.
pub const INTERNET_V4: Shape = Shape {
    v4: true,
    #[rustfmt::skip]
    lengths: &[
        (8, 16), (9, 13), (10, 38), (11, 103), (12, 299), (13, 581), (14, 1_203), (15, 2_100), (16, 13_490),
        (17, 8_235), (18, 13_798), (19, 24_870), (20, 42_611), (21, 50_750), (22, 108_623), (23, 96_510),
        (24, 537_698), (25, 20), (28, 18), (29, 17), (30, 3), (32, 886),
    ],
    ids: 0,
    nested: 55,
    adjacent: 30,
    seed: 4,
};

/// The IPv6 Internet.
pub const INTERNET_V6: Shape = Shape {
    v4: false,
    #[rustfmt::skip]
    lengths: &[
        (20, 16), (24, 30), (28, 193), (29, 4_371), (30, 650), (31, 284), (32, 22_548), (33, 2_926), (34, 2_603),
        (35, 1_043), (36, 5_996), (37, 880), (38, 1_617), (39, 1_377), (40, 13_418), (41, 903), (42, 2_301),
        (43, 1_001), (44, 14_365), (45, 1_553), (46, 3_039), (47, 3_153), (48, 75_488), (56, 24), (58, 20),
        (64, 184), (127, 42), (128, 6),
    ],
    ids: 0,
    nested: 70,
    adjacent: 20,
    seed: 6,
};

/// An IPv4 Internet of a hundredth, for a quick run.
pub const SMALL_V4: Shape = INTERNET_V4.with_lengths(&[
    (9, 4),
    (12, 6),
    (16, 135),
    (19, 248),
    (20, 426),
    (21, 507),
    (22, 1_086),
    (23, 965),
    (24, 5_376),
    (32, 9),
]);

/// An IPv6 Internet of a hundredth, for a quick run.
pub const SMALL_V6: Shape = INTERNET_V6.with_lengths(&[
    (20, 4),
    (29, 43),
    (32, 225),
    (36, 60),
    (40, 134),
    (44, 143),
    (48, 754),
    (64, 9),
]);

/// Delegations to countries, IPv4.
pub const COUNTRY_V4: Shape = Shape {
    lengths: &[(16, 6_000), (20, 20_000), (22, 65_000), (24, 84_000)],
    ids: 237,
    nested: 0,
    adjacent: 40,
    ..INTERNET_V4
};

/// Delegations to countries, IPv6.
pub const COUNTRY_V6: Shape =
    Shape { lengths: &[(29, 20_000), (32, 30_000), (48, 17_000)], ids: 237, nested: 0, ..INTERNET_V6 };

/// Ranges of cloud providers, IPv4.
pub const CLOUD_V4: Shape = Shape {
    lengths: &[(12, 20), (16, 1_500), (20, 6_000), (24, 50_000), (32, 54_000)],
    ids: 22,
    nested: 60,
    ..INTERNET_V4
};

/// Ranges of cloud providers, IPv6.
pub const CLOUD_V6: Shape =
    Shape { lengths: &[(32, 800), (40, 3_000), (48, 12_000), (64, 8_000)], ids: 22, ..INTERNET_V6 };

/// Bad hosts.
pub const HOSTS: Shape = Shape { lengths: &[(32, 120_430)], ids: 10, nested: 0, adjacent: 25, ..INTERNET_V4 };

/// A table of a shape, in the order of the addresses and without repeats.
#[must_use]
pub fn table(shape: &Shape) -> Vec<Entry> {
    let mut random = Random::new(shape.seed);
    let mut made: Vec<(u128, u8)> = Vec::new();
    let mut known = HashSet::new();
    for &(length, number) in shape.lengths {
        let shorter = made.len();
        // What is left of the family's addresses may be too little for the last ones.
        for _ in 0..number.saturating_mul(4) {
            if made.len() - shorter == number {
                break;
            }
            let bits = draw(shape, &mut random, &made, shorter, length);
            if known.insert((bits, length)) {
                made.push((bits, length));
            }
        }
    }
    made.sort_unstable();
    let mut entry = |(bits, length)| {
        let network = IpNetwork::new(address(shape.v4, bits), length).ok()?;
        let id = match shape.ids {
            0 => tables::id(&network.to_string()),
            ids => u32::try_from(random.below(ids as usize)).unwrap_or(0),
        };
        Some((network, id))
    };
    made.into_iter().filter_map(&mut entry).collect()
}

/// The first address of a prefix, aligned to the left of 128 bits.
fn draw(shape: &Shape, random: &mut Random, made: &[(u128, u8)], shorter: usize, length: u8) -> u128 {
    let mask = u128::MAX << (128 - u32::from(length));
    let fate = random.below(100);
    let at = random.below(if fate < shape.nested { shorter } else { made.len() - shorter });
    let parent = if fate < shape.nested { made.get(at) } else { None };
    let sibling = if fate < shape.nested { None } else { made.get(shorter + at) };
    match (parent, sibling) {
        (Some(&(bits, outer)), _) => (bits | random.wide() >> outer) & mask,
        (None, Some(&(bits, _))) if fate < shape.nested + shape.adjacent => {
            bits.wrapping_add(mask & mask.wrapping_neg())
        }
        _ => anywhere(shape.v4, random) & mask,
    }
}

/// An address that is given out: 1.0.0.0 to 223.255.255.255, or one of the registries' blocks.
fn anywhere(v4: bool, random: &mut Random) -> u128 {
    let rest = random.wide();
    if v4 {
        let first = 1 + random.below(223) as u128;
        return first << 120 | rest >> 8;
    }
    let blocks: [u128; 6] = [0x200, 0x240, 0x260, 0x280, 0x2a0, 0x2c0];
    let block = blocks.get(random.below(blocks.len())).copied().unwrap_or(0x2a0);
    block << 116 | rest >> 12
}

fn address(v4: bool, bits: u128) -> IpAddr {
    if v4 { IpAddr::V4(u32::try_from(bits >> 96).unwrap_or(0).into()) } else { IpAddr::V6(bits.into()) }
}
