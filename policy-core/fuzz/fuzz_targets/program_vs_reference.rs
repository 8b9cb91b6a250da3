//! Any policy that compiles decides as the naive engine does, at addresses taken from the input, and about many at once as
//! about each.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;
use policy_core::reference::{NaiveOutcome, on_tcp_connect};
use policy_core::source::Source;

fuzz_target!(|input: ([u8; 16], bool, &str)| {
    let (bytes, online, text) = input;
    let (Some(checked), _) = load_policy(&Source::new("fuzz.yml", text), &CheckOptions::default()) else {
        return;
    };
    let Ok(program) = compile(&checked, &CompileOptions::default()) else { return };
    let [a, b, c, d, ..] = bytes;
    let addresses: [IpAddr; 3] = [
        Ipv4Addr::new(a, b, c, d).into(),
        Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().into(),
        Ipv6Addr::from(bytes).into(),
    ];
    for address in addresses {
        let facts = Facts::new(address);
        let outcome = program.on_tcp_connect(&facts).run(|effect, _| match effect {
            Effect::Forward(_) if online => Reply::Forwarded,
            Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
            _ => Reply::Logged,
        });
        let same = match (outcome, on_tcp_connect(checked.policy(), &facts, |_| online)) {
            (Outcome::Forwarded { by, .. }, NaiveOutcome::Forwarded(_, at))
            | (Outcome::Denied { by }, NaiveOutcome::Denied(_, at))
            | (Outcome::Closed { by }, NaiveOutcome::Closed(at))
            | (Outcome::Failed { by: Some(by), .. }, NaiveOutcome::Failed(at)) => by.index() == at,
            (Outcome::Failed { by: None, .. }, NaiveOutcome::NoCondition(_)) => true,
            (Outcome::Upstream, NaiveOutcome::Upstream) => true,
            _ => false,
        };
        assert!(same, "{address}: {outcome:?}");
    }
    let Some(mut decisions) = program.by_source(Facts::new(addresses[0])) else { return };
    let mut outcomes = [Outcome::Upstream; 3];
    decisions.decide_each(&addresses, &mut outcomes);
    for (address, outcome) in addresses.into_iter().zip(outcomes) {
        assert_eq!(outcome, program.decide(&Facts::new(address)).outcome(), "{address}");
    }
});
