//! `/edge`: what the edge serves, and its reload. Ours; ngrok's API has nothing of the kind.

use hyper::StatusCode;

use crate::control::admin::answer::{Answer, Fault};
use crate::control::admin::edge::EdgeControl;
use crate::control::admin::parts::Parts;
use crate::control::admin::resource::{Context, Operation, Resource};

/// The running edge.
pub(super) struct Edge;

fn edge<'a>(cx: &Context<'a>) -> Result<&'a dyn EdgeControl, Fault> {
    cx.parts.edge.as_deref().ok_or_else(|| cx.not_served())
}

impl Resource for Edge {
    fn names(&self) -> &'static [&'static str] {
        &["edge"]
    }

    fn operations(&self) -> &'static [Operation] {
        &[Operation::List, Operation::Act("reload")]
    }

    fn is_served(&self, parts: &Parts) -> bool {
        parts.edge.is_some()
    }

    /// It changes nothing that the API keeps.
    fn takes_turns(&self) -> bool {
        false
    }

    fn list(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        Answer::json(StatusCode::OK, &edge(cx)?.status())
    }

    fn act(&self, cx: &Context<'_>, _: Option<&str>, _: &str) -> Result<Answer, Fault> {
        match edge(cx)?.reload(cx.call.caller) {
            Some(report) => Answer::json(StatusCode::OK, &report),
            None => Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the edge is stopping")),
        }
    }
}
