//! The call of `policy init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use policy_core::lpm::{ParsedCidr, cidr};
use policy_core::url::{EndpointUrl, Scheme};

use super::parse_url;

/// Write a first policy, cases that test it, and a job that runs both for every change.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy init                                         in the current folder, for GitHub
  policy init site --allow 203.0.113.0/24 --forward tcp://device1.internal:22
  policy init --ci gitlab --ci pre-commit
  policy init --ci none

Nothing is overwritten. Afterwards:
  policy lint . && policy test --coverage .")]
pub(crate) struct Init {
    /// The folder; it is made if it is not there.
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// A network that may connect, or an address; may be given several times [default: networks for examples].
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    pub(crate) allow: Vec<ParsedCidr>,
    /// Where its connections go.
    #[arg(long, value_name = "URL", value_parser = parse_forward, default_value = "tcp://device1.internal:22")]
    pub(crate) forward: EndpointUrl,
    /// What runs the checks; may be given several times [default: github].
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(crate) ci: Vec<Ci>,
}

/// Systems that run checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ci {
    /// `.github/workflows/policy.yml`
    Github,
    /// `.gitlab-ci.yml`
    Gitlab,
    /// `.pre-commit-config.yaml`
    PreCommit,
    /// Nothing
    None,
}

/// A target of connections: requests would need other rules.
fn parse_forward(text: &str) -> Result<EndpointUrl, String> {
    let url = parse_url(text)?;
    match url.scheme() {
        Scheme::Tcp | Scheme::Tls => Ok(url),
        _ => {
            Err("connections go to `tcp://` and `tls://` endpoints, e.g. tcp://device1.internal:22"
                .to_owned())
        }
    }
}

fn parse_network(text: &str) -> Result<ParsedCidr, String> {
    cidr(text).map_err(|error| format!("{error}, e.g. 203.0.113.0/24"))
}
