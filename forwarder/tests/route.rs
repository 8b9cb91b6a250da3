//! Chains of forwards against a naive recursion: where a connection ends, whoever decides on the way.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use forwarder::generation::{Generation, load};
use forwarder::online::OnlineEndpoints;
use forwarder::route::{Effort, Entry, Presumed, Upstream, World, judge_presumed};
use policy_core::facts::Facts;
use policy_core::url::HostPort;
use proptest::prelude::*;

const INTERNAL: usize = 4;
const MAX_HOPS: u32 = 6;

/// An action of a generated policy.
#[derive(Clone, Debug)]
enum Action {
    /// `restrict-ips` that allows 127.0.0.N/32 for the N whose bit is set.
    Restrict(u8, bool),
    /// `forward-internal` to an internal endpoint; one number too many names none.
    Forward(usize, bool),
    Deny,
    Close,
    Log,
}

#[derive(Clone, Debug)]
struct Net {
    public: Vec<Action>,
    internal: Vec<Option<Vec<Action>>>,
    unreached: [bool; INTERNAL],
}

/// How the naive recursion ends: an upstream, a refusal, or no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naive {
    Upstream(usize),
    Refused,
    Through,
}

impl Net {
    fn run(&self, actions: &[Action], client: u8, tried: &mut u32) -> Naive {
        for action in actions {
            match *action {
                Action::Restrict(allowed, enforce) => {
                    if enforce && allowed >> client & 1 == 0 {
                        return Naive::Refused;
                    }
                }
                Action::Forward(to, or_continue) => match self.forward(to, client, tried) {
                    Some(ended) => return ended,
                    None if or_continue => {}
                    None => return Naive::Refused,
                },
                Action::Deny | Action::Close => return Naive::Refused,
                Action::Log => {}
            }
        }
        Naive::Through
    }

    /// `None` if the forward failed.
    fn forward(&self, to: usize, client: u8, tried: &mut u32) -> Option<Naive> {
        if *tried >= MAX_HOPS {
            return None;
        }
        *tried += 1;
        if to >= INTERNAL {
            return None;
        }
        if let Some(policy) = &self.internal[to] {
            match self.run(policy, client, tried) {
                Naive::Through => {}
                ended => return Some(ended),
            }
        }
        (!self.unreached[to]).then_some(Naive::Upstream(to))
    }

    fn load(&self) -> Option<Generation> {
        let mut files = HashMap::from([("public.yml".to_owned(), policy(&self.public))]);
        let mut edge = format!(
            "version: 1\nlimits: {{max_hops: {MAX_HOPS}}}\nendpoints:\n  - {{name: e, url: \"tcp://e:9\", \
             traffic_policy_file: public.yml}}\ninternal_endpoints:\n"
        );
        for (number, actions) in self.internal.iter().enumerate() {
            let file = format!("{number}.yml");
            write!(
                edge,
                "  - {{url: \"tcp://n{number}.internal:22\", upstream: {{url: \"{}\"}}",
                upstream(number)
            )
            .expect("a String");
            if let Some(actions) = actions {
                write!(edge, ", traffic_policy_file: {file}").expect("a String");
                files.insert(file, policy(actions));
            }
            edge.push_str("}\n");
        }
        files.insert("edge.yml".to_owned(), edge);
        let read = |path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            files.get(name).map(|text| text.clone().into_bytes()).ok_or(io::ErrorKind::NotFound.into())
        };
        // Policies with actions behind a terminator or without any are refused, as they should be.
        load(Path::new("edge.yml"), &read).ok().map(|(generation, _)| generation)
    }
}

fn upstream(number: usize) -> Upstream {
    let address = HostPort::parse(&format!("127.0.0.1:{}", 1_000 + number));
    Upstream::Address(address.expect("an upstream"))
}

fn policy(actions: &[Action]) -> String {
    let mut text = "on_tcp_connect:\n- actions:\n".to_owned();
    for action in actions {
        let line = match action {
            Action::Restrict(allowed, enforce) => {
                let entries: Vec<_> =
                    (0..8).filter(|n| allowed >> n & 1 == 1).map(|n| format!("127.0.0.{n}/32")).collect();
                format!(
                    "{{type: restrict-ips, config: {{enforce: {enforce}, allow: [{}]}}}}",
                    entries.join(", ")
                )
            }
            Action::Forward(to, or_continue) => {
                let on_error = if *or_continue { "continue" } else { "halt" };
                format!(
                    "{{type: forward-internal, config: {{url: \"tcp://n{to}.internal:22\", on_error: {on_error}}}}}"
                )
            }
            Action::Deny => "{type: deny}".to_owned(),
            Action::Close => "{type: close-connection}".to_owned(),
            Action::Log => "{type: log, config: {metadata: {a: 1}}}".to_owned(),
        };
        writeln!(text, "  - {line}").expect("a String");
    }
    text
}

fn net() -> impl Strategy<Value = Net> {
    // What ends every connection stands last, else the policy is refused.
    let passing = prop_oneof![
        (any::<u8>(), prop::bool::weighted(0.7))
            .prop_map(|(allowed, enforce)| Action::Restrict(allowed, enforce)),
        (0..=INTERNAL).prop_map(|to| Action::Forward(to, true)),
        Just(Action::Log),
    ];
    let last = prop_oneof![
        4 => (0..=INTERNAL).prop_map(|to| Action::Forward(to, false)),
        1 => Just(Action::Deny),
        1 => Just(Action::Close),
        2 => Just(Action::Log),
    ];
    let actions = (prop::collection::vec(passing, 0..3), last).prop_map(|(mut actions, last)| {
        actions.push(last);
        actions
    });
    let internal = prop::collection::vec(prop::option::of(actions.clone()), INTERNAL);
    (actions, internal, any::<[bool; INTERNAL]>()).prop_map(|(public, internal, unreached)| Net {
        public,
        internal,
        unreached,
    })
}

#[test]
fn chains_end_where_the_naive_recursion_ends() {
    let (loaded, admitted) = (Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig { cases: 1_500, ..ProptestConfig::default() };
    proptest!(config, |(net in net())| {
        let Some(generation) = net.load() else { return Ok(()) };
        loaded.set(loaded.get() + 1);
        let online = OnlineEndpoints::default();
        let unreached: Vec<_> = (0..INTERNAL).filter(|&at| net.unreached[at]).map(upstream).collect();
        for client in 0..8 {
            let expected = net.run(&net.public, client, &mut 0);
            let facts = Facts::new(IpAddr::from([127, 0, 0, client]));
            let presumed = Presumed { unreached: &unreached, reached: None };
            let world = World { generation: &generation, online: &online };
            let route = judge_presumed(world, Entry::Configured(0), &facts, presumed, Effort::Full).expect("never waits");
            let wanted = match expected {
                Naive::Upstream(at) => Some(upstream(at)),
                Naive::Refused | Naive::Through => None,
            };
            prop_assert_eq!(&route.upstream, &wanted, "client {}: {:?}", client, route);
            prop_assert_eq!(route.verdict.decision == "forward", wanted.is_some());
            prop_assert_eq!(route.hops.len() <= MAX_HOPS as usize, true);
            admitted.set(admitted.get() + u32::from(wanted.is_some()));
        }
    });
    let (loaded, admitted) = (loaded.get(), admitted.get());
    assert!(loaded > 500 && admitted > 500, "{loaded} loaded, {admitted} admitted: the test shows little");
}
