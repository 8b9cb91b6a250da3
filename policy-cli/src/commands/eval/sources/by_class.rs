//! Answers about many addresses, each worked out once for all that differ in the address alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ptr::from_ref;
use std::sync::Arc;

use policy_core::ir::{AddressList, Decision};
use policy_core::lpm::{AddressTable, ClassId};

use super::super::known::EvalInputs;
use super::super::single;
use crate::cli::Eval;
use crate::exit::Failure;
use crate::render::json::DecisionLine;

/// Bytes of answers that are kept; then they are worked out anew.
const MAX_KEPT: usize = 16 << 20;

/// What is known of the classes of a policy that reads nothing else of the address
/// ([`Program::deciding_table`](policy_core::compile::Program::deciding_table)).
pub(super) struct ByClass<'s> {
    policy: &'s single::Policy,
    known: &'s EvalInputs,
    args: &'s Eval,
    table: &'s AddressTable,
    /// By class, those that came.
    classes: Box<[Option<OfClass<'s>>]>,
    answers: Vec<Prepared>,
    /// Bytes of the answers.
    kept: usize,
}

/// Where the answers of a class are. They differ in the entry that the reason names.
struct OfClass<'s> {
    list: Option<&'s AddressList>,
    without_entry: Option<usize>,
    /// By where the program keeps the entry.
    by_entry: HashMap<usize, usize>,
}

/// An answer that is ready to be written.
pub(super) struct Prepared {
    pub(super) line: DecisionLine,
    /// What to say if it is not what was expected.
    pub(super) unmet: Option<Arc<str>>,
}

impl<'s> ByClass<'s> {
    /// Nothing if one answer cannot stand for another: a request, a secret, or what files know of the address may meet it in its
    /// own way.
    pub(super) fn new(policy: &'s single::Policy, known: &'s EvalInputs, args: &'s Eval) -> Option<Self> {
        let is_plain = known.request.is_none() && args.secret.is_empty() && !known.knows_addresses();
        let table = policy.program.deciding_table().filter(|_| is_plain)?;
        let classes = std::iter::repeat_with(|| None).take(table.classes()).collect();
        Some(Self { policy, known, args, table, classes, answers: Vec::new(), kept: 0 })
    }

    /// Looks up the classes of addresses.
    pub(super) fn classes(&self, addresses: &[IpAddr], classes: &mut [ClassId]) {
        self.table.class_each(addresses, classes);
    }

    /// The answer about an address of a class.
    pub(super) fn answer(&mut self, ip: IpAddr, class: ClassId) -> Result<&Prepared, Failure> {
        let of = self.classes.get(class.index()).and_then(Option::as_ref);
        let at = match of.and_then(|of| of.answer(of.entry(ip))) {
            Some(at) => at,
            None => self.prepare(ip, class)?,
        };
        // INVARIANT: it was there, or has just been prepared.
        self.answers.get(at).ok_or_else(|| Failure::Internal(format!("{ip} has no answer")))
    }

    /// Works the answer out as if it were the only one; gives its place.
    fn prepare(&mut self, ip: IpAddr, class: ClassId) -> Result<usize, Failure> {
        let answer = self.policy.ask(&self.known.provided(ip)?, self.known, self.args)?;
        let client = ip.to_canonical().to_string();
        let line = DecisionLine::new(&answer, answer.list_of.map(|_| &*client))?;
        if self.kept > MAX_KEPT {
            self.classes.fill_with(|| None);
            (self.answers, self.kept) = (Vec::new(), 0);
        }
        self.kept += line.bytes();
        let program = &self.policy.program;
        let list = answer.list_of.and_then(|by| program.action(by)?.address_list());
        let at = self.answers.len();
        self.answers.push(Prepared { line, unmet: answer.unmet(self.args).map(Arc::from) });
        if let Some(of) = self.classes.get_mut(class.index()) {
            let of =
                of.get_or_insert_with(|| OfClass { list, without_entry: None, by_entry: HashMap::new() });
            match of.entry(ip) {
                None => of.without_entry = Some(at),
                Some(entry) => drop(of.by_entry.insert(entry, at)),
            }
        }
        Ok(at)
    }
}

impl OfClass<'_> {
    /// The entry that the reason names, by where the program keeps it.
    fn entry(&self, ip: IpAddr) -> Option<usize> {
        match self.list?.decide(ip) {
            Decision::Allowed(entry) | Decision::Denied(entry) => Some(from_ref(entry).addr()),
            Decision::NotAllowed => None,
        }
    }

    fn answer(&self, entry: Option<usize>) -> Option<usize> {
        entry.map_or(self.without_entry, |entry| self.by_entry.get(&entry).copied())
    }
}
