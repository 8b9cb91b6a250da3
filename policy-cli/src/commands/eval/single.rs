//! One policy by itself: targets count as online, and their own policies are not asked.

use std::path::Path;

use policy_core::check::{CheckOptions, CheckedPolicy, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::evaluate::{Record, Recording, RunState};
use policy_core::exchange::Effect;
use policy_core::ip_policies::ListedAt;
use policy_core::lint::{DocumentKind, kind_of};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::scenarios::ExpectedOutcome;
use policy_core::url::{EndpointUrl, Scheme};

use super::explained;
use super::known::{EvalInputs, Provided};
use super::missing;
use super::world::World;
use crate::answer::{Answer, Run, digests, performed, place, words};
use crate::cli::{Eval, Target};
use crate::exit::Failure;
use crate::files::Given;
use crate::ip_policies;
use crate::render;
use crate::render::text::say_findings;

/// What says what becomes of a target.
const TARGET_FLAG: &str = "--target";

/// A policy, and the endpoint that it is for.
pub(crate) struct Policy {
    pub(super) program: Program,
    pub(super) url: Option<EndpointUrl>,
}

/// Reads and compiles the policy. Invalid content means that the question could not be asked.
pub(crate) fn load(
    given: &Given,
    scheme: Option<Scheme>,
    options: &CompileOptions,
) -> Result<Program, Failure> {
    let (source, mut found) = (&given.source, given.found.clone());
    let mut policy = None;
    if !found.has_errors() {
        let mut check = CheckOptions::default();
        check.endpoint.scheme = scheme;
        check.ip_policies.clone_from(&options.ip_policies);
        let (checked, later) = load_policy(source, &check);
        policy = checked;
        found.append(later);
    }
    let requests = [Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage];
    let has_requests = |policy: &CheckedPolicy| {
        policy.policy().phases.iter().any(|rules| requests.contains(&rules.phase) && !rules.rules.is_empty())
    };
    if !options.phases.contains(Phase::OnHttpRequest) && policy.as_ref().is_some_and(has_requests) {
        let message = format!(
            "`{}` has rules for requests: give one with `--url`, e.g. `--url https://app.example.com/`",
            source.name()
        );
        return Err(Failure::Usage(message));
    }
    let program =
        policy.and_then(|policy| compile(&policy, options).map_err(|later| found.append(later)).ok());
    program.ok_or_else(|| {
        let what = match kind_of(source, &CheckOptions::default()) {
            Some(DocumentKind::Edge) => Some("is an edge configuration: give one of the policies it names (`policy eval` takes all of it, with `--endpoint`)"),
            Some(DocumentKind::Agent) => Some("is an agent configuration: give one of the policies it names (`policy eval` takes all of it, with `--endpoint`)"),
            Some(DocumentKind::Embedding) => {
                Some("holds policies that are not at its top; `policy lint` says how to take them out")
            }
            _ => None,
        };
        if let Some(what) = what {
            return Failure::Usage(format!("`{}` {what}", source.name()));
        }
        say_findings(&[given.shown(found)]);
        Failure::Usage(format!("`{}` is not a usable policy", source.name()))
    })
}

impl Policy {
    /// A target or an expectation that the policy never names is a typing error, not an answer. What `${…}` gives is known
    /// when it is rendered: only what no text of the policy can give is an error.
    pub(super) fn check_names(&self, args: &Eval) -> Result<(), Failure> {
        let expected = args.expect.as_ref().and_then(ExpectedOutcome::target).map(|url| ("--expect", url));
        let mut named = args.target.iter().map(|target| (TARGET_FLAG, &target.url)).chain(expected);
        let Some((flag, url)) = named.find(|(flag, url)| {
            let may_be_asked = *flag == TARGET_FLAG
                && self.program.sends_requests()
                && matches!(url.scheme(), Scheme::Http | Scheme::Https);
            !may_be_asked && !self.program.may_forward_to(url)
        }) else {
            return Ok(());
        };
        let literal = self.program.literal_targets().map(ToString::to_string);
        let targets: Vec<_> = literal.chain(self.program.target_patterns()).collect();
        let known = match targets.is_empty() {
            true => "it forwards nowhere".to_owned(),
            false => format!("its targets: `{}`", targets.join("`, `")),
        };
        Err(Failure::Usage(format!("{flag}: the policy never forwards to `{url}`; {known}")))
    }

    /// Evaluates one address. A fact that nobody gave makes the call incomplete.
    pub(super) fn ask(
        &self,
        provided: &Provided<'_>,
        known: &EvalInputs,
        args: &Eval,
    ) -> Result<Answer, Failure> {
        let (program, world) = (&self.program, World::new(known, args));
        let facts = known.facts(provided, self.url.as_ref());
        // The code that an edge runs decides; the code as written says why.
        let mut compiled = program.on_tcp_connect(&facts);
        let decided = compiled.run(|effect, run| world.reply(effect, run));
        let state = if compiled.is_out_of_steps() { RunState::default() } else { explained::first_state() };
        let mut run = program.run_traced_from(Phase::OnTcpConnect, &facts, state, Recording::default());
        let outcome = run.run(|effect, run| world.reply(effect, run));
        explained::agree((&compiled, decided), (&run, outcome), true)?;
        if let Some(message) = world.missing([program]).or_else(|| missing::message(&run)) {
            return Err(Failure::Usage(message));
        }
        if let (Outcome::Upstream, Some(request)) = (outcome, &known.request) {
            let request = request.facts().map_err(|error| Failure::Usage(format!("--url: {error}")))?;
            return self.ask_request(&facts, (compiled.into_state(), run), (known, args, &world), &request);
        }
        let listed_at = args.ip_policies.as_deref().and_then(|path| find_listed(&run, outcome, path));
        let steps = if args.explain {
            render::explain::steps(&run, outcome, (Phase::OnTcpConnect, None), &args.secret)?
        } else {
            Vec::new()
        };
        Ok(self.answer(&run, outcome, args, (listed_at, steps)))
    }

    pub(super) fn answer(
        &self,
        run: &Run<'_>,
        outcome: Outcome,
        args: &Eval,
        (listed_at, steps): (Option<ListedAt>, Vec<u8>),
    ) -> Answer {
        let program = &self.program;
        let target = match outcome {
            Outcome::Forwarded { target, .. } => run.target(target).cloned(),
            _ => None,
        };
        let action = outcome.by().and_then(|by| program.action(by));
        let condition = run.failed_condition().map(|(condition, _)| condition);
        let rule = action.and_then(|it| it.rule()).or(condition.and_then(|it| it.rule()));
        let position = action.map(|it| it.position()).or(condition.map(|it| it.position()));
        // Who says what the upstream answers says that there is one.
        let has_upstream = args.has_upstream || args.response.is_some();
        let falls_through = outcome == Outcome::Upstream && !has_upstream;
        let in_words = match falls_through {
            true => {
                "no decision: an endpoint without an upstream of its own closes the connection".to_owned()
            }
            false => words(outcome.kind(), target.as_ref(), None),
        };
        Answer {
            decision: outcome.kind(),
            outcome: in_words,
            admitted: outcome.is_admitted() && !falls_through,
            place: place(run, outcome),
            rule: rule.and_then(|rule| rule.name()).map(str::to_owned),
            at: position.map(|position| (program.file().to_owned(), position)),
            target_not_asked: target.is_some(),
            falls_through,
            target,
            reason: run.reason().to_string(),
            list_of: run.reason().list_of(),
            listed_at,
            digests: Some(digests(program)),
            effects: performed(run),
            assumed_online: assumed_online(run, &args.target),
            assumed: Vec::new(),
            assumed_unserved: Vec::new(),
            pools: Vec::new(),
            draws: Vec::new(),
            all_drawn: true,
            way: None,
            ended_by_event: None,
            request: None,
            steps,
        }
    }
}

/// Where the entry that decided stands in the IP policies of a file, or in a list that they name.
fn find_listed(run: &Run<'_>, outcome: Outcome, path: &Path) -> Option<ListedAt> {
    let entry = run.reason().entry()?;
    let id = run.program().ip_policy(entry.ip_policy?)?;
    ip_policies::listed_at(path, id, entry, matches!(outcome, Outcome::Forwarded { .. }))
}

/// The targets that were asked for and count as online because nobody said otherwise.
fn assumed_online(run: &Run<'_>, targets: &[Target]) -> Vec<EndpointUrl> {
    let asked = run.trace().records.iter().filter_map(|record| match record {
        Record::Effect { effect: Effect::Forward(id), .. } => run.target(*id),
        _ => None,
    });
    asked.filter(|url| Target::state_of(url, targets).is_none()).cloned().collect()
}
