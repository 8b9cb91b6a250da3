//! Policies of TCP endpoints, and each as a good engineer would write it by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::exchange::Reply;
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;
use policy_core::source::Source;

use crate::data::Random;

/// The second policy of the guide: two addresses may in.
pub const GUIDE: &str = include_str!("../../fixtures/remote-access/device1.yml");

/// Ten rules over on_tcp_connect alone.
pub const TEN_RULES: &str = include_str!("../../fixtures/bench/ten-tcp-rules.yml");

/// How many rules.
const RULES: usize = 20;

/// How many networks in the list of each rule.
const NETWORKS: usize = 40;

/// A policy from its text.
///
/// # Panics
///
/// If it has an error or is too large.
#[must_use]
#[allow(clippy::expect_used, reason = "bench data is valid")]
pub fn program(text: &str) -> Program {
    let (policy, found) = load_policy(&Source::new("policy.yml", text), &CheckOptions::default());
    assert!(found.is_empty(), "{found:?}");
    compile(&policy.expect("no errors"), &CompileOptions::default()).expect("small")
}

/// One decision, with a host that forwards at once.
///
/// In place: an address that is copied for a call and then read in other pieces than it was written in waits for the
/// copy, ten nanoseconds that are no part of the decision.
#[inline(always)]
#[must_use]
pub fn decide(program: &Program, address: IpAddr) -> Outcome {
    program.on_tcp_connect(&Facts::new(address)).run(|_, _| Reply::Forwarded)
}

/// The number of the action that decided, from 1; 0 if none did.
#[inline(always)]
#[must_use]
pub fn decided(program: &Program, address: IpAddr) -> usize {
    decide(program, address).by().map_or(0, |by| by.index() + 1)
}

/// The guide's policy by hand: one comparison in each family.
#[inline]
#[must_use]
pub fn guide_admits(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => u32::from(v4) == 0xcb00_712a,
        IpAddr::V6(v6) => u128::from(v6) == 0xe680_5791_be4c_5739_d959_7b94_6d54_d4b4,
    }
}

/// What a hand-written policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// Forwarded to this.
    Forwarded(&'static str),
    /// In no list.
    Denied,
    /// The target could not be reached.
    Failed,
}

/// A policy by hand, as an edge would hold it that has one of many: it is given a source and whom to ask for the way to
/// a target.
pub type PolicyByHand = Box<dyn Fn(IpAddr, &mut dyn FnMut(&str) -> bool) -> ByHand>;

/// The guide's policy by hand, all of it.
#[must_use]
pub fn guide_by_hand() -> PolicyByHand {
    Box::new(|address, forward| {
        const TARGET: &str = "tcp://device1.internal:22";
        if !guide_admits(address) {
            return ByHand::Denied;
        }
        if forward(TARGET) { ByHand::Forwarded(TARGET) } else { ByHand::Failed }
    })
}

/// The address that the guide's policy admits.
pub const GUIDE_ADMITTED: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 42));

/// Sources for the guide's policy of which half, in no order, are admitted; both kinds are of both families.
#[must_use]
pub fn guide_sources(number: usize) -> Vec<IpAddr> {
    let mut random = Random::new(3);
    let v6 = 0xe680_5791_be4c_5739_d959_7b94_6d54_d4b4_u128;
    let source = |_| match random.below(4) {
        0 => IpAddr::V6(Ipv6Addr::from(v6)),
        1 => GUIDE_ADMITTED,
        2 => IpAddr::V6(Ipv6Addr::from(0x2001_0db8 << 96 | random.wide() >> 32)),
        _ => within(&mut random, 0, 0).into(),
    };
    (0..number).map(source).collect()
}

/// A random address of a network.
fn within(random: &mut Random, network: u32, length: u8) -> Ipv4Addr {
    let bits = u32::try_from(random.next() >> 32).unwrap_or(0);
    (network | bits.checked_shr(length.into()).unwrap_or(0)).into()
}

/// Twenty rules that each forward, or refuse, the sources in a list of its own.
#[derive(Clone, Debug)]
pub struct TwentyRules {
    /// The first address and the length of each network, by rule.
    lists: Vec<Vec<(u32, u8)>>,
}

impl TwentyRules {
    /// Lists from a seed, /14 to /22 in 10.0.0.0/8, which overlap: about 500 classes of addresses.
    #[must_use]
    pub fn new() -> Self {
        let mut random = Random::new(20);
        let mut network = |_| {
            let length = u8::try_from(14 + random.below(9)).unwrap_or(16);
            let address = u32::from(within(&mut random, TEN, 8));
            (address & u32::MAX << (32 - u32::from(length)), length)
        };
        Self { lists: (0..RULES).map(|_| (0..NETWORKS).map(&mut network).collect()).collect() }
    }

    /// The text of the policy.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "on_tcp_connect:\n".to_owned();
        for (at, list) in self.lists.iter().enumerate() {
            let quoted = |&(address, length)| format!("'{}/{length}'", Ipv4Addr::from(address));
            let list: Vec<_> = list.iter().map(quoted).collect();
            let action = if at % 5 == 4 {
                "type: deny".to_owned()
            } else {
                format!("type: forward-internal, config: {{url: \"tcp://t{}.internal:22\"}}", at % 7)
            };
            text += &format!("  - expressions: [\"inCidrRanges(conn.client_ip, [{}])\"]\n", list.join(", "));
            text += &format!("    actions: [{{{action}}}]\n");
        }
        text
    }

    /// Sources of which three quarters lie in a list.
    #[must_use]
    pub fn sources(&self, number: usize) -> Vec<IpAddr> {
        let mut random = Random::new(21);
        let source = |_| {
            let list = self.lists.get(random.below(self.lists.len()));
            let network = list.and_then(|list| list.get(random.below(list.len())).copied());
            let (address, length) = network.filter(|_| random.below(4) > 0).unwrap_or((TEN, 8));
            within(&mut random, address, length).into()
        };
        (0..number).map(source).collect()
    }

    /// The policy by hand.
    #[must_use]
    pub fn by_hand(&self) -> FirstMatch {
        FirstMatch::new(&self.lists)
    }
}

impl Default for TwentyRules {
    fn default() -> Self {
        Self::new()
    }
}

/// 10.0.0.0.
const TEN: u32 = 10 << 24;

/// The twenty rules by hand: the lists flattened into the ranges of the first rule that matches, neighbours of
/// the same rule merged; a decision is one binary search over the sorted starts, and the rule beside it.
#[derive(Clone, Debug)]
pub struct FirstMatch {
    /// Sorted; the first is 0.
    starts: Vec<u32>,
    /// The number of the rule from a start on, from 1; 0 for none.
    rules: Vec<u8>,
}

impl FirstMatch {
    fn new(lists: &[Vec<(u32, u8)>]) -> Self {
        let last =
            |&(address, length): &(u32, u8)| address | u32::MAX.checked_shr(length.into()).unwrap_or(0);
        let ends = |network: &(u32, u8)| [Some(network.0), last(network).checked_add(1)];
        let mut starts: Vec<u32> = lists.iter().flatten().flat_map(ends).flatten().collect();
        starts.push(0);
        starts.sort_unstable();
        starts.dedup();
        let holds = |network: &(u32, u8), address| (network.0..=last(network)).contains(&address);
        let mut made = Self { starts: Vec::new(), rules: Vec::new() };
        for start in starts {
            let first = lists.iter().position(|list| list.iter().any(|network| holds(network, start)));
            let rule = first.map_or(0, |at| u8::try_from(at + 1).unwrap_or(u8::MAX));
            if made.rules.last() != Some(&rule) {
                made.starts.push(start);
                made.rules.push(rule);
            }
        }
        made
    }

    /// The number of the rule that decides, from 1; 0 if none does.
    #[inline]
    #[must_use]
    pub fn decided(&self, address: IpAddr) -> usize {
        let IpAddr::V4(address) = address else { return 0 };
        let behind = self.starts.partition_point(|start| *start <= u32::from(address));
        self.rules.get(behind.wrapping_sub(1)).map_or(0, |rule| usize::from(*rule))
    }

    /// How many ranges there are.
    #[must_use]
    pub const fn ranges(&self) -> usize {
        self.starts.len()
    }
}
