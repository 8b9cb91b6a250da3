//! Reads a scenario file and what it names: the policy as each case asks it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::compile::Program;
use policy_core::message::{Request, Response};
use policy_core::requests::{load_request, load_response};
use policy_core::scenarios::{Asked, Case, ExpectedOutcome, FileOr, Scenarios, load_scenarios};
use policy_core::source::{Position, Source, Span, Spanned};
use regex::Regex;

use crate::cli::{Eval, SecretValue, Target};
use crate::commands::eval::{self, CaseFiles, EvalSubject};
use crate::exit::Failure;
use crate::files::{FoundFile, Given, folder_of, is_below, read_as, shown};
use crate::render::text::say_findings;

/// A scenario file that can be run.
pub(super) struct Loaded {
    given: Given,
    path: PathBuf,
    /// Which cases are run, by their names.
    run: Option<Regex>,
    folder: PathBuf,
    scenarios: Scenarios,
    files: CaseFiles,
    subjects: HashMap<Key, EvalSubject>,
    /// Requests and responses of files, and sets of keys, by their path in the scenarios.
    requests: HashMap<Box<str>, Arc<Request>>,
    responses: HashMap<Box<str>, Arc<Response>>,
    keys: HashMap<Box<str>, Arc<str>>,
    /// The cases that are run, by their places.
    wanted: Vec<usize>,
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
        others.map(at).try_for_each(|path| path.map(drop))?;
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
            subjects: HashMap::new(),
            requests: HashMap::new(),
            responses: HashMap::new(),
            keys: HashMap::new(),
            wanted,
        };
        loaded.read_named()?;
        Ok(loaded)
    }

    /// Reads what the cases name, each once.
    fn read_named(&mut self) -> Result<(), Failure> {
        let cases = self.wanted.iter().filter_map(|at| self.scenarios.cases.get(*at));
        let asked = cases.flat_map(|case| case.steps.iter().map(|step| &step.asked));
        let (mut requests, mut responses) = (HashMap::new(), HashMap::new());
        let (mut keys, mut subjects) = (HashMap::new(), HashMap::new());
        for asked in asked {
            for request in asked.requests.iter().flat_map(|requests| requests.iter()) {
                if let FileOr::File(path) = request
                    && !requests.contains_key(&path.value)
                {
                    let request = eval::request_file(&named(&self.folder, &path.value)?, load_request)?;
                    requests.insert(path.value.clone(), Arc::new(request));
                }
            }
            if let Some(FileOr::File(path)) = &asked.response
                && !responses.contains_key(&path.value)
            {
                let response = eval::request_file(&named(&self.folder, &path.value)?, load_response)?;
                responses.insert(path.value.clone(), Arc::new(response));
            }
            for (_, path) in asked.keys.iter() {
                if !keys.contains_key(&path.value) {
                    let given = crate::files::read(&named(&self.folder, &path.value)?)?;
                    keys.insert(path.value.clone(), Arc::from(given.source.text()));
                }
            }
            let key = Key::of(asked);
            if let Entry::Vacant(place) = subjects.entry(key) {
                // Which targets there are is a question of each case.
                let call = Eval { target: Vec::new(), ..self.call(asked, None, None) };
                place.insert(eval::subject(&call)?);
            }
        }
        (self.requests, self.responses, self.keys, self.subjects) = (requests, responses, keys, subjects);
        Ok(())
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
        self.subjects.values().flat_map(EvalSubject::programs)
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
        self.subjects.get(&Key::of(asked))
    }

    pub(super) fn request<'s>(&'s self, of: &'s FileOr<Request>) -> Option<&'s Arc<Request>> {
        match of {
            FileOr::File(path) => self.requests.get(&path.value),
            FileOr::Inline(request) => Some(request),
        }
    }

    pub(super) fn response<'s>(&'s self, of: &'s FileOr<Response>) -> Option<&'s Arc<Response>> {
        match of {
            FileOr::File(path) => self.responses.get(&path.value),
            FileOr::Inline(response) => Some(response),
        }
    }

    /// The sets of keys of a case.
    pub(super) fn keys(&self, asked: &Asked) -> Vec<(String, Arc<str>)> {
        let keys = asked.keys.iter();
        let keys =
            keys.filter_map(|(url, path)| Some((url.value.to_string(), self.keys.get(&path.value)?.clone())));
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
        shown(folder)
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
