//! A host of one's own: it performs what a policy asks for, one effect at a time.
//!
//! ```text
//! cargo run -p policy-core --example effect_host
//! ```
//!
//! The engine asks, the host acts and answers. Between two steps the host may wait as long as it likes: steps are
//! `Copy` and a run is `Send`, so the same loop works in `async` code with an `.await` where `perform` is called.

use std::collections::BTreeMap;
use std::error::Error;

use policy_core::compile::Program;
use policy_core::evaluate::Evaluation;
use policy_core::exchange::{Effect, ForwardFailure, Reply, Step};
use policy_core::facts::Facts;
use policy_core::outcome::{Fault, Outcome};

const POLICY: &str = "
on_tcp_connect:
  - actions:
      - {type: log, config: {metadata: {site: north}}}
      - {type: forward-internal, config: {url: 'tcp://primary.internal:22', on_error: continue}}
      - {type: forward-internal, config: {url: 'tcp://standby.internal:22'}}
";

/// The endpoints this host knows: true for one whose upstream answers.
#[derive(Default)]
struct Registry {
    endpoints: BTreeMap<&'static str, bool>,
    log: Vec<String>,
}

impl Registry {
    fn perform(&mut self, effect: Effect, run: &Evaluation<'_>) -> Reply {
        match effect {
            Effect::Forward(id) => {
                let url = run.target(id).map(ToString::to_string).unwrap_or_default();
                match self.endpoints.get(&*url) {
                    Some(true) => Reply::Forwarded,
                    Some(false) => Reply::ForwardFailed(ForwardFailure::UpstreamUnreachable),
                    None => Reply::ForwardFailed(ForwardFailure::Offline),
                }
            }
            Effect::Log(id) => {
                self.log.extend(run.log(id).and_then(|metadata| serde_json::to_string(&**metadata).ok()));
                Reply::Logged
            }
            // An effect of a later version: a reply that does not fit closes the connection.
            _ => Reply::Forwarded,
        }
    }
}

/// The outcome for one client, and the endpoint that took it.
fn decide(program: &Program, registry: &mut Registry) -> Result<(Outcome, Option<String>), Box<dyn Error>> {
    let facts = Facts::new("203.0.113.42".parse()?);
    let mut run = program.on_tcp_connect(&facts);
    let mut step = run.start();
    let outcome = loop {
        step = match step {
            Step::Perform(effect) => run.resume(registry.perform(effect, &run)),
            Step::Done(outcome) => break outcome,
        };
    };
    println!("{}: {}", outcome.name(), run.reason());
    let Outcome::Forwarded { target, .. } = outcome else { return Ok((outcome, None)) };
    Ok((outcome, run.target(target).map(ToString::to_string)))
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let program = Program::from_policy("device.yml", POLICY)?;

    let mut registry = Registry::default();
    registry.endpoints.extend([("tcp://primary.internal:22", true), ("tcp://standby.internal:22", true)]);
    assert_eq!(decide(&program, &mut registry)?.1.as_deref(), Some("tcp://primary.internal:22"));

    // `on_error: continue` goes on to the next action; without it a failed forward closes.
    registry.endpoints.insert("tcp://primary.internal:22", false);
    assert_eq!(decide(&program, &mut registry)?.1.as_deref(), Some("tcp://standby.internal:22"));
    registry.endpoints.clear();
    let offline = |fault| matches!(fault, Fault::Forward { failure: ForwardFailure::Offline, .. });
    assert!(matches!(decide(&program, &mut registry)?.0, Outcome::Failed { fault, .. } if offline(fault)));
    assert_eq!(registry.log, [r#"{"site":"north"}"#; 3]);

    // Driven out of order, it closes.
    let facts = Facts::new("203.0.113.42".parse()?);
    let early = program.on_tcp_connect(&facts).resume(Reply::Forwarded);
    assert!(matches!(early, Step::Done(Outcome::Failed { fault: Fault::OutOfOrder, .. })));
    Ok(())
}
