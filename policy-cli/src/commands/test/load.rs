//! Reads a scenario file and what it names: the policy as each case asks it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::compile::Program;
use policy_core::diagnostic::printable;
use policy_core::message::{Request, Response};
use policy_core::named_file::reason;
use policy_core::requests::{load_request, load_response};
use policy_core::scenarios::{Asked, Case, ExpectedOutcome, FileOr, Scenarios, load_scenarios};
use policy_core::source::{Position, Source, Span, Spanned};
use regex::Regex;

use crate::cli::{Eval, SecretValue, Target};
use crate::commands::eval::{self, CaseFiles, EvalSubject};
use crate::exit::Failure;
use crate::files::{FoundFile, Given, folder_of, is_below, read_as, shown};
use crate::render::text::say_findings;

/// How a case gives what a call of `policy eval` gives by flags.
pub(super) const HINT: &str = " (in a case, flags are fields: `--now …` is `now: …`, `--set a=b` is `set: {a: b}`, `--url` is `request: {url: …}`)";

/// A scenario file that can be run.
pub(super) struct Loaded {
    given: Given,
    path: PathBuf,
    /// Which cases are run, by their names.
    run: Option<Regex>,
    folder: PathBuf,
    scenarios: Scenarios,
    files: CaseFiles,
    read: NamedFiles,
    /// The cases that are run, by their places.
    wanted: Vec<usize>,
}

/// What cases name, or why it cannot be used: that fails the cases which name it.
#[derive(Default)]
struct NamedFiles {
    subjects: HashMap<Key, Result<EvalSubject, String>>,
    /// Requests and responses of files, and sets of keys, by their path in the scenarios.
    requests: ByPath<Arc<Request>>,
    responses: ByPath<Arc<Response>>,
    keys: ByPath<Arc<str>>,
}

type ByPath<T> = HashMap<Box<str>, Result<T, String>>;

impl NamedFiles {
    /// Reads a file, unless it has been read.
    fn file<T>(
        &mut self,
        folder: &Path,
        path: &str,
        known: impl Fn(&mut Self) -> &mut ByPath<T>,
        load: impl Fn(&Path) -> Result<T, Failure>,
    ) -> Result<(), Failure> {
        if !known(self).contains_key(path) {
            let read = of_case(named(folder, path).and_then(|path| load(&path)))?;
            known(self).insert(path.into(), read);
        }
        Ok(())
    }
}

/// What fails the cases that need it; a fault of ours ends the run.
fn of_case<T>(read: Result<T, Failure>) -> Result<Result<T, String>, Failure> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(Failure::Usage(why)) => Ok(Err(why)),
        Err(other) => Err(other),
    }
}

/// What a policy is compiled for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    endpoint: Option<Box<str>>,
    has_request: bool,
    has_upstream: bool,
}

impl Loaded {
    /// Reads it. What is wrong with it is said on standard error.
    pub(super) fn read(file: &FoundFile, run: Option<&Regex>) -> Result<Self, Failure> {
        Self::from_given(read_as(&file.path, file.outside)?, &file.path, run)
    }

    /// The same file with another text.
    pub(super) fn with_text(&self, text: String) -> Result<Self, Failure> {
        Self::from_given(self.given.with_text(text), &self.path, self.run.as_ref())
    }

    fn from_given(given: Given, path: &Path, run: Option<&Regex>) -> Result<Self, Failure> {
        let mut found = given.found.clone();
        let mut scenarios = None;
        if !found.has_errors() {
            let (read, later) = load_scenarios(&given.source);
            scenarios = read;
            found.append(later);
        }
        say_findings(&[given.shown(found)]);
        let name = given.source.name().to_owned();
        let scenarios =
            scenarios.ok_or_else(|| Failure::Usage(format!("`{name}` is not a usable scenario file")))?;
        let folder = folder_of(path).to_owned();
        let at = |path: &Spanned<Box<str>>| named(&folder, &path.value);
        // Policies, too, and what agents have.
        let others = scenarios.agents.iter().chain([&scenarios.policy]).chain(&scenarios.ip_policies);
        for other in others {
            let path = at(other)?;
            if let Err(error) = fs::metadata(&path) {
                let (position, path) = (given.source.position(other.span.start), shown(&path));
                let message = format!("{name}:{position}: cannot read `{path}`: {}", reason(&error));
                return Err(Failure::Usage(message));
            }
        }
        let geoip = scenarios.geoip.iter().map(at).collect::<Result<Vec<_>, _>>()?;
        let categories = scenarios.categories.as_ref().map(at).transpose()?;
        let files = CaseFiles::read(&geoip, categories.as_deref())?;
        let is_wanted = |case: &Case| run.is_none_or(|run| run.is_match(&case.name.value));
        let wanted = scenarios.cases.iter().enumerate();
        let wanted = wanted.filter(|(_, case)| is_wanted(case)).map(|(at, _)| at).collect();
        let mut loaded = Self {
            given,
            path: path.to_owned(),
            run: run.cloned(),
            folder,
            scenarios,
            files,
            read: NamedFiles::default(),
            wanted,
        };
        loaded.read_named()?;
        Ok(loaded)
    }

    /// Reads what the cases name, each once.
    fn read_named(&mut self) -> Result<(), Failure> {
        let cases = self.wanted.iter().filter_map(|at| self.scenarios.cases.get(*at));
        let steps = cases.flat_map(|case| case.steps.iter().map(move |step| (case, &step.asked)));
        let mut read = NamedFiles::default();
        let mut first = None;
        for (case, asked) in steps {
            for request in asked.requests.iter().flat_map(|requests| requests.iter()) {
                if let FileOr::File(path) = request {
                    let load = |path: &Path| eval::request_file(path, load_request).map(Arc::new);
                    read.file(&self.folder, &path.value, |read| &mut read.requests, load)?;
                }
            }
            if let Some(FileOr::File(path)) = &asked.response {
                let load = |path: &Path| eval::request_file(path, load_response).map(Arc::new);
                read.file(&self.folder, &path.value, |read| &mut read.responses, load)?;
            }
            for (_, path) in asked.keys.iter() {
                let load = |path: &Path| Ok(Arc::from(crate::files::read(path)?.source.text()));
                read.file(&self.folder, &path.value, |read| &mut read.keys, load)?;
            }
            if let Entry::Vacant(place) = read.subjects.entry(Key::of(asked)) {
                // Which targets there are is a question of each case.
                let call = Eval { target: Vec::new(), ..self.call(asked, None, None) };
                let subject = of_case(eval::subject(&call))?;
                if let (None, Err(why)) = (&first, &subject) {
                    first = Some((case, why.clone()));
                }
                place.insert(subject);
            }
        }
        // If nobody can be asked it is the file that cannot be used.
        let none = read.subjects.values().all(Result::is_err);
        if let (true, Some((case, why))) = (none, first) {
            let (file, Position { line, .. }) = (self.name(), self.position(case.name.span));
            let name = printable(&case.name.value);
            return Err(Failure::Usage(format!("{file}:{line} `{name}`: {why}{HINT}")));
        }
        self.read = read;
        Ok(())
    }

    /// Why a question of a case cannot be asked, if it cannot.
    pub(super) fn why_not(&self, asked: &Asked) -> Option<&str> {
        let requests = asked.requests.iter().flat_map(|requests| requests.iter());
        let of_request = |of: &FileOr<Request>| match of {
            FileOr::File(path) => self.read.requests.get(&path.value)?.as_ref().err(),
            FileOr::Inline(_) => None,
        };
        let response = asked.response.as_ref().and_then(|of| match of {
            FileOr::File(path) => self.read.responses.get(&path.value)?.as_ref().err(),
            FileOr::Inline(_) => None,
        });
        let keys = asked.keys.iter().find_map(|(_, path)| self.read.keys.get(&path.value)?.as_ref().err());
        let subject = || self.read.subjects.get(&Key::of(asked))?.as_ref().err();
        let why = requests.into_iter().find_map(of_request).or(response).or(keys).or_else(subject);
        why.map(String::as_str)
    }

    /// The policy or configuration.
    fn policy(&self) -> PathBuf {
        self.folder.join(&*self.scenarios.policy.value)
    }

    /// The files that are asked.
    pub(super) fn asked(&self) -> impl Iterator<Item = PathBuf> {
        self.programs().map(|program| PathBuf::from(program.file())).chain([self.policy()])
    }

    /// The policies that are asked.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.read.subjects.values().flatten().flat_map(EvalSubject::programs)
    }

    pub(super) fn name(&self) -> &str {
        self.source().name()
    }

    pub(super) const fn source(&self) -> &Source {
        &self.given.source
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True if a link leads to it from elsewhere.
    pub(super) const fn is_outside(&self) -> bool {
        self.given.is_outside()
    }

    pub(super) const fn files(&self) -> &CaseFiles {
        &self.files
    }

    /// The cases that are run.
    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.wanted.iter().filter_map(|at| self.scenarios.cases.get(*at))
    }

    pub(super) fn subject(&self, asked: &Asked) -> Option<&EvalSubject> {
        self.read.subjects.get(&Key::of(asked))?.as_ref().ok()
    }

    pub(super) fn request<'s>(&'s self, of: &'s FileOr<Request>) -> Option<&'s Arc<Request>> {
        match of {
            FileOr::File(path) => self.read.requests.get(&path.value)?.as_ref().ok(),
            FileOr::Inline(request) => Some(request),
        }
    }

    pub(super) fn response<'s>(&'s self, of: &'s FileOr<Response>) -> Option<&'s Arc<Response>> {
        match of {
            FileOr::File(path) => self.read.responses.get(&path.value)?.as_ref().ok(),
            FileOr::Inline(response) => Some(response),
        }
    }

    /// The sets of keys of a case.
    pub(super) fn keys(&self, asked: &Asked) -> Vec<(String, Arc<str>)> {
        let keys = asked.keys.iter();
        let keys = keys.filter_map(|(url, path)| {
            Some((url.value.to_string(), self.read.keys.get(&path.value)?.as_ref().ok()?.clone()))
        });
        keys.collect()
    }

    /// All secrets that its cases give.
    pub(super) fn secrets(&self) -> Vec<SecretValue> {
        let steps = self.cases().flat_map(|case| &case.steps);
        let mut known = HashSet::new();
        steps.flat_map(|step| secrets(&step.asked)).filter(|it| known.insert(it.value.clone())).collect()
    }

    /// Where something stands.
    pub(super) fn position(&self, span: Span) -> Position {
        self.source().position(span.start)
    }

    /// A case as a call of `policy eval`.
    pub(super) fn call(
        &self,
        asked: &Asked,
        request: Option<&Request>,
        outcome: Option<&ExpectedOutcome>,
    ) -> Eval {
        let targets =
            asked.targets.iter().map(|(url, state)| Target { url: url.value.clone(), state: *state });
        let at = |path: &str| self.folder.join(path);
        Eval {
            policy: self.policy(),
            agent: self.scenarios.agents.iter().map(|path| at(&path.value)).collect(),
            target: targets.collect(),
            set: asked.set.iter().map(|(path, value)| (path.value.to_string(), value.to_string())).collect(),
            endpoint: asked.endpoint.as_ref().map(|endpoint| endpoint.value.to_string()),
            url: request
                .map(|request| request.url.clone())
                .or_else(|| asked.requests.as_ref().map(|_| String::new())),
            response: asked.response.as_ref().map(|_| PathBuf::new()),
            secret: secrets(asked).collect(),
            keys: asked.keys.iter().map(|(url, path)| (url.value.to_string(), at(&path.value))).collect(),
            login: asked.login.as_deref().map(str::to_owned),
            ip_policies: self.scenarios.ip_policies.as_ref().map(|path| at(&path.value)),
            now: asked.now,
            seed: asked.seed,
            has_upstream: asked.has_upstream.unwrap_or_default(),
            expect: outcome.cloned(),
            ..Eval::of_policy(Path::new(""))
        }
    }
}

/// The path of a file that scenarios name. They may come with a checkout, and what is wrong with a file is shown with its
/// lines: it has to lie below their folder or below the one where the command runs, links followed.
fn named(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    let (file, _) = eval::numbered(&path);
    // What is not there at all is told when it is read.
    if fs::canonicalize(file).is_err() || is_below(file, folder) || is_below(file, Path::new(".")) {
        return Ok(path);
    }
    Err(Failure::Usage(format!(
        "`{}` lies neither below the folder of its scenario file, `{}`, nor below the current one: run the command in a \
         folder that has both",
        shown(&path),
        match shown(folder) {
            folder if folder.is_empty() => ".".to_owned(),
            folder => folder,
        }
    )))
}

/// The secrets that a case gives.
fn secrets(asked: &Asked) -> impl Iterator<Item = SecretValue> {
    asked.secrets.iter().filter_map(|(name, value)| {
        let (vault, name) = name.value.split_once('/')?;
        Some(SecretValue { vault: vault.to_owned(), name: name.to_owned(), value: value.to_string() })
    })
}

impl Key {
    fn of(asked: &Asked) -> Self {
        Self {
            endpoint: asked.endpoint.as_ref().map(|endpoint| endpoint.value.clone()),
            has_request: asked.requests.is_some(),
            has_upstream: asked.has_upstream.unwrap_or_default(),
        }
    }
}
