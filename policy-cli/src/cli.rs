//! The command line: names, flags and help texts.

mod diff;
mod init;
mod reach;
mod replay;
mod secrets;
mod test;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use policy_core::catalog;
use policy_core::cel::Timestamp;
use policy_core::diagnostic::{Code, did_you_mean};
use policy_core::facts::{Fact, GivenFacts};
use policy_core::lpm::{ParsedCidr, cidr};
use policy_core::message::{HeaderError, Headers, RequestUrl, RequestUrlError, is_token};
pub(crate) use policy_core::scenarios::Availability as TargetState;
use policy_core::scenarios::ExpectedOutcome;
use policy_core::url::EndpointUrl;
use policy_core::variables;

pub(crate) use diff::{Diff, DiffFormat, FailOnChange};
pub(crate) use init::{Ci, Init};
pub(crate) use reach::{Reach, ReachFormat};
pub(crate) use replay::{FailOn, Replay};
pub(crate) use secrets::without_secrets;
pub(crate) use test::{Test, TestFormat};

/// Lint a Traffic Policy and ask it about an address, before it is live.
#[derive(Debug, Parser)]
#[command(name = "policy", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success, 1 a negative answer (findings, denied, not found), 2 a usage error or an \
unreadable file, 3 an internal error or an output that cannot be written.\nWithout a command: lint everything below the current folder."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Lint(Lint),
    Eval(Box<Eval>),
    Test(Test),
    Init(Init),
    Replay(Replay),
    Reach(Reach),
    Diff(Box<Diff>),
    Compile(Compile),
    Explain(Explain),
    Completions(Completions),
    /// Print the manual page in roff.
    Man,
}

/// Check policies, IP policies and configurations of edges and agents; list what is wrong and how to fix it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy lint device1.yml                     one file
  policy lint .                               every policy and configuration below a folder
  policy lint --protocol tcp --binding public device1.yml
  policy lint --cloud --deny-warnings edge/   policies of endpoints without an upstream
  policy lint --select TP4 --ignore one-address-family .
  policy lint --exclude charts --exclude 'deploy/**/values.yml' .
  policy lint --kind list blocklist.txt.gz
  yq .spec.policy manifest.yml | policy lint -
  git show main:edge.yml | policy lint -
  policy lint --format json . | jq '.diagnostics[] | {file, line, message}'")]
pub(crate) struct Lint {
    /// Files or folders; `-` is standard input.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Leave out files and folders of a search: a name such as `vendor` or `*.gen.yml` at any depth, or a path below
    /// the folder such as `deploy/**/values.yml`; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// What the files are; `auto` tells by their keys.
    #[arg(long, value_enum, default_value_t = Kind::Auto)]
    pub(crate) kind: Kind,
    /// The protocol of the endpoint that policies are for. Ignored for configurations, which name it.
    #[arg(long, value_enum)]
    pub(crate) protocol: Option<Protocol>,
    /// Where that endpoint can be reached from.
    #[arg(long, value_enum)]
    pub(crate) binding: Option<EndpointBinding>,
    /// Policies are for endpoints without an upstream: they must handle all traffic.
    #[arg(long)]
    pub(crate) cloud: bool,
    /// IP policies that `restrict-ips` may name, by their ids; with the list files they name.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_policies: Option<PathBuf>,
    /// Report ambiguous input as errors: addresses without a prefix length, host bits, deprecated names.
    #[arg(long, conflicts_with = "lenient")]
    pub(crate) strict: bool,
    /// Downgrade to warnings: actions outside a rule, a phase that is a single rule.
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Exit with 1 on warnings too.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Show these findings only, by code (TP431), beginning of a code (TP4) or name (host-bits).
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_codes)]
    pub(crate) select: Vec<Codes>,
    /// Leave these findings out.
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = parse_codes)]
    pub(crate) ignore: Vec<Codes>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    pub(crate) format: LintFormat,
}

/// What files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Tell by the keys.
    Auto,
    /// A Traffic Policy.
    Policy,
    /// The configuration of an agent, `ngrok.yml`.
    Agent,
    /// The configuration of an edge, `edge.yml`.
    Edge,
    /// IP policies.
    IpPolicies,
    /// Scenarios of a policy, `*.test.yml`.
    Test,
    /// A list of networks, one a line, plain or packed.
    List,
}

/// The protocol of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    Tcp,
    Tls,
    Http,
    Https,
}

/// Where an endpoint can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndpointBinding {
    Public,
    Internal,
    Kubernetes,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFormat {
    /// For people.
    Text,
    /// For programs; see `version` in the output.
    Json,
    /// Annotations of GitHub Actions, and a job summary.
    Github,
}

/// Codes of diagnostics: those of a name, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Codes(String);

impl Codes {
    /// True for a code that is meant.
    pub(crate) fn contains(&self, code: &Code) -> bool {
        code.slug == self.0 || code.id.starts_with(&self.0)
    }
}

fn parse_codes(text: &str) -> Result<Codes, String> {
    let number = text.get(..2).is_some_and(|front| front.eq_ignore_ascii_case("tp"));
    let codes = Codes(if number { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() });
    match catalog::codes().any(|code| codes.contains(code)) {
        true => Ok(codes),
        false => {
            let near = did_you_mean(&codes.0, catalog::codes().map(|code| code.slug));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Err(format!("unknown diagnostic{hint}"))
        }
    }
}

/// Try a connection or a request against a policy: who gets through, what is answered or changed, and why.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy eval device1.yml --ip 203.0.113.42
  policy eval device1.yml --ip 198.51.100.1 --explain
  policy eval device1.yml --ip 203.0.113.42 --expect forward:tcp://device1.internal:22
  policy eval device1.yml --ip 203.0.113.42 --target tcp://device1.internal:22=offline
  policy eval device1.yml --ip 203.0.113.42 --set conn.geo.country_code=DE --set conn.client_port=50000
  policy eval device1.yml --ips sources.txt | jq -r 'select(.outcome == \"deny\").ip'
  policy eval device1.yml --ips office.txt --expect allow > /dev/null
  policy eval web.yml --ip 203.0.113.42 --expect allow --has-upstream
  policy eval web.yml --ip 203.0.113.42 -X POST --url https://app.example.com/login -H 'accept: text/html'
  policy eval web.yml --ip 203.0.113.42 --request login.yml --response answer.yml --has-upstream
  policy eval web.yml --ip 203.0.113.42 --request capture.har#2 --expect deny:403
  policy eval hook.yml --ip 203.0.113.42 --url https://app.example.com/hook -d @event.json --secret webhooks/github=…
  policy eval panel.yml --ip 203.0.113.42 --url https://app.example.com/ --login me@example.com
  policy eval api.yml --ip 203.0.113.42 --url https://app.example.com/ --keys https://id.example.com/keys=jwks.json
  policy eval device1.yml --ips sources.txt --geoip GeoLite2-City.mmdb --geoip GeoLite2-ASN.mmdb
  policy eval edge.yml --endpoint ssh --ip 203.0.113.42     the whole way, through targets' own policies
  policy eval edge.yml --agent site.yml --endpoint ssh --ip 203.0.113.42     with what an agent keeps online

The policy of the target is not asked: a forward means that this policy lets the connection through.
A refusal is an answer: the exit code is 0 unless --expect says otherwise.")]
#[command(group = ArgGroup::new("of_request").args(["url", "request"]).multiple(true))]
pub(crate) struct Eval {
    /// The policy, or the configuration of an edge or agent; `-` is standard input.
    pub(crate) policy: PathBuf,
    /// The source address of the connection.
    #[arg(long, value_name = "ADDR", required_unless_present = "ips", value_parser = parse_ip)]
    pub(crate) ip: Option<IpAddr>,
    /// Evaluate every address of a file, one a line; prints one JSON object a line (`--format text` is for one address).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ip", "explain"])]
    pub(crate) ips: Option<PathBuf>,
    /// Say what becomes of a target: `online` (the default), `offline`, `refused` (its server does not answer), `slow`, or
    /// `respond:STATUS` (over HTTP). Servers that `http-request` asks need one of the last three. May be given several times.
    #[arg(long, value_name = "URL=STATE", value_parser = parse_target)]
    pub(crate) target: Vec<Target>,
    /// Give a fact that the policy reads, e.g. `conn.geo.country_code=DE`; may be given several times.
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_fact)]
    pub(crate) set: Vec<(String, String)>,
    /// A database in the format of MaxMind (`.mmdb`), for places and autonomous systems; may be given several times. `--set`
    /// counts before it.
    #[arg(long, value_name = "FILE")]
    pub(crate) geoip: Vec<PathBuf>,
    /// Categories of addresses: YAML or JSON with networks by category, e.g. `com.example.office: [203.0.113.0/24]`. `--set`
    /// counts before it.
    #[arg(long, value_name = "FILE")]
    pub(crate) categories: Option<PathBuf>,
    /// Where the connection comes in. In an `edge.yml` or `ngrok.yml`: the endpoint, by name or URL, and the answer is that
    /// of the whole way. Of a policy: the URL of its endpoint, for `endpoint.*`, e.g. `tcp://edge.example.com:20022`.
    #[arg(long, value_name = "NAME or URL")]
    pub(crate) endpoint: Option<String>,
    /// The configuration of an agent that is connected to the edge of an `edge.yml`: its endpoints are online, with their own
    /// policies; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) agent: Vec<PathBuf>,
    /// Send a request with this URL over the connection: `on_http_request` runs after `on_tcp_connect`.
    #[arg(long, value_name = "URL", value_parser = parse_request_url, conflicts_with = "request")]
    pub(crate) url: Option<String>,
    /// The same with a request from a file: YAML or JSON with `method`, `url`, `headers` and `body`, or one recorded as HAR;
    /// of several entries the one with a number, `FILE#2`. `-X` and `-d` replace its method and body, `-H` adds headers.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// What the upstream answers, from a file with `status_code`, `headers` and `body`, or one recorded as HAR:
    /// `on_http_response` runs if the request gets there, or on what the policy itself answers.
    #[arg(long, value_name = "FILE")]
    pub(crate) response: Option<PathBuf>,
    /// The method of the request [default: that of the file; GET, with a body POST].
    #[arg(short = 'X', long, value_name = "METHOD", requires = "of_request", value_parser = parse_method)]
    pub(crate) method: Option<String>,
    /// A header of the request, such as `accept: text/html`; may be given several times. `host` is that of the URL unless it
    /// is given.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) header: Vec<(String, String)>,
    /// The body of the request; `@FILE` is what a file holds, up to 64 MiB. No header is added for it. Policies read 1 MiB of
    /// it: a longer one fails where a policy searches it.
    #[arg(short = 'd', long, visible_alias = "data", value_name = "TEXT", requires = "of_request")]
    pub(crate) body: Option<String>,
    /// A secret that the policy reads; may be given several times.
    #[arg(long, value_name = "VAULT/NAME=VALUE", value_parser = parse_secret)]
    pub(crate) secret: Vec<SecretValue>,
    /// A set of keys (JWKS) that the policy fetches from a URL; may be given several times.
    #[arg(long, value_name = "URL=FILE", value_parser = parse_keys)]
    pub(crate) keys: Vec<(String, PathBuf)>,
    /// Who is logged in, where the policy asks for a login; without it nobody is.
    #[arg(long, value_name = "EMAIL")]
    pub(crate) login: Option<String>,
    /// IP policies that `restrict-ips` may name, by their ids.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_policies: Option<PathBuf>,
    /// What time it is, for `time.now`, e.g. `2026-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) now: Option<Timestamp>,
    /// A number that decides what `rand.int` and `rand.double` draw: the same number, the same draws.
    #[arg(long, value_name = "NUMBER", value_parser = parse_seed)]
    pub(crate) seed: Option<u64>,
    /// Show every rule, condition and list entry on the way to the decision.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Exit with 1 unless the outcome is this: `allow` (forward, or the upstream with `--has-upstream`), `upstream`,
    /// `deny` (refused or closed), `deny:STATUS` (a request is refused with it), `close`, `error` (failed closed),
    /// `forward:URL`, or `respond:STATUS` (the policy answers a request).
    #[arg(long, value_name = "OUTCOME", value_parser = parse_outcome)]
    pub(crate) expect: Option<ExpectedOutcome>,
    /// The endpoint has an upstream of its own, which gets what the policy does not handle. Endpoints of an edge and
    /// cloud endpoints have none and close such connections.
    #[arg(long)]
    pub(crate) has_upstream: bool,
    /// How to print the decision [default: text; with --ips: json].
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
}

/// Print the program that a policy becomes: classes of addresses, code for each, sizes and bounds.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy compile device1.yml
  git show main:device1.yml | policy compile -

Rules that cannot apply to a class of addresses are gone from its code. A policy that depends on the address alone
becomes a table: each class has one instruction.")]
pub(crate) struct Compile {
    /// The policy; `-` is standard input.
    pub(crate) policy: PathBuf,
    /// IP policies that `restrict-ips` may name, by their ids.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_policies: Option<PathBuf>,
}

/// Show the page of a diagnostic or of an action.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy explain TP433             what a diagnostic means, with a failing and a fixed example
  policy explain host-bits         the same by its name
  policy explain rate-limit        what an action does, its fields and results")]
pub(crate) struct Explain {
    /// A code such as TP433, its name, or an action.
    pub(crate) code: String,
}

/// Print a completion script for a shell.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  policy completions bash > /etc/bash_completion.d/policy")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs; see `version` in the output.
    Json,
}

/// `URL=STATE`.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) url: EndpointUrl,
    pub(crate) state: TargetState,
}

impl Target {
    /// What the call says of a URL; its last word counts.
    pub(crate) fn state_of(url: &EndpointUrl, targets: &[Self]) -> Option<TargetState> {
        targets.iter().rev().find(|target| target.url == *url).map(|target| target.state)
    }
}

/// `VAULT/NAME=VALUE`.
#[derive(Clone)]
pub(crate) struct SecretValue {
    pub(crate) vault: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}=…", self.vault, self.name)
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        if text.contains('/') {
            "this is a network; give one address of it".to_owned()
        } else if text.contains('%') {
            "a zone id means nothing to a policy; leave out the `%…`".to_owned()
        } else {
            "not an IPv4 or IPv6 address, e.g. 203.0.113.42 or 2001:db8::1".to_owned()
        }
    })
}

fn parse_network(text: &str) -> Result<ParsedCidr, String> {
    cidr(text).map_err(|error| error.to_string())
}

fn parse_url(text: &str) -> Result<EndpointUrl, String> {
    EndpointUrl::parse(text).map_err(|error| format!("not an endpoint URL: {error}"))
}

fn parse_fact(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("write PATH=VALUE, e.g. conn.geo.country_code=DE")?;
    if variables::fact(path).is_some_and(Fact::is_client_address) {
        return Err("the client's address is given by `--ip`".to_owned());
    }
    // Names and types are checked here, so that a wrong one is a wrong call.
    GivenFacts::default().set(path, value).map_err(|error| error.to_string())?;
    Ok((path.to_owned(), value.to_owned()))
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write a time in RFC 3339, e.g. 2026-01-31T12:00:00Z".to_owned())
}

fn parse_seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

fn parse_target(text: &str) -> Result<Target, String> {
    let (url, state) =
        text.rsplit_once('=').ok_or("write URL=STATE, e.g. tcp://device1.internal:22=offline")?;
    let state = TargetState::parse(state).ok_or_else(|| format!("a target is {}", TargetState::FORMS))?;
    Ok(Target { url: parse_url(url)?, state })
}

fn parse_secret(text: &str) -> Result<SecretValue, String> {
    let form = "write VAULT/NAME=VALUE, e.g. webhooks/github=…";
    let (path, value) = text.split_once('=').ok_or(form)?;
    let (vault, name) = path.split_once('/').ok_or(form)?;
    Ok(SecretValue { vault: vault.to_owned(), name: name.to_owned(), value: value.to_owned() })
}

fn parse_keys(text: &str) -> Result<(String, PathBuf), String> {
    let (url, path) =
        text.rsplit_once('=').ok_or("write URL=FILE, e.g. https://id.example.com/keys=keys.json")?;
    parse_request_url(url)?;
    Ok((url.to_owned(), PathBuf::from(path)))
}

impl Eval {
    /// A call that says nothing but the policy.
    pub(crate) fn of_policy(policy: &Path) -> Self {
        Self {
            policy: policy.to_owned(),
            ip: None,
            ips: None,
            agent: Vec::new(),
            target: Vec::new(),
            set: Vec::new(),
            geoip: Vec::new(),
            categories: None,
            endpoint: None,
            url: None,
            request: None,
            response: None,
            method: None,
            header: Vec::new(),
            body: None,
            secret: Vec::new(),
            keys: Vec::new(),
            login: None,
            ip_policies: None,
            now: None,
            seed: None,
            explain: false,
            expect: None,
            has_upstream: false,
            format: None,
        }
    }

    /// True if a request is sent over the connection.
    pub(crate) fn has_request(&self) -> bool {
        self.url.is_some() || self.request.is_some()
    }
}

/// The URL of a request, as it is sent.
fn parse_request_url(text: &str) -> Result<String, String> {
    RequestUrl::parse(text).map(|_| text.to_owned()).map_err(|error| match error {
        // The text is named by the call's own error, without what may be secret in it.
        RequestUrlError::Scheme(_) => "it does not start with `http://` or `https://`".to_owned(),
        RequestUrlError::Invalid { reason, .. } => format!("not a URL: {reason}"),
        other => other.to_string(),
    })
}

/// The method of a request, a token of HTTP.
fn parse_method(text: &str) -> Result<String, String> {
    match is_token(text) {
        true => Ok(text.to_owned()),
        false => Err("a method is a word such as GET or POST".to_owned()),
    }
}

/// A header as it is sent.
fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write `name: value`")?;
    let value = value.trim_matches([' ', '\t']);
    Headers::default().append(name, value).map_err(|error| match error {
        HeaderError::Name(_) => "what stands before the `:` is not the name of a header".to_owned(),
        other => other.to_string(),
    })?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_outcome(text: &str) -> Result<ExpectedOutcome, String> {
    match ExpectedOutcome::parse(text) {
        Ok(Some(outcome)) => Ok(outcome),
        Ok(None) => Err(format!("write {}", ExpectedOutcome::FORMS)),
        Err(error) => Err(format!("not an endpoint URL: {error}")),
    }
}
