//! What an action does when it runs; each action's file implements it.

use std::fmt;

use super::{Run, StepDigest};
use crate::cel::{Expression, Template, Unrendered};
use crate::exchange::{Asked, Effect, Reply};
use crate::lpm::TestId;
use crate::message::Response;
use crate::ngrok::NgrokCode;
use crate::outcome::Ending;
use crate::schema::Text;
use crate::url::EndpointUrl;

/// What comes after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next action.
    GoOn,
    /// Ask the host; then the next action, or what the effect itself says.
    Perform {
        effect: Effect,
        /// Whether a failure is not the end.
        or_continue: bool,
    },
    /// Ask the host, and go on with [`Execute::resumed`], or with the step again once a body has been read.
    Ask(Effect),
    /// The phase ends.
    End(Ending),
}

/// What an action forwards to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'s> {
    /// The same for every connection.
    Literal(&'s EndpointUrl),
    /// Known for each connection only.
    Rendered(&'s Template),
}

/// How a refusal is told over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpRefusal {
    pub(crate) status: u16,
    /// What the header `ngrok-error-code` has.
    pub(crate) code: Option<NgrokCode>,
}

/// The header that names the error of an answer (ngrok documentation, errors, 2026-08-07).
const ERROR_CODE_HEADER: &str = "ngrok-error-code";

impl HttpRefusal {
    /// The response that tells it.
    pub(crate) fn to_response(self) -> Response {
        let mut response = Response::new(self.status);
        if let Some(code) = self.code {
            // INVARIANT: names and codes of ours are those of headers.
            let _ = response.headers.append(ERROR_CODE_HEADER, &code.to_string());
        }
        response
    }
}

/// What a test of the client's address says of a class of addresses, which is known when the program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressVerdict {
    pub(crate) admitted: bool,
    /// True if the phase ends as denied.
    pub(crate) ends: bool,
}

/// An action as it runs: its operands, ready to be used.
///
/// An action that does the same for every connection says so with [`Self::always`] and needs no `step`: the machine
/// then runs an instruction. Everything else runs `step`.
pub(crate) trait Execute: fmt::Debug + Send + Sync {
    /// What it does whatever the connection; nothing if it has to look.
    fn always(&self) -> Option<Next> {
        None
    }

    /// Does it.
    ///
    /// # Errors
    /// If a value of it cannot be made: the run ends as failed.
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        // An action that neither always does the same nor has a step must not let anything pass.
        let _ = run;
        Ok(self.always().unwrap_or(Next::End(Ending::Closed)))
    }

    /// Looks at the host's answer after which the policy goes on, for results. Called only if something reads them.
    fn replied(&self, run: &mut Run<'_>, effect: Effect, reply: &Reply) {
        let _ = (run, effect, reply);
    }

    /// Goes on with the host's answer to what was asked by [`Next::Ask`], which fits the effect. What was asked is given back.
    ///
    /// # Errors
    /// As for [`Self::step`].
    fn resumed(&self, run: &mut Run<'_>, asked: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        // An action that asks and has no use for the answer must not let anything pass.
        let _ = (run, asked, reply);
        Ok(Next::End(Ending::Closed))
    }

    /// What a client is answered that it refuses by [`Ending::Denied`] in a phase of requests or responses.
    fn refusal(&self) -> HttpRefusal {
        HttpRefusal { status: 403, code: None }
    }

    /// ngrok's code where the body that it has asked for does not arrive, if there is one.
    fn code_without_body(&self) -> Option<NgrokCode> {
        None
    }

    /// What it comes to for clients of which every address test is known, if nothing reads its results.
    fn at_addresses(&self, holds: &dyn Fn(TestId) -> bool) -> Option<AddressVerdict> {
        let _ = holds;
        None
    }

    /// True if what follows it runs, whatever the connection and the host's answer.
    fn goes_on(&self) -> bool {
        false
    }

    /// True if it looks at the client's address.
    fn tests_client(&self) -> bool {
        false
    }

    /// True if it checks times, and refuses what has some where the host does not know what time it is.
    fn checks_times(&self) -> bool {
        false
    }

    /// True if nothing after it runs, whatever the connection and the host's answer.
    fn ends(&self) -> bool {
        match self.always() {
            Some(Next::End(_)) => true,
            Some(Next::Perform { effect: Effect::Forward(_), or_continue }) => !or_continue,
            _ => false,
        }
    }

    /// Every text with expressions in it.
    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        let _ = each;
    }

    /// Every expression in it.
    fn expressions<'a>(&'a self, each: &mut dyn FnMut(&'a Expression)) {
        self.texts(&mut |text| text.template.expressions().for_each(&mut *each));
    }

    /// What it forwards to, if it does.
    fn target(&self) -> Option<Target<'_>> {
        None
    }

    /// True if it sends requests of its own.
    fn sends_requests(&self) -> bool {
        false
    }

    /// Instructions that it counts as.
    fn cost(&self) -> u64 {
        1
    }

    /// Puts everything in that decides what it does.
    fn digest(&self, digest: &mut StepDigest<'_>);

    /// Says in few words what it does, for the listing of a program.
    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// In the place of an action that this version does not run: it lets nothing pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotRun;

impl Execute for NotRun {
    fn always(&self) -> Option<Next> {
        Some(Next::End(Ending::Closed))
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text("not run");
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("close: not run by this version")
    }
}
