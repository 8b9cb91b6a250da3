//! Resources that are records of the identity store: what all of them do alike.
//!
//! A change has its event after it counts, also where the store could not keep it yet.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use agent_link::Hidden;
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Fault};
use super::filter::Fields;
use super::page::List;
use super::resource::{Context, Operation, Resource};
use crate::control::identity::{Identity, IdentityError, Token};

/// A kind of record.
pub(super) trait RecordKind: Send + Sync + 'static {
    /// What its paths begin with.
    const NAMES: &'static [&'static str];
    /// What its ids begin with.
    const ID_PREFIX: &'static str;
    /// The key of the items of a list; the name by which it was called where there is none.
    const LIST_KEY: Option<&'static str> = None;
    /// The kind of object in events.
    const EVENT: &'static str;
    /// What a list may be filtered by.
    const FIELDS: Fields;

    /// Its id.
    type Id: Copy + fmt::Display + FromStr<Err: fmt::Display>;
    /// The record.
    type Record;
    /// What a deletion removes.
    type Removed;
    /// The record as the API shows it.
    type View: View;
    /// The body that makes one.
    type Create: DeserializeOwned;
    /// The body that changes one.
    type Update: DeserializeOwned;

    /// The id of a record.
    fn id(record: &Self::Record) -> Self::Id;

    /// The record as it is shown, with its URI.
    fn view(record: Self::Record, uri: String) -> Self::View;

    /// So many that are older than an id, newest first.
    fn page(identity: &Identity, before: Option<Self::Id>, max: usize) -> Vec<Self::Record>;

    /// One of them.
    fn find(identity: &Identity, id: Self::Id) -> Option<Self::Record>;

    /// Makes one, with its secret if it has one.
    fn create(identity: &Identity, body: Self::Create) -> Result<(Self::Record, Option<Token>), Fault>;

    /// Changes one.
    fn update(identity: &Identity, id: Self::Id, body: Self::Update) -> Result<Self::Record, IdentityError>;

    /// What a deletion would remove.
    fn removable(identity: &Identity, id: Self::Id) -> Option<Self::Removed>;

    /// Deletes one.
    fn delete(identity: &Identity, id: Self::Id) -> Result<Self::Removed, IdentityError>;

    /// Tells what was removed.
    fn emit_removed(cx: &Context<'_>, removed: Self::Removed);
}

/// A record as the API shows it.
pub(super) trait View: Serialize {
    /// Its id.
    fn id(&self) -> &str;

    /// Shows the secret, in the answer that makes it and nowhere else.
    fn reveal(&mut self, _: Hidden) {}
}

/// The resource of a kind of record.
pub(super) struct RecordResource<K>(PhantomData<fn() -> K>);

impl<K> RecordResource<K> {
    /// The resource.
    pub(super) const NEW: Self = Self(PhantomData);
}

impl Context<'_> {
    /// A record as it is shown.
    pub(super) fn view<K: RecordKind>(&self, record: K::Record) -> K::View {
        let own = K::NAMES.iter().find(|name| **name == self.name).or(K::NAMES.first());
        let uri = self.call.uri(own.copied().unwrap_or_default(), K::id(&record));
        K::view(record, uri)
    }

    /// Records what was done to a record, such as `created`.
    pub(super) fn audit<K: RecordKind>(&self, what: &str, view: &K::View) {
        self.parts.audit.record(self.call.caller, K::EVENT, what, view);
    }
}

fn parse<K: RecordKind>(id: &str) -> Result<K::Id, Fault> {
    id.parse().map_err(|_| Fault::not_found(id))
}

impl<K: RecordKind> Resource for RecordResource<K> {
    fn names(&self) -> &'static [&'static str] {
        K::NAMES
    }

    fn operations(&self) -> &'static [Operation] {
        use Operation::{Create, Delete, List, Read, Update};
        &[List, Create, Read, Update, Delete]
    }

    fn id_prefix(&self) -> Option<&'static str> {
        Some(K::ID_PREFIX)
    }

    fn list(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        let list = List { path: cx.name, key: K::LIST_KEY.unwrap_or(cx.name), fields: K::FIELDS };
        list.answer(cx.call, K::View::id, |before: Option<&K::Id>, max| {
            let found = K::page(&cx.parts.identity, before.copied(), max);
            found.into_iter().map(|record| cx.view::<K>(record)).collect()
        })
    }

    fn create(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        let (record, token) = K::create(&cx.parts.identity, cx.call.json()?)?;
        let mut view = cx.view::<K>(record);
        cx.audit::<K>("created", &view);
        if let Some(token) = token {
            view.reveal(Hidden(token.reveal().to_owned()));
        }
        Answer::json(StatusCode::CREATED, &view)
    }

    fn read(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let record = K::find(&cx.parts.identity, parse::<K>(id)?).ok_or_else(|| Fault::not_found(id))?;
        Answer::json(StatusCode::OK, &cx.view::<K>(record))
    }

    fn update(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let (identity, body) = (&cx.parts.identity, cx.call.json()?);
        let id_of = parse::<K>(id)?;
        let changed = K::update(identity, id_of, body);
        let (record, durable) = made(changed, id, || K::find(identity, id_of))?;
        let view = cx.view::<K>(record);
        cx.audit::<K>("updated", &view);
        durable?;
        Answer::json(StatusCode::OK, &view)
    }

    fn delete(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let (identity, id_of) = (&cx.parts.identity, parse::<K>(id)?);
        let before = K::removable(identity, id_of);
        let (removed, durable) = made(K::delete(identity, id_of), id, || before)?;
        K::emit_removed(cx, removed);
        durable?;
        Ok(Answer::nothing())
    }
}

/// What a change made, and how that is answered: one that counts and is not durable has its event like any other.
fn made<T>(
    done: Result<T, IdentityError>,
    id: &str,
    counts: impl FnOnce() -> Option<T>,
) -> Result<(T, Result<(), Fault>), Fault> {
    match done {
        Ok(made) => Ok((made, Ok(()))),
        Err(error @ IdentityError::NotDurable(_)) => {
            let fault = Fault::from_identity(error, id);
            match counts() {
                Some(made) => Ok((made, Err(fault))),
                None => Err(fault),
            }
        }
        Err(error) => Err(Fault::from_identity(error, id)),
    }
}
