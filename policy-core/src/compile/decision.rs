//! The digest of what a program decides: equal for policies that are written differently and decide the same way.
//!
//! It is taken after the projection to classes: ranges of addresses with equal code are one, whatever lists they came
//! from. Lists may be split, repeated and reordered, and conditions written as `a && b` or as two items. It is not
//! complete: policies that decide the same by other means may have different digests.

use std::net::IpAddr;

use super::program::{PhaseCode, Program};
use crate::digest::{Digest, Hasher};
use crate::exchange::ActionId;
use crate::ir::Op;
use crate::lpm::{AddressTable, ClassId, TestId};
use crate::run::StepDigest;

impl Program {
    /// The digest of what the program decides, after its projection to classes of addresses: equal for policies whose
    /// lists are split or reordered differently, or whose conditions are joined or apart. O(code + ranges).
    #[must_use]
    pub fn decision_sha256(&self) -> Digest {
        let mut hasher = Hasher::new("decision");
        for code in self.phases() {
            hasher.text(code.phase.name());
            match code.residual.bodies() {
                Some(bodies) => by_bodies(self, code, &bodies, &mut hasher),
                None => {
                    self.tables().iter().for_each(|table| hasher.text(&table_digest(table).to_string()));
                    hasher.text(&body(self, code, 0, &code.residual.ops, None).to_string());
                }
            }
        }
        hasher.finish()
    }
}

/// Ranges and the code of each; neighbours with equal code are one range.
fn by_bodies(program: &Program, code: &PhaseCode, bodies: &[(usize, Vec<ClassId>)], hasher: &mut Hasher) {
    let Some(table) = program.tables().single() else { return };
    let mut digests = vec![String::new(); table.classes()];
    for (start, classes) in bodies {
        for class in classes {
            let digest = body(program, code, *start, code.residual.body(*start), Some(*class));
            if let Some(slot) = digests.get_mut(class.index()) {
                *slot = digest.to_string();
            }
        }
    }
    let mut last: Option<(bool, &str)> = None;
    for (first, _, class) in table.regions() {
        let digest = digests.get(class.index()).map_or("", |digest| &**digest);
        if last.replace((first.is_ipv6(), digest)) == Some((first.is_ipv6(), digest)) {
            continue;
        }
        hash_address(hasher, first);
        hasher.text(digest);
    }
}

/// The digest of what a table says: equal tests give equal digests, however their lists were written. O(ranges).
fn table_digest(table: &AddressTable) -> Digest {
    let mut hasher = Hasher::new("address-table");
    hasher.number(table.sets().next().map_or(0, <[u64]>::len) as u64);
    table.sets().flatten().for_each(|set| hasher.number(*set));
    for (first, _, class) in table.regions() {
        hash_address(&mut hasher, first);
        hasher.number(class.index() as u64);
    }
    hasher.finish()
}

fn hash_address(hasher: &mut Hasher, address: IpAddr) {
    match address {
        IpAddr::V4(address) => hasher.bytes(&address.octets()),
        IpAddr::V6(address) => hasher.bytes(&address.octets()),
    }
}

/// The digest of instructions; of a class, its address tests are decided.
fn body(
    program: &Program,
    code: &PhaseCode,
    start: usize,
    ops: &[(Op, ActionId)],
    class: Option<ClassId>,
) -> Digest {
    let mut hasher = Hasher::new("body");
    let tables = program.tables();
    let test = |test: TestId| match class.zip(tables.single()) {
        Some((class, table)) => u64::from(table.contains(class, test)),
        None => u64::from(test.0),
    };
    for &(op, by) in ops {
        match op {
            Op::When { first, count, otherwise } => {
                let range = first as usize..(first + count) as usize;
                let conditions = code.residual.conditions.get(range).unwrap_or_default();
                let mut parts = Vec::new();
                for condition in conditions {
                    condition.expression.part_texts(&condition.test, &mut parts);
                }
                hasher.text("when");
                hasher.number(parts.len() as u64);
                parts.iter().for_each(|part| hasher.text(part));
                let skipped = ops.get(..(otherwise as usize).saturating_sub(start)).unwrap_or(ops);
                hasher
                    .number(skipped.iter().filter(|(op, _)| !matches!(op, Op::Tested { .. })).count() as u64);
            }
            Op::Act { .. } | Op::Perform { .. } => {
                if let Some(step) = program.step(by) {
                    step.digest(&mut StepDigest::new(&mut hasher, &test, program.keeps_results()));
                }
            }
            Op::End(ending) => hasher.text(ending.name()),
            Op::NextRule => hasher.text("next"),
            // What was decided is no part of the decision.
            Op::Tested { .. } | Op::Enter(_) => {}
        }
    }
    hasher.finish()
}
