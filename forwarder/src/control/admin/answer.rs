//! Answers, and errors in ngrok's shape.

use hyper::StatusCode;
use serde::Serialize;
use ulid::Ulid;

use crate::control::identity::{ApiKeyError, IdentityError};
use policy_core::ngrok::{ERR_NGROK_501, NgrokCode};

/// An answer as it goes to the client.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with a body.
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Fault> {
        let body = policy_core::json::to_vec(body).map_err(|error| Fault::internal(&error))?;
        Ok(Self { status, body })
    }

    /// An answer without a body.
    pub(super) fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Vec::new() }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub struct Fault {
    status: StatusCode,
    code: Option<NgrokCode>,
    message: String,
}

/// The number of a path that this edge does not serve; one of its own.
const NOT_SERVED: NgrokCode = ERR_NGROK_501;

#[derive(Serialize)]
struct Shape<'a> {
    error_code: String,
    status_code: u16,
    msg: &'a str,
    details: Details,
}

#[derive(Serialize)]
struct Details {
    operation_id: String,
}

impl Fault {
    /// A fault with a message for the caller.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into() }
    }

    /// With ngrok's number of the error.
    pub(super) fn coded(self, code: NgrokCode) -> Self {
        Self { code: Some(code), ..self }
    }

    /// A part of the API that this edge does not have: 404 would say that one object is gone.
    pub(super) fn not_served(path: &str, served: &str) -> Self {
        let path = bounded(path);
        let message = format!("this edge does not serve `{path}`; it serves {served}");
        Self::new(StatusCode::NOT_IMPLEMENTED, message).coded(NOT_SERVED)
    }

    /// No object of this id.
    pub(super) fn not_found(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no `{}`", bounded(id)))
    }

    /// A method that the path does not take, with those that it does.
    pub(super) fn wrong_method(allowed: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path takes {allowed}"))
    }

    /// The client learns that something failed; what, stands in the log.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!("admin request failed: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the edge failed; its log says why")
    }

    /// What the store refused, as a status with its code.
    pub(super) fn from_identity(error: IdentityError, id: &str) -> Self {
        match error {
            IdentityError::NotFound => Self::not_found(id),
            IdentityError::Invalid { code, message } => {
                Self { status: StatusCode::BAD_REQUEST, code, message }
            }
            IdentityError::Full { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            IdentityError::Store(error) => {
                tracing::error!("admin request failed: {error}");
                let message =
                    "the identity store cannot be written, so nothing has changed; the edge's log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
            // It is in the log already.
            IdentityError::NotDurable(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            error => Self::internal(&error),
        }
    }
}

/// What a client sent comes back in a bounded length.
fn bounded(text: &str) -> String {
    text.chars().take(64).collect()
}

impl From<ApiKeyError> for Fault {
    fn from(refusal: ApiKeyError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, refusal.to_string()).coded(refusal.code())
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        let shape = Shape {
            error_code: fault.code.map_or_else(String::new, String::from),
            status_code: fault.status.as_u16(),
            msg: &fault.message,
            details: Details { operation_id: format!("op_{}", Ulid::generate()) },
        };
        // Nothing in the shape can fail to be written.
        Self { status: fault.status, body: policy_core::json::to_vec(&shape).unwrap_or_default() }
    }
}
