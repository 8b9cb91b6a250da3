//! The call of `policy reach`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use policy_core::lpm::ParsedCidr;
use policy_core::url::EndpointUrl;

use super::{parse_network, parse_url};

/// Prove which sources reach which target, over every IPv4 and IPv6 address.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy reach device1.yml
  policy reach device1.yml --to tcp://device1.internal:22
  policy reach device1.yml --from 10.0.0.0/8         where this network can go
  policy reach device1.yml --format json | jq -r '.targets[].regions[].sources[]'
  git show main:device1.yml | policy reach -

A region is proved (all of its connections reach the target), conditional (those for which the condition is true do), or
unknown, with the reason. Each is shown with a connection that the engine decides, and what the answer assumes stands below.
Rules for requests are not judged: a policy that has some is refused.")]
pub(crate) struct Reach {
    /// The policy; `-` is standard input.
    pub(crate) policy: PathBuf,
    /// This target only; may be given several times.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub(crate) to: Vec<EndpointUrl>,
    /// These sources only, networks or addresses; may be given several times.
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    pub(crate) from: Vec<ParsedCidr>,
    /// The endpoint has an upstream of its own, which gets what no action ends.
    #[arg(long)]
    pub(crate) has_upstream: bool,
    /// IP policies that `restrict-ips` may name, by their ids.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_policies: Option<PathBuf>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = ReachFormat::Text)]
    pub(crate) format: ReachFormat,
}

/// How reach is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReachFormat {
    /// For people; of each region the first twenty networks.
    Text,
    /// For programs, with all networks.
    Json,
    /// For pull requests and reports.
    Markdown,
}
