//! The decision program: immutable, shared, without I/O.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use super::residual::{Residual, RuleCode};
use super::{CompileOptions, Digest};
use crate::cel::{Expression, Test};
use crate::digest::Hasher;
use crate::exchange::{ActionId, ConditionId, LogId, RuleId, TargetId};
use crate::facts::{Fact, Facts};
use crate::ir::{AddressList, Condition, Entry, IpPolicyId, Lowering, Op};
use crate::lpm::{AddressTable, AddressTables};
use crate::outcome::Ending;
use crate::parse::PlainMap;
use crate::phase::Phase;
use crate::run::{Execute, Target};
use crate::source::Position;
use crate::url::EndpointUrl;
use crate::variables;

/// A compiled policy. `Send + Sync`; share it behind an `Arc` and evaluate it from any thread.
#[derive(Debug)]
pub struct Program {
    phases: Box<[PhaseCode]>,
    tables: AddressTables,
    targets: Box<[EndpointUrl]>,
    logs: Box<[Arc<PlainMap>]>,
    expressions: Box<[Condition]>,
    /// What each action does.
    steps: Box<[Box<dyn Execute>]>,
    /// True if something reads what actions produce.
    keeps_results: bool,
    needs: Box<[Fact]>,
    pub(super) base_steps: u64,
    // Side tables: read by explanations only.
    rules: Box<[RuleInfo]>,
    actions: Box<[ActionInfo]>,
    lists: Box<[(ActionId, Arc<AddressList>)]>,
    file: Arc<str>,
    policy_sha256: Digest,
    program_sha256: Digest,
    /// The IP policies that are bound to the text.
    ip_policies: Box<[Box<str>]>,
}

/// The code of one phase.
#[derive(Debug)]
pub(crate) struct PhaseCode {
    pub(crate) phase: Phase,
    /// As written: what traces see.
    pub(crate) ops: Box<[(Op, ActionId)]>,
    pub(crate) residual: Residual,
}

impl PhaseCode {
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self) + size_of_val(&*self.ops) + self.residual.bytes()
    }
}

/// Phases without rules, in their order.
static NO_CODE: LazyLock<[PhaseCode; Phase::ALL.len()]> = LazyLock::new(|| {
    Phase::ALL.map(|phase| PhaseCode {
        phase,
        ops: [(Op::End(Ending::Upstream), ActionId(0))].into(),
        residual: Residual::empty(),
    })
});

/// A phase while it is compiled: its instructions and its rules.
pub(super) type LoweredPhase = (Phase, Vec<(Op, ActionId)>, Range<usize>);

#[derive(Debug)]
pub(super) struct RuleInfo {
    pub(super) phase: Phase,
    pub(super) name: Option<Box<str>>,
    pub(super) position: Position,
    /// Its actions, as indices.
    pub(super) actions: Range<usize>,
    /// What its actions do, as indices of its phase.
    pub(super) ops: Range<usize>,
    /// Its conditions, as indices.
    pub(super) conditions: Range<u32>,
}

#[derive(Debug)]
pub(super) struct ActionInfo {
    pub(super) rule: RuleId,
    pub(super) kind: &'static str,
    pub(super) position: Position,
}

/// What a policy was lowered to.
pub(super) struct Parts<'s> {
    pub(super) lowering: Lowering<'s>,
    pub(super) tables: AddressTables,
    pub(super) phases: Vec<LoweredPhase>,
    pub(super) rules: Vec<RuleInfo>,
    pub(super) actions: Vec<ActionInfo>,
}

/// The expressions in actions.
fn expressions_of(steps: &[Box<dyn Execute>]) -> impl Iterator<Item = &Expression> {
    let mut all: Vec<&Expression> = Vec::new();
    steps.iter().for_each(|step| step.expressions(&mut |it| all.push(it)));
    all.into_iter()
}

fn indices(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

impl Program {
    pub(super) fn new(
        options: &CompileOptions,
        parts: Parts<'_>,
        file: Arc<str>,
        policy_sha256: Digest,
    ) -> Self {
        let Parts { lowering, tables, phases, rules, actions } = parts;
        let conditions = lowering.expressions.iter().map(|it| &it.expression);
        let mut needs: Vec<Fact> = Vec::new();
        conditions.chain(expressions_of(&lowering.steps)).for_each(|it| needs.extend(it.reads()));
        let keeps_results = needs.iter().any(|fact| fact.result().is_some());
        if lowering.steps.iter().any(|step| step.tests_client()) {
            needs.extend(variables::facts().find(|fact| fact.is_client_address()));
        }
        needs.sort_unstable();
        needs.dedup();
        let phases = phases.into_iter().map(|(phase, ops, of_phase)| {
            // INVARIANT: the ranges are those at which the rules were lowered; none is ever missing.
            let code = |rule: &RuleInfo| RuleCode {
                conditions: lowering.expressions.get(indices(&rule.conditions)).unwrap_or_default(),
                first: ConditionId(rule.conditions.start),
                ops: ops.get(rule.ops.clone()).unwrap_or_default(),
            };
            let codes: Vec<_> = rules.get(of_phase).unwrap_or_default().iter().map(code).collect();
            let residual = Residual::new(&codes, &lowering.steps, &tables, (options.code, keeps_results));
            PhaseCode { phase, ops: ops.into(), residual }
        });
        let mut program = Hasher::new("program");
        program.text(&policy_sha256.to_string());
        for (name, digest) in &lowering.bound {
            program.text(name);
            program.text(&digest.to_string());
        }
        let mut made = Self {
            phases: phases.collect(),
            expressions: lowering.expressions.into(),
            steps: lowering.steps.into(),
            keeps_results,
            needs: needs.into(),
            tables,
            targets: lowering.targets.into(),
            logs: lowering.logs.into(),
            rules: rules.into(),
            actions: actions.into(),
            lists: lowering.lists.into(),
            file,
            policy_sha256,
            program_sha256: program.finish(),
            ip_policies: lowering.ip_policy_ids.into(),
            base_steps: 0,
        };
        made.base_steps = made.count_base_steps();
        made
    }

    /// The code of a phase.
    #[inline]
    pub(crate) fn code(&self, phase: Phase) -> &PhaseCode {
        match &*self.phases {
            [first, ..] if first.phase == phase => first,
            _ => self.find_code(phase),
        }
    }

    #[inline(never)]
    fn find_code(&self, phase: Phase) -> &PhaseCode {
        self.phases.iter().find(|code| code.phase == phase).unwrap_or_else(|| {
            let [connect, request, response, event] = &*NO_CODE;
            match phase {
                Phase::OnTcpConnect => connect,
                Phase::OnHttpRequest => request,
                Phase::OnHttpResponse => response,
                Phase::OnEventStreamMessage => event,
            }
        })
    }

    /// True if it has rules in a phase.
    #[must_use]
    pub fn has_rules(&self, phase: Phase) -> bool {
        self.phases.iter().any(|code| code.phase == phase)
    }

    /// What an action does.
    #[inline]
    pub(crate) fn step(&self, id: ActionId) -> Option<&dyn Execute> {
        self.steps.get(id.index()).map(|step| &**step)
    }

    /// What each action does.
    pub(super) fn steps(&self) -> &[Box<dyn Execute>] {
        &self.steps
    }

    /// The expressions in actions.
    pub(super) fn expressions_in_actions(&self) -> impl Iterator<Item = &Expression> {
        expressions_of(&self.steps)
    }

    /// True if an action sends requests of its own, to servers that are known when it runs.
    #[must_use]
    pub fn sends_requests(&self) -> bool {
        self.steps.iter().any(|step| step.sends_requests())
    }

    /// True if something reads what actions produce.
    pub(crate) const fn keeps_results(&self) -> bool {
        self.keeps_results
    }

    /// Numbers of the targets and of the log entries that are the same for every connection.
    pub(crate) const fn literals(&self) -> (usize, usize) {
        (self.targets.len(), self.logs.len())
    }

    pub(super) const fn phases(&self) -> &[PhaseCode] {
        &self.phases
    }

    pub(super) const fn conditions(&self) -> &[Condition] {
        &self.expressions
    }

    /// Bytes of the tables that explanations read, about.
    pub(super) fn side_tables(&self) -> usize {
        let names: usize = self.rules.iter().filter_map(|rule| rule.name.as_deref()).map(str::len).sum();
        let logs: usize = self.logs.iter().map(|log| size_of::<PlainMap>() + 4 * log.weight()).sum();
        let entries: usize = self.lists.iter().map(|(_, list)| list.allow.len() + list.deny.len()).sum();
        size_of_val(&*self.rules)
            + names
            + size_of_val(&*self.actions)
            + size_of_val(&*self.targets)
            + logs
            + size_of_val(&*self.lists)
            + entries * size_of::<Entry>()
    }

    pub(crate) const fn tables(&self) -> &AddressTables {
        &self.tables
    }

    /// The facts the program may read, each once.
    #[must_use]
    pub fn needs(&self) -> &[Fact] {
        &self.needs
    }

    /// The facts it may read that an edge has no source for: an edge takes no policy that reads one, since a rule that does
    /// would close every connection.
    pub fn unknown_facts(&self) -> impl Iterator<Item = Fact> {
        self.needs.iter().copied().filter(|fact| !Facts::known_to_edges(*fact))
    }

    /// A condition of a rule.
    #[must_use]
    pub fn condition(&self, id: ConditionId) -> Option<ConditionRef<'_>> {
        self.expressions.get(id.index()).map(|info| ConditionRef { program: self, id, info })
    }

    /// The forward targets that are the same for every connection, each once.
    pub fn literal_targets(&self) -> impl Iterator<Item = &EndpointUrl> {
        self.targets.iter()
    }

    /// The functions it may call that are no functions of facts, each once: `rand.int`, `secrets.get`. O(expressions).
    #[must_use]
    pub fn impure_calls(&self) -> Vec<&'static str> {
        let mut calls: Vec<_> = self.all_expressions().flat_map(|it| it.impure_calls()).copied().collect();
        calls.sort_unstable();
        calls.dedup();
        calls
    }

    /// True if it may draw random numbers, which needs a seed. O(expressions).
    #[must_use]
    pub fn draws_numbers(&self) -> bool {
        self.all_expressions().any(Expression::draws_numbers)
    }

    /// The secrets it may read that its expressions name, by vault and name, each once. O(expressions).
    #[must_use]
    pub fn secrets(&self) -> Vec<(&str, &str)> {
        let mut secrets: Vec<_> = self.all_expressions().flat_map(Expression::secrets).collect();
        secrets.sort_unstable();
        secrets.dedup();
        secrets
    }

    fn all_expressions(&self) -> impl Iterator<Item = &Expression> {
        self.expressions.iter().map(|it| &it.expression).chain(self.expressions_in_actions())
    }

    pub(crate) fn target(&self, id: TargetId) -> Option<&EndpointUrl> {
        self.targets.get(id.0 as usize)
    }

    pub(crate) fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.logs.get(id.0 as usize)
    }

    /// The last enforced list that a connection passed on its way to an action. O(log lists + lists not enforced).
    pub(crate) fn last_list_before(&self, action: ActionId) -> Option<(ActionId, &AddressList)> {
        let end = self.lists.partition_point(|(id, _)| *id < action);
        let before = self.lists.get(..end).unwrap_or_default();
        before.iter().rev().map(|(by, list)| (*by, &**list)).find(|(_, list)| list.enforce)
    }

    /// The rules of a phase, in order.
    pub fn rules(&self, phase: Phase) -> impl Iterator<Item = RuleRef<'_>> {
        let all = (0..).map(RuleId).zip(&self.rules).map(|(id, info)| RuleRef { program: self, id, info });
        all.filter(move |rule| rule.info.phase == phase)
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

    /// The id of an IP policy that it names.
    #[must_use]
    pub fn ip_policy(&self, id: IpPolicyId) -> Option<&str> {
        self.ip_policies.get(id.index()).map(|id| &**id)
    }

    /// The address tables: classes and sizes.
    pub fn address_tables(&self) -> impl ExactSizeIterator<Item = &AddressTable> {
        self.tables.iter()
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

    /// The digest by which an edge names the policy that it serves: that of its text; of a policy that names IP policies,
    /// [`Self::program_sha256`].
    #[must_use]
    pub const fn served_sha256(&self) -> Digest {
        match self.ip_policies.is_empty() {
            true => self.policy_sha256,
            false => self.program_sha256,
        }
    }

    /// The digest of the policy's text and of what is bound to it: the IP policies that it names, by what they hold.
    #[must_use]
    pub const fn program_sha256(&self) -> Digest {
        self.program_sha256
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
    /// The rule's id, unique in its program.
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

    /// Its conditions, in order.
    pub fn conditions(self) -> impl Iterator<Item = ConditionRef<'p>> {
        let (program, range) = (self.program, self.info.conditions.clone());
        range.filter_map(move |index| program.condition(ConditionId(index)))
    }

    /// Its actions, in order.
    pub fn actions(self) -> impl Iterator<Item = ActionRef<'p>> {
        let (program, range) = (self.program, self.info.actions.clone());
        range.filter_map(move |index| program.action(ActionId(u32::try_from(index).ok()?)))
    }
}

/// A condition of a rule.
#[derive(Clone, Copy, Debug)]
pub struct ConditionRef<'p> {
    program: &'p Program,
    id: ConditionId,
    info: &'p Condition,
}

impl<'p> ConditionRef<'p> {
    /// The condition's id, unique in its program.
    #[must_use]
    pub const fn id(self) -> ConditionId {
        self.id
    }

    /// The expression.
    #[must_use]
    pub const fn expression(self) -> &'p Expression {
        &self.info.expression
    }

    /// What decides.
    pub(crate) const fn test(self) -> &'p Test {
        &self.info.test
    }

    /// Where it begins.
    #[must_use]
    pub const fn position(self) -> Position {
        self.info.position
    }

    /// The rule it belongs to.
    #[must_use]
    pub fn rule(self) -> Option<RuleRef<'p>> {
        self.program.rule(self.info.rule)
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
    /// The action's id, unique in its program.
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

    /// The entries of an action that tests the client's address; `None` for any other. O(log lists).
    #[must_use]
    pub fn address_list(self) -> Option<&'p AddressList> {
        // INVARIANT: lists are lowered in the order of their actions.
        let at = self.program.lists.binary_search_by_key(&self.id, |(id, _)| *id).ok()?;
        self.program.lists.get(at).map(|(_, list)| &**list)
    }

    /// True if it checks times, and refuses what has some where the host does not know what time it is.
    #[must_use]
    pub fn checks_times(self) -> bool {
        self.program.step(self.id).is_some_and(|step| step.checks_times())
    }

    /// The endpoint that it forwards to, if that is the same for every connection.
    #[must_use]
    pub fn literal_target(self) -> Option<&'p EndpointUrl> {
        match self.program.step(self.id)?.target()? {
            Target::Literal(url) => Some(url),
            Target::Rendered(_) => None,
        }
    }
}
