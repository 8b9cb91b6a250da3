//! Longest match: the value of the most specific prefix that holds an address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::cidr::{bounds_v4, bounds_v6, unmapped};
use super::key::{Key, number};
use super::layout::{Family, Layout};
use super::steps::Steps;
use super::table::TooLarge;

/// Prefixes of one family that a table may have.
const MOST_PREFIXES: usize = 1 << 26;

/// Prefixes of a table whose values may be stored as they are, whatever they are: so few never make a trie or tree,
/// whose codes need room behind the values.
const MOST_DIRECT: usize = 1_000;
/// Values below this one may be stored as they are in any table.
const MOST_SMALL_VALUE: u32 = 100;

/// Prefixes with values, and lookups by the longest match. Immutable; `Send + Sync`.
///
/// Memory: the full Internet table takes about four bytes a prefix for IPv4 and fourteen for IPv6; building takes
/// some 25 bytes a prefix for a moment. A lookup takes no memory; its time hardly grows with the table.
///
/// ```
/// use policy_lpm::{cidr, LongestMatch};
/// let entry = |text: &str, value: u32| (cidr(text).expect("a CIDR").network, value);
/// let table = LongestMatch::build([entry("10.0.0.0/8", 1), entry("10.1.0.0/16", 2), entry("2001:db8::/32", 3)])?;
/// let lookup = |ip: &str| table.lookup(ip.parse().expect("an address"));
/// assert_eq!(lookup("10.2.3.4"), Some(1));
/// assert_eq!(lookup("::ffff:10.1.3.4"), Some(2), "a mapped address is its IPv4 address");
/// assert_eq!(lookup("2001:db8::1"), Some(3));
/// assert_eq!(lookup("192.0.2.1"), None);
/// # Ok::<(), policy_lpm::TooLarge>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongestMatch {
    v4: Layout<u32>,
    v6: Layout<u128>,
    values: Values,
}

/// What the codes of the layouts stand for; 0 is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    /// One more than the value.
    Direct,
    Listed(Box<[Option<u32>]>),
}

impl Values {
    #[inline]
    fn get(&self, code: u32) -> Option<u32> {
        match self {
            Self::Direct => code.checked_sub(1),
            Self::Listed(values) => values.get(code as usize).copied().flatten(),
        }
    }
}

impl LongestMatch {
    /// Builds the table; of a prefix that is given twice the last value counts. Host bits are ignored, mapped
    /// networks of at least 96 bits count as IPv4. O(n log n).
    ///
    /// # Errors
    /// [`TooLarge`] for more than 2^26 prefixes of one family.
    pub fn build(entries: impl IntoIterator<Item = (IpNetwork, u32)>) -> Result<Self, TooLarge> {
        let entries = entries.into_iter();
        let mut v4: Prefixes<PrefixV4> = Prefixes::with_room(entries.size_hint().0);
        let mut v6: Prefixes<PrefixV6> = Prefixes::with_room(0);
        for (network, value) in entries {
            match unmapped(network) {
                IpNetwork::V4(network) => v4.push(network, value)?,
                IpNetwork::V6(network) => v6.push(network, value)?,
            }
        }
        let most = v4.values.iter().chain(&v6.values).copied().max().unwrap_or(0);
        // Small values are stored as they are, so that codes stay narrow; in a small table any are.
        let is_small = v4.values.len() + v6.values.len() <= MOST_DIRECT && most < u32::MAX;
        let is_direct = most < MOST_SMALL_VALUE || is_small;
        let mut codes = Codes { is_direct, values: vec![None], known: HashMap::new(), last: (None, 0) };
        let v4 = Layout::new(&v4.flatten(&mut codes));
        let v6 = Layout::new(&v6.flatten(&mut codes));
        let values = if is_direct { Values::Direct } else { Values::Listed(codes.values.into()) };
        Ok(Self { v4, v6, values })
    }

    /// The value of the most specific prefix that holds the address; a mapped address is its IPv4 address.
    #[inline]
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<u32> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.lookup_v4(address),
            IpAddr::V6(address) => self.lookup_v6(address),
        }
    }

    /// The same for an IPv4 address.
    #[inline]
    #[must_use]
    pub fn lookup_v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.values.get(self.v4.get(address.into()))
    }

    /// The same for an IPv6 address, taken as it is: a mapped one is not looked up as IPv4.
    #[inline]
    #[must_use]
    pub fn lookup_v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.values.get(self.v6.get(address.into()))
    }

    /// True if a prefix holds the address.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.lookup(address).is_some()
    }

    /// The ranges of both families that have a value, IPv4 first, in order; neighbours differ. O(ranges).
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr, u32)> {
        let v4 = self.v4.steps().into_ranges();
        let v6 = self.v6.steps().into_ranges();
        let v4 = v4.map(|(a, b, code)| (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into(), code));
        let v6 = v6.map(|(a, b, code)| (Ipv6Addr::from(a).into(), Ipv6Addr::from(b).into(), code));
        v4.chain(v6).filter_map(move |(first, last, code)| Some((first, last, self.values.get(code)?)))
    }

    /// Bytes of memory that the table takes, itself included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Direct => 0,
            Values::Listed(values) => size_of_val(&**values),
        };
        size_of::<Self>() + self.v4.bytes() + self.v6.bytes() + values
    }
}

/// The values by which ranges are known, each once.
struct Codes {
    is_direct: bool,
    values: Vec<Option<u32>>,
    known: HashMap<u32, u32>,
    last: (Option<u32>, u32),
}

impl Codes {
    fn of(&mut self, value: Option<u32>) -> u32 {
        let Some(wanted) = value else { return 0 };
        if self.is_direct {
            return wanted.saturating_add(1);
        }
        if self.last.0 == value {
            return self.last.1;
        }
        let code = *self.known.entry(wanted).or_insert_with(|| {
            self.values.push(value);
            number(self.values.len() - 1)
        });
        self.last = (value, code);
        code
    }
}

/// A prefix as it is sorted: by its start, shorter ones first, then by its place in the input.
trait Prefix: Copy + Ord {
    type Key: Family;
    type Network;
    fn new(network: Self::Network, index: u32) -> Self;
    fn start(self) -> Self::Key;
    fn length(self) -> u32;
    fn index(self) -> usize;
}

/// An IPv4 prefix in one word: 32 bits of the start, 6 of the length, 26 of the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PrefixV4(u64);

impl Prefix for PrefixV4 {
    type Key = u32;
    type Network = Ipv4Network;

    fn new(network: Ipv4Network, index: u32) -> Self {
        let (first, _) = bounds_v4(network);
        Self(u64::from(first) << 32 | u64::from(network.prefix()) << 26 | u64::from(index))
    }

    fn start(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(0)
    }

    fn length(self) -> u32 {
        u32::try_from(self.0 >> 26 & 0x3f).unwrap_or(0)
    }

    fn index(self) -> usize {
        usize::try_from(self.0 & 0x3ff_ffff).unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PrefixV6 {
    start: u128,
    length: u8,
    index: u32,
}

impl Prefix for PrefixV6 {
    type Key = u128;
    type Network = Ipv6Network;

    fn new(network: Ipv6Network, index: u32) -> Self {
        Self { start: bounds_v6(network).0, length: network.prefix(), index }
    }

    fn start(self) -> u128 {
        self.start
    }

    fn length(self) -> u32 {
        self.length.into()
    }

    fn index(self) -> usize {
        self.index as usize
    }
}

/// The prefixes of one family, in order of the input.
struct Prefixes<P> {
    prefixes: Vec<P>,
    values: Vec<u32>,
}

impl<P: Prefix> Prefixes<P> {
    fn with_room(room: usize) -> Self {
        Self { prefixes: Vec::with_capacity(room), values: Vec::with_capacity(room) }
    }

    fn push(&mut self, network: P::Network, value: u32) -> Result<(), TooLarge> {
        if self.prefixes.len() >= MOST_PREFIXES {
            return Err(TooLarge::Prefixes { limit: MOST_PREFIXES });
        }
        self.prefixes.push(P::new(network, number(self.prefixes.len())));
        self.values.push(value);
        Ok(())
    }

    /// The function of an address. Prefixes nest, so that those that hold the address are a stack.
    fn flatten(mut self, codes: &mut Codes) -> Steps<P::Key> {
        self.prefixes.sort_unstable();
        let room = self.prefixes.len() + self.prefixes.len() / 16;
        let mut steps = Steps::with_room(0, room);
        // The last address and the code of each open prefix.
        let mut open: Vec<(P::Key, u32)> = Vec::new();
        for prefix in self.prefixes {
            let start = prefix.start();
            close(&mut open, &mut steps, Some(start));
            let code = codes.of(self.values.get(prefix.index()).copied());
            open.push((start.filled(prefix.length(), true), code));
            steps.push(start, code);
        }
        close(&mut open, &mut steps, None);
        steps
    }
}

/// Ends the prefixes that end before an address, or all.
fn close<K: Key>(open: &mut Vec<(K, u32)>, steps: &mut Steps<K>, before: Option<K>) {
    while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|start| *last < start)) {
        if let Some(next) = last.next() {
            steps.push(next, open.last().map_or(0, |(_, code)| *code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_found_in_a_table_of_any_size() {
        for count in [1, 500, 1_000, 1_001, 1_024, 3_000_u32] {
            let value = |n: u32| u32::MAX - n % 200;
            let v4 =
                (0..count).map(|n| (IpNetwork::V4(Ipv4Network::from(Ipv4Addr::from(7 + n * 8))), value(n)));
            let address = |n: u32| Ipv6Addr::from((u128::from(n) << 70) + 9);
            let v6 = (0..count).map(|n| (IpNetwork::V6(Ipv6Network::from(address(n))), value(n)));
            let table = LongestMatch::build(v4.chain(v6)).expect("small");
            for n in 0..count {
                assert_eq!(table.lookup_v4(Ipv4Addr::from(7 + n * 8)), Some(value(n)), "{n} of {count}");
                assert_eq!(table.lookup_v4(Ipv4Addr::from(8 + n * 8)), None, "{n} of {count}");
                assert_eq!(table.lookup_v6(address(n)), Some(value(n)), "{n} of {count}");
            }
            assert_eq!(table.ranges().count(), 2 * count as usize);
        }
    }
}
