//! The machine that runs a program's instructions.

use std::sync::Arc;

use super::mode::{AsWritten, Mode, Specialised};
use crate::cel::{ClientAddress, EvalError, EvalLimits, Expression, Fault as CelFault, Unrendered, Value};
use crate::compile::{ConditionRef, PhaseCode, Program, QuickCondition};
use crate::exchange::{ActionId, Effect, ExpressionId, ForwardFailure, LogId, Reply, Step, TargetId};
use crate::facts::{Facts, FactsHost};
use crate::ir::Op;
use crate::lpm::ClassId;
use crate::outcome::{Ending, Fault, Outcome};
use crate::parse::PlainMap;
use crate::phase::Phase;
use crate::run::{Next, Run, RunState};
use crate::trace::Trace;
use crate::url::EndpointUrl;

/// Parts of one condition that a trace keeps.
const MOST_PARTS: usize = 1_000;

/// One run of one phase. `Send` if its sink is.
///
/// ```
/// use policy_core::{check::{load_policy, CheckOptions}, compile::{compile, CompileOptions}, source::Source};
/// use policy_core::{exchange::{Effect, Reply, Step}, facts::Facts, outcome::Outcome};
/// let text = "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: tcp://a.internal:22}}]}]";
/// let (policy, _) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
/// let program = compile(&policy.expect("no errors"), &CompileOptions::default()).expect("small");
///
/// let facts = Facts::new("203.0.113.42".parse().expect("an address"));
/// let mut run = program.on_tcp_connect(&facts);
/// let mut step = run.start();
/// let outcome = loop {
///     match step {
///         Step::Perform(Effect::Forward(target)) => {
///             assert_eq!(run.target(target).expect("its own id").to_string(), "tcp://a.internal:22");
///             step = run.resume(Reply::Forwarded);
///         }
///         Step::Perform(_) => step = run.resume(Reply::Logged),
///         Step::Done(outcome) => break outcome,
///     }
/// };
/// assert!(matches!(outcome, Outcome::Forwarded { .. }));
/// ```
#[derive(Debug)]
pub struct Evaluation<'r, M = Specialised> {
    program: &'r Program,
    code: &'r PhaseCode,
    facts: &'r Facts<'r>,
    class: ClassId,
    next: usize,
    /// The rule that runs, where rules are found by a mask.
    rule: usize,
    progress: Progress,
    /// What outlives the phase.
    pub(super) state: RunState,
    failed: Option<Box<Unrendered>>,
    /// The last forward that failed and was not the end.
    pub(super) passed: Option<(ForwardFailure, TargetId)>,
    mode: M,
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Fresh,
    Waiting { effect: Effect, by: ActionId, or_continue: bool },
    Done(Outcome),
}

impl<'r, M: Mode> Evaluation<'r, M> {
    #[inline(always)]
    pub(super) fn new(
        program: &'r Program,
        code: &'r PhaseCode,
        facts: &'r Facts<'r>,
        state: RunState,
        mode: M,
    ) -> Self {
        let class = program.tables().class_of(facts.client());
        let next = if M::SPECIALISED { code.quick.entry(class) } else { 0 };
        let progress = Progress::Fresh;
        Self { program, code, facts, class, next, rule: 0, progress, state, failed: None, passed: None, mode }
    }

    /// Runs to the first effect or to the end.
    #[inline]
    pub fn start(&mut self) -> Step {
        match self.progress {
            Progress::Fresh => self.advance(),
            Progress::Done(outcome) => Step::Done(outcome),
            Progress::Waiting { by, .. } => self.finish(failed(Fault::OutOfOrder, Some(by))),
        }
    }

    /// Goes on with the host's answer to the open effect.
    #[inline]
    pub fn resume(&mut self, reply: Reply) -> Step {
        let (effect, by, or_continue) = match self.progress {
            Progress::Waiting { effect, by, or_continue } => (effect, by, or_continue),
            Progress::Done(outcome) => return Step::Done(outcome),
            Progress::Fresh => return self.finish(failed(Fault::OutOfOrder, None)),
        };
        self.tell(|trace| trace.reply(by, &reply));
        match (effect, &reply) {
            (Effect::Forward(target), Reply::Forwarded) => self.finish(Outcome::Forwarded { target, by }),
            (Effect::Forward(target), Reply::ForwardFailed(failure)) if or_continue => {
                self.passed = Some((*failure, target));
                self.replied(by, effect, &reply)
            }
            (Effect::Forward(target), Reply::ForwardFailed(failure)) => {
                self.finish(failed(Fault::Forward { failure: *failure, target }, Some(by)))
            }
            (Effect::Log(_), Reply::Logged) => self.replied(by, effect, &reply),
            _ => self.finish(failed(Fault::WrongReply, Some(by))),
        }
    }

    /// Goes on after an answer, of which the action may keep something.
    #[inline(never)]
    fn replied(&mut self, by: ActionId, effect: Effect, reply: &Reply) -> Step {
        if self.program.keeps_results()
            && let Some(step) = self.program.step(by)
        {
            step.replied(&mut self.view(by), effect, reply);
        }
        self.advance()
    }

    /// Tells the sink, if there is one.
    #[inline]
    fn tell(&mut self, what: impl FnOnce(&mut dyn Trace)) {
        if !M::SPECIALISED {
            what(self.mode.sink());
        }
    }

    /// The run as an action sees it.
    fn view(&mut self, by: ActionId) -> Run<'_> {
        Run {
            by,
            facts: self.facts,
            client: self.client(),
            literals: self.program.literals(),
            keeps_results: self.program.keeps_results(),
            state: &mut self.state,
            trace: self.mode.sink(),
        }
    }

    /// True if a forward that is asked for now may fail and the policy goes on: `on_error: continue`. O(1).
    #[must_use]
    pub const fn goes_on_after_failure(&self) -> bool {
        matches!(self.progress, Progress::Waiting { or_continue: true, .. })
    }

    /// Drives the evaluation to its end with a host that answers at once.
    #[inline]
    pub fn run(&mut self, mut host: impl FnMut(Effect, &Self) -> Reply) -> Outcome {
        let mut step = self.start();
        loop {
            match step {
                Step::Perform(effect) => {
                    let reply = host(effect, self);
                    step = self.resume(reply);
                }
                Step::Done(outcome) => return outcome,
            }
        }
    }

    /// Runs to the next effect or to the end. What actions do stands in their files.
    #[inline]
    fn advance(&mut self) -> Step {
        let code = self.code;
        let ops = if M::SPECIALISED { &code.quick.ops } else { &code.ops };
        // By reference: to copy an instruction first takes longer than to run it.
        while let Some((op, by)) = ops.get(self.next) {
            let by = *by;
            self.next += 1;
            match *op {
                Op::When { first, count, otherwise } => match self.conditions(first, count) {
                    Ok(true) => {}
                    Ok(false) => self.next = otherwise as usize,
                    Err(id) => return self.finish(failed(Fault::Condition(id), None)),
                },
                // Told apart here: what follows then knows which effect it is without looking it up.
                Op::Perform { effect: Effect::Forward(target), or_continue } => {
                    return self.perform(Effect::Forward(target), by, or_continue);
                }
                Op::Perform { effect, or_continue } => return self.perform(effect, by, or_continue),
                Op::End(ending) => return self.finish(ending.by(by)),
                Op::NextRule => {
                    if let Some(step) = self.next_rule() {
                        return step;
                    }
                }
                Op::Act { .. } => {
                    if let Some(step) = self.act(by) {
                        return step;
                    }
                }
                Op::Tested { admitted } => self.state.tested = Some((by, admitted)),
                Op::Enter(rule) => self.tell(|trace| trace.rule(rule)),
            }
        }
        // INVARIANT: code ends with an end. What runs off it is refused.
        self.finish(failed(Fault::OutOfOrder, None))
    }

    /// Goes to the next rule that may apply, by what is seen at once of the client's address and of facts. A step if
    /// there is none.
    #[inline(never)]
    fn next_rule(&mut self) -> Option<Step> {
        let state = self.state.kept.as_deref().map(|kept| &kept.state);
        let host = FactsHost { facts: self.facts, state, draws: self.state.draws };
        let Some((rule, start)) = self.code.quick.next_rule(self.class, self.rule, &host) else {
            return Some(self.finish(Outcome::Upstream));
        };
        (self.rule, self.next) = (rule + 1, start);
        None
    }

    /// Lets an action run; a step if it ends the phase or asks for an effect.
    #[inline(never)]
    fn act(&mut self, by: ActionId) -> Option<Step> {
        let next = match self.program.step(by) {
            Some(step) => step.step(&mut self.view(by)),
            // INVARIANT: every action has a step. What has none is refused.
            None => Ok(Next::End(Ending::Closed)),
        };
        match next {
            Ok(Next::GoOn) => None,
            Ok(Next::Perform { effect, or_continue }) => Some(self.perform(effect, by, or_continue)),
            Ok(Next::End(ending)) => Some(self.finish(ending.by(by))),
            Err(unrendered) => Some(self.fail(unrendered, by)),
        }
    }

    /// Ends at an action whose value cannot be made.
    fn fail(&mut self, unrendered: Unrendered, by: ActionId) -> Step {
        self.failed = Some(Box::new(unrendered));
        self.finish(failed(Fault::Value, Some(by)))
    }

    fn client(&self) -> ClientAddress<'r> {
        ClientAddress { tables: self.program.tables(), address: self.facts.client(), class: self.class }
    }

    /// True if all conditions hold. They are joined as by `&&`: one that is false decides, whatever the others
    /// are; otherwise the first that has no value is the fault.
    #[inline(never)]
    fn conditions(&mut self, first: u32, count: u32) -> Result<bool, ExpressionId> {
        let mut fault: Option<(ExpressionId, Box<EvalError>)> = None;
        for at in first..first.saturating_add(count) {
            let (id, value) =
                if M::SPECIALISED { self.quick_condition(at) } else { self.condition(ExpressionId(at)) };
            match value {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    let is_final = error.fault.is_final();
                    fault.get_or_insert((id, error));
                    if is_final {
                        break;
                    }
                }
            }
        }
        match fault {
            None => Ok(true),
            Some((id, error)) => {
                self.failed = Some(Box::new(Unrendered { expression: None, error: *error }));
                Err(id)
            }
        }
    }

    /// Evaluates a condition of the specialised code.
    #[inline]
    fn quick_condition(&mut self, at: u32) -> (ExpressionId, Result<bool, Box<EvalError>>) {
        let Some(condition) = self.code.quick.conditions.get(at as usize) else {
            let missing = EvalError::whole(CelFault::NotProvided("the condition"));
            return (ExpressionId(at), Err(Box::new(missing)));
        };
        let QuickCondition { id, expression, test } = condition;
        let client = self.client();
        let state = self.state.kept.as_deref().map(|kept| &kept.state);
        let mut host = FactsHost { facts: self.facts, state, draws: self.state.draws };
        // Values are gone when a condition has been decided; steps have been taken.
        self.state.limits.output = EvalLimits::default().output;
        let value = expression.holds(test, &mut host, &mut self.state.limits, client);
        self.state.draws = host.draws;
        (*id, value)
    }

    /// Evaluates a condition as it was written, and tells the trace.
    fn condition(&mut self, id: ExpressionId) -> (ExpressionId, Result<bool, Box<EvalError>>) {
        let value = match self.traced_condition(id) {
            Ok(Value::Bool(value)) => Ok(value),
            Ok(other) => Err(EvalError::whole(CelFault::NoOverload(other.type_name().into()))),
            Err(error) => Err(error),
        };
        (id, value.map_err(Box::new))
    }

    fn traced_condition(&mut self, id: ExpressionId) -> Result<Value, EvalError> {
        let Some(condition) = self.program.condition(id) else {
            return Err(EvalError::whole(CelFault::NotProvided("the condition")));
        };
        let state = self.state.kept.as_deref().map(|kept| &kept.state);
        let mut host = FactsHost { facts: self.facts, state, draws: self.state.draws };
        let wants_parts = self.mode.sink().wants_parts();
        let parts = match wants_parts {
            // Its parts as written, on draws of the same numbers; what decides is the same for all hosts.
            true => {
                let mut host = FactsHost { facts: self.facts, state, draws: self.state.draws };
                condition.expression().explain(&mut host, EvalLimits::default(), MOST_PARTS).1
            }
            false => Vec::new(),
        };
        // Values are gone when a condition has been decided; steps have been taken.
        self.state.limits.output = EvalLimits::default().output;
        let value = condition.expression().evaluate_from(&mut host, &mut self.state.limits);
        self.state.draws = host.draws;
        self.mode.sink().condition(id, &value, parts);
        value
    }

    #[inline]
    fn perform(&mut self, effect: Effect, by: ActionId, or_continue: bool) -> Step {
        self.tell(|trace| trace.effect(by, effect));
        self.progress = Progress::Waiting { effect, by, or_continue };
        Step::Perform(effect)
    }

    #[inline]
    fn finish(&mut self, outcome: Outcome) -> Step {
        self.tell(|trace| trace.outcome(outcome));
        self.progress = Progress::Done(outcome);
        Step::Done(outcome)
    }

    /// The program that runs.
    #[must_use]
    pub const fn program(&self) -> &'r Program {
        self.program
    }

    /// The facts it runs on.
    #[must_use]
    pub const fn facts(&self) -> &'r Facts<'r> {
        self.facts
    }

    /// The endpoint behind an id of this run; `None` for an id of another program.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&EndpointUrl> {
        self.program.target(id).or_else(|| self.state.target(id, self.program.literals().0))
    }

    /// The metadata behind an id of this run; `None` for an id of another program.
    #[must_use]
    pub fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.program.log(id).or_else(|| self.state.log(id, self.program.literals().1))
    }

    /// The condition that kept the evaluation from going on, and why it has no value.
    #[must_use]
    pub fn failed_condition(&self) -> Option<(ConditionRef<'r>, &EvalError)> {
        let Some(Outcome::Failed { fault: Fault::Condition(id), .. }) = self.outcome() else { return None };
        Some((self.program.condition(id)?, &self.failed.as_deref()?.error))
    }

    /// Why the value of the action at which the evaluation ended cannot be made: the expression in it that has no
    /// value, if it is one, and the fault.
    #[must_use]
    pub fn failed_value(&self) -> Option<(Option<&Expression>, &EvalError)> {
        let Some(Outcome::Failed { fault: Fault::Value, .. }) = self.outcome() else { return None };
        let failed = self.failed.as_deref()?;
        Some((failed.expression.as_ref(), &failed.error))
    }

    /// The last test of the client's address by an action, enforced or not, and true if it admitted the client; `None` if none ran.
    /// The same whichever code runs. O(log address tests).
    #[must_use]
    pub fn last_address_test(&self) -> Option<(ActionId, bool)> {
        let decided =
            if M::SPECIALISED { self.code.quick.decided_before(self.class, self.next) } else { None };
        // Actions are numbered in the order in which they run.
        decided.max(self.state.tested)
    }

    /// Steps that are left for the values and conditions of this run.
    #[must_use]
    pub const fn steps_left(&self) -> u64 {
        self.state.limits.steps
    }

    /// Sets how many steps are left, so that several runs of one connection share a budget. A condition or value that
    /// needs more fails, and the run fails closed.
    pub const fn set_steps_left(&mut self, steps: u64) {
        self.state.limits.steps = steps;
    }

    /// The outcome, once there is one.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.progress {
            Progress::Done(outcome) => Some(outcome),
            Progress::Fresh | Progress::Waiting { .. } => None,
        }
    }

    /// The run without what it borrows, to go on later with [`Program::wake`].
    #[inline]
    pub(crate) fn suspend(self) -> Suspended<M> {
        let Self { code, class, next, rule, progress, state, failed, passed, mode, .. } = self;
        Suspended { phase: code.phase, class, next, rule, progress, state, failed, passed, mode }
    }

    /// What the next phase begins with ([`RunState::into_next_phase`]), or the policy of a target
    /// ([`RunState::for_target`]).
    #[must_use]
    pub fn into_state(self) -> RunState {
        self.state
    }
}

/// A run that rests while the policies of a target run, or that is over. INVARIANT: it wakes in the program and on the
/// facts on which it began.
#[derive(Debug)]
pub(crate) struct Suspended<M = Specialised> {
    phase: Phase,
    class: ClassId,
    next: usize,
    rule: usize,
    progress: Progress,
    state: RunState,
    failed: Option<Box<Unrendered>>,
    passed: Option<(ForwardFailure, TargetId)>,
    mode: M,
}

impl Program {
    /// Goes on with a run of this program.
    #[inline]
    pub(crate) fn wake<'r, M: Mode>(
        &'r self,
        suspended: Suspended<M>,
        facts: &'r Facts<'r>,
    ) -> Evaluation<'r, M> {
        let Suspended { phase, class, next, rule, progress, state, failed, passed, mode } = suspended;
        let code = self.code(phase);
        Evaluation { program: self, code, facts, class, next, rule, progress, state, failed, passed, mode }
    }
}

impl<T: Trace> Evaluation<'_, AsWritten<T>> {
    /// The trace so far.
    #[must_use]
    pub const fn trace(&self) -> &T {
        &self.mode.0
    }

    /// The trace, at the end.
    #[must_use]
    pub fn into_trace(self) -> T {
        self.mode.0
    }
}

const fn failed(fault: Fault, by: Option<ActionId>) -> Outcome {
    Outcome::Failed { fault, by }
}
