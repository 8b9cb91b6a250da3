//! `policy compile`: the program of a policy as a listing.

use std::io::Write;

use policy_core::compile::CompileOptions;
use policy_core::exchange::Ability;
use policy_core::phase::{Phase, PhaseSet};

use super::eval::load;
use crate::cli::Compile;
use crate::exit::{Exit, Failure, after_output};
use crate::files::read;
use crate::ip_policies;

/// Runs `policy compile`.
pub(crate) fn run(args: &Compile) -> Result<Exit, Failure> {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    // A listing asks no host for anything.
    options.abilities = Ability::ALL.to_vec();
    options.ip_policies = args.ip_policies.as_deref().map(ip_policies::given).transpose()?;
    let program = load(&read(&args.policy)?, None, &options)?;
    let mut out = anstream::stdout();
    let written = write!(out, "{}", program.listing()).and_then(|()| out.flush());
    after_output(written, Exit::Success)
}
