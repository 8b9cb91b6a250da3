//! Checks a webhook as the scheme of its provider says.

use super::schemes::{Mac, Scheme};
use super::signature::{Failure, Signed, is_same, one};
use super::twilio;
use crate::message::RequestView;

impl Scheme {
    /// The header without which there is nothing to check; then the body need not be read.
    pub(super) fn header(&self, request: &RequestView<'_>) -> &'static str {
        match self {
            Self::Either(first, second) => choose(first, second, request).header,
            Self::Mac(mac) => mac.header,
            Self::Token(header) => header,
            Self::Twilio => twilio::HEADER,
        }
    }

    /// True if the body is a part of what is signed.
    pub(super) const fn signs_body(&self) -> bool {
        !matches!(self, Self::Token(_))
    }

    /// Checks a request. O(body + headers).
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) fn verify(&self, signed: Signed<'_>) -> Result<(), Failure> {
        if signed.secret.is_empty() {
            return Err(Failure::Secret);
        }
        match self {
            Self::Either(first, second) => choose(first, second, signed.request).verify(signed),
            Self::Mac(mac) => mac.verify(signed),
            Self::Token(header) => match is_same(one(signed.request, header)?.as_bytes(), signed.secret) {
                true => Ok(()),
                false => Err(Failure::Signature),
            },
            Self::Twilio => twilio::verify(signed),
        }
    }
}

/// The one of two whose header is there.
fn choose<'m>(first: &'m Mac, second: &'m Mac, request: &RequestView<'_>) -> &'m Mac {
    if request.header(first.header).is_some() { first } else { second }
}
