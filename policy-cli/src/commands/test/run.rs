//! Runs cases on all processors; the results are in the order of the files.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use policy_core::diagnostic::{printable, shown_address};
use policy_core::message::{Request, Response};
use policy_core::scenarios::{Case, CaseStep};

use super::bless::{Blessing, Collected};
use super::judge::{self, Found};
use super::load::{HINT, Loaded};
use crate::answer::{Answer, Performed};
use crate::cli::{Eval, TargetState};
use crate::commands::eval::{EvalInputs, EvalSubject, Progress, RequestHistory};
use crate::coverage::{Reached, join};
use crate::exit::Failure;
use crate::suite::{self, MAX_UNMET, Status, Unmet, What};

/// Cases that a thread takes at once.
const AT_ONCE: usize = 16;

/// A case that was run.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) case: suite::Case,
    /// What would make it pass, if that is wanted.
    pub(super) blessing: Blessing,
}

/// Runs the cases of files; with `bless` every question is asked, also where a case has failed.
pub(super) fn all(files: &[Loaded], bless: bool) -> Result<Vec<Vec<Ran>>, Failure> {
    let work: Vec<(usize, &Case)> =
        files.iter().enumerate().flat_map(|(at, file)| file.cases().map(move |case| (at, case))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = |mut progress: Option<Progress>| {
        loop {
            let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            let Some(part) = work.get(from..(from + AT_ONCE).min(work.len())) else { return };
            let results = part.iter().filter_map(|(at, case)| Some((*at, run(files.get(*at)?, case, bless))));
            let results: Vec<_> = results.collect();
            done.lock().unwrap_or_else(PoisonError::into_inner).push((from, results));
            if part.is_empty() {
                return;
            }
            progress.iter_mut().for_each(|progress| progress.say_of((from + part.len()) as u64, "cases"));
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(work.len().div_ceil(AT_ONCE));
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(|| worker(None))));
        worker(Some(Progress::start()));
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(from, _)| *from);
    let mut out: Vec<Vec<Ran>> = files.iter().map(|_| Vec::new()).collect();
    for (at, ran) in done.into_iter().flat_map(|(_, results)| results) {
        let ran = ran?;
        if let Some(of_file) = out.get_mut(at) {
            of_file.push(ran);
        }
    }
    Ok(out)
}

fn run(file: &Loaded, case: &Case, bless: bool) -> Result<Ran, Failure> {
    let (mut reached, mut blessing) = (Vec::new(), Blessing::default());
    let status = match &case.skip {
        Some(reason) => Status::Skipped(reason.to_string()),
        None => {
            let unmet = unmet(file, case, &mut reached, bless.then_some(&mut blessing))?;
            if unmet.is_empty() { Status::Passed } else { Status::Failed(unmet) }
        }
    };
    let (name, at) = (case.name.value.to_string(), file.position(case.name.span));
    Ok(Ran { case: suite::Case { name, at, status, reached }, blessing })
}

/// What is not as a case expects.
fn unmet(
    file: &Loaded,
    case: &Case,
    reached: &mut Vec<Reached>,
    mut blessing: Option<&mut Blessing>,
) -> Result<Vec<Unmet>, Failure> {
    let (counts, mut out) = (Arc::new(RequestHistory::default()), Vec::new());
    let mut now = Duration::ZERO;
    for (number, step) in case.steps.iter().enumerate() {
        now = now.saturating_add(step.after);
        counts.set_now(now);
        if let Some(why) = file.why_not(&step.asked) {
            blessing.iter_mut().for_each(|blessing| blessing.refuse());
            if out.len() >= MAX_UNMET {
                out.push(Unmet { at: file.position(step.span), asked: None, what: What::More });
                return Ok(out);
            }
            let what = What::NotAsked(format!("{why}{HINT}"));
            out.push(Unmet { at: file.position(step.span), asked: None, what });
            continue;
        }
        let several = Several { steps: case.steps.len() > 1, number, step };
        let mut question = Question { file, step, now, counts: &counts, call: None };
        let (mut collected, mut asked) = (Collected::default(), 0);
        for single in questions(file, step) {
            asked += 1;
            let found = match question.ask(single, reached)? {
                Ok(found) => found,
                Err(why) => {
                    blessing.iter_mut().for_each(|blessing| blessing.refuse());
                    vec![Found { span: step.span, what: What::NotAsked(why), actual: None }]
                }
            };
            for found in found {
                collected.add(&found);
                let at = file.position(found.span);
                let (asked, what) = match out.len() {
                    ..MAX_UNMET => (several.words(single), found.what),
                    MAX_UNMET => (None, What::More),
                    _ => continue,
                };
                out.push(Unmet { at, asked, what });
            }
            if blessing.is_none() && out.len() > MAX_UNMET {
                return Ok(out);
            }
        }
        if let Some(blessing) = &mut blessing {
            blessing.take(file, step, (&collected, asked));
        }
    }
    Ok(out)
}

/// What a step asks once.
#[derive(Clone, Copy)]
struct Single<'s> {
    /// How often it was asked before.
    repeat: u32,
    ip: IpAddr,
    /// With its place among those of the step.
    request: Option<(usize, &'s Arc<Request>)>,
}

/// Every question of a step, in order.
fn questions<'s>(file: &'s Loaded, step: &'s CaseStep) -> impl Iterator<Item = Single<'s>> {
    let ips = step.asked.ips.as_deref().unwrap_or_default();
    let requests = step.asked.requests.as_deref();
    (0..step.repeat).flat_map(move |repeat| {
        ips.iter().flat_map(move |ip| {
            let one = move |request| Single { repeat, ip: *ip, request };
            let without = requests.is_none().then(|| one(None));
            let with = requests.unwrap_or_default().iter().enumerate();
            without.into_iter().chain(with.map(move |(at, of)| one(file.request(of).map(|it| (at, it)))))
        })
    })
}

/// A step of which it may have to be said what was asked.
struct Several<'s> {
    steps: bool,
    number: usize,
    step: &'s CaseStep,
}

impl Several<'_> {
    /// What was asked, where a case asks more than once.
    fn words(&self, Single { repeat, ip, request }: Single<'_>) -> Option<String> {
        let mut words = Vec::new();
        if self.steps {
            words.push(format!("step {}", self.number + 1));
        }
        if self.step.repeat > 1 {
            words.push(format!("time {} of {}", repeat + 1, self.step.repeat));
        }
        if self.step.asked.ips.as_ref().is_some_and(|ips| ips.len() > 1) {
            words.push(format!("from {ip}"));
        }
        if let Some((_, request)) = request
            && self.step.asked.requests.as_ref().is_some_and(|requests| requests.len() > 1)
        {
            words.push(format!("{} {}", printable(&request.method), shown_address(&request.url)));
        }
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// A step with what it is asked with.
struct Question<'q> {
    file: &'q Loaded,
    step: &'q CaseStep,
    /// How long after the begin of the case.
    now: Duration,
    counts: &'q Arc<RequestHistory>,
    /// The call for the last request, by its place.
    call: Option<(Option<usize>, Call)>,
}

/// A call of `policy eval`, for all addresses with a request.
struct Call {
    args: Eval,
    known: EvalInputs,
}

impl Question<'_> {
    /// What is not as expected; else why there is no answer.
    fn ask(
        &mut self,
        Single { ip, request, .. }: Single<'_>,
        reached: &mut Vec<Reached>,
    ) -> Result<Result<Vec<Found>, String>, Failure> {
        let (file, step) = (self.file, self.step);
        let not_asked = |failure: Failure| match failure {
            // A question without an answer fails the case; a fault of ours ends the run.
            Failure::Usage(why) => Ok(Err(format!("{why}{HINT}"))),
            Failure::Incomplete(why) => Ok(Err(why)),
            other => Err(other),
        };
        let Some(subject) = file.subject(&step.asked) else {
            return Err(Failure::Internal("a case without its policy".to_owned()));
        };
        let counts = Arc::clone(self.counts);
        let call = match self.call(subject, request) {
            Ok(call) => call,
            Err(failure) => return not_asked(failure),
        };
        let answer = subject.ask_openly(ip, &call.known, &call.args);
        let response = step.asked.response.as_ref().and_then(|response| file.response(response));
        let response = response.map(|response| &**response);
        counts.record(answer.as_ref().ok().and_then(|answer| succeeded(answer, response, &call.args)));
        match answer {
            Ok(answer) => {
                let runs = answer.effects.iter().filter_map(|performed| match performed {
                    Performed::Reached(reached) => Some(reached),
                    _ => None,
                });
                runs.for_each(|run| join(reached, run));
                let sent = request.map(|(_, request)| &**request);
                Ok(Ok(judge::unmet(&answer, &step.expect, sent, &call.args)))
            }
            Err(failure) => not_asked(failure),
        }
    }

    /// The call with a request.
    fn call(
        &mut self,
        subject: &EvalSubject,
        request: Option<(usize, &Arc<Request>)>,
    ) -> Result<&Call, Failure> {
        let (place, request) = request.unzip();
        let call = match self.call.take().filter(|(made_for, _)| *made_for == place) {
            Some((_, call)) => call,
            None => self.make_call(subject, request)?,
        };
        Ok(&self.call.insert((place, call)).1)
    }

    fn make_call(&self, subject: &EvalSubject, request: Option<&Arc<Request>>) -> Result<Call, Failure> {
        let (file, asked) = (self.file, &self.step.asked);
        let outcome = self.step.expect.outcome.as_ref().map(|outcome| &outcome.value);
        let mut args = file.call(asked, request.map(|request| &**request), outcome);
        args.now = asked.now.map(|now| now.after(self.now));
        let response = asked.response.as_ref().and_then(|response| file.response(response));
        let messages = (request.cloned(), response.cloned());
        let known = EvalInputs::of_case(&args, messages, file.keys(asked), file.files(), self.counts)?;
        // What is expected is compared: an answer says more than that no policy goes there.
        let expect = args.expect.take();
        subject.check_names(&args)?;
        args.expect = expect;
        Ok(Call { args, known })
    }
}

/// What circuit breakers learn of a request: nothing if it was not sent on, else whether the upstream answered without a
/// fault of its own.
fn succeeded(answer: &Answer, response: Option<&Response>, call: &Eval) -> Option<bool> {
    if answer.effects.iter().any(|effect| matches!(effect, Performed::Forward(_, Some(_)))) {
        return Some(false);
    }
    let said = call.target.iter().rev().find(|target| Some(&target.url) == answer.target.as_ref());
    let status = response.map(|response| response.status).or(match said.map(|target| target.state) {
        Some(TargetState::Respond(status)) => Some(status),
        _ => None,
    });
    answer.admitted.then(|| status.is_none_or(|status| status < 500))
}
