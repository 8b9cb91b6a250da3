//! `--bless`: expectations become what the policies do, in the files themselves.

use std::fs;
use std::io;

use policy_core::diagnostic::{Edit, cut};
use policy_core::named_file::reason;
use policy_core::scenarios::load_scenarios;
use policy_core::source::Source;

use super::load::Loaded;
use super::run::{self, Ran};
use crate::exit::{Failure, note};
use crate::files::write_whole;
use crate::hidden::Hidden;
use crate::suite::Status;

/// Changes that are told one by one.
const MAX_TOLD: usize = 20;
/// Characters of what is told of one.
const MAX_SHOWN: usize = 100;

/// Writes what cases would pass with into their files, and runs those again.
pub(super) fn apply(files: &mut [Loaded], results: &mut [Vec<Ran>]) -> Result<(), Failure> {
    for (file, ran) in files.iter_mut().zip(results) {
        let refused = ran.iter().filter(|ran| ran.blessing.is_refused).map(|ran| &ran.case);
        for case in refused.take(MAX_TOLD) {
            let name = cut(&case.name, MAX_SHOWN);
            note(&format!(
                "not blessed: {}:{} `{name}`: its questions have different answers or none, or it is not written out there",
                file.name(),
                case.at.line
            ));
        }
        let blessed = |ran: &&Ran| !ran.blessing.is_refused;
        let mut edits: Vec<Edit> =
            ran.iter().filter(blessed).flat_map(|ran| ran.blessing.edits.iter().cloned()).collect();
        if edits.is_empty() {
            continue;
        }
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        edits.dedup();
        let Some(text) = edited(file.source().text(), &edits) else {
            note(&format!("not blessed: {}: cases share what they expect", file.name()));
            continue;
        };
        if load_scenarios(&Source::new(file.name(), text.clone())).0.is_none() {
            note(&format!("not blessed: {}: the changes cannot be written there", file.name()));
            continue;
        }
        let again = file.with_text(text)?;
        let rerun = run::all(std::slice::from_ref(&again), false)?.pop().unwrap_or_default();
        let worse = |(before, after): (&Ran, &Ran)| {
            let had_to_pass = matches!(before.case.status, Status::Passed)
                || !before.blessing.is_refused && !before.blessing.edits.is_empty();
            had_to_pass && !matches!(after.case.status, Status::Passed)
        };
        if ran.len() != rerun.len() || ran.iter().zip(&rerun).any(worse) {
            note(&format!("not blessed: {}: cases share what they expect", file.name()));
            continue;
        }
        write(file, again.source().text())?;
        tell(file, &edits);
        (*file, *ran) = (again, rerun);
    }
    Ok(())
}

/// A text with edits, which are sorted; nothing if two of them touch the same.
fn edited(text: &str, edits: &[Edit]) -> Option<String> {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        out.push_str(text.get(at..edit.span.start as usize)?);
        out.push_str(&edit.replacement);
        at = edit.span.end as usize;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// Says what has changed.
fn tell(file: &Loaded, edits: &[Edit]) {
    let hidden = Hidden::new(&file.secrets());
    let told = |text: &str| {
        let mut text = text.to_owned();
        hidden.text(&mut text);
        cut(&text, MAX_SHOWN).into_owned()
    };
    for edit in edits.iter().take(MAX_TOLD) {
        let (before, after) = (told(file.source().slice(edit.span)), told(&edit.replacement));
        note(&format!("blessed {}:{}: `{before}` is now `{after}`", file.name(), file.position(edit.span)));
    }
    if let Some(more) = edits.len().checked_sub(MAX_TOLD).filter(|more| *more > 0) {
        note(&format!("blessed {}: {more} more", file.name()));
    }
}

/// Puts a text in the place of a file, all of it or nothing, unless the file has changed meanwhile.
fn write(file: &Loaded, text: &str) -> Result<(), Failure> {
    let name = file.name();
    let failed =
        |error: &io::Error| Failure::Usage(format!("--bless: cannot write `{name}`: {}", reason(error)));
    let refused = |why: &str| Failure::Usage(format!("--bless: `{name}` is left alone: {why}"));
    if file.is_outside() {
        return Err(refused("a link leads to it"));
    }
    let path = fs::canonicalize(file.path()).map_err(|error| failed(&error))?;
    let bytes = fs::read(&path).map_err(|error| failed(&error))?;
    if bytes != file.source().text().as_bytes() {
        return Err(refused("it has changed meanwhile, or is not written in UTF-8"));
    }
    write_whole(&path, text.as_bytes()).map_err(|error| failed(&error))
}
