//! `close-connection`: drops the client's connection without an answer.
//!
//! Source: ngrok documentation, close-connection (2026-08-07). No fields.

use super::{ActionType, Site};
use crate::ir::{Lowering, Op};
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Keys};

/// Drops the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseConnection;

impl ActionType for CloseConnection {
    const NAME: &'static str = "close-connection";
    const PHASES: PhaseSet = PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest]);
    const KEYS: Keys = Keys::of(&[]);

    fn read<'d>(_: &Fields<'d>, _: &Site<'_, 'd>) -> Option<Self> {
        Some(Self)
    }

    fn terminates(&self) -> bool {
        true
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        lowering.emit(Op::Close);
    }
}
