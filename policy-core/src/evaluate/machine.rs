//! The machine that runs a program's instructions.

use std::sync::Arc;

use super::mode::{Mode, Specialised};
use crate::cel::{ClientAddress, EvalError, EvalLimits, Fault as CelFault, Unrendered, Value};
use crate::compile::{PhaseCode, Program, ResidualCondition};
use crate::exchange::{
    ActionId, Asked, ConditionId, Effect, ForwardFailure, LogId, MAX_KEY_SET, Reply, Step, TargetId,
};
use crate::facts::{Facts, FactsHost, MAX_SECRETS};
use crate::ir::Op;
use crate::lpm::ClassId;
use crate::outcome::{Ending, Fault, Outcome};
use crate::parse::PlainMap;
use crate::phase::Phase;
use crate::run::{Next, Run, RunState};
use crate::trace::Trace;
use crate::url::EndpointUrl;

/// Parts of one condition that a trace keeps.
const MAX_PARTS: usize = 1_000;

/// What a run borrows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'r> {
    pub(crate) program: &'r Program,
    pub(super) code: &'r PhaseCode,
    pub(super) facts: &'r Facts<'r>,
}

impl<'r> Inputs<'r> {
    /// The code of the phase.
    pub(super) const fn code(&self) -> &'r PhaseCode {
        self.code
    }

    /// For a phase of a program.
    #[inline(always)]
    pub(crate) fn new(program: &'r Program, phase: Phase, facts: &'r Facts<'r>) -> Self {
        Self { program, code: program.code(phase), facts }
    }
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Fresh,
    Waiting { effect: Effect, by: ActionId, or_continue: bool },
    Done(Outcome),
}

/// What a run owns: where it stands, without what it borrows. INVARIANT: it goes on in the phase of the program, and on
/// the facts, on which it began.
#[derive(Debug)]
pub(crate) struct Continuation<M = Specialised> {
    class: ClassId,
    next: usize,
    /// The rule that runs, where rules are found by a mask.
    rule: usize,
    progress: Progress,
    /// What outlives the phase.
    pub(crate) state: RunState,
    /// The last forward that failed and was not the end.
    pub(super) passed: Option<(ForwardFailure, TargetId)>,
    pub(super) mode: M,
}

impl<M: Mode> Continuation<M> {
    /// Before the first instruction.
    #[inline(always)]
    pub(crate) fn new(on: Inputs<'_>, state: RunState, mode: M) -> Self {
        let class = on.program.tables().class_of(on.facts.client());
        let next = if M::SPECIALISED { on.code.residual.entry(class) } else { 0 };
        Self { class, next, rule: 0, progress: Progress::Fresh, state, passed: None, mode }
    }

    /// The outcome, once there is one.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        match self.progress {
            Progress::Done(outcome) => Some(outcome),
            Progress::Fresh | Progress::Waiting { .. } => None,
        }
    }

    /// What has no value at which the run ended.
    #[cold]
    pub(super) fn failed(&self) -> Option<&Unrendered> {
        self.state.kept.as_deref()?.failed.as_ref()
    }

    /// True if the run ended since its values and conditions take more steps than there were.
    pub(crate) fn is_out_of_steps(&self) -> bool {
        self.failed()
            .is_some_and(|failed| matches!(failed.error.fault, CelFault::Steps | CelFault::StepsOf { .. }))
    }

    /// The target of the forward for which the run waits, of the program that runs.
    pub(crate) fn waits_for<'a>(&'a self, program: &'a Program) -> Option<&'a EndpointUrl> {
        let Progress::Waiting { effect: Effect::Forward(id), .. } = self.progress else { return None };
        self.target(program, id)
    }

    /// The endpoint behind an id of this run.
    #[inline]
    pub(super) fn target<'a>(&'a self, program: &'a Program, id: TargetId) -> Option<&'a EndpointUrl> {
        program.target(id).or_else(|| self.state.target(id, program.literals().0))
    }

    /// The metadata behind an id of this run.
    pub(super) fn log<'a>(&'a self, program: &'a Program, id: LogId) -> Option<&'a Arc<PlainMap>> {
        program.log(id).or_else(|| self.state.log(id, program.literals().1))
    }

    /// See [`super::Evaluation::last_address_test`].
    #[inline]
    pub(crate) fn last_address_test(&self, code: &PhaseCode) -> Option<(ActionId, bool)> {
        let decided = if M::SPECIALISED { code.residual.decided_before(self.class, self.next) } else { None };
        // Actions are numbered in the order in which they run.
        decided.max(self.state.tested)
    }

    /// True if a forward that is asked for now may fail and the policy goes on: `on_error: continue`. O(1).
    pub(crate) const fn goes_on_after_failure(&self) -> bool {
        matches!(self.progress, Progress::Waiting { or_continue: true, .. })
    }
}

/// A run while it runs: what it borrows and what it owns, wherever that is kept.
pub(crate) struct Machine<'r, 'p, M> {
    // By reference: two words that were just written one by one are slow to copy as one.
    pub(crate) on: &'p Inputs<'r>,
    pub(crate) at: &'p mut Continuation<M>,
}

impl<'r, M: Mode> Machine<'r, '_, M> {
    /// The endpoint behind an id of this run.
    #[inline]
    pub(crate) fn target(&self, id: TargetId) -> Option<&EndpointUrl> {
        self.at.target(self.on.program, id)
    }

    /// The metadata behind an id of this run.
    pub(crate) fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.at.log(self.on.program, id)
    }

    /// Runs to the first effect or to the end.
    #[inline]
    pub(crate) fn start(&mut self) -> Step {
        match self.at.progress {
            Progress::Fresh => self.advance(),
            Progress::Done(outcome) => Step::Done(outcome),
            Progress::Waiting { by, .. } => self.finish(failed(Fault::OutOfOrder, Some(by))),
        }
    }

    /// Goes on with the host's answer to the open effect, which an action may take. In place: a reply that is copied right
    /// after it was written waits for that, eight nanoseconds.
    #[inline]
    pub(crate) fn resume(&mut self, reply: &mut Reply) -> Step {
        let (effect, by, or_continue) = match self.at.progress {
            Progress::Waiting { effect, by, or_continue } => (effect, by, or_continue),
            Progress::Done(outcome) => return Step::Done(outcome),
            Progress::Fresh => return self.finish(failed(Fault::OutOfOrder, None)),
        };
        self.trace(|trace| trace.reply(by, reply));
        match (effect, &*reply) {
            (Effect::Forward(target), Reply::Forwarded) => self.finish(Outcome::Forwarded { target, by }),
            (Effect::Forward(target), Reply::ForwardFailed(failure)) if or_continue => {
                self.at.passed = Some((*failure, target));
                self.replied(by, effect, reply)
            }
            (Effect::Forward(target), Reply::ForwardFailed(failure)) => {
                self.finish(failed(Fault::Forward { failure: *failure, target }, Some(by)))
            }
            (Effect::Log(_), Reply::Logged) => self.replied(by, effect, reply),
            (effect, _) if effect.takes(reply) => self.answered(by, effect, reply),
            _ => self.finish(failed(Fault::WrongReply, Some(by))),
        }
    }

    /// Goes on with the action that asked.
    #[inline(never)]
    fn answered(&mut self, by: ActionId, effect: Effect, reply: &mut Reply) -> Step {
        let reply = std::mem::replace(reply, Reply::Logged);
        self.at.state.limits.steps = self.at.state.limits.steps.saturating_add(reply.grants());
        let kept = self.at.state.kept();
        let asked = kept.asked.take();
        let next = match (effect, reply) {
            (_, Reply::Secret(secret)) => {
                if let Some(Asked::Secret { vault, name }) = asked {
                    kept.state.keep_secret(vault, name, *secret);
                }
                // What wanted it runs again.
                self.at.next = self.at.next.saturating_sub(1);
                return self.advance();
            }
            (_, Reply::KeySet(keys)) => {
                if let Some(Asked::KeySet(url)) = asked {
                    kept.key_sets.push((url, keys.filter(|keys| keys.len() <= MAX_KEY_SET)));
                }
                return self.again(by);
            }
            (Effect::ReadBody { side, .. }, Reply::Body(body)) => {
                kept.bodies.set(side, Some(body.within_bounds()));
                return self.again(by);
            }
            (_, Reply::BodyFailed) => {
                let failed = Unrendered::unusable("the body did not arrive".to_owned());
                let code = self.on.program.step(by).and_then(|step| step.code_without_body());
                Err(match code {
                    Some(code) => failed.with_code(code),
                    None => failed,
                })
            }
            (_, reply) => match self.on.program.step(by) {
                Some(step) => step.resumed(&mut self.view(by), asked, reply),
                None => Ok(Next::End(Ending::Closed)),
            },
        };
        self.follow(next, by).unwrap_or_else(|| self.advance())
    }

    /// Goes on after an answer, of which the action may keep something.
    #[inline(never)]
    fn replied(&mut self, by: ActionId, effect: Effect, reply: &Reply) -> Step {
        if self.on.program.keeps_results()
            && let Some(step) = self.on.program.step(by)
        {
            step.replied(&mut self.view(by), effect, reply);
        }
        self.advance()
    }

    /// Tells the sink, if there is one.
    #[inline]
    fn trace(&mut self, what: impl FnOnce(&mut dyn Trace)) {
        if !M::SPECIALISED {
            what(self.at.mode.sink());
        }
    }

    /// The run as an action sees it.
    fn view(&mut self, by: ActionId) -> Run<'_> {
        Run {
            by,
            phase: self.on.code.phase,
            facts: self.on.facts,
            client: self.client(),
            literals: self.on.program.literals(),
            keeps_results: self.on.program.keeps_results(),
            state: &mut self.at.state,
            trace: self.at.mode.sink(),
        }
    }

    /// Runs to the next effect or to the end. What actions do stands in their files.
    #[inline]
    fn advance(&mut self) -> Step {
        let code = self.on.code;
        let ops = if M::SPECIALISED { &code.residual.ops } else { &code.ops };
        // By reference: to copy an instruction first takes longer than to run it.
        while let Some((op, by)) = ops.get(self.at.next) {
            let by = *by;
            self.at.next += 1;
            match *op {
                Op::When { first, count, otherwise } => match self.conditions(first, count) {
                    Ok(true) => {}
                    Ok(false) => self.at.next = otherwise as usize,
                    Err(id) => return self.fail_condition(id, by),
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
                Op::Tested { admitted } => self.at.state.tested = Some((by, admitted)),
                Op::Enter(rule) => self.trace(|trace| trace.rule(rule)),
            }
        }
        // INVARIANT: code ends with an end. What runs off it is refused.
        self.finish(failed(Fault::OutOfOrder, None))
    }

    /// Goes to the next rule that may apply, by what is seen at once of the client's address and of facts. A step if
    /// there is none.
    #[inline(never)]
    fn next_rule(&mut self) -> Option<Step> {
        let state = self.at.state.kept.as_deref().map(|kept| &kept.state);
        let host = FactsHost::new(self.on.facts, state, self.at.state.draws);
        let Some((rule, start)) = self.on.code.residual.next_rule(self.at.class, self.at.rule, &host) else {
            return Some(self.finish(Outcome::Upstream));
        };
        (self.at.rule, self.at.next) = (rule + 1, start);
        None
    }

    /// Lets an action run; a step if it ends the phase or asks for an effect.
    #[inline(never)]
    fn act(&mut self, by: ActionId) -> Option<Step> {
        self.trace(|trace| trace.action(by));
        self.run_step(by)
    }

    /// Runs an action again that has what it asked for, and goes on.
    fn again(&mut self, by: ActionId) -> Step {
        self.run_step(by).unwrap_or_else(|| self.advance())
    }

    fn run_step(&mut self, by: ActionId) -> Option<Step> {
        match self.step(by) {
            Err(unrendered) => Some(match self.wanted_secret(unrendered, by) {
                Ok(step) => step,
                Err(unrendered) => self.fail(unrendered, by),
            }),
            next => self.follow(next, by),
        }
    }

    /// What an action does.
    fn step(&mut self, by: ActionId) -> Result<Next, Unrendered> {
        match self.on.program.step(by) {
            Some(step) => step.step(&mut self.view(by)),
            // INVARIANT: every action has a step. What has none is refused.
            None => Ok(Next::End(Ending::Closed)),
        }
    }

    /// Does what an action wants; a step if it ends the phase or asks for an effect.
    fn follow(&mut self, next: Result<Next, Unrendered>, by: ActionId) -> Option<Step> {
        match next {
            Ok(Next::GoOn) => None,
            Ok(Next::Perform { effect, or_continue }) => Some(self.perform(effect, by, or_continue)),
            Ok(Next::Ask(effect)) => Some(self.perform(effect, by, false)),
            Ok(Next::End(ending)) => Some(self.finish(ending.by(by))),
            Err(unrendered) => Some(self.fail(unrendered, by)),
        }
    }

    /// Ends at a condition that has no value, or asks for the secret that it wants.
    #[cold]
    fn fail_condition(&mut self, id: ConditionId, by: ActionId) -> Step {
        match self.at.state.kept().failed.take() {
            Some(unrendered) => match self.wanted_secret(unrendered, by) {
                Ok(step) => step,
                Err(unrendered) => {
                    self.at.state.kept().failed = Some(unrendered);
                    self.finish(failed(Fault::Condition(id), None))
                }
            },
            None => self.finish(failed(Fault::Condition(id), None)),
        }
    }

    /// Asks for the secret that an expression wants, if that is why it has no value.
    fn wanted_secret(&mut self, unrendered: Unrendered, by: ActionId) -> Result<Step, Unrendered> {
        match unrendered.error.fault {
            CelFault::SecretWanted { .. } if !self.at.state.kept().state.may_keep_secret() => {
                Err(Unrendered::unusable(format!("more than {MAX_SECRETS} secrets are looked up")))
            }
            CelFault::SecretWanted { ref vault, ref name } => {
                self.at.state.kept().asked =
                    Some(Asked::Secret { vault: Arc::clone(vault), name: Arc::clone(name) });
                Ok(self.perform(Effect::GetSecret, by, false))
            }
            _ => Err(unrendered),
        }
    }

    /// Ends at an action whose value cannot be made.
    fn fail(&mut self, unrendered: Unrendered, by: ActionId) -> Step {
        self.at.state.kept().failed = Some(unrendered);
        self.finish(failed(Fault::Value, Some(by)))
    }

    fn client(&self) -> ClientAddress<'r> {
        ClientAddress {
            tables: self.on.program.tables(),
            address: self.on.facts.client(),
            class: self.at.class,
        }
    }

    /// True if all conditions hold. They are joined as by `&&`: one that is false decides, whatever the others
    /// are; otherwise the first that has no value is the fault.
    #[inline(never)]
    fn conditions(&mut self, first: u32, count: u32) -> Result<bool, ConditionId> {
        let mut fault: Option<(ConditionId, Box<EvalError>)> = None;
        for at in first..first.saturating_add(count) {
            let (id, value) =
                if M::SPECIALISED { self.specialised_condition(at) } else { self.condition(ConditionId(at)) };
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
                self.at.state.kept().failed =
                    Some(Unrendered { expression: None, error: *error, code: None });
                Err(id)
            }
        }
    }

    /// Evaluates a condition of the specialised code.
    #[inline]
    fn specialised_condition(&mut self, at: u32) -> (ConditionId, Result<bool, Box<EvalError>>) {
        let Some(condition) = self.on.code.residual.conditions.get(at as usize) else {
            let missing = EvalError::whole(CelFault::NotProvided("the condition"));
            return (ConditionId(at), Err(Box::new(missing)));
        };
        let ResidualCondition { id, expression, test } = condition;
        let client = self.client();
        let state = self.at.state.kept.as_deref().map(|kept| &kept.state);
        let mut host = FactsHost::new(self.on.facts, state, self.at.state.draws);
        // Values are gone when a condition has been decided; steps have been taken.
        self.at.state.limits.output = EvalLimits::default().output;
        let value = expression.holds(test, &mut host, &mut self.at.state.limits, client);
        self.at.state.draws = host.draws;
        (*id, value)
    }

    /// Evaluates a condition as it was written, and tells the trace.
    fn condition(&mut self, id: ConditionId) -> (ConditionId, Result<bool, Box<EvalError>>) {
        let value = match self.traced_condition(id) {
            Ok(Value::Bool(value)) => Ok(value),
            Ok(other) => Err(EvalError::whole(CelFault::NoOverload(other.type_name().into()))),
            Err(error) => Err(error),
        };
        (id, value.map_err(Box::new))
    }

    fn traced_condition(&mut self, id: ConditionId) -> Result<Value, EvalError> {
        let Some(condition) = self.on.program.condition(id) else {
            return Err(EvalError::whole(CelFault::NotProvided("the condition")));
        };
        let state = self.at.state.kept.as_deref().map(|kept| &kept.state);
        let mut host = FactsHost::new(self.on.facts, state, self.at.state.draws);
        let wants_parts = self.at.mode.sink().wants_parts();
        let parts = match wants_parts {
            // Its parts as written, on draws of the same numbers; what decides is the same for all hosts.
            true => {
                let mut host = FactsHost::new(self.on.facts, state, self.at.state.draws);
                condition.expression().explain(&mut host, EvalLimits::default(), MAX_PARTS).1
            }
            false => Vec::new(),
        };
        // Values are gone when a condition has been decided; steps have been taken.
        self.at.state.limits.output = EvalLimits::default().output;
        let value = condition.expression().evaluate_from(&mut host, &mut self.at.state.limits);
        self.at.state.draws = host.draws;
        // What wants a secret is evaluated again.
        if !value.as_ref().is_err_and(|error| matches!(error.fault, CelFault::SecretWanted { .. })) {
            self.at.mode.sink().condition(id, &value, parts);
        }
        value
    }

    #[inline]
    fn perform(&mut self, effect: Effect, by: ActionId, or_continue: bool) -> Step {
        self.trace(|trace| trace.effect(by, effect));
        self.at.progress = Progress::Waiting { effect, by, or_continue };
        Step::Perform(effect)
    }

    #[inline]
    fn finish(&mut self, outcome: Outcome) -> Step {
        self.trace(|trace| trace.outcome(outcome));
        self.at.progress = Progress::Done(outcome);
        Step::Done(outcome)
    }
}

const fn failed(fault: Fault, by: Option<ActionId>) -> Outcome {
    Outcome::Failed { fault, by }
}
