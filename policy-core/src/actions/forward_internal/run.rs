//! `forward-internal` as it runs.

use std::fmt;

use super::{ForwardInternal, ForwardTarget, OnError};
use crate::cel::Unrendered;
use crate::diagnostic::shorten;
use crate::exchange::{Effect, ForwardFailure, Reply, TargetId};
use crate::ir::Lowering;
use crate::run::{Execute, Next, Run, StepDigest, Target};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::Text;
use crate::url::EndpointUrl;
use crate::vocabulary::{ActionResult, EVERYWHERE};

pub(super) const URL: ActionResult<String> =
    ActionResult::text("actions.ngrok.forward_internal.url", EVERYWHERE, "the target that failed");
pub(super) const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.forward_internal.error.code", EVERYWHERE, "ngrok's code of the fault");
pub(super) const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.forward_internal.error.message", EVERYWHERE, "the fault in words");

pub(super) fn lower(action: &ForwardInternal, lowering: &mut Lowering<'_>) -> Box<dyn Execute> {
    let or_continue = action.on_error == OnError::Continue;
    match &action.target {
        ForwardTarget::Literal(url) => {
            let id = lowering.target(&url.value);
            Box::new(FixedTarget { id, url: url.value.clone(), or_continue })
        }
        ForwardTarget::Dynamic(text) => Box::new(RenderedTarget { text: text.clone(), or_continue }),
    }
}

/// A target that is the same for every connection.
#[derive(Debug)]
struct FixedTarget {
    id: TargetId,
    url: EndpointUrl,
    or_continue: bool,
}

impl Execute for FixedTarget {
    fn always(&self) -> Option<Next> {
        Some(Next::Perform { effect: Effect::Forward(self.id), or_continue: self.or_continue })
    }

    fn replied(&self, run: &mut Run<'_>, _: Effect, reply: &Reply) {
        set_results(run, self.url.to_string(), reply);
    }

    fn target(&self) -> Option<Target<'_>> {
        Some(Target::Literal(&self.url))
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text("forward");
        digest.text(&self.url.to_string());
        digest.number(self.or_continue.into());
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward {}{}", self.url, if self.or_continue { ", or go on" } else { "" })
    }
}

/// A target that is known for each connection only.
#[derive(Debug)]
struct RenderedTarget {
    text: Text,
    or_continue: bool,
}

impl Execute for RenderedTarget {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let text = run.render(&self.text.template)?;
        let unusable = |why: &str| Unrendered::unusable(format!("`{}` {why}", shorten(&text)));
        let url = EndpointUrl::parse(&text)
            .map_err(|error| unusable(&format!("is not an endpoint URL: {}", error.fault)))?;
        if !url.is_internal() || url.is_wildcard() {
            return Err(unusable("is not an internal endpoint"));
        }
        if url.port().is_none() {
            return Err(unusable("has no port"));
        }
        let id = run.add_target(url)?;
        Ok(Next::Perform { effect: Effect::Forward(id), or_continue: self.or_continue })
    }

    fn replied(&self, run: &mut Run<'_>, effect: Effect, reply: &Reply) {
        if let Effect::Forward(id) = effect {
            let url = run.target(id).map(ToString::to_string).unwrap_or_default();
            set_results(run, url, reply);
        }
    }

    fn ends(&self) -> bool {
        !self.or_continue
    }

    fn target(&self) -> Option<Target<'_>> {
        Some(Target::Rendered(&self.text.template))
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        each(&self.text);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text("forward to");
        digest.template(&self.text);
        digest.number(self.or_continue.into());
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward to a text{}", if self.or_continue { ", or go on" } else { "" })
    }
}

/// Says why a forward failed, after which the policy goes on.
fn set_results(run: &mut Run<'_>, url: String, reply: &Reply) {
    let Reply::ForwardFailed(failure) = reply else { return };
    run.set_result(&URL, url);
    run.set_result(&ERROR_CODE, ForwardFailure::ngrok_code(*failure));
    run.set_result(&ERROR_MESSAGE, failure.to_string());
}

#[cfg(feature = "reference")]
pub(super) fn naive(action: &ForwardInternal, run: &mut Naive<'_>) -> NaiveNext {
    let url = match &action.target {
        ForwardTarget::Literal(url) => Some(url.value.clone()),
        ForwardTarget::Dynamic(text) => {
            let url = run.text(text).and_then(|text| EndpointUrl::parse(&text).ok());
            url.filter(|url| url.is_internal() && !url.is_wildcard() && url.port().is_some())
        }
    };
    let Some(url) = url else { return NaiveNext::End(NaiveEnd::Failed) };
    match (run.is_online(&url), action.on_error) {
        (true, _) => NaiveNext::End(NaiveEnd::Forwarded(url)),
        (false, OnError::Halt) => NaiveNext::End(NaiveEnd::Failed),
        (false, OnError::Continue) => {
            run.set_result(&URL, url.to_string());
            run.set_result(&ERROR_CODE, ForwardFailure::Offline.ngrok_code());
            run.set_result(&ERROR_MESSAGE, ForwardFailure::Offline.to_string());
            NaiveNext::GoOn
        }
    }
}
