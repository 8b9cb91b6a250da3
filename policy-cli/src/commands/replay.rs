//! `policy replay`: recorded connections are decided again, and what changes is counted.

mod blocks;
mod compare;
mod report;
mod shard;
mod subject;
mod tally;
mod undecided;

use std::io::{self, Write};
use std::path::Path;

use policy_core::facts::GivenFacts;

use crate::cli::{FailOn, Format, Replay};
use crate::exit::{Exit, Failure, after_output};
use compare::Change;
use shard::ReplayInputs;
use subject::Subject;
use tally::Tally;

pub(crate) fn run(args: &Replay) -> Result<Exit, Failure> {
    let stdin = Path::new("-");
    let inputs = [Some(&args.policy), Some(&args.log), args.against.as_ref()];
    if inputs.into_iter().flatten().filter(|path| *path == stdin).count() > 1 {
        return Err(Failure::Usage("standard input can be one file only".to_owned()));
    }
    let mut given = GivenFacts::default();
    for (path, value) in &args.set {
        given.set(path, value).map_err(|error| Failure::Usage(format!("--set: {error}")))?;
    }
    let new = Subject::load(&args.policy, args)?;
    let old = args.against.as_deref().map(|path| Subject::load(path, args)).transpose()?;
    if let Some(name) = &args.endpoint {
        new.check_endpoint(name)?;
    }
    let asked =
        ReplayInputs { new: &new, old: old.as_ref(), given: &given, endpoint: args.endpoint.as_deref() };
    let (tally, read) = blocks::replay(&args.log, &asked)?;
    let mut shown = Vec::new();
    match args.format {
        Format::Text => report::text(&mut shown, &tally)?,
        Format::Json => report::json(&mut shown, &tally)?,
    }
    let written = match args.format {
        Format::Text => anstream::stdout().write_all(&shown),
        Format::Json => io::stdout().lock().write_all(&shown),
    };
    read?;
    if tally.decided == 0 {
        // A gate over nothing would always be passed.
        return Err(Failure::Usage("no event of the log could be decided and compared".to_owned()));
    }
    after_output(written, verdict(args, &tally))
}

fn verdict(args: &Replay, tally: &Tally) -> Exit {
    let has = |change| tally.count_of(change) > 0;
    let is_met = |fail_on: &FailOn| match fail_on {
        FailOn::NewlyDenied => has(Change::NewlyDenied),
        FailOn::NewlyAllowed => has(Change::NewlyAllowed),
        FailOn::Any => compare::CHANGES.into_iter().any(has),
        FailOn::Undecided => tally.undecided.total() + tally.unreadable.total() > 0,
    };
    if args.fail_on.iter().any(is_met) { Exit::Negative } else { Exit::Success }
}
