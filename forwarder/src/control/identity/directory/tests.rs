//! Service users, authtokens and API keys, in memory and in the store.

use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;

use policy_core::ngrok::NgrokCode;

use super::*;
use crate::control::identity::error::AuthtokenError;
use crate::control::identity::{
    ApiKey, Credential, CredentialPatch, NewApiKey, NewCredential, NewServiceUser, Record, Records,
    ServiceUserId, ServiceUserPatch, Token,
};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn open() -> (tempfile::TempDir, Identity) {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = Identity::open(folder.path()).expect("a store");
    (folder, identity)
}

fn user(identity: &Identity) -> ServiceUser {
    let new = NewServiceUser { name: "gate".to_owned(), active: true };
    identity.create::<ServiceUser>(new, at(0)).expect("made").0
}

fn owned(identity: &Identity, owner: ServiceUserId) -> (Credential, Token) {
    let new = NewCredential { owner_id: Some(owner), ..NewCredential::default() };
    identity.create::<Credential>(new, at(0)).expect("made")
}

fn refusal(identity: &Identity, token: &Token) -> Option<AuthtokenError> {
    identity.authenticate(token.reveal(), HERE, at(1)).err()
}

#[test]
fn a_token_authenticates_until_it_is_deleted_and_after_a_restart() {
    let (folder, identity) = open();
    let owner = user(&identity).id;
    let (one, one_token) = owned(&identity, owner);
    let (two, two_token) = owned(&identity, owner);
    let principal = identity.authenticate(one_token.reveal(), HERE, at(1)).expect("alive");
    assert_eq!((principal.credential, principal.owner), (one.id, Some(owner)));
    identity.delete::<Credential>(one.id).expect("there");
    assert_eq!(refusal(&identity, &one_token), Some(AuthtokenError::Unknown));
    assert!(matches!(identity.delete::<Credential>(one.id), Err(IdentityError::NotFound)));
    drop(identity);
    let identity = Identity::open(folder.path()).expect("again");
    assert_eq!(refusal(&identity, &one_token), Some(AuthtokenError::Unknown));
    assert_eq!(identity.authenticate(two_token.reveal(), HERE, at(1)).expect("alive").credential, two.id);
    assert_eq!(identity.authenticate("abc", HERE, at(1)).expect_err("malformed").code().number(), 105);
}

/// Whoever asks is told the same: at the door, in the session, when an endpoint is brought.
#[test]
fn why_a_token_does_not_count_is_one_answer() {
    let (_folder, identity) = open();
    let owner = user(&identity).id;
    let ((deleted, _), (inactive, token)) = (owned(&identity, owner), owned(&identity, owner));
    let expires_at = Some(at(1));
    let new = NewCredential { expires_at, ..NewCredential::default() };
    let (expired, expired_token) = identity.create::<Credential>(new, at(0)).expect("made");
    identity.delete::<Credential>(deleted.id).expect("there");
    let patch = ServiceUserPatch { active: Some(false), ..ServiceUserPatch::default() };
    identity.update::<ServiceUser>(owner, patch).expect("there");
    for (credential, token, why) in [
        (deleted, None, AuthtokenError::Unknown),
        (inactive, Some(token), AuthtokenError::OwnerInactive),
        (expired, Some(expired_token), AuthtokenError::Expired),
    ] {
        assert_eq!(identity.validate(credential.id, HERE, at(1)), Err(why));
        assert_eq!(identity.acl(credential.id, at(1)).err(), Some(why));
        assert!(token.is_none_or(|token| refusal(&identity, &token) == Some(why)), "{why}");
    }
}

#[test]
fn the_file_holds_no_token() {
    let (folder, identity) = open();
    let (_, token) = owned(&identity, user(&identity).id);
    drop(identity);
    let bytes = std::fs::read(folder.path().join("identity.redb")).expect("there");
    let secret = token.reveal().split_once('_').expect("two parts").1.as_bytes();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
}

#[test]
fn revocation_moves_the_epoch_and_is_told() {
    let (_folder, identity) = open();
    let owner = user(&identity).id;
    let ((one, _), (two, _)) = (owned(&identity, owner), owned(&identity, owner));
    let mut notices = identity.subscribe();
    assert!(identity.validate(one.id, HERE, at(1)).is_ok());
    identity.delete::<Credential>(one.id).expect("there");
    assert_eq!((identity.epoch(), identity.validate(one.id, HERE, at(1)).is_ok()), (1, false));
    identity
        .update::<Credential>(
            two.id,
            CredentialPatch { acl: Some(vec!["bind:a.internal".to_owned()]), ..Default::default() },
        )
        .expect("there");
    identity.update::<Credential>(two.id, CredentialPatch::default()).expect("there");
    assert!(!identity.acl(two.id, at(1)).expect("alive").permits("b.internal", None));
    identity.delete::<ServiceUser>(owner).expect("there");
    let told: Vec<_> = std::iter::from_fn(|| notices.try_recv().ok()).collect();
    let told: Vec<_> = told.iter().map(|it| (it.epoch, it.kind, &*it.credentials)).collect();
    assert_eq!(
        told,
        [
            (1, NoticeKind::Died, &[one.id][..]),
            (2, NoticeKind::Changed, &[two.id]),
            (3, NoticeKind::Died, &[two.id]),
        ]
    );
}

#[test]
fn a_service_user_takes_the_power_of_its_credentials_with_it() {
    let (folder, identity) = open();
    let owner = user(&identity).id;
    let (credential, token) = owned(&identity, owner);
    let set = |active| {
        let patch = ServiceUserPatch { active: Some(active), ..ServiceUserPatch::default() };
        identity.update::<ServiceUser>(owner, patch).expect("there")
    };
    set(false);
    assert_eq!(refusal(&identity, &token), Some(AuthtokenError::OwnerInactive));
    assert_eq!((identity.epoch(), identity.validate(credential.id, HERE, at(1)).is_ok()), (1, false));
    set(true);
    assert_eq!(refusal(&identity, &token), None);
    let removed = identity.delete::<ServiceUser>(owner).expect("there");
    assert_eq!(removed.owned.credentials.len(), 1);
    assert_eq!(refusal(&identity, &token), Some(AuthtokenError::Unknown));
    drop(identity);
    let records = DiskStore::open(folder.path()).expect("again").load().expect("readable");
    assert!(records.service_users.is_empty() && records.credentials.is_empty());
}

#[test]
fn the_number_of_records_has_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(DiskStore::open(folder.path()).expect("new"));
    let identity = Identity::with_at_most(store, 2).expect("a store");
    let credential = || identity.create::<Credential>(NewCredential::default(), at(0)).map(|it| it.0.id);
    let first = credential().expect("room");
    credential().expect("room");
    let full = credential().expect_err("no room");
    assert_eq!(full.to_string(), "this edge keeps at most 2 credentials: delete unused ones");
    identity.delete::<Credential>(first).expect("there");
    credential().expect("room again");
    let _ = (user(&identity), user(&identity));
    let new = NewServiceUser { name: "gate".to_owned(), active: true };
    assert!(matches!(identity.create::<ServiceUser>(new, at(0)), Err(IdentityError::Full { max: 2, .. })));
    let key = || identity.create::<ApiKey>(NewApiKey::default(), at(0));
    let _ = (key().expect("room"), key().expect("room"));
    assert!(matches!(key(), Err(IdentityError::Full { max: 2, .. })));
    assert_eq!((ServiceUser::MAX, Credential::MAX, ApiKey::MAX), (100_000, 100_000, 1_000));
}

#[test]
fn a_credential_expires() {
    let (_folder, identity) = open();
    let new = NewCredential { expires_at: Some(at(10)), ..NewCredential::default() };
    let (credential, token) = identity.create::<Credential>(new.clone(), at(0)).expect("made");
    assert!(identity.authenticate(token.reveal(), HERE, at(9)).is_ok());
    assert_eq!(
        identity.authenticate(token.reveal(), HERE, at(10)).expect_err("over"),
        AuthtokenError::Expired
    );
    assert!(identity.validate(credential.id, HERE, at(10)).is_err());
    assert!(identity.create::<Credential>(new, at(10)).is_err());
}

#[test]
fn lists_are_newest_first_and_page() {
    let (_folder, identity) = open();
    let owner = user(&identity).id;
    let mut ids: Vec<_> = (0..5).map(|_| owned(&identity, owner).0.id).collect();
    ids.reverse();
    let page = |before, limit| -> Vec<_> {
        identity.page::<Credential>(before, limit).iter().map(|it| it.id).collect()
    };
    assert_eq!(page(None, 9), ids);
    assert_eq!(page(Some(ids[1]), 2), ids[2..4]);
    assert_eq!(page(Some(ids[4]), 2), []);
}

#[test]
fn what_cannot_be_used_is_refused_and_changes_nothing() {
    let (_folder, identity) = open();
    let gone = {
        let id = user(&identity).id;
        identity.delete::<ServiceUser>(id).expect("there");
        id
    };
    let cases = [
        (NewCredential { description: "x".repeat(256), ..Default::default() }, Some(18012)),
        (NewCredential { metadata: "x".repeat(4_097), ..Default::default() }, Some(18013)),
        (NewCredential { acl: vec!["a".to_owned()], ..Default::default() }, Some(600)),
        (NewCredential { owner_id: Some(gone), ..Default::default() }, None),
    ];
    for (new, expected) in cases {
        match identity.create::<Credential>(new, at(0)) {
            Err(IdentityError::Invalid { code, .. }) => assert_eq!(code.map(NgrokCode::number), expected),
            other => panic!("{other:?}"),
        }
    }
    let new = NewServiceUser { name: " ".to_owned(), active: true };
    assert!(identity.create::<ServiceUser>(new, at(0)).is_err());
    assert!(
        identity.page::<Credential>(None, 9).is_empty() && identity.page::<ServiceUser>(None, 9).is_empty()
    );
}

/// Keeps what reaches the disk, and fails when told to.
#[derive(Debug, Default)]
struct Counting {
    applied: AtomicUsize,
    fails: std::sync::atomic::AtomicBool,
    kept: Mutex<Vec<Change>>,
    /// How many changes have room in the reserve still.
    reserve_fits: AtomicUsize,
    reserved: Mutex<Vec<Change>>,
}

impl Counting {
    fn kept(&self) -> Vec<Change> {
        self.kept.lock().expect("whole").clone()
    }
}

impl Store for Counting {
    fn load(&self) -> Result<Records, StoreError> {
        Ok(Records::default())
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::new("full"));
        }
        self.applied.fetch_add(1, Ordering::Relaxed);
        self.kept.lock().expect("whole").extend_from_slice(changes);
        self.reserved.lock().expect("whole").clear();
        Ok(())
    }

    fn reserve(&self, changes: &[Change]) -> Result<(), StoreError> {
        let fits = self.reserve_fits.load(Ordering::Relaxed);
        let left = fits.checked_sub(changes.len()).ok_or_else(|| StoreError::new("no room"))?;
        self.reserve_fits.store(left, Ordering::Relaxed);
        self.reserved.lock().expect("whole").extend_from_slice(changes);
        Ok(())
    }

    fn is_behind(&self) -> bool {
        !self.reserved.lock().expect("whole").is_empty()
    }
}

#[test]
fn uses_are_written_together_and_not_by_authentication() {
    let store = Arc::new(Counting::default());
    let identity = Identity::with_store(Arc::clone(&store) as _).expect("readable");
    let (credential, token) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    for second in 1..100 {
        identity.authenticate(token.reveal(), HERE, at(second)).expect("alive");
    }
    let applied = || store.applied.load(Ordering::Relaxed);
    assert_eq!(applied(), 1);
    assert_eq!(identity.find::<Credential>(credential.id).expect("there").last_used_at, Some(at(99)));
    identity.write_uses();
    identity.write_uses();
    assert_eq!(applied(), 2);
    identity.authenticate(token.reveal(), HERE, at(100)).expect("alive");
    drop(identity);
    assert_eq!(applied(), 3);
}

#[test]
fn the_last_use_survives_a_restart_and_an_update() {
    let (folder, identity) = open();
    let (credential, token) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    identity.authenticate(token.reveal(), HERE, at(7)).expect("alive");
    let patch = CredentialPatch { description: Some("new".to_owned()), ..Default::default() };
    assert_eq!(identity.update::<Credential>(credential.id, patch).expect("there").last_used_at, Some(at(7)));
    drop(identity);
    let identity = Identity::open(folder.path()).expect("again");
    let read = identity.find::<Credential>(credential.id).expect("there");
    assert_eq!((read.last_used_at, &*read.description), (Some(at(7)), "new"));
}

/// A store that fails keeps nothing, and says so.
fn failing() -> (Arc<Counting>, Identity) {
    let store = Arc::new(Counting::default());
    let identity = Identity::with_store(Arc::clone(&store) as _).expect("readable");
    (store, identity)
}

#[test]
fn what_gives_power_changes_nothing_where_the_store_fails() {
    let (store, identity) = failing();
    let owner = user(&identity).id;
    let (credential, _) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    store.fails.store(true, Ordering::Relaxed);
    assert!(matches!(
        identity.create::<Credential>(NewCredential::default(), at(0)),
        Err(IdentityError::Store(_))
    ));
    let patch = CredentialPatch { description: Some("new".to_owned()), ..Default::default() };
    assert!(matches!(identity.update::<Credential>(credential.id, patch), Err(IdentityError::Store(_))));
    let patch = ServiceUserPatch { name: Some("new".to_owned()), active: None };
    assert!(matches!(identity.update::<ServiceUser>(owner, patch), Err(IdentityError::Store(_))));
    assert!(identity.create::<ApiKey>(NewApiKey::default(), at(0)).is_err());
    assert_eq!((identity.page::<Credential>(None, 9), identity.epoch()), (vec![credential], 0));
    assert_eq!(identity.find::<ServiceUser>(owner).expect("there").name, "gate");
}

/// What takes power away counts at once, is told, and is stored as soon as that is possible.
#[test]
fn what_takes_power_away_counts_whatever_the_store_says() {
    let (store, identity) = failing();
    let not_durable = |done: Result<(), IdentityError>| {
        let error = done.expect_err("the store fails");
        assert!(matches!(error, IdentityError::NotDurable(_)) && error.to_string().contains("not durable"));
    };
    let (owner, other) = (user(&identity).id, user(&identity).id);
    let (one, one_token) = owned(&identity, owner);
    let (two, two_token) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    let (_, three_token) = owned(&identity, other);
    let new = NewApiKey { owner_id: Some(owner), ..Default::default() };
    let (key, key_token) = identity.create::<ApiKey>(new, at(0)).expect("made");
    let mut notices = identity.subscribe();
    store.fails.store(true, Ordering::Relaxed);
    let acl = Some(vec!["bind:a.internal".to_owned()]);
    not_durable(
        identity.update::<Credential>(two.id, CredentialPatch { acl, ..Default::default() }).map(drop),
    );
    assert!(!identity.acl(two.id, at(1)).expect("alive").permits("b.internal", None));
    let expires_at = Some(at(1));
    not_durable(
        identity.update::<Credential>(two.id, CredentialPatch { expires_at, ..Default::default() }).map(drop),
    );
    assert_eq!(refusal(&identity, &two_token), Some(AuthtokenError::Expired));
    not_durable(identity.delete::<Credential>(two.id).map(drop));
    assert_eq!(refusal(&identity, &two_token), Some(AuthtokenError::Unknown));
    let patch = ServiceUserPatch { active: Some(false), ..ServiceUserPatch::default() };
    not_durable(identity.update::<ServiceUser>(other, patch).map(drop));
    assert_eq!(refusal(&identity, &three_token), Some(AuthtokenError::OwnerInactive));
    not_durable(identity.delete::<ApiKey>(key.id).map(drop));
    assert!(identity.authenticate_key(key_token.reveal()).is_err());
    not_durable(identity.delete::<ServiceUser>(owner).map(drop));
    assert_eq!(refusal(&identity, &one_token), Some(AuthtokenError::Unknown));
    let told: Vec<_> = std::iter::from_fn(|| notices.try_recv().ok()).map(|it| it.kind).collect();
    let (changed, died) = (NoticeKind::Changed, NoticeKind::Died);
    assert_eq!(told, [changed, changed, died, died, died]);
    assert!(!identity.save(), "it fails still");
    let before = store.kept().len();
    store.fails.store(false, Ordering::Relaxed);
    assert!(identity.save() && identity.save());
    let kept = store.kept().split_off(before);
    // Once each, and the last of each.
    let subjects: Vec<_> = kept.iter().map(|it| (it.subject(), it.is_deletion())).collect();
    assert_eq!(
        subjects,
        [
            (("credentials", two.id.0), true),
            (("service_users", other.0), false),
            (("api_keys", key.id.0), true),
            (("credentials", one.id.0), true),
            (("service_users", owner.0), true)
        ]
    );
}

#[test]
fn what_is_not_stored_yet_goes_before_what_comes_later() {
    let (store, identity) = failing();
    let (one, _) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    store.fails.store(true, Ordering::Relaxed);
    identity.delete::<Credential>(one.id).expect_err("the store fails");
    identity.create::<Credential>(NewCredential::default(), at(0)).expect_err("the store fails");
    store.fails.store(false, Ordering::Relaxed);
    let (two, _) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    let kept = store.kept();
    assert!(matches!(
        &kept[1..],
        [Change::RemoveCredential(id), Change::PutCredential(put)] if *id == one.id && put.id == two.id
    ));
}

#[test]
fn a_revocation_in_the_reserve_is_durable() {
    let (store, identity) = failing();
    let credentials: Vec<_> = (0..3)
        .map(|_| identity.create::<Credential>(NewCredential::default(), at(0)).expect("made").0.id)
        .collect();
    store.fails.store(true, Ordering::Relaxed);
    identity.delete::<Credential>(credentials[0]).expect_err("no reserve");
    store.reserve_fits.store(1, Ordering::Relaxed);
    // Both do not fit, the first of them does.
    identity.delete::<Credential>(credentials[1]).expect_err("the second does not fit");
    store.reserve_fits.store(9, Ordering::Relaxed);
    identity.delete::<Credential>(credentials[2]).expect("durable");
    let reserved: Vec<_> = store.reserved.lock().expect("whole").iter().map(Change::subject).collect();
    assert_eq!(reserved, credentials.iter().map(|id| ("credentials", id.0)).collect::<Vec<_>>());
    assert!(!identity.save());
    store.fails.store(false, Ordering::Relaxed);
    assert!(identity.save());
}

#[test]
fn a_service_user_with_many_tokens_is_one_removal() {
    let (store, identity) = failing();
    let owner = user(&identity).id;
    for _ in 0..=MAX_SINGLE_REMOVALS {
        owned(&identity, owner);
    }
    let before = store.kept().len();
    identity.delete::<ServiceUser>(owner).expect("stored");
    assert!(matches!(&store.kept()[before..], [Change::RemoveOwned(_), Change::RemoveServiceUser(_)]));
}

#[test]
fn an_empty_list_in_a_change_permits_nothing_more() {
    let (_folder, identity) = open();
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let new = NewCredential {
        acl: texts(&["bind:a.internal"]),
        allow_cidrs: texts(&["10.0.0.0/8"]),
        deny_cidrs: texts(&["10.1.0.0/16"]),
        ..NewCredential::default()
    };
    let (credential, _) = identity.create::<Credential>(new, at(0)).expect("made");
    let update = |patch| identity.update::<Credential>(credential.id, patch);
    let none = || Some(Vec::new());
    for (patch, say) in [
        (CredentialPatch { acl: none(), ..Default::default() }, "send [\"*\"]"),
        (
            CredentialPatch { allow_cidrs: none(), deny_cidrs: none(), ..Default::default() },
            "send [\"0.0.0.0/0\", \"::/0\"]",
        ),
    ] {
        match update(patch) {
            Err(IdentityError::Invalid { message, .. }) => assert!(message.contains(say), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(identity.find::<Credential>(credential.id), Some(credential.clone()));
    let all = CredentialPatch { acl: Some(texts(&["*"])), deny_cidrs: none(), ..Default::default() };
    assert_eq!(update(all).expect("said").acl, ["*"]);
    // What permits everything already may say so in either way.
    let (open, _) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    let patch = CredentialPatch { acl: none(), allow_cidrs: none(), ..Default::default() };
    assert!(identity.update::<Credential>(open.id, patch).is_ok());
}

/// A session enters a registry and asks afterwards; a revocation is told after it counts. Whichever is first,
/// no session of a dead credential stays.
#[test]
fn no_session_slips_between_a_check_and_a_revocation() {
    let identity = Identity::with_store(Arc::new(Counting::default())).expect("readable");
    for _ in 0..500 {
        let (credential, token) =
            identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
        let mut notices = identity.subscribe();
        let registry = Mutex::new(false);
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                if identity.authenticate(token.reveal(), HERE, at(1)).is_err() {
                    return;
                }
                *registry.lock().expect("whole") = true;
                if identity.validate(credential.id, HERE, at(1)).is_err() {
                    *registry.lock().expect("whole") = false;
                }
            });
            scope.spawn(|| {
                let notice = loop {
                    if let Ok(notice) = notices.try_recv() {
                        break notice;
                    }
                };
                assert_eq!(*notice.credentials, [credential.id]);
                assert!(identity.validate(credential.id, HERE, at(1)).is_err(), "told before it counts");
                *registry.lock().expect("whole") = false;
            });
            start.wait();
            identity.delete::<Credential>(credential.id).expect("there");
        });
        assert!(!registry.into_inner().expect("whole"), "a session outlived its credential");
    }
}

#[test]
fn a_revocation_counts_before_it_is_told() {
    let store = Arc::new(Counting::default());
    let identity = Identity::with_store(Arc::clone(&store) as _).expect("readable");
    let (credential, _) = identity.create::<Credential>(NewCredential::default(), at(0)).expect("made");
    let mut notices = identity.subscribe();
    std::thread::scope(|scope| {
        // While the copy is read, it cannot change.
        let reading = identity.0.read();
        scope.spawn(|| identity.delete::<Credential>(credential.id).expect("there"));
        while identity.0.changes.try_lock().is_ok() {
            std::thread::yield_now();
        }
        // Until it waits for the copy: nobody else reads it any more.
        while identity.0.cache.try_read().is_ok() {
            std::thread::yield_now();
        }
        let told = (notices.try_recv().is_ok(), identity.epoch(), store.applied.load(Ordering::Relaxed));
        drop(reading);
        assert_eq!(told, (false, 0, 1), "told or stored before it counts");
    });
    assert!(notices.try_recv().is_ok() && identity.validate(credential.id, HERE, at(1)).is_err());
}

#[test]
fn writers_of_many_threads_leave_memory_and_store_the_same() {
    let (folder, identity) = open();
    let owner = user(&identity).id;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let identity = &identity;
            scope.spawn(move || {
                for round in 0..8 {
                    let (credential, _) = owned(identity, owner);
                    let patch =
                        CredentialPatch { metadata: Some(format!("{thread} {round}")), ..Default::default() };
                    identity.update::<Credential>(credential.id, patch).expect("there");
                    if round % 2 == 0 {
                        identity.delete::<Credential>(credential.id).expect("there");
                    }
                }
            });
        }
    });
    let (users, credentials) =
        (identity.page::<ServiceUser>(None, 99), identity.page::<Credential>(None, 99));
    assert_eq!(credentials.len(), 16);
    drop(identity);
    let identity = Identity::open(folder.path()).expect("again");
    assert_eq!(
        (identity.page::<ServiceUser>(None, 99), identity.page::<Credential>(None, 99)),
        (users, credentials)
    );
}

#[test]
fn a_token_counts_from_where_it_is_permitted_only() {
    let (folder, identity) = open();
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let new = NewCredential {
        allow_cidrs: texts(&["10.0.0.0/8", "2001:db8::/32"]),
        deny_cidrs: texts(&["10.1.0.0/16"]),
        ..NewCredential::default()
    };
    let (credential, token) = identity.create::<Credential>(new, at(0)).expect("made");
    let check = |identity: &Identity| {
        for (source, permitted) in [
            ("10.2.0.1", true),
            ("::ffff:10.2.0.1", true),
            ("10.1.0.1", false),
            ("127.0.0.1", false),
            ("2001:db8::1", true),
            ("::1", false),
        ] {
            let source: IpAddr = source.parse().expect("an address");
            let known = identity.authenticate(token.reveal(), source, at(1));
            assert_eq!(known.err(), (!permitted).then_some(AuthtokenError::Source), "{source}");
            assert_eq!(identity.validate(credential.id, source, at(1)).is_ok(), permitted, "{source}");
        }
    };
    check(&identity);
    drop(identity);
    let identity = Identity::open(folder.path()).expect("again");
    check(&identity);
    assert_eq!(AuthtokenError::Source.code().number(), 116);

    // A change is told, so that sessions are looked at again.
    let mut notices = identity.subscribe();
    let patch = CredentialPatch { allow_cidrs: Some(texts(&["127.0.0.0/8"])), ..CredentialPatch::default() };
    identity.update::<Credential>(credential.id, patch).expect("changed");
    assert_eq!(notices.try_recv().expect("told").kind, NoticeKind::Changed);
    assert!(identity.validate(credential.id, HERE, at(1)).is_ok());
    let patch = CredentialPatch {
        allow_cidrs: Some(texts(&["0.0.0.0/0", "::/0"])),
        deny_cidrs: Some(Vec::new()),
        ..CredentialPatch::default()
    };
    identity.update::<Credential>(credential.id, patch).expect("changed");
    assert!(identity.validate(credential.id, "192.0.2.1".parse().expect("an address"), at(1)).is_ok());

    for (allow, deny) in
        [(&["nowhere"][..], &[][..]), (&[], &["10.0.0.0/8"]), (&["10.0.0.0/8"], &["10.0.0.0/33"])]
    {
        let new =
            NewCredential { allow_cidrs: texts(allow), deny_cidrs: texts(deny), ..NewCredential::default() };
        let refused = identity.create::<Credential>(new, at(0));
        assert!(matches!(refused, Err(IdentityError::Invalid { .. })), "{allow:?} {deny:?}");
    }
    let many = vec!["10.0.0.0/8".to_owned(); 1_001];
    let new = NewCredential { allow_cidrs: many, ..NewCredential::default() };
    assert!(matches!(identity.create::<Credential>(new, at(0)), Err(IdentityError::Invalid { .. })));
}
