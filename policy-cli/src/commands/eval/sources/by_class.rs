//! Answers about many addresses, each worked out once for all that differ in the address alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use policy_core::lpm::ClassId;

use super::super::known::EvalInputs;
use super::super::single;
use crate::cli::Eval;
use crate::commands::class_entries::{ClassEntries, NamedEntry};
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
    entries: ClassEntries<'s>,
    /// By class.
    classes: Box<[OfClass]>,
    answers: Vec<Prepared>,
    /// Bytes of the answers.
    kept: usize,
}

/// Where the answers of a class are. They differ in the entry that the reason names.
#[derive(Clone, Debug, Default)]
struct OfClass {
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
        let entries = ClassEntries::new(&policy.program).filter(|_| is_plain)?;
        let classes = vec![OfClass::default(); entries.table().classes()].into();
        Some(Self { policy, known, args, entries, classes, answers: Vec::new(), kept: 0 })
    }

    /// Looks up the classes of addresses.
    pub(super) fn classes(&self, addresses: &[IpAddr], classes: &mut [ClassId]) {
        self.entries.table().class_each(addresses, classes);
    }

    /// The answer about an address of a class.
    pub(super) fn answer(&mut self, ip: IpAddr, class: ClassId) -> Result<&Prepared, Failure> {
        let of = self.classes.get(class.index());
        let at = match of.and_then(|of| of.answer(self.entries.entry(class, ip))) {
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
            self.classes.fill_with(OfClass::default);
            (self.answers, self.kept) = (Vec::new(), 0);
        }
        self.kept += line.bytes();
        self.entries.learn(class, answer.list_of);
        let at = self.answers.len();
        self.answers.push(Prepared { line, unmet: answer.unmet(self.args).map(Arc::from) });
        if let Some(of) = self.classes.get_mut(class.index()) {
            match self.entries.entry(class, ip) {
                NamedEntry::NoList | NamedEntry::NotListed => of.without_entry = Some(at),
                NamedEntry::Entry(entry) => drop(of.by_entry.insert(entry, at)),
            }
        }
        Ok(at)
    }
}

impl OfClass {
    fn answer(&self, entry: NamedEntry) -> Option<usize> {
        match entry {
            NamedEntry::NoList | NamedEntry::NotListed => self.without_entry,
            NamedEntry::Entry(entry) => self.by_entry.get(&entry).copied(),
        }
    }
}
