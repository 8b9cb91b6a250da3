//! List files as they are stored: plain, or packed. The bytes are the host's to read.
//!
//! A form of packing is a file below, and a line in [`PACKINGS`].

mod gzip;

use std::io::{self, BufReader, Read};

use crate::named_file::reason;

/// Bytes of one list, unpacked: a few KiB of packed data can stand for any number of them.
const MAX_BYTES: u64 = 1 << 30;
/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// How lists may be packed, each known by its first bytes. What none of them is, is plain.
const PACKINGS: &[Packing] = &[gzip::GZIP];

/// What a list is read from.
type Input<'r> = Box<dyn Read + 'r>;

/// A form of packing.
#[derive(Clone, Copy)]
struct Packing {
    /// What its name is in messages.
    name: &'static str,
    /// The first bytes of its data.
    magic: &'static [u8],
    /// Unpacks what is read. Data that breaks off is an `UnexpectedEof`, damaged data `InvalidData` or `InvalidInput`.
    open: for<'r> fn(BufReader<Input<'r>>) -> Input<'r>,
}

impl Packing {
    /// Why data cannot be unpacked.
    fn reason(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("the {} data breaks off", self.name),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                format!("the {} data is damaged", self.name)
            }
            _ => reason(error),
        }
    }
}

/// Hands over all bytes of a list in pieces, unpacked if they are packed.
///
/// # Errors
/// Why the list cannot be read to its end, or that it has more than 1 GiB.
///
/// ```
/// use policy_core::ip_policies::{ListReader, unpack};
/// let mut reader = ListReader::new("blocklist.txt");
/// unpack(&b"203.0.113.0/24\n"[..], &mut |bytes| reader.feed(bytes)).expect("readable");
/// assert_eq!(reader.finish().networks.map(|it| it.len()), Some(1));
/// ```
pub fn unpack(input: impl Read, feed: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    unpack_up_to(input, (PACKINGS, MAX_BYTES), feed)
}

/// The same without an end: for logs, which are handed on and not kept.
///
/// # Errors
/// Why the data cannot be read to its end.
pub fn unpack_stream(input: impl Read, feed: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    unpack_up_to(input, (PACKINGS, u64::MAX), feed)
}

fn unpack_up_to<'r>(
    mut input: impl Read + 'r,
    (packings, max): (&[Packing], u64),
    feed: &mut dyn FnMut(&[u8]),
) -> Result<(), String> {
    let longest = packings.iter().map(|packing| packing.magic.len()).max().unwrap_or(0);
    let mut front = Vec::new();
    input.by_ref().take(longest as u64).read_to_end(&mut front).map_err(|error| reason(&error))?;
    let packing = packings.iter().find(|packing| front.starts_with(packing.magic));
    let input = io::Cursor::new(front).chain(input);
    match packing {
        Some(packing) => {
            let input: BufReader<Input<'r>> = BufReader::with_capacity(PIECE, Box::new(input));
            pump((packing.open)(input), max, feed, &|error| packing.reason(error))
        }
        None => pump(input, max, feed, &reason),
    }
}

fn pump(
    mut input: impl Read,
    max: u64,
    feed: &mut dyn FnMut(&[u8]),
    reason: &dyn Fn(&io::Error) -> String,
) -> Result<(), String> {
    let mut piece = vec![0; PIECE];
    let mut left = max;
    loop {
        let read = match input.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(reason(&error)),
        };
        left = left
            .checked_sub(read as u64)
            .ok_or_else(|| format!("it has more than the {max} bytes that are read"))?;
        feed(piece.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("written");
        encoder.finish().expect("written")
    }

    fn all(bytes: &[u8], max: u64) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        unpack_up_to(bytes, (PACKINGS, max), &mut |piece| out.extend_from_slice(piece)).map(|()| out)
    }

    /// Every byte one higher than it was.
    struct Shifted<R>(R);

    impl<R: Read> Read for Shifted<R> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(out)?;
            out.iter_mut().take(read).for_each(|byte| *byte = byte.wrapping_sub(1));
            Ok(read)
        }
    }

    #[test]
    fn another_form_is_a_line_more() {
        let shifted = Packing {
            name: "shifted",
            magic: b"\xfeshift",
            open: |mut input| {
                input.read_exact(&mut [0; 6]).expect("its first bytes");
                Box::new(Shifted(input))
            },
        };
        let packings = [gzip::GZIP, shifted];
        let unpacked = |bytes: &[u8]| {
            let mut out = Vec::new();
            unpack_up_to(bytes, (&packings, 100), &mut |piece| out.extend_from_slice(piece)).map(|()| out)
        };
        assert_eq!(unpacked(b"\xfeshiftbcd\x0b").as_deref(), Ok(&b"abc\n"[..]));
        assert_eq!(
            unpacked(b"\xfeshif").as_deref(),
            Ok(&b"\xfeshif"[..]),
            "a part of the first bytes is plain"
        );
        assert_eq!(unpacked(&gzip(b"a")).as_deref(), Ok(&b"a"[..]));
        assert_eq!(all(b"\xfeshiftb", 100).as_deref(), Ok(&b"\xfeshiftb"[..]), "unknown without its line");
    }

    #[test]
    fn plain_and_packed_are_the_same() {
        for text in [&b""[..], b"\x1f", b"1", b"203.0.113.0/24\n"] {
            assert_eq!(all(text, 100).as_deref(), Ok(text));
            assert_eq!(all(&gzip(text), 100).as_deref(), Ok(text));
        }
        // Files that were packed one by one and joined.
        let joined = [gzip(b"203.0.113.0/24\n"), gzip(b"2001:db8::/32\n")].concat();
        assert_eq!(all(&joined, 100).as_deref(), Ok(&b"203.0.113.0/24\n2001:db8::/32\n"[..]));
    }

    #[test]
    fn what_is_cut_or_damaged_or_too_long_is_said() {
        let packed = gzip("203.0.113.0/24\n".repeat(1_000).as_bytes());
        for length in 2..packed.len() {
            assert_eq!(
                all(&packed[..length], 1 << 20),
                Err("the gzip data breaks off".to_owned()),
                "{length}"
            );
        }
        let mut damaged = packed.clone();
        *damaged.last_mut().expect("bytes") ^= 1;
        assert_eq!(all(&damaged, 1 << 20), Err("the gzip data is damaged".to_owned()));
        let longer = Err("it has more than the 14999 bytes that are read".to_owned());
        assert_eq!(all(&packed, 14_999), longer);
        assert_eq!(all(&[b'\n'; 15_000], 14_999), longer);
        assert_eq!(all(&packed, 15_000).map(|bytes| bytes.len()), Ok(15_000));
    }
}
