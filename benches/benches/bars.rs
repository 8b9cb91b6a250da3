//! All bars as pass, fail or noise; the arguments are those of `benches::bars`.

use std::process::ExitCode;

use benches::bars::{Memory, main as bars};

fn main() -> ExitCode {
    bars(std::env::args().skip(1), |run| {
        let seen = allocation_counter::measure(run);
        Memory {
            allocations: seen.count_total,
            peak: seen.bytes_max,
            kept: u64::try_from(seen.bytes_current).unwrap_or(0),
        }
    })
}
