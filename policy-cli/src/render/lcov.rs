//! What cases reach in the format of LCOV (geninfo(1), tracefile format): lines, and both ways of conditions as branches.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::coverage::{Coverage, FileCoverage, Item};

/// A record for each file.
pub(crate) fn write(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    coverage.files.iter().try_for_each(|(name, file)| record(out, name, file))
}

fn record(out: &mut impl Write, name: &str, file: &FileCoverage) -> io::Result<()> {
    writeln!(out, "TN:\nSF:{name}")?;
    let (mut lines, mut branches): (BTreeMap<u32, usize>, Vec<_>) = (BTreeMap::new(), Vec::new());
    for (item, covered) in &file.items {
        match item {
            Item::Branch { condition, start, end, .. } => {
                let way = |value| Item::Branch { condition: *condition, start: *start, end: *end, value };
                let counts =
                    [true, false].map(|value| file.items.get(&way(value)).map_or(0, |way| way.count));
                // What was never evaluated has no ways.
                let evaluated = counts.iter().any(|count| *count > 0);
                branches.push((covered.at.line, condition, evaluated.then_some(covered.count)));
            }
            _ => {
                // A line with several of them counts as reached where all are.
                let count = lines.entry(covered.at.line).or_insert(covered.count);
                *count = (*count).min(covered.count);
            }
        }
    }
    for (at, (line, condition, count)) in branches.iter().enumerate() {
        let count = count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        writeln!(out, "BRDA:{line},{condition},{at},{count}")?;
    }
    let hit = branches.iter().filter(|(_, _, count)| count.is_some_and(|count| count > 0)).count();
    writeln!(out, "BRF:{}\nBRH:{hit}", branches.len())?;
    for (line, count) in &lines {
        writeln!(out, "DA:{line},{count}")?;
    }
    let hit = lines.values().filter(|count| **count > 0).count();
    writeln!(out, "LF:{}\nLH:{hit}\nend_of_record", lines.len())
}
