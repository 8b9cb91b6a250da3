//! `policy reach`: which sources reach which target, proved.

use std::io::{self, Write};
use std::path::Path;

use policy_core::analyse::{Destination, Disagreement, Judged, Reached, reach};
use policy_core::compile::{CompileOptions, Program};
use policy_core::diagnostic::printable;
use policy_core::exchange::Ability;
use policy_core::lpm::RangeSet;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::url::EndpointUrl;

use super::eval::load;
use crate::cli::{Reach, ReachFormat};
use crate::exit::{Exit, Failure, after_output};
use crate::files::{Given, read};
use crate::ip_policies;
use crate::render::reach::{self as shown, Reaches};

/// Runs `policy reach`.
pub(crate) fn run(args: &Reach) -> Result<Exit, Failure> {
    let program = judged(&read(&args.policy)?, args.ip_policies.as_deref())?;
    args.to.iter().try_for_each(|url| check_target(&program, url))?;
    let from = RangeSet::from_networks(args.from.iter().map(|parsed| parsed.network));
    let from = (!args.from.is_empty()).then_some(&from);
    let asked = Judged { program: &program, has_upstream: args.has_upstream };
    let mut reached = reach(asked, from).map_err(|error| disagree(&error))?;
    reached.retain(|it| args.to.is_empty() || args.to.iter().any(|url| is_about(&program, it, url)));
    let reaches = Reaches { program: &program, reached: &reached, has_upstream: args.has_upstream };
    let mut out = Vec::new();
    match args.format {
        ReachFormat::Text => shown::text(&mut out, &reaches)?,
        ReachFormat::Json => shown::json(&mut out, &reaches)?,
        ReachFormat::Markdown => shown::markdown(&mut out, &reaches)?,
    }
    let mut stdout = io::stdout();
    after_output(stdout.write_all(&out).and_then(|()| stdout.flush()), Exit::Success)
}

/// A policy to prove something about.
pub(super) fn judged(given: &Given, lists: Option<&Path>) -> Result<Program, Failure> {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    // A proof asks no host for anything.
    options.abilities = Ability::ALL.to_vec();
    options.ip_policies = lists.map(ip_policies::given).transpose()?;
    let program = load(given, None, &options)?;
    check_phases(&program)?;
    Ok(program)
}

/// The proof disagrees with the engine.
pub(super) fn disagree(error: &Disagreement) -> Failure {
    Failure::Internal(format!("{}: {error}: please report this policy", printable(&error.policy)))
}

/// A policy that decides about requests too may reach more than its rules for connections say.
fn check_phases(program: &Program) -> Result<(), Failure> {
    let requests = [Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage];
    match requests.into_iter().find(|phase| program.has_rules(*phase)) {
        Some(phase) => Err(Failure::Usage(format!(
            "`{}` has rules in `{phase}`: reach is proved for the rules of `on_tcp_connect`; ask about one request with \
             `policy eval --url`",
            printable(program.file())
        ))),
        None => Ok(()),
    }
}

/// A target that the policy never names is a typing error, not an answer.
fn check_target(program: &Program, url: &EndpointUrl) -> Result<(), Failure> {
    if program.may_forward_to(url) {
        return Ok(());
    }
    let targets: Vec<_> =
        program.literal_targets().map(ToString::to_string).chain(program.target_patterns()).collect();
    let known = match targets.is_empty() {
        true => "it forwards nowhere".to_owned(),
        false => format!("its targets: `{}`", targets.join("`, `")),
    };
    Err(Failure::Usage(format!("--to: the policy never forwards to `{url}`; {known}")))
}

/// True for the target itself, and for what `${…}` gives where that may be the target.
fn is_about(program: &Program, reached: &Reached, url: &EndpointUrl) -> bool {
    match &reached.destination {
        Destination::Target(target) => target == url,
        Destination::Pattern(_) => !program.literal_targets().any(|target| target == url),
        Destination::Upstream => false,
    }
}
