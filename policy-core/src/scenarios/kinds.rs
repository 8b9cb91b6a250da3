//! What the fields of scenario files can be.

use std::net::IpAddr;
use std::sync::Arc;

use crate::facts::{Fact, GivenFacts};
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{Field, Fields, head};
use crate::schema::{Context, FilePath, Kind, Record};
use crate::source::{Span, Spanned};
use crate::url::EndpointUrl;
use crate::variables;

use super::FileOr;

/// What becomes of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Availability {
    /// It takes connections.
    Online,
    /// Nobody keeps it online.
    Offline,
    /// Online, and its server does not answer.
    Refused,
    /// Online, and its server does not answer in time.
    Slow,
    /// Its server answers with this status.
    Respond(u16),
}

impl Availability {
    /// The forms that [`Self::parse`] reads.
    pub const FORMS: &'static str = "`online`, `offline`, `refused`, `slow` or `respond:STATUS`";

    /// Reads a word.
    ///
    /// ```
    /// use policy_core::scenarios::Availability;
    /// assert_eq!(Availability::parse("respond:503"), Some(Availability::Respond(503)));
    /// assert_eq!(Availability::parse("gone"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "online" => Self::Online,
            "offline" => Self::Offline,
            "refused" => Self::Refused,
            "slow" => Self::Slow,
            _ => Self::Respond(status(text.strip_prefix("respond:")?)?),
        })
    }

    /// True if connections get there.
    #[must_use]
    pub const fn is_reached(self) -> bool {
        matches!(self, Self::Online | Self::Respond(_))
    }
}

/// A status code.
pub(super) fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (100..=599).contains(status))
}

/// An address of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address;

impl Kind for Address {
    type Value = IpAddr;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<IpAddr> {
        let text = cx.reader.text(node, what)?;
        let address = text.value.parse().ok();
        if address.is_none() {
            let help = match text.value.contains('/') {
                true => "this is a network; give addresses of it, e.g. its first and last one",
                false => "write e.g. `203.0.113.42` or `\"2001:db8::1\"`",
            };
            cx.invalid(text.span, format!("{what} is not an IPv4 or IPv6 address"), help);
        }
        address
    }

    fn describe(&self) -> String {
        "address".to_owned()
    }
}

/// The URL of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct TargetUrl;

impl TargetUrl {
    pub(super) fn parse(text: &str, span: Span, cx: &Context<'_, '_>) -> Option<Spanned<EndpointUrl>> {
        match EndpointUrl::parse(text) {
            Ok(url) => Some(Spanned::new(url, span)),
            Err(error) => {
                let message = format!("this is not an endpoint URL: {error}");
                cx.invalid(span, message, "write e.g. `tcp://device1.internal:22`");
                None
            }
        }
    }
}

impl Kind for TargetUrl {
    type Value = Spanned<EndpointUrl>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let text = cx.reader.text(node, what)?;
        Self::parse(text.value, text.span, cx)
    }

    fn describe(&self) -> String {
        "URL of an endpoint".to_owned()
    }
}

/// The entries of a map.
fn entries<'d>(node: NodeRef<'d>, what: &str, example: &str, cx: &Context<'_, 'd>) -> Option<Vec<Field<'d>>> {
    let fields = Fields::from_node(node);
    if fields.is_none() {
        cx.reader.wrong_type(
            node,
            format_args!("{what}, a map"),
            &format!("write `{example}` lines below it"),
        );
    }
    fields.map(|fields| fields.entries)
}

/// What becomes of targets, by URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Targets;

impl Kind for Targets {
    type Value = Vec<(Spanned<EndpointUrl>, Availability)>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let read = |field: Field<'d>| {
            let url = TargetUrl::parse(field.key, field.span, cx);
            let text = cx.reader.text(field.value, "what becomes of a target")?;
            let state = Availability::parse(text.value);
            if state.is_none() {
                let help = format!("write {}", Availability::FORMS);
                cx.invalid(text.span, "unknown state of a target", help);
            }
            Some((url?, state?))
        };
        let entries = entries(node, what, "tcp://device1.internal:22: offline", cx)?;
        entries.into_iter().map(read).collect()
    }

    fn describe(&self) -> String {
        format!("map of URLs, each {}", Availability::FORMS)
    }
}

/// Facts, by path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts;

impl Kind for Facts {
    type Value = Vec<(Spanned<Box<str>>, Box<str>)>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let read = |field: Field<'d>| {
            if variables::fact(field.key).is_some_and(Fact::is_client_address) {
                cx.invalid(field.span, "the client's address is given by `ip`", "write `ip: …` instead");
                return None;
            }
            let value = match field.value.kind() {
                // As it is written: `5`, `true`, `DE`.
                NodeKind::Scalar(scalar) => scalar.text.to_owned(),
                NodeKind::Sequence(items) => {
                    let texts = items.iter().map(|item| cx.reader.text(item, "an item of a fact"));
                    texts.map(|text| text.map(|text| text.value)).collect::<Option<Vec<_>>>()?.join(",")
                }
                NodeKind::Mapping(_) => {
                    cx.reader.wrong_type(
                        field.value,
                        "the value of a fact",
                        "write a text, a number or a list",
                    );
                    return None;
                }
            };
            match GivenFacts::default().set(field.key, &value) {
                Ok(()) => Some((Spanned::new(field.key.into(), field.span), value.into())),
                Err(error) => {
                    cx.invalid(field.span, error.to_string(), "see the variables that policies read");
                    None
                }
            }
        };
        let entries = entries(node, what, "conn.geo.country_code: DE", cx)?;
        entries.into_iter().map(read).collect()
    }

    fn describe(&self) -> String {
        "map of facts by path".to_owned()
    }
}

/// Secrets, by vault and name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secrets;

impl Kind for Secrets {
    type Value = Vec<(Spanned<Box<str>>, Box<str>)>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let read = |field: Field<'d>| {
            if !field.key.contains('/') {
                let help = "write `vault/name: value`";
                cx.invalid(field.span, "a secret is named by its vault and name", help);
                return None;
            }
            let text = cx.reader.text(field.value, "a secret")?;
            Some((Spanned::new(field.key.into(), field.span), text.value.into()))
        };
        let entries = entries(node, what, "webhooks/github: value", cx)?;
        entries.into_iter().map(read).collect()
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "map of secrets by `vault/name`".to_owned()
    }
}

/// Files with sets of keys, by URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyFiles;

impl Kind for KeyFiles {
    type Value = Vec<super::Named<Spanned<Box<str>>>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let read = |field: Field<'d>| {
            let path = FilePath.read(field.value, "a set of keys", cx)?;
            Some((Spanned::new(field.key.into(), field.span), path))
        };
        let entries = entries(node, what, "https://id.example.com/keys: keys.json", cx)?;
        entries.into_iter().map(read).collect()
    }

    fn describe(&self) -> String {
        "map of files by URL".to_owned()
    }
}

/// The path of a file, or the thing itself as a map.
pub(super) struct PathOr<T: 'static>(pub(super) Record<T>);

impl<T> Clone for PathOr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PathOr<T> {}

impl<T> Kind for PathOr<T> {
    type Value = FileOr<T>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<FileOr<T>> {
        match node.kind() {
            NodeKind::Mapping(_) => self.0.read(node, what, cx).map(|value| FileOr::Inline(Arc::new(value))),
            NodeKind::Scalar(_) | NodeKind::Sequence(_) => FilePath.read(node, what, cx).map(FileOr::File),
        }
    }

    fn describe(&self) -> String {
        "path, or a map with the fields of such a file".to_owned()
    }
}

/// Why a case is skipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reason;

impl Kind for Reason {
    type Value = Box<str>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Box<str>> {
        let text = cx.reader.text(node, what)?;
        if text.value.trim().is_empty() {
            cx.invalid(head(node), "a skipped case says why", "write the reason, or remove the field");
            return None;
        }
        Some(text.value.into())
    }

    fn describe(&self) -> String {
        "text".to_owned()
    }
}
