//! `forward-internal`: hands the connection to an internal endpoint.
//!
//! Source: ngrok documentation, forward-internal (2026-08-07). The target's host ends in `.internal`; a
//! tcp target names its port; from on_tcp_connect the target is tcp or tls.

use super::{ActionType, Site};
use crate::diagnostic::{Code, Diagnostic, shorten};
use crate::ir::{Lowering, Op};
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Keys, TextRef};
use crate::source::{Span, Spanned};
use crate::url::{EndpointUrl, Scheme, UrlFault};

static INVALID_URL: Code =
    Code::error("TP441", "invalid-url").ngrok(&["ERR_NGROK_2226", "ERR_NGROK_9033", "ERR_NGROK_9037"]);
pub(crate) static NOT_INTERNAL: Code = Code::error("TP442", "target-not-internal").ngrok(&["ERR_NGROK_9029"]);
pub(crate) static NO_PORT: Code = Code::error("TP443", "url-without-port").ngrok(&["ERR_NGROK_9030"]);
static TARGET_SCHEME: Code = Code::warning("TP444", "target-scheme").ngrok(&["ERR_NGROK_2205"]);
static TARGET_DEPTH: Code = Code::error("TP445", "target-depth").ngrok(&["ERR_NGROK_9031"]);

/// The codes this file raises.
pub(crate) static CODES: &[&Code] = &[&INVALID_URL, &NOT_INTERNAL, &NO_PORT, &TARGET_SCHEME, &TARGET_DEPTH];

/// Labels accepted before `.internal` (ngrok says five in one place and five parts in all in another).
const MOST_LABELS: usize = 5;

/// What happens when the forward fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The connection is closed.
    Halt,
    /// The next action runs.
    Continue,
}

/// Hands the connection to an internal endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForwardInternal {
    /// The target.
    pub url: Spanned<EndpointUrl>,
    /// What happens when the forward fails.
    pub on_error: OnError,
}

impl ActionType for ForwardInternal {
    const NAME: &'static str = "forward-internal";
    const PHASES: PhaseSet = PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest]);
    const KEYS: Keys = Keys {
        known: &["url", "on_error"],
        legacy: &[("binding", "the host name decides the binding; remove this field")],
    };

    fn read<'d>(fields: &Fields<'d>, site: &Site<'_, 'd>) -> Option<Self> {
        let reader = site.reader;
        let on_error = fields.get("on_error").map_or(Some(OnError::Halt), |node| {
            let text = reader.text(node, "`on_error`")?;
            match text.value {
                "halt" => Some(OnError::Halt),
                "continue" => Some(OnError::Continue),
                other => {
                    let message = format!("`on_error` cannot be `{}`", shorten(other));
                    reader.invalid(text.span, message, "write `halt` (the default) or `continue`");
                    None
                }
            }
        });
        let owner = ("`forward-internal`", site.name);
        let node = fields.required(reader, "url", owner, "url: tcp://device1.internal:22")?;
        let text = site.template(node, "`url`")?;
        let url = read_url(text, site)?;
        Some(Self { url: check_target(Spanned::new(url, text.span), site)?, on_error: on_error? })
    }

    fn terminates(&self) -> bool {
        self.on_error == OnError::Halt
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        let target = lowering.target(&self.url.value);
        lowering.emit(Op::Forward { target, or_continue: self.on_error == OnError::Continue });
    }
}

fn read_url(text: TextRef<'_>, site: &Site<'_, '_>) -> Option<EndpointUrl> {
    EndpointUrl::parse(text.value).map_err(|error| site.reader.report(url_diagnostic(text, &error))).ok()
}

/// The diagnostic of a URL that does not parse, at the very part that is wrong.
pub(crate) fn url_diagnostic(text: TextRef<'_>, error: &crate::url::UrlError) -> Diagnostic {
    let help = match error.fault {
        UrlFault::Part => "an endpoint URL ends with its host and port",
        UrlFault::Port => "write the port behind the host, e.g. `:22`",
        _ => "write `scheme://host:port`, e.g. `tcp://device1.internal:22`",
    };
    let message = format!("`{}` is not an endpoint URL: {}", shorten(text.value), error.fault);
    Diagnostic::new(&INVALID_URL, part_span(text, &error.range), message).with_help(help)
}

/// The place of a part of a scalar; of an empty part the whole scalar.
fn part_span(text: TextRef<'_>, part: &std::ops::Range<usize>) -> Span {
    match part.is_empty() {
        true => text.span,
        false => text.origin().place(Span::from_range(part.clone())).0,
    }
}

/// A name with more parts than internal endpoints have.
pub(crate) fn too_deep(url: &Spanned<EndpointUrl>) -> Option<Diagnostic> {
    let host = url.value.host();
    (host.split('.').count() > MOST_LABELS + 1).then(|| {
        let message = format!("`{host}` has more than {MOST_LABELS} parts before `.internal`");
        Diagnostic::new(&TARGET_DEPTH, url.span, message).with_help("use a shorter name")
    })
}

fn check_target(url: Spanned<EndpointUrl>, site: &Site<'_, '_>) -> Option<Spanned<EndpointUrl>> {
    let (target, span) = (&url.value, url.span);
    let mut faults = Vec::new();
    if !target.is_internal() {
        let message = format!("`{target}` is not an internal endpoint");
        let help = "the host of an internal endpoint ends in `.internal`";
        faults.push(Diagnostic::new(&NOT_INTERNAL, span, message).with_help(help));
    } else {
        faults.extend(too_deep(&url));
    }
    if target.is_wildcard() {
        let message = format!("`{target}` names no single endpoint");
        faults.push(
            Diagnostic::new(&INVALID_URL, span, message)
                .with_help("name the endpoint; `*` belongs to the URL of the endpoint itself"),
        );
    }
    if target.port().is_none() {
        let message = format!("`{target}` has no port, and tcp has no default");
        let help = format!("add the port, e.g. `{target}:22`");
        faults.push(Diagnostic::new(&NO_PORT, span, message).with_help(help));
    }
    let from_tcp = site.phase == Phase::OnTcpConnect;
    let raw = matches!(target.scheme(), Scheme::Tcp | Scheme::Tls);
    if from_tcp != raw {
        let (wanted, phase) = (if from_tcp { "tcp:// or tls://" } else { "http:// or https://" }, site.phase);
        // ngrok's rule is that the protocols match; examples on its own pages break it, hence a warning.
        let message = format!("`{}://` does not fit {phase}", target.scheme().name());
        let found = Diagnostic::new(&TARGET_SCHEME, span, message);
        site.reader.report(found.with_help(format!("use a {wanted} target here")));
    }
    let fine = faults.is_empty();
    faults.into_iter().for_each(|fault| site.reader.report(fault));
    fine.then_some(url)
}
