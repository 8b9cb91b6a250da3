//! `compress-response`: compresses the body of a response.
//!
//! Source: ngrok documentation, compress-response (2026-08-07). Its results are below
//! `actions.ngrok.compress`.

use std::fmt;

use super::{ActionType, RESPONSE_PHASE};
use crate::cel::Unrendered;
use crate::ir::Lowering;
#[cfg(feature = "reference")]
use crate::message::Headers;
use crate::message::{ContentCoding, Side};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
use crate::schema::{Choice, Context, Declared, Field, Items};
use crate::vocabulary::{self, ActionResult, RESPONSE};

const ALL: &[(&str, ContentCoding)] = &[
    ("gzip", ContentCoding::Gzip),
    ("deflate", ContentCoding::Deflate),
    ("br", ContentCoding::Brotli),
    ("compress", ContentCoding::Compress),
];

static ALGORITHMS: Field<Items<Choice<ContentCoding>>> = Field::optional(
    "algorithms",
    Items::new(Choice { of: ALL }).some(),
    "Which may be used, the preferred first; without it all four in the order given here.",
);

const ALREADY: ActionResult<bool> = ActionResult::bool(
    "actions.ngrok.compress.already_compressed",
    RESPONSE,
    "true if the response was compressed before",
);
const NEGOTIATED: ActionResult<String> = ActionResult::text(
    "actions.ngrok.compress.negotiated_algorithm",
    RESPONSE,
    "the algorithm that was used",
);

/// Compresses the body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressResponse {
    /// Which may be used, the preferred first.
    pub algorithms: Vec<ContentCoding>,
}

impl ActionType for CompressResponse {
    const NAME: &'static str = "compress-response";
    const PHASES: PhaseSet = RESPONSE_PHASE;
    const FIELDS: Declared = &[&ALGORITHMS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = &[ALREADY.declared(), NEGOTIATED.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/compress-response.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let given = cx.optional(fields, &ALGORITHMS)?;
        if let (Some(algorithms), Some(field)) = (&given, fields.field(ALGORITHMS.name())) {
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

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let values = |headers: &Headers, name: &str| -> Vec<String> {
            headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).collect()
        };
        let Some(response) = &mut run.response else { return NaiveNext::Unknown };
        let codings = values(&response.headers, "content-encoding").join(",").to_lowercase();
        let plain = codings.split(',').all(|it| matches!(it.trim(), "" | "identity"));
        let compressed = run.compression.is_some() || !plain;
        let control = values(&response.headers, "cache-control").join(",").to_lowercase();
        let kept = control.split(',').any(|it| it.trim() == "no-transform");
        let head = run.request.as_ref().is_some_and(|request| request.method == "HEAD");
        let whole = !head && !matches!(response.status, 100..=199 | 204 | 206 | 304);
        let accepted = run.request.as_ref().map(|request| values(&request.headers, "accept-encoding"));
        let chosen = accepted
            .filter(|_| !compressed && !kept && whole)
            .and_then(|accepted| naive_negotiate(&self.algorithms, &accepted.join(",")));
        if let Some(chosen) = chosen {
            let varies = values(&response.headers, "vary").join(",").to_lowercase();
            let varies = varies.split(',').any(|it| matches!(it.trim(), "*" | "accept-encoding"));
            let mut headers = Headers::default();
            let kept = |name: &str| !matches!(name, "content-encoding" | "content-length");
            let kept = response.headers.iter().filter(|(name, _)| kept(name));
            let vary = ("vary", "Accept-Encoding");
            for (name, value) in
                kept.chain([("content-encoding", chosen.name())]).chain((!varies).then_some(vary))
            {
                // INVARIANT: they are headers.
                let _ = headers.append(name, value);
            }
            response.headers = headers;
            run.compression = Some(chosen);
        }
        run.set_result(&ALREADY, compressed);
        run.set_result(&NEGOTIATED, chosen.map_or("", ContentCoding::name));
        NaiveNext::GoOn
    }
}

/// The choice of a coding naively (RFC 9110, 12.5.3): of those that weigh most the first, if `identity` weighs no more.
#[cfg(feature = "reference")]
fn naive_negotiate(of: &[ContentCoding], accepted: &str) -> Option<ContentCoding> {
    let text = accepted.to_lowercase().replace([' ', '\t'], "");
    let weight_of = |item: &str| -> f64 {
        let Some(text) = item.split(';').find_map(|part| part.strip_prefix("q=")) else { return 1.0 };
        let digits = text.strip_prefix("0.").or(text.strip_prefix("1.")).unwrap_or("");
        let fine = matches!(text, "0" | "1" | "0." | "1.")
            || ((1..=3).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit()));
        text.parse().ok().filter(|weight| fine && *weight <= 1.0).unwrap_or(0.0)
    };
    let weight = |names: &[&str]| {
        let mut items = text.split(',').map(|item| (item.split(';').next().unwrap_or(""), weight_of(item)));
        items.find(|(name, _)| names.contains(name)).map(|(_, weight)| weight)
    };
    let mut chosen = None;
    let mut most = 0.0;
    for coding in of {
        let names: &[&str] = match coding {
            ContentCoding::Gzip => &["gzip", "x-gzip"],
            ContentCoding::Deflate => &["deflate"],
            ContentCoding::Brotli => &["br"],
            ContentCoding::Compress => &["compress", "x-compress"],
        };
        let weight = weight(names).or(weight(&["*"])).unwrap_or(0.0);
        if weight > most {
            (chosen, most) = (Some(*coding), weight);
        }
    }
    chosen.filter(|_| most >= weight(&["identity"]).unwrap_or(0.0))
}

impl Execute for CompressResponse {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let compressed = run.is_to_be_compressed() || run.is_encoded(Side::Response);
        let coding = match compressed {
            false if run.may_be_compressed() => run.negotiate(&self.algorithms),
            true | false => None,
        };
        if run.keeps_results {
            run.set_result(&ALREADY, compressed);
            run.set_result(&NEGOTIATED, coding.map_or("", ContentCoding::name));
        }
        if let Some(coding) = coding {
            run.compress(coding)?;
        }
        Ok(Next::GoOn)
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        self.algorithms.iter().for_each(|algorithm| digest.text(algorithm.name()));
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}
