//! Resources that are records of the identity store: what all of them do alike.
//!
//! A change has its event after it counts, also where the store could not keep it yet.

use std::marker::PhantomData;

use agent_link::Hidden;
use hyper::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Fault};
use super::filter::Filterable;
use super::page::List;
use super::resource::{Context, Operation, Resource};
use crate::control::identity::{IdentityError, Kind, Record, RecordId, Records, Token};

/// A kind of record.
pub(super) trait RecordKind: Send + Sync + 'static {
    /// What its paths begin with.
    const NAMES: &'static [&'static str];
    /// The key of the items of a list; the name by which it was called where there is none.
    const LIST_KEY: Option<&'static str> = None;
    /// The kind of object in events.
    const EVENT: &'static str;

    /// The record.
    type Record: Kind;
    /// The record as the API shows it.
    type View: View;
    /// The body that makes one.
    type Create: DeserializeOwned;
    /// The body that changes one.
    type Update: DeserializeOwned;

    /// The record as it is shown, with its URI.
    fn view(record: Self::Record, uri: String) -> Self::View;

    /// What makes one, as a body says.
    fn creation(body: Self::Create) -> Result<<Self::Record as Record>::New, Fault>;

    /// What changes one, as a body says.
    fn patch(body: Self::Update) -> <Self::Record as Record>::Patch;
}

/// The ids of a kind.
type IdOf<K> = <<K as RecordKind>::Record as Record>::Id;

/// A record as the API shows it.
pub(super) trait View: Serialize + Filterable {
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
    fn view<K: RecordKind>(&self, record: K::Record) -> K::View {
        let own = K::NAMES.iter().find(|name| **name == self.name).or(K::NAMES.first());
        let uri = self.call.uri(own.copied().unwrap_or_default(), record.id());
        K::view(record, uri)
    }

    /// Records what was done to a record, such as `created`.
    fn audit<K: RecordKind>(&self, what: &str, view: &K::View) {
        self.parts.audit.record(self.call.caller, K::EVENT, what, view);
    }
}

fn parse<K: RecordKind>(id: &str) -> Result<IdOf<K>, Fault> {
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
        <IdOf<K> as RecordId>::PREFIX.strip_suffix('_')
    }

    fn list(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        let list = List { path: cx.name, key: K::LIST_KEY.unwrap_or(cx.name), fields: K::View::FIELDS };
        list.answer(cx.call, K::View::id, |before: Option<&IdOf<K>>, max| {
            let found = cx.parts.identity.page::<K::Record>(before.copied(), max);
            found.into_iter().map(|record| cx.view::<K>(record)).collect()
        })
    }

    fn create(&self, cx: &Context<'_>) -> Result<Answer, Fault> {
        let created = cx.parts.identity.create::<K::Record>(K::creation(cx.call.json()?)?, Timestamp::now());
        let (record, secret) = created.map_err(|error| Fault::from_identity(error, ""))?;
        let mut view = cx.view::<K>(record);
        cx.audit::<K>("created", &view);
        let token: Option<Token> = secret.into();
        if let Some(token) = token {
            view.reveal(Hidden(token.reveal().to_owned()));
        }
        Answer::json(StatusCode::CREATED, &view)
    }

    fn read(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let record = cx.parts.identity.find::<K::Record>(parse::<K>(id)?);
        let record = record.ok_or_else(|| Fault::not_found(id))?;
        Answer::json(StatusCode::OK, &cx.view::<K>(record))
    }

    fn update(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let (identity, body) = (&cx.parts.identity, cx.call.json()?);
        let id_of = parse::<K>(id)?;
        let changed = identity.update::<K::Record>(id_of, K::patch(body));
        let (record, durable) = made(changed, id, || identity.find::<K::Record>(id_of))?;
        let view = cx.view::<K>(record);
        cx.audit::<K>("updated", &view);
        durable?;
        Answer::json(StatusCode::OK, &view)
    }

    fn delete(&self, cx: &Context<'_>, id: &str) -> Result<Answer, Fault> {
        let (identity, id_of) = (&cx.parts.identity, parse::<K>(id)?);
        let before = identity.removable::<K::Record>(id_of);
        let (removed, durable) = made(identity.delete::<K::Record>(id_of), id, || before)?;
        cx.resources.iter().for_each(|resource| resource.went_with_owner(cx, &removed.owned));
        cx.audit::<K>("deleted", &cx.view::<K>(removed.record));
        durable?;
        Ok(Answer::nothing())
    }

    fn went_with_owner(&self, cx: &Context<'_>, owned: &Records) {
        for record in K::Record::of(owned) {
            cx.audit::<K>("deleted", &cx.view::<K>(record.clone()));
        }
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
