//! What a credential may bind: rules `bind:host`, `bind:host:port`, `bind:*.host`, whose union counts.
//!
//! Source: ngrok documentation, credential ACLs (2026-08-07). Where it is silent: a host rule covers every
//! port, `*.` covers every depth and the wildcard name itself, and label rules (`bind:key=value`) permit no
//! address, so that a credential with label rules only binds nothing here.

use policy_core::ngrok::{ERR_NGROK_600, NgrokCode};
use std::fmt;

/// The rules of a credential; none permit everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    rules: Box<[Rule]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Everything,
    /// An exact host in lower case; every port where none is given.
    Host(Box<str>, Option<u16>),
    /// What a name must end with, from the dot on.
    Below(Box<str>, Option<u16>),
    /// Of the time before endpoints had addresses.
    Label,
}

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclError {
    rule: Box<str>,
    reason: &'static str,
}

impl AclError {
    /// ngrok's number of this error.
    pub const CODE: NgrokCode = ERR_NGROK_600;
    /// Enough to recognise a rule by.
    const SHOWN: usize = 300;
}

impl fmt::Display for AclError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ACL rule `{}` is malformed: {}", self.rule, self.reason)
    }
}

impl std::error::Error for AclError {}

impl Acl {
    /// Reads the rules of a credential.
    ///
    /// # Errors
    /// [`AclError`] for the first rule that cannot be read.
    pub fn parse(rules: &[String]) -> Result<Self, AclError> {
        let rules = rules.iter().map(|rule| {
            let shown = || rule.chars().take(AclError::SHOWN).collect::<String>().into();
            Rule::parse(rule).map_err(|reason| AclError { rule: shown(), reason })
        });
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether an address may be bound; `host` without a scheme, IPv6 addresses with or without brackets.
    #[must_use]
    pub fn permits(&self, host: &str, port: Option<u16>) -> bool {
        if self.rules.is_empty() {
            return true;
        }
        let host = unbracketed(host).to_ascii_lowercase();
        self.rules.iter().any(|rule| rule.permits(&host, port))
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let value = text.strip_prefix("bind:").ok_or("a rule begins with `bind:`")?;
        if let Some((key, _)) = value.split_once('=') {
            return if key.is_empty() { Err("a label needs a key") } else { Ok(Self::Label) };
        }
        if value == "*" {
            return Ok(Self::Everything);
        }
        if value.contains("://") {
            return Err("write `host` or `host:port`, without a scheme");
        }
        let (host, port) = split_port(value)?;
        let host = host.to_ascii_lowercase();
        if let Some(parent) = host.strip_prefix("*.") {
            check_name(parent)?;
            return Ok(Self::Below(format!(".{parent}").into(), port));
        }
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            check_name(&host)?;
        }
        Ok(Self::Host(host.into(), port))
    }

    fn permits(&self, host: &str, port: Option<u16>) -> bool {
        let (matches, wanted) = match self {
            Self::Everything => return true,
            Self::Label => return false,
            Self::Host(exact, wanted) => (host == &**exact, wanted),
            // A name with an empty label is no name below anything.
            Self::Below(end, wanted) => {
                let below = host.strip_suffix(&**end);
                (below.is_some_and(|below| below.split('.').all(|label| !label.is_empty())), wanted)
            }
        };
        matches && wanted.is_none_or(|wanted| port == Some(wanted))
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Splits `host`, `host:port`, `[ipv6]` and `[ipv6]:port`.
fn split_port(value: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = value.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("`[` has no `]`")?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| "the brackets contain no IPv6 address")?;
        let port = rest.strip_prefix(':');
        if port.is_none() && !rest.is_empty() {
            return Err("only a port may follow the brackets");
        }
        (host, port)
    } else {
        match value.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("an IPv6 address needs brackets, and the port is a number");
            }
            Some((host, port)) => (host, Some(port)),
            None => (value, None),
        }
    };
    let Some(port) = port else { return Ok((host, None)) };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok((host, Some(port))),
        _ => Err("a port is a number from 1 to 65535"),
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() {
        return Err("the host is empty");
    }
    if name.contains('*') {
        return Err("`*` is allowed only alone or as the whole first part of a name");
    }
    if !name.bytes().all(of_name) {
        return Err("a host has letters, digits, `-`, `_` and dots");
    }
    if name.split('.').any(str::is_empty) {
        return Err("a part of the host is empty");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn acl(rules: &[&str]) -> Acl {
        Acl::parse(&rules.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("well formed")
    }

    #[test]
    fn no_rule_and_stars_permit_everything() {
        for rules in [&[][..], &["*"], &["bind:*"], &["bind:other.internal", "bind:*"]] {
            assert!(acl(rules).permits("device1.internal", Some(22)), "{rules:?}");
            assert!(acl(rules).permits("anything", None), "{rules:?}");
        }
    }

    #[test]
    fn a_host_rule_covers_every_port_and_no_other_host() {
        let acl = acl(&["bind:Device1.Internal"]);
        assert!(acl.permits("device1.internal", Some(22)));
        assert!(acl.permits("DEVICE1.internal", None));
        for other in ["device2.internal", "a.device1.internal", "device1.internal.", "xdevice1.internal", ""]
        {
            assert!(!acl.permits(other, Some(22)), "{other}");
        }
    }

    #[test]
    fn a_port_rule_covers_that_port() {
        let acl = acl(&["bind:1.tcp.example.com:20002"]);
        assert!(acl.permits("1.tcp.example.com", Some(20002)));
        assert!(!acl.permits("1.tcp.example.com", Some(20003)));
        assert!(!acl.permits("1.tcp.example.com", None));
    }

    #[test]
    fn a_wildcard_covers_every_depth_and_itself_but_not_its_parent() {
        let acl = acl(&["bind:*.gateway1.internal"]);
        for below in
            ["a.gateway1.internal", "a.b.gateway1.internal", "*.gateway1.internal", "*.a.gateway1.internal"]
        {
            assert!(acl.permits(below, Some(1)), "{below}");
        }
        for other in ["gateway1.internal", ".gateway1.internal", "..gateway1.internal", "xgateway1.internal"]
        {
            assert!(!acl.permits(other, Some(1)), "{other}");
        }
    }

    #[test]
    fn rules_unite() {
        let acl = acl(&["bind:a.internal:22", "bind:b.internal", "bind:*.c.internal:80"]);
        assert!(acl.permits("a.internal", Some(22)) && acl.permits("b.internal", Some(9)));
        assert!(acl.permits("x.c.internal", Some(80)) && !acl.permits("x.c.internal", Some(22)));
        assert!(!acl.permits("a.internal", Some(23)));
    }

    #[test]
    fn label_rules_permit_no_address() {
        let acl = acl(&["bind:team=*", "bind:*=blue"]);
        assert!(!acl.permits("team", None) && !acl.permits("*", None) && !acl.permits("", None));
    }

    #[test]
    fn ipv6_addresses_stand_in_brackets() {
        let acl = acl(&["bind:[2001:DB8::1]:22"]);
        assert!(acl.permits("[2001:db8::1]", Some(22)) && acl.permits("2001:db8::1", Some(22)));
        assert!(!acl.permits("2001:db8::1", Some(23)));
    }

    #[test]
    fn a_malformed_rule_is_named() {
        for (rule, reason) in [
            ("device1.internal", "begins with `bind:`"),
            ("", "begins with `bind:`"),
            ("Bind:a", "begins with `bind:`"),
            ("bind:", "empty"),
            ("bind::22", "empty"),
            ("bind:*.", "empty"),
            ("bind:a..b", "empty"),
            ("bind:a.", "empty"),
            ("bind:a:0", "1 to 65535"),
            ("bind:a:65536", "1 to 65535"),
            ("bind:a:+22", "1 to 65535"),
            ("bind:a:", "1 to 65535"),
            ("bind:a:1:2", "brackets"),
            ("bind:[::1", "no `]`"),
            ("bind:[::1]22", "only a port"),
            ("bind:[a]:1", "IPv6"),
            ("bind:tcp://a.internal:22", "without a scheme"),
            ("bind:a.*.internal", "only alone"),
            ("bind:*a.internal", "only alone"),
            ("bind:*:22", "only alone"),
            ("bind:a b", "letters, digits"),
            ("bind:=blue", "a key"),
        ] {
            let error = Acl::parse(&["bind:fine".to_owned(), rule.to_owned()]).expect_err(rule).to_string();
            assert!(error.contains(&format!("`{rule}`")) && error.contains(reason), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_named_rule_permits_all(rule in "\\PC*", host in "\\PC*", port: Option<u16>) {
            for rule in [rule.clone(), format!("bind:{rule}"), format!("bind:*.{rule}")] {
                if let Ok(acl) = Acl::parse(std::slice::from_ref(&rule)) {
                    let permitted = acl.permits(&host, port);
                    let asked = host.to_ascii_lowercase();
                    let named = rule == "*" || rule == "bind:*" || rule.to_ascii_lowercase().contains(&asked)
                        || rule.contains("*.");
                    prop_assert!(!permitted || named || host.starts_with('['));
                }
            }
        }
    }
}
