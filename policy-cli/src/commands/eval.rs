//! `policy eval`: a dry run is a host that answers from a script.

mod missing;
mod sources;

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use policy_core::cel::Timestamp;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::evaluate::{AsWritten, Evaluation, Mode, Record, Recording};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{Facts, GivenFacts};
use policy_core::ip_policies::ListedAt;
use policy_core::lint::{DocumentKind, lint};
use policy_core::outcome::Outcome;
use policy_core::url::{EndpointUrl, Scheme};

use crate::cli::{Eval, Expectation, Format, Target};
use crate::exit::{Exit, Failure, after_output, say};
use crate::files::read;
use crate::ip_policies;
use crate::render;
use crate::render::text::findings_of;

/// One evaluated address.
#[derive(Debug)]
pub(crate) struct Decided<'p> {
    pub(crate) run: Evaluation<'p, AsWritten<Recording>>,
    pub(crate) outcome: Outcome,
    /// What the call says of targets.
    targets: &'p [Target],
    /// True if the endpoint has an upstream of its own.
    pub(crate) has_upstream: bool,
    /// Where the entry stands that decided, if an IP policy has it.
    pub(crate) listed_at: Option<ListedAt>,
}

/// Runs `policy eval`.
pub(crate) fn run(args: &Eval) -> Result<Exit, Failure> {
    let stdin = Path::new("-");
    if args.policy == stdin && args.ips.as_deref() == Some(stdin) {
        return Err(Failure::Usage("standard input cannot be both the policy and the addresses".to_owned()));
    }
    let scheme = args.endpoint.as_ref().map(EndpointUrl::scheme);
    let mut options = CompileOptions::default();
    options.ip_policies = args.ip_policies.as_deref().map(ip_policies::given).transpose()?;
    let program = load(&args.policy, scheme, &options)?;
    check_names(args, &program)?;
    let known = Known::of(args)?;
    if let Some(path) = &args.ips {
        if args.format == Some(Format::Text) {
            let message = "--ips prints one JSON object a line; leave out `--format text`";
            return Err(Failure::Usage(message.to_owned()));
        }
        return sources::evaluate(path, &program, &known, args, &mut io::stdout().lock());
    }
    let Some(ip) = args.ip else {
        return Err(Failure::Usage("give an address with `--ip`".to_owned()));
    };
    let facts = known.facts(ip);
    let mut decided = decide(&program, &facts, args)?;
    decided.listed_at = args.ip_policies.as_deref().and_then(|path| decided.find_listed(path));
    let mut out = anstream::stdout();
    let written = match args.format.unwrap_or(Format::Text) {
        Format::Text if args.explain => render::explain::decision(&mut out, &decided),
        Format::Text => render::text::decision(&mut out, &decided),
        // As it is: a terminal's stripping of control characters would change values.
        Format::Json => render::json::decision(&mut io::stdout().lock(), &decided, None),
    };
    let written = written.and_then(|()| out.flush());
    let verdict = match unmet(&decided, args) {
        Some(message) => {
            say(&message);
            Exit::No
        }
        None => Exit::Yes,
    };
    after_output(written, verdict)
}

/// Reads and compiles the policy. Invalid content means that the question could not be asked.
pub(crate) fn load(
    path: &Path,
    scheme: Option<Scheme>,
    options: &CompileOptions,
) -> Result<Program, Failure> {
    let given = read(path)?;
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
    let program =
        policy.and_then(|policy| compile(&policy, options).map_err(|later| found.append(later)).ok());
    program.ok_or_else(|| {
        let what = match lint(source, None, &CheckOptions::default()).kind {
            Some(DocumentKind::Edge) => Some("is an edge configuration; give one of the policies it names"),
            Some(DocumentKind::Agent) => Some("is an agent configuration; give one of the policies it names"),
            Some(DocumentKind::Embedding) => {
                Some("holds policies that are not at its top; `policy lint` says how to take them out")
            }
            _ => None,
        };
        if let Some(what) = what {
            return Failure::Usage(format!("`{}` {what}", source.name()));
        }
        let mut err = anstream::stderr().lock();
        // The findings go to standard error; if that fails too, the exit code still tells.
        let (source, found) = given.shown(found);
        let _ = findings_of(&mut err, &source, &found);
        Failure::Usage(format!("`{}` is not a usable policy", source.name()))
    })
}

/// A target or an expectation that the policy never names is a typing error, not an answer. What `${…}` gives is known
/// when it is rendered: only what no text of the policy can give is an error.
fn check_names(args: &Eval, program: &Program) -> Result<(), Failure> {
    let expected = args.expect.iter().filter_map(|expected| match expected {
        Expectation::Forward(url) => Some(("--expect", url)),
        Expectation::Allow | Expectation::Deny | Expectation::Close | Expectation::Error => None,
    });
    let mut named = args.target.iter().map(|target| ("--target", &target.url)).chain(expected);
    let Some((flag, url)) = named.find(|(_, url)| !program.may_forward_to(url)) else {
        return Ok(());
    };
    let literal = program.literal_targets().map(ToString::to_string);
    let targets: Vec<_> = literal.chain(program.target_patterns()).collect();
    let known = match targets.is_empty() {
        true => "it forwards nowhere".to_owned(),
        false => format!("its targets: `{}`", targets.join("`, `")),
    };
    Err(Failure::Usage(format!("{flag}: the policy never forwards to `{url}`; {known}")))
}

/// What the call says of the connection beside its address.
pub(crate) struct Known {
    given: GivenFacts,
    endpoint: Option<EndpointUrl>,
    now: Option<Timestamp>,
    seed: Option<u64>,
}

impl Known {
    fn of(args: &Eval) -> Result<Self, Failure> {
        let mut given = GivenFacts::default();
        for (path, value) in &args.set {
            given.set(path, value).map_err(|error| Failure::Usage(format!("--set: {error}")))?;
        }
        let endpoint = args.endpoint.clone();
        Ok(Self { given, endpoint, now: args.now, seed: args.seed })
    }

    /// The facts of a connection from an address.
    pub(crate) fn facts(&self, ip: IpAddr) -> Facts<'_> {
        let mut facts = Facts::new(ip).with(&self.given);
        if let Some(endpoint) = &self.endpoint {
            facts = facts.at_endpoint(endpoint);
        }
        if let Some(now) = self.now {
            facts = facts.at_time(now);
        }
        if let Some(seed) = self.seed {
            facts = facts.seeded(seed);
        }
        facts
    }
}

/// Evaluates one address. Targets that are not named count as online; the last word on a target counts. A
/// fact that nobody gave makes the call incomplete.
fn decide<'p>(program: &'p Program, facts: &'p Facts<'p>, args: &'p Eval) -> Result<Decided<'p>, Failure> {
    let targets = &*args.target;
    // The code that an edge runs decides; the code as written says why.
    let decided = program.on_tcp_connect(facts).run(|effect, run| answer(effect, run, targets));
    let mut run = program.on_tcp_connect_traced(facts, Recording::default());
    let outcome = run.run(|effect, run| answer(effect, run, targets));
    if decided != outcome {
        let (decided, written) = (decided.name(), outcome.name());
        return Err(Failure::Internal(format!(
            "compiled code gives {decided}, the policy as written {written}: please report this policy"
        )));
    }
    if let Some(message) = missing::message(&run) {
        return Err(Failure::Usage(message));
    }
    Ok(Decided { run, outcome, targets, has_upstream: args.has_upstream, listed_at: None })
}

fn answer<M: Mode>(effect: Effect, run: &Evaluation<'_, M>, targets: &[Target]) -> Reply {
    match effect {
        Effect::Forward(id) if run.target(id).is_none_or(|url| is_online(url, targets)) => Reply::Forwarded,
        Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
        // A dry run records the metadata through its trace.
        _ => Reply::Logged,
    }
}

fn is_online(url: &EndpointUrl, targets: &[Target]) -> bool {
    targets.iter().rev().find(|target| target.url == *url).is_none_or(|target| target.online)
}

/// What to say if a decision is not what was expected.
fn unmet(decided: &Decided<'_>, args: &Eval) -> Option<String> {
    let expected = args.expect.as_ref().filter(|expected| !meets(decided, expected))?;
    let hint = match (expected, decided.outcome) {
        (Expectation::Allow, Outcome::Upstream) => {
            "; add `--has-upstream` if the endpoint has one of its own"
        }
        _ => "",
    };
    let found = render::text::outcome(decided);
    Some(format!("expected {}, got {found}{hint}", render::text::expectation(expected)))
}

fn meets(decided: &Decided<'_>, expected: &Expectation) -> bool {
    match (expected, decided.outcome) {
        (Expectation::Allow, Outcome::Upstream) => decided.has_upstream,
        (Expectation::Allow, outcome) => outcome.is_admitted(),
        (Expectation::Deny, outcome) => matches!(outcome, Outcome::Denied { .. } | Outcome::Closed { .. }),
        (Expectation::Close, outcome) => matches!(outcome, Outcome::Closed { .. }),
        (Expectation::Error, outcome) => matches!(outcome, Outcome::Failed { .. }),
        (Expectation::Forward(url), _) => decided.target() == Some(url),
    }
}

impl<'p> Decided<'p> {
    /// The program that decided.
    pub(crate) fn program(&self) -> &'p Program {
        self.run.program()
    }

    /// The endpoint that took the connection.
    pub(crate) fn target(&self) -> Option<&EndpointUrl> {
        let Outcome::Forwarded { target, .. } = self.outcome else { return None };
        self.run.target(target)
    }

    /// Where the entry that decided stands in the IP policies of a file, or in a list that they name.
    fn find_listed(&self, path: &Path) -> Option<ListedAt> {
        let entry = self.run.reason().entry()?;
        let id = self.program().ip_policy(entry.ip_policy?)?;
        ip_policies::listed_at(path, id, entry, matches!(self.outcome, Outcome::Forwarded { .. }))
    }

    /// The targets that were asked for and count as online because nobody said otherwise.
    pub(crate) fn assumed_online(&self) -> impl Iterator<Item = &EndpointUrl> {
        let asked = self.run.trace().records.iter().filter_map(|record| match record {
            Record::Effect { effect: Effect::Forward(id), .. } => self.run.target(*id),
            _ => None,
        });
        asked.filter(|url| !self.targets.iter().any(|target| target.url == **url))
    }
}
