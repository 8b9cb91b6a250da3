//! Loops that time lookups: independent ones, and ones that wait for each other.

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a loop can look up.
pub trait Probe: Copy {
    /// The same address if the mask is zero.
    #[must_use]
    fn mixed(self, last: u32, mask: u32) -> Self;
}

impl Probe for Ipv4Addr {
    fn mixed(self, last: u32, mask: u32) -> Self {
        (u32::from(self) ^ last & mask).into()
    }
}

impl Probe for Ipv6Addr {
    fn mixed(self, last: u32, mask: u32) -> Self {
        (u128::from(self) ^ u128::from(last & mask)).into()
    }
}

/// Looks up every address on its own, so that the processor may overlap them; gives the sum of the ids.
///
/// Nothing found counts as -1, which costs neither who keeps an id plus one nor who keeps a great number.
pub fn throughput<A: Probe>(probes: &[A], find: impl Fn(A) -> Option<u32>) -> u64 {
    let id = |&probe: &A| u64::from(find(probe).unwrap_or(u32::MAX));
    probes.iter().map(id).fold(0, u64::wrapping_add)
}

/// Looks up every address only once the answer before is known; gives the sum of the ids.
pub fn latency<A: Probe>(probes: &[A], find: impl Fn(A) -> Option<u32>) -> u64 {
    // Nobody but us knows that this is zero.
    let mask = black_box(0);
    let (mut last, mut sum) = (0, 0_u64);
    for probe in probes {
        last = find(probe.mixed(last, mask)).unwrap_or(0);
        sum = sum.wrapping_add(last.into());
    }
    sum
}
