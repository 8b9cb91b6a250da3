//! Classes of addresses for which every address test of several programs says the same.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::compile::Program;
use crate::lpm::{AddressTable, ClassId, RangeSet, Ranges, TestId};

/// Addresses from first to last, and their class.
type Region = (IpAddr, IpAddr, usize);

/// All addresses, cut where the tables of programs cut them.
#[derive(Debug)]
pub(super) struct Space {
    /// IPv4 first, in order.
    regions: Vec<Region>,
    /// For each class the class in every table.
    classes: Vec<Box<[ClassId]>>,
}

/// The tables of one program among those of a space.
#[derive(Clone, Copy, Debug)]
pub(super) struct TablesAt {
    first: usize,
    count: usize,
}

impl Space {
    /// The classes of programs, and which tables each has. O(regions · tables).
    pub(super) fn new<'p>(programs: impl Iterator<Item = &'p Program>) -> (Self, Vec<TablesAt>) {
        let (mut tables, mut at): (Vec<&AddressTable>, Vec<TablesAt>) = (Vec::new(), Vec::new());
        for program in programs {
            let first = tables.len();
            tables.extend(program.address_tables());
            at.push(TablesAt { first, count: tables.len() - first });
        }
        (Self::over(&tables), at)
    }

    fn over(tables: &[&AddressTable]) -> Self {
        let mut open: Vec<_> = tables.iter().map(|table| table.regions().peekable()).collect();
        let mut known: HashMap<Box<[ClassId]>, usize> = HashMap::new();
        let (mut regions, mut classes) = (Vec::<Region>::new(), Vec::new());
        let mut first: Option<IpAddr> = Some(IpAddr::from([0, 0, 0, 0]));
        while let Some(begin) = first {
            let here: Vec<_> = open.iter_mut().filter_map(|regions| regions.peek().copied()).collect();
            let end_of_family = match begin {
                IpAddr::V4(_) => IpAddr::from([255; 4]),
                IpAddr::V6(_) => IpAddr::from([255; 16]),
            };
            // INVARIANT: tables cover every address, so all are in the same family.
            let last = here.iter().map(|(_, last, _)| *last).min().unwrap_or(end_of_family);
            let key: Box<[ClassId]> = here.iter().map(|(.., class)| *class).collect();
            let class = *known.entry(key).or_insert_with_key(|key| {
                classes.push(key.clone());
                classes.len() - 1
            });
            match regions.last_mut() {
                Some((from, to, of)) if *of == class && from.is_ipv4() == begin.is_ipv4() => *to = last,
                _ => regions.push((begin, last, class)),
            }
            for regions in &mut open {
                regions.next_if(|(_, end, _)| *end == last);
            }
            first = after(last);
        }
        Self { regions, classes }
    }

    /// How many classes there are.
    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }

    /// True if an address test of a program holds for a class.
    pub(super) fn holds(&self, program: (&Program, TablesAt), class: usize, test: TestId) -> bool {
        let (program, at) = program;
        let classes = self.classes.get(class).and_then(|all| all.get(at.first..at.first + at.count));
        program.tables().holds_in(classes.unwrap_or_default(), test)
    }

    /// For each of several groups of classes, numbered from 0, its addresses; classes without a group are in none.
    /// O(regions).
    pub(super) fn sets(&self, groups: usize, group_of: impl Fn(usize) -> Option<usize>) -> Vec<RangeSet> {
        let mut v4: Vec<Vec<(u32, u32)>> = vec![Vec::new(); groups];
        let mut v6: Vec<Vec<(u128, u128)>> = vec![Vec::new(); groups];
        for (first, last, class) in &self.regions {
            let Some(group) = group_of(*class) else { continue };
            match (first, last) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    v4.get_mut(group).into_iter().for_each(|all| all.push(((*first).into(), (*last).into())));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    v6.get_mut(group).into_iter().for_each(|all| all.push(((*first).into(), (*last).into())));
                }
                _ => {}
            }
        }
        let sets = v4.into_iter().zip(v6);
        sets.map(|(v4, v6)| RangeSet::from_ranges(Ranges::new(v4), Ranges::new(v6))).collect()
    }
}

/// The address after one, IPv6 behind IPv4; nothing behind the last.
fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(match u32::from(address).checked_add(1) {
            Some(next) => IpAddr::V4(next.into()),
            None => IpAddr::from([0; 16]),
        }),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}
