//! List files as they are stored: plain, or packed with gzip. The bytes are the host's to read.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// Bytes of one list, unpacked: a few KiB of gzip can stand for any number of them.
const MAX_BYTES: u64 = 1 << 30;
/// Bytes read at once.
const PIECE: usize = 64 << 10;
/// The first bytes of gzip data (RFC 1952 §2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Hands over all bytes of a list in pieces, unpacked if it is gzip data.
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
    unpack_up_to(input, MAX_BYTES, feed)
}

fn unpack_up_to(mut input: impl Read, max: u64, feed: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let mut front = Vec::new();
    input.by_ref().take(GZIP.len() as u64).read_to_end(&mut front).map_err(|error| reason(&error))?;
    let packed = front == GZIP;
    let input = front.chain(input);
    match packed {
        true => pump(MultiGzDecoder::new(io::BufReader::with_capacity(PIECE, input)), max, feed, &|error| {
            match error.kind() {
                io::ErrorKind::UnexpectedEof => "the gzip data breaks off".to_owned(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                    "the gzip data is damaged".to_owned()
                }
                _ => reason(error),
            }
        }),
        false => pump(input, max, feed, &reason),
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

/// The operating system's reason without its error number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
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
        unpack_up_to(bytes, max, &mut |piece| out.extend_from_slice(piece)).map(|()| out)
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
