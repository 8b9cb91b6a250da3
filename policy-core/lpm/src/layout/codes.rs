//! Values as they are stored: as narrow as their number allows.

/// How a value is stored.
pub(crate) trait Code: Copy + std::fmt::Debug + Eq {
    /// The last one there is.
    const LAST: u32;
    fn pack(code: u32) -> Self;
    fn unpack(self) -> u32;
}

macro_rules! code {
    ($number:ty) => {
        impl Code for $number {
            const LAST: u32 = <$number>::MAX as u32;

            fn pack(code: u32) -> Self {
                Self::try_from(code).unwrap_or(Self::MAX)
            }

            #[inline]
            fn unpack(self) -> u32 {
                u32::from(self)
            }
        }
    };
}

code!(u8);
code!(u16);
code!(u32);

/// A number of 24 bits, little end first: AS numbers and most other ids fit, and a quarter of the memory is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Triple([u8; 3]);

impl Code for Triple {
    const LAST: u32 = (1 << 24) - 1;

    fn pack(code: u32) -> Self {
        let [low, middle, high, _] = code.min(Self::LAST).to_le_bytes();
        Self([low, middle, high])
    }

    #[inline]
    fn unpack(self) -> u32 {
        let [low, middle, high] = self.0;
        u32::from_le_bytes([low, middle, high, 0])
    }
}

/// An array of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Codes {
    Byte(Box<[u8]>),
    Pair(Box<[u16]>),
    Triple(Box<[Triple]>),
    Quad(Box<[u32]>),
}

impl Codes {
    pub(super) fn new(codes: &[u32]) -> Self {
        match codes.iter().max() {
            Some(most) if *most > Triple::LAST => Self::Quad(codes.into()),
            Some(most) if *most > u16::LAST => Self::Triple(packed(codes)),
            Some(most) if *most > u8::LAST => Self::Pair(packed(codes)),
            _ => Self::Byte(packed(codes)),
        }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Byte(codes) => codes.get(at).map(|code| code.unpack()),
            Self::Pair(codes) => codes.get(at).map(|code| code.unpack()),
            Self::Triple(codes) => codes.get(at).map(|code| code.unpack()),
            Self::Quad(codes) => codes.get(at).copied(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Byte(codes) => size_of_val(&**codes),
            Self::Pair(codes) => size_of_val(&**codes),
            Self::Triple(codes) => size_of_val(&**codes),
            Self::Quad(codes) => size_of_val(&**codes),
        }
    }
}

fn packed<C: Code>(codes: &[u32]) -> Box<[C]> {
    codes.iter().map(|code| C::pack(*code)).collect()
}
