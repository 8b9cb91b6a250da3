//! `log`: attaches metadata to the event of the connection.
//!
//! Source: ngrok documentation, log (2026-08-07): on a TCP connection the metadata goes to
//! `tcp_connection_closed` under `traffic_policy.logs`.

use std::sync::Arc;

use super::{ActionType, Site};
use crate::cel::{FieldType, is_template};
use crate::ir::{Lowering, Op};
use crate::parse::{NodeKind, NodeRef, Plain, PlainMap};
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Keys};

/// Bytes of keys and values that one entry may hold: it is written for every connection.
const MOST_METADATA: usize = 16 << 10;

/// Attaches metadata to the event of the connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Log {
    /// The metadata, in document order.
    pub metadata: Arc<PlainMap>,
}

impl ActionType for Log {
    const NAME: &'static str = "log";
    const PHASES: PhaseSet =
        PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse]);
    const KEYS: Keys = Keys::of(&["metadata"]);

    fn read<'d>(fields: &Fields<'d>, site: &Site<'_, 'd>) -> Option<Self> {
        let owner = ("`log`", site.name);
        let node = fields.required(site.reader, "metadata", owner, "metadata: {message: …}")?;
        let NodeKind::Mapping(_) = node.kind() else {
            site.reader.wrong_type(node, "`metadata`, a map", "write e.g. `{message: refused}`");
            return None;
        };
        if !refuse_templates(node, site) {
            return None;
        }
        let metadata = match Plain::from_node(node) {
            Plain::Map(metadata) => metadata,
            _ => return None,
        };
        let size = metadata.weight();
        if size > MOST_METADATA {
            let message =
                format!("the metadata has {size} bytes, more than the {MOST_METADATA} of one entry");
            site.reader.invalid(site.name, message, "every connection writes it; log less");
            return None;
        }
        Some(Self { metadata: Arc::new(metadata) })
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        let id = lowering.log(Arc::clone(&self.metadata));
        lowering.emit(Op::Log(id));
    }
}

/// Reports every `${…}` below a node; true if there is none. The document's limits bound the recursion.
fn refuse_templates<'d>(node: NodeRef<'d>, site: &Site<'_, 'd>) -> bool {
    let mut fine = true;
    match node.kind() {
        NodeKind::Scalar(scalar) if is_template(scalar.text) => {
            let text = site.reader.text(node, "`metadata`");
            fine = text.is_some_and(|text| site.refuse_template(text, "`metadata`", FieldType::Any));
        }
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(items) => items.iter().for_each(|item| fine &= refuse_templates(item, site)),
        NodeKind::Mapping(entries) => {
            entries.iter().for_each(|(_, value)| fine &= refuse_templates(value, site));
        }
    }
    fine
}
