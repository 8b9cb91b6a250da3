//! Bodies: what a host has read of a message, and what rules have made of it.

use std::sync::Arc;

/// Bytes of a body that are read at most; one that is longer has no value. The documentation names no limit.
pub(crate) const MAX_BODY: u32 = 1 << 20;

/// One of the messages that a phase may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The request.
    Request,
    /// The response.
    Response,
    /// One event of an event stream: its lines with their ends, without the byte order mark that a stream may begin with
    /// (WHATWG HTML, 9.2.5).
    Event,
}

/// A body as a host has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its first bytes.
    pub bytes: Arc<[u8]>,
    /// True if those are all.
    pub complete: bool,
}

/// Something for each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BySide<T>([Option<T>; 3]);

impl<T> Default for BySide<T> {
    fn default() -> Self {
        Self([None, None, None])
    }
}

impl<T> BySide<T> {
    pub(crate) fn get(&self, side: Side) -> Option<&T> {
        let [request, response, event] = &self.0;
        match side {
            Side::Request => request,
            Side::Response => response,
            Side::Event => event,
        }
        .as_ref()
    }

    pub(crate) fn set(&mut self, side: Side, value: Option<T>) {
        let [request, response, event] = &mut self.0;
        *match side {
            Side::Request => request,
            Side::Response => response,
            Side::Event => event,
        } = value;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// A way to compress a body (IANA, HTTP content codings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentCoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, whatever the name says (RFC 9110, 8.4.1.2).
    Deflate,
    /// Brotli, RFC 7932.
    Brotli,
    /// LZW as `compress(1)` writes it.
    Compress,
}

impl ContentCoding {
    /// The name in `content-encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Compress => "compress",
        }
    }

    /// True for the name in a header, in any case; `x-gzip` and `x-compress` are older names (RFC 9110, 8.4.1).
    fn is_called(self, name: &str) -> bool {
        let older = match self {
            Self::Gzip => "x-gzip",
            Self::Compress => "x-compress",
            Self::Deflate | Self::Brotli => self.name(),
        };
        name.eq_ignore_ascii_case(self.name()) || name.eq_ignore_ascii_case(older)
    }

    /// The one of some codings that a client prefers by its `accept-encoding` (RFC 9110, 12.5.3); among those that it likes
    /// as much, the first. None if it takes none of them, or rather wants the body as it is. O(header × codings).
    pub(crate) fn negotiate<'h>(of: &[Self], accepted: impl Iterator<Item = &'h str>) -> Option<Self> {
        let items: Vec<(&str, u16)> = accepted.flat_map(super::media_type::items).map(weighted).collect();
        let weight = |is_it: &dyn Fn(&str) -> bool, without: u16| {
            let named = items.iter().find(|(name, _)| is_it(name));
            named
                .or_else(|| items.iter().find(|(name, _)| *name == "*"))
                .map_or(without, |(_, weight)| *weight)
        };
        let best = of.iter().map(|coding| (weight(&|name| coding.is_called(name), 0), *coding));
        // Of equal ones the first.
        let (liked, coding) = best.rev().max_by_key(|(weight, _)| *weight)?;
        let plain = items.iter().find(|(name, _)| name.eq_ignore_ascii_case("identity")).map_or(0, |it| it.1);
        (liked > 0 && liked >= plain).then_some(coding)
    }
}

/// A coding and how much it is liked, in thousandths; a weight that cannot be read counts as none.
fn weighted(item: &str) -> (&str, u16) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    // Spaces around `=` are no grammar (RFC 9110, 5.6.6), and what is meant is plain all the same.
    let weight =
        parts.find_map(|part| part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("q")));
    (name, weight.map_or(1_000, |(_, weight)| thousandths(weight.trim()).unwrap_or(0)))
}

/// `0.8` as 800 (RFC 9110, 12.4.2).
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    if !part.bytes().all(|byte| byte.is_ascii_digit()) || part.len() > 3 {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ContentCoding::{self, Brotli, Compress, Deflate, Gzip};

    const ALL: &[ContentCoding] = &[Gzip, Deflate, Brotli, Compress];

    #[test]
    fn a_client_gets_what_it_likes_most() {
        for (accepted, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["gzip"], Some(Gzip)),
            (&["br, gzip"], Some(Gzip)),
            (&["gzip;q=0.8, br"], Some(Brotli)),
            (&["gzip;q=0.8", "br;q=0.9"], Some(Brotli)),
            (&["*"], Some(Gzip)),
            (&["*, gzip;q=0"], Some(Deflate)),
            (&["gzip;q=0"], None),
            (&["gzip ; Q = 0"], None),
            (&["identity"], None),
            (&["identity, gzip;q=0.5"], None),
            (&["identity;q=0.5, gzip;q=0.5"], Some(Gzip)),
            (&["X-GZIP ; Q=0.001"], Some(Gzip)),
            (&["zstd, snappy"], None),
            (&["gzip;q=2, deflate;q=0.0001, br;q=x, compress;q=1.001"], None),
        ] {
            assert_eq!(ContentCoding::negotiate(ALL, accepted.iter().copied()), expected, "{accepted:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_chosen_that_the_client_refuses(weights in prop::collection::vec((0_usize..6, 0_u16..=1_000), 0..6)) {
            const NAMES: [&str; 6] = ["gzip", "deflate", "br", "compress", "identity", "*"];
            let mut seen = Vec::new();
            let weights: Vec<_> = weights.into_iter().filter(|(name, _)| !seen.contains(name) && { seen.push(*name); true }).collect();
            let decimal = |weight: u16| format!("{}.{:03}", weight / 1_000, weight % 1_000);
            let header: Vec<_> = weights.iter().map(|(name, weight)| format!("{};q={}", NAMES[*name], decimal(*weight))).collect();
            let of = |name: &str, without| {
                let of = |name: &str| weights.iter().find(|(at, _)| NAMES[*at] == name).map(|it| it.1);
                of(name).or_else(|| if name == "identity" { None } else { of("*") }).unwrap_or(without)
            };
            let best = ALL.iter().map(|coding| of(coding.name(), 0)).max().unwrap_or(0);
            match ContentCoding::negotiate(ALL, [header.join(", ").as_str()].into_iter()) {
                Some(coding) => {
                    prop_assert_eq!(of(coding.name(), 0), best);
                    prop_assert!(best > 0 && best >= of("identity", 0));
                }
                None => prop_assert!(best == 0 || best < of("identity", 0)),
            }
        }
    }
}
