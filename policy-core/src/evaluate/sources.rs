//! Decisions about many connections that differ in their source alone.

use std::net::IpAddr;

use crate::compile::Program;
use crate::facts::Facts;
use crate::lpm::{AddressTable, ClassId};
use crate::outcome::Outcome;

/// Addresses whose classes are looked up together.
const BATCH: usize = 256;

/// Decisions about connections that differ in the client's address alone ([`Program::by_source`]). Each class of addresses
/// is decided when the first address of it comes; every other one is a lookup.
#[derive(Debug)]
pub struct SourceDecisions<'r> {
    program: &'r Program,
    facts: Facts<'r>,
    table: &'r AddressTable,
    /// By class, those that came.
    outcomes: Box<[Option<Outcome>]>,
}

impl Program {
    /// Decides about many connections as [`Self::decide`] does about one, where the class of the client's address is all
    /// that the policy reads of it ([`Self::deciding_table`]); `None` where it is not, or where it forwards to a target
    /// that is known for each connection only. All facts but the client's address are those that are given; so it is
    /// nothing for a host that knows other facts of other addresses, if the policy reads them ([`Self::needs`]).
    ///
    /// ```
    /// use policy_core::{compile::Program, facts::Facts, outcome::Outcome};
    /// let text = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [10.0.0.0/8]}}]}]";
    /// let program = Program::from_policy("p.yml", text)?;
    /// let clients = ["10.1.2.3", "198.51.100.1"].map(|text| text.parse().expect("an address"));
    /// let mut decisions = program.by_source(Facts::new(clients[0])).expect("it reads nothing but the class");
    /// let mut outcomes = [Outcome::Upstream; 2];
    /// decisions.decide_each(&clients, &mut outcomes);
    /// assert_eq!(outcomes.map(|outcome| outcome.is_admitted()), [true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn by_source<'r>(&'r self, facts: Facts<'r>) -> Option<SourceDecisions<'r>> {
        let table = self.deciding_table().filter(|_| !self.renders_targets())?;
        Some(SourceDecisions { program: self, facts, table, outcomes: vec![None; table.classes()].into() })
    }
}

impl SourceDecisions<'_> {
    /// The decision about each client, in the place of its address; what one slice has beyond the other is left as it is.
    /// No allocation but those of the decisions about the first of each class.
    pub fn decide_each(&mut self, clients: &[IpAddr], outcomes: &mut [Outcome]) {
        let mut classes = [ClassId::default(); BATCH];
        for (clients, outcomes) in clients.chunks(BATCH).zip(outcomes.chunks_mut(BATCH)) {
            self.table.class_each(clients, &mut classes);
            for ((client, class), outcome) in clients.iter().zip(classes).zip(outcomes) {
                *outcome = self.of_class(*client, class);
            }
        }
    }

    /// The decision about one client.
    #[must_use]
    pub fn decide(&mut self, client: IpAddr) -> Outcome {
        self.of_class(client, self.table.class(client))
    }

    #[inline]
    fn of_class(&mut self, client: IpAddr, class: ClassId) -> Outcome {
        match self.outcomes.get(class.index()) {
            Some(Some(outcome)) => *outcome,
            _ => self.of_first(client, class),
        }
    }

    #[cold]
    fn of_first(&mut self, client: IpAddr, class: ClassId) -> Outcome {
        let facts = self.facts.with_client(client);
        let outcome = self.program.decide(&facts).outcome();
        if let Some(known) = self.outcomes.get_mut(class.index()) {
            *known = Some(outcome);
        }
        outcome
    }
}
