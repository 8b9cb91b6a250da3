//! `forward-internal`: hands the connection to an internal endpoint.
//!
//! Source: ngrok documentation, forward-internal (2026-08-07). The target's host ends in `.internal`; a
//! tcp target names its port; from on_tcp_connect the target is tcp or tls.

mod run;
mod slips;

use slips::{OTHER_ALPHABET, filled_in, odd_part, odd_url, part_span, wrong_port};

use super::{ActionType, CONNECT_REQUEST_PHASES, CONTINUE, Ends, ON_ERROR, OnError, WRONG_PROTOCOL};
use crate::cel::{Expression, FieldType, State, TemplatePart};
use crate::diagnostic::{Diagnostic, Severity, codes, shorten};
use crate::ir::Lowering;
use crate::parse::{NodeKind, NodeRef};
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Reader, TextRef, placeholder};
use crate::run::Execute;
use crate::schema::{Choice, Context, Declared, Field, Kind, Text};
use crate::source::{Span, Spanned};
use crate::url::{EndpointUrl, MAX_INTERNAL_PARTS, Scheme, UrlFault};
use crate::vocabulary;

codes! {
    static INVALID_URL = error("TP441", "invalid-url", ERR_NGROK_2226, ERR_NGROK_9033, ERR_NGROK_9037);
    pub(crate) static NOT_INTERNAL = error("TP442", "target-not-internal", ERR_NGROK_9029);
    pub(crate) static NO_PORT = error("TP443", "url-without-port", ERR_NGROK_9030);
    static TARGET_SCHEME = warning("TP444", "target-scheme", ERR_NGROK_2205);
    static TARGET_DEPTH = error("TP445", "target-depth", ERR_NGROK_9031);
    static TARGET_WITHOUT_TLS = note("TP446", "target-without-tls");
}

static URL: Field<Target> = Field::required(
    "url",
    Target,
    "url: tcp://device1.internal:22",
    "The internal endpoint: `scheme://host.internal`, with a port for tcp.",
)
.bare_url();
static TARGET_ERROR: Field<Choice<OnError>> =
    Field::default("on_error", ON_ERROR, "halt", "Whether the next action runs when the forward fails.");

/// Hands the connection or request to an internal endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ForwardInternal {
    /// The target.
    pub target: ForwardTarget,
    /// What happens when the forward fails.
    pub on_error: OnError,
}

/// What a forward goes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ForwardTarget {
    /// The same for every connection.
    Literal(Spanned<EndpointUrl>),
    /// A text with expressions.
    Dynamic(Text),
}

impl ForwardInternal {
    /// The target, if it is the same for every connection.
    #[must_use]
    pub const fn literal(&self) -> Option<&Spanned<EndpointUrl>> {
        match &self.target {
            ForwardTarget::Literal(url) => Some(url),
            ForwardTarget::Dynamic(_) => None,
        }
    }
}

impl ActionType for ForwardInternal {
    const NAME: &'static str = "forward-internal";
    const PHASES: PhaseSet = CONNECT_REQUEST_PHASES;
    const ENDS: Ends = Ends::Sometimes("unless the forward fails and `on_error` is `continue`");
    const FIELDS: Declared = &[&URL, &TARGET_ERROR];
    const IGNORED: &'static [(&'static str, &'static str)] =
        &[("binding", "the host name decides the binding; remove this field")];
    const RESULTS: &'static [vocabulary::Declared] =
        &[run::URL.declared(), run::ERROR_CODE.declared(), run::ERROR_MESSAGE.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const GOES_ON: Option<&'static str> = Some("this one continues if it fails");
    const PAGE: &'static str = include_str!("../../../docs/actions/forward-internal.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let http = matches!(cx.place.and_then(|it| it.endpoint.scheme), Some(Scheme::Http | Scheme::Https));
        if http && cx.phase() == Some(Phase::OnTcpConnect) {
            let message = "`forward-internal` forwards requests of http and https endpoints, not connections";
            let found = Diagnostic::new(&WRONG_PROTOCOL, cx.owner.1, message);
            cx.reader.report(found.with_help("move the rule to on_http_request"));
            return None;
        }
        let (target, on_error) = (cx.read(fields, &URL), cx.read(fields, &TARGET_ERROR));
        Some(Self { target: target?, on_error: on_error? })
    }

    fn terminates(&self) -> bool {
        self.on_error == OnError::Halt
    }

    /// Results are about a failure that the policy goes on after.
    fn has_results(&self) -> bool {
        self.on_error == OnError::Continue
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        if let ForwardTarget::Dynamic(text) = &self.target {
            each(text);
        }
    }

    /// A forward produces a result only where it fails and the policy goes on.
    fn outline(config: Option<&Fields<'_>>, at: Span, add: &mut dyn FnMut(State, Span)) {
        let on_error = config.and_then(|config| config.get(TARGET_ERROR.name())).map(|node| node.kind());
        if matches!(on_error, Some(NodeKind::Scalar(value)) if value.text == CONTINUE) {
            super::results_path::<Self>().into_iter().for_each(|path| add(State::Result(path), at));
        }
    }

    fn forwards_to(&self) -> Option<&Spanned<EndpointUrl>> {
        self.literal()
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
        run::lower(self, lowering)
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut crate::run::Naive<'_>) -> crate::run::NaiveNext {
        run::naive(self, run)
    }
}

/// The URL of an internal endpoint, or a text that gives one.
#[derive(Clone, Copy, Debug)]
struct Target;

impl Kind for Target {
    type Value = ForwardTarget;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<ForwardTarget> {
        let text = cx.reader.text(node, what)?;
        if crate::cel::is_template(text.value) {
            let read = cx.template(text, FieldType::Text)?;
            return check_dynamic(&read, text, cx).then_some(ForwardTarget::Dynamic(read));
        }
        if crate::reader::is_placeholder(text.value) {
            placeholder(text, Severity::Error, cx.reader);
            return None;
        }
        let url = EndpointUrl::parse(text.value)
            .map_err(|error| cx.reader.report(url_diagnostic(text, &error, cx.reader)))
            .ok()?;
        check_target(Spanned::new(url, text.span), cx).map(ForwardTarget::Literal)
    }

    fn describe(&self) -> String {
        "the URL of an internal endpoint".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// The diagnostic of a URL that does not parse, at the very part that is wrong.
pub(crate) fn url_diagnostic(
    text: TextRef<'_>,
    error: &crate::url::UrlError,
    reader: &Reader<'_>,
) -> Diagnostic {
    let shown = reader.shown_address(text);
    if let Some(found) = odd_url(text, &shown) {
        return found;
    }
    let help = match error.fault {
        UrlFault::Character(c) if !c.is_ascii() => OTHER_ALPHABET,
        UrlFault::Character('_') => "a host name has letters, digits, `-` and `.`",
        UrlFault::Part => "an endpoint URL ends with its host and port",
        UrlFault::Port => "add the port after the host, e.g. `:22`",
        _ => "write `scheme://host:port`, e.g. `tcp://device1.internal:22`",
    };
    let message = format!("`{shown}` is not an endpoint URL: {}", error.fault);
    Diagnostic::new(&INVALID_URL, part_span(text, &error.range), message).with_help(help)
}

/// A name with more parts than internal endpoints have.
pub(crate) fn too_deep(url: &Spanned<EndpointUrl>) -> Option<Diagnostic> {
    url.value.is_too_deep().then(|| {
        let host = url.value.host();
        let message = format!("`{host}` has more than {MAX_INTERNAL_PARTS} parts before `.internal`");
        Diagnostic::new(&TARGET_DEPTH, url.span, message).with_help("use a shorter name")
    })
}

fn check_target(url: Spanned<EndpointUrl>, cx: &Context<'_, '_>) -> Option<Spanned<EndpointUrl>> {
    let (target, span) = (&url.value, url.span);
    let mut faults = Vec::new();
    if !target.is_internal() {
        faults.push(not_internal(&target.to_string(), span));
    }
    faults.extend(too_deep(&url));
    if target.is_wildcard() {
        let message = format!("`{target}` names no single endpoint");
        faults.push(Diagnostic::new(&INVALID_URL, span, message).with_help(WILDCARD));
    }
    if target.port().is_none() {
        faults.push(no_port(&target.to_string(), span));
    }
    check_scheme(target.scheme(), span, cx);
    let fine = faults.is_empty();
    faults.into_iter().for_each(|fault| cx.reader.report(fault));
    fine.then_some(url)
}

const WILDCARD: &str = "name the endpoint; `*` belongs to the URL of the endpoint itself";

pub(crate) fn not_internal(target: &str, span: Span) -> Diagnostic {
    let message = format!("`{}` is not an internal endpoint", shorten(target));
    let help = "the host of an internal endpoint ends in `.internal`";
    Diagnostic::new(&NOT_INTERNAL, span, message).with_help(help)
}

pub(crate) fn no_port(target: &str, span: Span) -> Diagnostic {
    let message = format!("`{}` has no port, and tcp has no default", shorten(target));
    let help = format!("add the port, e.g. `{}:22`", shorten(target));
    Diagnostic::new(&NO_PORT, span, message).with_help(help)
}

/// Whether a target's protocol fits the place.
fn check_scheme(scheme: Scheme, span: Span, cx: &Context<'_, '_>) {
    let Some(place) = cx.place else { return };
    let from_tcp = place.phase == Phase::OnTcpConnect;
    let raw = matches!(scheme, Scheme::Tcp | Scheme::Tls);
    if from_tcp != raw {
        let (wanted, phase) =
            (if from_tcp { "tcp:// or tls://" } else { "http:// or https://" }, place.phase);
        // ngrok's rule is that the protocols match; examples on its own pages break it, hence a warning where the
        // protocol of the endpoint is not known.
        let known = place.endpoint.scheme.is_some();
        let severity = if known { Severity::Error } else { Severity::Warning };
        let message = format!("`{}://` does not fit {phase}", scheme.name());
        let found = Diagnostic::new(&TARGET_SCHEME, span, message).with_severity(severity);
        cx.reader.report(found.with_help(format!("use a {wanted} target here")));
    } else if scheme == Scheme::Http && place.endpoint.scheme == Some(Scheme::Https) {
        let message = "requests come in over https and go on over http";
        let found = Diagnostic::new(&TARGET_WITHOUT_TLS, span, message);
        cx.reader.report(found.with_help("both are one family; use an https:// target if it has one"));
    }
}

/// What can be said of a target that is known for each connection only: whatever its expressions give, what is written
/// around them stays.
fn check_dynamic(target: &Text, text: TextRef<'_>, cx: &Context<'_, '_>) -> bool {
    let parts = target.template.parts();
    let fault = match written_scheme(parts) {
        WrittenScheme::Scheme(scheme) => {
            check_scheme(scheme, target.span, cx);
            written_fault(parts, Some(scheme), target.span)
        }
        WrittenScheme::Open => written_fault(parts, None, target.span),
        WrittenScheme::Wrong(message) => {
            let from_tcp = cx.phase() == Some(Phase::OnTcpConnect);
            let help = match from_tcp {
                true => "write e.g. `tcp://${…}.internal:22`",
                false => "write e.g. `https://${…}.internal`",
            };
            Some(Diagnostic::new(&INVALID_URL, target.span, message).with_help(help))
        }
    };
    let fault = fault.or_else(|| wrong_port(parts, text)).map(|fault| match odd_part(parts, text) {
        Some(odd) => odd,
        None => fault,
    });
    fault.map(|fault| cx.reader.report(fault)).is_none()
}

/// The scheme of a text with expressions.
enum WrittenScheme {
    Scheme(Scheme),
    /// Expressions give it, or a part of it.
    Open,
    /// Whatever they give, it is none.
    Wrong(String),
}

fn written_scheme(parts: &[TemplatePart]) -> WrittenScheme {
    let none = || WrittenScheme::Wrong("the target has no scheme such as `tcp://` or `https://`".to_owned());
    match parts.first() {
        Some(TemplatePart::Text(text)) => match text.split_once("://") {
            Some((name, _)) => match Scheme::from_name(name) {
                Some(scheme) => WrittenScheme::Scheme(scheme),
                None => {
                    WrittenScheme::Wrong(format!("`{}` is none of http, https, tls and tcp", shorten(name)))
                }
            },
            // The beginning of one may be written, and the rest of it given.
            // One slash is a slip: no value is meant to bring the other.
            None if text.ends_with(":/") => none(),
            None if text.ends_with(':') && next_has_no_slash(parts) => none(),
            None => {
                let begins = |scheme: &Scheme| format!("{}://", scheme.name()).starts_with(&**text);
                if Scheme::ALL.iter().any(begins) { WrittenScheme::Open } else { none() }
            }
        },
        _ => {
            let slashes = |part: &TemplatePart| match part {
                TemplatePart::Text(text) => text.contains("://"),
                TemplatePart::Expression(expression) => !expression.has_no_slash(),
            };
            if parts.iter().any(slashes) { WrittenScheme::Open } else { none() }
        }
    }
}

/// True if what follows the first part brings no slashes.
fn next_has_no_slash(parts: &[TemplatePart]) -> bool {
    matches!(parts.get(1), Some(TemplatePart::Expression(next)) if next.has_no_slash())
}

/// What is wrong with the written parts of a target whose scheme is known, or given by expressions.
fn written_fault(parts: &[TemplatePart], scheme: Option<Scheme>, span: Span) -> Option<Diagnostic> {
    let authority = Authority::from_parts(parts);
    if authority.has_user() {
        let message = format!("the target is not an endpoint URL: {}", UrlFault::UserInfo);
        let help = "remove everything up to and including the `@`";
        return Some(Diagnostic::new(&INVALID_URL, span, message).with_help(help));
    }
    if let Some(tail) = authority.tail() {
        let message = format!("the target continues after its host and port: `{}`", shorten(&tail));
        let help = "an endpoint URL ends there; requests keep their path";
        return Some(Diagnostic::new(&INVALID_URL, span, message).with_help(help));
    }
    let host = authority.host();
    if let Some(HostEnd { text, whole, .. }) = host.filter(HostEnd::is_never_internal) {
        let shown = if whole { text.to_owned() } else { format!("…{text}") };
        return Some(not_internal(&shown, span));
    }
    if let Some(port) = authority.written_port()
        && crate::url::port_number(port).is_none()
    {
        let message = format!("`{}` is not a port: {}", shorten(port), UrlFault::Port);
        return Some(
            Diagnostic::new(&INVALID_URL, span, message).with_help("write e.g. `:22` after the host"),
        );
    }
    if let Some(HostEnd { text, port: false, .. }) = host
        && scheme == Some(Scheme::Tcp)
    {
        return Some(no_port(&format!("…{text}"), span));
    }
    scheme?;
    // Only what no expression can make right.
    let (fault, help) = match EndpointUrl::parse(&filled_in(parts)) {
        Ok(url) if url.is_wildcard() => (UrlFault::Wildcard.to_string(), WILDCARD),
        Ok(url) => return too_deep(&Spanned::new(url, span)),
        Err(error) => {
            let help = match error.fault {
                UrlFault::Character(_) | UrlFault::UserInfo => {
                    "write letters, digits, `-` and `.` around the expressions"
                }
                UrlFault::Label => "write one `.` between the parts of the name",
                UrlFault::Wildcard => WILDCARD,
                _ => return None,
            };
            (error.fault.to_string(), help)
        }
    };
    let message = format!("the target is not an endpoint URL, whatever `${{…}}` gives: {fault}");
    Some(Diagnostic::new(&INVALID_URL, span, message).with_help(help))
}

/// The part of a target after `://`, as far as it is written. Where expressions give the `://` too, only a written end
/// is known to belong to it.
struct Authority<'a> {
    pieces: Vec<Piece<'a>>,
    /// True if the pieces begin after the `://`.
    from_start: bool,
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Text(&'a str),
    Expression(&'a Expression),
}

/// The written end of a host.
#[derive(Clone, Copy)]
struct HostEnd<'a> {
    text: &'a str,
    /// True if all of the host is written.
    whole: bool,
    /// True if a colon follows.
    port: bool,
}

impl HostEnd<'_> {
    /// True if no expression in front makes this the host of an internal endpoint.
    fn is_never_internal(&self) -> bool {
        const SUFFIX: &str = ".internal";
        let bare = self.text.strip_suffix('.').unwrap_or(self.text);
        let internal = bare
            .len()
            .checked_sub(SUFFIX.len())
            .and_then(|at| bare.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX));
        !internal && (self.whole || bare.contains('.'))
    }
}

impl<'a> Authority<'a> {
    fn from_parts(parts: &'a [TemplatePart]) -> Self {
        let piece = |part: &'a TemplatePart| match part {
            TemplatePart::Text(text) => Piece::Text(text),
            TemplatePart::Expression(expression) => Piece::Expression(expression),
        };
        let begins = parts.iter().enumerate().find_map(|(at, part)| match part {
            TemplatePart::Text(text) => text.split_once("://").map(|(_, rest)| (at, rest)),
            TemplatePart::Expression(_) => None,
        });
        match begins {
            Some((at, rest)) => {
                let first = Some(Piece::Text(rest)).filter(|_| !rest.is_empty());
                let pieces = first.into_iter().chain(parts.iter().skip(at + 1).map(piece)).collect();
                Self { pieces, from_start: true }
            }
            None => {
                let end = parts.last().filter(|_| parts.len() > 1).map(piece);
                let end = end.filter(|end| matches!(end, Piece::Text(_)));
                Self { pieces: end.into_iter().collect(), from_start: false }
            }
        }
    }

    /// True if an `@` is written before the end of host and port.
    fn has_user(&self) -> bool {
        let texts = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => text.find(['@', '/', '?', '#']).map(|at| text.get(at..)),
            Piece::Expression(_) => None,
        });
        texts.flatten().next().is_some_and(|rest| rest.starts_with('@'))
    }

    /// What goes on after host and port, with `${…}` for expressions.
    fn tail(&self) -> Option<String> {
        let begins = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => text.find(['/', '?', '#']),
            Piece::Expression(expression) => expression.begins_with_slash().then_some(0),
        };
        let (first, at) =
            self.pieces.iter().enumerate().find_map(|(index, piece)| Some((index, begins(piece)?)))?;
        let shown = |(index, piece): (usize, &Piece<'a>)| match piece {
            Piece::Text(text) if index == 0 => text.get(at..).unwrap_or_default(),
            Piece::Text(text) => text,
            Piece::Expression(_) => "${…}",
        };
        Some(self.pieces.iter().skip(first).enumerate().map(shown).collect())
    }

    /// The host as far as its end is written, none if an expression ends it.
    fn host(&self) -> Option<HostEnd<'a>> {
        if let Some(Piece::Text(text)) = self.pieces.first()
            && self.from_start
            && text.starts_with('[')
        {
            return Some(HostEnd { text, whole: true, port: false });
        }
        let colon = self.pieces.iter().enumerate().find_map(|(at, piece)| match piece {
            Piece::Text(text) => text.split_once(':').map(|(host, _)| (at, host)),
            Piece::Expression(_) => None,
        });
        let (at, text) = match (colon, self.pieces.last()) {
            (Some(found), _) => found,
            (None, Some(Piece::Text(end))) => (self.pieces.len() - 1, *end),
            (None, _) => return None,
        };
        let host = HostEnd { text, whole: at == 0 && self.from_start, port: colon.is_some() };
        Some(host).filter(|host| !host.text.is_empty())
    }

    /// The port, if all of it is written.
    fn written_port(&self) -> Option<&'a str> {
        match self.pieces.last()? {
            Piece::Text(end) => end.rsplit_once(':').map(|(_, port)| port),
            Piece::Expression(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, load_policy};
    use crate::source::Source;
    use crate::url::Scheme;

    /// Codes and severities of what is said of a forward.
    fn said(phase: &str, url: &str, scheme: Option<Scheme>) -> Vec<String> {
        let text =
            format!("{phase}: [{{actions: [{{type: forward-internal, config: {{url: \"{url}\"}}}}]}}]");
        let mut options = CheckOptions::default();
        options.endpoint.scheme = scheme;
        let (_, found) = load_policy(&Source::new("p.yml", text), &options);
        found.iter().map(|item| format!("{} {}", item.severity.name(), item.code.id)).collect()
    }

    #[test]
    fn a_target_has_the_protocol_of_its_endpoint() {
        let (tcp, http) = ("on_tcp_connect", "on_http_request");
        assert_eq!(said(tcp, "tcp://a.internal:22", Some(Scheme::Tcp)), Vec::<String>::new());
        assert_eq!(said(tcp, "https://a.internal", None), ["warning TP444"]);
        assert_eq!(said(tcp, "https://a.internal", Some(Scheme::Tcp)), ["error TP444"]);
        assert_eq!(said(http, "tcp://a.internal:22", Some(Scheme::Https)), ["error TP444"]);
        assert_eq!(said(http, "http://a.internal", Some(Scheme::Https)), ["note TP446"]);
        assert_eq!(said(tcp, "tcp://a.internal:22", Some(Scheme::Https)), ["error TP408"]);
    }

    #[test]
    fn the_end_of_a_dynamic_target_is_checked() {
        let of = |url: &str| said("on_http_request", url, None);
        assert_eq!(of("https://${req.host}"), Vec::<String>::new());
        assert_eq!(of("https://${req.host}.internal:8443"), Vec::<String>::new());
        assert_eq!(of("https://${req.host}.example.com"), ["error TP442"]);
        assert_eq!(of("https://${req.host}.internal/path"), ["error TP441"]);
        assert_eq!(of("ftp://${req.host}.internal"), ["error TP441"]);
        assert_eq!(said("on_tcp_connect", "tcp://${endpoint.host}.internal", None), ["error TP443"]);
        for wrong in [
            "${req.host}.internal",
            "${req.host.lower()}.internal",
            "api-${req.host}.internal",
            "htps${req.host}.internal",
            "https://${req.host}.internal:99999",
            "https://${req.host}.internal:",
            "https://${req.host}.internal:0",
            "https://${req.host}.internal:https",
            "https://${req.host}.internal:99x${endpoint.port}",
            "https://${req.host}.internal:99999${endpoint.port}",
            "https://${req.host}.internal:${endpoint.port}x",
            "https://a.internal:x${endpoint.port}",
            "https://${req.host}‐x.internal",
            "https://${req.host}..internal",
            "https://${req.host} .internal",
            "https://a_${req.host}.internal",
            "https://user@${req.host}.internal",
            "https://*.${req.host}.internal",
            "https://a.internal/${req.method}",
            "https://a.internal${req.url.path}",
            "https://${req.host}.internal${'/' + req.method}",
            "https://a.internal?${req.method}",
            "https://example.com/${req.host}",
            "https://example.com:8443/${req.host}",
            "https://${req.host}/${req.method}.internal",
            "${endpoint.protocol}://${req.host}.internal/${req.method}",
            "https:/${req.host}.internal",
            "https:/${getReqHeader('x-a').join('')}.internal",
            "https:${req.host}.internal",
        ] {
            assert!(of(wrong).iter().any(|it| it == "error TP441"), "{wrong}: {:?}", of(wrong));
        }
        for outside in [
            "https://a.example.com:${conn.server_port}",
            "https://10.0.0.1:${conn.server_port}",
            "https://[::1]:${conn.server_port}",
            "https://localhost:${conn.server_port}",
            "https://${req.host}.example.com:${conn.server_port}",
            "${endpoint.protocol}://a.example.com:${conn.server_port}",
            "https://${req.host}.notinternal",
            "https://${req.host}.internal.example:443",
        ] {
            assert_eq!(of(outside), ["error TP442"], "{outside}");
        }
        for right in [
            "https://${req.host}.INTERNAL:22",
            "https://${req.host}.internal.:22",
            "https://${req.host}.Internal.",
            "https://a.internal:${conn.server_port}",
            "https://${req.host}.INTERNAL.:${conn.server_port}",
            "${req.url}",
            "${endpoint.protocol}://${req.host}.internal",
            "http${endpoint.port == 443 ? 's' : ''}://a.internal",
            "https://${req.host}.internal:${endpoint.port}",
            "https://${req.host}.internal:8${endpoint.port}",
            "https://a.internal:${endpoint.port}0",
            "https://${req.host}:8443",
            "https://api-${req.host}-x.internal",
            "${getReqHeader('x-a').join('')}.internal",
            "${endpoint.port == 443 ? 'https://a' : 'http://b'}.internal",
        ] {
            assert_eq!(of(right), Vec::<String>::new(), "{right}");
        }
    }
}
