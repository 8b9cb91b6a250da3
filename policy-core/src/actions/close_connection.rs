//! `close-connection`: drops the client's connection without an answer.
//!
//! Source: ngrok documentation, close-connection (2026-08-07). No fields.

use std::fmt;

use super::{ActionType, CONNECT_REQUEST_PHASES, Ends};
use crate::ir::Lowering;
use crate::outcome::Ending;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Context, Declared};

/// Drops the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseConnection;

impl ActionType for CloseConnection {
    const NAME: &'static str = "close-connection";
    const PHASES: PhaseSet = CONNECT_REQUEST_PHASES;
    const ENDS: Ends = Ends::Always;
    const FIELDS: Declared = &[];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/close-connection.md");

    fn read<'d>(_: &Fields<'d>, _: &Context<'_, 'd>) -> Option<Self> {
        Some(Self)
    }

    fn terminates(&self) -> bool {
        true
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(*self)
    }

    #[cfg(feature = "reference")]
    fn naive(&self, _: &mut Naive<'_>) -> NaiveNext {
        NaiveNext::End(NaiveEnd::Closed)
    }
}

impl Execute for CloseConnection {
    fn always(&self) -> Option<Next> {
        Some(Next::End(Ending::Closed))
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Ending::Closed.name());
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Ending::Closed.name())
    }
}
