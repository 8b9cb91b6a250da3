//! What the command line gives: requests, responses, bodies and key sets, by themselves or as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::cel::{TextMap, Value};
use policy_core::diagnostic::{Diagnostics, printable};
use policy_core::message::{Request, Response};
use policy_core::requests::{load_request, load_response};
use policy_core::source::Source;

use crate::cli::Eval;
use crate::exit::{Failure, note};
use crate::files;
use crate::render::text::say_findings;

/// Sets of keys that the call gives, by URL.
pub(super) type KeySets = Vec<(String, Arc<str>)>;

/// Reads the sets of keys.
pub(super) fn key_sets(args: &Eval) -> Result<KeySets, Failure> {
    let read = |(url, path): &(String, PathBuf)| {
        let given = files::read(path)?;
        let is_set = Value::from_json(given.source.text()).is_ok_and(|set| match set {
            Value::Map(set) => matches!(set.get(&Value::text("keys")), Some(Value::List(_))),
            _ => false,
        });
        if !is_set {
            return Err(Failure::Usage(format!(
                "--keys: `{}` is no set of keys: it is to be a JSON object with a list `keys`",
                given.source.name()
            )));
        }
        Ok((url.clone(), Arc::from(given.source.text())))
    };
    args.keys.iter().map(read).collect()
}

/// The body of `--body`: a text, or the bytes of a file behind an `@`.
fn body(args: &Eval) -> Result<Option<Vec<u8>>, Failure> {
    let Some(body) = &args.body else { return Ok(None) };
    match body.strip_prefix('@') {
        None => Ok(Some(body.clone().into_bytes())),
        Some(path) => files::read_bytes(Path::new(path)).map(Some),
    }
}

/// The request that the command line describes.
pub(super) fn request(args: &Eval) -> Result<Option<Request>, Failure> {
    let mut request = match (&args.request, &args.url) {
        (Some(path), _) => {
            is_file(path)?;
            load(path, load_request)?
        }
        (None, Some(url)) => {
            // As curl has it.
            Request::new(if args.body.is_some() { "POST" } else { "GET" }, url)
        }
        (None, None) => return Ok(None),
    };
    request.method = args.method.clone().unwrap_or(request.method);
    if args.header.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() > 1 {
        return Err(Failure::Usage("--header: `host` is given twice, and a request has one".to_owned()));
    }
    for (name, value) in &args.header {
        // A request has one host: that of the call takes the place of the file's.
        let added = match name.eq_ignore_ascii_case("host") {
            true => request.headers.replace(name, value),
            false => request.headers.append(name, value),
        };
        added.map_err(|error| Failure::Usage(format!("--header: {error}")))?;
    }
    if let Some(body) = body(args)? {
        request.body = body;
    }
    note_length(&request);
    request.add_host();
    request.header_received = request.header_received.or(args.now);
    Ok(Some(request))
}

/// Says that a request is not as long as it says: servers refuse it or wait for the rest.
fn note_length(request: &Request) {
    let has = request.body.len();
    let Some(said) = request.headers.get("content-length", 0) else { return };
    if said.parse() != Ok(has) {
        let said = printable(said);
        note(&format!("the request's `content-length` says {said}, and its body has {has} bytes"));
    }
}

/// The response that the upstream is said to give.
pub(super) fn response(args: &Eval) -> Result<Option<Response>, Failure> {
    let Some(path) = &args.response else { return Ok(None) };
    load(path, load_response).map(Some)
}

/// `FILE#2`: a file and the number of an entry. A file whose name is all of it comes first.
pub(crate) fn numbered(path: &Path) -> (&Path, Option<usize>) {
    let parts = path.to_str().filter(|_| fs::symlink_metadata(path).is_err());
    let parts = parts.and_then(|text| text.rsplit_once('#'));
    match parts.and_then(|(file, number)| Some((file, number.parse().ok()?))) {
        Some((file, number)) => (Path::new(file), Some(number)),
        None => (path, None),
    }
}

/// Says what is meant by a method or a URL in the place of a file.
fn is_file(path: &Path) -> Result<(), Failure> {
    let Some(text) = path.to_str().filter(|_| fs::symlink_metadata(path).is_err()) else { return Ok(()) };
    if text.len() > 1 && text.bytes().all(|c| c.is_ascii_uppercase()) {
        let message =
            format!("--request takes a file, and there is none `{text}`; a method is given by `-X {text}`");
        return Err(Failure::Usage(message));
    }
    if text.contains("://") {
        let message = "--request takes a file; a URL is given by `--url`";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(())
}

/// Reads a file; findings go to standard error.
pub(crate) fn load<T>(
    path: &Path,
    read: impl FnOnce(&Source, Option<usize>) -> (Option<T>, Diagnostics),
) -> Result<T, Failure> {
    let (path, entry) = numbered(path);
    let given = files::read(path)?;
    let mut found = given.found.clone();
    let loaded = if found.has_errors() {
        None
    } else {
        let (loaded, later) = read(&given.source, entry);
        found.append(later);
        loaded
    };
    say_findings(&[given.shown(found)]);
    loaded.ok_or_else(|| Failure::Usage(format!("`{}` cannot be used", given.source.name())))
}
