//! Drives the runs of a connection, and counts and records what they take and say.

use super::meter::Meter;
use super::state::{OverBudget, PolicyName, Stop, Why};
use super::trail::Logs;
use crate::compile::Program;
use crate::evaluate::{Machine, Mode, RunState};
use crate::exchange::{Effect, ForwardFailure, Reply, Step};
use crate::outcome::Outcome;
use crate::phase::Phase;

/// Where a run stops that may ask its host.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// At a forward.
    Forward,
    /// At a question to the host.
    Host(Effect),
    /// At its end.
    Done,
}

/// Drives runs, whichever policy they are of, within one meter.
#[derive(Debug)]
pub(super) struct Driver<B> {
    meter: B,
    pub(super) logs: Logs,
    pub(super) out_of_steps: bool,
    /// Another than the policy is to blame that the steps of the run that has just ended were used up.
    pub(super) blamed: Option<Why>,
}

impl<B> Driver<B> {
    pub(super) fn new(meter: B) -> Self {
        Self { meter, logs: Logs::default(), out_of_steps: false, blamed: None }
    }

    /// The steps that a policy may take; why it may not begin.
    pub(super) fn begin<E>(&mut self, program: &Program, endpoint: &E) -> Result<u64, Why>
    where
        B: Meter<E>,
    {
        self.meter.begin(program, endpoint).map_err(|reason| {
            self.out_of_steps = true;
            over_budget(program, reason)
        })
    }

    /// True if others go first.
    pub(super) fn wants_pause<E>(&mut self) -> bool
    where
        B: Meter<E>,
    {
        self.meter.wants_pause()
    }

    /// Performs what a run asks for, to a forward or to its end.
    pub(super) fn drive<E, M: Mode>(
        &mut self,
        run: &mut Machine<'_, '_, M>,
        endpoint: &E,
        reply: Option<&mut Reply>,
    ) -> Stop
    where
        B: Meter<E>,
    {
        let mut had = run.at.state.steps_left();
        let mut step = match reply {
            None => run.start(),
            Some(reply) => {
                had = self.share(run, endpoint);
                run.resume(reply)
            }
        };
        loop {
            self.meter.account(had.saturating_sub(run.at.state.steps_left()), endpoint);
            let mut reply = match step {
                Step::Done(outcome) => {
                    self.ended(run, endpoint, outcome);
                    return Stop::Done;
                }
                Step::Perform(Effect::Forward(id)) if run.target(id).is_some() => return Stop::Forward,
                Step::Perform(Effect::Forward(_)) => Reply::ForwardFailed(ForwardFailure::Offline),
                Step::Perform(Effect::Log(id)) => {
                    run.log(id).into_iter().for_each(|metadata| self.logs.add(metadata));
                    Reply::Logged
                }
                // Only requests ask for these; what is answered wrongly fails closed.
                Step::Perform(
                    Effect::ReadBody { .. }
                    | Effect::CountRequest
                    | Effect::AskCircuit
                    | Effect::FetchKeys
                    | Effect::SendRequest
                    | Effect::LogIn
                    | Effect::Inspect
                    | Effect::EndTls,
                ) => Reply::Logged,
                // There are no vaults here.
                Step::Perform(Effect::GetSecret) => Reply::secret(None),
            };
            had = self.share(run, endpoint);
            step = run.resume(&mut reply);
        }
    }

    /// Performs what a run asks for as far as that needs no host, to a forward, a question to the host or its end.
    pub(super) fn drive_asking<E, M: Mode>(
        &mut self,
        run: &mut Machine<'_, '_, M>,
        endpoint: &E,
        reply: Option<&mut Reply>,
    ) -> Asks
    where
        B: Meter<E>,
    {
        let mut had = run.at.state.steps_left();
        let mut step = match reply {
            None => run.start(),
            Some(reply) => {
                had = self.share(run, endpoint).saturating_add(reply.grants());
                self.meter.grant(reply.grants());
                run.resume(reply)
            }
        };
        loop {
            self.meter.account(had.saturating_sub(run.at.state.steps_left()), endpoint);
            let mut reply = match step {
                Step::Done(outcome) => {
                    self.ended(run, endpoint, outcome);
                    return Asks::Done;
                }
                Step::Perform(Effect::Forward(id)) if run.target(id).is_some() => return Asks::Forward,
                Step::Perform(Effect::Forward(_)) => Reply::ForwardFailed(ForwardFailure::Offline),
                Step::Perform(Effect::Log(id)) => {
                    run.log(id).into_iter().for_each(|metadata| self.logs.add(metadata));
                    Reply::Logged
                }
                Step::Perform(effect) => return Asks::Host(effect),
            };
            had = self.share(run, endpoint);
            step = run.resume(&mut reply);
        }
    }

    /// The steps of a policy that goes on in another phase.
    pub(super) fn next_phase<E>(&mut self, phase: Phase, state: &mut RunState, endpoint: &E)
    where
        B: Meter<E>,
    {
        let left = match phase {
            Phase::OnEventStreamMessage => {
                self.meter.begin_event();
                self.meter.left(endpoint)
            }
            _ => state.steps_left().min(self.meter.left(endpoint)),
        };
        state.set_steps_left(left);
    }

    /// A phase of a policy is over.
    pub(super) fn end_phase<E>(&mut self, phase: Phase)
    where
        B: Meter<E>,
    {
        if phase == Phase::OnEventStreamMessage {
            self.meter.end_event();
        }
    }

    /// Others on the way, and other connections, have taken of the same budget.
    fn share<E, M: Mode>(&self, run: &mut Machine<'_, '_, M>, endpoint: &E) -> u64
    where
        B: Meter<E>,
    {
        let left = run.at.state.steps_left().min(self.meter.left(endpoint));
        run.at.state.set_steps_left(left);
        left
    }

    /// The end of a run. One that failed because its steps were used up is noted, and may be another's fault.
    #[inline]
    fn ended<E, M: Mode>(&mut self, run: &Machine<'_, '_, M>, endpoint: &E, outcome: Outcome)
    where
        B: Meter<E>,
    {
        if matches!(outcome, Outcome::Failed { .. }) && run.at.is_out_of_steps() {
            self.out_of_steps = true;
            let program = run.on.program;
            let blamed = self.meter.blames(program, endpoint);
            self.blamed = blamed.map(|reason| over_budget(program, reason));
        }
    }
}

fn over_budget(program: &Program, reason: String) -> Why {
    Why::OverBudget(Box::new(OverBudget { policy: PolicyName::from_program(program), reason }))
}
