//! A program as a text: what it has become, and what it costs.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::program::{PhaseCode, Program};
use crate::diagnostic::{counted, printable, shorten};
use crate::exchange::ActionId;
use crate::ir::Op;
use crate::lpm::{AddressTable, ClassId};
use crate::outcome::Ending;

/// Ranges of addresses that are shown for each body.
const MAX_RANGES: usize = 4;

impl Program {
    /// The program as a text, with classes, code and sizes.
    #[must_use]
    pub const fn listing(&self) -> Listing<'_> {
        Listing::new(self)
    }
}

/// Displays a program: its tables, its code for each class of addresses, its sizes and bounds. Stable within a
/// version of the language. O(code + ranges).
#[derive(Clone, Copy, Debug)]
pub struct Listing<'p> {
    program: &'p Program,
}

impl<'p> Listing<'p> {
    const fn new(program: &'p Program) -> Self {
        Self { program }
    }

    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.program.address_tables();
        if tables.len() > 1 {
            writeln!(
                f,
                "addresses: {} tables of 64 tests, since one would be over its budget",
                tables.len()
            )?;
        }
        for table in tables {
            let ([v4, v6], [v4_layout, v6_layout]) = (table.ranges(), table.layouts());
            writeln!(
                f,
                "addresses: {}, IPv4 {} ({v4_layout}), IPv6 {} ({v6_layout}), {} bytes",
                counted(table.classes(), "class", "classes"),
                counted(v4, "range", "ranges"),
                counted(v6, "range", "ranges"),
                table.bytes(),
            )?;
        }
        Ok(())
    }

    fn phase(&self, code: &PhaseCode, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.program.rules(code.phase).count();
        let conditions = || self.program.rules(code.phase).flat_map(super::RuleRef::conditions);
        let steps = conditions().fold(0_u64, |sum, it| sum.saturating_add(it.expression().cost()));
        writeln!(f)?;
        writeln!(
            f,
            "{}: {}, {} of at most {}",
            code.phase,
            counted(rules, "rule", "rules"),
            counted(conditions().count(), "condition", "conditions"),
            counted(steps, "step", "steps"),
        )?;
        match code.residual.bodies() {
            Some(bodies) => {
                let code_bytes = code.residual.bytes();
                writeln!(f, "code: {}, {code_bytes} bytes", counted(bodies.len(), "body", "bodies"))?;
                for (number, (start, classes)) in (1..).zip(&bodies) {
                    self.body(number, *start, classes, code, f)?;
                }
                Ok(())
            }
            None => {
                writeln!(f, "code: rules by masks, {} bytes", code.residual.bytes())?;
                self.ops(code, 0, &code.residual.ops, f)
            }
        }
    }

    /// The code of some classes, and where they are.
    fn body(
        &self,
        number: usize,
        start: usize,
        classes: &[ClassId],
        code: &PhaseCode,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        write!(f, "  body {number}")?;
        if let Some(table) = self.program.tables().single().filter(|table| table.classes() > 1) {
            write!(f, ", {}: ", counted(classes.len(), "class", "classes"))?;
            ranges(table, classes, f)?;
        }
        writeln!(f)?;
        self.ops(code, start, code.residual.body(start), f)
    }

    fn ops(
        &self,
        code: &PhaseCode,
        start: usize,
        ops: &[(Op, ActionId)],
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let reached = |at: usize| {
            let jumps = |op: Op| matches!(op, Op::When { otherwise, .. } if otherwise as usize == start + at);
            ops.iter().any(|(op, _)| jumps(*op))
                || at.checked_sub(1).and_then(|at| ops.get(at)).is_none_or(|(op, _)| !op.ends())
        };
        for (at, (op, by)) in
            ops.iter().enumerate().filter(|(at, (op, _))| *op != Op::End(Ending::Upstream) || reached(*at))
        {
            write!(f, "    {at:>3}  ")?;
            let place = |f: &mut fmt::Formatter<'_>| match self.program.action(*by) {
                Some(action) => writeln!(f, "  ({}, line {})", action.kind(), action.position().line),
                None => writeln!(f),
            };
            match *op {
                Op::When { first, count, otherwise } => {
                    let otherwise = (otherwise as usize).saturating_sub(start);
                    writeln!(f, "when, otherwise to {otherwise}")?;
                    let range = first as usize..(first + count) as usize;
                    for condition in code.residual.conditions.get(range).unwrap_or_default() {
                        let text = shorten(condition.expression.text());
                        writeln!(f, "           {text}  [{}]", condition.test)?;
                    }
                }
                Op::Tested { admitted } => {
                    f.write_str(if admitted { "admitted" } else { "not admitted" })?;
                    place(f)?;
                }
                Op::Act { .. } | Op::Perform { .. } => {
                    self.program.step(*by).map_or(Ok(()), |step| step.list(f))?;
                    place(f)?;
                }
                Op::End(Ending::Upstream) => writeln!(f, "end: upstream")?,
                Op::End(ending) => {
                    f.write_str(ending.name())?;
                    place(f)?;
                }
                Op::Enter(_) => writeln!(f, "rule")?,
                Op::NextRule => writeln!(f, "next rule")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program of {}", printable(self.program.file()))?;
        writeln!(f, "policy   {}", self.program.policy_sha256())?;
        writeln!(f, "program  {}", self.program.program_sha256())?;
        writeln!(f, "decision {}", self.program.decision_sha256())?;
        let facts: Vec<_> = self.program.needs().iter().map(|fact| fact.path()).collect();
        writeln!(f, "reads: {}", if facts.is_empty() { "nothing".to_owned() } else { facts.join(", ") })?;
        self.tables(f)?;
        self.program.phases().iter().try_for_each(|code| self.phase(code, f))
    }
}

/// The first ranges of some classes, as networks.
fn ranges(table: &AddressTable, classes: &[ClassId], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let wanted: HashMap<ClassId, ()> = classes.iter().map(|class| (*class, ())).collect();
    let mut found = table.regions().filter(|(_, _, class)| wanted.contains_key(class));
    for (at, (first, last, _)) in found.by_ref().take(MAX_RANGES).enumerate() {
        f.write_str(if at > 0 { ", " } else { "" })?;
        range(first, last, f)?;
    }
    match found.count() {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

fn range(first: IpAddr, last: IpAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let networks = crate::lpm::range_networks(first, last);
    match &*networks {
        [network] => write!(f, "{network}"),
        _ => write!(f, "{first}-{last}"),
    }
}
