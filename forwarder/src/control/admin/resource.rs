//! What a resource of the API is, and how a request finds what is asked of it.

use std::fmt;

use hyper::Method;

use super::answer::{Answer, Fault};
use super::call::Call;
use super::parts::Parts;
use super::sessions::Ref;
use crate::control::identity::Records;

/// What can be asked of a resource: a method, and a form of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `GET /name`.
    List,
    /// `POST /name`.
    Create,
    /// `GET /name/ID`.
    Read,
    /// `PATCH /name/ID`.
    Update,
    /// `DELETE /name/ID`.
    Delete,
    /// `POST /name/VERB`.
    Act(&'static str),
    /// `POST /name/ID/VERB`.
    ActOn(&'static str),
}

impl Operation {
    const fn method(self) -> Method {
        match self {
            Self::List | Self::Read => Method::GET,
            Self::Create | Self::Act(_) | Self::ActOn(_) => Method::POST,
            Self::Update => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    /// True if this is what stands behind the name in its paths.
    fn fits(self, rest: &[&str]) -> bool {
        match (self, rest) {
            (Self::List | Self::Create, []) | (Self::Read | Self::Update | Self::Delete, [_]) => true,
            (Self::Act(verb), [asked]) | (Self::ActOn(verb), [_, asked]) => verb == *asked,
            _ => false,
        }
    }
}

/// A part of the API. What it does not name in [`Resource::operations`] is refused before it is asked.
pub(super) trait Resource: Send + Sync {
    /// What its paths begin with; after the first one, the names that older clients have for it.
    fn names(&self) -> &'static [&'static str];

    /// What can be asked of it.
    fn operations(&self) -> &'static [Operation];

    /// What its ids begin with, up to the `_`, if other resources refer to it.
    fn id_prefix(&self) -> Option<&'static str> {
        None
    }

    /// False where this edge has nothing of the kind.
    fn is_served(&self, _: &Parts) -> bool {
        true
    }

    /// True if it changes what the API keeps, which is done one after the other.
    fn takes_turns(&self) -> bool {
        true
    }

    /// A page, or all there is.
    fn list(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        Err(cx.not_served())
    }

    /// Makes one.
    fn create(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        Err(cx.not_served())
    }

    /// One of them.
    fn read(&self, cx: &Context<'_>, _id: &str) -> Result<Answer, Fault> {
        Err(cx.not_served())
    }

    /// Changes one.
    fn update(&self, cx: &Context<'_>, _id: &str) -> Result<Answer, Fault> {
        Err(cx.not_served())
    }

    /// Deletes one.
    fn delete(&self, cx: &Context<'_>, _id: &str) -> Result<Answer, Fault> {
        Err(cx.not_served())
    }

    /// Tells which of the resource were deleted with their owner.
    fn went_with_owner(&self, _cx: &Context<'_>, _owned: &Records) {}

    /// Does what a verb says, to all or to one of them.
    fn act(&self, cx: &Context<'_>, _id: Option<&str>, _verb: &str) -> Result<Answer, Fault> {
        Err(cx.not_served())
    }
}

/// The resources of an API, in the order in which they are told to who asks for another one.
pub(super) type Resources = &'static [&'static dyn Resource];

/// A request at a resource.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// What the API works on.
    pub(super) parts: &'a Parts,
    /// All resources of the API.
    pub(super) resources: Resources,
    /// The request.
    pub(super) call: &'a Call,
    /// The name by which the resource was called.
    pub(super) name: &'static str,
}

impl Context<'_> {
    /// The URI of an object of any resource; empty for an id of none.
    pub(super) fn uri_of(&self, id: &str) -> String {
        let prefix = id.split_once('_').map(|(prefix, _)| prefix);
        let resource = self.resources.iter().find(|it| prefix.is_some() && it.id_prefix() == prefix);
        let name = resource.and_then(|it| it.names().first());
        name.map(|name| self.call.uri(name, id)).unwrap_or_default()
    }

    /// Whose a credential is, and what people call that.
    pub(super) fn principal(&self, credential: &str) -> (Option<Ref>, String) {
        let found = credential.parse().ok().and_then(|id| self.parts.identity.owner(id));
        let (id, name) = found.unwrap_or_else(|| (credential.to_owned(), String::new()));
        let uri = self.uri_of(&id);
        (Some(Ref { id, uri }), name)
    }

    /// There is nothing at this path.
    pub(super) fn not_served(&self) -> Fault {
        not_served(self.resources, self.call)
    }
}

/// The resource of a path, and the name by which it is called.
pub(super) fn find(resources: Resources, path: &str) -> Option<(&'static dyn Resource, &'static str)> {
    let called = parts_of(path).next()?;
    resources.iter().find_map(|resource| {
        let name = resource.names().iter().find(|name| **name == called)?;
        Some((*resource, *name))
    })
}

/// Does what a request asks for.
pub(super) fn answer(parts: &Parts, resources: Resources, call: &Call) -> Result<Answer, Fault> {
    let found = find(resources, &call.path).filter(|(resource, _)| resource.is_served(parts));
    let (resource, name) = found.ok_or_else(|| not_served(resources, call))?;
    let cx = Context { parts, resources, call, name };
    let rest: Vec<&str> = parts_of(&call.path).skip(1).take(3).collect();
    let fitting: Vec<Operation> =
        resource.operations().iter().copied().filter(|operation| operation.fits(&rest)).collect();
    if fitting.is_empty() {
        return Err(cx.not_served());
    }
    let asked = fitting.iter().find(|operation| operation.method() == call.method);
    let taken = || all_of(fitting.iter().map(|operation| operation.method()));
    let operation = asked.ok_or_else(|| Fault::wrong_method(&taken()))?;
    let id = rest.first().copied().unwrap_or_default();
    match operation {
        Operation::List => resource.list(&cx),
        Operation::Create => resource.create(&cx),
        Operation::Read => resource.read(&cx, id),
        Operation::Update => resource.update(&cx, id),
        Operation::Delete => resource.delete(&cx, id),
        Operation::Act(verb) => resource.act(&cx, None, verb),
        Operation::ActOn(verb) => resource.act(&cx, Some(id), verb),
    }
}

fn parts_of(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn not_served(resources: Resources, call: &Call) -> Fault {
    let names = resources.iter().filter_map(|it| it.names().first());
    Fault::not_served(&call.path, &all_of(names.map(|name| format!("/{name}"))))
}

/// `a, b and c`.
fn all_of(parts: impl Iterator<Item = impl fmt::Display>) -> String {
    let mut parts: Vec<_> = parts.map(|part| part.to_string()).collect();
    let last = parts.pop().unwrap_or_default();
    if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) }
}
