//! What sources reach: as text, JSON and Markdown.

use std::io::{self, Write};

use policy_core::analyse::{Reached, Verdict};
use policy_core::compile::Program;
use policy_core::diagnostic::printable;
use policy_core::json as escaped_json;
use serde::Serialize;

use super::regions::{
    Assumed, RegionAnswer, code, counted, flags, headline, in_words, listed, place, region_answer,
};

/// What the sources of a policy reach.
pub(crate) struct Reaches<'a> {
    pub(crate) program: &'a Program,
    pub(crate) reached: &'a [Reached],
    /// The endpoint has a server of its own.
    pub(crate) has_upstream: bool,
}

/// For people.
pub(crate) fn text(out: &mut impl Write, reaches: &Reaches<'_>) -> io::Result<()> {
    let Reaches { program, reached, has_upstream } = reaches;
    if reached.is_empty() {
        writeln!(out, "{} reaches nothing: it has no target and no upstream", printable(program.file()))?;
    }
    for it in *reached {
        writeln!(out, "{}", printable(&it.destination.to_string()))?;
        if it.regions.is_empty() {
            writeln!(out, "  nobody")?;
        }
        for region in &it.regions {
            writeln!(out, "  {}: {}", headline(region), counted(&region.sources))?;
            for line in listed(&region.sources) {
                writeln!(out, "    {line}")?;
            }
            for place in region.by.iter().filter_map(|by| place(program, *by)) {
                writeln!(out, "    by {place}")?;
            }
            if let Some(witness) = &region.witness {
                let (file, flags) = (printable(program.file()), flags(witness, *has_upstream));
                writeln!(out, "    e.g. policy eval {file} {flags}")?;
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "assumed:")?;
    Assumed::ALL.iter().try_for_each(|it| writeln!(out, "  {}", it.words()))
}

/// For pull requests and reports.
pub(crate) fn markdown(out: &mut impl Write, reaches: &Reaches<'_>) -> io::Result<()> {
    let Reaches { program, reached, .. } = reaches;
    writeln!(out, "### Who reaches what by {}\n", code(program.file()))?;
    writeln!(out, "| target | sources | when | addresses | by |\n|---|---|---|---|---|")?;
    for it in *reached {
        let target = code(&it.destination.to_string());
        if it.regions.is_empty() {
            writeln!(out, "| {target} | nobody | | 0 | |")?;
        }
        for region in &it.regions {
            let sources = match in_words(&region.sources) {
                Some(words) => words.to_owned(),
                None => listed(&region.sources).iter().map(|it| code(it)).collect::<Vec<_>>().join("<br>"),
            };
            let when = match (region.verdict, &region.condition) {
                (Verdict::Conditional, Some(condition)) => format!("if {}", code(condition)),
                _ => headline(region),
            };
            let by: Vec<_> =
                region.by.iter().filter_map(|by| place(program, *by)).map(|it| code(&it)).collect();
            let (count, by) = (counted(&region.sources), by.join("<br>"));
            writeln!(out, "| {target} | {sources} | {when} | {count} | {by} |")?;
        }
    }
    let assumed: Vec<_> = Assumed::ALL.iter().map(|it| it.words()).collect();
    writeln!(out, "\nAssumed: {}.", assumed.join("; "))
}

#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    policy: &'a str,
    policy_sha256: String,
    targets: Vec<TargetAnswer<'a>>,
    assumed: Vec<&'a str>,
}

#[derive(Serialize)]
struct TargetAnswer<'a> {
    target: String,
    regions: Vec<RegionAnswer<'a>>,
}

/// For programs.
pub(crate) fn json(out: &mut impl Write, reaches: &Reaches<'_>) -> io::Result<()> {
    let Reaches { program, reached, .. } = reaches;
    let answer = Answer {
        version: 1,
        policy: program.file(),
        policy_sha256: program.policy_sha256().to_string(),
        targets: reached.iter().map(|it| target_answer(program, it)).collect(),
        assumed: Assumed::ALL.iter().map(|it| it.name()).collect(),
    };
    writeln!(out, "{}", escaped_json::to_string(&answer)?)
}

fn target_answer<'a>(program: &'a Program, reached: &'a Reached) -> TargetAnswer<'a> {
    let regions = reached.regions.iter().map(|region| region_answer(program, region)).collect();
    TargetAnswer { target: reached.destination.to_string(), regions }
}
