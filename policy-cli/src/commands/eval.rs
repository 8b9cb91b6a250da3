//! `policy eval`: a dry run is a host that answers from a script.

mod counts;
mod explained;
mod given;
mod known;
mod missing;
mod network;
mod request;
mod single;
mod sources;
mod world;

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use policy_core::compile::{CompileOptions, Program};
use policy_core::diagnostic::shown_address;
use policy_core::exchange::Ability;
use policy_core::facts::Fact;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::url::{EndpointUrl, Scheme};

use crate::answer::Answer;
use crate::cli::{Eval, Format, Target, TargetState};
use crate::exit::{Exit, Failure, after_output, note, say};
use crate::files::read;
use crate::hidden::Hidden;
use crate::ip_policies;
use crate::render;
pub(crate) use counts::RequestHistory;
pub(crate) use given::{load as request_file, numbered};
pub(crate) use known::{CaseFiles, EvalInputs};

pub(crate) use single::load;
pub(crate) use sources::Progress;

/// Who is asked.
pub(crate) enum EvalSubject {
    /// One policy, by itself.
    Policy(Box<single::Policy>),
    /// An endpoint of a configuration: the whole way through the policies of targets.
    Configured(Box<network::ConfiguredEndpoint>),
}

impl EvalSubject {
    fn ask(&self, ip: IpAddr, known: &EvalInputs, args: &Eval) -> Result<Answer, Failure> {
        let mut answer = self.ask_openly(ip, known, args)?;
        answer.hide(&Hidden::new(&args.secret));
        Ok(answer)
    }

    /// The answer with the secrets in it.
    pub(crate) fn ask_openly(&self, ip: IpAddr, known: &EvalInputs, args: &Eval) -> Result<Answer, Failure> {
        let provided = known.provided(ip)?;
        let answer = match self {
            Self::Policy(policy) => policy.ask(&provided, known, args),
            Self::Configured(endpoint) => endpoint.ask(&provided, known, args),
        };
        // What was answered then relies on what could not be read.
        if let Some(why) = provided.failure() {
            return Err(Failure::Usage(why.to_owned()));
        }
        answer
    }

    /// Its policies.
    pub(crate) fn programs(&self) -> Vec<&Program> {
        match self {
            Self::Policy(policy) => vec![&policy.program],
            Self::Configured(endpoint) => endpoint.programs().map(|program| &**program).collect(),
        }
    }

    /// A target or an expectation that no policy names is a typing error, not an answer; so is a status where no request
    /// goes.
    pub(crate) fn check_names(&self, args: &Eval) -> Result<(), Failure> {
        check_statuses(&args.target)?;
        match self {
            Self::Policy(policy) => policy.check_names(args),
            Self::Configured(endpoint) => endpoint.check_names(args),
        }
    }

    /// The facts that policies may read.
    fn needs(&self) -> Vec<Fact> {
        match self {
            Self::Policy(policy) => policy.program.needs().to_vec(),
            Self::Configured(endpoint) => endpoint.needs(),
        }
    }
}

pub(crate) fn run(args: &Eval) -> Result<Exit, Failure> {
    let stdin = Path::new("-");
    if args.policy == stdin && args.ips.as_deref() == Some(stdin) {
        return Err(Failure::Usage("standard input cannot be both the policy and the addresses".to_owned()));
    }
    let files = args.agent.iter().map(PathBuf::as_path).chain([&*args.policy]).chain(args.ips.as_deref());
    if files.filter(|path| *path == stdin).count() > 1 {
        return Err(Failure::Usage("standard input cannot be more than one of the files".to_owned()));
    }
    let subject = subject(args)?;
    let known = EvalInputs::from_args(args)?;
    let verdict = answer(&subject, &known, args);
    if verdict.is_ok() {
        known.say_unread(&subject.needs(), args);
    }
    verdict
}

/// Answers for the addresses of the call.
fn answer(subject: &EvalSubject, known: &EvalInputs, args: &Eval) -> Result<Exit, Failure> {
    if let Some(path) = &args.ips {
        if args.format == Some(Format::Text) {
            note("--ips prints one JSON object a line, whatever `--format` says");
        }
        return sources::evaluate(path, subject, known, args, &mut io::stdout().lock());
    }
    let Some(ip) = args.ip else {
        return Err(Failure::Usage("give an address with `--ip`".to_owned()));
    };
    let answer = subject.ask(ip, known, args)?;
    let mut shown = Vec::new();
    let format = args.format.unwrap_or(Format::Text);
    match format {
        Format::Text if args.explain => render::explain::decision(&mut shown, &answer)?,
        Format::Text => render::text::decision(&mut shown, &answer)?,
        Format::Json => render::json::decision_line(&mut shown, &answer, None)?,
    }
    let written = match format {
        Format::Text => anstream::stdout().write_all(&shown),
        // As it is: a terminal's stripping of control characters would change values.
        Format::Json => io::stdout().lock().write_all(&shown),
    };
    let written = written.and_then(|()| anstream::stdout().flush());
    let verdict = match answer.unmet(args) {
        Some(message) => {
            say(&message);
            Exit::Negative
        }
        None => Exit::Success,
    };
    after_output(written, verdict)
}

/// A policy, or the endpoint of a configuration.
pub(crate) fn subject(args: &Eval) -> Result<EvalSubject, Failure> {
    let subject = load_subject(args)?;
    subject.check_names(args)?;
    Ok(subject)
}

fn load_subject(args: &Eval) -> Result<EvalSubject, Failure> {
    let given = read(&args.policy)?;
    if let Some(endpoint) = network::load(&given, args)? {
        return Ok(EvalSubject::Configured(Box::new(endpoint)));
    }
    let url = args.endpoint.as_deref().map(endpoint_url).transpose()?;
    let mut options = CompileOptions::default();
    if args.has_request() {
        options.phases = PhaseSet::new(&Phase::ALL);
    }
    options.abilities = Ability::ALL.to_vec();
    options.ip_policies = args.ip_policies.as_deref().map(ip_policies::given).transpose()?;
    let program = load(&given, url.as_ref().map(EndpointUrl::scheme), &options)?;
    Ok(EvalSubject::Policy(Box::new(single::Policy { program, url })))
}

/// Only servers over HTTP answer with a status.
fn check_statuses(targets: &[Target]) -> Result<(), Failure> {
    let is_http = |target: &Target| matches!(target.url.scheme(), Scheme::Http | Scheme::Https);
    let answers = |target: &&Target| matches!(target.state, TargetState::Respond(_)) && !is_http(target);
    match targets.iter().find(answers) {
        Some(Target { url, .. }) => Err(Failure::Usage(format!(
            "--target: {url} takes connections and answers with no status; write `{url}=online`, or `offline`, \
             `refused` or `slow`"
        ))),
        None => Ok(()),
    }
}

/// The endpoint of a policy that stands by itself.
fn endpoint_url(text: &str) -> Result<EndpointUrl, Failure> {
    EndpointUrl::parse(text).map_err(|error| {
        let hint = "a name is one of an `edge.yml` or `ngrok.yml`; for a policy, give a URL such as \
                    `tcp://edge.example.com:20022`";
        Failure::Usage(format!(
            "--endpoint: `{}` is not an endpoint URL: {error}; {hint}",
            shown_address(text)
        ))
    })
}
