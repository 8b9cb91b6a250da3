//! What the engine has made of a phase, compared with the naive engine.

use policy_core::evaluate::{Evaluation, Mode};
use policy_core::message::{Changes, Headers, Request, RequestUrl, Response, Side};
use policy_core::outcome::{Fault, Outcome};
use policy_core::reference::{NaiveOutcome, NaiveRun};

/// Names and values of headers, sorted by name; the values of one stay in order.
fn sorted(headers: &Headers) -> Vec<(String, String)> {
    let mut out: Vec<_> = headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    out.sort_by(|one, other| one.0.cmp(&other.0));
    out
}

/// Headers with what rules have made of those that they touched.
fn applied<'c>(
    headers: &Headers,
    touched: impl Iterator<Item = (&'c str, &'c [Box<str>])>,
) -> Vec<(String, String)> {
    let mut out = sorted(headers);
    for (name, values) in touched {
        out.retain(|(known, _)| known != name);
        out.extend(values.iter().map(|value| (name.to_owned(), value.to_string())));
    }
    out.sort_by(|one, other| one.0.cmp(&other.0));
    out
}

/// What differs, in words. The engine has bounds that the naive one lacks: it may fail where the other goes on, if `bounded`.
pub(crate) fn difference<M: Mode>(
    (run, outcome): (&Evaluation<'_, M>, Outcome),
    (naive, after): (&NaiveOutcome, &NaiveRun<'_>),
    (request, response): (&Request, Option<&Response>),
    bounded: bool,
) -> Option<String> {
    let answer = run.answer();
    let same = match (outcome, naive) {
        (_, NaiveOutcome::Unknown(_)) => return None,
        (Outcome::Forwarded { target, by }, NaiveOutcome::Forwarded(url, at)) => {
            by.index() == *at && run.target(target) == Some(url)
        }
        (Outcome::Denied { by }, NaiveOutcome::Denied(wanted, at)) => {
            by.index() == *at && answer.as_deref() == wanted.as_ref()
        }
        (Outcome::Responded { by }, NaiveOutcome::Responded(wanted, at)) => {
            by.index() == *at && answer.as_deref() == Some(wanted)
        }
        (Outcome::Closed { by }, NaiveOutcome::Closed(at)) => by.index() == *at,
        (Outcome::Upstream, NaiveOutcome::Upstream) => true,
        // What a failed step has changed before nobody sees.
        (Outcome::Failed { by: Some(by), .. }, NaiveOutcome::Failed(at)) if by.index() == *at => return None,
        (Outcome::Failed { fault: Fault::Condition(_), .. }, NaiveOutcome::NoCondition(_)) => return None,
        (Outcome::Failed { .. }, _) if bounded => return None,
        _ => false,
    };
    if !same {
        return Some(format!("{outcome:?} {answer:?}, naive {naive:?}"));
    }
    let none = Changes::default();
    let changes = run.changes().unwrap_or(&none);
    let parsed = |url: &str| RequestUrl::parse(url.to_owned()).map(|url| url.as_str().to_owned());
    let url = changes.url().map_or_else(|| parsed(&request.url), |url| Ok(url.as_str().to_owned()));
    let naive_request = after.request()?;
    if url != parsed(&naive_request.url) {
        return Some(format!("{url:?}, naive {}", naive_request.url));
    }
    let headers = applied(&request.headers, changes.request_headers());
    if headers != sorted(&naive_request.headers) {
        return Some(format!("{headers:?}, naive {:?}", naive_request.headers));
    }
    if let (Some(response), Some(naive)) = (response, after.response()) {
        let headers = applied(&response.headers, changes.response_headers());
        if headers != sorted(&naive.headers) {
            return Some(format!("{headers:?}, naive {:?}", naive.headers));
        }
    }
    if changes.compression() != after.compression() {
        return Some(format!("{:?}, naive {:?}", changes.compression(), after.compression()));
    }
    for side in [Side::Request, Side::Response, Side::Event] {
        if let Some(body) = changes.body(side).filter(|body| Some(*body) != after.body(side)) {
            return Some(format!("{side:?} {body:?}, naive {:?}", after.body(side)));
        }
    }
    None
}
