//! Every diagnostic code, with its page.

use super::Code;

/// All codes, in order of their ids.
///
/// ```
/// let ids: Vec<_> = policy_core::diagnostic::catalog().map(|code| code.id).collect();
/// assert!(ids.is_sorted() && ids.contains(&"TP105"));
/// ```
pub fn catalog() -> impl Iterator<Item = &'static Code> {
    let mut all: Vec<&'static Code> =
        crate::CODES.iter().copied().flatten().copied().flatten().copied().collect();
    all.sort_by_key(|code| code.id);
    all.dedup_by_key(|code| code.id);
    all.into_iter()
}

/// The page of a code, as Markdown: what it means, why it matters, a failing and a fixed example.
///
/// The id may be written in any case. `None` if there is no such code.
///
/// ```
/// let page = policy_core::diagnostic::page("tp105").expect("a page");
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
            $(($number, include_str!(concat!("../../docs/diagnostics/TP", $number, ".md"))),)+
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
