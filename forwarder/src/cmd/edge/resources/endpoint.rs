//! `forwarder endpoint`.

use clap::{Args, Subcommand};

use super::Resource;
use crate::cmd::edge::client::{Api, Failure, Kind, Listed, Reach};

const KIND: Kind = Kind {
    one: "endpoint",
    collection: "endpoints",
    list_key: "endpoints",
    prefix: "ep_",
    fields: &[],
    list: "forwarder endpoint list",
    columns: &[
        ("ID", "/id"),
        ("URL", "/url"),
        ("OWNER", "/principal_name"),
        ("DESCRIPTION", "/description"),
        ("SESSION", "/tunnel_session/id"),
        ("UPSTREAM", "/upstream_url"),
    ],
};

/// List the endpoints that are online.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  forwarder endpoint list --json\n  forwarder endpoint list --filter 'obj.proto == \"tcp\"'"
)]
pub(crate) struct Endpoint {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: EndpointCommand,
}

#[derive(Debug, Subcommand)]
enum EndpointCommand {
    /// List the endpoints, newest first.
    List(Listed),
}

impl Resource for Endpoint {
    const NAME: &'static str = "endpoint";

    fn reach(&self) -> &Reach {
        &self.reach
    }

    fn run(&self, api: &Api) -> Result<(), Failure> {
        let EndpointCommand::List(listed) = &self.command;
        api.list(&KIND, listed)
    }
}
