//! IP policies: named lists of networks that `restrict-ips` refers to by id.
//!
//! Source: ngrok API reference, IP policies (2026-08-07): ids `ipp_…`, rules of a CIDR with a mask and an
//! action, `allow` or `deny`. `files`, for lists that are too long to be rules, are ours.

mod files;
mod list;
mod places;
mod unpack;

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, codes, shorten};
use crate::ip_policy::is_id;
pub use crate::ip_policy::{IpPolicies, IpPolicy};
use crate::language::language;
use crate::named_file::NamedFile;
use crate::options::CheckOptions;
use crate::parse::{Document, NodeKind, NodeRef};
use crate::reader::{DUPLICATE, Fields, Reader};
use crate::schema::{
    Choice, CidrItem, Context, Declared, ENTRY_COUNT, Field, FieldDoc, Items, Kind, Literal, Network, Part,
    Record, Value as AnyValue, rows,
};
use crate::source::{Source, Spanned};

pub(crate) use files::load_within;
pub use files::{IpPolicyFiles, MAX_FILES, ReadList, load_ip_policy_files};
pub use list::{ListReader, LoadedList, MAX_LINE_BYTES, MAX_NETWORKS};
pub use places::{ListedAt, find_network};
pub use unpack::{unpack, unpack_stream};

codes! {
    static INVALID_ID = error("TP438", "invalid-ip-policy", ERR_NGROK_1402);
    ..list;
}

/// What rules and files do; true for what is allowed.
const ACTIONS: &[(&str, bool)] = &[("allow", true), ("deny", false)];
static IP_POLICIES: Field<Part> = Field::required(
    "ip_policies",
    Part::list(POLICY_FIELDS),
    "ip_policies: [{id: ipp_office, rules: […]}]",
    "The IP policies.",
);
static ID: Field<Literal> = Field::required("id", Literal(64), "id: ipp_office", "The id, `ipp_…`.");
static CIDR: Field<Network> = Field::required("cidr", Network, "cidr: 203.0.113.0/24", "The network.");
static ACTION: Field<Choice<bool>> =
    Field::required("action", Choice { of: ACTIONS }, "action: allow", "What the rule does.");
static DESCRIPTION: Field<Literal> = Field::optional("description", Literal(255), "What it is for.");
static METADATA: Field<AnyValue> = Field::optional("metadata", AnyValue, "Anything.");
static RULES: Field<Items<Record<(CidrItem, bool)>>> = Field::optional(
    "rules",
    Items::new(Record {
        fields: RULE_FIELDS,
        ignored: IGNORED,
        read: |fields, cx| {
            let (cidr, action) = (cx.read(fields, &CIDR), cx.read(fields, &ACTION));
            cx.optional(fields, &DESCRIPTION);
            Some((cidr?, action?))
        },
    }),
    "Its rules; required unless it has `files`.",
);
/// The path of a list file; true if its networks are allowed.
type FileItem = (Spanned<Box<str>>, bool);
static PATH: Field<Literal> =
    Field::required("path", Literal(1_024), "path: blocklist.txt", "The file; relative to this one.");
static FILES: Field<Items<Record<FileItem>>> = Field::optional(
    "files",
    Items::new(Record {
        fields: &[&PATH, &FILE_ACTION, &DESCRIPTION, &METADATA],
        ignored: &[],
        read: |fields, cx| {
            let (path, action) = (cx.read(fields, &PATH), cx.read(fields, &FILE_ACTION));
            cx.optional(fields, &DESCRIPTION);
            Some((path?, action?))
        },
    })
    .between(0, MAX_FILES),
    "List files whose networks are rules too.",
);
static FILE_ACTION: Field<Choice<bool>> = Field::required(
    "action",
    Choice { of: ACTIONS },
    "action: deny",
    "What the rules do that the file stands for.",
);
/// The fields of a file that is no list.
pub(crate) const TOP: Declared = &[&IP_POLICIES];
const POLICY_FIELDS: Declared = &[&ID, &RULES, &FILES, &DESCRIPTION, &METADATA];
const RULE_FIELDS: Declared = &[&CIDR, &ACTION, &DESCRIPTION, &METADATA];
/// What answers of the API have beside.
const IGNORED: &[(&str, &str)] = &[
    ("uri", "it names the object in the API; remove it"),
    ("created_at", "remove it"),
    ("ip_policy_id", "the rule is already listed under its policy; remove this field"),
];

/// What a page of such answers has beside.
const PAGE: &[(&str, &str)] = &[
    ("uri", "it names the list in the API; remove it"),
    ("next_page_uri", "it names the next page; remove it"),
];

/// The table of the fields of an IP policy.
#[must_use]
pub fn fields() -> Vec<FieldDoc> {
    rows(POLICY_FIELDS)
}

/// Reads a file of IP policies: a list, or a map with the list under `ip_policies`. One that names list files is
/// refused: [`load_ip_policy_files`] reads those too.
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
    let mut none = |name: &str, _: &mut dyn FnMut(&[u8])| {
        NamedFile::new(name.to_owned(), Err("list files are not read here".to_owned()))
    };
    let loaded = load_ip_policy_files(source, &CheckOptions::default(), &mut none);
    (loaded.usable, loaded.findings)
}

/// IP policies, and the list files whose networks they lack.
pub(crate) struct Written {
    policies: IpPolicies,
    lists: Vec<NamedList>,
}

/// A list file that IP policies name.
struct NamedList {
    path: Spanned<Box<str>>,
    /// The ids of those policies; true if the networks are allowed.
    of: Vec<(Box<str>, bool)>,
}

/// Checks a document of IP policies alone, without the list files it names.
pub(crate) fn check_document(
    document: &Document,
    options: &CheckOptions,
    found: &mut Diagnostics,
) -> Option<Written> {
    let reader = Reader::new(document, options, language());
    let written = document.root().and_then(|root| read(root, &reader));
    found.append(reader.into_diagnostics());
    written.filter(|_| !found.has_errors())
}

/// True for a document that is about IP policies, by its beginning.
pub(crate) fn looks_like_ip_policies(document: &Document) -> bool {
    let text = |node: NodeRef<'_>| match node.kind() {
        NodeKind::Scalar(scalar) => Some(scalar.text.to_owned()),
        NodeKind::Mapping(_) | NodeKind::Sequence(_) => None,
    };
    let list = match document.root().map(|root| (root, root.kind())) {
        Some((root, NodeKind::Mapping(_))) => {
            return Fields::from_node(root).is_some_and(|fields| fields.get(IP_POLICIES.name()).is_some());
        }
        Some((_, NodeKind::Sequence(list))) => list,
        Some((_, NodeKind::Scalar(_))) | None => return false,
    };
    let Some(first) = list.iter().next().and_then(Fields::from_node) else { return false };
    let has_id = first.get(ID.name()).and_then(text).is_some_and(|id| is_id(&id));
    has_id || is_policy(&first)
}

/// True for a map with nothing but fields of an IP policy and a rule that has nothing but its own: the id may be wrong.
fn is_policy(fields: &Fields<'_>) -> bool {
    let Some(NodeKind::Sequence(rules)) = fields.get(RULES.name()).map(NodeRef::kind) else { return false };
    let rule = rules.iter().next().and_then(Fields::from_node);
    let is_rule = |rule: &Fields<'_>| {
        [CIDR.name(), ACTION.name()].iter().all(|key| rule.get(key).is_some()) && has_only(rule, RULE_FIELDS)
    };
    has_only(fields, POLICY_FIELDS) && rule.as_ref().is_some_and(is_rule)
}

fn has_only(fields: &Fields<'_>, declared: Declared) -> bool {
    let is_known = |key: &str| {
        declared.iter().any(|field| field.name() == key) || IGNORED.iter().any(|(name, _)| *name == key)
    };
    fields.entries.iter().all(|field| field.key == ID.name() || is_known(field.key))
}

/// The list of IP policies: all of the file, or below a field of it.
fn list<'d>(root: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<NodeRef<'d>> {
    match root.kind() {
        NodeKind::Mapping(_) => {
            let fields = cx.map(root, cx.owner.0, TOP, PAGE)?;
            let example = "ip_policies: [{id: ipp_office, rules: […]}]";
            fields.required(cx.reader, IP_POLICIES.name(), cx.owner, example)
        }
        NodeKind::Scalar(_) | NodeKind::Sequence(_) => Some(root),
    }
}

fn read<'d>(root: NodeRef<'d>, reader: &Reader<'d>) -> Option<Written> {
    let cx = Context { reader, place: None, owner: ("the file", root.span().at_start()) };
    let list = list(root, &cx)?;
    let policy: Record<Read> = Record {
        fields: POLICY_FIELDS,
        ignored: IGNORED,
        read: |fields, cx| {
            let id = cx.read(fields, &ID);
            let (rules, files) = (cx.optional(fields, &RULES), cx.optional(fields, &FILES));
            cx.optional(fields, &DESCRIPTION);
            let (rules, files) = (rules?, files?);
            if rules.is_none() && files.is_none() {
                let example = "rules: [{cidr: 203.0.113.0/24, action: allow}]";
                fields.required(cx.reader, RULES.name(), cx.owner, example)?;
            }
            Some(Read { id: id?, rules: rules.unwrap_or_default(), files: files.unwrap_or_default() })
        },
    };
    let read = Items::new(policy).read(list, "the IP policies", &cx)?;
    let mut policies = IpPolicies::default();
    let (mut lists, mut known) = (Vec::new(), HashMap::new());
    for Read { id, rules, files } in read {
        if !is_id(&id.value) {
            let message = format!("`{}` is not the id of an IP policy", shorten(&id.value));
            let found = Diagnostic::new(&INVALID_ID, id.span, message);
            reader.report(found.with_help("an id begins with `ipp_`"));
        }
        if policies.get(&id.value).is_some() {
            let message = format!("the IP policy `{}` is given twice", shorten(&id.value));
            let found = Diagnostic::new(&DUPLICATE, id.span, message);
            reader.report(found.with_help("use each id only once"));
        }
        // A list that is allowed may be denied as well: nobody in it is permitted then.
        for action in [true, false] {
            let of = files.iter().filter(|(_, allow)| *allow == action);
            cx.unique("list file", of.map(|(path, _)| (&*path.value, path.span)), true);
        }
        for (path, allow) in files {
            let at = *known.entry(path.value.clone()).or_insert_with(|| {
                lists.push(NamedList { path, of: Vec::new() });
                lists.len() - 1
            });
            lists.get_mut(at).into_iter().for_each(|list| list.of.push((id.value.clone(), allow)));
        }
        let mut policy = IpPolicy { id: id.value, allow: Vec::new(), deny: Vec::new() };
        policy.take(rules.into_iter().map(|(cidr, allow)| (cidr.value, allow)));
        policies.add(policy);
    }
    if let Some(one) = lists.get(MAX_FILES) {
        let message = format!("the IP policies name more than {MAX_FILES} list files");
        let found = Diagnostic::new(&ENTRY_COUNT, one.path.span, message);
        reader.report(found.with_help("put the lists of the same action into one file"));
    }
    Some(Written { policies, lists })
}

/// A policy as read.
struct Read {
    id: Spanned<Box<str>>,
    rules: Vec<(CidrItem, bool)>,
    files: Vec<FileItem>,
}
