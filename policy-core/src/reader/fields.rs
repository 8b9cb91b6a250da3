//! The entries of maps, by their keys.

use super::{MISSING_FIELD, Reader};
use crate::diagnostic::Diagnostic;
use crate::parse::{NodeKind, NodeRef, Plain};
use crate::source::Span;

/// One entry of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'d> {
    pub(crate) key: &'d str,
    pub(crate) span: Span,
    /// Where the key stands letter by letter: what a fix may replace.
    pub(crate) content: Option<Span>,
    pub(crate) value: NodeRef<'d>,
}

impl Field<'_> {
    /// True for a key without a value.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.value.kind(), NodeKind::Scalar(scalar) if Plain::from_scalar(scalar) == Plain::Null)
    }
}

/// The entries of a map; of a repeated key the first counts.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'d> {
    pub(crate) entries: Vec<Field<'d>>,
    /// True if older names of fields are right here: the format itself is old.
    pub(crate) old_names: bool,
    /// True if some entry was not understood, or is given twice: what seems to be missing may be that.
    pub(crate) incomplete: bool,
    /// Entries whose key is near to one that is not given, which has been reported, by that key.
    pub(crate) misspelt: Vec<(&'static str, Field<'d>)>,
}

impl<'d> Fields<'d> {
    /// The entries of a map; `None` for any other node.
    pub(crate) fn from_node(node: NodeRef<'d>) -> Option<Self> {
        let NodeKind::Mapping(mapping) = node.kind() else { return None };
        let entries = mapping.iter().filter_map(|(key, value)| match key.kind() {
            NodeKind::Scalar(key) => {
                Some(Field { key: key.text, span: key.span, content: key.content, value })
            }
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
        });
        Some(Self { entries: entries.collect(), old_names: false, incomplete: false, misspelt: Vec::new() })
    }

    /// A map without entries, for an omitted `config`.
    pub(crate) const fn empty() -> Self {
        Self { entries: Vec::new(), old_names: false, incomplete: false, misspelt: Vec::new() }
    }

    /// The entry of a key; an entry without a value counts as absent.
    pub(crate) fn field(&self, key: &str) -> Option<Field<'d>> {
        self.entries.iter().find(|field| field.key == key).filter(|field| !field.is_empty()).copied()
    }

    /// The entry that is probably meant to be one of these, which are not given.
    pub(crate) fn misspelt(&self, keys: &[&str]) -> Option<Field<'d>> {
        let mut all = self.misspelt.iter().filter(|(near, field)| keys.contains(near) && !field.is_empty());
        all.next().map(|(_, field)| *field)
    }

    /// Further entries of a key that is repeated, which has been reported: they are read for their findings only.
    pub(crate) fn repeats(&self, key: &str) -> impl Iterator<Item = Field<'d>> {
        let further = self.entries.iter().filter(move |field| field.key == key).skip(1);
        further.filter(|field| !field.is_empty()).copied()
    }

    pub(crate) fn get(&self, key: &str) -> Option<NodeRef<'d>> {
        self.field(key).map(|field| field.value)
    }

    /// The value of a key, or a diagnostic at `owner`.
    pub(crate) fn required(
        &self,
        reader: &Reader<'d>,
        key: &str,
        owner: (&str, Span),
        example: &str,
    ) -> Option<NodeRef<'d>> {
        let value = self.get(key);
        let written = self.entries.iter().any(|field| field.key == key);
        if value.is_none() && (written || !self.incomplete) {
            let at = self.entries.iter().find(|field| field.key == key).map_or(owner.1, |field| field.span);
            reader.report(
                Diagnostic::new(&MISSING_FIELD, at, format!("{} needs `{key}`", owner.0))
                    .with_help(format!("add `{example}`")),
            );
        }
        value
    }
}
