//! Files in the revisions of a Git repository, read by `git` itself.

use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use policy_core::diagnostic::printable;
use policy_core::parse::MAX_SOURCE_BYTES;

use crate::exit::Failure;

/// Bytes that `git` may say about anything but a file.
const MAX_SAID: u64 = 64 << 10;

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    commit: String,
    /// As it was asked for.
    pub(crate) name: String,
}

/// What two policies are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) old: Revision,
    /// `None` for the file as it is now.
    pub(crate) new: Option<Revision>,
}

impl Range {
    /// `OLD...NEW`, `OLD..NEW` or `OLD`; a side that is left out is `HEAD`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let or_head = |name: &str| if name.is_empty() { "HEAD".to_owned() } else { name.to_owned() };
        if let Some((old, new)) = text.split_once("...") {
            let (old, new) = (Revision::find(&or_head(old))?, Revision::find(&or_head(new))?);
            return Ok(Self { old: old.left_by(&new)?, new: Some(new) });
        }
        match text.split_once("..") {
            Some((old, new)) => {
                Ok(Self { old: Revision::find(&or_head(old))?, new: Some(Revision::find(&or_head(new))?) })
            }
            None => Ok(Self { old: Revision::find(text)?, new: None }),
        }
    }
}

impl Revision {
    fn find(name: &str) -> Result<Self, Failure> {
        // A name that begins so would be an option.
        let said = match name.starts_with('-') {
            true => Err(String::new()),
            false => said(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])?,
        };
        match said {
            Ok(commit) => Ok(Self { commit, name: name.to_owned() }),
            Err(why) => Err(missing(&format!("there is no revision `{}`", printable(name)), &why)?),
        }
    }

    /// Where another revision left this one.
    fn left_by(&self, other: &Self) -> Result<Self, Failure> {
        match said(&["merge-base", &self.commit, &other.commit])? {
            Ok(commit) => {
                let name = format!("{}...{}", self.name, other.name);
                Ok(Self { name: format!("merge base of {name}"), commit })
            }
            Err(why) => {
                let (old, new) = (printable(&self.name), printable(&other.name));
                Err(missing(&format!("`{old}` and `{new}` have no commit in common"), &why)?)
            }
        }
    }

    /// A file of the revision, by its path from the current folder; `None` if there is none.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let shown = format!("{}:{}", self.name, path.display());
        let shown = printable(&shown);
        let inside = from_here(path)?;
        let Some(inside) = inside.to_str() else {
            return Err(Failure::Usage(format!("`{shown}`: the path is not UTF-8")));
        };
        let found = said(&["ls-tree", "-z", &self.commit, "--", inside])?
            .map_err(|why| Failure::Usage(format!("cannot read `{shown}`: {}", printable(&why))))?;
        let Some((kind, _)) = found.split_once('\t') else { return Ok(None) };
        let mut kind = kind.split(' ');
        let (mode, object) = (kind.next().unwrap_or_default(), kind.nth(1).unwrap_or_default());
        match mode {
            "100644" | "100755" => {}
            "120000" => return Err(Failure::Usage(format!("`{shown}` is a symbolic link: name the file"))),
            _ => return Err(Failure::Usage(format!("`{shown}` is not a file"))),
        }
        let bytes = run(&["cat-file", "blob", object], MAX_SOURCE_BYTES as u64 + 1)?
            .map_err(|why| Failure::Usage(format!("cannot read `{shown}`: {}", printable(&why))))?;
        Ok(Some(bytes))
    }
}

/// A path that `git` finds from the current folder.
fn from_here(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_relative() {
        return Ok(path.components().filter(|part| *part != Component::CurDir).collect());
    }
    let here =
        std::env::current_dir().map_err(|error| Failure::Usage(format!("the current folder: {error}")))?;
    let inside = path.strip_prefix(here).map(Path::to_owned);
    inside.map_err(|_| {
        let path = path.display().to_string();
        Failure::Usage(format!("`{}` is not below the current folder", printable(&path)))
    })
}

/// Why something is not in the repository: it may not have been fetched.
fn missing(what: &str, why: &str) -> Result<Failure, Failure> {
    let why = if why.is_empty() { String::new() } else { format!(" ({})", printable(why)) };
    Ok(Failure::Usage(match said(&["rev-parse", "--is-shallow-repository"])? {
        Ok(is) if is == "true" => format!(
            "{what} in this shallow clone: fetch its history first, by `git fetch --unshallow` or with `fetch-depth: 0` \
             for actions/checkout"
        ),
        Ok(_) => format!("{what}{why}"),
        Err(why) => format!("this is no Git repository: {}", printable(&why)),
    }))
}

/// The line that `git` says, or the first line of why it does not.
fn said(args: &[&str]) -> Result<Result<String, String>, Failure> {
    Ok(run(args, MAX_SAID)?.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// What `git` says, up to so many bytes; why it does not.
fn run(args: &[&str], most: u64) -> Result<Result<Vec<u8>, String>, Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::Usage("`git` is not there: revisions are read by it".to_owned())
        }
        _ => Failure::Usage(format!("cannot run `git`: {error}")),
    };
    let mut child = Command::new("git")
        .args(args)
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let bounded = |from: &mut dyn Read, most: u64| {
        let mut bytes = Vec::new();
        from.take(most).read_to_end(&mut bytes).map(|_| bytes)
    };
    // What it says of errors is short, and fits into the pipe.
    let read = out.map_or(Ok(Vec::new()), |mut out| bounded(&mut out, most));
    let why = err.map_or(Ok(Vec::new()), |mut err| bounded(&mut err, MAX_SAID));
    let status = child.wait().map_err(failed)?;
    let (read, why) = (read.map_err(failed)?, why.map_err(failed)?);
    // One that is cut short in the middle of a long file has not failed.
    if status.success() || read.len() as u64 == most {
        return Ok(Ok(read));
    }
    Ok(Err(String::from_utf8_lossy(&why).lines().next().unwrap_or_default().to_owned()))
}
