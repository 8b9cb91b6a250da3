//! `deny`: refuses the connection, or the request with a status code.
//!
//! Source: ngrok documentation, deny (2026-08-07). On a TCP connection it closes; `status_code` (default
//! 403) is a field of the HTTP phase only.

use super::{ActionType, NO_EFFECT, Site};
use crate::diagnostic::Diagnostic;
use crate::ir::{Lowering, Op};
use crate::phase::{Phase, PhaseSet};
use crate::reader::{Fields, Keys};

/// Refuses the connection or request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deny {
    /// The HTTP status code of the answer.
    pub status_code: u16,
}

impl ActionType for Deny {
    const NAME: &'static str = "deny";
    const PHASES: PhaseSet = PhaseSet::of(&[Phase::OnTcpConnect, Phase::OnHttpRequest]);
    const KEYS: Keys = Keys::of(&["status_code"]);

    fn read<'d>(fields: &Fields<'d>, site: &Site<'_, 'd>) -> Option<Self> {
        let mut status_code = 403;
        if let Some(field) = fields.field("status_code") {
            if site.phase == Phase::OnTcpConnect {
                let message = "`status_code` has no effect in on_tcp_connect: the connection is closed";
                site.reader
                    .report(Diagnostic::new(&NO_EFFECT, field.span, message).with_help("remove the field"));
            }
            let reader = site.reader;
            let value = reader.integer(field.value, "`status_code`", 100..=599)?;
            status_code = u16::try_from(value).ok()?;
        }
        Some(Self { status_code })
    }

    fn terminates(&self) -> bool {
        true
    }

    fn lower(&self, lowering: &mut Lowering<'_>) {
        lowering.emit(Op::Deny);
    }
}
