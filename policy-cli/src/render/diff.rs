//! What a change opens and closes: as text, JSON, Markdown and annotations.

use std::io::{self, Write};

use policy_core::analyse::{Answer, Changed, Comparison, Difference, Judged, Verdict};
use policy_core::compile::Program;
use policy_core::diagnostic::printable;
use policy_core::json as escaped_json;
use policy_core::outcome::Outcome;
use serde::Serialize;

use super::github::{data, property};
use super::regions::{
    Assumed, RegionAnswer, code, counted, flags, headline, in_words, listed, place, region_answer,
};

/// Annotations of a kind that GitHub shows.
const MAX_ANNOTATIONS: usize = 10;
/// Rows of a table for people.
const MAX_ROWS: usize = 50;

/// A difference as it is shown.
pub(crate) struct Differs<'a> {
    pub(crate) old: SideShown<'a>,
    pub(crate) new: SideShown<'a>,
    pub(crate) found: &'a Difference,
    pub(crate) kept: &'a [Kept],
}

/// One of the policies.
pub(crate) struct SideShown<'a> {
    pub(crate) judged: Judged<'a>,
    /// False if there is no such file.
    pub(crate) exists: bool,
    /// The file in the working tree.
    pub(crate) path: Option<String>,
}

impl<'a> SideShown<'a> {
    const fn program(&self) -> &'a Program {
        self.judged.program
    }
}

/// Whether a source loses nothing.
pub(crate) struct Kept {
    pub(crate) source: String,
    pub(crate) is_kept: bool,
}

/// What is shown of one direction.
struct Direction<'a> {
    name: &'static str,
    sign: char,
    /// What the policy that does not let it through is called.
    other_side: &'static str,
    answer: Answer,
    changed: &'a [Changed],
    /// The policy that lets them through, and the other one.
    by: &'a SideShown<'a>,
    other: &'a SideShown<'a>,
}

impl<'a> Differs<'a> {
    /// What opens first.
    fn directions(&self) -> [Direction<'_>; 2] {
        let Self { old, new, found, .. } = self;
        [
            Direction {
                name: "opened",
                sign: '+',
                other_side: "before",
                answer: found.opens(),
                changed: &found.opened,
                by: new,
                other: old,
            },
            Direction {
                name: "closed",
                sign: '-',
                other_side: "after",
                answer: found.closes(),
                changed: &found.closed,
                by: old,
                other: new,
            },
        ]
    }

    /// True if reach is equal, and something else may not be.
    fn differs_otherwise(&self) -> bool {
        self.found.comparison() == Comparison::Equal
            && self.old.program().decision_sha256() != self.new.program().decision_sha256()
    }

    fn names(&self) -> [String; 2] {
        [&self.old, &self.new].map(|side| printable(side.program().file()).to_string())
    }

    fn verdict(&self) -> &'static str {
        match self.found.comparison() {
            Comparison::Equal => "EQUAL: the same sources reach the same targets",
            Comparison::Widens => "WIDENS access: something opens, nothing closes",
            Comparison::Narrows => "NARROWS access: something closes, nothing opens",
            Comparison::Changes => "CHANGES access: something opens, and something closes",
            Comparison::Unknown => "UNKNOWN: not all of it is proved",
        }
    }
}

const fn name(answer: Answer) -> &'static str {
    match answer {
        Answer::No => "no",
        Answer::Yes => "yes",
        Answer::Unknown => "unknown",
    }
}

/// What is said of a region before its sources.
fn when(changed: &Changed) -> String {
    match (changed.region.verdict, &changed.region.condition, &changed.unless) {
        (Verdict::Conditional, None, Some(unless)) => format!("unless {}", printable(unless)),
        (Verdict::Conditional, Some(_), Some(unless)) => {
            format!("{}, unless {}", headline(&changed.region), printable(unless))
        }
        _ => headline(&changed.region),
    }
}

/// For people.
pub(crate) fn text(out: &mut impl Write, differs: &Differs<'_>) -> io::Result<()> {
    let [old, new] = differs.names();
    writeln!(out, "{}", differs.verdict())?;
    writeln!(out, "  from {old}\n    to {new}\n")?;
    for direction in differs.directions() {
        let Direction { name, sign, other_side, answer, changed, by, other } = direction;
        match answer {
            Answer::No => writeln!(out, "{name}: nothing, which is proved for every IPv4 and IPv6 address")?,
            Answer::Yes => writeln!(out, "{name}:")?,
            Answer::Unknown => writeln!(out, "{name}: perhaps")?,
        }
        for it in changed {
            let region = &it.region;
            let sign = if matches!(region.verdict, Verdict::Unknown(_)) { '?' } else { sign };
            writeln!(out, "{sign} {}", printable(&it.destination.to_string()))?;
            writeln!(out, "  {}: {}", when(it), counted(&region.sources))?;
            for line in listed(&region.sources) {
                writeln!(out, "    {line}")?;
            }
            for place in region.by.iter().filter_map(|action| place(by.program(), *action)) {
                writeln!(out, "    by {place}")?;
            }
            if let (Some(witness), Some(otherwise)) = (&region.witness, it.otherwise) {
                let flags = flags(witness, by.judged.has_upstream);
                let kind = match otherwise {
                    Outcome::Upstream if !other.judged.has_upstream => "nothing takes it",
                    otherwise => otherwise.kind().name(),
                };
                writeln!(out, "    e.g. {flags}; {other_side}: {kind}")?;
            }
        }
        writeln!(out)?;
    }
    for kept in differs.kept {
        let says = if kept.is_kept { "loses nothing" } else { "may lose something: see what is closed" };
        writeln!(out, "kept: {} {says}\n", kept.source)?;
    }
    if differs.differs_otherwise() {
        writeln!(out, "What is logged, or how others are refused, may differ.\n")?;
    }
    writeln!(out, "assumed:")?;
    Assumed::ALL.iter().try_for_each(|it| writeln!(out, "  {}", it.words()))
}

/// For a comment on a pull request.
pub(crate) fn markdown(out: &mut impl Write, differs: &Differs<'_>) -> io::Result<()> {
    let [old, new] = differs.names();
    writeln!(out, "### {}\n\nFrom {} to {}.\n", differs.verdict(), code(&old), code(&new))?;
    for direction in differs.directions() {
        let Direction { name, answer, changed, by, .. } = direction;
        if answer == Answer::No {
            writeln!(out, "**{name}**: nothing, which is proved for every IPv4 and IPv6 address.\n")?;
            continue;
        }
        let perhaps = if answer == Answer::Unknown { ", perhaps" } else { "" };
        writeln!(out, "**{name}**{perhaps}:\n")?;
        writeln!(out, "| target | sources | when | addresses | by | e.g. |\n|---|---|---|---|---|---|")?;
        for it in changed.iter().take(MAX_ROWS) {
            let region = &it.region;
            let sources = match in_words(&region.sources) {
                Some(words) => words.to_owned(),
                None => listed(&region.sources).iter().map(|it| code(it)).collect::<Vec<_>>().join("<br>"),
            };
            let places = region.by.iter().filter_map(|action| place(by.program(), *action));
            let places: Vec<_> = places.map(|it| code(&it)).collect();
            let witness = region.witness.as_ref().map(|it| code(&flags(it, by.judged.has_upstream)));
            let (target, when) = (code(&it.destination.to_string()), code(&when(it)));
            let (count, witness) = (counted(&region.sources), witness.unwrap_or_default());
            writeln!(
                out,
                "| {target} | {sources} | {when} | {count} | {} | {witness} |",
                places.join("<br>")
            )?;
        }
        match changed.len().saturating_sub(MAX_ROWS) {
            0 => writeln!(out)?,
            more => writeln!(out, "\n… and {more} more\n")?,
        }
    }
    for kept in differs.kept {
        let says = if kept.is_kept { "loses nothing" } else { "**may lose something**" };
        writeln!(out, "Kept: `{}` {says}.\n", kept.source)?;
    }
    if differs.differs_otherwise() {
        writeln!(out, "What is logged, or how others are refused, may differ.\n")?;
    }
    let assumed: Vec<_> = Assumed::ALL.iter().map(|it| it.words()).collect();
    writeln!(out, "Assumed: {}.", assumed.join("; "))
}

/// For GitHub Actions: what opens as errors, what closes as notices, on the lines that let it through.
pub(crate) fn github(out: &mut impl Write, differs: &Differs<'_>) -> io::Result<()> {
    for (direction, level) in differs.directions().into_iter().zip(["error", "notice"]) {
        let Direction { name, changed, by, .. } = direction;
        for it in changed.iter().take(MAX_ANNOTATIONS) {
            let region = &it.region;
            let sources = match in_words(&region.sources) {
                Some(words) => words.to_owned(),
                None => listed(&region.sources).join(", "),
            };
            let message = format!("{} for {sources}: {}", it.destination, when(it));
            let actions = region.by.iter().filter_map(|action| by.program().action(*action));
            let at = actions.map(|action| action.position()).next().zip(by.path.as_deref());
            let at = at.map(|(at, path)| format!("file={},line={},", property(path), at.line));
            let (at, message) = (at.unwrap_or_default(), data(&message));
            writeln!(out, "::{level} {at}title=policy diff: {name}::{message}")?;
        }
        let more = changed.len().saturating_sub(MAX_ANNOTATIONS);
        if more > 0 {
            writeln!(out, "{more} more are not shown as annotations")?;
        }
    }
    writeln!(out, "{}", differs.verdict())?;
    let lost = differs.kept.iter().filter(|kept| !kept.is_kept);
    lost.map(|kept| &kept.source)
        .try_for_each(|source| writeln!(out, "::error title=policy diff: kept::{source} may lose something"))
}

#[derive(Serialize)]
struct DiffAnswer<'a> {
    version: u32,
    verdict: &'static str,
    old: PolicyAnswer<'a>,
    new: PolicyAnswer<'a>,
    opened: DirectionAnswer<'a>,
    closed: DirectionAnswer<'a>,
    other_changes: Vec<OtherChange>,
    kept: Vec<KeptAnswer>,
    assumptions: Vec<&'static str>,
}

#[derive(Serialize)]
struct PolicyAnswer<'a> {
    policy: &'a str,
    /// `None` if there is no such file.
    policy_sha256: Option<String>,
}

#[derive(Serialize)]
struct DirectionAnswer<'a> {
    verdict: &'static str,
    regions: Vec<ChangedAnswer<'a>>,
}

#[derive(Serialize)]
struct ChangedAnswer<'a> {
    target: String,
    #[serde(flatten)]
    region: RegionAnswer<'a>,
    unless: Option<&'a str>,
    /// What the other policy says about the witness.
    otherwise: Option<&'static str>,
}

#[derive(Serialize)]
struct OtherChange {
    kind: &'static str,
}

#[derive(Serialize)]
struct KeptAnswer {
    source: String,
    kept: bool,
}

/// For programs.
pub(crate) fn json(out: &mut impl Write, differs: &Differs<'_>) -> io::Result<()> {
    let policy = |side: &'_ SideShown<'_>| side.exists.then(|| side.program().policy_sha256().to_string());
    let [opened, closed] = differs.directions().map(|direction| DirectionAnswer {
        verdict: name(direction.answer),
        regions: direction.changed.iter().map(|it| changed_answer(direction.by.program(), it)).collect(),
    });
    let other = differs.differs_otherwise().then_some(OtherChange { kind: "beside_reach" });
    let kept = differs.kept.iter();
    let answer = DiffAnswer {
        version: 1,
        verdict: match differs.found.comparison() {
            Comparison::Equal => "equal",
            Comparison::Widens => "widens",
            Comparison::Narrows => "narrows",
            Comparison::Changes => "changes",
            Comparison::Unknown => "unknown",
        },
        old: PolicyAnswer { policy: differs.old.program().file(), policy_sha256: policy(&differs.old) },
        new: PolicyAnswer { policy: differs.new.program().file(), policy_sha256: policy(&differs.new) },
        opened,
        closed,
        other_changes: other.into_iter().collect(),
        kept: kept.map(|it| KeptAnswer { source: it.source.clone(), kept: it.is_kept }).collect(),
        assumptions: Assumed::ALL.iter().map(|it| it.name()).collect(),
    };
    writeln!(out, "{}", escaped_json::to_string(&answer)?)
}

fn changed_answer<'a>(program: &'a Program, it: &'a Changed) -> ChangedAnswer<'a> {
    ChangedAnswer {
        target: it.destination.to_string(),
        region: region_answer(program, &it.region),
        unless: it.unless.as_deref(),
        otherwise: it.otherwise.map(|outcome| outcome.kind().name()),
    }
}
