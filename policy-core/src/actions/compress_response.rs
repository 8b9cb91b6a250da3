//! `compress-response`: compresses the body of a response.
//!
//! Source: ngrok documentation, compress-response (2026-08-07). Its results are below
//! `actions.ngrok.compress`.

use super::{ActionType, RESPONSE_PHASE};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Choice, Context, Declared, Field, Items};
use crate::vocabulary::{self, RESPONSE};

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// RFC 1952.
    Gzip,
    /// RFC 1951.
    Deflate,
    /// Brotli, RFC 7932.
    Brotli,
    /// LZW as `compress(1)` writes it.
    Compress,
}

const ALL: &[(&str, Algorithm)] = &[
    ("gzip", Algorithm::Gzip),
    ("deflate", Algorithm::Deflate),
    ("br", Algorithm::Brotli),
    ("compress", Algorithm::Compress),
];

static ALGORITHMS: Field<Items<Choice<Algorithm>>> = Field::optional(
    "algorithms",
    Items::new(Choice { of: ALL }).some(),
    "Which may be used, the preferred first; without it all four in the order given here.",
);

/// Compresses the body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressResponse {
    /// Which may be used, the preferred first.
    pub algorithms: Vec<Algorithm>,
}

impl ActionType for CompressResponse {
    const NAME: &'static str = "compress-response";
    const PHASES: PhaseSet = RESPONSE_PHASE;
    const FIELDS: Declared = &[&ALGORITHMS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = &[
        vocabulary::Declared::new(
            "actions.ngrok.compress.already_compressed",
            "bool",
            RESPONSE,
            "true if the response was compressed before",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.compress.negotiated_algorithm",
            "string",
            RESPONSE,
            "the algorithm that was used",
        ),
    ];
    const PAGE: &'static str = include_str!("../../../docs/actions/compress-response.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let given = cx.optional(fields, &ALGORITHMS)?;
        if let (Some(algorithms), Some(field)) = (&given, fields.field("algorithms")) {
            let repeated =
                algorithms.iter().enumerate().any(|(at, it)| algorithms.iter().take(at).any(|o| o == it));
            if repeated {
                let span = crate::reader::head(field.value);
                let found = crate::diagnostic::Diagnostic::new(
                    &crate::reader::DUPLICATE,
                    span,
                    "an algorithm is given twice in `algorithms`",
                );
                cx.reader.report(found.with_help("keep one of them"));
                return None;
            }
        }
        let all = || ALL.iter().map(|(_, algorithm)| *algorithm).collect();
        Some(Self { algorithms: given.unwrap_or_else(all) })
    }
}
