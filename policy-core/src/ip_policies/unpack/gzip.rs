//! Lists that are packed with gzip, also several that were packed one by one and joined (RFC 1952).

use flate2::read::MultiGzDecoder;

use super::Packing;

/// §2.3.1: the first bytes.
pub(super) const GZIP: Packing =
    Packing { name: "gzip", magic: &[0x1f, 0x8b], open: |input| Box::new(MultiGzDecoder::new(input)) };
