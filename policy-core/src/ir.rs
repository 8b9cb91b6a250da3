//! Instructions, and the lowering that actions write them with.
//!
//! An action's file turns its configuration into `Op`s; the machine in `evaluate` runs ops and knows no
//! actions. Adding an action that needs no new op touches neither.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::cel::{Expression, Test};
use crate::digest::Digest;
use crate::exchange::{ActionId, LogId, RuleId, TargetId};
use crate::ip_policies::{IpPolicies, IpPolicy};
use crate::lpm::{RangeSet, TestId};
use crate::parse::PlainMap;
use crate::schema::{ConfigValue, Text};
use crate::source::{Position, Source, Span};
use crate::url::EndpointUrl;

mod entries;
pub use entries::{AddressList, Decision, Entries, Entry, IpPolicyId};

/// One instruction of a phase's straight-line code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// A rule begins.
    Enter(RuleId),
    /// Go on if so many conditions from `first` on hold; otherwise go to the instruction `otherwise`.
    When { first: u32, count: u32, otherwise: u32 },
    /// Go on if the address test holds; otherwise end as denied if enforced.
    Admit { test: TestId, enforce: bool },
    /// An address test was decided when the program was compiled; go on.
    Tested { admitted: bool },
    /// The same as `Admit` with entries that are known for each connection only.
    AdmitDynamic { list: u32, enforce: bool },
    /// Ask the host to forward; on failure go on if `or_continue`.
    Forward { target: TargetId, or_continue: bool },
    /// The same with a target that is known for each connection only.
    ForwardTo { text: u32, or_continue: bool },
    /// Ask the host to log.
    Log(LogId),
    /// The same with metadata that is known for each connection only.
    LogValue { value: u32 },
    /// Set a variable.
    SetVar { name: u32, value: u32 },
    /// End as denied.
    Deny,
    /// End as closed.
    Close,
    /// End: no action ended the phase.
    End,
    /// Go to the next rule that may apply to the client's address; without one, end.
    NextRule,
}

impl Op {
    /// True if nothing behind it runs, whatever the host answers.
    pub(crate) const fn ends(self) -> bool {
        matches!(
            self,
            Self::Deny
                | Self::Close
                | Self::End
                | Self::Forward { or_continue: false, .. }
                | Self::ForwardTo { or_continue: false, .. }
        )
    }

    /// The same in code that is moved by so many instructions.
    pub(crate) const fn moved(self, by: u32) -> Self {
        match self {
            Self::When { first, count, otherwise } => Self::When { first, count, otherwise: otherwise + by },
            other => other,
        }
    }
}

/// The entries of a `restrict-ips` of which some are known for each connection only.
#[derive(Clone, Debug)]
pub(crate) struct DynamicList {
    /// What is allowed and what is denied whatever the connection.
    pub(crate) allow: TestId,
    pub(crate) deny: TestId,
    pub(crate) dynamic_allow: Vec<Text>,
    pub(crate) dynamic_deny: Vec<Text>,
}

/// What actions refer to by its number.
#[derive(Debug, Default)]
pub(crate) struct Operands {
    pub(crate) lists: Vec<DynamicList>,
    pub(crate) texts: Vec<Text>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) values: Vec<ConfigValue>,
}

impl Operands {
    /// The expressions in them.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let mut texts: Vec<&Text> = self.texts.iter().collect();
        texts.extend(self.lists.iter().flat_map(|list| list.dynamic_allow.iter().chain(&list.dynamic_deny)));
        self.values.iter().for_each(|value| value.texts(&mut |text| texts.push(text)));
        texts.into_iter().flat_map(|text| text.template.expressions())
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
    pub(crate) lists: Vec<(ActionId, AddressList)>,
    pub(crate) targets: Vec<EndpointUrl>,
    known_targets: HashMap<EndpointUrl, TargetId>,
    pub(crate) logs: Vec<Arc<PlainMap>>,
    pub(crate) expressions: Vec<Condition>,
    pub(crate) operands: Operands,
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
            lists: Vec::new(),
            targets: Vec::new(),
            known_targets: HashMap::new(),
            logs: Vec::new(),
            expressions: Vec::new(),
            operands: Operands::default(),
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
    pub(crate) fn list(&mut self, list: AddressList) {
        self.lists.push((self.current, list));
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

    /// The number of a text.
    pub(crate) fn text(&mut self, text: &Text) -> u32 {
        self.operands.texts.push(text.clone());
        next_id(&self.operands.texts) - 1
    }

    /// The number of a value.
    pub(crate) fn value(&mut self, value: &ConfigValue) -> u32 {
        self.operands.values.push(value.clone());
        next_id(&self.operands.values) - 1
    }

    /// The number of a variable's name.
    pub(crate) fn name(&mut self, name: &str) -> u32 {
        self.operands.names.push(name.into());
        next_id(&self.operands.names) - 1
    }

    pub(crate) fn log(&mut self, metadata: Arc<PlainMap>) -> LogId {
        let id = LogId(next_id(&self.logs));
        self.logs.push(metadata);
        id
    }
}
