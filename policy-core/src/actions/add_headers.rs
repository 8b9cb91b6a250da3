//! `add-headers`: adds headers to a request or response.
//!
//! Source: ngrok documentation, add-headers (2026-08-07).

use std::fmt;

use super::headers::{HeaderList, SOME_HEADERS, digest_headers, plain_headers};
use super::{ActionType, MESSAGE_PHASES};
use crate::cel::{Map, Unrendered, Value};
use crate::ir::Lowering;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Context, Declared, Entries, Field, HeaderValue, Text};
use crate::vocabulary::{self, ActionResult, REQUEST};

static HEADERS: Field<Entries<HeaderValue>> = Field::required(
    "headers",
    SOME_HEADERS,
    "headers: {x-site: berlin}",
    "What to add; a header that is there gets a further value, `host` is replaced.",
);

const ADDED: ActionResult<Map> = ActionResult::map(
    "actions.ngrok.add_headers.headers_added",
    REQUEST,
    "the headers that were added, with their values",
);

/// Adds headers to a request or response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddHeaders {
    /// What to add.
    pub headers: HeaderList,
}

impl ActionType for AddHeaders {
    const NAME: &'static str = "add-headers";
    const OLD_NAMES: &'static [&'static str] = &["add-header"];
    const PHASES: PhaseSet = MESSAGE_PHASES;
    const FIELDS: Declared = &[&HEADERS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = &[ADDED.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/add-headers.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { headers: cx.read(fields, &HEADERS)? })
    }

    fn changes_headers(&self) -> Option<(Vec<Box<str>>, bool)> {
        Some((plain_headers(self.headers.iter().map(|(name, _)| &*name.value))?, true))
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.headers.iter().for_each(|(_, value)| each(value));
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let Some(added) =
            run.rendered_headers(self.headers.iter().map(|(name, value)| (&*name.value, value)))
        else {
            return NaiveNext::End(NaiveEnd::Failed);
        };
        let Some(headers) = run.headers() else { return NaiveNext::End(NaiveEnd::Failed) };
        for (name, value) in added.iter() {
            let done =
                if name == "host" { headers.replace(name, value) } else { headers.append(name, value) };
            if done.is_err() {
                return NaiveNext::End(NaiveEnd::Failed);
            }
        }
        run.set_result(&ADDED, Map::from_texts(added.iter().map(|(name, value)| (name, Value::text(value)))));
        NaiveNext::GoOn
    }
}

impl Execute for AddHeaders {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        // All values first: a step that begins anew has changed nothing.
        let rendered = self.headers.iter().map(|(name, value)| Ok((name, run.render(&value.template)?)));
        let rendered: Vec<_> = rendered.collect::<Result<_, Unrendered>>()?;
        let mut added = Vec::new();
        for (name, value) in rendered {
            let name = name.value.to_ascii_lowercase();
            // A message has one host.
            match &*name {
                "host" => run.replace_header(&name, &value)?,
                _ => run.append_header(&name, &value)?,
            }
            if run.keeps_results {
                added.push((name, Value::text(value)));
            }
        }
        if run.keeps_results {
            run.set_result(&ADDED, Map::from_texts(added));
        }
        Ok(Next::GoOn)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest_headers(&self.headers, digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}
