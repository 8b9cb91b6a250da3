//! The call of `policy diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use policy_core::lpm::ParsedCidr;

use super::parse_network;

/// Prove what a change of a policy opens and closes, over every IPv4 and IPv6 address.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy diff old.yml new.yml
  policy diff main...HEAD -- device1.yml        what a branch changes since it left main
  policy diff main..HEAD -- device1.yml         between the tips of both
  policy diff HEAD -- device1.yml               what is not committed yet
  policy diff main...HEAD --keep 203.0.113.42 -- device1.yml     and whether I keep my own way in
  policy diff main...HEAD --format markdown -- device1.yml >> comment.md
  policy diff main...HEAD --format json -- device1.yml | jq -r '.opened.regions[].sources[]'

Exits with 1 unless it is proved that nothing opens; `--fail-on` asks for another proof. Both policies are asked about the same
connections: same facts, same targets online. Rules for requests are not judged: a policy that has some is refused.")]
pub(crate) struct Diff {
    /// The policy before, `-` is standard input; or Git revisions: `OLD...NEW` from where NEW left OLD, `OLD..NEW` both as they
    /// are, `OLD` and the file as it is now.
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The policy after.
    #[arg(value_name = "NEW")]
    pub(crate) new: Option<PathBuf>,
    /// The policy in the revisions.
    #[arg(last = true, value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// What the proof must rule out; else the exit code is 1.
    #[arg(long, value_enum, value_name = "CHANGE", default_value_t = FailOnChange::Widen)]
    pub(crate) fail_on: FailOnChange,
    /// Exit with 1 unless it is proved that this source, an address or network, loses nothing; may be given several times.
    #[arg(long, value_name = "ADDR", value_parser = parse_network, conflicts_with = "from")]
    pub(crate) keep: Vec<ParsedCidr>,
    /// These sources only, networks or addresses; may be given several times.
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    pub(crate) from: Vec<ParsedCidr>,
    /// The endpoint has an upstream of its own, which gets what no action ends.
    #[arg(long)]
    pub(crate) has_upstream: bool,
    /// IP policies that `restrict-ips` may name, by their ids.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_policies: Option<PathBuf>,
    /// Those of the policy before, if they were others.
    #[arg(long, value_name = "FILE", requires = "ip_policies")]
    pub(crate) old_ip_policies: Option<PathBuf>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub(crate) format: DiffFormat,
}

/// A change that is to be ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOnChange {
    /// Somebody gets through who did not.
    Widen,
    /// Somebody no longer gets through.
    Narrow,
    /// Either.
    Any,
}

/// How a difference is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people; of each region the first twenty networks.
    Text,
    /// For programs, with all networks.
    Json,
    /// For a comment on a pull request.
    Markdown,
    /// Annotations of GitHub Actions, on the lines that open or close something.
    Github,
}
