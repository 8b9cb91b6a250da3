//! `policy diff`: what a change opens and closes, proved.

use std::io::{self, Write};
use std::path::Path;

use policy_core::analyse::{Answer, Comparison, Difference, Judged, difference, reach};
use policy_core::compile::Program;
use policy_core::lpm::{ParsedCidr, RangeSet};

use super::reach::{disagree, judged};
use crate::cli::{Diff, DiffFormat, FailOnChange};
use crate::exit::{Exit, Failure, after_output};
use crate::files::{Given, given, read, shown};
use crate::render::diff::{self, Differs, Kept, SideShown};
use crate::revisions::{Range, Revision};

/// Stands for a policy that is not there yet, or no longer: its endpoint is not there either.
const NOBODY: &str = "on_tcp_connect: [{actions: [{type: deny}]}]";

/// One of the policies.
struct Side {
    program: Program,
    /// False if there is no such file.
    exists: bool,
    /// The file in the working tree.
    path: Option<String>,
}

/// Runs `policy diff`.
pub(crate) fn run(args: &Diff) -> Result<Exit, Failure> {
    let (old, new) = sides(args)?;
    let asked = |side: &'_ Side| args.has_upstream && side.exists;
    let before = Judged { program: &old.program, has_upstream: asked(&old) };
    let after = Judged { program: &new.program, has_upstream: asked(&new) };
    let from = RangeSet::from_networks(args.from.iter().map(|parsed| parsed.network));
    let from = (!args.from.is_empty()).then_some(&from);
    let found = difference(before, after, from).map_err(|error| disagree(&error))?;
    let kept = args.keep.iter().map(|source| keeps(source, before, &found));
    let kept = kept.collect::<Result<Vec<_>, _>>()?;
    let side = |side: &'_ Side, judged| SideShown { judged, exists: side.exists, path: side.path.clone() };
    let differs = Differs { old: side(&old, before), new: side(&new, after), found: &found, kept: &kept };
    let mut out = Vec::new();
    match args.format {
        DiffFormat::Text => diff::text(&mut out, &differs)?,
        DiffFormat::Json => diff::json(&mut out, &differs)?,
        DiffFormat::Markdown => diff::markdown(&mut out, &differs)?,
        DiffFormat::Github => diff::github(&mut out, &differs)?,
    }
    let mut stdout = io::stdout();
    after_output(stdout.write_all(&out).and_then(|()| stdout.flush()), exit(args.fail_on, &found, &kept))
}

fn exit(fail_on: FailOnChange, found: &Difference, kept: &[Kept]) -> Exit {
    let is_ruled_out = match fail_on {
        FailOnChange::Widen => found.opens() == Answer::No,
        FailOnChange::Narrow => found.closes() == Answer::No,
        FailOnChange::Any => found.comparison() == Comparison::Equal,
    };
    if is_ruled_out && kept.iter().all(|kept| kept.is_kept) { Exit::Success } else { Exit::Negative }
}

/// Whether a source loses nothing; one that has nothing to lose is a typing error, not an answer.
fn keeps(source: &ParsedCidr, old: Judged<'_>, found: &Difference) -> Result<Kept, Failure> {
    let network = source.network;
    let sources = RangeSet::from_networks([network]);
    let reached = reach(old, Some(&sources)).map_err(|error| disagree(&error))?;
    if reached.iter().all(|it| it.regions.is_empty()) {
        let file = old.program.file();
        return Err(Failure::Usage(format!("--keep: `{network}` reaches nothing by `{file}`")));
    }
    let is_kept = !found.closed.iter().any(|it| it.region.sources.meets(network));
    Ok(Kept { source: network.to_string(), is_kept })
}

fn sides(args: &Diff) -> Result<(Side, Side), Failure> {
    let lists = args.ip_policies.as_deref();
    let old_lists = args.old_ip_policies.as_deref().or(lists);
    let (old, new) = match (&args.new, &args.path) {
        (Some(new), None) => {
            if args.old == Path::new("-") && new == Path::new("-") {
                return Err(Failure::Usage("standard input can be one policy only".to_owned()));
            }
            (file(&args.old, old_lists)?, file(new, lists)?)
        }
        (None, Some(path)) => {
            let range = Range::parse(&args.old.to_string_lossy())?;
            let old = at(&range.old, path, old_lists)?;
            let new = match &range.new {
                Some(new) => at(new, path, lists)?,
                None if path.exists() => file(path, lists)?,
                None => nobody(&format!("{} (not there)", shown(path)))?,
            };
            (old, new)
        }
        (Some(new), Some(_)) => {
            let (old, new) = (args.old.display(), new.display());
            return Err(Failure::Usage(format!("with a path, revisions are one argument: `{old}..{new}`")));
        }
        (None, None) => {
            return Err(Failure::Usage(
                "compared with what? Name a second policy, or revisions and a path: \
                 `policy diff main...HEAD -- device1.yml`"
                    .to_owned(),
            ));
        }
    };
    match (old.exists, new.exists) {
        (false, false) => {
            let (old, new) = (old.program.file(), new.program.file());
            Err(Failure::Usage(format!("there is no such policy on either side: `{old}`, `{new}`")))
        }
        _ => Ok((old, new)),
    }
}

fn file(path: &Path, lists: Option<&Path>) -> Result<Side, Failure> {
    side(&read(path)?, Some(shown(path)), lists)
}

fn at(revision: &Revision, path: &Path, lists: Option<&Path>) -> Result<Side, Failure> {
    let name = format!("{}:{}", revision.name, shown(path));
    match revision.read(path)? {
        Some(bytes) => side(&given(name, bytes), Some(shown(path)), lists),
        None => nobody(&format!("{name} (not there)")),
    }
}

fn nobody(name: &str) -> Result<Side, Failure> {
    let program = judged(&given(name.to_owned(), NOBODY.into()), None)?;
    Ok(Side { program, exists: false, path: None })
}

fn side(given: &Given, path: Option<String>, lists: Option<&Path>) -> Result<Side, Failure> {
    Ok(Side { program: judged(given, lists)?, exists: true, path })
}
