//! The configuration of an agent, `ngrok.yml`: read and checked like a policy, without touching files.
//!
//! Version 3, and the older version 2 with its `tunnels`. Each endpoint's policy is checked for its protocol and
//! binding: inline ones where they stand, files through a closure of the host ([`load_agent_files`]).
//!
//! Source: ngrok documentation, agent configuration versions 3 and 2, and endpoints (2026-08-07).

mod endpoints;
mod load;
mod merge;
mod read;
mod tunnels;
mod upstream;
mod url;

use crate::diagnostic::codes;
use crate::endpoint_policy::PolicySource;
use crate::source::Spanned;
use crate::url::Binding;

pub use crate::settings::{
    AgentSettings, AgentTls, ConnectCas, ConsoleUi, LogFormat, LogLevel, Secret, UpdateChannel,
};
pub(crate) use endpoints::{
    BINDINGS, FIELDS as ENDPOINT_FIELDS, IGNORED as ENDPOINT_IGNORED, METADATA, POOLING_ENABLED, UPSTREAM,
    UPSTREAM_URL, URL,
};
pub use endpoints::{MAX_DESCRIPTION, MAX_METADATA};
pub use load::{AgentFiles, load_agent_files};
pub use merge::merge;
pub(crate) use read::{AGENT, ENDPOINTS, OLD_IGNORED, TOP, TUNNELS, VERSION, check_document, is_setting};
pub use read::{fields, load_agent};
pub use tunnels::Tunnel;
pub(crate) use upstream::INVALID_UPSTREAM;
pub use upstream::{Upstream, UpstreamScheme};
pub use url::AgentUrl;

codes! {
    static NO_AGENT = warning("TP461", "no-agent-settings").absence();
    static BINDING = error("TP462", "binding",
        ERR_NGROK_331, ERR_NGROK_9028, ERR_NGROK_9029, ERR_NGROK_9039, ERR_NGROK_9041, ERR_NGROK_15005,
        ERR_NGROK_15006);
    static PORT = error("TP463", "port-not-allowed", ERR_NGROK_9030, ERR_NGROK_9035, ERR_NGROK_18023);
    static NOT_POOLED = error("TP464", "url-taken", ERR_NGROK_334, ERR_NGROK_6030, ERR_NGROK_18016);
    static OLD_VERSION = warning("TP465", "old-version");
    static STRAY_QUOTE = warning("TP466", "stray-quote");
    ..upstream;
}

/// The configuration of an agent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentConfig {
    /// The version of the format: 3 or 2.
    pub version: i64,
    /// How the agent itself works.
    pub agent: AgentSettings,
    /// What it offers.
    pub endpoints: Vec<AgentEndpoint>,
    /// The same as it was written until version 2.
    pub tunnels: Vec<Tunnel>,
}

/// What an agent offers under a URL.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentEndpoint {
    /// Its unique name.
    pub name: Spanned<Box<str>>,
    /// Its URL, parts of which the service may choose.
    pub url: Spanned<AgentUrl>,
    /// Where it can be reached from.
    pub binding: Binding,
    /// True if endpoints with the same URL share its traffic.
    pub pooling_enabled: bool,
    /// Metadata shown in the API.
    pub metadata: Option<Box<str>>,
    /// Text for people.
    pub description: Option<Box<str>>,
    /// Its policy.
    pub policy: Option<PolicySource>,
    /// The text of its policy as JSON, if it stands in the configuration: what an edge is sent.
    pub policy_json: Option<Box<str>>,
    /// TLS that ends at the agent.
    pub tls: Option<AgentTls>,
    /// Where its traffic goes.
    pub upstream: Spanned<Upstream>,
    /// How requests are sent there.
    pub http2: bool,
    /// The version of the PROXY protocol it is sent with.
    pub proxy_protocol: Option<i64>,
}
