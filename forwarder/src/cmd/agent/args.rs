//! The command line of the agent.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Run the agent: dial out to an edge and publish services of this network as endpoints. Opens no port but the status
/// API on 127.0.0.1:4040.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Agent {
    #[command(subcommand)]
    pub(crate) command: AgentCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    Start(AgentStart),
    Tcp(Box<AgentTcp>),
    Config(AgentConfigArgs),
}

/// Serve endpoints of a configuration, `ngrok.yml` version 3.
#[derive(Args, Debug)]
#[command(after_help = "The authtoken comes from NGROK_AUTHTOKEN or from the file.

Examples:
  forwarder agent start --config ngrok.yml --all
  forwarder agent start --config ngrok.yml --config site.yml device1 device2

Of several files, later ones count: maps are merged, lists and values replaced.
SIGHUP has a running agent read them again; SIGTERM and SIGINT stop it.")]
pub(crate) struct AgentStart {
    /// A configuration; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Vec<PathBuf>,
    /// Serve all endpoints.
    #[arg(long, conflicts_with = "names", required_unless_present = "names")]
    pub(crate) all: bool,
    /// The endpoints to serve.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// Serve one tcp endpoint.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  forwarder agent tcp 22 --url tcp://device1.internal:22 --connect-url edge.example.com:4443
  forwarder agent tcp 192.0.2.7:3389 --url tcp://rdp.internal:3389 --config ngrok.yml")]
pub(crate) struct AgentTcp {
    /// Where connections go: a port of this machine, or `host:port`.
    #[arg(value_name = "UPSTREAM")]
    pub(crate) upstream: String,
    /// The endpoint; without it the edge chooses a public address.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Where it can be reached from: public or internal. By default internal if the host ends in `.internal`.
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// A policy that runs at the endpoint.
    #[arg(long, value_name = "FILE")]
    pub(crate) traffic_policy_file: Option<PathBuf>,
    /// Share the traffic with endpoints of the same URL.
    #[arg(long)]
    pub(crate) pooling_enabled: bool,
    /// Metadata shown in the API.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) metadata: String,
    /// Tell the upstream who connects, by the PROXY protocol.
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) upstream_proxy_protocol: Option<u8>,
    /// Address of the edge.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect_url: Option<String>,
    /// Certificate authorities (CAs) that the edge is verified with: trusted, host, or a PEM file.
    #[arg(long, value_name = "CAS")]
    pub(crate) connect_cas: Option<String>,
    /// A configuration for everything else; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
}

/// Look at configurations of agents.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct AgentConfigArgs {
    #[command(subcommand)]
    pub(crate) command: AgentConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentConfigCommand {
    Check(AgentConfigCheck),
}

/// Check a configuration and the policies it names, without connecting.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  forwarder agent config check --config ngrok.yml")]
pub(crate) struct AgentConfigCheck {
    /// A configuration; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Vec<PathBuf>,
}
