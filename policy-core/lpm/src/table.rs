//! The address table: all address tests of a program as one piecewise-constant function.
//!
//! Every test is a set of addresses. A sweep over the boundaries of all tests cuts each family into ranges
//! in which no test changes; the set of tests that hold there is the range's *class*. A lookup finds the
//! class, and a test is then one bit. Equal sets share a class (compared in full, never by hash alone), and
//! adjacent ranges of one class are merged: equal tests give equal tables, however their lists were written.

use std::net::IpAddr;

use super::batch::Batch;
use super::classes::{Classes, sweep};
use super::key::Address;
use super::layout::{BATCH, Family, Layout};
use super::limits::{TableLimits, TooLarge};
use super::ranges::RangeSet;

/// Identifies an address test of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestId(pub u32);

/// Identifies a set of tests that hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub(super) u32);

impl ClassId {
    /// The class with an index.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The class as an index, dense from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Address → class, class × test → bool.
///
/// ```
/// use policy_lpm::{cidr, AddressTable, RangeSet, TableLimits, TestId};
/// let office = RangeSet::from_networks([cidr("203.0.113.0/24").expect("a CIDR").network]);
/// let table = AddressTable::build(&[office], TableLimits::default())?;
/// let inside = table.class("203.0.113.9".parse().expect("an address"));
/// let outside = table.class("198.51.100.1".parse().expect("an address"));
/// assert!(table.contains(inside, TestId(0)) && !table.contains(outside, TestId(0)));
/// # Ok::<(), policy_lpm::TooLarge>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTable {
    v4: Layout<u32>,
    v6: Layout<u128>,
    /// `words` words a class: bit n of a class says that test n holds.
    sets: Box<[u64]>,
    words: usize,
    ranges: [usize; 2],
}

impl AddressTable {
    /// Builds the table for `tests`; [`TestId`] n is `tests[n]`. O(boundaries · (log + words)).
    ///
    /// # Errors
    /// [`TooLarge`] as soon as the budget is spent.
    pub fn build(tests: &[RangeSet], limits: TableLimits) -> Result<Self, TooLarge> {
        let mut classes = Classes::new(tests.len(), limits);
        let v4 = sweep(&mut classes, tests.iter().map(RangeSet::v4))?;
        let v6 = sweep(&mut classes, tests.iter().map(RangeSet::v6))?;
        let ranges = [v4.len(), v6.len()];
        let (v4, v6) = (Layout::new(&v4), Layout::new(&v6));
        classes.budget(v4.bytes() + v6.bytes(), ranges.iter().sum())?;
        Ok(Self { v4, v6, words: classes.words(), sets: classes.into_sets(), ranges })
    }

    /// The class of an address; a mapped address is its IPv4 address. No allocation; the time hardly grows with
    /// the ranges.
    #[inline]
    #[must_use]
    pub fn class(&self, address: IpAddr) -> ClassId {
        self.class_of(address.into())
    }

    /// The class of an address that is a number already.
    #[inline]
    #[must_use]
    pub fn class_of(&self, address: Address) -> ClassId {
        match address {
            Address::V4(address) => ClassId(self.v4.get(address)),
            Address::V6(address) => ClassId(self.v6.get(address)),
        }
    }

    /// [`Self::class`] for many addresses, each class in the place of its address; what one slice has beyond the other is
    /// left as it is. A group of them goes through the table together, so that the waits for memory overlap. No
    /// allocation.
    ///
    /// ```
    /// use policy_lpm::{cidr, AddressTable, ClassId, RangeSet, TableLimits, TestId};
    /// let office = RangeSet::from_networks([cidr("203.0.113.0/24").expect("a CIDR").network]);
    /// let table = AddressTable::build(&[office], TableLimits::default())?;
    /// let addresses = ["203.0.113.9", "2001:db8::1"].map(|text| text.parse().expect("an address"));
    /// let mut classes = [ClassId::new(0); 2];
    /// table.class_each(&addresses, &mut classes);
    /// assert_eq!(classes.map(|class| table.contains(class, TestId(0))), [true, false]);
    /// # Ok::<(), policy_lpm::TooLarge>(())
    /// ```
    pub fn class_each(&self, addresses: &[IpAddr], classes: &mut [ClassId]) {
        for (addresses, classes) in addresses.chunks(BATCH).zip(classes.chunks_mut(BATCH)) {
            Batch::new(addresses).answer(
                classes,
                |keys, out| Self::class_of_each(&self.v4, keys, out),
                |keys, out| Self::class_of_each(&self.v6, keys, out),
            );
        }
    }

    fn class_of_each<K: Family>(layout: &Layout<K>, keys: &[K], classes: &mut [ClassId]) {
        let mut codes = [0; BATCH];
        layout.get_each(keys, &mut codes);
        keys.iter().zip(codes).zip(classes).for_each(|((_, code), class)| *class = ClassId(code));
    }

    /// True if the test holds for the addresses of a class; false for an unknown test. O(1).
    #[inline]
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

    /// Number of ranges of IPv4 and of IPv6.
    #[must_use]
    pub const fn ranges(&self) -> [usize; 2] {
        self.ranges
    }

    /// How the ranges of IPv4 and of IPv6 are laid out.
    #[must_use]
    pub const fn layouts(&self) -> [&'static str; 2] {
        [self.v4.name(), self.v6.name()]
    }

    /// Bytes of memory that the table takes, itself included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.v4.bytes() + self.v6.bytes() + size_of_val(&*self.sets)
    }

    /// The ranges of both families with their classes, IPv4 first, in order, covering every address. O(ranges).
    pub fn regions(&self) -> impl Iterator<Item = (IpAddr, IpAddr, ClassId)> {
        let v4 = self.v4.steps().into_ranges();
        let v6 = self.v6.steps().into_ranges();
        let v4 = v4.map(|(a, b, class)| (IpAddr::V4(a.into()), IpAddr::V4(b.into()), ClassId(class)));
        let v6 = v6.map(|(a, b, class)| (IpAddr::V6(a.into()), IpAddr::V6(b.into()), ClassId(class)));
        v4.chain(v6)
    }

    /// For each class, in order, the words whose bit n says that test n holds there; as many words for each.
    pub fn sets(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.sets.chunks_exact(self.words.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cidr;

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
        assert_ne!(halves, build(&[set(&["10.0.0.0/8"]), set(&["192.0.2.0/25"])]));
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
        let TooLarge::Bytes { limit: 512, classes, .. } = error else { panic!("{error}") };
        assert!(classes < 70, "it stops early: {error}");
    }
}
