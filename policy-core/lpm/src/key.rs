//! Addresses as numbers: `u32` for IPv4, `u128` for IPv6.

use std::net::IpAddr;

/// A number that stands for an address: `u32` for IPv4, `u128` for IPv6. No other type is one.
pub trait Key: Copy + Ord + std::fmt::Debug + private::Sealed {
    /// The first address.
    const FIRST: Self;
    /// The last address.
    const LAST: Self;

    /// The successor; `None` after the last address.
    #[must_use]
    fn next(self) -> Option<Self>;
    /// The predecessor; `None` before the first address.
    #[must_use]
    fn previous(self) -> Option<Self>;
}

/// The bits of a [`Key`], from the front.
pub(crate) trait Bits: Key {
    /// Bits of the number.
    const BITS: u32;

    /// Without its `skip` first bits; zeros come in from behind. Nothing is left of a number of as many bits.
    fn shifted(self, skip: u32) -> Self;
    /// The first `bits` bits, at most 32, as a number.
    fn head(self, bits: u32) -> usize;
    /// The first 64 bits as a number, as if zeros followed.
    fn window(self) -> u64;
    /// True if only the first 64 bits count: the others are zero.
    fn fits_window(self) -> bool;
    /// The number of leading bits that it has in common with another.
    fn common(self, other: Self) -> u32;
    /// With every bit after the `keep` first ones set to zero, or to one.
    fn filled(self, keep: u32, ones: bool) -> Self;
    /// With the number `head` of `bits` bits put in at `at`; these bits must be zero.
    fn with_bits(self, at: u32, bits: u32, head: usize) -> Self;
    /// With another number put in after its `at` first bits; these must be zero.
    fn joined(self, at: u32, rest: Self) -> Self;
}

mod private {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for u128 {}
}

/// An address as a number, which is faster to compare and to copy than its bytes. INVARIANT: no IPv6 address is an
/// IPv4-mapped one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 address, mapped ones included.
    V4(u32),
    /// An IPv6 address.
    V6(u128),
}

impl From<IpAddr> for Address {
    #[inline]
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.into()),
            IpAddr::V6(address) => {
                let bits = u128::from(address);
                // `::ffff:a.b.c.d` is the IPv4 address.
                match u32::try_from(bits ^ 0xffff << 32) {
                    Ok(mapped) => Self::V4(mapped),
                    Err(_) => Self::V6(bits),
                }
            }
        }
    }
}

impl From<Address> for IpAddr {
    #[inline]
    fn from(address: Address) -> Self {
        match address {
            Address::V4(bits) => Self::V4(bits.into()),
            Address::V6(bits) => Self::V6(bits.into()),
        }
    }
}

/// The low bits of a number that is known to be small.
#[inline]
pub(super) const fn small(number: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits are set")]
    let small = number as usize;
    small
}

/// An index as it is stored. INVARIANT: a table of 2^32 entries does not fit into any budget.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

macro_rules! key {
    ($number:ty, $window:expr, $fits:expr) => {
        impl Key for $number {
            const FIRST: Self = 0;
            const LAST: Self = Self::MAX;

            #[inline]
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            #[inline]
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }

        impl Bits for $number {
            const BITS: u32 = Self::BITS;

            #[inline]
            fn shifted(self, skip: u32) -> Self {
                self.checked_shl(skip).unwrap_or(0)
            }

            #[inline]
            fn head(self, bits: u32) -> usize {
                small(self.window().checked_shr(64 - bits).unwrap_or(0))
            }

            #[inline]
            fn window(self) -> u64 {
                $window(self)
            }

            #[inline]
            fn fits_window(self) -> bool {
                $fits(self)
            }

            fn common(self, other: Self) -> u32 {
                (self ^ other).leading_zeros()
            }

            fn filled(self, keep: u32, ones: bool) -> Self {
                let behind = Self::MAX.checked_shr(keep).unwrap_or(0);
                if ones { self | behind } else { self & !behind }
            }

            fn with_bits(self, at: u32, bits: u32, head: usize) -> Self {
                let head = Self::try_from(head).unwrap_or(0);
                // What lies behind the last bit of the number is cut off.
                match Self::BITS.checked_sub(at + bits) {
                    Some(left) => self | head.checked_shl(left).unwrap_or(0),
                    None => self | head.checked_shr(at + bits - Self::BITS).unwrap_or(0),
                }
            }

            fn joined(self, at: u32, rest: Self) -> Self {
                self | rest.checked_shr(at).unwrap_or(0)
            }
        }
    };
}

const fn high_half(number: u128) -> u64 {
    (number >> 64) as u64
}

key!(u32, |number: u32| u64::from(number) << 32, |_| true);
key!(u128, high_half, |number: u128| number << 64 == 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::ffff:10.0.0.1",
            "::fffe:ffff:ffff",
            "::1:0:0:0",
            "::10.0.0.1",
        ] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(IpAddr::from(Address::from(address)), address.to_canonical(), "{text}");
        }
    }

    #[test]
    fn bits_are_taken_from_the_front() {
        assert_eq!(0xabcd_1234_u32.head(16), 0xabcd);
        assert_eq!(0xabcd_1234_u32.shifted(16).head(8), 0x12);
        assert_eq!(0xabcd_1234_u32.shifted(27).head(8), 0b1010_0000, "zeros come in from behind");
        assert_eq!(0xabcd_1234_u32.shifted(32), 0);
        let wide = 0x2001_0db8_0000_0000_0000_0000_0000_00ff_u128;
        assert_eq!((wide.head(16), wide.shifted(120).head(8)), (0x2001, 0xff));
        assert!(!wide.fits_window() && wide.filled(120, false).fits_window());
        assert_eq!(0_u32.with_bits(16, 8, 0xab), 0xab00);
        assert_eq!(0_u32.with_bits(27, 8, 0b1010_0000), 0b10100);
        assert_eq!(0x1234_0000_u32.filled(16, true), 0x1234_ffff);
    }
}
