//! One run of one phase, as its host drives it.

use std::borrow::Cow;
use std::sync::Arc;

use super::machine::{Continuation, Inputs, Machine};
use super::mode::{AsWritten, Mode, Specialised};
use crate::cel::{EvalError, Expression};
use crate::compile::{ConditionRef, Program};
use crate::exchange::{ActionId, Asked, Effect, ForwardFailure, LogId, Reply, Step, TargetId};
use crate::facts::Facts;
use crate::message::{Changes, Response};
use crate::ngrok::{self, NgrokCode};
use crate::outcome::{Fault, Outcome};
use crate::parse::PlainMap;
use crate::phase::Phase;
use crate::run::{HttpRefusal, ListDecision, RunState};
use crate::trace::Trace;
use crate::url::EndpointUrl;

/// How a failure is told over HTTP. A condition or value that fails is the policy's fault; an endpoint that is not there is
/// told as ngrok's edge does. The code is that of a value.
fn of_fault(fault: Fault, code: Option<NgrokCode>) -> HttpRefusal {
    let (status, code) = match fault {
        Fault::Forward { failure, .. } => {
            let status = if matches!(failure, ForwardFailure::Offline) { 404 } else { 502 };
            (status, failure.ngrok_code())
        }
        Fault::Condition(_) => (500, ngrok::ERR_NGROK_2254),
        Fault::Value => (500, code.unwrap_or(ngrok::ERR_NGROK_2253)),
        Fault::WrongReply | Fault::OutOfOrder => (500, ngrok::ERR_NGROK_2300),
    };
    HttpRefusal { status, code: Some(code) }
}

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
    on: Inputs<'r>,
    at: Continuation<M>,
}

impl<'r, M: Mode> Evaluation<'r, M> {
    #[inline(always)]
    pub(super) fn new(
        program: &'r Program,
        phase: Phase,
        facts: &'r Facts<'r>,
        state: RunState,
        mode: M,
    ) -> Self {
        let on = Inputs::new(program, phase, facts);
        Self { on, at: Continuation::new(on, state, mode) }
    }

    #[inline(always)]
    const fn machine(&mut self) -> Machine<'r, '_, M> {
        Machine { on: &self.on, at: &mut self.at }
    }

    /// Runs to the first effect or to the end.
    #[inline]
    pub fn start(&mut self) -> Step {
        self.machine().start()
    }

    /// Goes on with the host's answer to the open effect.
    #[inline]
    pub fn resume(&mut self, mut reply: Reply) -> Step {
        self.machine().resume(&mut reply)
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

    /// The phase that runs.
    pub(super) const fn phase(&self) -> Phase {
        self.on.code().phase
    }

    /// The last forward that failed and was not the end.
    pub(super) const fn passed(&self) -> Option<(ForwardFailure, TargetId)> {
        self.at.passed
    }

    /// What the last list said whose entries are known for each connection only.
    pub(super) fn decided_list(&self) -> Option<ListDecision> {
        self.at.state.kept.as_deref().and_then(|kept| kept.decided)
    }

    /// The program that runs.
    #[must_use]
    pub const fn program(&self) -> &'r Program {
        self.on.program
    }

    /// The facts it runs on.
    #[must_use]
    pub const fn facts(&self) -> &'r Facts<'r> {
        self.on.facts
    }

    /// The endpoint behind an id of this run; `None` for an id of another program.
    #[must_use]
    pub fn target(&self, id: TargetId) -> Option<&EndpointUrl> {
        self.at.target(self.on.program, id)
    }

    /// The metadata behind an id of this run; `None` for an id of another program.
    #[must_use]
    pub fn log(&self, id: LogId) -> Option<&Arc<PlainMap>> {
        self.at.log(self.on.program, id)
    }

    /// What the open effect is about, if its kind does not say all of it.
    #[must_use]
    pub fn asked(&self) -> Option<&Asked> {
        self.at.state.kept.as_deref()?.asked.as_ref()
    }

    /// The condition that kept the evaluation from going on, and why it has no value.
    #[must_use]
    pub fn failed_condition(&self) -> Option<(ConditionRef<'r>, &EvalError)> {
        let Some(Outcome::Failed { fault: Fault::Condition(id), .. }) = self.outcome() else { return None };
        Some((self.on.program.condition(id)?, &self.at.failed()?.error))
    }

    /// Why the value of the action at which the evaluation ended cannot be made: the expression in it that has no
    /// value, if it is one, and the fault.
    #[must_use]
    pub fn failed_value(&self) -> Option<(Option<&Expression>, &EvalError)> {
        let Some(Outcome::Failed { fault: Fault::Value, .. }) = self.outcome() else { return None };
        let failed = self.at.failed()?;
        Some((failed.expression.as_ref(), &failed.error))
    }

    /// The last test of the client's address by an action, enforced or not, and true if it admitted the client; `None` if none ran.
    /// The same whichever code runs. O(log address tests).
    #[must_use]
    pub fn last_address_test(&self) -> Option<(ActionId, bool)> {
        self.at.last_address_test(self.on.code)
    }

    /// What was changed of request and response; `None` if nothing was kept.
    #[must_use]
    pub fn changes(&self) -> Option<&Changes> {
        self.at.state.changes()
    }

    /// What a client is answered that the policy does not let through, in the phases of requests and responses: the response
    /// of an action, the status of a refusal, or 500 for a failure. `None` if the connection is closed, or the message goes
    /// on.
    #[must_use]
    pub fn answer(&self) -> Option<Cow<'_, Response>> {
        if self.phase() == Phase::OnTcpConnect {
            return None;
        }
        let refused = |refusal: HttpRefusal| Some(Cow::Owned(refusal.to_response()));
        match self.outcome()? {
            Outcome::Responded { .. } => self.changes()?.answer.as_deref().map(Cow::Borrowed),
            Outcome::Denied { by } => match self.changes().and_then(|changes| changes.answer.as_deref()) {
                Some(answer) => Some(Cow::Borrowed(answer)),
                None => refused(self.on.program.step(by)?.refusal()),
            },
            Outcome::Failed { fault, .. } => {
                let failed = self.at.failed();
                let of_expression = failed.and_then(|it| it.expression.as_ref());
                let code = failed.and_then(|it| it.code).or(of_expression.map(|_| ngrok::ERR_NGROK_2238));
                refused(of_fault(fault, code))
            }
            Outcome::Forwarded { .. } | Outcome::Closed { .. } | Outcome::Upstream => None,
        }
    }

    /// True if it failed because its values and conditions take more steps than there were.
    #[must_use]
    pub fn is_out_of_steps(&self) -> bool {
        self.at.is_out_of_steps()
    }

    /// The outcome, once there is one.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        self.at.outcome()
    }

    /// The run without what it borrows, to look at it again later.
    pub(crate) fn into_continuation(self) -> Continuation<M> {
        self.at
    }

    /// A run again, in the program and on the facts on which it began.
    pub(crate) const fn again(on: Inputs<'r>, at: Continuation<M>) -> Self {
        Self { on, at }
    }

    /// What the next phase begins with ([`RunState::into_next_phase`]), or the policy of a target
    /// ([`RunState::for_target`]).
    #[must_use]
    pub fn into_state(mut self) -> RunState {
        if let Some(kept) = self.at.state.kept.as_deref_mut() {
            kept.failed = None;
        }
        self.at.state
    }
}

impl<T: Trace> Evaluation<'_, AsWritten<T>> {
    /// The trace so far.
    #[must_use]
    pub const fn trace(&self) -> &T {
        &self.at.mode.0
    }
}
