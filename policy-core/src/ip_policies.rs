//! IP policies: named lists of networks that `restrict-ips` refers to by id.
//!
//! Source: ngrok API reference, IP policies (2026-08-07): ids `ipp_…`, rules of a CIDR with a mask and an
//! action, `allow` or `deny`.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, did_you_mean, shorten};
use crate::options::CheckOptions;
use crate::parse::{self, NodeKind, NodeRef};
use crate::reader::{DUPLICATE, Fields, Reader};
use crate::schema::{
    Choice, CidrItem, Context, Declared, Field, Items, Kind, Literal, Network, Record, Value as AnyValue,
};
use crate::source::{Source, Spanned};

static INVALID_ID: Code = Code::error("TP438", "invalid-ip-policy").ngrok(&["ERR_NGROK_1402"]);

/// The codes this file raises.
pub(crate) static CODES: &[&Code] = &[&INVALID_ID];

/// One IP policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpPolicy {
    /// Its id, `ipp_…`.
    pub id: Box<str>,
    /// Networks of its rules that allow.
    pub allow: Vec<IpNetwork>,
    /// Networks of its rules that deny.
    pub deny: Vec<IpNetwork>,
}

/// IP policies by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpPolicies {
    policies: BTreeMap<Box<str>, IpPolicy>,
}

impl IpPolicies {
    /// The policy of an id. O(log policies).
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&IpPolicy> {
        self.policies.get(id)
    }

    /// All of them, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = &IpPolicy> {
        self.policies.values()
    }

    pub(crate) fn nearest(&self, id: &str) -> Option<&str> {
        // Comparing with every one would take long for many.
        did_you_mean(id, self.policies.keys().map(|id| &**id).take(200))
    }
}

static ID: Field<Literal> = Field::required("id", Literal(64), "id: ipp_office", "The id, `ipp_…`.");
static CIDR: Field<Network> = Field::required("cidr", Network, "cidr: 203.0.113.0/24", "The network.");
static ACTION: Field<Choice<bool>> = Field::required(
    "action",
    Choice { of: &[("allow", true), ("deny", false)] },
    "action: allow",
    "What the rule does.",
);
static DESCRIPTION: Field<Literal> = Field::optional("description", Literal(255), "What it is for.");
static METADATA: Field<AnyValue> = Field::optional("metadata", AnyValue, "Anything.");
static RULES: Field<Items<Record<(CidrItem, bool)>>> = Field::required(
    "rules",
    Items::of(Record {
        fields: &[&CIDR, &ACTION, &DESCRIPTION, &METADATA],
        ignored: IGNORED,
        read: |fields, cx| {
            let (cidr, action) = (cx.read(fields, &CIDR), cx.read(fields, &ACTION));
            cx.optional(fields, &DESCRIPTION);
            Some((cidr?, action?))
        },
    }),
    "rules: [{cidr: 203.0.113.0/24, action: allow}]",
    "Its rules.",
);
const POLICY_FIELDS: Declared = &[&ID, &RULES, &DESCRIPTION, &METADATA];
/// What answers of the API have beside.
const IGNORED: &[(&str, &str)] = &[
    ("uri", "it names the object in the API; remove it"),
    ("created_at", "remove it"),
    ("ip_policy_id", "the rule stands below its policy; remove it"),
];

/// Reads a file of IP policies: a list, or a map with the list under `ip_policies`.
///
/// ```
/// use policy_core::{ip_policies::load_ip_policies, source::Source};
/// let source = Source::new("ip-policies.yml", "
/// - id: ipp_office
///   rules: [{cidr: 203.0.113.0/24, action: allow}]
/// ");
/// let (policies, found) = load_ip_policies(&source);
/// assert!(found.is_empty());
/// assert!(policies.expect("no errors").get("ipp_office").is_some());
/// ```
#[must_use]
pub fn load_ip_policies(source: &Source) -> (Option<IpPolicies>, Diagnostics) {
    let mut found = Diagnostics::default();
    let options = CheckOptions::default();
    let document = parse::parse(source, &options.limits, &mut found);
    let reader = Reader::new(&document, &options);
    let policies = document.root().and_then(|root| read(root, &reader));
    found.append(reader.into_diagnostics());
    found.sort();
    (policies.filter(|_| !found.has_errors()), found)
}

fn read<'d>(root: NodeRef<'d>, reader: &Reader<'d>) -> Option<IpPolicies> {
    let list = match root.kind() {
        NodeKind::Mapping(_) => {
            let fields = Fields::of(root)?;
            let owner = ("the file", root.span().at_start());
            fields.required(reader, "ip_policies", owner, "ip_policies: [{id: ipp_office, rules: […]}]")?
        }
        NodeKind::Scalar(_) | NodeKind::Sequence(_) => root,
    };
    let cx = Context { reader, place: None, owner: ("the file", root.span().at_start()) };
    let policy: Record<Read> = Record {
        fields: POLICY_FIELDS,
        ignored: IGNORED,
        read: |fields, cx| {
            let (id, rules) = (cx.read(fields, &ID), cx.read(fields, &RULES));
            cx.optional(fields, &DESCRIPTION);
            Some(Read { id: id?, rules: rules? })
        },
    };
    let read = Items::of(policy).read(list, "the IP policies", &cx)?;
    let mut out = IpPolicies::default();
    for Read { id, rules } in read {
        if !id.value.starts_with("ipp_") {
            let message = format!("`{}` is not the id of an IP policy", shorten(&id.value));
            let found = Diagnostic::new(&INVALID_ID, id.span, message);
            reader.report(found.with_help("an id begins with `ipp_`"));
        }
        if out.get(&id.value).is_some() {
            let message = format!("the IP policy `{}` is given twice", shorten(&id.value));
            let found = Diagnostic::new(&DUPLICATE, id.span, message);
            reader.report(found.with_help("use each id only once"));
        }
        let mut policy = IpPolicy { id: id.value, allow: Vec::new(), deny: Vec::new() };
        for (cidr, allow) in rules {
            let list = if allow { &mut policy.allow } else { &mut policy.deny };
            list.push(cidr.value);
        }
        out.policies.entry(policy.id.clone()).or_insert(policy);
    }
    Some(out)
}

/// A policy as read.
struct Read {
    id: Spanned<Box<str>>,
    rules: Vec<(CidrItem, bool)>,
}
