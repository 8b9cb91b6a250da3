//! Declared fields: what a map may hold, of what kind, within which limits, with which default.
//!
//! A `Field` is declared once, beside the type it is read into. From the declaration follow the reading with
//! its diagnostics, the names that are known, and the tables of the documentation.

mod durations;
mod entries;
mod kinds;
mod networks;
mod texts;

use std::fmt;

use crate::diagnostic::{Diagnostic, codes, shorten};
use crate::flow::Flow;
use crate::options::EndpointTraits;
use crate::parse::NodeRef;
use crate::phase::Phase;
use crate::reader::{Field as Entry, Fields, Keys, LEGACY_FIELD, Reader};
use crate::source::Span;

pub(crate) use durations::DurationField;
pub(crate) use entries::{
    ENTRY_COUNT, Entries, EntryKeys, HeaderValue, Items, RELATED_FIELD, Record, check_removed_header, needs,
};
pub(crate) use kinds::{Boolean, Choice, Count, Fraction, Integer, OneOrMore, Part, SingleOrList};
pub use networks::CidrItem;
pub(crate) use networks::{
    HOST_BITS, Network, NetworkItem, NetworkOrTemplate, code_of, host_bits, not_a_network,
};
pub(crate) use texts::{AnyMap, Condition, FilePath, Interpolated, Literal, Name, Regex, Value, WebUrl};
pub use texts::{ConfigValue, Text};

codes! {
    ..entries;
    ..networks;
    ..texts;
}

/// Where a map is read: what its values may refer to, and who it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'r, 'd> {
    pub(crate) reader: &'r Reader<'d>,
    /// Where expressions stand; `None` outside of policies.
    pub(crate) place: Option<PolicySite<'r>>,
    /// What a missing field is missing of, and where that stands.
    pub(crate) owner: (&'r str, Span),
}

/// A place in a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicySite<'r> {
    pub(crate) phase: Phase,
    pub(crate) endpoint: EndpointTraits,
    pub(crate) flow: &'r Flow,
}

impl<'r, 'd> Context<'r, 'd> {
    /// The same for a map inside.
    pub(crate) const fn with_owner<'s>(&self, owner: (&'s str, Span)) -> Context<'s, 'd>
    where
        'r: 's,
    {
        Context { reader: self.reader, place: self.place, owner }
    }

    /// The phase, if this is in a policy.
    pub(crate) fn phase(&self) -> Option<Phase> {
        self.place.map(|place| place.phase)
    }

    /// The value of a field that is required or has a default; `None` if it is unusable, which has been
    /// reported.
    pub(crate) fn read<K: Kind>(&self, fields: &Fields<'d>, field: &Field<K>) -> Option<K::Value> {
        match self.optional(fields, field)? {
            Some(value) => Some(value),
            // Of one that is required `optional` has told.
            None => field.default_value(),
        }
    }

    /// The value of a field that may be missing; `None` if it is unusable or required, which has been reported.
    pub(crate) fn optional<K: Kind>(
        &self,
        fields: &Fields<'d>,
        field: &Field<K>,
    ) -> Option<Option<K::Value>> {
        let name = field.name;
        let Some(entry) = self.entry(fields, field) else {
            let names: Vec<&str> = field.aliases.iter().copied().chain([name]).collect();
            if let Some(misspelt) = fields.misspelt(&names) {
                // It counts as given; that it is wrong has been said.
                let silent = self.reader.fresh();
                let cx = Context { reader: &silent, ..*self };
                return field.kind.read(misspelt.value, &format!("`{name}`"), &cx).map(Some);
            }
            if let Need::Required(example) = field.need {
                fields.required(self.reader, name, self.owner, example)?;
            }
            return Some(None);
        };
        for repeat in fields.repeats(entry.key) {
            field.kind.read(repeat.value, &format!("`{}`", entry.key), self);
        }
        field.kind.read(entry.value, &format!("`{}`", entry.key), self).map(Some)
    }

    /// The entry of a field, by its name or an older one, of which is told.
    fn entry<K>(&self, fields: &Fields<'d>, field: &Field<K>) -> Option<Entry<'d>> {
        let mut entry = fields.field(field.name);
        for alias in field.aliases {
            let Some(old) = fields.field(alias) else { continue };
            self.legacy_name(fields, &old, field.name, field.both_right || fields.old_names);
            entry = entry.or(Some(old));
        }
        entry
    }

    /// The entry of a part that is read by code of its own; one that is required and missing is reported.
    pub(crate) fn part(&self, fields: &Fields<'d>, field: &Field<Part>) -> Option<Entry<'d>> {
        let entry = self.entry(fields, field);
        if let (None, Need::Required(example)) = (entry, field.need) {
            fields.required(self.reader, field.name, self.owner, example);
        }
        entry
    }

    /// The items of a part that is a list, as far as they can be read: what is wrong with one says nothing of others.
    pub(crate) fn each<T>(
        &self,
        fields: &Fields<'d>,
        field: &Field<Part>,
        read: impl Fn(NodeRef<'d>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let entry = self.part(fields, field)?;
        let items = self.reader.list(entry.value, &format!("`{}`", entry.key)).unwrap_or_default();
        Some(items.into_iter().filter_map(read).collect())
    }

    /// Reads fields for their diagnostics only.
    pub(crate) fn check_all(&self, fields: &Fields<'d>, declared: Declared) {
        declared.iter().for_each(|field| field.check(fields, self));
    }

    fn legacy_name(&self, fields: &Fields<'d>, old: &Entry<'_>, name: &str, both_right: bool) {
        let taken = fields.field(name).is_some();
        if both_right && !taken {
            return;
        }
        let key = old.key;
        let found = match taken {
            true => {
                let message = format!("`{key}` is the older name of `{name}`, which is given as well");
                Diagnostic::new(&LEGACY_FIELD, old.span, message).with_help("remove it")
            }
            false => {
                let message = format!("`{key}` is the older name of `{name}`");
                let found = Diagnostic::new(&LEGACY_FIELD, old.span, message);
                found.with_help(format!("write `{name}`")).with_fix_at(true, old.content, name)
            }
        };
        self.reader.report(found);
    }

    /// Reports an invalid value.
    pub(crate) fn invalid(&self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.reader.invalid(span, message, help);
    }

    /// The entries of a map of declared fields.
    pub(crate) fn map(
        &self,
        node: NodeRef<'d>,
        what: &str,
        declared: Declared,
        ignored: &'static [(&'static str, &'static str)],
    ) -> Option<Fields<'d>> {
        let mut known: Vec<&'static str> = declared.iter().map(|field| field.name()).collect();
        // Those a message lists come first.
        known.extend(declared.iter().flat_map(|field| field.aliases()));
        let shown = declared.len();
        self.reader.map(node, what, Keys { known: &known, shown, legacy: ignored })
    }
}

/// What a value can be.
pub(crate) trait Kind {
    /// What it is read into.
    type Value;

    /// Reads a value; `None` if it is unusable, which has been reported. `what` names it in messages.
    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value>;

    /// The value of a default, as the declaration writes it.
    fn parse_default(&self, _: &'static str) -> Option<Self::Value> {
        None
    }

    /// For the documentation: `whole number, 1 to 10`.
    fn describe(&self) -> String;

    /// True if `${…}` is evaluated in it.
    fn interpolates(&self) -> bool {
        false
    }

    /// True if nobody but the author of the file should read it.
    fn is_secret(&self) -> bool {
        false
    }

    /// What parts of the value are for nobody's eyes, or for all, apart from its being a secret.
    fn holds(&self) -> Holds {
        Holds::Other
    }

    /// The fields below, if it is a map of declared ones or holds such maps.
    fn below(&self) -> Below {
        Below::Nothing
    }
}

/// Declared fields of any kind.
pub(crate) type Declared = &'static [&'static dyn Declaration];

/// What stands below a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Below {
    /// No declared fields.
    Nothing,
    /// A map.
    Map(Declared),
    /// A list of maps.
    List(Declared),
}

/// What stands in a value, as far as secrets in it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing of these.
    Other,
    /// A URL that some write without its scheme: a name and a password may come first.
    BareUrl,
    /// Headers: their names are no secrets.
    Headers,
}

/// Which name tells that a field is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ToldBy {
    /// That of the field.
    OwnName,
    /// That of the field above it: its own is a plain word.
    NameAbove,
}

/// Whether a field must be given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Yes; with an example.
    Required(&'static str),
    /// No, and nothing takes its place.
    Optional,
    /// No, and this takes its place.
    Default(&'static str),
}

/// A declared field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<K> {
    name: &'static str,
    kind: K,
    need: Need,
    doc: &'static str,
    aliases: &'static [&'static str],
    /// True if the aliases are as good as the name.
    both_right: bool,
    secret: bool,
    told_by: ToldBy,
    holds: Holds,
}

impl<K: Copy> Field<K> {
    /// A field that must be given; `example` shows how.
    pub(crate) const fn required(
        name: &'static str,
        kind: K,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, kind, Need::Required(example), doc)
    }

    /// A field that may be missing.
    pub(crate) const fn optional(name: &'static str, kind: K, doc: &'static str) -> Self {
        Self::new(name, kind, Need::Optional, doc)
    }

    /// A field with a default.
    pub(crate) const fn default(
        name: &'static str,
        kind: K,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, kind, Need::Default(default), doc)
    }

    const fn new(name: &'static str, kind: K, need: Need, doc: &'static str) -> Self {
        let (told_by, holds) = (ToldBy::OwnName, Holds::Other);
        Self { name, kind, need, doc, aliases: &[], both_right: false, secret: false, told_by, holds }
    }

    /// Older names, each read with a warning.
    pub(crate) const fn formerly(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Other names that are as good.
    pub(crate) const fn or_named(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, both_right: true, ..self }
    }

    /// Its value is for nobody's eyes: findings and excerpts never show it.
    pub(crate) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// That it is secret is told by the name of the field above it.
    pub(crate) const fn told_by_name_above(self) -> Self {
        Self { told_by: ToldBy::NameAbove, ..self }
    }

    /// Its value is a URL that some write without its scheme.
    pub(crate) const fn bare_url(self) -> Self {
        Self { holds: Holds::BareUrl, ..self }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// True for its name and its older ones.
    pub(crate) fn is_named(&self, key: &str) -> bool {
        self.name == key || self.aliases.contains(&key)
    }
}

impl<K: Kind> Field<K> {
    /// What takes the place of a field that is not given.
    pub(crate) fn default_value(&self) -> Option<K::Value> {
        match self.need {
            Need::Default(text) => self.kind.parse_default(text),
            Need::Required(_) | Need::Optional => None,
        }
    }
}

/// The names of declared fields, older ones included.
pub(crate) fn names(declared: Declared) -> impl Iterator<Item = &'static str> + Clone {
    declared.iter().flat_map(|field| field.aliases().iter().copied().chain([field.name()]))
}

/// A [`Field`] of any kind, as far as it describes itself.
pub(crate) trait Declaration: Sync {
    fn name(&self) -> &'static str;
    fn aliases(&self) -> &'static [&'static str];
    fn need(&self) -> Need;
    fn doc(&self) -> &'static str;
    fn describe(&self) -> String;
    fn interpolates(&self) -> bool;
    fn below(&self) -> Below;
    fn is_secret(&self) -> bool;
    fn told_by(&self) -> ToldBy;
    fn holds(&self) -> Holds;
    /// Reads the field for its diagnostics only.
    fn check<'d>(&self, fields: &Fields<'d>, cx: &Context<'_, 'd>);
    /// True if there is no default, or its text is a value.
    #[cfg(test)]
    fn default_is_sound(&self) -> bool;
}

impl<K: Kind + Sync> Declaration for Field<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn need(&self) -> Need {
        self.need
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn describe(&self) -> String {
        self.kind.describe()
    }

    fn interpolates(&self) -> bool {
        self.kind.interpolates()
    }

    fn below(&self) -> Below {
        self.kind.below()
    }

    fn is_secret(&self) -> bool {
        self.secret || self.kind.is_secret()
    }

    fn told_by(&self) -> ToldBy {
        self.told_by
    }

    fn holds(&self) -> Holds {
        match self.holds {
            Holds::Other => self.kind.holds(),
            declared => declared,
        }
    }

    fn check<'d>(&self, fields: &Fields<'d>, cx: &Context<'_, 'd>) {
        cx.optional(fields, self);
    }

    #[cfg(test)]
    fn default_is_sound(&self) -> bool {
        match self.need {
            Need::Default(text) => self.kind.parse_default(text).is_some(),
            Need::Required(_) | Need::Optional => true,
        }
    }
}

impl fmt::Debug for dyn Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.name())
    }
}

/// A row of the table of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldDoc {
    /// How it is reached: `http.tokens[].name`.
    pub path: String,
    /// What it can be.
    pub kind: String,
    /// True if it must be given.
    pub required: bool,
    /// What takes its place.
    pub default: Option<&'static str>,
    /// True if `${…}` is evaluated in it.
    pub interpolates: bool,
    /// One sentence.
    pub doc: &'static str,
}

/// The rows of declared fields, those below a field after it.
pub(crate) fn rows(declared: Declared) -> Vec<FieldDoc> {
    let mut out = Vec::new();
    add_rows("", declared, &mut out);
    out
}

// Declarations are nested as deep as `jws.keys.sources.additional_jkus`.
fn add_rows(above: &str, declared: Declared, out: &mut Vec<FieldDoc>) {
    for field in declared {
        let path = format!("{above}{}", field.name());
        let (required, default) = match field.need() {
            Need::Required(_) => (true, None),
            Need::Optional => (false, None),
            Need::Default(text) => (false, Some(text)),
        };
        out.push(FieldDoc {
            path: path.clone(),
            kind: field.describe(),
            required,
            default,
            interpolates: field.interpolates(),
            doc: field.doc(),
        });
        match field.below() {
            Below::Nothing => {}
            Below::Map(declared) => add_rows(&format!("{path}."), declared, out),
            Below::List(declared) => add_rows(&format!("{path}[]."), declared, out),
        }
    }
}

/// `a`, `b` or `c`, in backticks.
pub(crate) fn alternatives<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{}`", shorten(name))).collect();
    match &*names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}
