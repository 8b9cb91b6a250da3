//! Which list entry a reason names, for policies that decide by the class of the client's address alone.
//!
//! Answers about two addresses of a class differ in the address and in this entry, so one may stand for the other where the
//! entry is the same.

use std::net::IpAddr;
use std::ptr::from_ref;

use policy_core::compile::Program;
use policy_core::exchange::ActionId;
use policy_core::ir::{AddressList, Decision};
use policy_core::lpm::{AddressTable, ClassId};

/// The lists that reasons are about, by class.
pub(crate) struct ClassEntries<'p> {
    program: &'p Program,
    table: &'p AddressTable,
    lists: Box<[Option<&'p AddressList>]>,
}

/// The entry that a reason names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NamedEntry {
    /// It is about no list.
    NoList,
    /// No entry of the list has the address.
    NotListed,
    /// One, by where the program keeps it.
    Entry(usize),
}

impl<'p> ClassEntries<'p> {
    /// Nothing of a policy that reads more ([`Program::deciding_table`]).
    pub(crate) fn new(program: &'p Program) -> Option<Self> {
        let table = program.deciding_table()?;
        Some(Self { program, table, lists: vec![None; table.classes()].into() })
    }

    pub(crate) const fn table(&self) -> &'p AddressTable {
        self.table
    }

    /// Notes the action whose list the reason for an address of a class was about.
    pub(crate) fn learn(&mut self, class: ClassId, list_of: Option<ActionId>) {
        let list = list_of.and_then(|by| self.program.action(by)?.address_list());
        if let Some(known) = self.lists.get_mut(class.index()) {
            *known = known.or(list);
        }
    }

    /// The entry that a reason for an address of a class names, as far as has been learnt.
    pub(crate) fn entry(&self, class: ClassId, ip: IpAddr) -> NamedEntry {
        match self.lists.get(class.index()).copied().flatten().map(|list| list.decide(ip)) {
            None => NamedEntry::NoList,
            Some(Decision::NotAllowed) => NamedEntry::NotListed,
            Some(Decision::Allowed(entry) | Decision::Denied(entry)) => {
                NamedEntry::Entry(from_ref(entry).addr())
            }
        }
    }
}
