//! Tokens: what one says of itself (RFC 7515, RFC 7519).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Map, Number, Value};

use super::fault::Fault;
use super::{ALGORITHMS, SigningAlgorithm, TokenType};
use crate::cel::Timestamp;

/// Bytes of a token: as much as a header has.
const MAX_TOKEN: usize = 64 << 10;

/// A token, taken apart. Nothing in it is to be trusted before its signature was checked.
#[derive(Debug)]
pub(super) struct SignedToken<'t> {
    pub(super) header: Map<String, Value>,
    pub(super) payload: Map<String, Value>,
    /// Its parts as they are written: what is signed, and the signature.
    pub(super) signed: &'t str,
    pub(super) signature: &'t str,
    pub(super) algorithm: SigningAlgorithm,
}

/// What a policy asks of tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'w> {
    pub(super) kind: TokenType,
    pub(super) issuers: &'w [String],
    /// Any, if empty.
    pub(super) audiences: &'w [String],
    pub(super) now: Option<Timestamp>,
}

impl<'t> SignedToken<'t> {
    /// Reads a token in the compact form. O(length).
    ///
    /// # Errors
    /// If it is none, or signed in a way that is not accepted.
    pub(super) fn read(text: &'t str, accepted: &[SigningAlgorithm]) -> Result<Self, Fault> {
        if text.len() > MAX_TOKEN {
            return Err(Fault::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Fault::Malformed)?;
        // A part more is in the payload, where it is no Base64.
        let header = object(header).ok_or(Fault::Malformed)?;
        let name = header.get("alg").and_then(Value::as_str).ok_or(Fault::Malformed)?;
        let algorithm = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
        let algorithm = algorithm.filter(|it| accepted.contains(it)).ok_or(Fault::Algorithm)?;
        if header.contains_key("crit") {
            return Err(Fault::Critical);
        }
        let payload = object(payload).ok_or(Fault::Malformed)?;
        Ok(Self { header, payload, signed, signature, algorithm })
    }

    /// The name of its key.
    ///
    /// # Errors
    /// If that is no text.
    pub(super) fn key_id(&self) -> Result<Option<&str>, Fault> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(Value::String(id)) => Ok(Some(id)),
            Some(_) => Err(Fault::Malformed),
        }
    }

    /// Checks what it says of itself, its times included.
    ///
    /// # Errors
    /// If that is not what is wanted.
    pub(super) fn check(&self, wanted: &Wanted<'_>) -> Result<(), Fault> {
        let typ = self.header.get("typ").map(|typ| typ.as_str().unwrap_or_default());
        // RFC 7515, 4.1.9: `application/` may be left out; media types are in any case.
        let typ = typ.map(str::to_ascii_lowercase);
        let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        let is_right = match wanted.kind {
            TokenType::AtJwt => typ == Some("at+jwt"),
            TokenType::ItJwt => typ == Some("it+jwt"),
            TokenType::Jwt => typ == Some("jwt"),
            TokenType::Id | TokenType::Access | TokenType::Plain => true,
        };
        if !is_right {
            return Err(Fault::Type);
        }
        let issuer = self.payload.get("iss").and_then(Value::as_str);
        if !issuer.is_some_and(|issuer| wanted.issuers.iter().any(|it| it == issuer)) {
            return Err(Fault::Issuer);
        }
        if !wanted.audiences.is_empty()
            && !self.audiences().any(|it| wanted.audiences.iter().any(|known| known == it))
        {
            return Err(Fault::Audience);
        }
        self.check_times(wanted)
    }

    /// Whom it is for: a text, or a list of them.
    fn audiences(&self) -> impl Iterator<Item = &str> {
        let audience = self.payload.get("aud");
        let list = audience.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        audience.and_then(Value::as_str).into_iter().chain(list.iter().filter_map(Value::as_str))
    }

    fn check_times(&self, wanted: &Wanted<'_>) -> Result<(), Fault> {
        let time = |name| match self.payload.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(Fault::Times),
        };
        let (ends, begins) = (time("exp")?, time("nbf")?);
        // OpenID Connect Core 1.0, 2; RFC 9068, 2.2.
        let must_end = matches!(wanted.kind, TokenType::Id | TokenType::ItJwt | TokenType::AtJwt);
        if must_end && ends.is_none() {
            return Err(Fault::Endless);
        }
        if ends.is_none() && begins.is_none() {
            return Ok(());
        }
        let now = wanted.now.ok_or(Fault::Clock)?.seconds();
        if ends.is_some_and(|ends| !is_before(now, ends)) {
            return Err(Fault::Expired);
        }
        if begins.is_some_and(|begins| is_before(now, begins)) {
            return Err(Fault::Early);
        }
        Ok(())
    }
}

/// True for seconds before a time, which may have a fraction.
fn is_before(now: i64, time: &Number) -> bool {
    match (time.as_i64(), time.as_f64()) {
        (Some(whole), _) => now < whole,
        #[expect(clippy::cast_precision_loss, reason = "seconds of this age are exact")]
        (None, Some(time)) => (now as f64) < time,
        (None, None) => false,
    }
}

/// A JSON object in Base64 (RFC 7515, 2).
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[SigningAlgorithm] = &[SigningAlgorithm::Rsa(256), SigningAlgorithm::Ecdsa(256)];

    fn written(header: &str, payload: &str) -> String {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.AA", part(header), part(payload))
    }

    fn read(header: &str) -> Result<(), Fault> {
        SignedToken::read(&written(header, "{}"), ACCEPTED).map(drop)
    }

    #[test]
    fn only_accepted_tokens_are_read() {
        assert_eq!(read(r#"{"alg":"RS256"}"#), Ok(()));
        for other in ["HS256", "none", "None", "rs256", "RS512", "ES512", ""] {
            assert_eq!(read(&format!("{{\"alg\":\"{other}\"}}")), Err(Fault::Algorithm), "{other}");
        }
        for wrong in ["{}", r#"{"alg":1}"#, r#"{"alg":["RS256"]}"#, "[]", "{", ""] {
            assert_eq!(read(wrong), Err(Fault::Malformed), "{wrong}");
        }
        assert_eq!(read(r#"{"alg":"RS256","crit":[]}"#), Err(Fault::Critical));
        let right = written(r#"{"alg":"RS256"}"#, "{}");
        for wrong in [
            "",
            ".",
            "..",
            "...",
            "a.b",
            &format!("{right}.AA"),
            &format!("{right}.AA.AA"),
            &right.replacen('.', "=.", 1),
            &"x".repeat(MAX_TOKEN + 1),
        ] {
            assert_eq!(SignedToken::read(wrong, ACCEPTED).map(drop), Err(Fault::Malformed), "{wrong}");
        }
        let deep = written(r#"{"alg":"RS256"}"#, &format!("{{\"a\":{}", "[".repeat(20_000)));
        assert_eq!(SignedToken::read(&deep, ACCEPTED).map(drop), Err(Fault::Malformed));
    }

    fn check(kind: TokenType, header: &str, payload: &str, now: Option<i64>) -> Result<(), Fault> {
        let text = written(header, payload);
        let (issuers, audiences) = (["https://a/".to_owned()], ["x".to_owned(), "y".to_owned()]);
        let now = now.and_then(|now| Timestamp::new(now, 0));
        let wanted = Wanted { kind, issuers: &issuers, audiences: &audiences, now };
        SignedToken::read(&text, ACCEPTED)?.check(&wanted)
    }

    #[test]
    fn claims_are_what_is_wanted() {
        let of = |payload: &str| check(TokenType::Plain, r#"{"alg":"ES256"}"#, payload, Some(1_000));
        assert_eq!(of(r#"{"iss":"https://a/","aud":"x"}"#), Ok(()));
        assert_eq!(of(r#"{"iss":"https://a/","aud":["z","y"]}"#), Ok(()));
        for payload in
            [r#"{"aud":"x"}"#, r#"{"iss":"https://a","aud":"x"}"#, r#"{"iss":["https://a/"],"aud":"x"}"#]
        {
            assert_eq!(of(payload), Err(Fault::Issuer), "{payload}");
        }
        for aud in ["", r#","aud":"X""#, r#","aud":[]"#, r#","aud":{"x":"x"}"#, r#","aud":[["x"]]"#] {
            assert_eq!(of(&format!("{{\"iss\":\"https://a/\"{aud}}}")), Err(Fault::Audience), "{aud}");
        }
    }

    #[test]
    fn times_are_compared_with_the_hosts() {
        let of = |times: &str, now| {
            let payload = format!("{{\"iss\":\"https://a/\",\"aud\":\"x\"{times}}}");
            check(TokenType::Plain, r#"{"alg":"ES256"}"#, &payload, now)
        };
        for (times, now, expected) in [
            ("", None, Ok(())),
            (",\"exp\":1001", Some(1_000), Ok(())),
            (",\"exp\":1000", Some(1_000), Err(Fault::Expired)),
            (",\"exp\":1000.5", Some(1_000), Ok(())),
            (",\"exp\":999.5", Some(1_000), Err(Fault::Expired)),
            (",\"exp\":1e300", Some(1_000), Ok(())),
            (",\"exp\":18446744073709551615", Some(1_000), Ok(())),
            (",\"exp\":-1", Some(1_000), Err(Fault::Expired)),
            (",\"exp\":1001", None, Err(Fault::Clock)),
            (",\"nbf\":1", None, Err(Fault::Clock)),
            (",\"nbf\":1000", Some(1_000), Ok(())),
            (",\"nbf\":1001", Some(1_000), Err(Fault::Early)),
            (",\"nbf\":18446744073709551615", Some(1_000), Err(Fault::Early)),
            (",\"exp\":\"1001\"", Some(1_000), Err(Fault::Times)),
            (",\"exp\":null", Some(1_000), Err(Fault::Times)),
            (",\"nbf\":[]", Some(1_000), Err(Fault::Times)),
        ] {
            assert_eq!(of(times, now), expected, "{times} {now:?}");
        }
    }

    #[test]
    fn a_token_is_what_its_header_says() {
        let of = |kind, typ: &str, exp: &str| {
            let header = format!("{{\"alg\":\"ES256\"{typ}}}");
            check(kind, &header, &format!("{{\"iss\":\"https://a/\",\"aud\":\"x\"{exp}}}"), Some(1))
        };
        let ends = ",\"exp\":2";
        assert_eq!(of(TokenType::AtJwt, ",\"typ\":\"at+jwt\"", ends), Ok(()));
        assert_eq!(of(TokenType::AtJwt, ",\"typ\":\"application/AT+JWT\"", ends), Ok(()));
        assert_eq!(of(TokenType::AtJwt, ",\"typ\":\"JWT\"", ends), Err(Fault::Type));
        assert_eq!(of(TokenType::AtJwt, "", ends), Err(Fault::Type));
        assert_eq!(of(TokenType::AtJwt, ",\"typ\":\"at+jwt\"", ""), Err(Fault::Endless));
        assert_eq!(of(TokenType::ItJwt, ",\"typ\":\"it+jwt\"", ends), Ok(()));
        assert_eq!(of(TokenType::Jwt, ",\"typ\":\"JWT\"", ""), Ok(()));
        assert_eq!(of(TokenType::Jwt, ",\"typ\":[\"JWT\"]", ""), Err(Fault::Type));
        assert_eq!(of(TokenType::Jwt, "", ""), Err(Fault::Type));
        assert_eq!(of(TokenType::Id, ",\"typ\":\"x\"", ends), Ok(()));
        assert_eq!(of(TokenType::Id, "", ""), Err(Fault::Endless));
        assert_eq!(of(TokenType::Access, "", ""), Ok(()));
    }
}
