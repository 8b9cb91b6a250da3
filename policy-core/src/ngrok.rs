//! ngrok's codes of faults (ngrok documentation, error reference, 2026-08-07): the one list of those that are used.

use std::fmt;

use serde::{Serialize, Serializer};

/// A code of ngrok's, which is its number.
///
/// ```
/// use policy_core::ngrok::{ERR_NGROK_3200, NgrokCode};
/// assert_eq!(ERR_NGROK_3200.to_string(), "ERR_NGROK_3200");
/// assert_eq!(NgrokCode::parse("ERR_NGROK_3200"), Some(ERR_NGROK_3200));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NgrokCode(u32);

/// What stands before the number.
const PREFIX: &str = "ERR_NGROK_";

impl NgrokCode {
    /// The code with a number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Reads a code as it is written; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(PREFIX)?.parse().ok().map(Self)
    }
}

impl fmt::Display for NgrokCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl From<NgrokCode> for u32 {
    fn from(code: NgrokCode) -> Self {
        code.0
    }
}

impl From<NgrokCode> for String {
    fn from(code: NgrokCode) -> Self {
        code.to_string()
    }
}

impl Serialize for NgrokCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The number at the end of a name; 0 without one, which the test finds.
const fn number(name: &str) -> u32 {
    let mut rest = name.as_bytes();
    let mut out = 0;
    while let [first, after @ ..] = rest {
        out = if first.is_ascii_digit() { out * 10 + (*first - b'0') as u32 } else { 0 };
        rest = after;
    }
    out
}

macro_rules! codes {
    (@ #[$doc:meta] $($name:ident)+) => {
        $(#[$doc] pub const $name: NgrokCode = NgrokCode(number(stringify!($name)));)+
    };
    ($(#[$doc:meta] [$($name:ident),+ $(,)?];)+) => {
        $(codes!(@ #[$doc] $($name)+);)+

        #[cfg(test)]
        const ALL: &[(&str, NgrokCode)] = &[$($((stringify!($name), $name)),+),+];
    };
}

codes! {
    /// A text that is no YAML, or empty.
    [ERR_NGROK_2206, ERR_NGROK_2236];
    /// A field that is unknown, missing or of a wrong type, or an action that is unknown or misplaced.
    [ERR_NGROK_2201, ERR_NGROK_2202, ERR_NGROK_2203, ERR_NGROK_2205, ERR_NGROK_2219, ERR_NGROK_2234, ERR_NGROK_2252];
    /// A value that is not permitted, or a number of entries that is not.
    [
        ERR_NGROK_374, ERR_NGROK_2204, ERR_NGROK_2212, ERR_NGROK_2214, ERR_NGROK_2215, ERR_NGROK_2218, ERR_NGROK_2221,
        ERR_NGROK_2222, ERR_NGROK_2223, ERR_NGROK_2225, ERR_NGROK_2226, ERR_NGROK_2228, ERR_NGROK_2237, ERR_NGROK_2244,
        ERR_NGROK_2255, ERR_NGROK_3901, ERR_NGROK_7193,
    ];
    /// A value that stands there twice.
    [
        ERR_NGROK_375, ERR_NGROK_2231, ERR_NGROK_7187, ERR_NGROK_7188, ERR_NGROK_7189, ERR_NGROK_7190, ERR_NGROK_7191,
        ERR_NGROK_7192,
    ];
    /// Fields that do not go together.
    [ERR_NGROK_385, ERR_NGROK_386, ERR_NGROK_390, ERR_NGROK_2240];
    /// The name or the value of a header.
    [
        ERR_NGROK_372, ERR_NGROK_373, ERR_NGROK_377, ERR_NGROK_378, ERR_NGROK_398, ERR_NGROK_2208, ERR_NGROK_2209,
        ERR_NGROK_2210, ERR_NGROK_2211,
    ];
    /// Credentials of basic authentication.
    [
        ERR_NGROK_359, ERR_NGROK_360, ERR_NGROK_2257, ERR_NGROK_2258, ERR_NGROK_15008, ERR_NGROK_15009, ERR_NGROK_15011,
        ERR_NGROK_15012,
    ];
    /// An expression, or a text with expressions, that is wrong or has no value.
    [ERR_NGROK_2200, ERR_NGROK_2224, ERR_NGROK_2238, ERR_NGROK_2253, ERR_NGROK_2254];
    /// A fault of the engine's host.
    [ERR_NGROK_2300];
    /// Addresses, and IP policies.
    [
        ERR_NGROK_341, ERR_NGROK_362, ERR_NGROK_393, ERR_NGROK_1402, ERR_NGROK_1406, ERR_NGROK_1409, ERR_NGROK_1413,
        ERR_NGROK_1414, ERR_NGROK_2216, ERR_NGROK_2217,
    ];
    /// A policy as a whole: what is never reached, does not fit its endpoint, or is left open.
    [
        ERR_NGROK_2207, ERR_NGROK_2230, ERR_NGROK_2235, ERR_NGROK_2262, ERR_NGROK_2266, ERR_NGROK_6029, ERR_NGROK_9025,
    ];
    /// The URL, the binding or the upstream of an endpoint.
    [
        ERR_NGROK_331, ERR_NGROK_334, ERR_NGROK_6030, ERR_NGROK_9028, ERR_NGROK_9029, ERR_NGROK_9030, ERR_NGROK_9031,
        ERR_NGROK_9033, ERR_NGROK_9035, ERR_NGROK_9037, ERR_NGROK_9039, ERR_NGROK_9041, ERR_NGROK_15003,
        ERR_NGROK_15005, ERR_NGROK_15006, ERR_NGROK_18016, ERR_NGROK_18023,
    ];
    /// A session or an authtoken of an agent that is refused.
    [
        ERR_NGROK_100, ERR_NGROK_105, ERR_NGROK_107, ERR_NGROK_108, ERR_NGROK_111, ERR_NGROK_115, ERR_NGROK_116,
        ERR_NGROK_300, ERR_NGROK_804, ERR_NGROK_806,
    ];
    /// An endpoint of an agent that is refused.
    [
        ERR_NGROK_301, ERR_NGROK_307, ERR_NGROK_316, ERR_NGROK_318, ERR_NGROK_324, ERR_NGROK_332, ERR_NGROK_356,
        ERR_NGROK_399, ERR_NGROK_9026, ERR_NGROK_18018,
    ];
    /// A call of the API that is refused.
    [
        ERR_NGROK_200, ERR_NGROK_201, ERR_NGROK_203, ERR_NGROK_206, ERR_NGROK_208, ERR_NGROK_250, ERR_NGROK_501,
        ERR_NGROK_600, ERR_NGROK_18012, ERR_NGROK_18013,
    ];
    /// A request that a policy sends and that fails, or one that an inspection or a signature refuses.
    [
        ERR_NGROK_3214, ERR_NGROK_3601, ERR_NGROK_3602, ERR_NGROK_3603, ERR_NGROK_3700, ERR_NGROK_3701, ERR_NGROK_3702,
        ERR_NGROK_3204,
    ];
    /// A body in which nothing can be replaced.
    [ERR_NGROK_3900, ERR_NGROK_3902];
    /// A request whose tokens are missing, cannot be read or are not valid.
    [
        ERR_NGROK_3401, ERR_NGROK_3406, ERR_NGROK_3412, ERR_NGROK_3414, ERR_NGROK_3415, ERR_NGROK_3416, ERR_NGROK_3422,
    ];
    /// A connection that is refused, or a forward that fails.
    [ERR_NGROK_308, ERR_NGROK_3200, ERR_NGROK_3202, ERR_NGROK_3203, ERR_NGROK_3210, ERR_NGROK_3501];
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_is_written_as_its_constant_is_called() {
        let names: HashSet<_> = ALL.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), ALL.len());
        for (name, code) in ALL {
            assert_eq!(code.to_string(), *name);
            assert_eq!(NgrokCode::parse(name), Some(*code));
        }
        assert_eq!(NgrokCode::parse("ERR_NGROK_x"), None);
        assert_eq!(NgrokCode::parse("3200"), None);
    }
}
