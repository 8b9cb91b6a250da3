//! Files: reading them within bounds, and finding them below folders.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use policy_core::diagnostic::{Diagnostics, printable};
use policy_core::parse::{MAX_SOURCE_BYTES, decode};
use policy_core::source::Source;

use crate::exit::Failure;

/// Folders that never hold policies of the project.
const SKIPPED: &[&str] = &["target", "node_modules"];

/// Reads a file, or standard input for `-`. Never reads more than the parser accepts.
pub(crate) fn read(path: &Path) -> Result<(Source, Diagnostics), Failure> {
    let (name, outcome) = if path == Path::new("-") {
        ("<stdin>".to_owned(), read_bounded(io::stdin().lock()))
    } else {
        // A search of the current folder finds `./edge.yml`.
        let name = shown(path);
        (name, read_bytes(path))
    };
    match outcome {
        Ok(bytes) => Ok(decode(name, bytes)),
        Err(error) => Err(Failure::Usage(format!("cannot read `{name}`: {}", reason(&error)))),
    }
}

/// A path as it is printed: no name of a file may forge a line.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.strip_prefix(".").unwrap_or(path).display().to_string()).into_owned()
}

/// The bytes of a file that a configuration names: a regular one, so that reading it comes to an end.
pub(crate) fn read_regular(path: &Path) -> Result<Vec<u8>, String> {
    let kind = fs::metadata(path).map_err(|error| reason(&error))?;
    match kind.is_file() {
        true => read_bytes(path).map_err(|error| reason(&error)),
        false => Err("it is not a regular file".to_owned()),
    }
}

/// The bytes of a file, never more than the parser accepts and one.
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(fs::File::open(path)?)
}

fn read_bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The operating system's reason without its error number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// A file to look at.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// Named on the command line, not found in a folder.
    pub(crate) named: bool,
}

/// The files of paths: folders are searched for `*.yml`, `*.yaml` and `*.json`, in order of their names.
/// Hidden folders and links to folders are left out. Paths that cannot be read are listed as failures.
pub(crate) fn expand(paths: &[PathBuf]) -> (Vec<Found>, Vec<Failure>) {
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            files.push(Found { path: path.clone(), named: true });
            continue;
        }
        let mut below = Vec::new();
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            if let Err(error) = list(&folder, &mut folders, &mut below) {
                let message = format!("cannot read the folder `{}`: {}", shown(&folder), reason(&error));
                failures.push(Failure::Usage(message));
            }
        }
        below.sort();
        files.extend(below.into_iter().map(|path| Found { path, named: false }));
    }
    (files, failures)
}

fn list(folder: &Path, folders: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let hidden = name.as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        if kind.is_dir() {
            if !hidden && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(path);
            }
        } else if path.extension().is_some_and(|end| end == "yml" || end == "yaml" || end == "json")
            && path.is_file()
        {
            files.push(path);
        }
    }
    Ok(())
}
