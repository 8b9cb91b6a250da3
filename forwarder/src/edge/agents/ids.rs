//! Ids of sessions, of agents and of their endpoints; and what an agent shows to get back what it had.

use jiff::Timestamp;
use ulid::Ulid;

use crate::base::random::Random;

/// A new id: what it is for, `_` and a ULID of now.
pub(super) fn new(kind: &str, random: &Random) -> Box<str> {
    // INVARIANT: a clock that shows a year before 1970 makes ids of 1970, which are as different.
    let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    format!("{kind}_{}", Ulid::from_parts(now_ms, u128::from_le_bytes(random.bytes()))).into()
}

/// A text that nobody guesses, of 160 bits. It counts only beside the same authtoken.
pub(super) fn secret(random: &Random) -> Box<str> {
    random.bytes::<20>().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::tests::seeded;

    #[test]
    fn ids_and_secrets_are_those_of_their_source() {
        let draw = |seed: u64| {
            let random = seeded(seed);
            let id = new("ts", &random);
            let ulid: Ulid = id.strip_prefix("ts_").and_then(|it| it.parse().ok()).expect("a ULID");
            (ulid.random(), secret(&random))
        };
        assert_eq!(draw(1), draw(1));
        let ((one, secret), (other, another)) = (draw(1), draw(2));
        assert!(one != other && secret != another && secret.len() == 40, "{secret} {another}");
    }
}
