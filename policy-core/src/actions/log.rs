//! `log`: attaches metadata to the event of the connection or request.
//!
//! Source: ngrok documentation, log (2026-08-07): the metadata goes to the traffic event under
//! `traffic_policy.logs`.

use std::fmt;
use std::sync::Arc;

use super::{ANY_PHASE, ActionType};
use crate::cel::{Map, Unrendered};
use crate::exchange::{Effect, LogId, Reply};
use crate::ir::Lowering;
use crate::parse::{Plain, PlainMap};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest, map_from_plain};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
use crate::schema::{AnyMap, ConfigValue, Context, Declared, Field, Text};
use crate::vocabulary::{self, ActionResult, EVERYWHERE};

/// Bytes of keys and values that one entry may hold: it is written for every connection.
const MAX_METADATA: usize = 16 << 10;

static METADATA: Field<AnyMap> = Field::required(
    "metadata",
    AnyMap,
    "metadata: {message: …}",
    "What is attached; up to 16 KiB as it is written.",
);

const METADATA_RESULT: ActionResult<Map> =
    ActionResult::map("actions.ngrok.log.metadata", EVERYWHERE, "what was attached");

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
    const RESULTS: &'static [vocabulary::Declared] = &[METADATA_RESULT.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/log.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let metadata = cx.read(fields, &METADATA)?;
        let size = metadata.weight();
        if size > MAX_METADATA {
            let message = format!("the metadata has {size} bytes, more than the {MAX_METADATA} of one entry");
            cx.invalid(cx.owner.1, message, "every connection writes it; log less");
            return None;
        }
        Some(Self { metadata })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.metadata.texts(each);
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
        match self.metadata.plain() {
            Some(plain) => {
                let metadata = if let Plain::Map(metadata) = plain { metadata } else { PlainMap::default() };
                let metadata = Arc::new(metadata);
                Box::new(FixedMetadata { id: lowering.log(Arc::clone(&metadata)), metadata })
            }
            None => Box::new(RenderedMetadata(self.metadata.clone())),
        }
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        if let Some(metadata) = run.logged(&self.metadata) {
            run.set_result(&METADATA_RESULT, metadata);
        }
        NaiveNext::GoOn
    }
}

/// Instructions that an entry counts as: its host keeps it.
const ENTRY_COST: u64 = 40;

/// Metadata that is the same for every connection.
#[derive(Debug)]
struct FixedMetadata {
    id: LogId,
    metadata: Arc<PlainMap>,
}

impl Execute for FixedMetadata {
    fn always(&self) -> Option<Next> {
        Some(Next::Perform { effect: Effect::Log(self.id), or_continue: false })
    }

    fn replied(&self, run: &mut Run<'_>, _: Effect, _: &Reply) {
        run.set_result(&METADATA_RESULT, map_from_plain(&self.metadata));
    }

    fn cost(&self) -> u64 {
        ENTRY_COST
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Log::NAME);
        digest.text(&format!("{:?}", self.metadata));
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Log::NAME)
    }
}

/// Metadata that is known for each connection only.
#[derive(Debug)]
struct RenderedMetadata(ConfigValue);

impl Execute for RenderedMetadata {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let id = run.add_log(&self.0);
        Ok(Next::Perform { effect: Effect::Log(id), or_continue: false })
    }

    fn goes_on(&self) -> bool {
        true
    }

    fn replied(&self, run: &mut Run<'_>, effect: Effect, _: &Reply) {
        if let Effect::Log(id) = effect
            && let Some(metadata) = run.log(id).map(|metadata| map_from_plain(metadata))
        {
            run.set_result(&METADATA_RESULT, metadata);
        }
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.0.texts(each);
    }

    fn cost(&self) -> u64 {
        ENTRY_COST
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text("log value");
        digest.value(&self.0);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Log::NAME)
    }
}
