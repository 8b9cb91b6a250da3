//! All address tests of a program, in one table or, where one would be too large, in several.

use std::net::IpAddr;

use super::key::Address;
use super::limits::{TableLimits, TooLarge};
use super::ranges::RangeSet;
use super::table::{AddressTable, ClassId, TestId};

/// Tests of a table after a split: one word a class.
const SPLIT: usize = 64;

/// The tables. INVARIANT: one table with all tests, or test n is test n % 64 of table n / 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTables {
    first: AddressTable,
    others: Box<[AddressTable]>,
}

impl AddressTables {
    /// Builds one table; if it would be over its budget, tables of 64 tests each. Tests that are used together
    /// should stand together. O(boundaries · (log + words)).
    ///
    /// # Errors
    /// [`TooLarge`] if the split tables together are over the budget too; nothing is half-built.
    ///
    /// ```
    /// use policy_lpm::{cidr, AddressTables, RangeSet, TableLimits};
    /// let set = |n: u8| RangeSet::from_networks([cidr(&format!("10.0.{n}.0/24")).expect("a CIDR").network]);
    /// let tables = AddressTables::build(&[set(1), set(2)], TableLimits::default())?;
    /// assert_eq!(tables.iter().count(), 1);
    /// # Ok::<(), policy_lpm::TooLarge>(())
    /// ```
    pub fn build(tests: &[RangeSet], limits: TableLimits) -> Result<Self, TooLarge> {
        match AddressTable::build(tests, limits) {
            Ok(first) => Ok(Self { first, others: Box::default() }),
            Err(too_large) if tests.len() <= SPLIT => Err(too_large),
            Err(_) => Self::split(tests, limits),
        }
    }

    fn split(tests: &[RangeSet], limits: TableLimits) -> Result<Self, TooLarge> {
        let mut left = limits.bytes;
        let mut tables = Vec::new();
        for chunk in tests.chunks(SPLIT) {
            // What is said of the budget is said of all of it.
            let whole = |error| match error {
                TooLarge::Bytes { classes, ranges, .. } => {
                    TooLarge::Bytes { limit: limits.bytes, classes, ranges }
                }
                other => other,
            };
            let table = AddressTable::build(chunk, TableLimits { bytes: left }).map_err(whole)?;
            left = left.saturating_sub(table.bytes());
            tables.push(table);
        }
        let mut tables = tables.into_iter();
        let first = tables.next().map_or_else(|| AddressTable::build(&[], limits), Ok)?;
        Ok(Self { first, others: tables.collect() })
    }

    /// The tables, in order of their tests.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AddressTable> + Clone {
        let tables: Vec<_> = std::iter::once(&self.first).chain(&*self.others).collect();
        tables.into_iter()
    }

    /// The one table with all tests, if there was no split.
    #[inline]
    #[must_use]
    pub fn single(&self) -> Option<&AddressTable> {
        self.others.is_empty().then_some(&self.first)
    }

    /// The class of an address in the first table.
    #[inline]
    #[must_use]
    pub fn class(&self, address: IpAddr) -> ClassId {
        self.first.class(address)
    }

    /// The class in the first table of an address that is a number already.
    #[inline]
    #[must_use]
    pub fn class_of(&self, address: Address) -> ClassId {
        self.first.class_of(address)
    }

    /// True if a test holds for an address whose class in the first table is known. O(1), after a split O(lookup).
    #[inline]
    #[must_use]
    pub fn contains(&self, address: IpAddr, class: ClassId, test: TestId) -> bool {
        self.holds(address.into(), class, test)
    }

    /// [`Self::contains`] for an address that is a number already.
    #[inline]
    #[must_use]
    pub fn holds(&self, address: Address, class: ClassId, test: TestId) -> bool {
        if self.others.is_empty() {
            return self.first.contains(class, test);
        }
        self.in_split(address, class, test)
    }

    #[inline(never)]
    fn in_split(&self, address: Address, class: ClassId, test: TestId) -> bool {
        let local = TestId(test.0 % 64);
        match (test.0 as usize / SPLIT).checked_sub(1) {
            None => self.first.contains(class, local),
            Some(at) => {
                self.others.get(at).is_some_and(|table| table.contains(table.class_of(address), local))
            }
        }
    }

    /// True if a test holds for the addresses that have a class in each table, in their order. O(1).
    #[must_use]
    pub fn holds_in(&self, classes: &[ClassId], test: TestId) -> bool {
        let (at, local) = match self.others.is_empty() {
            true => (0, test),
            false => (test.0 as usize / SPLIT, TestId(test.0 % 64)),
        };
        let table = match at.checked_sub(1) {
            None => Some(&self.first),
            Some(at) => self.others.get(at),
        };
        table.zip(classes.get(at)).is_some_and(|(table, class)| table.contains(*class, local))
    }

    /// Bytes of memory that the tables take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(AddressTable::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cidr;

    #[test]
    fn what_is_too_large_together_is_split_and_says_the_same() {
        // Nearly every network is a class of its own, of twenty words in one table and of one after a split.
        let set = |n: u32| {
            let networks = (0..20).map(|k| (n * 40_503 + k * 9_973) % 65_536);
            let networks = networks.map(|at| cidr(&format!("10.{}.{}.0/24", at / 256, at % 256)));
            RangeSet::from_networks(networks.map(|network| network.expect("a CIDR").network))
        };
        let tests: Vec<_> = (0..1_280).map(set).collect();
        let whole = AddressTables::build(&tests, TableLimits::default()).expect("small");
        assert!(whole.single().is_some());
        let split = AddressTables::split(&tests, TableLimits::default()).expect("small");
        assert_eq!((split.iter().count(), split.single()), (20, None));
        for probe in (0..65_536_u32).step_by(397).map(|net| 0x0a00_0009 | net << 8) {
            let address = IpAddr::V4(probe.into());
            let classes = |tables: &AddressTables| -> Vec<_> {
                tables.iter().map(|table| table.class(address)).collect()
            };
            let (of_split, of_whole) = (classes(&split), classes(&whole));
            for test in (0..1_280).map(TestId) {
                assert_eq!(
                    split.contains(address, split.class(address), test),
                    whole.contains(address, whole.class(address), test),
                );
                assert_eq!(split.holds_in(&of_split, test), whole.holds_in(&of_whole, test));
            }
        }
        assert!(split.bytes() < whole.bytes() * 3 / 4, "{} {}", split.bytes(), whole.bytes());
        let small = TableLimits { bytes: whole.bytes() * 3 / 4 };
        assert_eq!(AddressTables::build(&tests, small), Ok(split));
        let error = AddressTables::build(&tests, TableLimits { bytes: 20_000 }).expect_err("too large");
        assert!(error.to_string().contains("over 20000 bytes"), "{error}");
    }
}
