//! Files: reading them within bounds, and finding them below folders.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use policy_core::diagnostic::{Diagnostics, printable};
use policy_core::named_file::{NamedFile, reason, withhold};
use policy_core::parse::{MAX_SOURCE_BYTES, decode};
use policy_core::source::Source;

use crate::exit::Failure;

/// Folders that never hold policies of the project: packages of others, and what tools have made.
const SKIPPED: &[&str] =
    &["target", "node_modules", "bower_components", "site-packages", "__pypackages__", "venv", "buck-out"];
/// Files that mark a folder of the same kind by another name: caches (bford.info/cachedir), Python environments.
const MARKS: &[&str] = &["CACHEDIR.TAG", "pyvenv.cfg"];

/// A file of the command line as it was read.
pub(crate) struct Given {
    /// Its text, for checks. What is printed goes through [`Self::shown`].
    pub(crate) source: Source,
    pub(crate) found: Diagnostics,
    outside: bool,
}

impl Given {
    /// What may be printed of the file and of what was found in it.
    pub(crate) fn shown(&self, found: Diagnostics) -> (Source, Diagnostics) {
        match self.outside {
            true => withhold(&self.source, found),
            false => (self.source.clone(), found),
        }
    }

    /// The same with the files that it names. Names in a file that is not shown are not shown either.
    pub(crate) fn shown_with(
        &self,
        found: Diagnostics,
        mut named: Vec<(Source, Diagnostics)>,
    ) -> Vec<(Source, Diagnostics)> {
        named.retain(|_| !self.outside);
        named.insert(0, self.shown(found));
        named
    }

    /// The same file with another text.
    pub(crate) fn with_text(&self, text: String) -> Self {
        let source = Source::new(self.source.name(), text);
        Self { source, found: Diagnostics::default(), outside: self.outside }
    }

    /// True if what stands in the file must not be printed.
    pub(crate) const fn is_outside(&self) -> bool {
        self.outside
    }
}

/// Reads a file, or standard input for `-`. Never reads more than the parser accepts.
pub(crate) fn read(path: &Path) -> Result<Given, Failure> {
    read_as(path, leads_outside(path))
}

/// The same for a file of which it is known whether what stands in it may be printed.
pub(crate) fn read_as(path: &Path, outside: bool) -> Result<Given, Failure> {
    let (name, bytes) = bytes_of(path)?;
    let (source, found) = decode(name, bytes);
    Ok(Given { source, found, outside })
}

/// A file that was read elsewhere.
pub(crate) fn given(name: String, bytes: Vec<u8>) -> Given {
    let (source, found) = decode(name, bytes);
    Given { source, found, outside: false }
}

/// The bytes of a file that need not be text.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let (name, bytes) = bytes_of(path)?;
    match bytes.len() > MAX_SOURCE_BYTES {
        true => Err(Failure::Usage(format!("`{name}` is longer than {MAX_SOURCE_BYTES} bytes"))),
        false => Ok(bytes),
    }
}

/// The name of a file and what is in it.
fn bytes_of(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let (name, read) = match path == Path::new("-") {
        true => ("<stdin>".to_owned(), read_bounded(io::stdin().lock())),
        // A search of the current folder finds `./edge.yml`.
        false => (shown(path), open(path).and_then(read_bounded)),
    };
    match read {
        Ok(bytes) => Ok((name, bytes)),
        Err(error) => Err(Failure::Usage(format!("cannot read `{name}`: {}", reason(&error)))),
    }
}

/// A handle that the caller has opened, such as a shell's `<(…)`.
fn is_own_handle(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

/// Opens a file for reading: a regular one, or a handle of the caller. Neither opening nor reading waits for anybody
/// else, whatever the file is.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    if is_own_handle(path) {
        return File::open(path);
    }
    let file = open_at_once(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// A pipe has another end to wait for, and so have some files of /proc.
#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// True if a path leads through a link out of the folder it seems to lie in: out of the folder of a link, or out of
/// the current one. Links may come with a checkout, so what stands in such a file is not printed.
pub(crate) fn leads_outside(path: &Path) -> bool {
    // Without a slash at its end, after which a link would be followed.
    let path: PathBuf = path.components().collect();
    if is_own_handle(&path) || path == Path::new("-") {
        return false;
    }
    let is_link = fs::symlink_metadata(&path).is_ok_and(|kind| kind.is_symlink());
    let inside = path.is_relative() && !path.components().any(|part| part == Component::ParentDir);
    is_link && !is_below(&path, folder_of(&path)) || inside && !is_below(&path, Path::new("."))
}

/// True if a file lies below a folder, links followed.
pub(crate) fn is_below(path: &Path, folder: &Path) -> bool {
    let (path, folder) = (fs::canonicalize(path), fs::canonicalize(folder));
    path.is_ok_and(|path| folder.is_ok_and(|folder| path.starts_with(folder)))
}

/// The folder in which the files are that a file names.
pub(crate) fn folder_of(path: &Path) -> &Path {
    // The parent of a bare name is empty, which is no folder that can be looked up.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A policy file that a configuration names, relative to a folder.
pub(crate) fn read_named(folder: &Path, name: &str) -> NamedFile<Vec<u8>> {
    let path = folder.join(name);
    let bytes = open_named(&path).and_then(|file| read_bounded(file).map_err(|error| reason(&error)));
    NamedFile::new(shown(&path), bytes).outside(!is_below(&path, folder))
}

/// Opens a file that a configuration names: a regular one, so that reading it comes to an end.
pub(crate) fn open_named(path: &Path) -> Result<File, String> {
    let file = open_at_once(path).map_err(|error| reason(&error))?;
    match file.metadata().map_err(|error| reason(&error))?.is_file() {
        true => Ok(file),
        false => Err("it is not a regular file".to_owned()),
    }
}

/// A path as it is printed: no name of a file may forge a line.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.strip_prefix(".").unwrap_or(path).display().to_string()).into_owned()
}

/// Puts a text in the place of a file, all of it or nothing. The file keeps its owner and its rights, and nobody reads the
/// text meanwhile who could not read the file; what is no regular file is written to as it is.
pub(crate) fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let before = fs::metadata(path).ok();
    // No file to be replaced, or the name of one that is made behind a link.
    if before.as_ref().map_or(path.is_symlink(), |before| !before.is_file()) {
        return fs::write(path, text);
    }
    // Of a link, the file behind it.
    let path = if before.is_some() { &fs::canonicalize(path)? } else { path };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if before.is_some() {
        for_us_alone(&mut options);
    }
    let (mut out, temporary) = open_new(&options, folder_of(path))?;
    let mut put = || {
        if let Some(before) = &before {
            keep_owner(&out, before)?;
            out.set_permissions(before.permissions())?;
        }
        out.write_all(text)?;
        out.sync_all()?;
        fs::rename(&temporary, path)
    };
    put().inspect_err(|_| {
        // Ours, which was made anew: it is in nobody's way if it cannot be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// Opens a file of a name that nobody has: a run that was killed may have left one behind.
fn open_new(options: &OpenOptions, folder: &Path) -> io::Result<(File, PathBuf)> {
    const MAX_TRIES: u32 = 16;
    let name = |at: u32| folder.join(format!(".policy-{}-{at}", std::process::id()));
    let mut at = 0;
    loop {
        match options.open(name(at)) {
            Ok(file) => return Ok((file, name(at))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && at < MAX_TRIES => at += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(unix)]
fn for_us_alone(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
const fn for_us_alone(_: &mut OpenOptions) {}

/// Gives a file the owner and group of another one.
#[cfg(unix)]
fn keep_owner(file: &File, of: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};

    let own = file.metadata()?;
    match (own.uid(), own.gid()) == (of.uid(), of.gid()) {
        true => Ok(()),
        false => fchown(file, Some(of.uid()), Some(of.gid())),
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

fn read_bounded(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file to look at.
#[derive(Debug)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    /// Named on the command line, not found in a folder.
    pub(crate) named: bool,
    /// What stands in it must not be printed.
    pub(crate) outside: bool,
}

/// What paths hold.
#[derive(Debug, Default)]
pub(crate) struct Expanded {
    pub(crate) files: Vec<FoundFile>,
    /// Links in searched folders that lead out of them, to files or folders, with the folder.
    pub(crate) skipped: Vec<(PathBuf, PathBuf)>,
    /// Paths that cannot be read.
    pub(crate) failures: Vec<Failure>,
}

/// What a search leaves out: files and folders by glob patterns.
#[derive(Debug, Default)]
pub(crate) struct Excluded {
    /// Patterns without a slash: of names, at any depth.
    names: GlobSet,
    /// Patterns of paths below the folder that is searched.
    paths: GlobSet,
}

impl Excluded {
    /// Reads patterns, as `.gitignore` has them: `*` ends at a slash, `**` does not.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Failure> {
        let (mut names, mut paths) = (GlobSet::builder(), GlobSet::builder());
        for pattern in patterns {
            let bare = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
            let glob = GlobBuilder::new(bare).literal_separator(true).build().map_err(|error| {
                Failure::Usage(format!(
                    "--exclude: invalid pattern `{}`: {}",
                    printable(pattern),
                    error.kind()
                ))
            })?;
            if bare.contains('/') {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        let build = |set: GlobSetBuilder| {
            set.build().map_err(|error| Failure::Usage(format!("--exclude: {}", error.kind())))
        };
        Ok(Self { names: build(names)?, paths: build(paths)? })
    }

    /// True for a file or folder below the folder that is searched.
    fn contains(&self, path: &Path, root: &Path) -> bool {
        let below = path.strip_prefix(root).unwrap_or(path);
        path.file_name().is_some_and(|name| self.names.is_match(name)) || self.paths.is_match(below)
    }
}

/// The files of paths: folders are searched for `*.yml`, `*.yaml` and `*.json`, in order of their names. Hidden
/// folders and links to folders are left out, and so are links to files outside of the folder that is searched.
pub(crate) fn expand(paths: &[PathBuf], excluded: &Excluded) -> Expanded {
    let mut out = Expanded::default();
    for path in paths {
        if !path.is_dir() {
            out.files.push(FoundFile { path: path.clone(), named: true, outside: leads_outside(path) });
            continue;
        }
        let outside = leads_outside(path);
        let mut search = Search::new(path, excluded);
        while let Some(folder) = search.folders.pop() {
            if let Err(error) = search.list(&folder) {
                let message = format!("cannot read the folder `{}`: {}", shown(&folder), reason(&error));
                out.failures.push(Failure::Usage(message));
            }
        }
        let Search { files: mut below, mut links, .. } = search;
        links.sort();
        for link in links {
            match is_below(&link, path) {
                // What lies behind a link to a folder of its own is found there.
                true if link.is_dir() => {}
                true if link.is_file() => below.push(link),
                _ => out.skipped.push((link, path.clone())),
            }
        }
        below.sort();
        out.files.extend(below.into_iter().map(|path| FoundFile { path, named: false, outside }));
    }
    out
}

/// True for the names of files that may be policies or configurations.
fn has_end(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yml" || end == "yaml" || end == "json")
}

/// A search of a folder: what is still to be listed, and what was found.
struct Search<'a> {
    root: &'a Path,
    excluded: &'a Excluded,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    links: Vec<PathBuf>,
}

impl<'a> Search<'a> {
    fn new(root: &'a Path, excluded: &'a Excluded) -> Self {
        Self { root, excluded, folders: vec![root.to_owned()], files: Vec::new(), links: Vec::new() }
    }

    fn list(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (name, kind, path) = (entry.file_name(), entry.file_type()?, entry.path());
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if self.excluded.contains(&path, self.root) {
                continue;
            }
            if kind.is_dir() {
                let skipped = || SKIPPED.iter().any(|skipped| name == *skipped);
                let marked = || MARKS.iter().any(|mark| path.join(mark).is_file());
                if !hidden && !skipped() && !marked() {
                    self.folders.push(path);
                }
            } else if kind.is_symlink() && !hidden && path.is_dir() {
                self.links.push(path);
            } else if kind.is_symlink() && has_end(&path) && !path.is_file() {
                // It leads nowhere, or to no file.
                self.links.push(path);
            } else if has_end(&path) && path.is_file() {
                if kind.is_symlink() { self.links.push(path) } else { self.files.push(path) }
            }
        }
        Ok(())
    }
}
