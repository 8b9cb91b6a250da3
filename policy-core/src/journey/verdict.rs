//! Who decided, and why: answered cold, from runs that are over.

use super::state::{By, End, Refusal, Visit, Why};
use super::{Endpoints, Journey, Policy};
use crate::digest::Digest;
use crate::evaluate::{Evaluation, Inputs, Mode};
use crate::facts::Facts;
use crate::ngrok;
use crate::outcome::{Fault, Outcome, OutcomeKind};
use crate::phase::Phase;
use crate::source::Position;
use crate::url::EndpointUrl;

/// Who decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What became of it.
    pub decision: OutcomeKind,
    /// The name of the deciding rule.
    pub rule: Option<Box<str>>,
    /// The file of the deciding policy; `None` if none was asked.
    pub file: Option<Box<str>>,
    /// Where the deciding action stands.
    pub position: Option<Position>,
    /// Why, in one line.
    pub reason: String,
    /// The digest of the deciding policy; `None` if none was asked.
    pub policy_sha256: Option<Digest>,
}

impl Verdict {
    /// No policy was asked.
    #[must_use]
    pub fn undecided(reason: &str) -> Self {
        Self {
            decision: OutcomeKind::Error,
            rule: None,
            file: None,
            position: None,
            reason: reason.to_owned(),
            policy_sha256: None,
        }
    }

    /// What a run says that is over.
    #[must_use]
    pub fn from_run<M: Mode>(run: &Evaluation<'_, M>, outcome: Outcome) -> Self {
        let program = run.program();
        let action = outcome.by().and_then(|by| program.action(by));
        let condition = run.failed_condition().map(|(condition, _)| condition);
        let rule =
            action.and_then(|action| action.rule()).or(condition.and_then(|condition| condition.rule()));
        let position =
            action.map(|action| action.position()).or(condition.map(|condition| condition.position()));
        Self {
            decision: outcome.kind(),
            rule: rule.and_then(|rule| rule.name()).map(Into::into),
            file: Some(program.file().into()),
            position,
            reason: run.reason().to_string(),
            policy_sha256: Some(program.served_sha256()),
        }
    }
}

/// What the run that decided says, and what is known of the last forward that failed.
pub(super) struct Said<'d> {
    pub(super) said: Option<(Verdict, Outcome)>,
    pub(super) detail: Option<&'d str>,
}

impl Said<'_> {
    /// The verdict, with the words of who refused.
    pub(super) fn verdict(self, why: &Why) -> Verdict {
        let Self { said, detail } = self;
        let failed_forward = matches!(said, Some((_, Outcome::Failed { fault: Fault::Forward { .. }, .. })));
        let mut verdict =
            said.map_or_else(|| Verdict::undecided("the endpoint has no policy"), |(verdict, _)| verdict);
        let detail = detail.filter(|detail| !detail.is_empty());
        let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        match why {
            Why::Run if failed_forward => verdict.reason.push_str(&detail),
            Why::Run => {}
            Why::NotLoaded(reason) => verdict = Verdict::undecided(reason),
            Why::OverBudget(over) => {
                verdict = Verdict::undecided(&over.reason);
                verdict.file = Some(over.policy.file.clone());
                verdict.policy_sha256 = Some(over.policy.sha256);
            }
            Why::NoUpstream => {
                verdict.decision = OutcomeKind::Error;
                let code = ngrok::ERR_NGROK_6029;
                verdict.reason.push_str(&format!(", and the endpoint has no upstream ({code})"));
            }
            Why::NotReached => {
                verdict.decision = OutcomeKind::Error;
                verdict.reason = format!("the endpoint's server cannot be reached{detail}");
            }
        }
        verdict
    }
}

/// A run on the way, as it is shown.
#[derive(Debug)]
pub struct Passage<'j, E> {
    /// Whose policy it is.
    pub endpoint: &'j E,
    /// The target that led here; `None` where the connection comes in.
    pub url: Option<&'j EndpointUrl>,
    /// Which of the endpoint's policies, from 0.
    pub policy: usize,
    /// Endpoints that waited for it.
    pub depth: usize,
    /// The event of an event stream that it saw, from 1.
    pub event: Option<usize>,
    /// True for the one that decided: of an admitted connection where it came in, of a refused one where it was refused.
    pub decides: bool,
}

impl<N: Endpoints, B, M: Mode> Journey<'_, N, B, M> {
    /// Who decided, and why, at the end: of an admitted connection the endpoint's own policy, of a refused one the policy
    /// that refused. Cold: looks list entries up.
    #[must_use]
    pub fn verdict(&mut self) -> Verdict {
        let Some(mut end) = self.end.take() else { return Verdict::undecided("it has not ended yet") };
        let mut entry = Some(&mut self.entry.visit);
        let visit = match &mut end {
            End::Admitted { .. } | End::Refused(Refusal { by: By::Entry, .. }) => entry.take(),
            End::Refused(Refusal { by: By::Target(visit), .. }) => Some(&mut **visit),
            End::Refused(Refusal { by: By::Nobody, .. }) => None,
        };
        let said = visit.and_then(|visit| {
            inspect(self.endpoints, self.facts, visit, |run| {
                Some((Verdict::from_run(run, run.outcome()?), run.outcome()?))
            })
        });
        let said = said.flatten();
        let why = match &end {
            End::Refused(Refusal { why, .. }) => why,
            End::Admitted { .. } => &Why::Run,
        };
        let mut verdict = Said { said, detail: self.detail.as_deref() }.verdict(why);
        if let End::Admitted { upstream: true, .. } = &end {
            verdict.decision = OutcomeKind::Upstream;
        }
        self.end = Some(end);
        verdict
    }

    /// Shows the runs, in the order in which they began. Where runs are not traced, those of targets that did not decide
    /// are gone.
    pub fn each_run(&mut self, mut look: impl FnMut(&Passage<'_, N::Endpoint>, &Evaluation<'_, M>)) {
        let (deciding, target) = match &mut self.end {
            Some(End::Admitted { .. } | End::Refused(Refusal { by: By::Entry, .. })) => {
                (Some(self.entry.visit.order), None)
            }
            Some(End::Refused(Refusal { by: By::Target(visit), .. })) => {
                (Some(visit.order), Some(&mut **visit))
            }
            Some(End::Refused(Refusal { by: By::Nobody, .. })) | None => (None, None),
        };
        let entry = &mut self.entry.visit;
        let mut all: Vec<&mut Visit<N::Endpoint, M>> =
            self.passed.iter_mut().chain(target).chain([entry]).collect();
        all.sort_by_key(|visit| visit.order);
        for visit in all {
            let (endpoint, url) = (visit.endpoint.clone(), visit.url.clone());
            let passage = Passage {
                endpoint: &endpoint,
                url: url.as_ref(),
                policy: visit.policy,
                depth: visit.depth,
                event: None,
                decides: deciding == Some(visit.order),
            };
            inspect(self.endpoints, self.facts, visit, |run| look(&passage, run));
        }
    }
}

/// Looks at a run that is over.
fn inspect<N: Endpoints, M: Mode, R>(
    endpoints: &N,
    facts: &Facts<'_>,
    visit: &mut Visit<N::Endpoint, M>,
    look: impl FnOnce(&Evaluation<'_, M>) -> R,
) -> Option<R> {
    let Some(Policy::Program(program)) = endpoints.policy(&visit.endpoint, visit.policy) else {
        return None;
    };
    let facts = visit.url.as_ref().map_or(*facts, |url| facts.at_target(url));
    let inputs = Inputs::new(program, Phase::OnTcpConnect, &facts);
    let run = Evaluation::again(inputs, visit.run.take()?);
    let seen = look(&run);
    visit.run = Some(run.into_continuation());
    Some(seen)
}
