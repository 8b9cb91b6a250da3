//! Lists of up to sixteen ranges, as most rules have.

use std::net::Ipv4Addr;

use ipnetwork::IpNetwork;

use super::drive::{latency, throughput};
use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::data::networks;
use crate::data::probes::{self, Draw};
use crate::data::tables::Entry;
use crate::floors::L1Load;
use crate::peers::{Longest as _, LongestLinear, Ours};

/// How many addresses are looked up; a list this short is in the cache anyway.
const PROBES: usize = 1 << 16;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    [1, 2, 4, 8, 16].into_iter().flat_map(bars_of_length).collect()
}

fn bars_of_length(number: usize) -> Vec<Bar> {
    let mut bars = vec![Bar::new(
        format!("small/{number}/in-prefix latency ÷ L1 load"),
        Gate::AtMost(5.0, 3.0),
        "×",
        move |context| {
            let (ours, load) = (Ours::build(&list(number)), L1Load::new());
            let probes = addresses(context, Draw::InPrefix, number);
            // One after the other: an array that is always in the cache has no throughput to speak of.
            context.meter.ratios(
                probes.len(),
                || latency(&probes, |address| ours.v4(address)),
                || latency(&probes, |address| load.v4(address)),
            )
        },
    )];
    bars.extend([Draw::InPrefix, Draw::Random].map(|draw| {
        let name = format!("small/{number}/{} ÷ linear scan", draw.name());
        Bar::new(name, Gate::AtMost(1.0, 0.5), "×", move |context| {
            let (ours, linear) = (Ours::build(&list(number)), LongestLinear::build(&list(number)));
            let probes = addresses(context, draw, number);
            context.meter.equal_ratios(
                probes.len(),
                || throughput(&probes, |address| ours.v4(address)),
                || throughput(&probes, |address| linear.v4(address)),
            )
        })
    }));
    bars.push(Bar::new(
        format!("small/{number}/memory"),
        Gate::AtMost(1_024.0, 512.0),
        "B",
        move |context| {
            let (ours, memory) = context.meter.memory(|| Ours::build(&list(number)));
            let note = format!("{} by its own account", ours.bytes());
            Samples::one(f64::from(u32::try_from(memory.kept).unwrap_or(u32::MAX)), note)
        },
    ));
    bars
}

/// So many ranges that neither nest nor touch.
fn list(number: usize) -> Vec<Entry> {
    let mut list: Vec<IpNetwork> = Vec::new();
    for network in networks(4 * number, 7) {
        let apart =
            |other: &IpNetwork| !other.contains(network.network()) && !network.contains(other.network());
        if list.len() < number && list.iter().all(apart) {
            list.push(network);
        }
    }
    (1..).zip(list).map(|(id, network)| (network, id)).collect()
}

fn addresses(context: &Context, draw: Draw, number: usize) -> Vec<Ipv4Addr> {
    probes::v4(draw, &list(number), context.number(PROBES), 16)
}
