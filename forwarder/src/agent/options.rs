//! From `ngrok.yml` and the command line to what an agent does.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use agent_link::Heartbeat;
use policy_core::agent::{
    AgentConfig, AgentEndpoint, AgentSettings, ConnectCas, ConsoleUi, Secret, Upstream, UpstreamScheme,
    load_agent_files, merge,
};
use policy_core::check::{CheckOptions, CheckedPolicy, load_policy};
use policy_core::diagnostic::shown_address;
use policy_core::named_file::reason;
use policy_core::options::EndpointTraits;
use policy_core::parse::decode;
use policy_core::source::Source;
use policy_core::url::{Binding, HostPort, Scheme};
use rustls::pki_types::ServerName;

use super::setup::{Chosen, Offer, Origin, Setup, TcpCommand, UpstreamServer};
use crate::base::files::{folder_of, leads_outside, named, read_file};
use crate::base::platform::CHOOSES_INTERFACE;
use crate::base::reports::Reports;
use crate::net::dial::{Dialer, ProxyUrl, proxy_of_environment};
use crate::net::proxy_protocol::ProxyProtocol;
use crate::net::tls::client::{TrustedCas, client_config};

/// The variable that holds the authtoken; it wins over the file.
const TOKEN_VARIABLE: &str = "NGROK_AUTHTOKEN";

/// Where resolvers are asked.
const DNS_PORT: u16 = 53;

impl Origin {
    /// Reads it.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn load(&self) -> Result<Loaded, OptionsError> {
        match self {
            Self::Files(paths, chosen) => load_setup(paths, chosen),
            Self::Command { paths, command, connect_url, connect_cas } => {
                from_command(paths, command, connect_url.as_deref(), connect_cas.as_deref())
            }
        }
    }
}

/// An agent that is ready to run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// What it does.
    pub setup: Setup,
    /// How it works, as it was written.
    pub settings: AgentSettings,
    /// What was written and has no effect here, and endpoints that are not served.
    pub notes: Vec<String>,
}

/// Why there is nothing to run.
#[derive(Debug)]
#[non_exhaustive]
pub enum OptionsError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file has errors.
    Invalid(Reports),
    /// Something is missing or does not fit.
    Unfit(String),
    /// An endpoint that this agent cannot serve.
    NotServed(String),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read `{}`: {}", path.display(), reason(error)),
            Self::Invalid(reports) => {
                write!(f, "the configuration has errors\n{reports}")
            }
            Self::Unfit(message) | Self::NotServed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for OptionsError {}

/// What was read of configuration files.
struct Read {
    config: AgentConfig,
    /// The policies of its endpoints that stand in files, as they were checked.
    files: Vec<Option<Rc<CheckedPolicy>>>,
    reports: Reports,
    folder: PathBuf,
}

impl Read {
    /// The endpoints, each with the policy that it has in a file.
    fn endpoints(&self) -> impl Iterator<Item = (&AgentEndpoint, Option<&CheckedPolicy>)> {
        self.config.endpoints.iter().zip(self.files.iter().map(Option::as_deref))
    }
}

/// What a check of configuration files says.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// What was found in the files.
    pub reports: Reports,
    /// Why an agent does not start with them, if it does not.
    pub refused: Option<OptionsError>,
    /// Why it leaves out some of their endpoints.
    pub skipped: Vec<String>,
}

/// Reads configuration files, of which later ones count before earlier ones, and says what an agent would not serve.
///
/// # Errors
/// [`OptionsError`].
pub fn check(paths: &[PathBuf]) -> Result<Checked, OptionsError> {
    let read = read(paths)?;
    let not_served = |(endpoint, policy)| match offer(endpoint, policy) {
        Err(OptionsError::NotServed(why)) => Some(why),
        _ => None,
    };
    let skipped = read.endpoints().filter_map(not_served).collect();
    Ok(Checked { refused: refuse_tunnels(&read.config).err(), reports: read.reports, skipped })
}

fn refuse_tunnels(config: &AgentConfig) -> Result<(), OptionsError> {
    match config.tunnels.is_empty() {
        true => Ok(()),
        false => Err(OptionsError::Unfit(
            "`tunnels` are not served: write them as `endpoints` (docs/coming-from-ngrok.md)".to_owned(),
        )),
    }
}

/// Reads configuration files and chooses endpoints.
///
/// # Errors
/// [`OptionsError`].
pub fn load_setup(paths: &[PathBuf], chosen: &Chosen) -> Result<Loaded, OptionsError> {
    let read = read(paths)?;
    let config = &read.config;
    refuse_tunnels(config)?;
    let endpoints: Vec<(&AgentEndpoint, Option<&CheckedPolicy>)> = match chosen {
        Chosen::All => read.endpoints().collect(),
        Chosen::Named(names) => {
            let find = |name: &String| {
                let found = read.endpoints().find(|(it, _)| *it.name.value == **name);
                found.ok_or_else(|| {
                    let known: Vec<_> = config.endpoints.iter().map(|it| &*it.name.value).collect();
                    let known = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
                    OptionsError::Unfit(format!(
                        "the configuration has no endpoint `{name}`; it has: {known}"
                    ))
                })
            };
            names.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    if endpoints.is_empty() {
        let message = "there is nothing to serve: add `endpoints`, or use `forwarder agent tcp`";
        return Err(OptionsError::Unfit(message.to_owned()));
    }
    let (mut offers, mut skipped) = (Vec::new(), Vec::new());
    for (endpoint, policy) in endpoints {
        match offer(endpoint, policy) {
            Ok(offer) => offers.push(offer),
            // What nobody has named may be for another agent.
            Err(OptionsError::NotServed(why)) if *chosen == Chosen::All => skipped.push(why),
            Err(error) => return Err(error),
        }
    }
    if offers.is_empty() {
        return Err(OptionsError::NotServed(format!("there is nothing to serve: {}", skipped.join("; "))));
    }
    let Read { config, folder, .. } = read;
    let mut loaded = finish(config.agent, offers, &folder, Origin::Files(paths.to_vec(), chosen.clone()))?;
    loaded.notes.extend(skipped.into_iter().map(|why| format!("skipped: {why}")));
    Ok(loaded)
}

/// One endpoint from the command line, with the settings of configuration files, if there are any.
///
/// # Errors
/// [`OptionsError`].
pub fn from_command(
    paths: &[PathBuf],
    command: &TcpCommand,
    connect_url: Option<&str>,
    connect_cas: Option<&str>,
) -> Result<Loaded, OptionsError> {
    let (mut settings, folder) = if paths.is_empty() {
        (default_settings()?, PathBuf::from("."))
    } else {
        let read = read(paths)?;
        (read.config.agent, read.folder)
    };
    override_edge(&mut settings, connect_url, connect_cas)?;
    let upstream = match Upstream::parse(&command.upstream, Some(Scheme::Tcp)) {
        Ok(upstream) => server(&upstream, &command.upstream)?,
        Err((fault, help)) => {
            let message = format!("`{}`: {fault}; {help}", shown_address(&command.upstream));
            return Err(OptionsError::Unfit(message));
        }
    };
    let binding = command.binding.as_deref().map(|name| {
        Binding::from_name(name).ok_or_else(|| OptionsError::Unfit(format!("unknown binding `{name}`")))
    });
    let binding = binding.transpose()?;
    let policy = command.traffic_policy_file.as_deref().map(|path| policy_text(path, binding)).transpose()?;
    let address = command.url.as_deref().unwrap_or_default();
    let offer = Offer {
        name: "tcp".into(),
        address: address.strip_prefix("tcp://").unwrap_or(address).into(),
        binding: binding.map(Binding::name),
        pooling: command.pooling_enabled,
        metadata: command.metadata.as_str().into(),
        description: "".into(),
        policy,
        upstream,
        proxy_protocol: command.proxy_protocol.and_then(|version| ProxyProtocol::from_number(version.into())),
    };
    let origin = Origin::Command {
        paths: paths.to_vec(),
        command: Box::new(command.clone()),
        connect_url: connect_url.map(ToOwned::to_owned),
        connect_cas: connect_cas.map(ToOwned::to_owned),
    };
    finish(settings, vec![offer], &folder, origin)
}

/// Puts the edge that the command line names in place of the one of the settings.
fn override_edge(
    settings: &mut AgentSettings,
    connect_url: Option<&str>,
    connect_cas: Option<&str>,
) -> Result<(), OptionsError> {
    if let Some(url) = connect_url {
        let unfit = |fault| OptionsError::Unfit(format!("`{}` is not an edge: {fault}", shown_address(url)));
        let address = HostPort::parse(url).map_err(unfit)?;
        settings.connect_url =
            Some(policy_core::source::Spanned::new(address, policy_core::source::Span::default()));
    }
    match connect_cas {
        None => {}
        Some("trusted") => settings.connect_cas = ConnectCas::Trusted,
        Some("host") => settings.connect_cas = ConnectCas::Host,
        // A path of the command line starts where the command does.
        Some(path) => {
            let unfit = |error| OptionsError::Unfit(format!("`{path}`: {error}"));
            let path = std::path::absolute(path).map_err(unfit)?;
            settings.connect_cas = ConnectCas::File(path.display().to_string().into());
        }
    }
    Ok(())
}

/// The text of a policy for a tcp endpoint, once it is found to be right.
fn policy_text(path: &Path, binding: Option<Binding>) -> Result<Box<str>, OptionsError> {
    let bytes = read_file(path).map_err(|error| OptionsError::Unreadable(path.to_owned(), error))?;
    let (source, mut found) = decode(path.display().to_string(), bytes);
    let mut options = CheckOptions::default();
    let traits = EndpointTraits::from_scheme(Scheme::Tcp);
    options.endpoint = binding.map_or(traits, |binding| traits.bound(binding));
    if !found.has_errors() {
        found = load_policy(&source, &options).1;
    }
    if found.has_errors() {
        let outside = leads_outside(path);
        return Err(OptionsError::Invalid(Reports::new(Vec::new(), (source, found), outside)));
    }
    Ok(source.text().into())
}

fn default_settings() -> Result<AgentSettings, OptionsError> {
    let source = Source::new("defaults", "version: 3\nagent: {}\n");
    let (config, _) = policy_core::agent::load_agent(&source, &CheckOptions::default());
    config.map(|config| config.agent).ok_or_else(|| OptionsError::Unfit("there are no settings".to_owned()))
}

fn read(paths: &[PathBuf]) -> Result<Read, OptionsError> {
    let (mut files, mut outside) = (Vec::new(), false);
    for path in paths {
        let bytes = read_file(path).map_err(|error| OptionsError::Unreadable(path.clone(), error))?;
        let (source, found) = decode(path.display().to_string(), bytes);
        let outside_here = leads_outside(path);
        if found.has_errors() {
            let reports = Reports::new(Vec::new(), (source, found), outside_here);
            return Err(OptionsError::Invalid(reports));
        }
        outside |= outside_here;
        files.push(source);
    }
    if files.is_empty() {
        return Err(OptionsError::Unfit("no configuration is given: use `--config ngrok.yml`".to_owned()));
    }
    let invalid = |(source, found)| OptionsError::Invalid(Reports::new(Vec::new(), (source, found), outside));
    let source = merge(&files, &CheckOptions::default()).map_err(invalid)?;
    let folder = paths.first().map_or(Path::new("."), |path| folder_of(path));
    let mut named_file = |name: &str| named(folder, name, &read_file);
    let loaded = load_agent_files(&source, &CheckOptions::default(), &mut named_file);
    let reports = Reports::new(loaded.policies, (source, loaded.findings), outside);
    match loaded.usable {
        Some(config) => Ok(Read { config, files: loaded.files, reports, folder: folder.to_owned() }),
        None => Err(OptionsError::Invalid(reports)),
    }
}

/// What an endpoint offers. The edge gets the text that was checked.
fn offer(endpoint: &AgentEndpoint, checked: Option<&CheckedPolicy>) -> Result<Offer, OptionsError> {
    let name = &*endpoint.name.value;
    let unfit = |message: String| OptionsError::NotServed(format!("endpoint `{name}`: {message}"));
    let url = &endpoint.url.value;
    if url.scheme() != Scheme::Tcp {
        return Err(unfit(format!("{url} is not a tcp endpoint, and this agent serves no others yet")));
    }
    let policy = checked.map(|policy| policy.source().text().into()).or_else(|| endpoint.policy_json.clone());
    Ok(Offer {
        name: name.into(),
        address: url
            .given()
            .map_or(String::new(), |url| {
                url.port().map_or(url.host().to_owned(), |port| format!("{}:{port}", url.host()))
            })
            .into(),
        binding: Some(endpoint.binding.name()),
        pooling: endpoint.pooling_enabled,
        metadata: endpoint.metadata.clone().unwrap_or_default(),
        description: endpoint.description.clone().unwrap_or_default(),
        policy,
        upstream: server(&endpoint.upstream.value, name)?,
        proxy_protocol: endpoint.proxy_protocol.and_then(ProxyProtocol::from_number),
    })
}

fn server(upstream: &Upstream, name: &str) -> Result<UpstreamServer, OptionsError> {
    match upstream {
        Upstream::Server { scheme: UpstreamScheme::Tcp, at } => Ok(UpstreamServer::plain(at.clone())),
        Upstream::Server { scheme: UpstreamScheme::Tls, at } => {
            let fault = |error| OptionsError::NotServed(format!("`{name}`: {upstream}: {error}"));
            UpstreamServer::tls(at.clone()).map_err(fault)
        }
        other => {
            Err(OptionsError::NotServed(format!("`{name}`: this agent does not take traffic to {other} yet")))
        }
    }
}

fn finish(
    settings: AgentSettings,
    offers: Vec<Offer>,
    folder: &Path,
    origin: Origin,
) -> Result<Loaded, OptionsError> {
    let unfit = OptionsError::Unfit;
    let Some(server) = settings.connect_url.as_ref().map(|url| url.value.clone()) else {
        let message = "no edge to connect to: write `agent: {connect_url: edge.example.com:4443}`, or use \
                       `--connect-url`";
        return Err(unfit(message.to_owned()));
    };
    let from_environment = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    let authtoken = match (from_environment, &settings.authtoken) {
        (Some(token), _) => Secret::new(token.trim()),
        (None, Some(token)) => token.clone(),
        (None, None) => {
            let message = format!("no authtoken: set {TOKEN_VARIABLE}, or write `agent: {{authtoken: …}}`");
            return Err(unfit(message));
        }
    };
    let cas = match &settings.connect_cas {
        ConnectCas::Host => TrustedCas::Host,
        ConnectCas::File(path) => TrustedCas::File(folder.join(&**path)),
        _ => TrustedCas::Trusted,
    };
    let tls = client_config(&cas).map_err(|error| unfit(format!("connect_cas: {error}")))?;
    let server_name = ServerName::try_from(server.host.to_string())
        .map_err(|_| unfit(format!("no certificate can be for `{}`", server.host)))?;
    let proxy = settings.proxy_url.as_ref().map(|url| ProxyUrl::parse(url.expose())).transpose();
    let proxy = proxy.map_err(|error| unfit(format!("proxy_url: {error}")))?;
    let proxy = match proxy {
        Some(proxy) => Some(proxy),
        None => proxy_of_environment(&server, |name| std::env::var(name).ok())
            .map_err(|error| unfit(error.to_string()))?,
    };
    let notes = without_effect(&settings);
    let resolvers: Vec<_> =
        settings.dns_resolver_ips.iter().map(|&address| SocketAddr::new(address, DNS_PORT)).collect();
    let interface = settings.connect_interface.as_deref().filter(|_| CHOOSES_INTERFACE);
    let setup = Setup {
        server,
        dialer: Dialer::default().asking(&resolvers).through(interface),
        server_name,
        tls: Arc::clone(&tls),
        cas,
        proxy,
        connect_timeout: settings.connect_timeout,
        authtoken,
        metadata: settings.metadata.as_deref().unwrap_or_default().to_owned(),
        heartbeat: Heartbeat {
            interval: settings.heartbeat_interval,
            tolerance: settings.heartbeat_tolerance,
        },
        remote_management: settings.remote_management,
        origin: Some(origin),
        offers,
    };
    Ok(Loaded { setup, settings, notes })
}

/// What was written and has no effect with this agent.
fn without_effect(settings: &AgentSettings) -> Vec<String> {
    let checks = [
        (
            settings.connect_interface.is_some() && !CHOOSES_INTERFACE,
            "connect_interface",
            "the system chooses the interface",
        ),
        (settings.crl_noverify, "crl_noverify", "revocation lists are not asked for"),
        (settings.crl_url.is_some(), "crl_url", "revocation lists are not asked for"),
        (settings.console_ui == ConsoleUi::On, "console_ui", "there is no display; see the API or the log"),
        (settings.inspect_db_size > 0, "inspect_db_size", "tcp traffic is not inspected"),
        (settings.api_key.is_some(), "api_key", "this agent asks no API"),
    ];
    let set = checks.into_iter().filter(|(is_set, ..)| *is_set);
    set.map(|(_, key, why)| format!("`{key}` has no effect: {why}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_with_their_policies_and_unfit_ones_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ngrok.yml");
        let write = |text: &str| std::fs::write(&path, text).expect("written");
        let load = |chosen: Chosen| load_setup(std::slice::from_ref(&path), &chosen);
        write(
            "version: 3\nagent: {authtoken: tok-3k1x, connect_url: \"localhost:4443\", api_key: k}\nendpoints:\n\
             - {name: one, url: \"tcp://a.internal:22\", upstream: {url: 22, proxy_protocol: 2}, \
             traffic_policy: {on_tcp_connect: [{actions: [{type: deny}]}]}}\n\
             - {name: web, url: \"https://b.internal\", upstream: {url: 80}}\n\
             - {name: tls, url: \"tcp://c.internal:22\", upstream: {url: \"tls://device:8443\"}}\n",
        );
        let loaded = load(Chosen::Named(vec!["one".to_owned()])).expect("fine");
        let [offer] = &*loaded.setup.offers else { panic!("one") };
        assert_eq!(offer.policy.as_deref(), Some(r#"{"on_tcp_connect":[{"actions":[{"type":"deny"}]}]}"#));
        assert_eq!((&*offer.address, offer.proxy_protocol), ("a.internal:22", Some(ProxyProtocol::V2)));
        assert_eq!(loaded.notes, ["`api_key` has no effect: this agent asks no API"]);
        assert!(!format!("{:?}", loaded.setup).contains("tok-3k1x"));
        let loaded = load(Chosen::Named(vec!["tls".to_owned()])).expect("fine");
        assert_eq!(loaded.setup.offers[0].upstream.to_string(), "tls://device:8443");
        let loaded = load(Chosen::All).expect("two of three");
        let names: Vec<_> = loaded.setup.offers.iter().map(|offer| &*offer.name).collect();
        assert_eq!(names, ["one", "tls"]);
        let web = "endpoint `web`: https://b.internal is not a tcp endpoint";
        let [_, skipped] = &*loaded.notes else { panic!("{:?}", loaded.notes) };
        assert!(skipped.starts_with(&format!("skipped: {web}")), "{skipped}");
        for (chosen, message) in [
            (Chosen::Named(vec!["one".to_owned(), "web".to_owned()]), web),
            (Chosen::Named(vec!["two".to_owned()]), "no endpoint `two`; it has: one, web, tls"),
        ] {
            let error = load(chosen).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
        write(
            "version: 3\nagent: {authtoken: t, connect_url: \"localhost:4443\"}\nendpoints:\n\
             - {name: files, url: \"https://b.internal\", upstream: {url: \"file:///srv\"}}\n",
        );
        let error = load(Chosen::All).expect_err("nothing is left").to_string();
        assert!(error.starts_with("there is nothing to serve: endpoint `files`"), "{error}");
        write(
            "version: 3\nagent: {authtoken: secret}\nendpoints: [{name: one, url: \"tcp://a.internal:22\", upstream: {url: 22}}]\n",
        );
        let error = load(Chosen::All).expect_err("no edge").to_string();
        assert!(error.contains("connect_url"), "{error}");
        write(
            "version: 3\nagent: {authtoken: t, connect_url: \"localhost:1\", dns_resolver_ips: [127.0.0.9], connect_interface: lo}\n\
             endpoints: [{name: one, url: \"tcp://a.internal:22\", upstream: {url: 22}}]\n",
        );
        let loaded = load(Chosen::All).expect("fine");
        let dialer = format!("{:?}", loaded.setup.dialer);
        assert!(dialer.contains("127.0.0.9:53") && dialer.contains("lo") == CHOOSES_INTERFACE, "{dialer}");
        assert_eq!(loaded.notes.is_empty(), CHOOSES_INTERFACE, "{:?}", loaded.notes);
        write(
            "version: 3\nagent: {authtoken: t, connect_url: \"localhost:1\", crl_url: \"https://crl.example/a\"}\n\
             endpoints: [{name: one, url: \"tcp://a.internal:22\", upstream: {url: 22}}]\n",
        );
        let loaded = load(Chosen::All).expect("fine");
        assert_eq!(loaded.notes, ["`crl_url` has no effect: revocation lists are not asked for"]);
        write("version: 3\nendpoints: [{nme: one}]\n");
        assert!(matches!(load(Chosen::All), Err(OptionsError::Invalid(_))));
    }
}
