//! `deny`: refuses the connection, or the request with a status code.
//!
//! Source: ngrok documentation, deny (2026-08-07). On a TCP connection it closes; `status_code` is a field of
//! the HTTP phase only.

use std::fmt;

use super::{ActionType, CONNECT_REQUEST_PHASES, Ends, NO_EFFECT};
use crate::diagnostic::Diagnostic;
use crate::ir::Lowering;
use crate::outcome::Ending;
use crate::phase::{Phase, PhaseSet};
use crate::reader::Fields;
use crate::run::{Execute, HttpRefusal, Next, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
use crate::schema::{Context, Declared, Field, Integer};

static STATUS_CODE: Field<Integer> = Field::default(
    "status_code",
    Integer(100, 599),
    DEFAULT_STATUS,
    "The status of the answer to a request; the answer has no body.",
);

/// The status without the field; on a connection the field has no meaning.
const DEFAULT_STATUS: &str = "403";

/// Refuses the connection or request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deny {
    /// The HTTP status code of the answer.
    pub status_code: i64,
}

impl ActionType for Deny {
    const NAME: &'static str = "deny";
    const PHASES: PhaseSet = CONNECT_REQUEST_PHASES;
    const ENDS: Ends = Ends::Always;
    const FIELDS: Declared = &[&STATUS_CODE];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/deny.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        if let Some(field) = fields.field(STATUS_CODE.name())
            && cx.phase() == Some(Phase::OnTcpConnect)
        {
            let message = "`status_code` has no effect in on_tcp_connect: the connection is closed";
            cx.reader.report(Diagnostic::new(&NO_EFFECT, field.span, message).with_help("remove the field"));
        }
        Some(Self { status_code: cx.read(fields, &STATUS_CODE)? })
    }

    fn terminates(&self) -> bool {
        true
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(*self)
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        run.refused(Execute::refusal(self))
    }
}

impl Execute for Deny {
    fn always(&self) -> Option<Next> {
        Some(Next::End(Ending::Denied))
    }

    fn refusal(&self) -> HttpRefusal {
        // INVARIANT: the field has a status of three digits.
        HttpRefusal { status: u16::try_from(self.status_code).unwrap_or(500), code: None }
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Ending::Denied.name());
        if self.status_code.to_string() != DEFAULT_STATUS {
            digest.number(self.status_code.unsigned_abs());
        }
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Ending::Denied.name())
    }
}
