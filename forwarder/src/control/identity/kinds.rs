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
pub use credentials::{Credential, CredentialId, CredentialPatch, NewCredential};
pub use service_users::{NewServiceUser, ServiceUser, ServiceUserId, ServiceUserPatch};

use super::cache::{Table, Uses};
use super::error::StoreError;
use super::ids::RecordId;
use super::record::Record;
use super::store::{Source, Target};

/// A record whose kind has its line.
pub trait Kind: Record {
    /// The table on the disk of when each was last used, for a kind that keeps that: apart from the records, so that a
    /// note of a use never undoes a change.
    const USES: Option<&'static str> = None;

    /// The change that writes it.
    fn put(self) -> Change;

    /// The change that removes one.
    fn remove(id: Self::Id) -> Change;

    /// The change that writes when one was last used, for a kind that keeps that.
    fn used(_id: Self::Id, _at: Timestamp) -> Option<Change> {
        None
    }

    /// Where it says when it was last used, for a kind that keeps that.
    fn last_used(&mut self) -> Option<&mut Option<Timestamp>> {
        None
    }

    /// Those of the kind among records.
    fn of(records: &Records) -> &Vec<Self>;

    /// The same, to be changed.
    fn of_mut(records: &mut Records) -> &mut Vec<Self>;

    /// Those of the kind, in memory.
    fn table(cache: &Cache) -> &Table<Self>;

    /// The same, to be changed.
    fn table_mut(cache: &mut Cache) -> &mut Table<Self>;
}

macro_rules! kinds {
    ($($all:ident: $kind:ident => $put:ident, $remove:ident
        $(, $used:ident($uses:literal, $last_used:ident))?;)*) => {
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
                        $(Self::$used(id, _) => ($uses, id.number()),)?
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
            &[$((<$kind as Record>::TABLE, <$kind as Kind>::USES)),*];

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
                $(all.extend(self.$all.uses_not_kept());)*
                all
            }
        }

        $(
            impl Kind for $kind {
                $(const USES: Option<&'static str> = Some($uses);)?

                fn put(self) -> Change {
                    Change::$put(Box::new(self))
                }

                fn remove(id: Self::Id) -> Change {
                    Change::$remove(id)
                }

                $(
                    fn used(id: Self::Id, at: Timestamp) -> Option<Change> {
                        Some(Change::$used(id, at))
                    }

                    fn last_used(&mut self) -> Option<&mut Option<Timestamp>> {
                        Some(&mut self.$last_used)
                    }
                )?

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

// The plural in code, the record, and the names of its changes in the reserve, which never change. Who keeps when one was
// last used names a change, a table and a field for that.
kinds! {
    service_users: ServiceUser => PutServiceUser, RemoveServiceUser;
    credentials: Credential => PutCredential, RemoveCredential, Used("last_used", last_used_at);
    api_keys: ApiKey => PutApiKey, RemoveApiKey;
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
