//! Whether a baseline is as good as it can be: DIR-24-8 is little more than its one load.

use super::drive::throughput;
use super::{Bar, Gate};
use crate::data::probes::Draw;
use crate::floors::RawLoad;
use crate::peers::Longest as _;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    let bar = |draw: Draw| {
        Bar::new(
            format!("baseline/dir-24-8 ÷ one load/{}", draw.name()),
            Gate::AtMost(1.2, 1.1),
            "×",
            move |context| {
                let (dir, load, probes) =
                    (context.dir24(), RawLoad::new(&context.v4().entries), context.v4().probes(draw));
                context.meter.ratios(
                    probes.len(),
                    || throughput(probes, |address| dir.v4(address)),
                    || throughput(probes, |address| load.v4(address)),
                )
            },
        )
    };
    Draw::ALL.into_iter().map(bar).collect()
}
