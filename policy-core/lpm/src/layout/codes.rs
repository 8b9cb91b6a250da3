//! Values as they are stored: as narrow as their number allows.

/// An array of values.
pub(crate) trait Column: Clone + std::fmt::Debug + Eq {
    /// The largest value of one or two bytes. A trie of such knows while it is compiled which codes name children, and
    /// has so few values that it can afford a node for each; both spare its lookups steps.
    const NARROW: Option<u32>;

    /// Packs values below `count`.
    fn new(values: &[u32], count: u32) -> Self;
    fn value(&self, at: usize) -> Option<u32>;
    fn bytes(&self) -> usize;
}

macro_rules! column {
    ($number:ty) => {
        impl Column for Box<[$number]> {
            const NARROW: Option<u32> = if <$number>::BITS > 16 { None } else { Some(<$number>::MAX as u32) };

            fn new(values: &[u32], _: u32) -> Self {
                values.iter().map(|value| <$number>::try_from(*value).unwrap_or(<$number>::MAX)).collect()
            }

            #[inline]
            fn value(&self, at: usize) -> Option<u32> {
                self.get(at).map(|value| u32::from(*value))
            }

            fn bytes(&self) -> usize {
                size_of_val(&**self)
            }
        }
    };
}

column!(u8);
column!(u16);
column!(u32);

/// Values of as many bits as the largest needs, up to 32, one behind the other, least bits first. Seven bytes more at
/// the end, so that each is within eight bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    bits: u32,
    /// The bits of a value that count.
    mask: u32,
    bytes: Box<[u8]>,
}

/// Bytes that are read for one value.
const WORD: usize = size_of::<u64>();

impl Column for Packed {
    const NARROW: Option<u32> = None;

    fn new(values: &[u32], count: u32) -> Self {
        let bits = bits(count);
        let mut bytes = vec![0_u8; (values.len() * bits as usize).div_ceil(8) + WORD - 1];
        for (at, value) in values.iter().enumerate() {
            let bit = at * bits as usize;
            let added = (u64::from(*value) << (bit % 8)).to_le_bytes();
            for (byte, added) in bytes.iter_mut().skip(bit / 8).zip(added) {
                *byte |= added;
            }
        }
        Self { bits, mask: u32::MAX >> (32 - bits), bytes: bytes.into() }
    }

    #[inline]
    fn value(&self, at: usize) -> Option<u32> {
        let bit = at * self.bits as usize;
        let word = self.bytes.get(bit / 8..bit / 8 + WORD)?.first_chunk::<WORD>()?;
        let [a, b, c, d, ..] = (u64::from_le_bytes(*word) >> (bit % 8)).to_le_bytes();
        Some(u32::from_le_bytes([a, b, c, d]) & self.mask)
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.bytes)
    }
}

/// Bits that name so many values, at least one.
const fn bits(count: u32) -> u32 {
    let bits = u32::BITS - count.saturating_sub(1).leading_zeros();
    if bits == 0 { 1 } else { bits }
}

/// How values are stored, by how many different ones there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte,
    Pair,
    /// So many bits.
    Packed(u32),
    Quad,
}

impl Width {
    pub(super) const fn new(count: u32) -> Self {
        match bits(count) {
            0..=8 => Self::Byte,
            9..=16 => Self::Pair,
            bits @ 17..=31 => Self::Packed(bits),
            _ => Self::Quad,
        }
    }

    /// Bits of a value.
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Byte => u8::BITS,
            Self::Pair => u16::BITS,
            Self::Packed(bits) => bits,
            Self::Quad => u32::BITS,
        }
    }
}

/// An array of values as narrow as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Codes {
    Byte(Box<[u8]>),
    Pair(Box<[u16]>),
    Packed(Packed),
    Quad(Box<[u32]>),
}

impl Codes {
    pub(super) fn new(codes: &[u32]) -> Self {
        let count = codes.iter().max().map_or(0, |max| max.saturating_add(1));
        match Width::new(count) {
            Width::Byte => Self::Byte(Column::new(codes, count)),
            Width::Pair => Self::Pair(Column::new(codes, count)),
            Width::Packed(_) => Self::Packed(Column::new(codes, count)),
            Width::Quad => Self::Quad(codes.into()),
        }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Byte(codes) => codes.value(at),
            Self::Pair(codes) => codes.value(at),
            Self::Packed(codes) => codes.value(at),
            Self::Quad(codes) => codes.value(at),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Byte(codes) => codes.bytes(),
            Self::Pair(codes) => codes.bytes(),
            Self::Packed(codes) => codes.bytes(),
            Self::Quad(codes) => codes.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_as_wide_as_their_number() {
        let widths = [0, 1, 256, 257, 1 << 16, (1 << 16) + 1, 1 << 24, 1 << 31, (1 << 31) + 1, u32::MAX];
        let bits = widths.map(|count| Width::new(count).bits());
        assert_eq!(bits, [8, 8, 8, 16, 16, 17, 24, 31, 32, 32]);
    }

    proptest! {
        #[test]
        fn packed_values_come_back(values in prop::collection::vec(any::<u32>(), 0..200), bits in 1..33_u32) {
            let values: Vec<u32> = values.into_iter().map(|value| value >> (32 - bits)).collect();
            let count = 1_u32.checked_shl(bits).unwrap_or(u32::MAX);
            let packed = Packed::new(&values, count);
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(packed.value(at), Some(*value), "{} of {} bits", at, bits);
            }
            prop_assert_eq!(packed.value(usize::MAX >> 6), None);
            prop_assert_eq!(packed.bytes(), (values.len() * bits as usize).div_ceil(8) + 7);
        }
    }
}
