//! Lists, tables and addresses, so that a run can be repeated.
//!
//! [`networks`] and [`addresses`] make small lists from a seed; [`tables`] reads real tables where they are at
//! hand and [`generated`] makes similar ones where not; [`probes`] draws addresses to look up in either.

pub mod generated;
pub mod probes;
pub mod tables;

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::{IpNetwork, Ipv4Network};

/// A small generator (xorshift64*), enough for test data.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "an endless generator, not an iterator")]
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below the limit, zero for a limit of zero.
    #[must_use]
    pub fn below(&mut self, limit: usize) -> usize {
        let wide = u128::from(self.next()) * limit as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    /// A number from zero up to, not including, one.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub const fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// As many bits as an IPv6 address has.
    #[must_use]
    pub fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}

/// IPv4 prefixes of /16 to /32, most of them /20 to /24, with nesting and repeats.
#[must_use]
pub fn networks(number: usize, seed: u64) -> Vec<IpNetwork> {
    let mut random = Random::new(seed);
    let make = |_| {
        let bits = u32::try_from(random.next() >> 32).unwrap_or(0);
        let length = match random.next() % 16 {
            0 => 32,
            1 => 16,
            other => u8::try_from(18 + other % 7).unwrap_or(24),
        };
        let network = Ipv4Network::new(Ipv4Addr::from(bits), length).ok()?;
        Ipv4Network::new(network.network(), length).ok().map(IpNetwork::V4)
    };
    (0..number).filter_map(make).collect()
}

/// Addresses of which about half lie in the networks.
#[must_use]
pub fn addresses(networks: &[IpNetwork], number: usize, seed: u64) -> Vec<IpAddr> {
    let mut random = Random::new(seed);
    let make = |_| {
        let bits = u32::try_from(random.next() >> 32).unwrap_or(0);
        let inside = random.next().is_multiple_of(2);
        let at = usize::try_from(random.next()).unwrap_or(0).checked_rem(networks.len());
        match at.and_then(|at| networks.get(at)) {
            Some(IpNetwork::V4(network)) if inside => {
                let host = u32::from(network.mask()) ^ u32::MAX;
                IpAddr::V4((u32::from(network.network()) | bits & host).into())
            }
            _ => IpAddr::V4(bits.into()),
        }
    };
    (0..number).map(make).collect()
}
