//! Reads scenario files.

use std::cell::Cell;
use std::time::Duration;

use super::expect::{self, Expected};
use super::kinds::{Address, Facts, KeyFiles, PathOr, Reason, Secrets, Targets};
use super::{Asked, Case, CaseStep, Scenarios};
use crate::message::{Request, Response};
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{Fields, Reader, head};
use crate::requests::{REQUEST_MAP, RESPONSE_MAP, Time};
use crate::schema::{
    Boolean, Context, Count, Declared, DurationField, Field, FilePath, Integer, Items, Literal, Name,
    OneOrMore, Part,
};
use crate::source::Spanned;

/// Cases of a file.
const MAX_CASES: usize = 100_000;
/// Addresses, or requests, of a case.
const MAX_ASKED: usize = 10_000;
/// Steps of a case after its first.
const MAX_STEPS: usize = 1_000;
/// Questions of a file: each address with each request, as often as its step is asked.
const MAX_QUESTIONS: u64 = 1_000_000;
/// Entries of the maps of cases and steps that are joined with others.
const MAX_JOINED: usize = 1_000_000;
/// How often a step may be asked.
const MAX_REPEAT: u32 = 10_000;

static POLICY: Field<FilePath> = Field::required(
    "policy",
    FilePath,
    "policy: device1.yml",
    "The policy, or the configuration of an edge or agent; like all paths relative to this file.",
);
static AGENTS: Field<OneOrMore<FilePath>> = Field::optional(
    "agents",
    OneOrMore(Items::new(FilePath).between(1, 1_000)),
    "Configurations of agents that are connected to the edge, with their endpoints and policies.",
);
static IP_POLICIES: Field<FilePath> =
    Field::optional("ip_policies", FilePath, "IP policies that `restrict-ips` may name.");
static GEOIP: Field<OneOrMore<FilePath>> = Field::optional(
    "geoip",
    OneOrMore(Items::new(FilePath).between(1, 16)),
    "Databases in the format of MaxMind, for places and autonomous systems.",
);
static CATEGORIES: Field<FilePath> =
    Field::optional("categories", FilePath, "Categories of addresses: networks by category.");
static DEFAULTS: Field<Part> = Field::optional(
    "defaults",
    Part::map(ASKED),
    "What every case is asked with unless it says otherwise; entries of maps join those of a case.",
);
static CASES: Field<Part> = Field::required("cases", Part::list(CASE), "cases: […]", "The cases, in order.");

static NAME: Field<Name> =
    Field::required("name", Name, "name: the office reaches device1", "Its name, once in a file.");
static SKIP: Field<Reason> =
    Field::optional("skip", Reason, "Why the case is not run; skipped cases are counted.");
static REACH: Field<Part> =
    Field::optional("reach", Part::new("map"), "Who reaches a target, proved; not available yet.");
static IP: Field<OneOrMore<Address>> = Field::optional(
    "ip",
    OneOrMore(Items::new(Address).between(1, MAX_ASKED)),
    "The source address of the connection; of a list each is asked.",
);
static ENDPOINT: Field<Literal> = Field::optional(
    "endpoint",
    Literal(1_024),
    "Where the connection comes in: of a configuration a name or URL, of a policy the URL of its endpoint.",
);
static REQUEST: Field<OneOrMoreRequests> = Field::optional(
    "request",
    OneOrMoreRequests,
    "A request over the connection; of a list each is sent. A HAR file has an entry behind its `#`.",
);
static RESPONSE: Field<PathOr<Response>> =
    Field::optional("response", PathOr(RESPONSE_MAP), "What the upstream answers.");
static TARGETS: Field<Targets> = Field::optional(
    "targets",
    Targets,
    "What becomes of targets, and of servers that `http-request` asks; others count as online.",
);
static SET: Field<Facts> = Field::optional("set", Facts, "Facts that the policy reads.");
static SECRETS: Field<Secrets> = Field::optional("secrets", Secrets, "Secrets that the policy reads.");
static KEYS: Field<KeyFiles> =
    Field::optional("keys", KeyFiles, "Sets of keys (JWKS) that the policy fetches.");
static LOGIN: Field<Literal> =
    Field::optional("login", Literal(320), "Who is logged in, where the policy asks for a login.");
static NOW: Field<Time> = Field::optional("now", Time, "What time it is when the case begins.");
static SEED: Field<Integer> =
    Field::optional("seed", Integer(0, i64::MAX), "A number that decides what is drawn.");
static HAS_UPSTREAM: Field<Boolean> = Field::optional(
    "has_upstream",
    Boolean,
    "The endpoint of the policy has an upstream of its own, which gets what the policy does not handle.",
);
static REPEAT: Field<Count> = Field::default(
    "repeat",
    Count(MAX_REPEAT),
    "1",
    "How often it is asked; the expectation counts each time.",
);
static AFTER: Field<DurationField> = Field::optional(
    "after",
    DurationField::any(),
    "How much later this step comes than the one before, for rate limits, circuit breakers and `time.now`.",
);
static EXPECT: Field<crate::schema::Record<Expected>> =
    Field::required("expect", expect::RECORD, "expect: {deny: true}", "What should be answered.");
static THEN: Field<Part> = Field::optional(
    "then",
    Part::list(STEP),
    "Further steps with the counts of those before; what one does not say is that of the case.",
);

pub(crate) const TOP: Declared = &[&POLICY, &AGENTS, &IP_POLICIES, &GEOIP, &CATEGORIES, &DEFAULTS, &CASES];
const ASKED: Declared = &[
    &IP,
    &ENDPOINT,
    &REQUEST,
    &RESPONSE,
    &TARGETS,
    &SET,
    &SECRETS,
    &KEYS,
    &LOGIN,
    &NOW,
    &SEED,
    &HAS_UPSTREAM,
];
pub(super) const CASE: Declared = &[
    &NAME,
    &SKIP,
    &IP,
    &ENDPOINT,
    &REQUEST,
    &RESPONSE,
    &TARGETS,
    &SET,
    &SECRETS,
    &KEYS,
    &LOGIN,
    &NOW,
    &SEED,
    &HAS_UPSTREAM,
    &REPEAT,
    &EXPECT,
    &THEN,
];
/// The same with what is told to be not available yet.
const KNOWN: Declared = &[
    &NAME,
    &SKIP,
    &IP,
    &ENDPOINT,
    &REQUEST,
    &RESPONSE,
    &TARGETS,
    &SET,
    &SECRETS,
    &KEYS,
    &LOGIN,
    &NOW,
    &SEED,
    &HAS_UPSTREAM,
    &REPEAT,
    &EXPECT,
    &THEN,
    &REACH,
];
const STEP: Declared =
    &[&AFTER, &IP, &REQUEST, &RESPONSE, &TARGETS, &SET, &SECRETS, &KEYS, &LOGIN, &REPEAT, &EXPECT];

/// One request, or a list of them.
#[derive(Clone, Copy, Debug)]
struct OneOrMoreRequests;

impl crate::schema::Kind for OneOrMoreRequests {
    type Value = Vec<super::FileOr<Request>>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        let one = PathOr(REQUEST_MAP);
        match node.kind() {
            NodeKind::Sequence(_) => Items::new(one).between(1, MAX_ASKED).read(node, what, cx),
            NodeKind::Scalar(_) | NodeKind::Mapping(_) => one.read(node, what, cx).map(|value| vec![value]),
        }
    }

    fn describe(&self) -> String {
        "path, a map with the fields of a request file, or a list of these".to_owned()
    }
}

/// True for a document that is a scenario file.
pub(crate) fn looks_like_scenarios(top: &Fields<'_>) -> bool {
    let cases = top.get(CASES.name()).is_some_and(|node| node.is_list());
    cases && (top.get(POLICY.name()).is_some() || top.get(DEFAULTS.name()).is_some())
}

pub(super) fn scenarios<'d>(root: NodeRef<'d>, reader: &Reader<'d>) -> Option<Scenarios> {
    let owner = ("the scenario file", head(root).at_start());
    let cx = Context { reader, place: None, owner };
    let top = cx.map(root, owner.0, TOP, &[])?;
    let policy = cx.read(&top, &POLICY);
    let (ip_policies, geoip) = (cx.optional(&top, &IP_POLICIES), cx.optional(&top, &GEOIP));
    let (agents, categories) = (cx.optional(&top, &AGENTS), cx.optional(&top, &CATEGORIES));
    let defaults = match cx.part(&top, &DEFAULTS) {
        Some(entry) => cx.map(entry.value, "`defaults`", ASKED, &[]).and_then(|fields| asked(&fields, &cx)),
        None => Some(Asked::default()),
    };
    // What is wrong with the defaults says nothing of the cases.
    let base = defaults.clone().unwrap_or_default();
    let room = Room { joined: Cell::new(MAX_JOINED), questions: Cell::new(MAX_QUESTIONS) };
    let cases: Vec<Case> = cx.each(&top, &CASES, |node| case(node, &base, (&cx, &room)))?;
    if cases.len() > MAX_CASES {
        let help = "spread them over several files";
        cx.invalid(owner.1, format!("there are more than {MAX_CASES} cases"), help);
    }
    cx.unique("name", cases.iter().map(|case| (&*case.name.value, case.name.span)), true)?;
    defaults?;
    let (policy, geoip, agents) = (policy?, geoip?.unwrap_or_default(), agents?.unwrap_or_default());
    Some(Scenarios { policy, agents, ip_policies: ip_policies?, geoip, categories: categories?, cases })
}

/// What the cases of a file may still take.
struct Room {
    joined: Cell<usize>,
    questions: Cell<u64>,
}

impl Room {
    /// What a map says over a base.
    fn over(&self, own: Asked, base: &Asked, cx: &Context<'_, '_>) -> Option<Asked> {
        let asked = own.over(base, &self.joined);
        // Once: nothing has room after it.
        if asked.is_none() && self.joined.replace(0) > 0 {
            let message = format!("maps that join those of `defaults` have more than {MAX_JOINED} entries");
            cx.invalid(
                cx.owner.1,
                message,
                "let `defaults` say less, or spread the cases over several files",
            );
        }
        asked
    }

    /// Takes the questions of a step.
    fn ask(&self, step: &CaseStep, cx: &Context<'_, '_>) -> Option<()> {
        let asked = step.asked.questions().saturating_mul(u64::from(step.repeat));
        match self.questions.get().checked_sub(asked) {
            Some(left) => self.questions.set(left),
            None => {
                if self.questions.replace(0) > 0 {
                    let message = format!("the cases of a file ask more than {MAX_QUESTIONS} times");
                    let help = "ask fewer addresses and requests, or less often: each address is asked with each request";
                    cx.invalid(step.span, message, help);
                }
                return None;
            }
        }
        Some(())
    }
}

fn case<'d>(node: NodeRef<'d>, base: &Asked, (cx, room): (&Context<'_, 'd>, &Room)) -> Option<Case> {
    let fields = cx.map(node, "a case", KNOWN, &[])?;
    let cx = &cx.with_owner(("a case", head(node)));
    let name = cx.read(&fields, &NAME);
    let skip = cx.optional(&fields, &SKIP);
    let reach = fields.get(REACH.name()).map(head);
    if let Some(span) = reach {
        // Skipped cases are for later too.
        if skip.as_ref().is_none_or(Option::is_none) {
            let message = "`reach` is proved, and proofs are not available yet";
            let help = "ask addresses with `ip` and `expect`, or skip the case with a reason";
            cx.invalid(span, message, help);
        }
        let steps = Vec::new();
        return Some(Case { name: name?, skip: skip?, steps });
    }
    let own = asked(&fields, cx).and_then(|own| room.over(own, base, cx));
    let first = step(&fields, Duration::ZERO, own.clone(), (cx, room));
    let own = own.unwrap_or_default();
    let then = cx.each(&fields, &THEN, |node| then(node, &own, (cx, room))).unwrap_or_default();
    if then.len() > MAX_STEPS {
        cx.invalid(head(node), format!("a case has more than {MAX_STEPS} steps"), "make several cases of it");
    }
    let mut steps = vec![first?];
    steps.extend(then);
    if own.ips.is_none() {
        let example = "ip: 203.0.113.42";
        fields.required(cx.reader, IP.name(), cx.owner, example);
    }
    Some(Case { name: name?, skip: skip?, steps })
}

fn then<'d>(node: NodeRef<'d>, base: &Asked, (cx, room): (&Context<'_, 'd>, &Room)) -> Option<CaseStep> {
    let fields = cx.map(node, "a step", STEP, &[])?;
    let cx = &cx.with_owner(("a step", head(node)));
    let after = cx.optional(&fields, &AFTER);
    let own = asked(&fields, cx).and_then(|own| room.over(own, base, cx));
    step(&fields, after?.unwrap_or_default(), own, (cx, room))
}

fn step<'d>(
    fields: &Fields<'d>,
    after: Duration,
    own: Option<Asked>,
    (cx, room): (&Context<'_, 'd>, &Room),
) -> Option<CaseStep> {
    let (repeat, expect) = (cx.read(fields, &REPEAT), cx.read(fields, &EXPECT));
    let step = CaseStep { span: cx.owner.1, after, repeat: repeat?, asked: own?, expect: expect? };
    room.ask(&step, cx)?;
    Some(step)
}

/// What a map says of a connection; fields that it may not have were reported.
fn asked<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Asked> {
    let (ips, endpoint) = (cx.optional(fields, &IP), cx.optional(fields, &ENDPOINT));
    let (requests, response) = (cx.optional(fields, &REQUEST), cx.optional(fields, &RESPONSE));
    let (targets, set) = (cx.optional(fields, &TARGETS), cx.optional(fields, &SET));
    let (secrets, keys) = (cx.optional(fields, &SECRETS), cx.optional(fields, &KEYS));
    let (login, now) = (cx.optional(fields, &LOGIN), cx.optional(fields, &NOW));
    let (seed, has_upstream) = (cx.optional(fields, &SEED), cx.optional(fields, &HAS_UPSTREAM));
    Some(Asked {
        ips: ips?.map(Into::into),
        endpoint: endpoint?,
        requests: requests?.map(Into::into),
        response: response?,
        targets: targets?.unwrap_or_default().into(),
        set: set?.unwrap_or_default().into(),
        secrets: secrets?.unwrap_or_default().into(),
        keys: keys?.unwrap_or_default().into(),
        login: login?.map(|login: Spanned<Box<str>>| login.value),
        now: now?,
        seed: seed?.and_then(|seed| u64::try_from(seed).ok()),
        has_upstream: has_upstream?,
    })
}
