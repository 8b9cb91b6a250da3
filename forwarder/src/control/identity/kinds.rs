//! The kinds of records: a file and a line each. The line makes the changes of a store, what a store holds, and the copy
//! in memory.

mod api_keys;
mod credentials;
mod service_users;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

pub use api_keys::{ApiKey, ApiKeyId, ApiKeyPatch, NewApiKey};
pub use credentials::{Credential, CredentialPatch, NewCredential};
pub use service_users::{NewServiceUser, ServiceUser, ServiceUserPatch};

use super::cache::{Entry, Table, Uses};
use super::error::StoreError;
use super::ids::{CredentialId, RecordId, ServiceUserId};
use super::record::Record;

/// A record whose kind has its line.
pub trait Kind: Record {
    /// The change that writes it.
    fn put(self) -> Change;

    /// The change that removes one.
    fn remove(id: Self::Id) -> Change;

    /// Those of the kind among records.
    fn of(records: &Records) -> &Vec<Self>;

    /// The same, to be changed.
    fn of_mut(records: &mut Records) -> &mut Vec<Self>;

    /// Those of the kind, in memory.
    fn table(cache: &Cache) -> &Table<Self>;

    /// The same, to be changed.
    fn table_mut(cache: &mut Cache) -> &mut Table<Self>;
}

/// Where records of all kinds come from.
pub(super) trait Source {
    /// Why they do not.
    type Error;

    /// Those of a kind, in any order, with the time of their last use.
    fn all<R: Kind>(&self) -> Result<Vec<R>, Self::Error>;
}

/// What changes are made in.
pub(super) trait Target {
    /// Why one is not made.
    type Error;

    /// Writes a record, and leaves the time of its last use as it is.
    fn put<R: Kind>(&mut self, record: &R) -> Result<(), Self::Error>;

    /// Removes a record and the time of its last use.
    fn remove<R: Kind>(&mut self, id: R::Id) -> Result<(), Self::Error>;

    /// Removes the records of a kind that a service user owns.
    fn remove_owned<R: Kind>(&mut self, owner: ServiceUserId) -> Result<(), Self::Error>;

    /// Writes when a record was last used, where there is such a record.
    fn used<R: Kind>(&mut self, id: R::Id, at: Timestamp) -> Result<(), Self::Error>;
}

macro_rules! kinds {
    ($($all:ident: $kind:ident => $put:ident, $remove:ident $(, $used:ident)?;)*) => {
        /// One change of a store. Making one twice is the same as making it once.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Change {
            $(
                #[doc = concat!("Writes one of `", stringify!($all), "`, new or old, without the time of its last use.")]
                $put(Box<$kind>),
                #[doc = concat!("Removes one of `", stringify!($all), "`, with the time of its last use.")]
                $remove(<$kind as Record>::Id),
                $(
                    #[doc = concat!("Writes when one of `", stringify!($all), "` was last used, if it is there.")]
                    $used(<$kind as Record>::Id, Timestamp),
                )?
            )*
            /// Removes all that a service user owns, however many those are.
            RemoveOwned(ServiceUserId),
        }

        impl Change {
            /// What it is about: of two changes with the same, the later one counts.
            pub(super) fn subject(&self) -> (&'static str, Ulid) {
                match self {
                    $(
                        Self::$put(record) => (<$kind as Record>::TABLE, record.id().number()),
                        Self::$remove(id) => (<$kind as Record>::TABLE, id.number()),
                        $(Self::$used(id, _) => (<$kind as Record>::USES.unwrap_or_default(), id.number()),)?
                    )*
                    Self::RemoveOwned(id) => ("owned", id.number()),
                }
            }

            /// True if it leaves nothing but a gap.
            pub(super) const fn is_deletion(&self) -> bool {
                matches!(self, Self::RemoveOwned(_) $(| Self::$remove(_))*)
            }

            /// Makes it.
            pub(super) fn make<T: Target>(&self, target: &mut T) -> Result<(), T::Error> {
                match self {
                    $(
                        Self::$put(record) => target.put::<$kind>(record),
                        Self::$remove(id) => target.remove::<$kind>(*id),
                        $(Self::$used(id, at) => target.used::<$kind>(*id, *at),)?
                    )*
                    Self::RemoveOwned(owner) => {
                        $(target.remove_owned::<$kind>(*owner)?;)*
                        Ok(())
                    }
                }
            }
        }

        /// The tables of a store: records of each kind, and when they were last used.
        pub(super) const TABLES: &[(&str, Option<&str>)] =
            &[$((<$kind as Record>::TABLE, <$kind as Record>::USES)),*];

        #[cfg(test)]
        const PREFIXES: &[&str] = &[$(<<$kind as Record>::Id as RecordId>::PREFIX),*];

        /// All that a store holds, or a part of it.
        #[derive(Clone, Debug, Default)]
        pub struct Records {
            $(
                #[doc = concat!("Those of `", stringify!($kind), "`, in any order, with the time of their last use.")]
                pub $all: Vec<$kind>,
            )*
        }

        impl Records {
            /// All that somewhere is.
            pub(super) fn from_source<S: Source>(source: &S) -> Result<Self, S::Error> {
                Ok(Self { $($all: source.all::<$kind>()?),* })
            }

            /// The changes that remove them one by one.
            pub(super) fn removals(&self) -> Vec<Change> {
                let mut removals = Vec::new();
                $(removals.extend(self.$all.iter().map(|record| Change::$remove(record.id())));)*
                removals
            }
        }

        /// The copy of a store in memory.
        #[derive(Debug, Default)]
        pub struct Cache {
            $($all: Table<$kind>,)*
        }

        impl Cache {
            /// The copy of what a store holds.
            pub(super) fn from_records(records: Records) -> Result<Self, StoreError> {
                Ok(Self { $($all: Table::from_records(records.$all)?),* })
            }

            /// The newest id of all.
            pub(super) fn newest(&self) -> Ulid {
                [$(self.$all.newest()),*].into_iter().flatten().max().unwrap_or_default()
            }

            /// Removes records.
            pub(super) fn remove_all(&mut self, records: &Records) {
                $(records.$all.iter().for_each(|record| self.$all.remove(record.id()));)*
            }

            /// The uses that the store does not have, with the changes that write them.
            pub(super) fn uses_not_kept(&self) -> Vec<(Change, Timestamp, Arc<Uses>)> {
                let mut all = Vec::new();
                $($(
                    let uses = self.$all.uses_not_kept();
                    all.extend(uses.map(|(id, at, uses)| (Change::$used(id, at), at, Arc::clone(uses))));
                )?)*
                all
            }

            /// The credentials that sessions depend on together with a record: it, or what it owns. O(records) for what
            /// owns others.
            pub(super) fn credentials(&self, record: &impl Record) -> Vec<CredentialId> {
                let mut all: Vec<_> = record.credential().into_iter().collect();
                if let Some(owner) = record.owns() {
                    $(all.extend(self.$all.owned_by(owner).filter_map(|entry| entry.record.credential()));)*
                }
                all
            }
        }

        $(
            const _: () = {
                const USED: &[&str] = &[$(stringify!($used))?];
                assert!(<$kind as Record>::USES.is_some() == (USED.len() == 1), "uses need a change, and no other kind");
            };

            impl Kind for $kind {
                fn put(self) -> Change {
                    Change::$put(Box::new(self))
                }

                fn remove(id: Self::Id) -> Change {
                    Change::$remove(id)
                }

                fn of(records: &Records) -> &Vec<Self> {
                    &records.$all
                }

                fn of_mut(records: &mut Records) -> &mut Vec<Self> {
                    &mut records.$all
                }

                fn table(cache: &Cache) -> &Table<Self> {
                    &cache.$all
                }

                fn table_mut(cache: &mut Cache) -> &mut Table<Self> {
                    &mut cache.$all
                }
            }
        )*
    };
}

// The plural in code, the record, and the names of its changes in the reserve, which never change. A kind that keeps when
// one was last used names a change for that too.
kinds! {
    service_users: ServiceUser => PutServiceUser, RemoveServiceUser;
    credentials: Credential => PutCredential, RemoveCredential, Used;
    api_keys: ApiKey => PutApiKey, RemoveApiKey;
}

impl Cache {
    /// Those of a kind.
    pub(super) fn table<R: Kind>(&self) -> &Table<R> {
        R::table(self)
    }

    /// What a service user owns.
    pub(super) fn owned_by(&self, owner: ServiceUserId) -> Records {
        let Ok(owned) = Records::from_source(&Owned { cache: self, owner });
        owned
    }
}

/// What a service user owns.
struct Owned<'c> {
    cache: &'c Cache,
    owner: ServiceUserId,
}

impl Source for Owned<'_> {
    type Error = std::convert::Infallible;

    fn all<R: Kind>(&self) -> Result<Vec<R>, Self::Error> {
        Ok(self.cache.table::<R>().owned_by(self.owner).map(Entry::shown).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_table_and_each_id_is_of_one_kind() {
        let mut names = BTreeSet::from(["meta", "owned"]);
        let of_kinds = TABLES.iter().flat_map(|(name, uses)| std::iter::once(*name).chain(*uses));
        for name in of_kinds {
            assert!(names.insert(name), "{name}");
        }
        assert_eq!(PREFIXES.iter().collect::<BTreeSet<_>>().len(), TABLES.len());
    }
}
