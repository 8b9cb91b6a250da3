//! Endpoints that forward to one another in a circle.
//!
//! Policies are places of their own on the way: a policy that many endpoints share is looked at once. So the search
//! takes a step for each endpoint and each forward that is written, without recursion.

use std::collections::HashMap;
use std::rc::Rc;

use super::FORWARD_LOOP;
use super::files::Usable;
use crate::check::CheckedPolicy;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::exchange::ForwardFailure;
use crate::model::Policy;
use crate::resolve::UrlMap;
use crate::source::Span;
use crate::url::EndpointUrl;

/// Endpoints that a finding names.
const MAX_NAMED: usize = 8;

/// What a policy forwards to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forwards(usize);

/// Endpoints with what their policies forward to.
#[derive(Default)]
pub(crate) struct Circles {
    links: Vec<Link>,
    /// Of each policy the targets, and whether every connection or request is forwarded there.
    targets: Vec<Vec<(EndpointUrl, bool)>>,
    /// Policies of files that were noted, by where they lie in memory: they stay there.
    noted: HashMap<usize, (Rc<CheckedPolicy>, Forwards)>,
}

struct Link {
    url: EndpointUrl,
    span: Span,
    forwards: Option<Forwards>,
}

impl Circles {
    /// Notes what a policy forwards to, of a file once.
    pub(crate) fn policy(&mut self, policy: &Usable<'_>) -> Forwards {
        let Usable::File(shared) = policy else { return self.note(policy.policy()) };
        let place = Rc::as_ptr(shared).addr();
        if let Some((_, forwards)) = self.noted.get(&place) {
            return *forwards;
        }
        let forwards = self.note(shared.policy());
        self.noted.insert(place, (Rc::clone(shared), forwards));
        forwards
    }

    /// What follows a rule that ends everything is not on the way.
    fn note(&mut self, policy: &Policy) -> Forwards {
        let mut targets = Vec::new();
        for phase in &policy.phases {
            for rule in &phase.rules {
                for action in &rule.actions {
                    if let Some(target) = action.config.forwards_to() {
                        targets.push((target.value.clone(), !rule.guarded && action.config.terminates()));
                    }
                }
                if !rule.guarded && rule.actions.iter().any(|action| action.config.terminates()) {
                    break;
                }
            }
        }
        self.targets.push(targets);
        Forwards(self.targets.len() - 1)
    }

    /// Adds an endpoint, with what its policy forwards to.
    pub(crate) fn endpoint(&mut self, url: EndpointUrl, span: Span, forwards: Option<Forwards>) {
        self.links.push(Link { url, span, forwards });
    }

    /// Warns of circles. O(endpoints + forwards).
    pub(crate) fn report(&self, findings: &mut Diagnostics) {
        // Of endpoints with the same URL the first stands for all.
        let serving = UrlMap::from_urls(self.links.iter().map(|link| &link.url));
        let next: Vec<Vec<(usize, bool)>> = self
            .targets
            .iter()
            .map(|targets| {
                targets.iter().filter_map(|(url, sure)| Some((*serving.serving(url)?.1, *sure))).collect()
            })
            .collect();
        let mut search = Search { circles: self, next, state: Vec::new(), path: Vec::new() };
        search.state.resize(self.links.len() + self.targets.len(), Visit::Open);
        for start in 0..self.links.len() {
            search.run(start, findings);
        }
    }
}

/// How far the search has come with an endpoint or a policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Open,
    /// On the path, at this place.
    On(usize),
    Done,
}

/// One step of the path.
#[derive(Clone, Copy)]
struct Step {
    /// An endpoint, or after all of them a policy.
    node: usize,
    /// The way on that is tried next.
    edge: usize,
    /// Steps up to here that not everything takes.
    unsure: usize,
}

/// Depth first, with a stack of its own; what is done is never looked at again.
struct Search<'c> {
    circles: &'c Circles,
    /// Of each policy the endpoints it forwards to.
    next: Vec<Vec<(usize, bool)>>,
    state: Vec<Visit>,
    path: Vec<Step>,
}

impl Search<'_> {
    fn run(&mut self, start: usize, findings: &mut Diagnostics) {
        self.enter(start, 0);
        while let Some(step) = self.path.last_mut() {
            let Step { node, edge, unsure } = *step;
            step.edge += 1;
            let Some((to, sure)) = self.way(node, edge) else {
                self.path.pop();
                self.set(node, Visit::Done);
                continue;
            };
            let unsure = unsure + usize::from(!sure);
            match self.state.get(to) {
                Some(Visit::Open) => self.enter(to, unsure),
                Some(Visit::On(begin)) => self.report(*begin, unsure, findings),
                Some(Visit::Done) | None => {}
            }
        }
    }

    /// Where the search goes on from a node.
    fn way(&self, node: usize, edge: usize) -> Option<(usize, bool)> {
        let endpoints = self.circles.links.len();
        match self.circles.links.get(node) {
            Some(link) => {
                let Forwards(policy) = link.forwards.filter(|_| edge == 0)?;
                Some((endpoints + policy, true))
            }
            None => self.next.get(node - endpoints)?.get(edge).copied(),
        }
    }

    fn enter(&mut self, node: usize, unsure: usize) {
        if self.state.get(node) == Some(&Visit::Open) {
            self.set(node, Visit::On(self.path.len()));
            self.path.push(Step { node, edge: 0, unsure });
        }
    }

    fn set(&mut self, node: usize, visit: Visit) {
        self.state.get_mut(node).into_iter().for_each(|slot| *slot = visit);
    }

    /// Reports the circle from a place of the path to its end; `unsure` counts the step that closes it too.
    fn report(&self, begin: usize, unsure: usize, findings: &mut Diagnostics) {
        let circle = self.path.get(begin..).unwrap_or_default();
        let always = circle.first().is_some_and(|first| first.unsure == unsure);
        let links = circle.iter().filter_map(|step| self.circles.links.get(step.node));
        let mut on: Vec<&Link> = links.take(MAX_NAMED).collect();
        let Some(first) = on.first().copied() else { return };
        on.push(first);
        let names: Vec<_> = on.iter().take(MAX_NAMED).map(|link| format!("`{}`", link.url)).collect();
        // The words of a connection that takes the way.
        let failure = ForwardFailure::TooManyHops;
        let where_taken = if always { "" } else { ", if its conditions hold" };
        let message = format!("{failure}: {} is a circle{where_taken}", names.join(" to "));
        let severity = if always { Severity::Error } else { Severity::Warning };
        findings.push(
            Diagnostic::new(&FORWARD_LOOP, first.span, message)
                .with_severity(severity)
                .with_help("let one of them end elsewhere; a chain of forwards is cut off at its limit"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Endpoints `a`, `b`, … with the policies they have, and what each policy forwards to.
    fn found(endpoints: &[Option<usize>], policies: &[&[(char, bool)]]) -> Vec<(Severity, String)> {
        let url = |name: char| EndpointUrl::parse(&format!("tcp://{name}.internal:1")).expect("a URL");
        let mut circles = Circles::default();
        for policy in policies {
            circles.targets.push(policy.iter().map(|(to, sure)| (url(*to), *sure)).collect());
        }
        for (policy, name) in endpoints.iter().zip('a'..) {
            circles.endpoint(url(name), Span::default(), policy.map(Forwards));
        }
        let mut found = Diagnostics::default();
        circles.report(&mut found);
        let short = |text: &str| {
            text.replace("the chain of forwards is too long: ", "")
                .replace(" is a circle", "")
                .replace(", if its conditions hold", "")
                .replace("tcp://", "")
                .replace(".internal:1", "")
                .replace('`', "")
        };
        found.iter().map(|it| (it.severity, short(&it.message))).collect()
    }

    #[test]
    fn circles_are_found_through_policies_of_one_and_of_many() {
        let (error, warning) = (Severity::Error, Severity::Warning);
        let of = |severity, text: &str| vec![(severity, text.to_owned())];
        assert_eq!(found(&[Some(0), Some(1), None], &[&[('b', true)], &[('c', true)]]), []);
        assert_eq!(found(&[Some(0), Some(1)], &[&[('b', true)], &[('a', true)]]), of(error, "a to b to a"));
        assert_eq!(
            found(&[Some(0), Some(1)], &[&[('b', true)], &[('a', false)]]),
            of(warning, "a to b to a")
        );
        assert_eq!(
            found(&[Some(0), Some(1)], &[&[('b', false)], &[('a', true)]]),
            of(warning, "a to b to a")
        );
        // The way into a circle is not a part of it.
        let long: &[&[(char, bool)]] = &[&[('b', false)], &[('c', true)], &[('b', true)]];
        assert_eq!(found(&[Some(0), Some(1), Some(2)], long), of(error, "b to c to b"));
        // A policy that three share forwards to one of them.
        assert_eq!(found(&[Some(0), Some(0), Some(0)], &[&[('b', true)]]), of(error, "b to b"));
    }

    #[test]
    fn a_long_way_with_many_ways_back_is_searched_once() {
        let url = |at: usize| EndpointUrl::parse(&format!("tcp://e{at}.internal:1")).expect("a URL");
        let (mut circles, count) = (Circles::default(), 30_000);
        for at in 0..count {
            circles.targets.push(vec![(url(at + 1), true), (url(at / 2), false)]);
            circles.endpoint(url(at), Span::default(), Some(Forwards(at)));
        }
        let mut findings = Diagnostics::default();
        circles.report(&mut findings);
        assert_eq!(findings.warnings(), count);
    }
}
