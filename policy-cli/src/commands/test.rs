//! `policy test`: cases of scenario files, asked and compared.

mod bless;
mod judge;
mod load;
mod rewrite;
mod run;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use policy_core::check::CheckOptions;
use policy_core::lint::{DocumentKind, kind_of};
use policy_core::named_file::reason;

use crate::cli::{Test, TestFormat};
use crate::coverage::{Coverage, percent, shown_percent};
use crate::exit::{Exit, Failure, after_output, say, warn};
use crate::files::{Excluded, Expanded, FoundFile, expand, read_as, shown, write_whole};
use crate::render;
use crate::suite::{Suite, Suites, Unusable};
use load::Loaded;

/// Ends of the names of scenario files.
const ENDS: &[&str] = &[".test.yml", ".test.yaml", ".test.json"];

pub(crate) fn run(args: &Test) -> Result<Exit, Failure> {
    let Expanded { files, failures, .. } = expand(&args.paths, &Excluded::default());
    let (tests, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.named || is_test(&file.path));
    let mut suites = Suites::default();
    for failure in failures {
        suites.unusable.push(unusable("files of the call", failure)?);
    }
    let mut tested = HashSet::new();
    let mut loaded = Vec::new();
    for file in tests {
        match Loaded::read(&file, args.run.as_ref()) {
            Ok(file) => {
                tested.extend(file.asked().filter_map(|path| fs::canonicalize(path).ok()));
                loaded.push(file);
            }
            Err(failure) => suites.unusable.push(unusable(&shown(&file.path), failure)?),
        }
    }
    // What other files and cases name is not known.
    if suites.unusable.is_empty() && args.run.is_none() {
        suites.untested = untested(&others, &tested);
    }
    let mut coverage = args.wants_coverage().then(Coverage::default);
    if let Some(coverage) = &mut coverage {
        loaded.iter().flat_map(Loaded::programs).for_each(|program| coverage.add(program));
    }
    let mut results = run::all(&loaded, args.bless)?;
    if args.bless {
        rewrite::apply(&mut loaded, &mut results)?;
    }
    for (file, ran) in loaded.iter().zip(results) {
        let cases = ran.into_iter().map(|ran| ran.case).collect();
        suites.files.push(Suite { file: file.name().to_owned(), cases });
    }
    if let Some(coverage) = &mut coverage {
        let cases = suites.files.iter().flat_map(|suite| &suite.cases);
        cases.flat_map(|case| &case.reached).for_each(|reached| coverage.count(reached));
    }
    suites.coverage = coverage;
    if let (Some(path), Some(coverage)) = (&args.lcov, &suites.coverage) {
        write_lcov(path, coverage)?;
    }
    let written = show(&suites, args);
    for name in &suites.untested {
        warn(&format!("no scenario file names the policy `{name}`"));
    }
    let totals = suites.totals();
    let verdict = match totals.passed + totals.failed + totals.skipped {
        _ if !suites.unusable.is_empty() => Exit::Usage,
        0 => {
            say(match &args.run {
                Some(pattern) => return none_of(pattern.as_str(), written),
                None => "no test was found: scenario files are named `*.test.yml`",
            });
            Exit::Usage
        }
        _ if totals.failed > 0 || is_under(&suites, args) => Exit::Negative,
        _ => Exit::Success,
    };
    after_output(written, verdict)
}

/// Says why a file cannot be used, and keeps it for the report.
fn unusable(file: &str, failure: Failure) -> Result<Unusable, Failure> {
    let message = match failure {
        Failure::Usage(message) => message,
        other => return Err(other),
    };
    say(&message);
    Ok(Unusable { file: file.to_owned(), message })
}

/// Nothing that the call asks for is there.
fn none_of(pattern: &str, written: io::Result<()>) -> Result<Exit, Failure> {
    say(&format!("no test was found whose name matches `{pattern}`"));
    after_output(written, Exit::Usage)
}

fn show(suites: &Suites, args: &Test) -> io::Result<()> {
    // As it is: a terminal's stripping of control characters would change values.
    match args.format {
        TestFormat::Text => {
            let mut out = anstream::stdout();
            render::tests::text(&mut out, suites, args.only_failures)?;
            out.flush()
        }
        TestFormat::Json => render::tests::json(&mut io::stdout().lock(), suites, args.only_failures),
        TestFormat::Junit => render::tests::junit(&mut io::stdout().lock(), suites, args.only_failures),
    }
}

/// Says that less was reached than is wanted.
fn is_under(suites: &Suites, args: &Test) -> bool {
    let (Some(wanted), Some(coverage)) = (args.fail_under, &suites.coverage) else { return false };
    let totals = coverage.totals();
    let is_under = percent(totals) < wanted;
    if is_under {
        say(&format!("the cases reach {} %, less than {wanted} %", shown_percent(totals)));
    }
    is_under
}

fn write_lcov(path: &Path, coverage: &Coverage) -> Result<(), Failure> {
    let mut text = Vec::new();
    render::lcov::write(&mut text, coverage)?;
    write_whole(path, &text).map_err(|error| {
        Failure::Usage(format!("--lcov: cannot write `{}`: {}", shown(path), reason(&error)))
    })
}

fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDS.iter().any(|end| name.ends_with(end))
}

/// The policies among files of a search that no scenarios name.
fn untested(files: &[FoundFile], tested: &HashSet<PathBuf>) -> Vec<String> {
    let is_policy = |file: &&FoundFile| {
        let given = read_as(&file.path, file.outside).ok().filter(|given| !given.found.has_errors());
        given.is_some_and(|given| {
            kind_of(&given.source, &CheckOptions::default()) == Some(DocumentKind::Policy)
        })
    };
    let is_tested = |path: &Path| fs::canonicalize(path).is_ok_and(|path| tested.contains(&path));
    let left = files.iter().filter(|file| !is_tested(&file.path)).filter(is_policy);
    left.map(|file| shown(&file.path)).collect()
}
