//! What the object of an event says, as it is written.

use super::MAX_LISTED;
use super::scan::{Broken, Scanner, Text};
use crate::exchange::ForwardFailure;
use crate::url::EndpointUrl;

/// The fields that are wanted, each as it is written; those that are null are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'l> {
    pub(super) client_ip: Option<Text<'l>>,
    pub(super) client_port: Option<u16>,
    pub(super) server_ip: Option<Text<'l>>,
    pub(super) server_name: Option<Text<'l>>,
    pub(super) server_port: Option<u16>,
    pub(super) start: Option<Text<'l>>,
    /// What the event knows of places.
    pub(super) geo: Option<&'l str>,
    /// The request and its response.
    pub(super) http: Option<&'l str>,
    /// Bytes went one way or the other.
    pub(super) carried: bool,
    pub(super) ip_policy: Option<Text<'l>>,
    pub(super) endpoint: Option<Text<'l>>,
    pub(super) decision: Option<Text<'l>>,
    pub(super) rule: Option<Text<'l>>,
    pub(super) at: Option<&'l str>,
    pub(super) reason: Option<Text<'l>>,
    pub(super) policy_sha256: Option<Text<'l>>,
    pub(super) target: Option<Text<'l>>,
    pub(super) hops: Option<&'l str>,
    pub(super) failed: Option<&'l str>,
    /// The first field that has another type than it should, or stands there twice.
    pub(super) wrong: Option<&'static str>,
}

impl<'l> Fields<'l> {
    /// Reads an object.
    pub(super) fn read(scanner: &mut Scanner<'l>) -> Result<Self, Broken> {
        let mut fields = Self::default();
        scanner.object(|scanner, key| fields.field(scanner, key))?;
        Ok(fields)
    }

    fn field(&mut self, scanner: &mut Scanner<'l>, key: Text<'l>) -> Result<(), Broken> {
        let Some(key) = key.get() else { return scanner.skip() };
        let wrong = &mut self.wrong;
        match &*key {
            "conn" if scanner.peek() == Some(b'{') => scanner.object(|scanner, key| self.conn(scanner, key)),
            "ip_policy" if scanner.peek() == Some(b'{') => {
                scanner.object(|scanner, key| match key.get().as_deref() {
                    Some("decision") => {
                        text(scanner, (&mut self.ip_policy, wrong), "object.ip_policy.decision")
                    }
                    _ => scanner.skip(),
                })
            }
            "http" => raw(scanner, (&mut self.http, wrong), "object.http"),
            "endpoint" => text(scanner, (&mut self.endpoint, wrong), "object.endpoint"),
            "decision" => text(scanner, (&mut self.decision, wrong), "object.decision"),
            "rule" => text(scanner, (&mut self.rule, wrong), "object.rule"),
            "at" => raw(scanner, (&mut self.at, wrong), "object.at"),
            "reason" => text(scanner, (&mut self.reason, wrong), "object.reason"),
            "policy_sha256" => text(scanner, (&mut self.policy_sha256, wrong), "object.policy_sha256"),
            "target" => text(scanner, (&mut self.target, wrong), "object.target"),
            "hops" => raw(scanner, (&mut self.hops, wrong), "object.hops"),
            "failed_forwards" => raw(scanner, (&mut self.failed, wrong), "object.failed_forwards"),
            _ => scanner.skip(),
        }
    }

    fn conn(&mut self, scanner: &mut Scanner<'l>, key: Text<'l>) -> Result<(), Broken> {
        let Some(key) = key.get() else { return scanner.skip() };
        let wrong = &mut self.wrong;
        match &*key {
            "client_ip" => text(scanner, (&mut self.client_ip, wrong), "object.conn.client_ip"),
            "client_port" => port(scanner, (&mut self.client_port, wrong), "object.conn.client_port"),
            "server_ip" => text(scanner, (&mut self.server_ip, wrong), "object.conn.server_ip"),
            "server_name" => text(scanner, (&mut self.server_name, wrong), "object.conn.server_name"),
            "server_port" => port(scanner, (&mut self.server_port, wrong), "object.conn.server_port"),
            "start_ts" => text(scanner, (&mut self.start, wrong), "object.conn.start_ts"),
            "geo" => raw(scanner, (&mut self.geo, wrong), "object.conn.geo"),
            "bytes_in" | "bytes_out" => {
                self.carried |= !matches!(scanner.raw()?, "0" | "null");
                Ok(())
            }
            _ => scanner.skip(),
        }
    }
}

/// A place for a value, and for the name of a field that is wrong.
type Place<'s, T> = (&'s mut Option<T>, &'s mut Option<&'static str>);

fn put<T>((slot, wrong): Place<'_, T>, value: Option<T>, name: &'static str) {
    let is_fine = value.is_some() && slot.is_none();
    match value.filter(|_| is_fine) {
        Some(value) => *slot = Some(value),
        None => *wrong = wrong.or(Some(name)),
    }
}

#[inline]
fn text<'l>(scanner: &mut Scanner<'l>, place: Place<'_, Text<'l>>, name: &'static str) -> Result<(), Broken> {
    match scanner.peek() {
        Some(b'n') => return scanner.skip(),
        Some(b'"') => put(place, Some(scanner.string()?), name),
        _ => {
            scanner.skip()?;
            put(place, None, name);
        }
    }
    Ok(())
}

#[inline]
fn raw<'l>(scanner: &mut Scanner<'l>, place: Place<'_, &'l str>, name: &'static str) -> Result<(), Broken> {
    match scanner.raw()? {
        "null" => {}
        value => put(place, Some(value), name),
    }
    Ok(())
}

#[inline]
fn port<'l>(scanner: &mut Scanner<'l>, place: Place<'_, u16>, name: &'static str) -> Result<(), Broken> {
    match scanner.raw()? {
        "null" => {}
        value => put(place, value.parse().ok(), name),
    }
    Ok(())
}

/// A list of endpoint URLs.
pub(super) fn urls(raw: &str) -> Option<Vec<EndpointUrl>> {
    let texts: Vec<String> = serde_json::from_str(raw).ok()?;
    if texts.len() > MAX_LISTED {
        return None;
    }
    texts.iter().map(|text| EndpointUrl::parse(text).ok()).collect()
}

/// A list of forwards that failed.
pub(super) fn failures(raw: &str) -> Option<Vec<(EndpointUrl, ForwardFailure)>> {
    let items: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(raw).ok()?;
    if items.len() > MAX_LISTED {
        return None;
    }
    let failure = |item: &serde_json::Map<String, serde_json::Value>| {
        let url = EndpointUrl::parse(item.get("target")?.as_str()?).ok()?;
        let code = item.get("error_code")?.as_str()?;
        Some((url, ForwardFailure::from_code(code)?))
    };
    items.iter().map(failure).collect()
}
