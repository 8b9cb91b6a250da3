//! `log`: attaches metadata to the event of the connection or request.
//!
//! Source: ngrok documentation, log (2026-08-07): the metadata goes to the traffic event under
//! `traffic_policy.logs`.

use std::sync::Arc;

use super::{ANY_PHASE, ActionType};
use crate::ir::{Lowering, Op};
use crate::parse::{Plain, PlainMap};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{ConfigValue, Context, Declared, Field, Text, Values};
use crate::variables::{self, EVERYWHERE};

/// Bytes of keys and values that one entry may hold: it is written for every connection.
const MOST_METADATA: usize = 16 << 10;

static METADATA: Field<Values> = Field::required(
    "metadata",
    Values,
    "metadata: {message: …}",
    "What is attached; up to 16 KiB as it is written.",
);

/// Attaches metadata to the event of the connection or request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Log {
    /// The metadata.
    pub metadata: ConfigValue,
}

impl ActionType for Log {
    const NAME: &'static str = "log";
    const PHASES: PhaseSet = ANY_PHASE;
    const FIELDS: Declared = &[&METADATA];
    const RESULTS: &'static [variables::Declared] = &[variables::Declared::new(
        "actions.ngrok.log.metadata",
        "map(string, dyn)",
        EVERYWHERE,
        "what was attached",
    )];
    const RUNS: bool = true;
    const PAGE: &'static str = include_str!("../../../docs/actions/log.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let metadata = cx.read(fields, &METADATA)?;
        let size = metadata.weight();
        if size > MOST_METADATA {
            let message =
                format!("the metadata has {size} bytes, more than the {MOST_METADATA} of one entry");
            cx.invalid(cx.owner.1, message, "every connection writes it; log less");
            return None;
        }
        Some(Self { metadata })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.metadata.texts(each);
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        match self.metadata.plain() {
            Some(plain) => {
                let metadata = if let Plain::Map(metadata) = plain { metadata } else { PlainMap::default() };
                let id = lowering.log(Arc::new(metadata));
                lowering.emit(Op::Log(id));
            }
            None => {
                let value = lowering.value(&self.metadata);
                lowering.emit(Op::LogValue { value });
            }
        }
    }
}
