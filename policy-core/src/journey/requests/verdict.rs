//! Who decided about a request, and why: answered cold, from phases that are over.

use super::super::verdict::{Passage, Said, Verdict};
use super::super::{Endpoints, Policy};
use super::{Decider, Ran, RequestJourney, Why};
use crate::evaluate::{Evaluation, Inputs, Mode};
use crate::facts::Facts;
use crate::message::{RequestFacts, Response};
use crate::outcome::OutcomeKind;
use crate::phase::Phase;

impl<N: Endpoints, B, M: Mode> RequestJourney<'_, N, B, M> {
    /// Who decided, and why, at the end: of a request that a server answered the endpoint's own policy, unless the rules of
    /// one for responses refused or replaced what was answered; else the policy that ended it. Cold.
    #[must_use]
    pub fn verdict(&mut self) -> Verdict {
        if self.end.is_none() {
            return Verdict::undecided("it has not ended yet");
        }
        let Decider { order, why } = self.deciding();
        let admitted = self.decider.is_none();
        let (endpoints, facts, request) = (self.endpoints, self.facts, self.request);
        let ran = self.ran.iter_mut().find(|ran| Some(ran.order) == order);
        let said = ran.and_then(|ran| {
            inspect(endpoints, (facts, request), ran, |run, _| {
                Some((Verdict::from_run(run, run.outcome()?), run.outcome()?))
            })
        });
        let mut verdict = Said { said: said.flatten(), detail: self.detail.as_deref() }.verdict(&why);
        if admitted && verdict.decision != OutcomeKind::Forward {
            verdict.decision = OutcomeKind::Upstream;
        }
        verdict
    }

    /// Shows the phases of all policies on the way, in the order in which they began, each with its name.
    pub fn each_run(&mut self, mut look: impl FnMut(&Passage<'_, N::Endpoint>, Phase, &Evaluation<'_, M>)) {
        let deciding = self.deciding().order;
        let (endpoints, facts, request) = (self.endpoints, self.facts, self.request);
        self.ran.sort_by_key(|ran| ran.order);
        for ran in &mut self.ran {
            let (endpoint, url) = (ran.endpoint.clone(), ran.url.clone());
            let passage = Passage {
                endpoint: &endpoint,
                url: url.as_ref(),
                policy: ran.policy,
                depth: ran.depth,
                event: ran.event,
                decides: deciding == Some(ran.order),
            };
            let phase = ran.phase;
            inspect(endpoints, (facts, request), ran, |run, _| look(&passage, phase, run));
        }
    }

    /// The phase that decided, and in what words.
    fn deciding(&self) -> Decider {
        let of_entry = || {
            let requests =
                self.ran.iter().filter(|ran| ran.url.is_none() && ran.phase == Phase::OnHttpRequest);
            let order = requests.max_by_key(|ran| ran.order).map(|ran| ran.order);
            Decider { order, why: Why::Run }
        };
        self.decider.clone().unwrap_or_else(of_entry)
    }
}

/// Looks at a phase that is over, and at the response on which it ran.
pub(super) fn inspect<N: Endpoints, M: Mode, R>(
    endpoints: &N,
    (facts, request): (&Facts<'_>, &RequestFacts<'_>),
    ran: &mut Ran<N::Endpoint, M>,
    look: impl FnOnce(&Evaluation<'_, M>, Option<&Response>) -> R,
) -> Option<R> {
    let Ran { endpoint, url, policy, phase, response, run, .. } = ran;
    let Some(Policy::Program(program)) = endpoints.policy(endpoint, *policy) else { return None };
    let mut request = request.clone();
    let response = response.as_deref();
    if let Some(response) = response {
        request = request.with_response(response);
    }
    let mut facts = url.as_ref().map_or(*facts, |url| facts.at_target(url));
    if *phase != Phase::OnTcpConnect {
        facts = facts.with_request(&request);
    }
    let evaluation = Evaluation::again(Inputs::new(program, *phase, &facts), run.take()?);
    let seen = look(&evaluation, response);
    *run = Some(evaluation.into_continuation());
    Some(seen)
}
