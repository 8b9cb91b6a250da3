//! `saml`: announced by ngrok and not released.
//!
//! Source: ngrok documentation, actions (2026-08-07): "coming soon".

use super::{ActionType, REQUEST_PHASE};
use crate::diagnostic::{Diagnostic, codes};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared};

codes! {
    static NOT_RELEASED = error("TP418", "not-released", ERR_NGROK_2201);
}

/// Never made: the action does not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saml;

impl ActionType for Saml {
    const NAME: &'static str = "saml";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const FIELDS: Declared = &[];
    const ANY_FIELDS: bool = true;
    const PAGE: &'static str = include_str!("../../../docs/actions/saml.md");

    fn read<'d>(_: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let found =
            Diagnostic::new(&NOT_RELEASED, cx.owner.1, "`saml` is announced by ngrok and not released");
        cx.reader.report(found.with_help("use `oauth` or `openid-connect`"));
        None
    }
}
