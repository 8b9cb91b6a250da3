//! The commands for resources of the admin API: a file and its line each.

mod api_key;
mod authtoken;
mod endpoint;
mod service_user;
mod session;

use std::fmt;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

use super::client::{Api, Failure, Reach, exit};
use crate::cmd::exit::Exit;

/// All of them, in the order of the help.
const ALL: &[Entry] = &[
    Entry::new::<service_user::ServiceUser>(),
    Entry::new::<authtoken::Authtoken>(),
    Entry::new::<api_key::ApiKey>(),
    Entry::new::<session::Session>(),
    Entry::new::<endpoint::Endpoint>(),
];

/// What can be asked about a resource, as the command line gives it.
trait Resource: Args + fmt::Debug {
    /// The name of the command.
    const NAME: &'static str;

    /// Which edge is asked.
    fn reach(&self) -> &Reach;

    /// Asks, and shows the answer.
    fn run(&self, api: &Api) -> Result<(), Failure>;
}

/// The same whatever the resource is.
trait Runs: fmt::Debug {
    fn run(&self) -> Exit;
}

impl<R: Resource> Runs for R {
    fn run(&self) -> Exit {
        exit(Api::open(self.reach()).and_then(|api| Resource::run(self, &api)))
    }
}

/// A resource before its command line is read.
struct Entry {
    name: &'static str,
    arguments: fn(Command) -> Command,
    read: fn(&ArgMatches) -> Result<ResourceCommand, Error>,
}

impl Entry {
    const fn new<R: Resource + 'static>() -> Self {
        Self {
            name: R::NAME,
            arguments: R::augment_args,
            read: |matches| Ok(ResourceCommand(Box::new(R::from_arg_matches(matches)?))),
        }
    }
}

/// A command for a resource.
#[derive(Debug)]
pub(crate) struct ResourceCommand(Box<dyn Runs>);

impl ResourceCommand {
    /// Runs the command to its end.
    pub(super) fn run(&self) -> Exit {
        self.0.run()
    }
}

impl Subcommand for ResourceCommand {
    fn augment_subcommands(command: Command) -> Command {
        let add =
            |command: Command, entry: &Entry| command.subcommand((entry.arguments)(Command::new(entry.name)));
        ALL.iter().fold(command, add)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        ALL.iter().any(|entry| entry.name == name)
    }
}

impl FromArgMatches for ResourceCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let asked = matches.subcommand();
        let entry =
            asked.and_then(|(name, given)| Some((ALL.iter().find(|entry| entry.name == name)?, given)));
        let (entry, given) = entry.ok_or_else(|| Error::new(ErrorKind::MissingSubcommand))?;
        (entry.read)(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
