//! List files: plain or packed, read in pieces and within bounds.

use std::io;
use std::path::Path;

use policy_core::diagnostic::Diagnostics;
use policy_core::ip_policies::{ListReader, unpack};
use policy_core::named_file::{NamedFile, reason, withhold};
use policy_core::source::Source;

use crate::exit::Failure;
use crate::files::{is_below, open, open_named, shown};

/// Reads a list that a configuration names, relative to a folder.
pub(crate) fn read_named(folder: &Path, name: &str, feed: &mut dyn FnMut(&[u8])) -> NamedFile<()> {
    let path = folder.join(name);
    let outcome = open_named(&path).and_then(|file| unpack(file, feed));
    NamedFile::new(shown(&path), outcome).outside(!is_below(&path, folder))
}

/// Reads a list of the command line, or standard input for `-`: what may be printed of it.
pub(crate) fn read(path: &Path, outside: bool) -> Result<(Source, Diagnostics), Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin { "<stdin>".to_owned() } else { shown(path) };
    let mut reader = ListReader::new(&*name);
    let mut feed = |bytes: &[u8]| reader.feed(bytes);
    let outcome = match stdin {
        true => unpack(io::stdin().lock(), &mut feed),
        false => match open(path) {
            Ok(file) => unpack(file, &mut feed),
            Err(error) => Err(reason(&error)),
        },
    };
    if let Err(reason) = outcome {
        return Err(Failure::Usage(format!("cannot read `{name}`: {reason}")));
    }
    let list = reader.finish();
    Ok(match outside {
        true => withhold(&list.source, list.findings),
        false => (list.source, list.findings),
    })
}
