//! The digest of what a program decides: equal for policies that are written differently and decide the same way.
//!
//! It is taken after the projection to classes: ranges of addresses with equal code are one, whatever lists they came
//! from. Lists may be split, repeated and reordered, and conditions written as `a && b` or as two items. It is not
//! complete: policies that decide the same by other means may have different digests.

use std::net::IpAddr;

use super::program::{PhaseCode, Program};
use crate::cel::Test;
use crate::digest::{Digest, Hasher};
use crate::exchange::ActionId;
use crate::ir::{Entries, Op};
use crate::lpm::ClassId;
use crate::schema::ConfigValue;

pub(super) fn digest(program: &Program) -> Digest {
    let mut hasher = Hasher::new("decision");
    for code in program.phases() {
        hasher.text(code.phase.name());
        match code.quick.bodies() {
            Some(bodies) => by_bodies(program, code, &bodies, &mut hasher),
            None => {
                program.tables().iter().for_each(|table| hasher.text(&table.sha256().to_string()));
                hasher.text(&body(program, code, 0, &code.quick.ops, None).to_string());
            }
        }
    }
    hasher.finish()
}

/// Ranges and the code of each; neighbours with equal code are one range.
fn by_bodies(program: &Program, code: &PhaseCode, bodies: &[(usize, Vec<ClassId>)], hasher: &mut Hasher) {
    let Some(table) = program.tables().single() else { return };
    let mut digests = vec![String::new(); table.classes()];
    for (start, classes) in bodies {
        for class in classes {
            let digest = body(program, code, *start, code.quick.body(*start), Some(*class));
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
        match first {
            IpAddr::V4(first) => hasher.bytes(&first.octets()),
            IpAddr::V6(first) => hasher.bytes(&first.octets()),
        }
        hasher.text(digest);
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
    let (operands, tables) = (program.operands(), program.tables());
    let test = |test: crate::lpm::TestId, hasher: &mut Hasher| match class.zip(tables.single()) {
        Some((class, table)) => hasher.number(u64::from(table.contains(class, test))),
        None => hasher.number(u64::from(test.0)),
    };
    let entries = |by: ActionId, hasher: &mut Hasher| {
        if let Some(list) = program.action(by).and_then(|action| action.address_list()) {
            networks(&list.allow, hasher);
            networks(&list.deny, hasher);
        }
    };
    let value = |value: u32, hasher: &mut Hasher| {
        if let Some(value) = operands.values.get(value as usize) {
            config_value(value, hasher);
        }
    };
    for &(op, by) in ops {
        match op {
            Op::When { first, count, otherwise } => {
                let range = first as usize..(first + count) as usize;
                let conditions = code.quick.conditions.get(range).unwrap_or_default();
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
            Op::Admit { test: id, enforce } => {
                hasher.text(if enforce { "admit" } else { "note" });
                test(id, &mut hasher);
                // What it leaves behind names the deciding entry.
                entries(by, &mut hasher);
            }
            Op::AdmitDynamic { list, enforce } => {
                hasher.text(if enforce { "admit dynamic" } else { "note dynamic" });
                if let Some(list) = operands.lists.get(list as usize) {
                    test(list.allow, &mut hasher);
                    test(list.deny, &mut hasher);
                    hasher.number(list.dynamic_allow.len() as u64);
                    list.dynamic_allow.iter().for_each(|text| template(text, &mut hasher));
                    hasher.number(list.dynamic_deny.len() as u64);
                    list.dynamic_deny.iter().for_each(|text| template(text, &mut hasher));
                }
                if program.leaves_results() {
                    entries(by, &mut hasher);
                }
            }
            Op::Forward { target, or_continue } => {
                hasher.text("forward");
                hasher.text(&program.target(target).map(ToString::to_string).unwrap_or_default());
                hasher.number(or_continue.into());
            }
            Op::ForwardTo { text, or_continue } => {
                hasher.text("forward to");
                operands.texts.get(text as usize).into_iter().for_each(|text| template(text, &mut hasher));
                hasher.number(or_continue.into());
            }
            Op::Log(log) => {
                hasher.text("log");
                let metadata = program.log(log).map(|metadata| format!("{metadata:?}"));
                hasher.text(&metadata.unwrap_or_default());
            }
            Op::LogValue { value: at } => {
                hasher.text("log value");
                value(at, &mut hasher);
            }
            Op::SetVar { name, value: at } => {
                hasher.text("set");
                hasher.text(operands.names.get(name as usize).map_or("", |name| name));
                value(at, &mut hasher);
            }
            Op::Deny => hasher.text("deny"),
            Op::Close => hasher.text("close"),
            Op::End => hasher.text("end"),
            Op::NextRule => hasher.text("next"),
            // What was decided is no part of the decision.
            Op::Tested { .. } | Op::Enter(_) => {}
        }
    }
    hasher.finish()
}

fn networks(entries: &Entries, hasher: &mut Hasher) {
    let mut networks: Vec<_> = entries.in_document_order().iter().map(|entry| entry.network).collect();
    networks.sort_unstable();
    networks.dedup();
    hasher.number(networks.len() as u64);
    networks.iter().for_each(|network| hasher.text(&network.to_string()));
}

fn template(text: &crate::schema::Text, hasher: &mut Hasher) {
    hasher.number(text.template.parts().len() as u64);
    for part in text.template.parts() {
        match part {
            crate::cel::TemplatePart::Text(text) => {
                hasher.text("text");
                hasher.text(text);
            }
            crate::cel::TemplatePart::Expression(expression) => {
                hasher.text("expression");
                let mut parts = Vec::new();
                expression.part_texts(&Test::whole(expression), &mut parts);
                hasher.number(parts.len() as u64);
                parts.iter().for_each(|part| hasher.text(part));
            }
        }
    }
}

fn config_value(value: &ConfigValue, hasher: &mut Hasher) {
    match value {
        ConfigValue::Plain(plain) => {
            hasher.text("plain");
            hasher.text(&format!("{plain:?}"));
        }
        ConfigValue::Text(text) => {
            hasher.text("template");
            template(text, hasher);
        }
        ConfigValue::List(items) => {
            hasher.text("list");
            hasher.number(items.len() as u64);
            items.iter().for_each(|item| config_value(item, hasher));
        }
        ConfigValue::Map(entries) => {
            hasher.text("map");
            hasher.number(entries.len() as u64);
            for (key, value) in entries {
                hasher.text(key);
                config_value(value, hasher);
            }
        }
    }
}
