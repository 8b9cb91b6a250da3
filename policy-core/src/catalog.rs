//! Every diagnostic code, with its page. Each stage declares its own; nothing below knows them all.

use crate::actions;
use crate::agent;
use crate::cel;
use crate::check;
use crate::compile;
use crate::diagnostic::Code;
use crate::edge;
use crate::endpoint_policy;
use crate::flow;
use crate::ip_policies;
use crate::model;
use crate::parse;
use crate::reader;
use crate::schema;

/// Every code, by the stage that raises it.
static CODES: &[&[&[&Code]]] = &[
    &[parse::CODES, cel::CODES, reader::CODES, flow::CODES],
    ip_policies::CODES,
    schema::CODES,
    actions::CODES,
    &[model::CODES, check::CODES, endpoint_policy::CODES, agent::CODES, compile::CODES, edge::CODES],
];

/// All codes, in order of their ids. O(codes · log codes).
///
/// ```
/// let ids: Vec<_> = policy_core::catalog::codes().map(|code| code.id).collect();
/// assert!(ids.is_sorted() && ids.contains(&"TP105"));
/// ```
pub fn codes() -> impl Iterator<Item = &'static Code> {
    let mut all: Vec<&'static Code> = CODES.iter().copied().flatten().copied().flatten().copied().collect();
    all.sort_by_key(|code| code.id);
    all.dedup_by_key(|code| code.id);
    all.into_iter()
}

/// The page of a code, as Markdown: what it means, why it matters, a failing and a fixed example.
///
/// The id may be written in any case. `None` if there is no such code.
///
/// ```
/// let page = policy_core::catalog::page("tp105").expect("a page");
/// assert!(page.starts_with("# TP105 duplicate-key"));
/// ```
#[must_use]
pub fn page(id: &str) -> Option<&'static str> {
    let number = id.strip_prefix("TP").or_else(|| id.strip_prefix("tp"))?;
    PAGES.iter().find(|(known, _)| *known == number).map(|(_, page)| *page)
}

macro_rules! pages {
    ($($number:literal),+ $(,)?) => {
        static PAGES: &[(&str, &str)] = &[
            $(($number, include_str!(concat!("../docs/diagnostics/TP", $number, ".md"))),)+
        ];
    };
}

pages! {
    "101", "102", "103", "104", "105", "106", "107", "108", "109", "110", "111", "112", "113",
    "114", "115",
    "201", "202", "203", "204", "205", "206", "207", "208", "209", "210", "211", "212", "213", "214",
    "215", "216", "217", "218", "219", "220", "221", "222", "223", "224", "225",
    "301", "302", "303", "304", "305", "306", "307", "308", "310", "311", "312", "313", "314", "315",
    "316", "317", "318",
    "401", "402", "403", "404", "405", "406", "407", "408", "409", "410", "411", "412", "413", "414",
    "415", "416", "418", "419", "421", "431", "432", "433", "434", "435", "436", "437", "438", "439", "440",
    "441", "442", "443", "444", "445", "446", "447", "448", "449", "451", "452", "453", "454", "455", "456", "457", "461",
    "462", "463", "464", "465", "466",
    "601", "602", "603",
}
