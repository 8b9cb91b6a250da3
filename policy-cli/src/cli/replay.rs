//! The call of `policy replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, parse_fact};

/// Decide recorded connections again: what a policy would change for yesterday's traffic.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy replay device1.yml --log events.jsonl
  policy replay edge.yml --log events.jsonl.gz             the whole way, through targets' own policies
  policy replay new.yml --against old.yml --log events.jsonl
  policy replay device1.yml --log events.jsonl --endpoint ssh --fail-on newly-denied
  zcat archive/*.gz | policy replay edge.yml --log - --format json | jq .newly_denied

Events are those of our edge, and ngrok's tcp_connection_closed.v0 and http_request_complete.v0. Targets count as online
unless the event says that a forward failed. Lines that cannot be read or decided are counted by reason.")]
pub(crate) struct Replay {
    /// The policy, or the configuration of an edge.
    pub(crate) policy: PathBuf,
    /// The events, one JSON object a line; plain or packed with gzip; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: PathBuf,
    /// Compare with what this policy or configuration decides, not with what the events say.
    #[arg(long, value_name = "OLD")]
    pub(crate) against: Option<PathBuf>,
    /// Only events of this endpoint, by name.
    #[arg(long, value_name = "NAME")]
    pub(crate) endpoint: Option<String>,
    /// Exit with 1 if such a change is found; may be given several times.
    #[arg(long, value_enum, value_name = "CHANGE")]
    pub(crate) fail_on: Vec<FailOn>,
    /// Give a fact that the events do not have, for all of them, e.g. `endpoint.port=20022`; may be given several times.
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_fact)]
    pub(crate) set: Vec<(String, String)>,
    /// IP policies that `restrict-ips` may name, by their ids.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_policies: Option<PathBuf>,
    /// The endpoint of the policy has an upstream of its own, which gets what the policy does not handle.
    #[arg(long)]
    pub(crate) has_upstream: bool,
    /// How to print what changes.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// A change that a replay may find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Admitted before, refused now.
    NewlyDenied,
    /// Refused before, admitted now.
    NewlyAllowed,
    /// Either, another target, or another kind of refusal.
    Any,
    /// A line that could not be read or decided.
    Undecided,
}
