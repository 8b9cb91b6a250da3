//! Instructions, and the lowering that actions write them with.
//!
//! Instructions are control flow, and `Act`: what an action does stands behind `run::Execute`, in the action's file.
//! Actions that do the same for every connection become instructions of their own (`always`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::cel::{Expression, Test};
use crate::digest::Digest;
use crate::exchange::{ActionId, Effect, LogId, RuleId, TargetId};
use crate::ip_policy::{IpPolicies, IpPolicy};
use crate::lpm::{RangeSet, TestId};
use crate::outcome::Ending;
use crate::parse::PlainMap;
use crate::run::{Execute, Next};
use crate::source::{Position, Source, Span};
use crate::url::EndpointUrl;

pub(crate) use crate::address_list::ListKind;
pub use crate::address_list::{AddressList, Decision, Entries, Entry, IpPolicyId};

/// One instruction of a phase's straight-line code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// A rule begins.
    Enter(RuleId),
    /// Go on if so many conditions from `first` on hold; otherwise go to the instruction `otherwise`.
    When { first: u32, count: u32, otherwise: u32 },
    /// The action runs; nothing after it does if it `ends`.
    Act { ends: bool },
    /// An address test was decided when the program was compiled; go on.
    Tested { admitted: bool },
    /// Ask the host; on a failed forward go on if `or_continue`.
    Perform { effect: Effect, or_continue: bool },
    /// The phase ends.
    End(Ending),
    /// Go to the next rule that may apply to the client's address; without one, end.
    NextRule,
}

impl Op {
    /// True if nothing after it runs, whatever the host answers.
    pub(crate) const fn ends(self) -> bool {
        match self {
            Self::End(_) | Self::Act { ends: true } => true,
            Self::Perform { effect: Effect::Forward(_), or_continue } => !or_continue,
            _ => false,
        }
    }

    /// The same in code that is moved by so many instructions.
    pub(crate) const fn moved(self, by: u32) -> Self {
        match self {
            Self::When { first, count, otherwise } => Self::When { first, count, otherwise: otherwise + by },
            other => other,
        }
    }
}

/// A condition as the model has it, and its place.
pub(crate) type RuleCondition<'m> = (&'m Expression, Span);

/// Collects what the actions of a policy lower to.
#[derive(Debug)]
pub(crate) struct Lowering<'s> {
    source: &'s Source,
    pub(crate) current: ActionId,
    pub(crate) ops: Vec<(Op, ActionId)>,
    pub(crate) tests: Vec<RangeSet>,
    known_tests: HashMap<RangeSet, TestId>,
    /// What each action does.
    pub(crate) steps: Vec<Box<dyn Execute>>,
    pub(crate) lists: Vec<(ActionId, Arc<AddressList>)>,
    pub(crate) targets: Vec<EndpointUrl>,
    known_targets: HashMap<EndpointUrl, TargetId>,
    pub(crate) logs: Vec<Arc<PlainMap>>,
    pub(crate) expressions: Vec<Condition>,
    pub(crate) ip_policies: Option<&'s IpPolicies>,
    /// The digests of what is bound to the text, by name.
    pub(crate) bound: BTreeMap<Box<str>, Digest>,
    /// The IP policies that entries come from.
    pub(crate) ip_policy_ids: Vec<Box<str>>,
    known_ip_policies: HashMap<Box<str>, Option<IpPolicyId>>,
}

/// A condition of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) expression: Expression,
    pub(crate) rule: RuleId,
    pub(crate) position: Position,
    /// What decides: literal tests of the client's address are bits of its class.
    pub(crate) test: Test,
}

/// The next index of a table as an id. INVARIANT: the node budget of a document keeps tables below 2^32.
pub(crate) fn next_id<T>(table: &[T]) -> u32 {
    u32::try_from(table.len()).unwrap_or(u32::MAX)
}

impl<'s> Lowering<'s> {
    pub(crate) fn new(source: &'s Source, ip_policies: Option<&'s IpPolicies>) -> Self {
        Self {
            source,
            current: ActionId(0),
            ops: Vec::new(),
            tests: Vec::new(),
            known_tests: HashMap::new(),
            steps: Vec::new(),
            lists: Vec::new(),
            targets: Vec::new(),
            known_targets: HashMap::new(),
            logs: Vec::new(),
            expressions: Vec::new(),
            ip_policies,
            bound: BTreeMap::new(),
            ip_policy_ids: Vec::new(),
            known_ip_policies: HashMap::new(),
        }
    }

    pub(crate) fn emit(&mut self, op: Op) {
        self.ops.push((op, self.current));
    }

    /// Begins a rule's conditions; what to do otherwise is told by [`Self::end_rule`].
    pub(crate) fn conditions(&mut self, rule: RuleId, written: &[RuleCondition<'_>]) -> Option<usize> {
        if written.is_empty() {
            return None;
        }
        let first = next_id(&self.expressions);
        for (expression, span) in written {
            let position = self.position(*span);
            let test = expression.test(&mut |set| self.test(set));
            self.expressions.push(Condition { expression: (*expression).clone(), rule, position, test });
        }
        let at = self.ops.len();
        let count = u32::try_from(written.len()).unwrap_or(u32::MAX);
        self.emit(Op::When { first, count, otherwise: 0 });
        Some(at)
    }

    /// Ends a rule: where its conditions do not hold, what follows comes next.
    pub(crate) fn end_rule(&mut self, conditions: Option<usize>) {
        let end = next_id(&self.ops);
        if let Some((Op::When { otherwise, .. }, _)) = conditions.and_then(|at| self.ops.get_mut(at)) {
            *otherwise = end;
        }
    }

    pub(crate) fn position(&self, span: Span) -> Position {
        self.source.position(span.start)
    }

    /// The test of a set; equal sets share one.
    pub(crate) fn test(&mut self, set: RangeSet) -> TestId {
        if let Some(&test) = self.known_tests.get(&set) {
            return test;
        }
        let test = TestId(next_id(&self.tests));
        self.known_tests.insert(set.clone(), test);
        self.tests.push(set);
        test
    }

    /// The number of an IP policy, which becomes bound to the text.
    pub(crate) fn ip_policy(&mut self, policy: &IpPolicy) -> Option<IpPolicyId> {
        if let Some(known) = self.known_ip_policies.get(&policy.id) {
            return *known;
        }
        self.bound.insert(policy.id.clone(), policy.sha256());
        self.ip_policy_ids.push(policy.id.clone());
        let id = IpPolicyId::last_of(self.ip_policy_ids.len());
        self.known_ip_policies.insert(policy.id.clone(), id);
        id
    }

    /// Keeps the entries behind a test of the current action, for explanations.
    pub(crate) fn list(&mut self, list: Arc<AddressList>) {
        self.lists.push((self.current, list));
    }

    /// Writes the instruction of the current action. INVARIANT: once for each action, in order.
    pub(crate) fn act(&mut self, step: Box<dyn Execute>) {
        self.emit(match step.always() {
            Some(Next::Perform { effect, or_continue }) => Op::Perform { effect, or_continue },
            Some(Next::End(ending)) => Op::End(ending),
            Some(Next::GoOn | Next::Ask(_)) | None => Op::Act { ends: step.ends() },
        });
        self.steps.push(step);
    }

    pub(crate) fn target(&mut self, url: &EndpointUrl) -> TargetId {
        if let Some(&id) = self.known_targets.get(url) {
            return id;
        }
        let id = TargetId(next_id(&self.targets));
        self.known_targets.insert(url.clone(), id);
        self.targets.push(url.clone());
        id
    }

    pub(crate) fn log(&mut self, metadata: Arc<PlainMap>) -> LogId {
        let id = LogId(next_id(&self.logs));
        self.logs.push(metadata);
        id
    }
}
