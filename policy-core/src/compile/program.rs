//! The decision program: immutable, shared, without I/O.

use std::sync::Arc;

use super::Digest;
use crate::evaluate::{Evaluation, NoTrace, Trace};
use crate::exchange::{ActionId, LogId, RuleId, TargetId};
use crate::facts::{Fact, FactSet, Facts};
use crate::ir::{AddressList, Lowering, Op};
use crate::lpm::AddressTable;
use crate::parse::PlainMap;
use crate::source::Position;
use crate::url::EndpointUrl;

/// A compiled policy. `Send + Sync`; share it behind an `Arc` and evaluate it from any thread.
#[derive(Debug)]
pub struct Program {
    pub(crate) ops: Box<[(Op, ActionId)]>,
    pub(crate) table: AddressTable,
    targets: Box<[EndpointUrl]>,
    logs: Box<[Arc<PlainMap>]>,
    // Side tables: read by explanations only.
    rules: Box<[RuleInfo]>,
    actions: Box<[ActionInfo]>,
    lists: Box<[(ActionId, AddressList)]>,
    file: Arc<str>,
    policy_sha256: Digest,
}

#[derive(Debug)]
pub(super) struct RuleInfo {
    pub(super) name: Option<Box<str>>,
    pub(super) position: Position,
}

#[derive(Debug)]
pub(super) struct ActionInfo {
    pub(super) rule: RuleId,
    pub(super) kind: &'static str,
    pub(super) position: Position,
}

impl Program {
    pub(super) fn new(
        lowering: Lowering<'_>,
        table: AddressTable,
        rules: Vec<RuleInfo>,
        actions: Vec<ActionInfo>,
        file: Arc<str>,
        policy_sha256: Digest,
    ) -> Self {
        Self {
            ops: lowering.ops.into(),
            table,
            targets: lowering.targets.into(),
            logs: lowering.logs.into(),
            rules: rules.into(),
            actions: actions.into(),
            lists: lowering.lists.into(),
            file,
            policy_sha256,
        }
    }

    /// Begins the on_tcp_connect phase of one connection.
    #[must_use]
    pub fn on_tcp_connect<'r>(&'r self, facts: &Facts<'r>) -> Evaluation<'r, NoTrace> {
        self.on_tcp_connect_traced(facts, NoTrace)
    }

    /// The same with a sink that is told what happens.
    #[must_use]
    pub fn on_tcp_connect_traced<'r, T: Trace>(&'r self, facts: &Facts<'r>, trace: T) -> Evaluation<'r, T> {
        Evaluation::new(self, *facts, trace)
    }

    /// The facts the program reads.
    #[must_use]
    pub fn needs(&self) -> FactSet {
        let tests = self.ops.iter().any(|(op, _)| matches!(op, Op::Admit { .. }));
        if tests { FactSet::default().with(Fact::ClientIp) } else { FactSet::default() }
    }

    /// The forward targets, each once.
    pub fn targets(&self) -> impl Iterator<Item = (TargetId, &EndpointUrl)> {
        (0..).map(TargetId).zip(&self.targets)
    }

    /// A forward target; `None` for an id of another program.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&EndpointUrl> {
        self.targets.get(id.0 as usize)
    }

    /// The metadata of a log entry; `None` for an id of another program.
    #[must_use]
    pub fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.logs.get(id.0 as usize)
    }

    /// The rules of on_tcp_connect, in order.
    pub fn rules(&self) -> impl Iterator<Item = RuleRef<'_>> {
        (0..).map(RuleId).zip(&self.rules).map(|(id, info)| RuleRef { program: self, id, info })
    }

    /// A rule.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<RuleRef<'_>> {
        self.rules.get(id.index()).map(|info| RuleRef { program: self, id, info })
    }

    /// An action.
    #[must_use]
    pub fn action(&self, id: ActionId) -> Option<ActionRef<'_>> {
        self.actions.get(id.index()).map(|info| ActionRef { program: self, id, info })
    }

    /// The address table: classes and sizes.
    #[must_use]
    pub const fn address_table(&self) -> &AddressTable {
        &self.table
    }

    /// The name of the file the policy stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The digest of the policy's text.
    #[must_use]
    pub const fn policy_sha256(&self) -> Digest {
        self.policy_sha256
    }
}

/// A rule of a program.
#[derive(Clone, Copy, Debug)]
pub struct RuleRef<'p> {
    program: &'p Program,
    id: RuleId,
    info: &'p RuleInfo,
}

impl<'p> RuleRef<'p> {
    /// The rule's id.
    #[must_use]
    pub const fn id(self) -> RuleId {
        self.id
    }

    /// The label its author gave it.
    #[must_use]
    pub fn name(self) -> Option<&'p str> {
        self.info.name.as_deref()
    }

    /// Where it begins.
    #[must_use]
    pub const fn position(self) -> Position {
        self.info.position
    }

    /// Its actions, in order.
    pub fn actions(self) -> impl Iterator<Item = ActionRef<'p>> {
        let (program, id) = (self.program, self.id);
        let all = (0..).map(ActionId).zip(&program.actions);
        all.filter(move |(_, info)| info.rule == id).map(move |(id, info)| ActionRef { program, id, info })
    }
}

/// An action of a program.
#[derive(Clone, Copy, Debug)]
pub struct ActionRef<'p> {
    program: &'p Program,
    id: ActionId,
    info: &'p ActionInfo,
}

impl<'p> ActionRef<'p> {
    /// The action's id.
    #[must_use]
    pub const fn id(self) -> ActionId {
        self.id
    }

    /// Its `type` in the policy.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        self.info.kind
    }

    /// Where its `type` stands.
    #[must_use]
    pub const fn position(self) -> Position {
        self.info.position
    }

    /// The rule it belongs to.
    #[must_use]
    pub fn rule(self) -> Option<RuleRef<'p>> {
        self.program.rule(self.info.rule)
    }

    /// The entries of a `restrict-ips`; `None` for any other action.
    #[must_use]
    pub fn address_list(self) -> Option<&'p AddressList> {
        self.program.lists.iter().find(|(id, _)| *id == self.id).map(|(_, list)| list)
    }

    /// The target of a `forward-internal`; `None` for any other action.
    #[must_use]
    pub fn forward_target(self) -> Option<&'p EndpointUrl> {
        let ops = self.program.ops.iter().filter(|(_, action)| *action == self.id);
        ops.into_iter().find_map(|(op, _)| match op {
            Op::Forward { target, .. } => self.program.target(*target),
            _ => None,
        })
    }
}
