//! Builds a [`Document`] from the events of the YAML reader, iteratively and within [`Limits`].

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::decode::LIMIT_EXCEEDED;
use super::document::{Document, Form, Kind, Node, NodeId, NodeKind, NodeRef, Text};
use super::keys::report_key_faults;
use super::limits::Limits;
use super::lines::line_end;
use super::plain::Plain;
use super::{brackets, merge, syntax};
use crate::diagnostic::{Diagnostic, Diagnostics, codes, shorten};
use crate::source::{Source, Span};

codes! {
    pub(super) static UNKNOWN_ALIAS = error("TP106", "unknown-alias", ERR_NGROK_2236);
    pub(super) static SEVERAL_DOCUMENTS = error("TP108", "several-documents");
    pub(crate) static EMPTY_DOCUMENT = error("TP109", "empty-document", ERR_NGROK_2206);
    pub(super) static OCTAL = warning("TP114", "octal-number");
}

/// Reads a source into a tree.
///
/// After a syntax error the tree holds what was read before it, and [`Document::cut_at`] says where that
/// ends. O(bytes); memory is bounded by `limits`.
///
/// ```
/// use policy_core::{diagnostic::Diagnostics, parse::{parse, Limits}, source::Source};
/// let mut found = Diagnostics::default();
/// let document = parse(&Source::new("p.yml", "on_tcp_connect: []"), &Limits::default(), &mut found);
/// assert!(document.root().is_some() && found.is_empty());
/// ```
#[must_use]
pub fn parse(source: &Source, limits: &Limits, diagnostics: &mut Diagnostics) -> Document {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(source, limits);
    for event in Parser::new_from_str_with_options(source.text(), options) {
        let step = match event {
            Ok((event, span)) => {
                let tag_at = span.tag_start().and_then(|mark| mark.byte_offset());
                let span = Span::from_range(span.byte_range().unwrap_or_default());
                builder.event(event, span, tag_at, diagnostics)
            }
            // What follows a tag or an alias in its line follows from it.
            Err(error) if builder.is_broken(&error) => {
                builder.document.cut_at = error.marker().byte_offset().and_then(|at| u32::try_from(at).ok());
                break;
            }
            Err(error) => Err(Stop(Box::new(syntax::explain(source, &error)))),
        };
        if let Err(stop) = step {
            builder.document.cut_at = Some(stop.0.span.start);
            diagnostics.push(*stop.0);
            break;
        }
    }
    let document = builder.finish(diagnostics);
    super::decode::report_steering(source, diagnostics);
    super::json::check(source, diagnostics);
    document
}

/// Why reading ends early.
struct Stop(Box<Diagnostic>);

impl Stop {
    fn limit(span: Span, what: &str, limit: usize) -> Self {
        Self(Box::new(
            Diagnostic::new(&LIMIT_EXCEEDED, span, format!("more than {limit} {what}"))
                .with_help("a policy never needs this; check how the file was made"),
        ))
    }
}

/// A list or map whose end has not come yet.
struct Frame {
    span: Span,
    anchor: usize,
    mapping: bool,
    items: Vec<NodeId>,
    /// Of all items together.
    size: Size,
}

/// What a node stands for, aliases followed.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    /// Of all scalars.
    bytes: usize,
    /// Levels of lists and maps.
    height: usize,
}

/// A finished node that aliases may name.
#[derive(Clone, Copy)]
struct Anchored {
    id: NodeId,
    size: Size,
}

/// The tag of a scalar, as far as it counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tagged {
    No,
    /// `!!str`.
    String,
    /// Not of the core schema: `!` was meant as a part of the value. Its place.
    Foreign(Span),
}

struct Builder<'s> {
    document: Document,
    text: &'s str,
    limits: &'s Limits,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    aliased: Size,
    documents: usize,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Source, limits: &'s Limits) -> Self {
        let document = Document {
            source: source.clone(),
            nodes: Vec::new(),
            children: Vec::new(),
            owned: Vec::new(),
            root: None,
            cut_at: None,
            broken: Vec::new(),
            merged: false,
        };
        Self {
            document,
            text: source.text(),
            limits,
            frames: Vec::new(),
            anchors: HashMap::new(),
            aliased: Size::default(),
            documents: 0,
        }
    }

    fn event(
        &mut self,
        event: Event<'s>,
        span: Span,
        tag_at: Option<usize>,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Stop(Box::new(
                        Diagnostic::new(&SEVERAL_DOCUMENTS, span, "a second YAML document starts here")
                            .with_help("keep one document a file; remove the `---`"),
                    )));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = self.tag(tag.as_deref(), span, tag_at, diagnostics);
                self.scalar((text, span), (style, tagged), anchor, diagnostics)?;
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.frames.len() >= self.limits.depth => {
                let what = "levels of lists and maps inside one another";
                return Err(Stop::limit(span, what, self.limits.depth));
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span, tag_at, diagnostics);
                self.frames.push(Frame::new(span, anchor, false));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), span, tag_at, diagnostics);
                self.frames.push(Frame::new(span, anchor, true));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span, diagnostics)?,
            Event::Alias(anchor) => self.alias(anchor, span, diagnostics)?,
            Event::UnresolvedAlias(name) => {
                self.break_line(span.start as usize);
                let message = format!("no anchor `&{}` before this alias", shorten(&name));
                let help = "define the anchor first, or quote the value if `*` belongs to the text";
                diagnostics.push(
                    Diagnostic::new(&UNKNOWN_ALIAS, span, message)
                        .with_help(help)
                        .with_discreet(Some("no anchor before this alias"), help),
                );
                self.null(span)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        (text, span): (Cow<'s, str>, Span),
        (style, tagged): (ScalarStyle, Tagged),
        anchor: usize,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Stop> {
        // What was meant as a value is one.
        let (text, span) = match tagged {
            Tagged::Foreign(word) if text.is_empty() => (self.text_at(word), word),
            _ => (text, span),
        };
        let form = match style {
            ScalarStyle::Plain if tagged != Tagged::No => Form::Tagged,
            ScalarStyle::Plain => Form::Plain,
            ScalarStyle::SingleQuoted => Form::Single,
            ScalarStyle::DoubleQuoted => Form::Double,
            _ => Form::Block,
        };
        let size = Size { nodes: 1, bytes: text.len(), height: 0 };
        if form == Form::Plain {
            self.plain(&text, span, diagnostics);
        }
        let text = self.text(text, span)?;
        let id = self.push_node(Node { span, kind: Kind::Scalar { text, form } })?;
        self.complete(id, anchor, size);
        Ok(())
    }

    /// Reports a tag outside the core schema.
    fn tag(
        &mut self,
        tag: Option<&Tag>,
        span: Span,
        tag_at: Option<usize>,
        diagnostics: &mut Diagnostics,
    ) -> Tagged {
        let Some(tag) = tag else { return Tagged::No };
        if let Some(suffix) = tag.core_suffix()
            && CORE_TAGS.contains(&suffix)
        {
            return if suffix == "str" { Tagged::String } else { Tagged::No };
        }
        let start = tag_at.unwrap_or(span.start as usize);
        self.break_line(start);
        diagnostics.push(syntax::tag(self.text, start));
        let rest = self.text.get(start..line_end(self.text, start)).unwrap_or_default();
        let length = rest.find([' ', ',', ']', '}']).unwrap_or(rest.len());
        Tagged::Foreign(Span::from_range(start..start + length))
    }

    /// The text of a place.
    fn text_at(&self, place: Span) -> Cow<'s, str> {
        self.text.get(place.to_range()).unwrap_or_default().into()
    }

    /// True if the reader stops at what has been reported.
    fn is_broken(&self, error: &ScanError) -> bool {
        let at = error.marker().byte_offset().and_then(|at| u32::try_from(at).ok());
        at.is_some_and(|at| self.document.is_broken(at))
    }

    /// Notes that what a line holds from a place on is not what its author meant.
    fn break_line(&mut self, start: usize) {
        self.document.broken.push(Span::from_range(start..line_end(self.text, start)));
    }

    /// True inside of a list in brackets of expressions.
    fn holds_expressions(&self) -> bool {
        let [.., map, list] = &*self.frames else { return false };
        let key = map.items.last().filter(|_| map.mapping && map.items.len() % 2 == 1);
        let brackets = self.text.as_bytes().get(list.span.start as usize) == Some(&b'[');
        brackets
            && key.is_some_and(|key| match NodeRef::new(&self.document, *key).kind() {
                NodeKind::Scalar(key) => brackets::holds_expressions(key.text),
                NodeKind::Sequence(_) | NodeKind::Mapping(_) => false,
            })
    }

    /// Looks at a scalar without quotes.
    fn plain(&mut self, value: &str, span: Span, diagnostics: &mut Diagnostics) {
        let parent = self.frames.last();
        let item = parent.is_some_and(|parent| !parent.mapping);
        if item && let Some(joined) = syntax::joined_items(self.text, span) {
            self.document.broken.push(span);
            diagnostics.push(joined);
        }
        if item
            && self.holds_expressions()
            && !self.document.is_broken(span.start)
            && let Some((cut, whole)) = brackets::cut_item(self.text, span)
        {
            self.document.broken.push(whole);
            diagnostics.push(cut);
        }
        let parent = self.frames.last();
        let key = parent.is_some_and(|parent| parent.mapping && parent.items.len() % 2 == 0);
        if !key && let Some(number) = octal(value) {
            let message = format!("YAML 1.2 reads `{value}` as {number}, older YAML as an octal number");
            diagnostics.push(
                Diagnostic::new(&OCTAL, span, message)
                    .with_help(format!("write `{number}`, or put it in quotes if it is a string"))
                    .with_discreet(
                        Some("YAML 1.2 reads a number with zeros in front without them"),
                        "put it in quotes, so that it stays as it is written",
                    ),
            );
        }
    }

    /// Finds the value of a scalar in the source, or keeps a copy.
    fn text(&mut self, text: Cow<'_, str>, span: Span) -> Result<Text, Stop> {
        let source = &self.document.source;
        if source.slice(span) == text {
            return Ok(Text::Source(span));
        }
        let inner = Span::new(span.start + 1, span.end.saturating_sub(1));
        if span.end > span.start + 1 && source.slice(inner) == text {
            return Ok(Text::Source(inner));
        }
        let index = u32::try_from(self.document.owned.len())
            .map_err(|_| Stop::limit(span, "scalars", self.limits.nodes))?;
        self.document.owned.push(text.into_owned().into_boxed_str());
        Ok(Text::Owned(index))
    }

    fn push_node(&mut self, node: Node) -> Result<NodeId, Stop> {
        if self.document.nodes.len() >= self.limits.nodes {
            return Err(Stop::limit(node.span, "values in one file", self.limits.nodes));
        }
        let id = u32::try_from(self.document.nodes.len())
            .map_err(|_| Stop::limit(node.span, "values in one file", self.limits.nodes))?;
        self.document.nodes.push(node);
        Ok(NodeId(id))
    }

    fn null(&mut self, span: Span) -> Result<(), Stop> {
        let kind = Kind::Scalar { text: Text::Source(span.at_start()), form: Form::Plain };
        let id = self.push_node(Node { span, kind })?;
        self.complete(id, 0, Size { nodes: 1, bytes: 0, height: 0 });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        let Some(&target) = self.anchors.get(&anchor) else {
            diagnostics.push(
                Diagnostic::new(&UNKNOWN_ALIAS, span, "an alias inside the very value it stands for")
                    .with_help("write the value out"),
            );
            return self.null(span);
        };
        self.aliased.nodes = self.aliased.nodes.saturating_add(target.size.nodes);
        self.aliased.bytes = self.aliased.bytes.saturating_add(target.size.bytes);
        if self.aliased.nodes > self.limits.alias_nodes {
            return Err(Stop::limit(span, "values behind the aliases of one file", self.limits.alias_nodes));
        }
        if self.aliased.bytes > self.limits.alias_bytes {
            return Err(Stop::limit(span, "bytes behind the aliases of one file", self.limits.alias_bytes));
        }
        if self.frames.len() + target.size.height > self.limits.depth {
            return Err(Stop::limit(span, "levels of lists and maps inside one another", self.limits.depth));
        }
        let id = self.push_node(Node { span, kind: Kind::Alias(target.id) })?;
        self.complete(id, 0, target.size);
        Ok(())
    }

    fn close(&mut self, end: Span, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        let Some(mut frame) = self.frames.pop() else { return Ok(()) };
        // A file cut inside a map leaves a key without a value.
        if frame.mapping && frame.items.len() % 2 == 1 {
            frame.items.pop();
        }
        if frame.mapping {
            let merged = merge::take(&self.document, &mut frame.items, diagnostics);
            self.document.merged |= !merged.is_empty();
            if !report_key_faults(&self.document, &frame.items, diagnostics) {
                self.document.broken.push(Span::new(frame.span.start, end.end.max(frame.span.end)));
            }
            merge::add(&self.document, &mut frame.items, merged);
        }
        // The end event of a block collection stands at the next token; its last item ends it.
        let last = frame.items.last().and_then(|id| self.document.nodes.get(id.0 as usize));
        let last_end = last.map_or(frame.span.end, |node| node.span.end);
        let end = if end.end > end.start { end.end } else { last_end };
        let span = Span::new(frame.span.start, end.max(frame.span.end));

        let first = u32::try_from(self.document.children.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(frame.items.len()).unwrap_or(u32::MAX);
        self.document.children.append(&mut frame.items);
        let kind = match frame.mapping {
            true => Kind::Mapping { first, len: len / 2 },
            false => Kind::Sequence { first, len },
        };
        let id = self.push_node(Node { span, kind })?;
        let Size { nodes, bytes, height } = frame.size;
        self.complete(id, frame.anchor, Size { nodes: nodes.saturating_add(1), bytes, height: height + 1 });
        Ok(())
    }

    /// Hands a finished node to its parent and to its anchor.
    fn complete(&mut self, id: NodeId, anchor: usize, size: Size) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { id, size });
        }
        match self.frames.last_mut() {
            Some(parent) => {
                parent.items.push(id);
                parent.size.nodes = parent.size.nodes.saturating_add(size.nodes);
                parent.size.bytes = parent.size.bytes.saturating_add(size.bytes);
                parent.size.height = parent.size.height.max(size.height);
            }
            None if self.document.root.is_none() => self.document.root = Some(id),
            None => {}
        }
    }

    fn finish(mut self, diagnostics: &mut Diagnostics) -> Document {
        self.document.join_broken();
        if let Some(cut) = self.document.cut_at {
            while !self.frames.is_empty() && self.close(Span::new(cut, cut), diagnostics).is_ok() {}
            // What was to become a list or map is no text.
            let text = |root: NodeRef<'_>| matches!(root.kind(), NodeKind::Scalar(_));
            if self.document.root().is_some_and(text) {
                self.document.root = None;
            }
        } else if self.document.root().is_none_or(is_null) {
            self.document.root = None;
            diagnostics.push(
                Diagnostic::new(&EMPTY_DOCUMENT, Span::default(), "the file is empty").with_help(
                    "a policy begins with a phase such as `on_tcp_connect:` and a list of rules below it",
                ),
            );
        }
        self.document
    }
}

/// The tags of the core schema (YAML 1.2.2 §10).
const CORE_TAGS: &[&str] = &["str", "int", "float", "bool", "null", "seq", "map"];

/// The value of a number that begins with a zero and has only digits of octal numbers, unless it is 0 either way.
fn octal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text).strip_prefix('0')?;
    let octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    text.parse().ok().filter(|value| octal && *value != 0)
}

/// True for a document that holds nothing, such as `---` alone.
fn is_null(root: NodeRef<'_>) -> bool {
    matches!(root.kind(), NodeKind::Scalar(scalar) if Plain::from_scalar(scalar) == Plain::Null)
}

impl Frame {
    const fn new(span: Span, anchor: usize, mapping: bool) -> Self {
        Self { span, anchor, mapping, items: Vec::new(), size: Size { nodes: 0, bytes: 0, height: 0 } }
    }
}

#[cfg(test)]
mod tests;
