//! The policies that an agent sends with an endpoint.

use std::sync::Arc;

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::diagnostic::{Diagnostics, Severity};
use policy_core::facts::Facts;
use policy_core::options::EndpointTraits;
use policy_core::source::Source;
use serde_json::{Value, json};

use crate::link::{IpRestriction, Refusal, TcpOptions};

/// "The policy is invalid."
const INVALID_POLICY: u32 = 9026;

/// The programs of an endpoint in the order in which they run, and the text of its policy.
type Programs = (Vec<Arc<Program>>, Option<Box<str>>);

/// Checks and compiles what an agent sends with an endpoint.
///
/// # Errors
/// A refusal that says where and why.
pub(super) fn programs(options: &TcpOptions, traits: EndpointTraits) -> Result<Programs, Refusal> {
    let mut programs = Vec::new();
    if let Some(restriction) = options.ip_restriction.as_ref().filter(|it| **it != IpRestriction::default()) {
        let config = json!({"allow": restriction.allow_cidrs, "deny": restriction.deny_cidrs});
        let policy = json!({"on_tcp_connect": [{"actions": [{"type": "restrict-ips", "config": config}]}]});
        programs.push(program("IPRestriction", &policy.to_string(), traits)?);
    }
    let text = match &options.traffic_policy {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(policy) => Some(policy.to_string()),
    };
    if let Some(text) = &text {
        programs.push(program("TrafficPolicy", text, traits)?);
    }
    Ok((programs, text.map(Into::into)))
}

fn program(name: &str, text: &str, traits: EndpointTraits) -> Result<Arc<Program>, Refusal> {
    let source = Source::new(name, text);
    let mut options = CheckOptions::default();
    options.endpoint = traits;
    let (checked, found) = load_policy(&source, &options);
    let Some(checked) = checked else { return Err(refusal(&source, &found)) };
    let program = compile(&checked, &CompileOptions::default()).map_err(|found| refusal(&source, &found))?;
    if let Some(fact) = program.needs().iter().find(|fact| !Facts::known_to_edges(**fact)) {
        let message = format!("the policy reads `{fact}`, and this edge has no source for it");
        return Err(Refusal::new(INVALID_POLICY, message));
    }
    Ok(Arc::new(program))
}

/// The first errors, each with its place.
fn refusal(source: &Source, found: &Diagnostics) -> Refusal {
    const MOST: usize = 5;
    let errors: Vec<_> = found.iter().filter(|item| item.severity == Severity::Error).collect();
    let line = |item: &&policy_core::diagnostic::Diagnostic| {
        let position = source.position(item.span.start);
        format!("{} line {}, column {}: {}", source.name(), position.line, position.column, item.message)
    };
    let mut lines: Vec<_> = errors.iter().take(MOST).map(line).collect();
    if errors.len() > MOST {
        lines.push(format!("and {} more errors", errors.len() - MOST));
    }
    let own = errors.first().and_then(|item| item.code.ngrok.first());
    let code = own.and_then(|code| code.strip_prefix("ERR_NGROK_")?.parse().ok());
    Refusal::new(code.unwrap_or(INVALID_POLICY), format!("the policy is invalid\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use policy_core::url::{Binding, Scheme};

    use super::*;

    fn of(options: Value) -> Result<usize, String> {
        let options: TcpOptions = serde_json::from_value(options).expect("options");
        let traits = EndpointTraits::of_scheme(Scheme::Tcp).bound(Binding::Internal);
        programs(&options, traits).map(|(programs, _)| programs.len()).map_err(|refusal| refusal.error)
    }

    #[test]
    fn policies_come_as_texts_or_objects_and_are_checked() {
        let deny = json!({"on_tcp_connect": [{"actions": [{"type": "deny"}]}]});
        assert_eq!(of(json!({})), Ok(0));
        assert_eq!(of(json!({"TrafficPolicy": "", "IPRestriction": {}})), Ok(0));
        assert_eq!(of(json!({"TrafficPolicy": deny.to_string()})), Ok(1));
        assert_eq!(
            of(
                json!({"TrafficPolicy": deny, "IPRestriction": {"deny_cidrs": ["10.0.0.0/8"], "allow_cidrs": ["0.0.0.0/0"]}})
            ),
            Ok(2)
        );
        let error = of(json!({"TrafficPolicy": "on_tcp_connect: [{actions: [{type: denny}]}]"}))
            .expect_err("misspelt");
        assert!(error.contains("line 1, column 36") && error.ends_with("ERR_NGROK_2201"), "{error}");
        let error = of(json!({"IPRestriction": {"allow_cidrs": ["nowhere"]}})).expect_err("no network");
        assert!(error.contains("IPRestriction") && error.contains("ERR_NGROK_"), "{error}");
        let geo =
            "on_tcp_connect: [{expressions: [\"conn.geo.country_code == 'DE'\"], actions: [{type: deny}]}]";
        let error = of(json!({"TrafficPolicy": geo})).expect_err("unknown here");
        assert!(error.contains("conn.geo.country_code"), "{error}");
    }
}
