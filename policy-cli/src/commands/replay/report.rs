//! What a replay has found, for people and for programs.

use std::hash::Hash;
use std::io::{self, Write};

use policy_core::diagnostic::printable;
use policy_core::json;
use serde::Serialize;

use super::compare::{CHANGES, Change};
use super::tally::{Count, Counts, Group, Tally, Why};

/// Groups that text shows; JSON has all.
const MAX_SHOWN: usize = 20;

pub(super) fn text(out: &mut impl Write, tally: &Tally) -> io::Result<()> {
    let of = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    writeln!(out, "{} read, {} decided", of(tally.lines, "line"), of(tally.decided, "event"))?;
    let reason = tally.other_reason.map_or_else(String::new, |count| {
        let (count, first) = (count.count, count.first_line);
        format!(", {count} of them by another rule or for another reason (first: line {first})")
    });
    writeln!(out, "{:>9}  as before{reason}", tally.same)?;
    for change in CHANGES {
        writeln!(out, "{:>9}  {}", tally.count_of(change), change.words())?;
    }
    for (change, groups) in &tally.groups {
        writeln!(out, "\n{}:", change.words())?;
        list(out, groups, |group| line_of(*change, group))?;
    }
    let rest = [
        ("not decided", &tally.undecided),
        ("not readable", &tally.unreadable),
        ("skipped: not about connections, or of another endpoint", &tally.skipped),
    ];
    for (title, counts) in rest.into_iter().filter(|(_, counts)| counts.total() > 0) {
        writeln!(out, "\n{title}: {}", of(counts.total(), "line"))?;
        list(out, counts, |(_, words)| words.clone())?;
    }
    if let Some(Count { count, first_line }) = tally.clock {
        writeln!(out, "\nthe clock went back {}; first: line {first_line}", of(count, "time"))?;
    }
    Ok(())
}

fn list<K: Clone + Eq + Hash + Ord>(
    out: &mut impl Write,
    counts: &Counts<K>,
    words: impl Fn(&K) -> String,
) -> io::Result<()> {
    let all = counts.sorted();
    for (key, Count { count, first_line }) in all.iter().take(MAX_SHOWN) {
        writeln!(out, "{count:>9}  {}; first: line {first_line}", words(key))?;
    }
    let apart: u64 = all.iter().skip(MAX_SHOWN).map(|(_, count)| count.count).sum();
    let rest = apart + counts.others.map_or(0, |count| count.count);
    if rest > 0 {
        writeln!(out, "{rest:>9}  others; `--format json` has more")?;
    }
    Ok(())
}

fn line_of(change: Change, group: &Group) -> String {
    let (network, changed) = (group.network, &group.changed);
    let rule = changed.rule.as_ref().map(|rule| format!(" by rule `{}`", printable(rule)));
    let at = changed.at.as_ref().map(|at| format!(" at {at}"));
    let by = format!("{}{}", rule.unwrap_or_default(), at.unwrap_or_default());
    match change {
        Change::NewlyDenied => {
            format!("{network}  {} → {}{by}", printable(&changed.before), changed.after)
        }
        _ => {
            let not_asked =
                if changed.target_not_asked { " (not asked: the target's own policy)" } else { "" };
            let (before, after) = (printable(&changed.before), printable(&changed.after));
            format!("{network}  {before} → {after}{not_asked}{by}")
        }
    }
}

#[derive(Serialize)]
struct Report<'t> {
    version: u32,
    lines: u64,
    decided: u64,
    same: u64,
    other_reason: Shown,
    newly_denied: Changes<'t>,
    newly_allowed: Changes<'t>,
    forwarded_elsewhere: Changes<'t>,
    refused_otherwise: Changes<'t>,
    undecided: Reasons<'t>,
    unreadable: Reasons<'t>,
    skipped: Reasons<'t>,
    clock_went_back: Shown,
}

#[derive(Serialize)]
struct Shown {
    count: u64,
    first_line: Option<u64>,
}

impl Shown {
    fn new(count: Option<Count>) -> Self {
        Self { count: count.map_or(0, |it| it.count), first_line: count.map(|it| it.first_line) }
    }
}

#[derive(Serialize)]
struct Changes<'t> {
    count: u64,
    groups: Vec<GroupOf<'t>>,
    not_listed: u64,
}

#[derive(Serialize)]
struct GroupOf<'t> {
    network: String,
    rule: Option<&'t str>,
    at: Option<&'t str>,
    before: &'t str,
    after: &'t str,
    target_not_asked: bool,
    count: u64,
    first_line: u64,
}

#[derive(Serialize)]
struct Reasons<'t> {
    count: u64,
    reasons: Vec<ReasonOf<'t>>,
    not_listed: u64,
}

#[derive(Serialize)]
struct ReasonOf<'t> {
    reason: &'static str,
    message: &'t str,
    count: u64,
    first_line: u64,
}

fn changes(tally: &Tally, change: Change) -> Changes<'_> {
    let Some(counts) = tally.groups.get(&change) else {
        return Changes { count: 0, groups: Vec::new(), not_listed: 0 };
    };
    let groups = counts.sorted().into_iter().map(|(group, Count { count, first_line })| GroupOf {
        network: group.network.to_string(),
        rule: group.changed.rule.as_deref(),
        at: group.changed.at.as_deref(),
        before: &group.changed.before,
        after: &group.changed.after,
        target_not_asked: group.changed.target_not_asked,
        count,
        first_line,
    });
    let not_listed = counts.others.map_or(0, |count| count.count);
    Changes { count: counts.total(), groups: groups.collect(), not_listed }
}

fn reasons(counts: &Counts<Why>) -> Reasons<'_> {
    let reasons = counts.sorted().into_iter().map(|((reason, message), Count { count, first_line })| {
        ReasonOf { reason, message, count, first_line }
    });
    let not_listed = counts.others.map_or(0, |count| count.count);
    Reasons { count: counts.total(), reasons: reasons.collect(), not_listed }
}

pub(super) fn json(out: &mut impl Write, tally: &Tally) -> io::Result<()> {
    let report = Report {
        version: 1,
        lines: tally.lines,
        decided: tally.decided,
        same: tally.same,
        other_reason: Shown::new(tally.other_reason),
        newly_denied: changes(tally, Change::NewlyDenied),
        newly_allowed: changes(tally, Change::NewlyAllowed),
        forwarded_elsewhere: changes(tally, Change::Elsewhere),
        refused_otherwise: changes(tally, Change::Otherwise),
        undecided: reasons(&tally.undecided),
        unreadable: reasons(&tally.unreadable),
        skipped: reasons(&tally.skipped),
        clock_went_back: Shown::new(tally.clock),
    };
    let text = json::to_string_pretty(&report).map_err(io::Error::other)?;
    writeln!(out, "{text}")
}
