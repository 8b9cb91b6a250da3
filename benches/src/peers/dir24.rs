//! DIR-24-8: one load for the first 24 bits, a second one where longer prefixes lie.
//!
//! Source: Gupta, Lin, McKeown, "Routing lookups in hardware at memory access speeds", INFOCOM 1998.

#![allow(clippy::expect_used, reason = "bench data fits the table")]

use std::hint::{black_box, cold_path};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{Longest, flat};

/// Set where the other fifteen bits number a block, else they are the id plus one, zero for none.
const BLOCK: u16 = 1 << 15;

const FIRST: usize = 1 << 24;

/// The table; IPv4 only, for ids below 2^15 - 1 and as many blocks.
#[derive(Debug)]
pub struct Dir24 {
    first: Box<[u16; FIRST]>,
    blocks: Vec<[u16; 256]>,
}

impl Dir24 {
    /// Sets the addresses of one /24, from one to another last byte.
    fn set_part(&mut self, index: usize, from: u8, to: u8, entry: u16) {
        let slot = self.first.get_mut(index).expect("24 bits");
        if *slot & BLOCK == 0 {
            let number = u16::try_from(self.blocks.len()).ok().filter(|&number| number < BLOCK);
            self.blocks.push([*slot; 256]);
            *slot = BLOCK | number.expect("a free block");
        }
        let block = self.blocks.get_mut(usize::from(*slot & !BLOCK)).expect("made before");
        block.get_mut(from.into()..=to.into()).expect("a range of bytes").fill(entry);
    }
}

impl Longest for Dir24 {
    const NAME: &'static str = "dir-24-8";
    const V6: bool = false;

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        // Written rather than asked for as zeros, so that its pages are there and lie together.
        let first: Vec<u16> = std::iter::repeat_n(black_box(0), FIRST).collect();
        let first = first.into_boxed_slice().try_into().expect("as many");
        let mut table = Self { first, blocks: Vec::new() };
        let mut networks = flat::v4(entries);
        // Short prefixes first, long ones over them; the sort is stable, so of equal networks the later one stays.
        networks.sort_by_key(|&(first, last, _)| u32::MAX - (last - first));
        for (first, last, id) in networks {
            let entry = u16::try_from(id + 1).ok().filter(|&entry| entry < BLOCK).expect("a small id");
            let (from, to) = ((first >> 8) as usize, (last >> 8) as usize);
            if last - first >= 255 {
                table.first.get_mut(from..=to).expect("24 bits").fill(entry);
            } else {
                let [.., from_byte] = first.to_be_bytes();
                let [.., to_byte] = last.to_be_bytes();
                table.set_part(from, from_byte, to_byte, entry);
            }
        }
        table
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "24 bits index the first level, the build numbered the blocks"
    )]
    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        let address = u32::from(address);
        let mut entry = self.first[(address >> 8) as usize];
        if entry & BLOCK != 0 {
            cold_path();
            entry = self.blocks[usize::from(entry & !BLOCK)][(address & 255) as usize];
        }
        u32::from(entry).checked_sub(1)
    }

    fn v6(&self, _: Ipv6Addr) -> Option<u32> {
        None
    }
}
