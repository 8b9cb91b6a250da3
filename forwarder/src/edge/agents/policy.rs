//! The policies that an agent sends with an endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_link::{IpRestriction, Refusal, TcpOptions};
use policy_core::actions::restriction_policy;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::diagnostic::{Diagnostics, Severity, printable};
use policy_core::ngrok::{ERR_NGROK_308, ERR_NGROK_9026, NgrokCode};
use policy_core::options::EndpointTraits;
use policy_core::source::Source;
use serde_json::Value;

use super::served::Agents;
use super::settings::PolicyLimits;
use crate::edge::online::Owner;
use crate::edge::policy_shares::{PolicyShare, Reserved};

/// "The policy is invalid."
const INVALID_POLICY: NgrokCode = ERR_NGROK_9026;
/// "The authtoken may not bind this address."
const NOT_PERMITTED: NgrokCode = ERR_NGROK_308;
/// When an agent may come again whose policies have used up their share.
const USED_UP: Duration = Duration::from_secs(5);
/// How long a bind waits for its share; a call may take ten seconds in all.
const MAX_WAIT: Duration = Duration::from_secs(7);
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// What an agent has brought with an endpoint, checked.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// In the order in which they run.
    pub(super) programs: Vec<Arc<Program>>,
    /// The text of the policy, for the API.
    pub(super) text: Option<Box<str>>,
    pub(super) memory: Reserved,
}

/// Checks and compiles what an agent sends with an endpoint: within the share of its authtoken, one policy of it at a
/// time, and apart from the connections that the edge serves.
///
/// # Errors
/// A refusal that says where and why.
pub(super) async fn check(
    agents: &Agents,
    share: &Arc<PolicyShare>,
    options: TcpOptions,
    traits: EndpointTraits,
    limits: PolicyLimits,
) -> Result<Brought, Refusal> {
    let policies = Policies::read(&options);
    let bytes = policies.iter().map(|(_, text)| text.len()).sum::<usize>();
    if bytes == 0 {
        return Ok(Brought::default());
    }
    if bytes > limits.max_bytes {
        let message = format!(
            "the policy has {bytes} bytes, and a policy that an agent brings may have {} \
             (`limits.max_agent_policy_bytes`)",
            limits.max_bytes
        );
        return Err(Refusal::new(INVALID_POLICY, message));
    }
    // Whoever gives up waiting still holds its places: what runs cannot be stopped.
    let own = share.checks().acquire_owned().await;
    wait_for_share(share).await?;
    let place = Arc::clone(&agents.checks).acquire_owned().await;
    let of_task = Arc::clone(share);
    let checking = tokio::task::spawn_blocking(move || {
        let _places = (own, place);
        let begun = Instant::now();
        let programs = policies.compile(traits);
        of_task.charge_time(begun.elapsed(), Instant::now());
        (programs, policies.traffic_policy)
    });
    let (programs, text) = checking.await.map_err(|error| Refusal::new(INVALID_POLICY, error))?;
    let programs = programs?;
    let taken = bytes + programs.iter().map(|program| program.memory_bytes()).sum::<usize>();
    let memory = share.reserve(taken, limits.max_memory_per_authtoken, limits.max_memory);
    let memory = memory.map_err(|full| Refusal::new(INVALID_POLICY, full))?;
    Ok(Brought { programs, text: text.map(Into::into), memory })
}

/// Waits until the authtoken has processor time left for its policies: many endpoints that come online at once come one
/// after the other.
///
/// # Errors
/// A refusal if that takes longer than an agent waits.
async fn wait_for_share(share: &PolicyShare) -> Result<(), Refusal> {
    let begun = Instant::now();
    while share.available(Instant::now()) == 0 {
        if begun.elapsed() >= MAX_WAIT {
            let message = "the policies of this authtoken have used up the processor time that they may take";
            return Err(Refusal::new(INVALID_POLICY, message).until(USED_UP));
        }
        // It fills with time, and others of the same authtoken take from it meanwhile.
        tokio::time::sleep(RETRY_DELAY).await;
    }
    Ok(())
}

/// Refuses policies that always forward to an endpoint which their owner may not bind.
///
/// # Errors
/// A refusal that names the first such endpoint.
pub(super) fn check_targets(programs: &[Arc<Program>], owner: &Owner) -> Result<(), Refusal> {
    let targets = programs.iter().flat_map(|program| program.literal_targets());
    match targets.into_iter().find(|target| !owner.may_forward(target)) {
        None => Ok(()),
        Some(target) => {
            let message = format!("the policy forwards to {target}, which the authtoken may not bind");
            Err(Refusal::new(NOT_PERMITTED, message))
        }
    }
}

/// The texts of what an agent sends with an endpoint.
#[derive(Debug, Default)]
struct Policies {
    ip_restriction: Option<String>,
    traffic_policy: Option<String>,
}

impl Policies {
    fn read(options: &TcpOptions) -> Self {
        let restriction = options.ip_restriction.as_ref().filter(|it| **it != IpRestriction::default());
        let ip_restriction = restriction.map(|it| restriction_policy(&it.allow_cidrs, &it.deny_cidrs));
        let traffic_policy = match &options.traffic_policy {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(policy) => Some(policy.to_string()),
        };
        Self { ip_restriction, traffic_policy }
    }

    /// Those that there are, in the order in which they run, with their names.
    fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let restriction = self.ip_restriction.as_deref().map(|text| ("IPRestriction", text));
        restriction.into_iter().chain(self.traffic_policy.as_deref().map(|text| ("TrafficPolicy", text)))
    }

    fn compile(&self, traits: EndpointTraits) -> Result<Vec<Arc<Program>>, Refusal> {
        self.iter().map(|(name, text)| program(name, text, traits)).collect()
    }
}

fn program(name: &str, text: &str, traits: EndpointTraits) -> Result<Arc<Program>, Refusal> {
    let source = Source::new(name, text);
    let mut options = CheckOptions::default();
    options.endpoint = traits;
    let (checked, found) = load_policy(&source, &options);
    let Some(checked) = checked else { return Err(refusal(&source, &found)) };
    if let Some(id) = checked.ip_policies().next() {
        let message = format!(
            "the policy names the IP policy `{}`, and IP policies are for the policies of the edge's own configuration: \
             list the networks",
            printable(id)
        );
        return Err(Refusal::new(INVALID_POLICY, message));
    }
    let program = compile(&checked, &CompileOptions::default()).map_err(|found| refusal(&source, &found))?;
    if let Some(fact) = program.unknown_facts().next() {
        let message = format!("the policy reads `{fact}`, and this edge has no source for it");
        return Err(Refusal::new(INVALID_POLICY, message));
    }
    Ok(Arc::new(program))
}

/// The first errors, each with its place.
fn refusal(source: &Source, found: &Diagnostics) -> Refusal {
    const MAX: usize = 5;
    let errors: Vec<_> = found.iter().filter(|item| item.severity == Severity::Error).collect();
    let line = |item: &&policy_core::diagnostic::Diagnostic| {
        let position = source.position(item.span.start);
        format!("{} line {}, column {}: {}", source.name(), position.line, position.column, item.message)
    };
    let mut lines: Vec<_> = errors.iter().take(MAX).map(line).collect();
    if errors.len() > MAX {
        lines.push(format!("and {} more errors", errors.len() - MAX));
    }
    let own = errors.first().and_then(|item| item.code.ngrok.first());
    Refusal::new(
        own.copied().unwrap_or(INVALID_POLICY),
        format!("the policy is invalid\n{}", lines.join("\n")),
    )
}

#[cfg(test)]
mod tests {
    use policy_core::url::{Binding, Scheme};
    use serde_json::json;

    use super::*;

    fn number_of_programs(options: Value) -> Result<usize, String> {
        let options: TcpOptions = serde_json::from_value(options).expect("options");
        let traits = EndpointTraits::from_scheme(Scheme::Tcp).bound(Binding::Internal);
        Policies::read(&options)
            .compile(traits)
            .map(|programs| programs.len())
            .map_err(|refusal| refusal.error)
    }

    #[test]
    fn policies_come_as_texts_or_objects_and_are_checked() {
        let deny = json!({"on_tcp_connect": [{"actions": [{"type": "deny"}]}]});
        assert_eq!(number_of_programs(json!({})), Ok(0));
        assert_eq!(number_of_programs(json!({"TrafficPolicy": "", "IPRestriction": {}})), Ok(0));
        assert_eq!(number_of_programs(json!({"TrafficPolicy": deny.to_string()})), Ok(1));
        assert_eq!(
            number_of_programs(
                json!({"TrafficPolicy": deny, "IPRestriction": {"deny_cidrs": ["10.0.0.0/8"], "allow_cidrs": ["0.0.0.0/0"]}})
            ),
            Ok(2)
        );
        let error =
            number_of_programs(json!({"TrafficPolicy": "on_tcp_connect: [{actions: [{type: denny}]}]"}))
                .expect_err("misspelt");
        assert!(error.contains("line 1, column 36") && error.ends_with("ERR_NGROK_2201"), "{error}");
        let error = number_of_programs(json!({"IPRestriction": {"allow_cidrs": ["nowhere"]}}))
            .expect_err("no network");
        assert!(error.contains("IPRestriction") && error.contains("ERR_NGROK_"), "{error}");
        let named = json!({"on_tcp_connect": [{"actions": [{"type": "restrict-ips", "config": {"ip_policies": ["ipp_office"]}}]}]});
        let error = number_of_programs(json!({"TrafficPolicy": named})).expect_err("they are the operator's");
        assert!(error.contains("`ipp_office`") && error.contains("list the networks"), "{error}");
        let geo =
            "on_tcp_connect: [{expressions: [\"conn.geo.country_code == 'DE'\"], actions: [{type: deny}]}]";
        let error = number_of_programs(json!({"TrafficPolicy": geo})).expect_err("unknown here");
        assert!(error.contains("conn.geo.country_code"), "{error}");
    }
}
