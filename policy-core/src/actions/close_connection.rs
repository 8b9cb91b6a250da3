//! `close-connection`: drops the client's connection without an answer.
//!
//! Source: ngrok documentation, close-connection (2026-08-07). No fields.

use super::{ActionType, CONNECT_REQUEST_PHASES, Ends};
use crate::ir::{Lowering, Op};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared};

/// Drops the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseConnection;

impl ActionType for CloseConnection {
    const NAME: &'static str = "close-connection";
    const PHASES: PhaseSet = CONNECT_REQUEST_PHASES;
    const ENDS: Ends = Ends::Always;
    const FIELDS: Declared = &[];
    const RUNS: bool = true;
    const PAGE: &'static str = include_str!("../../../docs/actions/close-connection.md");

    fn read<'d>(_: &Fields<'d>, _: &Context<'_, 'd>) -> Option<Self> {
        Some(Self)
    }

    fn terminates(&self) -> bool {
        true
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        lowering.emit(Op::Close);
    }
}
