//! The validation as it runs.

use std::fmt;

use super::fault::Fault;
use super::keys::KeySet;
use super::place::{BodyKind, in_body, in_header};
use super::token::{SignedToken, Wanted};
use super::{ERROR_CODE, ERROR_MESSAGE, JwtValidation, TOKENS_RESULT, TokenMethod};
use crate::actions::ActionType;
use crate::cel::{Map, Unrendered, Value};
use crate::message::{Headers, Side};
use crate::ngrok;
use crate::run::{Execute, HttpRefusal, Next, Run, StepDigest};
use crate::schema::Text;

/// Steps that a check of a signature takes.
const SIGNATURE_STEPS: u64 = 1_000;
/// Bytes of tokens and sets of keys that are read for one step.
const BYTES_A_STEP: usize = 16;
/// Keys that are tried for one token.
const MAX_TRIED: usize = 16;

/// Why a validation does not come to its end now.
enum Stop {
    /// The request does not pass.
    Fault(Fault),
    /// Something is to be asked for first; then it begins again.
    Ask(Next),
    /// A value of the policy cannot be made.
    Unrendered(Unrendered),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Unrendered> for Stop {
    fn from(unrendered: Unrendered) -> Self {
        Self::Unrendered(unrendered)
    }
}

/// The text that a request has as a token, and where.
struct FoundToken {
    text: String,
    name: String,
}

impl JwtValidation {
    /// The tokens of a request, in the order of the policy.
    fn find(&self, run: &mut Run<'_>) -> Result<Vec<FoundToken>, Stop> {
        let mut found = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            let name = run.render(&token.name.template)?;
            let prefix = match &token.prefix {
                Some(prefix) => run.render(&prefix.template)?,
                None => String::new(),
            };
            let missing = || Fault::Missing(name.as_str().into());
            let text = match token.method {
                TokenMethod::Header => {
                    let request = run.request().ok_or_else(missing)?;
                    in_header(&request, &name, &prefix)?.into_owned()
                }
                TokenMethod::Body => {
                    let kind = BodyKind::of(&run.request().ok_or_else(missing)?)?;
                    // What cannot be read has no token.
                    let body = run.body(Side::Request).map_err(|_| Fault::Body)?.map_err(Stop::Ask)?;
                    run.charge((body.len() / BYTES_A_STEP) as u64, || "checking the tokens".to_owned())?;
                    in_body(kind, &body, &name, &prefix)?.into_owned()
                }
            };
            run.charge((text.len() / BYTES_A_STEP) as u64, || "checking the tokens".to_owned())?;
            found.push(FoundToken { text, name });
        }
        Ok(found)
    }

    /// Validates all tokens; the results.
    fn validate(&self, run: &mut Run<'_>) -> Result<Vec<Value>, Stop> {
        let found = self.find(run)?;
        let issuers = rendered(&self.issuers, run)?;
        let audiences = rendered(&self.audiences, run)?;
        let mut tokens = Vec::with_capacity(found.len());
        // What every token says of itself, before keys are fetched for the first of them.
        for (found, of) in found.iter().zip(&self.tokens) {
            let token = SignedToken::read(&found.text, &self.algorithms)?;
            let now = run.facts.now();
            token.check(&Wanted { kind: of.kind, issuers: &issuers, audiences: &audiences, now })?;
            tokens.push(token);
        }
        let mut sets = Vec::new();
        for token in &tokens {
            self.verify(token, &mut sets, run)?;
        }
        if !run.keeps_results {
            return Ok(Vec::new());
        }
        let results = tokens.iter().zip(&found).zip(&self.tokens);
        let results = results.map(|((token, found), of)| result(token, found, of.method));
        Ok(results.collect::<Result<_, _>>()?)
    }

    /// Looks for the key of a token, source by source; what was read of the sources is kept for the next token.
    fn verify(
        &self,
        token: &SignedToken<'_>,
        sets: &mut Vec<Option<KeySet>>,
        run: &mut Run<'_>,
    ) -> Result<(), Stop> {
        let id = token.key_id()?;
        let mut tried = 0;
        let mut is_whole = true;
        for (at, url) in self.jkus.iter().enumerate() {
            if sets.len() == at {
                let url = run.render(&url.template)?;
                let text = run.key_set(&url).map_err(Stop::Ask)?;
                run.charge(text.as_ref().map_or(0, |text| text.len() / BYTES_A_STEP) as u64, || {
                    "checking the tokens".to_owned()
                })?;
                sets.push(text.and_then(|text| KeySet::read(&text)));
            }
            let Some(Some(set)) = sets.get(at) else {
                is_whole = false;
                continue;
            };
            for key in set.of(token, id) {
                tried += 1;
                if tried > MAX_TRIED {
                    return Err(Fault::Signature.into());
                }
                run.charge(SIGNATURE_STEPS, || "checking the tokens".to_owned())?;
                if key.has_signed(token) {
                    return Ok(());
                }
            }
        }
        Err(Stop::Fault(if is_whole { Fault::Signature } else { Fault::Keys }))
    }
}

fn rendered(texts: &[Text], run: &mut Run<'_>) -> Result<Vec<String>, Unrendered> {
    texts.iter().map(|text| run.render(&text.template)).collect()
}

/// What later rules read of a token that is right.
fn result(token: &SignedToken<'_>, found: &FoundToken, method: TokenMethod) -> Result<Value, Unrendered> {
    let value = |object| {
        let text = serde_json::to_string(object).map_err(|error| Unrendered::unusable(error.to_string()))?;
        Value::from_json(&text).map_err(|fault| Unrendered::unusable(fault.to_string()))
    };
    let location = match method {
        TokenMethod::Header => "header",
        TokenMethod::Body => "body",
    };
    Ok(Value::from(Map::from_texts([
        ("header", value(&token.header)?),
        ("location", Value::text(location)),
        ("location_property", Value::text(&*found.name)),
        ("payload", value(&token.payload)?),
        ("signature", Value::text(token.signature)),
        ("verified", Value::Bool(true)),
    ])))
}

impl Execute for JwtValidation {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let fault = match self.validate(run) {
            Ok(tokens) => {
                if run.keeps_results {
                    run.keep_result(&TOKENS_RESULT, Value::list(tokens))?;
                    run.set_result(&ERROR_CODE, "");
                    run.set_result(&ERROR_MESSAGE, "");
                }
                return Ok(Next::GoOn);
            }
            Err(Stop::Ask(ask)) => return Ok(ask),
            Err(Stop::Unrendered(unrendered)) => return Err(unrendered),
            Err(Stop::Fault(fault)) => fault,
        };
        if run.keeps_results {
            run.keep_result(&TOKENS_RESULT, Value::list(Vec::new()))?;
            run.set_result(&ERROR_CODE, fault.code().to_string());
            run.set_result(&ERROR_MESSAGE, fault.to_string());
        }
        let mut response = HttpRefusal { status: 401, code: Some(fault.code()) }.to_response();
        challenge(&mut response.headers);
        run.refuse(response)
    }

    fn checks_times(&self) -> bool {
        true
    }

    fn refusal(&self) -> HttpRefusal {
        HttpRefusal { status: 401, code: Some(ngrok::ERR_NGROK_3401) }
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.templates(&self.issuers);
        digest.templates(&self.audiences);
        digest.number(self.tokens.len() as u64);
        for token in &self.tokens {
            digest.text(&format!("{:?} {:?}", token.kind, token.method));
            digest.template(&token.name);
            digest.templates(token.prefix.as_slice());
        }
        digest.text(&format!("{:?}", self.algorithms));
        digest.templates(&self.jkus);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Self::NAME, self.tokens.len())
    }
}

/// A refusal with 401 says how to do better (RFC 9110, 15.5.2; RFC 6750, 3).
fn challenge(headers: &mut Headers) {
    // INVARIANT: that is a header.
    let _ = headers.append("www-authenticate", "Bearer");
}
