//! Reads `ngrok.yml`.

use std::collections::HashMap;

use super::endpoints::{FIELDS as ENDPOINT_FIELDS, read_endpoint};
use super::tunnels::read_tunnels;
use super::{AgentConfig, NO_AGENT, NOT_POOLED, OLD_VERSION};
use crate::check::{CheckOptions, merge_after_cut};
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean, did_you_mean_help, shorten};
use crate::language::language;
use crate::parse::{self, Document, NodeRef};
use crate::reader::{Field as Entry, Fields, Keys, Reader, UNKNOWN_FIELD, head};
use crate::schema::{Context, Declared, Field, FieldDoc, Part, names, rows};
use crate::settings::AgentSettings;
use crate::settings::agent as settings;
use crate::source::{Source, Span};
use crate::url::Binding;

pub(crate) static VERSION: Field<Part> =
    Field::required("version", Part::new("`3` or `2`"), "version: 3", "The version of the format.");
pub(crate) static AGENT: Field<Part> =
    Field::optional("agent", Part::map(settings::FIELDS), "How the agent itself works.");
pub(crate) static ENDPOINTS: Field<Part> =
    Field::optional("endpoints", Part::list(ENDPOINT_FIELDS), "What it offers.");
pub(crate) static TUNNELS: Field<Part> =
    Field::optional("tunnels", Part::new("map of tunnels"), "The same as it was written until version 2.");
/// The fields at the top.
pub(crate) const TOP: Declared = &[&VERSION, &AGENT, &ENDPOINTS, &TUNNELS];

/// The fields of `ngrok.yml`, as its documentation lists them.
///
/// ```
/// let fields = policy_core::agent::fields();
/// assert!(fields.iter().any(|field| field.path == "endpoints[].upstream.url" && field.required));
/// ```
#[must_use]
pub fn fields() -> Vec<FieldDoc> {
    rows(TOP)
}

/// Parses, reads and checks the configuration of an agent.
///
/// The configuration is there if nothing found is an error. Findings come sorted by place.
///
/// ```
/// use policy_core::{agent::load_agent, check::CheckOptions, source::Source};
/// let (config, found) = load_agent(&Source::new("ngrok.yml", "
/// version: 3
/// agent: {connect_url: \"edge.example.com:4443\"}
/// endpoints:
///   - name: device1-ssh
///     url: tcp://device1.internal:22
///     upstream: {url: 22}
/// "), &CheckOptions::default());
/// assert!(found.is_empty());
/// assert_eq!(config.expect("no errors").endpoints[0].upstream.value.to_string(), "tcp://localhost:22");
/// ```
#[must_use]
pub fn load_agent(source: &Source, options: &CheckOptions) -> (Option<AgentConfig>, Diagnostics) {
    let mut found = Diagnostics::default();
    let document = parse::parse(source, &options.limits, &mut found);
    let config = check_document(&document, options, &mut found);
    found.sort();
    (config, found)
}

/// Reads and checks a parsed configuration of an agent.
pub(crate) fn check_document(
    document: &Document,
    options: &CheckOptions,
    found: &mut Diagnostics,
) -> Option<AgentConfig> {
    let reader = Reader::new(document, options, language());
    let config = document.root().and_then(|root| read(root, &reader));
    merge_after_cut(document, reader.into_diagnostics(), found);
    config.filter(|_| !found.has_errors())
}

fn read<'d>(root: NodeRef<'d>, reader: &Reader<'d>) -> Option<AgentConfig> {
    let Some(mut fields) = Fields::from_node(root) else {
        reader.wrong_type(root, "a configuration, a map", "begin with `version: 3`");
        return None;
    };
    let owner = ("the configuration", head(root).at_start());
    let old_shape = fields.get(AGENT.name()).is_none()
        && fields.entries.iter().any(|it| it.key == TUNNELS.name() || is_setting(it.key));
    let misspelt =
        |it: &Entry<'_>| !is_at_top(it.key) && did_you_mean(it.key, [VERSION.name(), AGENT.name()]).is_some();
    fields.incomplete = fields.entries.iter().any(misspelt);
    let example = if old_shape { "version: 2" } else { "version: 3" };
    let version = fields.required(reader, VERSION.name(), owner, example);
    let version = version.and_then(|node| reader.version(node, 2..=3));
    // Without a version, what is there tells.
    let flat = version == Some(2) || (version.is_none() && fields.get(AGENT.name()).is_none());
    fields.old_names = version == Some(2);
    report_unknown(&fields, flat, version, reader)?;
    if let Some(field) = fields.field(VERSION.name()).filter(|_| version == Some(2)) {
        let found = Diagnostic::new(&OLD_VERSION, field.span, "version 2 is the older layout");
        reader.report(found.with_help(
            "write `version: 3`, the settings below `agent:`, and each tunnel as an entry of `endpoints:`",
        ));
    }
    let cx = Context { reader, place: None, owner };
    let settings = match fields.field(AGENT.name()) {
        Some(field) => {
            let inner = cx.map(field.value, "`agent`", settings::FIELDS, settings::IGNORED);
            inner.and_then(|inner| AgentSettings::read(&inner, &cx))
        }
        None if flat => AgentSettings::read(&fields, &cx),
        None => AgentSettings::read(&Fields::empty(), &cx),
    };
    if version == Some(3)
        && !fields.incomplete
        && !fields.entries.iter().any(|field| field.key == AGENT.name())
    {
        let found = Diagnostic::new(&NO_AGENT, owner.1, "the configuration has no `agent`");
        reader.report(found.with_help("add `agent:`, with `authtoken:` unless `NGROK_AUTHTOKEN` is set"));
    }
    let endpoints = fields.get(ENDPOINTS.name()).and_then(|node| reader.list(node, "`endpoints`"));
    let endpoints: Vec<_> =
        endpoints.unwrap_or_default().into_iter().map(|it| read_endpoint(it, reader)).collect();
    let endpoints: Vec<_> = endpoints.into_iter().flatten().collect();
    if let Some(field) = fields.field(TUNNELS.name()).filter(|_| version == Some(3)) {
        let found = Diagnostic::new(&OLD_VERSION, field.span, "`tunnels` belongs to version 2");
        reader.report(found.with_help("write a list of `endpoints`, each with `url` and `upstream`"));
    }
    let tunnels = fields
        .get(TUNNELS.name())
        .map(|node| read_tunnels(node, fields.old_names, reader))
        .unwrap_or_default();
    let config = AgentConfig { version: version.unwrap_or(3), agent: settings?, endpoints, tunnels };
    check_unique(&config, &cx);
    Some(config)
}

/// Reports unknown fields; `None` if there are so many that it is another kind of file.
fn report_unknown(fields: &Fields<'_>, flat: bool, version: Option<i64>, reader: &Reader<'_>) -> Option<()> {
    let unknown: Vec<_> = fields.entries.iter().filter(|field| !is_known(field.key, flat)).collect();
    if let [first, _, _, _, ..] = *unknown
        && version.is_none()
    {
        let (key, others) = (shorten(first.key), unknown.len() - 1);
        let message =
            format!("this is not an agent configuration: `{key}` and {others} other fields are not known");
        let found = Diagnostic::new(&UNKNOWN_FIELD, first.span, message);
        reader.report(found.with_help("leave the file out, or say what it is with `--kind`"));
        return None;
    }
    unknown.into_iter().for_each(|field| unknown_key(field, fields, reader));
    Some(())
}

fn is_at_top(key: &str) -> bool {
    names(TOP).any(|name| name == key)
}

pub(crate) fn is_setting(key: &str) -> bool {
    names(settings::FIELDS).any(|name| name == key)
}

fn is_known(key: &str, flat: bool) -> bool {
    is_at_top(key) || (flat && is_setting(key))
}

/// Fields of version 2 that are ignored, each with what to do about it.
pub(crate) const OLD_IGNORED: &[(&str, &str)] =
    &[("region", "remove it: the agent connects to the nearest region by itself")];

/// Says that a key at the top is not known.
fn unknown_key(field: &Entry<'_>, among: &Fields<'_>, reader: &Reader<'_>) {
    let key = field.key;
    if among.old_names {
        let known: Vec<_> = [VERSION.name(), TUNNELS.name()].into_iter().chain(old_settings()).collect();
        let keys = Keys { legacy: OLD_IGNORED, ..Keys::new(&known) };
        reader.unknown(field, "the configuration", keys, among);
        return;
    }
    reader.conceal_misspelt(field);
    let message = format!("unknown field `{}` in the configuration", shorten(key));
    let found = Diagnostic::new(&UNKNOWN_FIELD, field.span, message).with_discreet(
        Some("unknown field, which stands where a secret may continue"),
        "indent every line of the secret further than its field",
    );
    reader.report(if is_setting(key) {
        found.with_help(format!("`{key}` belongs below `agent:`"))
    } else if let Some(near) = did_you_mean(key, names(TOP)) {
        found.with_help(did_you_mean_help(key, near)).with_fix_at(false, field.content, near)
    } else if field.value.is_list() {
        found.with_help("what an agent offers is listed below `endpoints:`")
    } else {
        found.with_help(format!("known fields: `{}`", names(TOP).collect::<Vec<_>>().join("`, `")))
    });
}

/// The settings by their names of version 2.
fn old_settings() -> impl Iterator<Item = &'static str> {
    settings::FIELDS.iter().map(|declared| declared.aliases().first().copied().unwrap_or(declared.name()))
}

/// Names are given once; URLs are, unless their endpoints share traffic.
fn check_unique(config: &AgentConfig, cx: &Context<'_, '_>) {
    let endpoints = config.endpoints.iter();
    cx.unique("endpoint name", endpoints.map(|it| (&*it.name.value, it.name.span)), true);
    let mut urls: HashMap<(String, Binding), (Span, bool)> = HashMap::new();
    for endpoint in &config.endpoints {
        let Some(url) = endpoint.url.value.given() else { continue };
        let (span, pooled) = (endpoint.url.span, endpoint.pooling_enabled);
        let key = (url.to_string(), endpoint.binding);
        if let Some((first, first_pooled)) = urls.get(&key) {
            if !(pooled && *first_pooled) {
                let message = format!("the URL `{url}` is taken");
                let found = Diagnostic::new(&NOT_POOLED, span, message).with_label(*first, "taken here");
                let help = "use another URL, or share its traffic with `pooling_enabled: true` on both";
                cx.reader.report(found.with_help(help));
            }
        } else {
            urls.insert(key, (span, pooled));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::load_agent;
    use crate::check::CheckOptions;
    use crate::source::Source;

    /// What is found in a configuration, and its `crl_url`.
    fn crl_url(text: &str) -> (Vec<(&'static str, String)>, Option<String>) {
        let (config, found) = load_agent(&Source::new("ngrok.yml", text), &CheckOptions::default());
        let found = found.iter().map(|item| (item.code.id, item.message.clone())).collect();
        (found, config.and_then(|config| config.agent.crl_url).map(Into::into))
    }

    #[test]
    fn where_lists_of_revoked_certificates_are_is_a_setting() {
        let url = "https://crl.example.com/ca.crl";
        let known = (vec![], Some(url.to_owned()));
        assert_eq!(crl_url(&format!("version: 3\nagent: {{authtoken: a, crl_url: \"{url}\"}}\n")), known);
        assert_eq!(
            crl_url(&format!("version: \"3\"\nagent: {{crl_noverify: true, crl_url: {url}}}\n")),
            known
        );
        assert_eq!(crl_url("version: 3\nagent: {authtoken: a}\n"), (vec![], None));
        assert_eq!(crl_url("version: 3\nagent: {crl_url: }\n"), (vec![], None));
        let list = (vec![("TP301", "expected `crl_url`, a string, found a list".to_owned())], None);
        assert_eq!(crl_url(&format!("version: 3\nagent: {{crl_url: [\"{url}\"]}}\n")), list);
        let placed = vec![("TP302", "unknown field `crl_url` in the configuration".to_owned())];
        assert_eq!(
            crl_url(&format!("version: 3\nagent: {{authtoken: a}}\ncrl_url: {url}\n")),
            (placed, None)
        );
    }
}
