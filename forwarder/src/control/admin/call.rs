//! A request as the API takes it.

use std::fmt;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::answer::Fault;
use crate::control::audit::Caller;
use crate::control::identity::ServiceUserId;

/// A request that passed the guard, read whole.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, from `/` on.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// The body.
    pub body: Bytes,
    /// What the URIs in the answer begin with, such as `http://localhost`.
    pub base: String,
    /// Who calls.
    pub caller: Caller,
}

impl Call {
    /// Reads a body of JSON that is no list; an empty one is an empty object.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Fault> {
        let body = if self.body.is_empty() { b"{}" } else { &*self.body };
        // A list would be taken for the fields in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            let message = "the body cannot be used: it is a list, not a JSON object".to_owned();
            return Err(Fault::new(StatusCode::BAD_REQUEST, message));
        }
        serde_json::from_slice(body)
            .map_err(|error| Fault::new(StatusCode::BAD_REQUEST, format!("the body cannot be used: {error}")))
    }

    pub(super) fn uri(&self, collection: &str, id: impl fmt::Display) -> String {
        format!("{}/{collection}/{id}", self.base)
    }
}

/// The owner that a body names, if any.
pub(super) fn owner(id: Option<String>, email: Option<String>) -> Result<Option<ServiceUserId>, Fault> {
    let bad = |message: String| Fault::new(StatusCode::BAD_REQUEST, message);
    if email.is_some_and(|email| !email.is_empty()) {
        return Err(bad("`owner_email` is not supported: give the `owner_id` of a service user".to_owned()));
    }
    // Some clients send an empty text for nothing.
    let id = id.filter(|id| !id.is_empty()).map(|id| id.parse()).transpose();
    id.map_err(|error| bad(format!("`owner_id` is {error}")))
}
