//! The spanned document tree.
//!
//! An arena: nodes are indices, so a tree of any shape is built, walked and dropped without recursion.
//! An alias is a node that points at its anchor's node; [`NodeRef`] follows it. INVARIANT: an alias points
//! at a node that was complete before it, so walking ends.

use crate::source::{Source, Span, join};

/// Index of a node in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) u32);

/// Where the value of a scalar is: most are a stretch of the source.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text {
    Source(Span),
    Owned(u32),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be null, a boolean or a number.
    Plain,
    /// In quotes, as a block, or tagged `!!str`: always a string.
    Quoted,
}

/// How exactly a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// Without quotes, and tagged `!!str`.
    Tagged,
    Single,
    Double,
    Block,
}

impl Form {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::Plain,
            Self::Tagged | Self::Single | Self::Double | Self::Block => Style::Quoted,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Scalar {
        text: Text,
        form: Form,
    },
    Sequence {
        first: u32,
        len: u32,
    },
    /// `len` pairs: key and value follow one another.
    Mapping {
        first: u32,
        len: u32,
    },
    Alias(NodeId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// A parsed file: a tree whose every node knows its place.
#[derive(Debug)]
pub struct Document {
    pub(super) source: Source,
    pub(super) nodes: Vec<Node>,
    pub(super) children: Vec<NodeId>,
    pub(super) owned: Vec<Box<str>>,
    pub(super) root: Option<NodeId>,
    pub(super) cut_at: Option<u32>,
    /// Stretches that were not read as their author meant them, which has been reported.
    pub(super) broken: Vec<Span>,
    /// True if there are merge keys, which has been reported.
    pub(super) merged: bool,
}

impl Document {
    /// The text this document was parsed from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The top node; `None` for an empty file or one whose first token is already broken.
    #[must_use]
    pub fn root(&self) -> Option<NodeRef<'_>> {
        self.root.map(|id| NodeRef { document: self, id })
    }

    /// Where parsing stopped, if it stopped early: what is missing after it is not the author's fault.
    #[must_use]
    pub const fn cut_at(&self) -> Option<u32> {
        self.cut_at
    }

    /// True if some maps have entries by merge keys, which has been reported.
    pub(crate) const fn has_merge_keys(&self) -> bool {
        self.merged
    }

    /// True if any of the text was not read as its author meant it.
    pub(crate) fn is_faulty(&self) -> bool {
        self.cut_at.is_some() || !self.broken.is_empty()
    }

    /// The entries of all maps, each map once, whatever aliases name it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (NodeRef<'_>, NodeRef<'_>)> {
        let maps = self.nodes.iter().filter_map(|node| match node.kind {
            Kind::Mapping { first, len } => self.children.get(first as usize..(first + len * 2) as usize),
            _ => None,
        });
        maps.flat_map(|pairs| pairs.chunks_exact(2)).filter_map(|pair| match *pair {
            [key, value] => Some((NodeRef::new(self, key), NodeRef::new(self, value))),
            _ => None,
        })
    }

    /// Puts the stretches that were not read as meant in order, each place in one of them.
    pub(super) fn join_broken(&mut self) {
        join(&mut self.broken);
    }

    /// True where the text was not read as its author meant it: what is said of it there follows from that.
    pub(crate) fn is_broken(&self, at: u32) -> bool {
        let before = self.broken.partition_point(|span| span.start <= at);
        let last = before.checked_sub(1).and_then(|last| self.broken.get(last));
        last.is_some_and(|span| at <= span.end)
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    fn text(&self, text: Text) -> &str {
        match text {
            Text::Source(span) => self.source.slice(span),
            Text::Owned(index) => self.owned.get(index as usize).map_or("", |text| text),
        }
    }
}

/// A node of a [`Document`], aliases followed.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'d> {
    document: &'d Document,
    id: NodeId,
}

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub enum NodeKind<'d> {
    /// A string, number, boolean or null.
    Scalar(Scalar<'d>),
    /// A list.
    Sequence(Sequence<'d>),
    /// A map.
    Mapping(Mapping<'d>),
}

impl<'d> NodeRef<'d> {
    pub(super) const fn new(document: &'d Document, id: NodeId) -> Self {
        Self { document, id }
    }

    /// The keys and values of a map; none of any other node.
    pub(super) fn pairs(self) -> Vec<(NodeId, NodeId)> {
        let NodeKind::Mapping(map) = self.kind() else { return Vec::new() };
        map.iter().map(|(key, value)| (key.id, value.id)).collect()
    }

    /// True for a list.
    #[must_use]
    pub fn is_list(self) -> bool {
        matches!(self.kind(), NodeKind::Sequence(_))
    }

    /// The document the node belongs to.
    #[must_use]
    pub const fn document(self) -> &'d Document {
        self.document
    }

    fn resolved(self) -> Option<&'d Node> {
        let mut node = self.document.node(self.id)?;
        while let Kind::Alias(target) = node.kind {
            node = self.document.node(target)?;
        }
        Some(node)
    }

    /// The place of an alias itself; `None` for any other node.
    pub(crate) fn alias(self) -> Option<Span> {
        let node = self.document.node(self.id)?;
        matches!(node.kind, Kind::Alias(_)).then_some(node.span)
    }

    /// The place of the node's content; of an alias, the place of what it stands for.
    #[must_use]
    pub fn span(self) -> Span {
        self.resolved().map(|node| node.span).unwrap_or_default()
    }

    /// What the node is.
    #[must_use]
    pub fn kind(self) -> NodeKind<'d> {
        let document = self.document;
        let list = |first: u32, items: u32| {
            let first = first as usize;
            document.children.get(first..first + items as usize).unwrap_or_default()
        };
        match self.resolved().map(|node| node.kind) {
            Some(Kind::Scalar { text, form }) => {
                let content = match text {
                    Text::Source(span) => Some(span),
                    Text::Owned(_) => None,
                };
                let (text, style, span) = (document.text(text), form.style(), self.span());
                NodeKind::Scalar(Scalar { text, style, span, content, form })
            }
            Some(Kind::Sequence { first, len }) => {
                NodeKind::Sequence(Sequence { document, items: list(first, len) })
            }
            Some(Kind::Mapping { first, len }) => {
                NodeKind::Mapping(Mapping { document, pairs: list(first, len * 2) })
            }
            // INVARIANT: `resolved` ends on no alias; a dangling index reads as an empty scalar.
            Some(Kind::Alias(_)) | None => NodeKind::Scalar(Scalar {
                text: "",
                style: Style::Plain,
                span: Span::default(),
                content: None,
                form: Form::Plain,
            }),
        }
    }
}

/// A scalar: its value after quoting and escapes, how it was written, and where.
#[derive(Clone, Copy, Debug)]
pub struct Scalar<'d> {
    /// The value as text.
    pub text: &'d str,
    /// How it was written.
    pub style: Style,
    /// Where it stands.
    pub span: Span,
    /// Where exactly its value stands letter by letter, without quotes; `None` if escapes or folding make
    /// the value differ from the file.
    pub content: Option<Span>,
    pub(super) form: Form,
}

/// The items of a list.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'d> {
    document: &'d Document,
    items: &'d [NodeId],
}

impl<'d> Sequence<'d> {
    /// The items, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = NodeRef<'d>> {
        let document = self.document;
        self.items.iter().map(move |&id| NodeRef { document, id })
    }
}

/// The entries of a map, in order, repeated keys included.
#[derive(Clone, Copy, Debug)]
pub struct Mapping<'d> {
    document: &'d Document,
    pairs: &'d [NodeId],
}

impl<'d> Mapping<'d> {
    /// Keys and values, in order.
    pub fn iter(self) -> impl Iterator<Item = (NodeRef<'d>, NodeRef<'d>)> {
        let document = self.document;
        self.pairs.chunks_exact(2).filter_map(move |pair| match *pair {
            [key, value] => Some((NodeRef { document, id: key }, NodeRef { document, id: value })),
            _ => None,
        })
    }
}
