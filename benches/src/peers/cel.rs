//! `cel` 0.15, and `cel-interpreter` 0.10 as it was called before: both walk the tree of the expression.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::requests::Request;

/// Answers whether an expression holds for requests, each of which has a context of its own that is made once.
pub trait Expressions: Sized {
    /// The name in results.
    const NAME: &'static str;

    /// Parses a text and binds the variables of all requests.
    #[must_use]
    fn new(text: &str, requests: &[Request]) -> Self;

    /// Whether it holds for the request at a place.
    fn holds(&self, at: usize) -> bool;
}

/// The function that neither has.
#[allow(clippy::needless_pass_by_value, reason = "functions of the peers take their arguments so")]
fn in_cidr_range(address: Arc<String>, network: Arc<String>) -> bool {
    match (address.parse::<IpAddr>(), network.parse::<IpNetwork>()) {
        (Ok(address), Ok(network)) => network.contains(address),
        _ => false,
    }
}

macro_rules! peer {
    ($(#[$doc:meta])* $name:ident, $text:literal, $library:ident, $context:ty, $declared:ident) => {
        $(#[$doc])*
        pub struct $name {
            program: ::$library::Program,
            contexts: Vec<$context>,
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct($text).finish_non_exhaustive()
            }
        }

        impl Expressions for $name {
            const NAME: &'static str = $text;

            #[allow(clippy::expect_used, reason = "bench data is valid")]
            fn new(text: &str, requests: &[Request]) -> Self {
                use ::$library::{Context, Program, Value};
                let map = |entries: Vec<(&str, Value)>| {
                    let entries = entries.into_iter().map(|(key, value)| (key.to_owned(), value));
                    Value::from(entries.collect::<HashMap<String, Value>>())
                };
                let context = |request: &Request| {
                    let headers = request.headers().map(|(name, values)| {
                        (name, values.iter().map(|value| Value::from(*value)).collect::<Vec<_>>().into())
                    });
                    let mut context = Context::default();
                    context.add_variable_from_value(
                        "req",
                        map(vec![
                            ("method", request.method.as_str().into()),
                            ("url", map(vec![("path", request.path.as_str().into())])),
                            ("headers", map(headers.collect())),
                        ]),
                    );
                    context.add_variable_from_value(
                        "conn",
                        map(vec![
                            ("client_ip", request.client_ip.to_string().into()),
                            ("client_port", Value::Int(request.client_port.into())),
                            ("geo", map(vec![("country_code", request.country.as_str().into())])),
                        ]),
                    );
                    $declared(context.add_function("inCidrRange", in_cidr_range));
                    context
                };
                Self {
                    program: Program::compile(text).expect("the peer reads it"),
                    contexts: requests.iter().map(context).collect(),
                }
            }

            fn holds(&self, at: usize) -> bool {
                let context = self.contexts.get(at);
                let value = context.and_then(|context| self.program.execute(context).ok());
                matches!(value, Some(::$library::Value::Bool(true)))
            }
        }
    };
}

peer!(
    /// `cel`.
    Cel, "cel", cel, ::cel::Context<'static, 'static>, taken
);

peer!(
    /// `cel-interpreter`.
    CelInterpreter, "cel-interpreter", cel_interpreter, ::cel_interpreter::Context<'static>, always_taken
);

#[allow(clippy::expect_used, reason = "the name is free")]
fn taken(declared: Result<(), ::cel::DeclarationError>) {
    declared.expect("the name is free");
}

const fn always_taken((): ()) {}
