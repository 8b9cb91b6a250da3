//! The proxy that the environment names, for agents whose configuration names none.
//!
//! `https_proxy` counts before `http_proxy`, small letters before capital ones; an empty one is none. Without a scheme it
//! is `http://`. `no_proxy` lists where no proxy is used, separated by commas: a name stands for itself and all below
//! it, with or without a dot in front; an address, or a network, for addresses; `*` for all; `:port` behind it for one
//! port. Addresses of this machine itself are never reached through a proxy of the environment; the name `localhost` is,
//! as with curl, unless `no_proxy` has it.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use policy_core::url::HostPort;

use super::proxy::{ProxyUrl, ProxyUrlError};

const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A variable that names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvironmentError {
    variable: &'static str,
    error: ProxyUrlError,
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, error } = self;
        write!(f, "the variable {variable}: {error}; correct it, unset it, or set `proxy_url`")
    }
}

impl std::error::Error for EnvironmentError {}

/// The proxy on the way to a service, by variables.
///
/// # Errors
/// If the one that counts names no proxy.
pub fn proxy_of_environment(
    target: &HostPort,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<ProxyUrl>, EnvironmentError> {
    let set = |name: &'static str| {
        variable(name).map(|value| (name, value.trim().to_owned())).filter(|(_, value)| !value.is_empty())
    };
    let Some((name, value)) = PROXY.into_iter().find_map(set) else { return Ok(None) };
    let exceptions = NO_PROXY.into_iter().find_map(set).map(|(_, value)| value).unwrap_or_default();
    if is_of_this_machine(&target.host) || is_excepted(target, &exceptions) {
        return Ok(None);
    }
    let value = if value.contains("://") { value } else { format!("http://{value}") };
    // Here names are looked up by the proxy in any case.
    let value = value.strip_prefix("socks5h://").map_or(value.clone(), |rest| format!("socks5://{rest}"));
    ProxyUrl::parse(&value).map(Some).map_err(|error| EnvironmentError { variable: name, error })
}

fn is_of_this_machine(host: &str) -> bool {
    address(host).is_some_and(|address| address.is_loopback())
}

fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn is_excepted(target: &HostPort, exceptions: &str) -> bool {
    exceptions.split([',', ' ']).map(str::trim).filter(|it| !it.is_empty()).any(|it| covers(it, target))
}

/// Whether one entry of `no_proxy` stands for a service.
fn covers(entry: &str, target: &HostPort) -> bool {
    let (host, port) = split_port(entry);
    if port.is_some_and(|port| port != target.port) {
        return false;
    }
    match (address(&target.host), host.parse::<IpNetwork>()) {
        _ if host == "*" => true,
        (Some(address), Ok(network)) => network.contains(address),
        (None, Err(_)) => is_below(&target.host, host),
        _ => false,
    }
}

/// `name:port`, `1.2.3.4:port`, `[::1]:port`; an IPv6 address without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    };
    (host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host), port)
}

fn is_below(host: &str, name: &str) -> bool {
    let end = |text: &str| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let (host, name) = (end(host), end(name.strip_prefix("*.").unwrap_or(name)));
    let name = name.strip_prefix('.').unwrap_or(&name);
    let Some(front) = host.strip_suffix(name) else { return false };
    !name.is_empty() && (front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(target: &str, set: &[(&str, &str)]) -> Result<Option<String>, EnvironmentError> {
        let target = HostPort::parse(target).expect(target);
        let variable =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        proxy_of_environment(&target, variable).map(|proxy| proxy.map(|proxy| proxy.to_string()))
    }

    #[test]
    fn the_variable_that_counts_names_the_proxy() {
        let found = |set: &[(&str, &str)]| proxy("edge.example.com:443", set).expect("a proxy or none");
        let (one, two) = (("http_proxy", "http://one:1"), ("https_proxy", "https://two:2"));
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[one]).as_deref(), Some("http://one:1"));
        assert_eq!(found(&[one, two]).as_deref(), Some("https://two:2"));
        assert_eq!(found(&[("HTTP_PROXY", "three:3"), one]).as_deref(), Some("http://one:1"));
        assert_eq!(found(&[("HTTP_PROXY", "three:3")]).as_deref(), Some("http://three:3"));
        assert_eq!(found(&[("HTTPS_PROXY", "socks5h://four")]).as_deref(), Some("socks5://four:1080"));
        assert_eq!(
            found(&[("https_proxy", " "), one]).as_deref(),
            Some("http://one:1"),
            "an empty one is none"
        );
        assert_eq!(found(&[("https_proxy", "")]), None);
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_named_and_not_shown() {
        let error = proxy("edge:443", &[("https_proxy", "ftp://me:s3cr3t@proxy")]).expect_err("no proxy");
        let text = format!("{error} {error:?}");
        assert!(text.contains("https_proxy") && !text.contains("s3cr3t"), "{text}");
        assert_eq!(error.error, ProxyUrlError::Scheme);
    }

    #[test]
    fn exceptions_are_names_addresses_networks_and_ports() {
        for (no_proxy, target, direct) in [
            ("example.com", "example.com:443", true),
            ("example.com", "edge.EXAMPLE.com.:443", true),
            (".example.com", "edge.example.com:443", true),
            (".example.com", "example.com:443", true),
            ("*.example.com", "edge.example.com:443", true),
            ("example.com", "badexample.com:443", false),
            ("edge.example.com", "example.com:443", false),
            ("a.example, example.com:4443", "edge.example.com:4443", true),
            ("example.com:4443", "edge.example.com:443", false),
            ("*", "edge.example.com:443", true),
            ("*", "192.0.2.7:443", true),
            ("192.0.2.7", "192.0.2.7:443", true),
            ("192.0.2.7:80", "192.0.2.7:443", false),
            ("192.0.2.7", "192.0.2.70:443", false),
            ("192.0.2.0/24", "192.0.2.70:443", true),
            ("192.0.2.0/24", "edge.example.com:443", false),
            ("2001:db8::/32", "[2001:db8::7]:443", true),
            ("[2001:db8::7]:443", "[2001:db8::7]:443", true),
            ("[2001:db8::7]:80", "[2001:db8::7]:443", false),
            ("192.0.2.0/24", "[::ffff:192.0.2.7]:443", true),
            (".", "edge.example.com:443", false),
            (",,", "edge.example.com:443", false),
            // Of this machine, whatever is listed.
            ("", "localhost:443", false),
            ("", "127.0.0.9:443", true),
            ("", "[::1]:443", true),
            ("localhost", "edge.localhost:443", true),
            ("", "192.0.2.7:443", false),
        ] {
            let found = proxy(target, &[("http_proxy", "http://one:1"), ("no_proxy", no_proxy)]);
            assert_eq!(found.expect("fine").is_none(), direct, "{no_proxy} {target}");
        }
        let capital = [("http_proxy", "http://one:1"), ("NO_PROXY", "edge")];
        assert_eq!(proxy("edge:443", &capital), Ok(None));
    }
}
