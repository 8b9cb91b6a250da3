//! `policy eval`: a dry run is a host that answers from a script.

mod sources;

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use policy_core::cel::{Fault, Timestamp};
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::diagnostic::printable;
use policy_core::evaluate::{Evaluation, Record, Recording, Trace};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{Facts, GivenFacts};
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
    pub(crate) run: Evaluation<'p, Recording>,
    pub(crate) outcome: Outcome,
}

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
        return sources::evaluate(path, &program, &known, args, &mut io::stdout().lock());
    }
    let Some(ip) = args.ip else {
        return Err(Failure::Usage("give an address with `--ip`".to_owned()));
    };
    let facts = known.facts(ip);
    let decided = decide(&program, &facts, &args.target)?;
    let mut out = anstream::stdout();
    let written = match args.format {
        Format::Text if args.explain => render::explain::decision(&mut out, &decided, &args.target),
        Format::Text => render::text::decision(&mut out, &decided, &args.target),
        // As it is: a terminal's stripping of control characters would change values.
        Format::Json => render::json::decision(&mut io::stdout().lock(), &decided, &args.target, None),
    };
    let verdict = match &args.expect {
        Some(expected) if !meets(&decided, expected) => Exit::No,
        _ => Exit::Yes,
    };
    let written = written.and_then(|()| out.flush());
    if let (Exit::No, Some(expected)) = (verdict, &args.expect) {
        let found = render::text::outcome(&decided);
        say(&format!("expected {}, got {found}", render::text::expectation(expected)));
    }
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
            Some(DocumentKind::Edge) => Some("an edge configuration"),
            Some(DocumentKind::Agent) => Some("an agent configuration"),
            _ => None,
        };
        if let Some(what) = what {
            return Failure::Usage(format!(
                "`{}` is {what}; give one of the policies it names",
                source.name()
            ));
        }
        let mut err = anstream::stderr().lock();
        // The findings go to standard error; if that fails too, the exit code still tells.
        let (source, found) = given.shown(found);
        let _ = findings_of(&mut err, &source, &found);
        Failure::Usage(format!("`{}` is not a usable policy", source.name()))
    })
}

/// A target or an expectation that the policy never names is a typing error, not an answer.
fn check_names(args: &Eval, program: &Program) -> Result<(), Failure> {
    let expected = args.expect.iter().filter_map(|expected| match expected {
        Expectation::Forward(url) => Some(("--expect", url)),
        Expectation::Allow | Expectation::Deny | Expectation::Close => None,
    });
    let named = args.target.iter().map(|target| ("--target", &target.url)).chain(expected);
    // What `${…}` gives is known when it is rendered: any internal endpoint.
    let rendered = program.has_rendered_targets();
    let may_be = |url: &EndpointUrl| url.is_internal() && !url.is_wildcard() && url.port().is_some();
    for (flag, url) in named {
        if program.literal_targets().any(|target| target == url) || rendered && may_be(url) {
            continue;
        }
        let mut targets: Vec<_> = program.literal_targets().map(|target| format!("`{target}`")).collect();
        if rendered {
            targets.push("what `${…}` gives, an internal endpoint with a port".to_owned());
        }
        let known = match targets.is_empty() {
            true => "it forwards nowhere".to_owned(),
            false => format!("its targets: {}", targets.join(", ")),
        };
        return Err(Failure::Usage(format!("{flag}: the policy never forwards to `{url}`; {known}")));
    }
    Ok(())
}

/// What the call says of the connection beside its address.
pub(crate) struct Known {
    given: GivenFacts,
    endpoint: Option<String>,
    now: Option<Timestamp>,
    seed: Option<u64>,
}

impl Known {
    fn of(args: &Eval) -> Result<Self, Failure> {
        let mut given = GivenFacts::default();
        for (path, value) in &args.set {
            given.set(path, value).map_err(|error| Failure::Usage(format!("--set: {error}")))?;
        }
        let endpoint = args.endpoint.as_ref().map(ToString::to_string);
        Ok(Self { given, endpoint, now: args.now, seed: args.seed })
    }

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
fn decide<'p>(
    program: &'p Program,
    facts: &'p Facts<'p>,
    targets: &[Target],
) -> Result<Decided<'p>, Failure> {
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
    if let Some((condition, error)) = run.failed_condition()
        && let Some(flag) = missing(&error.fault)
    {
        let place = format!("{}:{}", program.file(), condition.position());
        let text = printable(condition.expression().text());
        return Err(Failure::Usage(format!("{place}: `{text}` reads what was not given: add `{flag}`")));
    }
    if let Some((expression, error)) = run.failed_value()
        && let Some(flag) = missing(&error.fault)
    {
        let place = outcome.by().and_then(|by| program.action(by)).map(|action| action.position());
        let place = place.map_or_else(String::new, |place| format!(":{place}"));
        let text = expression.map(|expression| printable(expression.text())).unwrap_or_default();
        let file = program.file();
        return Err(Failure::Usage(format!(
            "{file}{place}: `{text}` reads what was not given: add `{flag}`"
        )));
    }
    Ok(Decided { run, outcome })
}

/// The flag that gives what a condition reads and nobody gave.
fn missing(fault: &Fault) -> Option<String> {
    match fault {
        Fault::NoSource(fact) => Some(match fact.path() {
            "time.now" => "--now 2026-01-31T12:00:00Z".to_owned(),
            path if path.starts_with("endpoint.") && path != "endpoint.id" => {
                "--endpoint tcp://edge.example.com:20022".to_owned()
            }
            path => format!("--set {path}=…"),
        }),
        Fault::NoRandomness => Some("--seed 1".to_owned()),
        _ => None,
    }
}

fn answer<T: Trace>(effect: Effect, run: &Evaluation<'_, T>, targets: &[Target]) -> Reply {
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

fn meets(decided: &Decided<'_>, expected: &Expectation) -> bool {
    match expected {
        Expectation::Allow => decided.outcome.is_admitted(),
        Expectation::Deny => matches!(decided.outcome, Outcome::Denied { .. } | Outcome::Closed { .. }),
        Expectation::Close => matches!(decided.outcome, Outcome::Closed { .. }),
        Expectation::Forward(url) => decided.target() == Some(url),
    }
}

impl<'p> Decided<'p> {
    pub(crate) fn program(&self) -> &'p Program {
        self.run.program()
    }

    /// The endpoint that took the connection.
    pub(crate) fn target(&self) -> Option<&EndpointUrl> {
        let Outcome::Forwarded { target, .. } = self.outcome else { return None };
        self.run.target(target)
    }

    /// The targets that were asked for and count as online because nobody said otherwise.
    pub(crate) fn assumed_online(&self, targets: &[Target]) -> impl Iterator<Item = &EndpointUrl> {
        let asked = self.run.trace().records.iter().filter_map(|record| match record {
            Record::Effect { effect: Effect::Forward(id), .. } => self.run.target(*id),
            _ => None,
        });
        asked.filter(|url| !targets.iter().any(|target| target.url == **url))
    }
}
