//! What changes for one event.

use policy_core::events::{Decided, Event, Text};
use policy_core::outcome::OutcomeKind;
use policy_core::url::EndpointUrl;

use super::subject::Decision;
use super::undecided::Undecided;

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Decided as before.
    Same,
    /// The same, by another rule or for another reason.
    OtherReason,
    Changed(Box<Changed>),
    Undecided(Undecided),
}

/// How a decision differs; in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Change {
    NewlyDenied,
    NewlyAllowed,
    Elsewhere,
    /// Refused as before, in another way.
    Otherwise,
}

/// All of them.
pub(super) const CHANGES: [Change; 4] =
    [Change::NewlyDenied, Change::NewlyAllowed, Change::Elsewhere, Change::Otherwise];

impl Change {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly denied",
            Self::NewlyAllowed => "newly allowed",
            Self::Elsewhere => "forwarded elsewhere",
            Self::Otherwise => "refused otherwise",
        }
    }
}

/// A decision that differs, but for the client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Changed {
    pub(super) change: Change,
    /// The rule that decides now: its name, and where its action stands.
    pub(super) rule: Option<String>,
    pub(super) at: Option<String>,
    /// What it was before and is now: a target, or how it was refused.
    pub(super) before: String,
    pub(super) after: String,
    /// It goes to an endpoint that the configuration does not have, whose own policy may still refuse.
    pub(super) target_not_asked: bool,
}

/// What a decision was before.
struct Before {
    admitted: bool,
    kind: Option<OutcomeKind>,
    target: Option<EndpointUrl>,
}

impl Before {
    fn words(&self) -> String {
        match (&self.target, self.kind) {
            (Some(target), _) if self.admitted => target.to_string(),
            (_, Some(kind)) => kind.to_string(),
            _ if self.admitted => "let through".to_owned(),
            _ => "refused".to_owned(),
        }
    }
}

fn target_of(decision: &Decision) -> Option<&EndpointUrl> {
    decision.hops.last().filter(|_| decision.verdict.decision.is_admitted())
}

/// Compares with what another policy decides.
pub(super) fn with_old(old: &Decision, new: &Decision) -> Finding {
    let before = Before {
        admitted: old.verdict.decision.is_admitted(),
        kind: Some(old.verdict.decision),
        target: target_of(old).cloned(),
    };
    let same_words = old.verdict.rule == new.verdict.rule && old.verdict.reason == new.verdict.reason;
    finding(&before, new, target_of(new), same_words)
}

/// Compares with what the event says.
pub(super) fn with_event(event: &Event<'_>, new: &Decision, is_one_policy: bool) -> Finding {
    let Some(decided) = event.decided() else { return Finding::Undecided(Undecided::NotSaid) };
    let hops = match event.hops() {
        Ok(hops) => hops,
        Err(why) => return Finding::Undecided(Undecided::Unreadable(why)),
    };
    let kind = match decided {
        Decided::As(kind) => kind,
        Decided::Admitted | Decided::Refused => {
            let admitted = decided == Decided::Admitted;
            let before = Before { admitted, kind: None, target: None };
            return finding(&before, new, None, true);
        }
    };
    if kind == OutcomeKind::Error && event.policy_sha256().is_none() {
        return Finding::Undecided(Undecided::NotAsked);
    }
    // The verdict of an event is that of this policy, unless a target refused.
    let handed_over = is_one_policy && !kind.is_admitted() && !hops.is_empty();
    if handed_over {
        let before =
            Before { admitted: true, kind: Some(OutcomeKind::Forward), target: hops.into_iter().next() };
        return finding(&before, new, new.hops.first(), true);
    }
    // Behind the endpoint of an agent, the event knows more of the way.
    let passes = new.ends_elsewhere && !new.hops.is_empty() && hops.starts_with(&new.hops);
    if let Some(last) = new.hops.last().filter(|_| passes && !kind.is_admitted()) {
        return Finding::Undecided(Undecided::OtherPolicy(last.clone()));
    }
    let target = if kind.is_admitted() { hops.last().cloned() } else { None };
    let now = if passes { target.clone() } else { target_of(new).cloned() };
    let before = Before { admitted: kind.is_admitted(), kind: Some(kind), target };
    let same_words = has_words_of(event, new);
    let found = finding(&before, new, now.as_ref(), same_words);
    let digest = new.verdict.policy_sha256.map(|digest| digest.to_string());
    let same_policy = event.policy_sha256().and_then(Text::get).as_deref() == digest.as_deref();
    match &found {
        Finding::Changed(_) if kind == OutcomeKind::Error && same_policy => {
            Finding::Undecided(Undecided::NotInEvent)
        }
        _ => found,
    }
}

/// True if rule and reason are those of the event. Of a server that was not reached the edge knows more: it has that in
/// brackets behind the reason.
fn has_words_of(event: &Event<'_>, new: &Decision) -> bool {
    let rule = event.rule().and_then(Text::get);
    let reason = event.reason().and_then(Text::get).unwrap_or_default();
    let more = reason.strip_prefix(&*new.verdict.reason);
    let is_same = more.is_some_and(|more| {
        more.is_empty()
            || new.verdict.decision == OutcomeKind::Error && more.starts_with(" (") && more.ends_with(')')
    });
    is_same && rule.as_deref() == new.verdict.rule.as_deref()
}

fn finding(before: &Before, new: &Decision, target: Option<&EndpointUrl>, same_words: bool) -> Finding {
    let kind = new.verdict.decision;
    let change = match (before.admitted, kind.is_admitted()) {
        (true, false) => Some(Change::NewlyDenied),
        (false, true) => Some(Change::NewlyAllowed),
        // What is not said before cannot differ.
        (true, true) if before.kind.is_some() && before.target.as_ref() != target => Some(Change::Elsewhere),
        (false, false) if before.kind.is_some_and(|before| before != kind) => Some(Change::Otherwise),
        _ => None,
    };
    let Some(change) = change else {
        return if same_words { Finding::Same } else { Finding::OtherReason };
    };
    let after = match target_of(new) {
        Some(target) => target.to_string(),
        None => kind.to_string(),
    };
    let verdict = &new.verdict;
    let at = verdict.file.as_ref().zip(verdict.position).map(|(file, position)| format!("{file}:{position}"));
    let rule = verdict.rule.as_deref().map(str::to_owned);
    let target_not_asked = new.ends_elsewhere && kind.is_admitted();
    let before = before.words();
    Finding::Changed(Box::new(Changed { change, rule, at, before, after, target_not_asked }))
}
