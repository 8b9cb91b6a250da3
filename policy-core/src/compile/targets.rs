//! What a program may forward to, as far as the texts of its targets tell.

use super::Program;
use crate::cel::{Template, TemplatePart, Type, Value};
use crate::run::Target;
use crate::url::EndpointUrl;

/// Digits of a port, leading zeros included.
const PORT_DIGITS: usize = 5;

impl Program {
    /// True if it may forward a connection to an endpoint: one of its targets is that URL, or `${…}` in one may give it.
    /// O(targets · length of the URL squared).
    #[must_use]
    pub fn may_forward_to(&self, url: &EndpointUrl) -> bool {
        let is_target = url.is_internal() && !url.is_wildcard() && url.port().is_some();
        self.literal_targets().any(|target| target == url)
            || is_target && self.rendered_targets().any(|template| may_give(template, url))
    }

    /// The targets that are only known when they are rendered, with `${…}` for what is; each as often as it is written.
    pub fn target_patterns(&self) -> impl Iterator<Item = String> {
        self.rendered_targets().map(pattern)
    }

    fn rendered_targets(&self) -> impl Iterator<Item = &Template> {
        self.steps().iter().filter_map(|step| match step.target()? {
            Target::Rendered(template) => Some(template),
            Target::Literal(_) => None,
        })
    }
}

/// The text of a target that is rendered, with `${…}` for what is.
pub(crate) fn pattern(template: &Template) -> String {
    let parts = template.parts().iter().map(|part| match part {
        TemplatePart::Text(text) => text,
        TemplatePart::Expression(_) => "${…}",
    });
    parts.collect()
}

/// A part of a text that is rendered.
enum Segment {
    /// This text, in lower case.
    Text(String),
    /// A whole number.
    Number,
    Any,
}

/// True unless the written parts of a template keep it from giving the URL.
pub(crate) fn may_give(template: &Template, url: &EndpointUrl) -> bool {
    let segments: Vec<Segment> = template.parts().iter().map(segment).collect();
    spellings(url).iter().any(|text| matches(&segments, text.as_bytes()))
}

fn segment(part: &TemplatePart) -> Segment {
    let expression = match part {
        TemplatePart::Text(text) => return Segment::Text(text.to_ascii_lowercase()),
        TemplatePart::Expression(expression) => expression,
    };
    match (expression.constant(), expression.result()) {
        (Some(Value::String(text)), _) => Segment::Text(text.to_ascii_lowercase()),
        (Some(Value::Int(number)), _) => Segment::Text(number.to_string()),
        (_, Type::Int) => Segment::Number,
        _ => Segment::Any,
    }
}

/// The texts in lower case that are read as a URL: with a dot after the host, zeros before the port, or without the port
/// that its scheme implies.
fn spellings(url: &EndpointUrl) -> Vec<String> {
    let (scheme, port) = (url.scheme(), url.port().map(|port| port.to_string()).unwrap_or_default());
    let mut ports: Vec<String> =
        (port.len()..=PORT_DIGITS).map(|width| format!(":{port:0>width$}")).collect();
    if scheme.default_port() == url.port() {
        ports.push(String::new());
    }
    let hosts = [url.host().to_owned(), format!("{}.", url.host())];
    let of_host = |host: &String| {
        let begin = format!("{}://{host}", scheme.name());
        ports.iter().map(move |port| format!("{begin}{port}")).collect::<Vec<_>>()
    };
    hosts.iter().flat_map(of_host).collect()
}

/// True if segments give a text, one after the other. O(segments · length squared).
fn matches(segments: &[Segment], text: &[u8]) -> bool {
    // Where the segments so far may end.
    let mut ends = vec![0_usize];
    for segment in segments {
        let mut next: Vec<usize> = match segment {
            Segment::Any => ends.first().map_or_else(Vec::new, |&first| (first..=text.len()).collect()),
            Segment::Text(part) => {
                let fits = |&at: &usize| text.get(at..).is_some_and(|rest| rest.starts_with(part.as_bytes()));
                ends.iter().copied().filter(fits).map(|at| at + part.len()).collect()
            }
            Segment::Number => ends.iter().flat_map(|&at| numbers(text, at)).collect(),
        };
        next.sort_unstable();
        next.dedup();
        ends = next;
    }
    ends.contains(&text.len())
}

/// Where a whole number ends that begins somewhere.
fn numbers(text: &[u8], at: usize) -> impl Iterator<Item = usize> {
    let rest = text.get(at..).unwrap_or_default();
    let sign = usize::from(rest.first() == Some(&b'-'));
    let digits = rest.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
    (1..=digits).map(move |count| at + sign + count)
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, load_policy};
    use crate::compile::{CompileOptions, compile};
    use crate::source::Source;
    use crate::url::EndpointUrl;

    #[test]
    fn written_parts_rule_targets_out() {
        let may = |target: &str, url: &str| {
            let text = format!(
                "on_tcp_connect: [{{actions: [{{type: set-vars, config: {{vars: [{{u: \"tcp://a.internal:22\"}}]}}}}, \
                 {{type: forward-internal, config: {{url: \"{target}\"}}}}]}}]"
            );
            let (policy, found) = load_policy(&Source::new("p.yml", &*text), &CheckOptions::default());
            let program = compile(&policy.unwrap_or_else(|| panic!("{found:?}")), &CompileOptions::default());
            program.expect("small").may_forward_to(&EndpointUrl::parse(url).expect("a URL"))
        };
        for (target, yes, no) in [
            ("tcp://${conn.geo.city}.internal:22", "tcp://a.b.internal:22", "tcp://a.internal:23"),
            ("tcp://t${conn.client_port}.internal:22", "tcp://t12.internal:22", "tcp://tx.internal:22"),
            ("tcp://T${conn.client_port}.internal:22", "tcp://t-1.internal:22", "tcp://t.internal:22"),
            ("tcp://a.internal:${conn.client_port}", "tcp://a.internal:1", "tcp://b.internal:1"),
            ("tcp://a.internal:0${conn.client_port}", "tcp://a.internal:22", "tcp://a.internal:12345"),
            ("tcp://${conn.geo.city}:22", "tcp://a.internal:22", "tls://a.internal:22"),
            ("${vars.u}", "tcp://b.internal:22", "tcp://b.example:22"),
            ("${conn.geo.city}", "tls://b.internal:1", "tcp://*.internal:22"),
            ("${conn.geo.city}.internal:22", "tcp://b.internal:22", "tcp://b.internal:222"),
            ("tcp://${'a'}-${conn.geo.city}.internal:22", "tcp://a-b.internal:22", "tcp://b-b.internal:22"),
        ] {
            assert!(may(target, yes), "{target} {yes}");
            assert!(!may(target, no), "{target} {no}");
        }
    }
}
