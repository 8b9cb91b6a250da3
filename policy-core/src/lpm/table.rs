//! The address table: all address tests of a program as one piecewise-constant function.
//!
//! Every test is a set of addresses. A sweep over the boundaries of all tests cuts each family into ranges
//! in which no test changes; the set of tests that hold there is the range's *class*. A lookup finds the
//! class, and a test is then one bit. Equal sets share a class (compared in full, never by hash alone), and
//! adjacent ranges of one class are merged: equal tests give equal tables, however their lists were written.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::ranges::{Key, RangeSet, Ranges};

/// Identifies an address test of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestId(pub u32);

/// Identifies a set of tests that hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(u32);

impl ClassId {
    /// The class as an index, dense from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a table may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableLimits {
    /// Bytes for the ranges and the test sets of all classes.
    pub bytes: usize,
}

impl Default for TableLimits {
    /// 64 MiB.
    fn default() -> Self {
        Self { bytes: 64 << 20 }
    }
}

/// The table would need more than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// The budget in bytes.
    pub limit: usize,
    /// Classes found until the budget was spent.
    pub classes: usize,
    /// Ranges found until the budget was spent.
    pub ranges: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, classes, ranges } = self;
        write!(f, "the address table needs over {limit} bytes ({classes} classes, {ranges} ranges)")
    }
}

impl std::error::Error for TooLarge {}

/// Address → class, class × test → bool.
///
/// ```
/// use policy_core::lpm::{cidr, AddressTable, RangeSet, TableLimits, TestId};
/// let office = RangeSet::from_networks([cidr("203.0.113.0/24").expect("a CIDR").network]);
/// let table = AddressTable::build(&[office], TableLimits::default())?;
/// let inside = table.class("203.0.113.9".parse().expect("an address"));
/// let outside = table.class("198.51.100.1".parse().expect("an address"));
/// assert!(table.contains(inside, TestId(0)) && !table.contains(outside, TestId(0)));
/// # Ok::<(), policy_core::lpm::TooLarge>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTable {
    v4: Steps<u32>,
    v6: Steps<u128>,
    /// `words` words a class: bit n of a class says that test n holds.
    sets: Vec<u64>,
    words: usize,
}

/// One family: `classes[i]` holds from `starts[i]` up to the next start. INVARIANT: `starts[0]` is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Steps<K> {
    starts: Vec<K>,
    classes: Vec<ClassId>,
}

impl AddressTable {
    /// Builds the table for `tests`; [`TestId`] n is `tests[n]`. O(boundaries · (log + words)).
    ///
    /// # Errors
    /// [`TooLarge`] as soon as the budget is spent.
    pub fn build(tests: &[RangeSet], limits: TableLimits) -> Result<Self, TooLarge> {
        let mut classes = Classes::new(tests.len(), limits);
        let v4 = classes.sweep(0, tests.iter().map(RangeSet::v4))?;
        let v6 = classes.sweep(0, tests.iter().map(RangeSet::v6))?;
        Ok(Self { v4, v6, words: classes.words, sets: classes.sets })
    }

    /// The class of an address; a mapped address is its IPv4 address. O(log ranges), no allocation.
    #[must_use]
    pub fn class(&self, address: IpAddr) -> ClassId {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.class(address.into()),
            IpAddr::V6(address) => self.v6.class(address.into()),
        }
    }

    /// True if the test holds for the addresses of a class; false for an unknown test. O(1).
    #[must_use]
    pub fn contains(&self, class: ClassId, test: TestId) -> bool {
        let word = test.0 as usize / 64;
        if word >= self.words {
            return false;
        }
        self.sets.get(class.index() * self.words + word).is_some_and(|bits| bits >> (test.0 % 64) & 1 == 1)
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.sets.len().checked_div(self.words).unwrap_or(1)
    }

    /// The ranges of both families with their classes, IPv4 first, in order, covering every address.
    pub fn regions(&self) -> impl Iterator<Item = (IpAddr, IpAddr, ClassId)> {
        let v4 = self.v4.regions(u32::MAX).map(|(a, b, c)| (IpAddr::V4(a.into()), IpAddr::V4(b.into()), c));
        let v6 = self.v6.regions(u128::MAX).map(|(a, b, c)| (IpAddr::V6(a.into()), IpAddr::V6(b.into()), c));
        v4.chain(v6)
    }
}

impl<K: Key> Steps<K> {
    fn class(&self, key: K) -> ClassId {
        let behind = self.starts.partition_point(|&start| start <= key);
        // INVARIANT: the first start is 0, so something is before every key; class 0 holds no test.
        behind.checked_sub(1).and_then(|at| self.classes.get(at)).copied().unwrap_or(ClassId(0))
    }

    fn regions(&self, last: K) -> impl Iterator<Item = (K, K, ClassId)> {
        let ends = self.starts.iter().skip(1).map(|next| next.previous()).chain([Some(last)]);
        let starts = self.starts.iter().zip(&self.classes);
        starts.zip(ends).filter_map(|((&first, &class), end)| Some((first, end?, class)))
    }
}

/// The interned test sets while a table is built. INVARIANT: class 0 is the empty set.
struct Classes {
    words: usize,
    sets: Vec<u64>,
    known: HashMap<Box<[u64]>, ClassId>,
    limit: usize,
    ranges: usize,
    range_bytes: usize,
}

impl Classes {
    fn new(tests: usize, limits: TableLimits) -> Self {
        let words = tests.div_ceil(64).max(1);
        let empty = vec![0; words];
        let known = HashMap::from([(empty.clone().into_boxed_slice(), ClassId(0))]);
        Self { words, sets: empty, known, limit: limits.bytes, ranges: 0, range_bytes: 0 }
    }

    fn sweep<'t, K: Key + 't>(
        &mut self,
        zero: K,
        tests: impl Iterator<Item = &'t Ranges<K>>,
    ) -> Result<Steps<K>, TooLarge> {
        // An event toggles the bit of one test: a test's own ranges never touch, so no toggle is lost.
        let mut events: Vec<(K, u32)> = Vec::new();
        for (test, ranges) in (0_u32..).zip(tests) {
            for &(first, last) in ranges.as_slice() {
                events.push((first, test));
                events.extend(last.next().map(|behind| (behind, test)));
            }
        }
        events.sort_unstable();

        let mut steps = Steps { starts: vec![zero], classes: vec![ClassId(0)] };
        let mut current = vec![0_u64; self.words];
        let mut events = events.into_iter().peekable();
        while let Some(&(at, _)) = events.peek() {
            // INVARIANT: a boundary is emitted only after all events at its address.
            while let Some((_, test)) = events.next_if(|&(position, _)| position == at) {
                if let Some(word) = current.get_mut(test as usize / 64) {
                    *word ^= 1 << (test % 64);
                }
            }
            let class = self.intern(&current)?;
            if steps.classes.last() == Some(&class) {
                continue;
            }
            if at == zero {
                steps.classes = vec![class];
            } else {
                steps.starts.push(at);
                steps.classes.push(class);
                self.ranges += 1;
                self.range_bytes += size_of::<K>() + size_of::<ClassId>();
                self.check_budget()?;
            }
        }
        steps.starts.shrink_to_fit();
        steps.classes.shrink_to_fit();
        Ok(steps)
    }

    fn intern(&mut self, set: &[u64]) -> Result<ClassId, TooLarge> {
        if let Some(&class) = self.known.get(set) {
            return Ok(class);
        }
        let class = u32::try_from(self.known.len()).map(ClassId).map_err(|_| self.too_large())?;
        self.sets.extend_from_slice(set);
        self.known.insert(set.into(), class);
        self.check_budget()?;
        Ok(class)
    }

    fn check_budget(&self) -> Result<(), TooLarge> {
        let bytes = self.range_bytes + self.sets.len() * size_of::<u64>();
        if bytes > self.limit { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> TooLarge {
        TooLarge { limit: self.limit, classes: self.known.len(), ranges: self.ranges }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lpm::cidr;

    fn set(entries: &[&str]) -> RangeSet {
        RangeSet::from_networks(entries.iter().map(|entry| cidr(entry).expect("a CIDR").network))
    }

    fn build(tests: &[RangeSet]) -> AddressTable {
        AddressTable::build(tests, TableLimits::default()).expect("small")
    }

    fn holds(table: &AddressTable, address: &str) -> Vec<u32> {
        let class = table.class(address.parse().expect("an address"));
        (0..200).filter(|&test| table.contains(class, TestId(test))).collect()
    }

    #[test]
    fn families_do_not_mix_and_mapped_is_ipv4() {
        let table = build(&[set(&["0.0.0.0/0"]), set(&["::/0"]), set(&["::ffff:10.0.0.0/104"])]);
        assert_eq!(holds(&table, "10.1.1.1"), [0, 2]);
        assert_eq!(holds(&table, "::ffff:10.1.1.1"), [0, 2]);
        assert_eq!(holds(&table, "2001:db8::1"), [1]);
        assert_eq!(holds(&table, "::10.1.1.1"), [1]);
    }

    #[test]
    fn the_ends_of_the_address_space_belong() {
        let table = build(&[set(&["255.255.255.255/32", "0.0.0.0/32"]), set(&["ffff::/16", "::/128"])]);
        assert_eq!(holds(&table, "255.255.255.255"), [0]);
        assert_eq!(holds(&table, "0.0.0.0"), [0]);
        assert!(holds(&table, "0.0.0.1").is_empty());
        assert_eq!(holds(&table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), [1]);
        assert_eq!(holds(&table, "::"), [1]);
    }

    #[test]
    fn no_test_at_all_is_one_class() {
        let table = build(&[]);
        assert_eq!((table.classes(), holds(&table, "1.2.3.4")), (1, vec![]));
        assert_eq!(table.regions().count(), 2);
    }

    #[test]
    fn equal_sets_written_differently_give_equal_tables() {
        let halves = build(&[set(&["10.128.0.0/9", "10.0.0.0/9"]), set(&["192.0.2.0/24"])]);
        let whole = build(&[set(&["10.0.0.0/8"]), set(&["192.0.2.0/24", "192.0.2.7/32"])]);
        assert_eq!(halves, whole);
    }

    #[test]
    fn more_than_64_tests_take_more_words() {
        let tests: Vec<_> = (0..130).map(|n| set(&[&format!("10.0.{n}.0/24"), "10.1.0.0/16"])).collect();
        let table = build(&tests);
        assert_eq!(holds(&table, "10.0.129.1"), [129]);
        assert_eq!(holds(&table, "10.1.0.1").len(), 130);
    }

    #[test]
    fn the_budget_is_kept() {
        let tests: Vec<_> = (0..100).map(|n| set(&[&format!("10.0.{n}.0/24")])).collect();
        let error = AddressTable::build(&tests, TableLimits { bytes: 512 }).expect_err("too large");
        assert_eq!(error.limit, 512);
        assert!(error.classes < 50, "it stops early: {error}");
    }
}
