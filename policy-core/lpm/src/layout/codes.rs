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

/// An array of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Codes {
    Narrow(Box<[u8]>),
    Middle(Box<[u16]>),
    Wide(Box<[u32]>),
}

impl Codes {
    pub(super) fn new(codes: &[u32]) -> Self {
        match codes.iter().max() {
            Some(most) if *most > u16::LAST => Self::Wide(codes.into()),
            Some(most) if *most > u8::LAST => {
                Self::Middle(codes.iter().map(|code| Code::pack(*code)).collect())
            }
            _ => Self::Narrow(codes.iter().map(|code| Code::pack(*code)).collect()),
        }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<u32> {
        match self {
            Self::Narrow(codes) => codes.get(at).map(|code| code.unpack()),
            Self::Middle(codes) => codes.get(at).map(|code| code.unpack()),
            Self::Wide(codes) => codes.get(at).copied(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Narrow(codes) => size_of_val(&**codes),
            Self::Middle(codes) => size_of_val(&**codes),
            Self::Wide(codes) => size_of_val(&**codes),
        }
    }
}
