//! What a program takes: memory while it is loaded, and steps of each run beside those of its expressions.

use super::program::{PhaseCode, Program};
use crate::exchange::ActionId;
use crate::ir::Op;
use crate::lpm::AddressTable;
use crate::run::Execute;

/// Instructions or parts of conditions that run in the time of one step.
const PER_STEP: u64 = 4;
/// Bytes of a tree's node around what it holds, for tables that are counted roughly.
const AROUND: usize = 32;

impl Program {
    /// Bytes of memory that the program takes, about: from half to three times what the allocator hands out. For
    /// budgets over many programs. O(rules + conditions + entries).
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let tables: usize = self.address_tables().map(AddressTable::bytes).sum();
        let code: usize = self.phases().iter().map(PhaseCode::bytes).sum();
        let conditions = self.conditions();
        let own: usize = conditions.iter().map(|it| size_of_val(it) + it.expression.bytes()).sum();
        let tests: usize = conditions.iter().map(|it| it.test.heap_bytes()).sum();
        let steps = self.steps();
        let operands: usize = self.expressions_in_actions().map(|it| it.bytes() + AROUND).sum();
        let acts: usize = steps.iter().map(|step| size_of_val(step) + size_of_val(&**step)).sum();
        tables + code + own + tests + operands + acts + self.side_tables()
    }

    /// Steps that one run of the program counts as beside what its expressions take at run time: every instruction and
    /// every part of a condition once.
    #[must_use]
    pub const fn base_steps(&self) -> u64 {
        self.base_steps
    }

    pub(super) fn count_base_steps(&self) -> u64 {
        let price = |(op, by): &(Op, ActionId)| match op {
            Op::Act { .. } | Op::Perform { .. } => self.step(*by).map_or(1, Execute::cost),
            _ => 1,
        };
        let ops: u64 = self.phases().iter().flat_map(|code| &code.ops).map(price).sum();
        let parts: usize = self.conditions().iter().map(|it| it.expression.parts()).sum();
        (ops + parts as u64).div_ceil(PER_STEP)
    }
}
