//! Bars that do not vary are tests as well: no clock is needed to see that something allocates, or that a table has grown.

use allocation_counter::{AllocationInfo, measure};
use benches::bars::build::{MAX_KEPT, MAX_KEPT_V6};
use benches::bars::{self, Bar, Context, Memory, Meter, Verdict};
use benches::data::generated::{self, INTERNET_V4, INTERNET_V6};
use benches::data::tables::{self, Entry, with_as_numbers};
use benches::peers::{Longest as _, Ours};

fn kept(seen: AllocationInfo) -> u64 {
    u64::try_from(seen.bytes_current).unwrap_or(0)
}

fn count(run: &mut dyn FnMut()) -> Memory {
    let seen = measure(run);
    Memory { allocations: seen.count_total, peak: seen.bytes_max, kept: kept(seen) }
}

#[test]
fn what_does_not_vary_meets_its_gate() {
    let context = Context::new(Meter { quick: true, count });
    let is_fixed = |bar: &Bar| {
        let name = bar.name();
        name.ends_with(" allocations") || name.starts_with("small/") && name.ends_with("/memory")
    };
    let rows: Vec<_> = bars::all().iter().filter(|bar| is_fixed(bar)).map(|bar| bar.run(&context)).collect();
    for row in &rows {
        assert_eq!(row.verdict, Verdict::Pass, "{row:?}");
    }
    assert!(rows.len() >= 10, "{}", rows.len());
}

/// What is kept of a table of the Internet: of IPv4, of IPv6, of IPv4 with AS numbers, of both with AS numbers.
fn assert_kept(from: &str, v4: &[Entry], v6: &[Entry], most: [f64; 4]) {
    let both = with_as_numbers(&[v4, v6].concat());
    let tables = [
        ("IPv4", v4),
        ("IPv6", v6),
        ("IPv4 with AS numbers", &with_as_numbers(v4)),
        ("both with AS numbers", &both),
    ];
    for ((what, entries), most) in tables.into_iter().zip(most) {
        let mut built = None;
        let bytes = kept(measure(|| built = Some(Ours::build(entries))));
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = bytes as f64 / entries.len() as f64;
        println!("{from} {what}: {each:.1} bytes a prefix, at most {most}");
        assert!(built.is_some() && each > 1.0 && each <= most, "{from} {what}: {each}");
    }
}

/// The gates are of real tables, which lie beside the workspace or not.
#[test]
fn real_tables_keep_no_more_than_their_gate() {
    match tables::origin() {
        "real" => {
            let gates = [MAX_KEPT, MAX_KEPT_V6, MAX_KEPT, MAX_KEPT];
            assert_kept("real", &tables::internet_v4(), &tables::internet_v6(), gates);
        }
        _ => eprintln!("skipped: there is no table of the Internet beside the workspace"),
    }
}

/// Generated ones are the same on every machine. Their neighbours are further apart, so they take more.
#[test]
fn generated_tables_keep_no_more_than_they_did() {
    let (v4, v6) = (generated::table(&INTERNET_V4), generated::table(&INTERNET_V6));
    // What they kept on 2026-12-02, and a tenth.
    assert_kept("generated", &v4, &v6, [5.9, 14.8, 8.0, 9.8]);
}
