//! What the call says of connections: facts, files, and which of it was asked for.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy_core::categories::{Categories, load_categories};
use policy_core::cel::{Borrowed, Timestamp, Value};
use policy_core::diagnostic::{printable, shown_address};
use policy_core::facts::{Fact, FactProvider, FactSource, Facts, GivenFacts};
use policy_core::message::{Request, Response};
use policy_core::url::EndpointUrl;
use policy_core::variables;

use super::counts::RequestHistory;
use super::given::{self, KeySets};
use crate::cli::{Eval, SecretValue};
use crate::exit::{Failure, note};
use crate::geoip::{Databases, GeoFacts};

/// What the call says of the connection beside its address and endpoint.
pub(crate) struct EvalInputs {
    given: GivenFacts,
    files: CaseFiles,
    now: Option<Timestamp>,
    seed: Option<u64>,
    pub(super) request: Option<Arc<Request>>,
    pub(super) response: Option<Arc<Response>>,
    pub(super) keys: KeySets,
    pub(super) asked: UsedInputs,
    /// Requests that came before.
    pub(super) counts: Arc<RequestHistory>,
}

/// What files know of addresses.
#[derive(Clone)]
pub(crate) struct CaseFiles {
    databases: Arc<Databases>,
    categories: Option<Arc<Categories>>,
}

impl CaseFiles {
    /// Reads them.
    pub(crate) fn read(geoip: &[PathBuf], categories: Option<&Path>) -> Result<Self, Failure> {
        let load = |path| given::load(path, |source, _| load_categories(source)).map(Arc::new);
        Ok(Self {
            databases: Arc::new(Databases::read(geoip)?),
            categories: categories.map(load).transpose()?,
        })
    }
}

/// What policies have asked for of what was given, in the order of the command line.
#[derive(Default)]
pub(super) struct UsedInputs {
    secrets: Vec<AtomicBool>,
    keys: Vec<AtomicBool>,
    targets: Vec<AtomicBool>,
    login: AtomicBool,
}

/// Something that was given.
#[derive(Clone, Copy)]
pub(super) enum Item {
    Secret(usize),
    Keys(usize),
    Target(usize),
    Login,
}

impl UsedInputs {
    fn new(args: &Eval) -> Self {
        let none = |count: usize| (0..count).map(|_| AtomicBool::new(false)).collect();
        Self {
            secrets: none(args.secret.len()),
            keys: none(args.keys.len()),
            targets: none(args.target.len()),
            login: AtomicBool::new(false),
        }
    }

    fn of(&self, item: Item) -> Option<&AtomicBool> {
        match item {
            Item::Secret(at) => self.secrets.get(at),
            Item::Keys(at) => self.keys.get(at),
            Item::Target(at) => self.targets.get(at),
            Item::Login => Some(&self.login),
        }
    }

    /// Notes that it was asked for.
    pub(super) fn add(&self, item: Item) {
        self.of(item).into_iter().for_each(|asked| asked.store(true, Ordering::Relaxed));
    }

    fn has(&self, item: Item) -> bool {
        self.of(item).is_some_and(|asked| asked.load(Ordering::Relaxed))
    }
}

impl EvalInputs {
    pub(super) fn from_args(args: &Eval) -> Result<Self, Failure> {
        let (request, response) = (given::request(args)?, given::response(args)?);
        if request.is_none() && (response.is_some() || !args.header.is_empty()) {
            let message = "--response and --header are for a request: give one with `--url` or `--request`";
            return Err(Failure::Usage(message.to_owned()));
        }
        let names = |at: usize| args.secret.get(..at).unwrap_or_default();
        let again = |(at, it): &(usize, &SecretValue)| {
            names(*at).iter().any(|other| (&other.vault, &other.name) == (&it.vault, &it.name))
        };
        if let Some((_, it)) = args.secret.iter().enumerate().find(again) {
            let name = format!("{}/{}", it.vault, it.name);
            return Err(Failure::Usage(format!("--secret: `{}` is given twice", printable(&name))));
        }
        let files = CaseFiles::read(&args.geoip, args.categories.as_deref())?;
        let messages = (request.map(Arc::new), response.map(Arc::new));
        Self::of_case(args, messages, given::key_sets(args)?, &files, &Arc::default())
    }

    /// What a case says, of which the files were read.
    pub(crate) fn of_case(
        args: &Eval,
        (request, response): (Option<Arc<Request>>, Option<Arc<Response>>),
        keys: KeySets,
        files: &CaseFiles,
        counts: &Arc<RequestHistory>,
    ) -> Result<Self, Failure> {
        let mut given = GivenFacts::default();
        for (path, value) in &args.set {
            refuse_part_of_message(path)?;
            given.set(path, value).map_err(|error| Failure::Usage(format!("--set: {error}")))?;
        }
        let (files, counts) = (files.clone(), Arc::clone(counts));
        let (now, seed, asked) = (args.now, args.seed, UsedInputs::new(args));
        Ok(Self { given, files, now, seed, request, response, keys, asked, counts })
    }

    /// True if files say what is known of an address.
    pub(super) fn knows_addresses(&self) -> bool {
        !self.files.databases.is_empty() || self.files.categories.is_some()
    }

    /// What is known of an address beside what it is.
    pub(super) fn provided(&self, ip: IpAddr) -> Result<Provided<'_>, Failure> {
        let server = variables::fact("conn.server_ip").and_then(|fact| match self.given.get(fact)? {
            Value::String(text) => text.parse().ok(),
            _ => None,
        });
        let mut categories = GivenFacts::default();
        let server_categories = server.map(|server| ("conn.server_ip.categories", server));
        for (path, address) in [("conn.client_ip.categories", ip)].into_iter().chain(server_categories) {
            let Some(known) = &self.files.categories else { break };
            // INVARIANT: names of categories have no commas.
            let set = categories.set(path, &known.of(address).join(","));
            set.map_err(|error| Failure::Internal(format!("--categories: {error}")))?;
        }
        let geo = (!self.files.databases.is_empty()).then(|| self.files.databases.about(ip, server));
        Ok(Provided { ip, given: &self.given, categories, geo })
    }

    pub(super) fn facts<'k>(
        &'k self,
        provided: &'k Provided<'k>,
        endpoint: Option<&'k EndpointUrl>,
    ) -> Facts<'k> {
        let mut facts = Facts::new(provided.ip).with(provided);
        if let Some(endpoint) = endpoint {
            facts = facts.at_endpoint(endpoint);
        }
        if let Some(now) = self.now {
            facts = facts.at_time(now);
        }
        if let Some(seed) = self.seed {
            facts = facts.seeded(seed);
        }
        facts
    }

    /// Says what was given in vain: probably a typing error, or a policy that changed.
    pub(super) fn say_unread(&self, needs: &[Fact], args: &Eval) {
        let unread = "on the way to this answer";
        for (path, _) in args.set.iter().filter(|(path, _)| !is_read(path, needs)) {
            note(&format!("--set: no policy here reads `{}`", printable(path)));
        }
        for (at, secret) in args.secret.iter().enumerate() {
            if !self.asked.has(Item::Secret(at)) {
                let name = format!("{}/{}", secret.vault, secret.name);
                note(&format!("--secret: nothing read `{}` {unread}", printable(&name)));
            }
        }
        for (at, (url, _)) in args.keys.iter().enumerate() {
            if !self.asked.has(Item::Keys(at)) {
                note(&format!("--keys: nothing fetched the keys of `{}` {unread}", shown_address(url)));
            }
        }
        for (at, target) in args.target.iter().enumerate() {
            if !self.asked.has(Item::Target(at)) {
                note(&format!("--target: nothing asked for `{}` {unread}", target.url));
            }
        }
        if args.login.is_some() && !self.asked.has(Item::Login) {
            note(&format!("--login: nothing asked who is logged in {unread}"));
        }
    }
}

/// Facts of a message are those of the message that is given: they cannot contradict it.
fn refuse_part_of_message(path: &str) -> Result<(), Failure> {
    let Some(fact) = variables::fact(path) else { return Ok(()) };
    let (message, by) = match Facts::source(fact) {
        FactSource::Response => ("response", "a file with `--response`"),
        FactSource::Request => ("request", "`--url`, `-X`, `-H` and `-d`, or a file with `--request`"),
        _ => return Ok(()),
    };
    Err(Failure::Usage(format!("--set: `{}` is part of the {message}: give it by {by}", fact.path())))
}

/// True if policies read a fact that was given, or one that follows from it.
fn is_read(path: &str, needs: &[Fact]) -> bool {
    variables::fact(path).is_some_and(|given| needs.iter().any(|needed| GivenFacts::decides(given, *needed)))
}

/// What is known of one connection: what the call says, else what its files say.
#[derive(Debug)]
pub(super) struct Provided<'k> {
    /// The address of the client.
    pub(super) ip: IpAddr,
    given: &'k GivenFacts,
    categories: GivenFacts,
    geo: Option<GeoFacts<'k>>,
}

impl Provided<'_> {
    /// What could not be read of what was asked for.
    pub(super) fn failure(&self) -> Option<&str> {
        self.geo.as_ref()?.failure()
    }
}

impl FactProvider for Provided<'_> {
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        let given = self.given.get(fact).or_else(|| self.categories.get(fact));
        given.or_else(|| self.geo.as_ref()?.get(fact)).map(Borrowed::Value)
    }
}
