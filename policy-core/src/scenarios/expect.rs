//! What a case expects, each part with its place.

use std::fmt;

use super::bless::{Place, places};
use super::kinds::{TargetUrl, status};
use crate::diagnostic::Diagnostic;
use crate::message::is_token;
use crate::parse::{NodeKind, NodeRef, Plain, PlainMap};
use crate::reader::{Fields, head};
use crate::schema::{Context, Declared, Field, Integer, Kind, Literal, RELATED_FIELD, Record};
use crate::source::{Span, Spanned};
use crate::url::{EndpointUrl, UrlError};

/// What is expected: all that is given has to hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Expected {
    /// Where it stands.
    pub span: Span,
    /// How it ends.
    pub outcome: Option<Spanned<ExpectedOutcome>>,
    /// The name of the rule that decides.
    pub rule: Option<Spanned<Box<str>>>,
    /// What the client is answered.
    pub answer: Answered,
    /// What the upstream is sent.
    pub request: Option<Sent>,
    /// Variables that were set last, by name.
    pub vars: Vec<(Spanned<Box<str>>, Plain)>,
    /// All effects, in order.
    pub effects: Option<Spanned<Vec<Spanned<ExpectedEffect>>>>,
    /// Where its fields stand.
    pub(super) places: Vec<Place>,
}

/// How a connection or request ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedOutcome {
    /// Forwarded, or let through to an upstream.
    Allow,
    /// Forwarded to this target.
    Forward(EndpointUrl),
    /// Refused or closed.
    Deny,
    /// Refused with this status.
    DenyWith(u16),
    /// Closed.
    Close,
    /// Failed closed.
    Error,
    /// The policy answers with this status.
    Respond(u16),
    /// The endpoint's own upstream gets it.
    Upstream,
}

impl ExpectedOutcome {
    /// The forms that [`Self::parse`] reads.
    pub const FORMS: &'static str =
        "`allow`, `upstream`, `deny`, `deny:STATUS`, `close`, `error`, `forward:URL` or `respond:STATUS`";

    /// Reads a word of a command line; `None` for a form that it is not, with the URL's own error for one of those.
    ///
    /// ```
    /// use policy_core::scenarios::ExpectedOutcome;
    /// assert_eq!(ExpectedOutcome::parse("deny:403"), Ok(Some(ExpectedOutcome::DenyWith(403))));
    /// assert_eq!(ExpectedOutcome::parse("deny:4030"), Ok(None));
    /// assert!(ExpectedOutcome::parse("forward:device1").is_err());
    /// ```
    ///
    /// # Errors
    /// A target that is no URL of an endpoint.
    pub fn parse(text: &str) -> Result<Option<Self>, UrlError> {
        let with = |what: &str| text.strip_prefix(what).and_then(status);
        Ok(Some(match text {
            "allow" => Self::Allow,
            "upstream" => Self::Upstream,
            "deny" => Self::Deny,
            "close" => Self::Close,
            "error" => Self::Error,
            _ if text.starts_with("forward:") => {
                Self::Forward(EndpointUrl::parse(text.strip_prefix("forward:").unwrap_or_default())?)
            }
            _ => match with("respond:").map(Self::Respond).or_else(|| with("deny:").map(Self::DenyWith)) {
                Some(outcome) => outcome,
                None => return Ok(None),
            },
        }))
    }

    /// The target, if it is a forward.
    #[must_use]
    pub const fn target(&self) -> Option<&EndpointUrl> {
        match self {
            Self::Forward(url) => Some(url),
            _ => None,
        }
    }
}

impl fmt::Display for ExpectedOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Forward(url) => write!(f, "forward to {url}"),
            Self::Deny => f.write_str("deny"),
            Self::DenyWith(status) => write!(f, "deny with {status}"),
            Self::Close => f.write_str("close"),
            Self::Error => f.write_str("error (failed closed)"),
            Self::Respond(status) => write!(f, "respond with {status}"),
            Self::Upstream => f.write_str("upstream"),
        }
    }
}

/// What a client is answered.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Answered {
    /// The status code.
    pub status: Option<Spanned<u16>>,
    /// Headers.
    pub headers: Vec<ExpectedHeader>,
    /// The body.
    pub body: Option<Spanned<Box<str>>>,
}

/// What an upstream is sent.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Sent {
    /// The URL, as it was rewritten or came.
    pub url: Option<Spanned<Box<str>>>,
    /// Headers.
    pub headers: Vec<ExpectedHeader>,
    /// The body.
    pub body: Option<Spanned<Box<str>>>,
}

/// A header: with exactly these values, or without any.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExpectedHeader {
    /// Its name.
    pub name: Spanned<Box<str>>,
    /// Its values, in order.
    pub values: Vec<Box<str>>,
}

/// An effect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ExpectedEffect {
    /// A forward to a target.
    Forward(EndpointUrl),
    /// `log` with these metadata.
    Log(PlainMap),
    /// Any other, by its name.
    Named(Box<str>),
}

static ALLOW: Field<Yes> =
    Field::optional("allow", Yes, "It is forwarded, or an upstream of the endpoint's own gets it.");
static FORWARD: Field<TargetUrl> = Field::optional("forward", TargetUrl, "It is forwarded to this target.");
static DENY: Field<YesOrStatus> = Field::optional(
    "deny",
    YesOrStatus,
    "It is refused or closed; with a status: a request is refused with it.",
);
static CLOSE: Field<Yes> = Field::optional("close", Yes, "It is closed.");
static ERROR: Field<Yes> = Field::optional("error", Yes, "The policy fails, and refuses.");
static RESPOND: Field<Integer> =
    Field::optional("respond", Integer(100, 599), "The policy answers a request with this status.");
static UPSTREAM: Field<Yes> =
    Field::optional("upstream", Yes, "The policy decides nothing: the endpoint's own upstream gets it.");
static RULE: Field<Literal> = Field::optional("rule", Literal(1_024), "The name of the rule that decides.");
static STATUS: Field<Integer> =
    Field::optional("status", Integer(100, 599), "The status that the client is answered.");
static HEADERS: Field<HeaderValues> = Field::optional(
    "headers",
    HeaderValues,
    "Headers that the client is answered; `null` is for one that must not be there.",
);
static BODY: Field<BodyText> = Field::optional("body", BodyText, "The body that the client is answered.");
static REQUEST: Field<Record<Sent>> = Field::optional(
    "request",
    Record { fields: SENT, ignored: &[], read: sent },
    "The request as the upstream gets it.",
);
static VARS: Field<Values> = Field::optional(
    "vars",
    Values,
    "Values of variables that were set, `vars.*` by name; `null` is for one that was not.",
);
static EFFECTS: Field<Effects> = Field::optional(
    "effects",
    Effects,
    "All that the policy asks its host for, in order: `forward: URL`, `log: {…}`, or the name of another effect.",
);

static SENT_URL: Field<BodyText> = Field::optional("url", BodyText, "Its URL, rewritten or not.");
static SENT_HEADERS: Field<HeaderValues> =
    Field::optional("headers", HeaderValues, "Its headers; `null` is for one that must not be there.");
static SENT_BODY: Field<BodyText> = Field::optional("body", BodyText, "Its body.");
const SENT: Declared = &[&SENT_URL, &SENT_HEADERS, &SENT_BODY];

pub(super) const FIELDS: Declared = &[
    &FORWARD, &DENY, &CLOSE, &RESPOND, &UPSTREAM, &ALLOW, &ERROR, &RULE, &STATUS, &HEADERS, &BODY, &REQUEST,
    &VARS, &EFFECTS,
];
pub(super) const RECORD: Record<Expected> = Record { fields: FIELDS, ignored: &[], read };

fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Expected> {
    let outcome = outcome(fields, cx);
    let (rule, status) = (cx.optional(fields, &RULE), cx.optional(fields, &STATUS));
    let (headers, body) = (cx.optional(fields, &HEADERS), cx.optional(fields, &BODY));
    let (request, vars) = (cx.optional(fields, &REQUEST), cx.optional(fields, &VARS));
    let effects = cx.optional(fields, &EFFECTS);
    if fields.entries.is_empty() {
        cx.invalid(cx.owner.1, "nothing is expected", "write e.g. `expect: {deny: true}`");
        return None;
    }
    let at = |name: &str| fields.get(name).map_or(cx.owner.1, head);
    let status = status?.and_then(|status| u16::try_from(status).ok());
    let answer = Answered {
        status: status.map(|status| Spanned::new(status, at(STATUS.name()))),
        headers: headers?.unwrap_or_default(),
        body: body?,
    };
    Some(Expected {
        span: cx.owner.1,
        outcome: outcome?,
        rule: rule?,
        answer,
        request: request?,
        vars: vars?.unwrap_or_default(),
        effects: effects?.map(|effects| Spanned::new(effects, at(EFFECTS.name()))),
        places: places(fields),
    })
}

fn sent<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Sent> {
    let (url, headers) = (cx.optional(fields, &SENT_URL), cx.optional(fields, &SENT_HEADERS));
    let body = cx.optional(fields, &SENT_BODY)?;
    Some(Sent { url: url?, headers: headers?.unwrap_or_default(), body })
}

/// The one outcome that is given; nothing inside if none is.
fn outcome<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Option<Spanned<ExpectedOutcome>>> {
    let mut all: Vec<(Span, Option<ExpectedOutcome>)> = Vec::new();
    let yes = |field: &Field<Yes>, what: ExpectedOutcome| {
        let value = cx.optional(fields, field).map(|value| value.map(|()| what));
        fields.get(field.name()).map(|node| (head(node), value.flatten()))
    };
    all.extend(yes(&ALLOW, ExpectedOutcome::Allow));
    all.extend(yes(&CLOSE, ExpectedOutcome::Close));
    all.extend(yes(&ERROR, ExpectedOutcome::Error));
    all.extend(yes(&UPSTREAM, ExpectedOutcome::Upstream));
    let mut add = |name: &str, value: Option<ExpectedOutcome>| {
        all.extend(fields.get(name).map(|node| (head(node), value)));
    };
    let forward = cx.optional(fields, &FORWARD).flatten().map(|url| ExpectedOutcome::Forward(url.value));
    add(FORWARD.name(), forward);
    let with = |status: Option<u16>| status.map_or(ExpectedOutcome::Deny, ExpectedOutcome::DenyWith);
    add(DENY.name(), cx.optional(fields, &DENY).flatten().map(with));
    let status = cx.optional(fields, &RESPOND).flatten().and_then(|status| u16::try_from(status).ok());
    add(RESPOND.name(), status.map(ExpectedOutcome::Respond));
    all.sort_by_key(|(span, _)| span.start);
    let mut all = all.into_iter();
    let first = all.next();
    if let (Some((first, _)), Some((second, _))) = (&first, all.next()) {
        let message = "an expectation has one outcome";
        let found =
            Diagnostic::new(&RELATED_FIELD, second, message).with_label(*first, "the first is given here");
        cx.reader.report(found.with_help("keep one; make a case or a step for the other"));
        return None;
    }
    match first {
        Some((span, value)) => Some(Some(Spanned::new(value?, span))),
        None => Some(None),
    }
}

/// `true`: what is not expected is left out.
#[derive(Clone, Copy, Debug)]
struct Yes;

impl Kind for Yes {
    type Value = ();

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<()> {
        if cx.reader.boolean(node, what)? {
            return Some(());
        }
        cx.invalid(head(node), format!("{what} cannot be `false`"), "write the outcome that is expected");
        None
    }

    fn describe(&self) -> String {
        "`true`".to_owned()
    }
}

/// `true`, or a status.
#[derive(Clone, Copy, Debug)]
struct YesOrStatus;

impl Kind for YesOrStatus {
    type Value = Option<u16>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Option<u16>> {
        if let NodeKind::Scalar(scalar) = node.kind()
            && let Some(status) = status(scalar.text)
        {
            return Some(Some(status));
        }
        Yes.read(node, what, cx).map(|()| None)
    }

    fn describe(&self) -> String {
        "`true`, or a status code".to_owned()
    }
}

/// Any text, an empty one too.
#[derive(Clone, Copy, Debug)]
struct BodyText;

impl Kind for BodyText {
    type Value = Spanned<Box<str>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        cx.reader.text(node, what).map(|text| Spanned::new(text.value.into(), text.span))
    }

    fn describe(&self) -> String {
        "text".to_owned()
    }
}

/// Headers: a text, a list of texts, or nothing for one that is not there.
#[derive(Clone, Copy, Debug)]
struct HeaderValues;

impl Kind for HeaderValues {
    type Value = Vec<ExpectedHeader>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let Some(fields) = Fields::from_node(node) else {
            cx.reader.wrong_type(node, format_args!("{what}, a map"), "write `name: value` lines below it");
            return None;
        };
        let mut out = Vec::new();
        for field in &fields.entries {
            if !is_token(field.key) {
                cx.invalid(field.span, "this is not the name of a header", "write e.g. `location`");
                return None;
            }
            let nodes = match field.value.kind() {
                _ if field.is_empty() => Vec::new(),
                NodeKind::Sequence(items) => items.iter().collect(),
                NodeKind::Scalar(_) | NodeKind::Mapping(_) => vec![field.value],
            };
            let values = nodes.into_iter().map(|node| cx.reader.text(node, "the value of a header"));
            let values = values.map(|text| text.map(|text| text.value.into())).collect::<Option<_>>()?;
            let name = Spanned::new(field.key.to_ascii_lowercase().into(), field.span);
            out.push(ExpectedHeader { name, values });
        }
        Some(out)
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "map of headers, each a text, a list of texts, or `null`".to_owned()
    }
}

/// Values of any shape, by name.
#[derive(Clone, Copy, Debug)]
struct Values;

impl Kind for Values {
    type Value = Vec<(Spanned<Box<str>>, Plain)>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let Some(fields) = Fields::from_node(node) else {
            cx.reader.wrong_type(node, format_args!("{what}, a map"), "write `name: value` lines below it");
            return None;
        };
        let entry = |field: &crate::reader::Field<'_>| {
            (Spanned::new(field.key.into(), field.span), Plain::from_node(field.value))
        };
        Some(fields.entries.iter().map(entry).collect())
    }

    fn describe(&self) -> String {
        "map of values".to_owned()
    }
}

/// Effects, in order.
#[derive(Clone, Copy, Debug)]
struct Effects;

impl Kind for Effects {
    type Value = Vec<Spanned<ExpectedEffect>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let items = cx.reader.list(node, what)?;
        items.into_iter().map(|item| effect(item, cx).map(|it| Spanned::new(it, head(item)))).collect()
    }

    fn describe(&self) -> String {
        "list of effects".to_owned()
    }
}

fn effect<'d>(node: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<ExpectedEffect> {
    const HELP: &str = "write `forward: URL`, `log: {…}`, or the name of an effect";
    let fields = match node.kind() {
        NodeKind::Scalar(_) => {
            let text = cx.reader.text(node, "an effect")?;
            if crate::exchange::Effect::NAMES.contains(&text.value) {
                return Some(ExpectedEffect::Named(text.value.into()));
            }
            cx.invalid(text.span, "there is no effect of this name", HELP);
            return None;
        }
        NodeKind::Mapping(_) => Fields::from_node(node)?,
        NodeKind::Sequence(_) => {
            cx.reader.wrong_type(node, "an effect", HELP);
            return None;
        }
    };
    match fields.entries.as_slice() {
        [only] if only.key == "forward" => {
            TargetUrl.read(only.value, "the target", cx).map(|url| ExpectedEffect::Forward(url.value))
        }
        [only] if only.key == "log" => match Plain::from_node(only.value) {
            Plain::Map(metadata) => Some(ExpectedEffect::Log(metadata)),
            _ => {
                cx.reader.wrong_type(only.value, "metadata, a map", "write `log: {key: value}`");
                None
            }
        },
        _ => {
            cx.invalid(head(node), "this is not an effect", HELP);
            None
        }
    }
}
