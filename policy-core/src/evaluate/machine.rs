//! The machine that runs a program's instructions.

use std::sync::Arc;

use super::dynamic::Made;
use super::trace::{Code, NoTrace, Trace};
use crate::cel::{ClientAddress, EvalError, EvalLimits, Expression, Fault as CelFault, Unrendered, Value};
use crate::compile::{ConditionRef, PhaseCode, Program, QuickCondition};
use crate::exchange::{ActionId, Effect, ExpressionId, ForwardFailure, LogId, Reply, Step, TargetId};
use crate::facts::{Facts, FactsHost};
use crate::ir::Op;
use crate::lpm::ClassId;
use crate::outcome::{Fault, Outcome};
use crate::parse::PlainMap;
use crate::url::EndpointUrl;

/// Parts of one condition that a trace keeps.
const MOST_PARTS: usize = 1_000;

/// One run of one phase. `Send` if its trace is.
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
pub struct Evaluation<'r, T = NoTrace> {
    program: &'r Program,
    code: &'r PhaseCode,
    pub(super) facts: &'r Facts<'r>,
    class: ClassId,
    next: usize,
    /// The rule that runs, where rules are found by a mask.
    rule: usize,
    state: State,
    /// Draws of random numbers so far.
    pub(super) draws: u64,
    /// What is left for the conditions: they share the steps of one run.
    pub(super) limits: EvalLimits,
    failed: Option<Box<Unrendered>>,
    /// The last address test that was made at run time, and its verdict.
    tested: Option<(ActionId, bool)>,
    /// The last forward that failed and was not the end.
    pub(super) passed: Option<(ForwardFailure, TargetId)>,
    /// What is known for this run only.
    pub(super) made: Option<Box<Made>>,
    trace: T,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Fresh,
    Waiting { effect: Effect, by: ActionId, or_continue: bool },
    Done(Outcome),
}

impl<'r, T: Trace> Evaluation<'r, T> {
    const SPECIALISED: bool = matches!(T::CODE, Code::Specialised);

    #[inline]
    pub(crate) fn new(program: &'r Program, code: &'r PhaseCode, facts: &'r Facts<'r>, trace: T) -> Self {
        let class = program.tables().class_of(facts.client());
        Self {
            program,
            code,
            facts,
            class,
            next: if Self::SPECIALISED { code.quick.entry(class) } else { 0 },
            rule: 0,
            state: State::Fresh,
            draws: 0,
            limits: EvalLimits::default(),
            failed: None,
            tested: None,
            passed: None,
            made: None,
            trace,
        }
    }

    /// Runs to the first effect or to the end.
    #[inline]
    pub fn start(&mut self) -> Step {
        match self.state {
            State::Fresh => self.advance(),
            State::Done(outcome) => Step::Done(outcome),
            State::Waiting { by, .. } => self.finish(failed(Fault::OutOfOrder, Some(by))),
        }
    }

    /// Goes on with the host's answer to the open effect.
    #[inline]
    pub fn resume(&mut self, reply: Reply) -> Step {
        let (effect, by, or_continue) = match self.state {
            State::Waiting { effect, by, or_continue } => (effect, by, or_continue),
            State::Done(outcome) => return Step::Done(outcome),
            State::Fresh => return self.finish(failed(Fault::OutOfOrder, None)),
        };
        self.trace.reply(by, &reply);
        match (effect, reply) {
            (Effect::Forward(target), Reply::Forwarded) => self.finish(Outcome::Forwarded { target, by }),
            (Effect::Forward(target), Reply::ForwardFailed(failure)) if or_continue => {
                self.passed = Some((failure, target));
                if self.program.leaves_results() {
                    self.leave_failure(target, failure);
                }
                self.advance()
            }
            (Effect::Forward(target), Reply::ForwardFailed(failure)) => {
                self.finish(failed(Fault::Forward { failure, target }, Some(by)))
            }
            (Effect::Log(log), Reply::Logged) => {
                if self.program.leaves_results() {
                    self.leave_log(log);
                }
                self.advance()
            }
            _ => self.finish(failed(Fault::WrongReply, Some(by))),
        }
    }

    /// True if a forward that is asked for now may fail and the policy goes on: `on_error: continue`. O(1).
    #[must_use]
    pub const fn goes_on_after_failure(&self) -> bool {
        matches!(self.state, State::Waiting { or_continue: true, .. })
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

    /// Runs to the next effect or to the end. What most runs consist of is here, the rest is in [`Self::rarely`].
    #[inline]
    fn advance(&mut self) -> Step {
        let code = self.code;
        let ops = if Self::SPECIALISED { &code.quick.ops } else { &code.ops };
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
                Op::Forward { target, or_continue } => {
                    return self.perform(Effect::Forward(target), by, or_continue);
                }
                Op::NextRule => {
                    if let Some(step) = self.next_rule() {
                        return step;
                    }
                }
                Op::Deny => return self.finish(Outcome::Denied { by }),
                Op::Close => return self.finish(Outcome::Closed { by }),
                Op::End => return self.finish(Outcome::Upstream),
                ref other => {
                    if let Some(step) = self.rarely(*other, by) {
                        return step;
                    }
                }
            }
        }
        // INVARIANT: code ends with an end. What runs off it is refused.
        self.finish(failed(Fault::OutOfOrder, None))
    }

    /// Goes to the next rule that may apply, by what is seen at once of the client's address and of facts. A step if
    /// there is none.
    #[inline(never)]
    fn next_rule(&mut self) -> Option<Step> {
        let state = self.made.as_deref().map(|made| &made.state);
        let host = FactsHost { facts: self.facts, state, draws: self.draws };
        let Some((rule, start)) = self.code.quick.next_rule(self.class, self.rule, &host) else {
            return Some(self.finish(Outcome::Upstream));
        };
        (self.rule, self.next) = (rule + 1, start);
        None
    }

    /// An instruction that specialised code has seldom; a step if it ends or asks for an effect.
    #[inline(never)]
    fn rarely(&mut self, op: Op, by: ActionId) -> Option<Step> {
        match op {
            Op::Enter(rule) => self.trace.rule(rule),
            Op::Admit { test, enforce } => {
                let admitted = self.client().is_in(test);
                if self.tested(by, admitted, enforce) {
                    return Some(self.finish(Outcome::Denied { by }));
                }
            }
            Op::AdmitDynamic { list, enforce } => match self.admits(list, by) {
                Ok(admitted) if self.tested(by, admitted, enforce) => {
                    return Some(self.finish(Outcome::Denied { by }));
                }
                Ok(_) => {}
                Err(unrendered) => return Some(self.fail(unrendered, by)),
            },
            Op::ForwardTo { text, or_continue } => {
                return Some(match self.dynamic_target(text) {
                    Ok(target) => self.perform(Effect::Forward(target), by, or_continue),
                    Err(unrendered) => self.fail(unrendered, by),
                });
            }
            Op::Tested { admitted } => self.tested = Some((by, admitted)),
            Op::Log(log) => return Some(self.perform(Effect::Log(log), by, false)),
            Op::LogValue { value } => {
                let log = self.dynamic_log(value);
                return Some(self.perform(Effect::Log(log), by, false));
            }
            Op::SetVar { name, value } => {
                if let Err(unrendered) = self.set_var(by, name, value) {
                    return Some(self.fail(unrendered, by));
                }
            }
            // The caller runs these.
            Op::NextRule | Op::When { .. } | Op::Forward { .. } | Op::Deny | Op::Close | Op::End => {}
        }
        None
    }

    /// Tells of an address test; true if it ends the run.
    #[inline]
    fn tested(&mut self, by: ActionId, admitted: bool, enforce: bool) -> bool {
        self.trace.test(by, admitted);
        self.tested = Some((by, admitted));
        if self.program.leaves_results() {
            self.leave_test(by, admitted);
        }
        enforce && !admitted
    }

    /// Ends at an action whose value cannot be made.
    fn fail(&mut self, unrendered: Unrendered, by: ActionId) -> Step {
        self.failed = Some(Box::new(unrendered));
        self.finish(failed(Fault::Value, Some(by)))
    }

    pub(super) fn client(&self) -> ClientAddress<'r> {
        ClientAddress { tables: self.program.tables(), address: self.facts.client(), class: self.class }
    }

    /// True if all conditions hold. They are joined as by `&&`: one that is false decides, whatever the others
    /// are; otherwise the first that has no value is the fault.
    #[inline(never)]
    fn conditions(&mut self, first: u32, count: u32) -> Result<bool, ExpressionId> {
        let mut fault: Option<(ExpressionId, Box<EvalError>)> = None;
        for at in first..first.saturating_add(count) {
            let (id, value) =
                if Self::SPECIALISED { self.quick_condition(at) } else { self.condition(ExpressionId(at)) };
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
        let state = self.made.as_deref().map(|made| &made.state);
        let mut host = FactsHost { facts: self.facts, state, draws: self.draws };
        // Values are gone when a condition has been decided; steps have been taken.
        self.limits.output = EvalLimits::default().output;
        let value = expression.holds(test, &mut host, &mut self.limits, client);
        self.draws = host.draws;
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
        let state = self.made.as_deref().map(|made| &made.state);
        let mut host = FactsHost { facts: self.facts, state, draws: self.draws };
        let parts = match T::PARTS {
            // Its parts as written, on draws of the same numbers; what decides is the same for all hosts.
            true => {
                let mut host = FactsHost { facts: self.facts, state, draws: self.draws };
                condition.expression().explain(&mut host, EvalLimits::default(), MOST_PARTS).1
            }
            false => Vec::new(),
        };
        // Values are gone when a condition has been decided; steps have been taken.
        self.limits.output = EvalLimits::default().output;
        let value = condition.expression().evaluate_from(&mut host, &mut self.limits);
        self.draws = host.draws;
        self.trace.condition(id, &value, parts);
        value
    }

    #[inline]
    fn perform(&mut self, effect: Effect, by: ActionId, or_continue: bool) -> Step {
        self.trace.effect(by, effect);
        self.state = State::Waiting { effect, by, or_continue };
        Step::Perform(effect)
    }

    #[inline]
    fn finish(&mut self, outcome: Outcome) -> Step {
        self.trace.outcome(outcome);
        self.state = State::Done(outcome);
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
        self.program.target(id).or_else(|| self.made_target(id))
    }

    /// The metadata behind an id of this run; `None` for an id of another program.
    #[must_use]
    pub fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.program.log(id).or_else(|| self.made_log(id))
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

    /// The last `restrict-ips` that has run, enforced or not, and true if it admitted the client; `None` if none ran.
    /// The same whichever code runs. O(log address tests).
    #[must_use]
    pub fn last_address_test(&self) -> Option<(ActionId, bool)> {
        let decided =
            if Self::SPECIALISED { self.code.quick.decided_before(self.class, self.next) } else { None };
        // Actions are numbered in the order in which they run.
        decided.max(self.tested)
    }

    /// Steps that are left for the values and conditions of this run.
    #[must_use]
    pub const fn steps_left(&self) -> u64 {
        self.limits.steps
    }

    /// Sets how many steps are left, so that several runs of one connection share a budget. A condition or value that
    /// needs more fails, and the run fails closed.
    pub const fn set_steps_left(&mut self, steps: u64) {
        self.limits.steps = steps;
    }

    /// The trace so far.
    #[must_use]
    pub const fn trace(&self) -> &T {
        &self.trace
    }

    pub(super) const fn trace_mut(&mut self) -> &mut T {
        &mut self.trace
    }

    /// The outcome, once there is one.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Done(outcome) => Some(outcome),
            State::Fresh | State::Waiting { .. } => None,
        }
    }

    /// The trace, at the end.
    #[must_use]
    pub fn into_trace(self) -> T {
        self.trace
    }
}

const fn failed(fault: Fault, by: Option<ActionId>) -> Outcome {
    Outcome::Failed { fault, by }
}
