//! Promises of the store about values that are encrypted at rest.

use super::place::{Place, everywhere};
use super::*;
use crate::transfer;
use crate::transformer::{
    ENCRYPTED_PREFIX, KeyTag, TransformError, Transformed, Transformer, Transforming, ValueContext,
};

everywhere!(
    encrypted_values_are_read_as_they_were_written,
    values_of_other_collections_are_stored_as_they_are,
    an_update_encrypts_with_the_present_key,
    a_value_that_cannot_be_read_is_kept_with_the_error_and_can_be_deleted,
    a_value_that_can_be_read_again_shows_up,
    a_value_that_cannot_be_encrypted_is_not_written,
);

/// Encrypts the values of things with the last of its keys, by which the authenticated data is mixed in.
#[derive(Debug)]
struct Locks(Mutex<Vec<u8>>);

impl Locks {
    fn new(keys: &[u8]) -> Arc<Locks> {
        Arc::new(Locks(Mutex::new(keys.to_vec())))
    }

    fn set(&self, keys: &[u8]) {
        *self.0.lock().unwrap() = keys.to_vec();
    }

    fn last(&self) -> Option<u8> {
        self.0.lock().unwrap().last().copied()
    }
}

fn mix(key: u8, authenticated: &[u8], bytes: &[u8]) -> Bytes {
    let mask = authenticated.iter().fold(key, |mask, byte| mask.wrapping_mul(31).wrapping_add(*byte));
    bytes.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>().into()
}

impl Transformer for Locks {
    fn covers(&self, key: &str) -> bool {
        key.starts_with("/registry/things/")
    }

    fn transform_from_storage<'a>(&'a self, context: ValueContext<'a>, stored: Bytes) -> Transforming<'a> {
        Box::pin(async move {
            // As from a plugin, the answer comes later.
            tokio::task::yield_now().await;
            let rest = stored.strip_prefix(ENCRYPTED_PREFIX).and_then(|rest| rest.split_first());
            let (key, rest) = rest.ok_or_else(|| TransformError("not encrypted".into()))?;
            if !self.0.lock().unwrap().contains(key) {
                return Err(TransformError(String::from("no matching key was found")));
            }
            let value = mix(*key, context.authenticated, rest);
            Ok(Transformed { value, tag: KeyTag(u64::from(*key)) })
        })
    }

    fn transform_to_storage<'a>(&'a self, context: ValueContext<'a>, plain: Bytes) -> Transforming<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let key = self.last().ok_or_else(|| TransformError(String::from("there is no key")))?;
            let mixed = mix(key, context.authenticated, &plain);
            let value = [ENCRYPTED_PREFIX, &[key], &mixed].concat();
            Ok(Transformed { value: value.into(), tag: KeyTag(u64::from(key)) })
        })
    }

    fn is_stale(&self, _: &str, tag: KeyTag) -> bool {
        self.last().map(|key| KeyTag(u64::from(key))) != Some(tag)
    }
}

async fn open_locked(place: &Place, locks: &Arc<Locks>) -> (Store, CollectionId) {
    place.open_with(Options { transformer: Some(locks.clone()), ..Options::default() }).await
}

async fn encrypted_values_are_read_as_they_were_written(place: &Place) {
    let locks = Locks::new(&[1]);
    let (store, things) = open_locked(place, &locks).await;
    let mut watcher = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let a = store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    let b = store.commit(put(things, "b", "2", Precondition::NotExists)).await.unwrap();
    let b = store.commit(put(things, "b", "3", Precondition::ModRevision(b.mod_revision))).await.unwrap();
    store.commit(delete(things, "a", a.mod_revision)).await.unwrap();
    assert_eq!((b.value.as_ref(), b.key_tag()), (b"3".as_ref(), KeyTag(1)));
    assert_eq!(lines(&mut watcher, 4).await, ["Added a", "Added b", "Modified b", "Deleted a"]);
    store.close().await;

    let (store, things) = open_locked(place, &locks).await;
    let found = store.get(things, &key("b")).unwrap();
    assert_eq!((found.value.as_ref(), &found.attrs, found.key_tag()), (b"3".as_ref(), &b.attrs, KeyTag(1)));
    assert!(found.read_error().is_none() && !store.has_undecodable(things));
    store.close().await;

    // A store without encryption distinguishes encrypted values from plain ones.
    let (store, things) = place.open().await;
    let found = store.get(things, &key("b")).unwrap();
    assert!(found.value.starts_with(ENCRYPTED_PREFIX) && found.attrs.is_empty());
    assert_eq!(found.read_error().unwrap().0, transformer::NOT_DECRYPTED);
}

async fn values_of_other_collections_are_stored_as_they_are(place: &Place) {
    let (store, _) = open_locked(place, &Locks::new(&[1])).await;
    let others = store.add_collection("/registry/others/");
    let elsewhere =
        Write { key: Key::new("/registry/others/a"), ..put(others, "a", "0", Precondition::NotExists) };
    assert_eq!(store.commit(elsewhere).await.unwrap().key_tag(), KeyTag::PLAIN);
    store.close().await;
    let (store, _) = place.open().await;
    assert_eq!(store.get(others, "/registry/others/a").unwrap().value, "0");
}

async fn an_update_encrypts_with_the_present_key(place: &Place) {
    let locks = Locks::new(&[1]);
    let (store, things) = open_locked(place, &locks).await;
    let a = store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    assert!(!store.is_stale(&a));
    locks.set(&[1, 2]);
    assert!(store.is_stale(&a));
    let again = put(things, "a", "1", Precondition::ModRevision(a.mod_revision));
    let again = store.commit(again).await.unwrap();
    assert!(again.key_tag() == KeyTag(2) && !store.is_stale(&again));
}

async fn a_value_that_cannot_be_read_is_kept_with_the_error_and_can_be_deleted(place: &Place) {
    let (store, things) = open_locked(place, &Locks::new(&[1])).await;
    let a = store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    store.close().await;
    let (store, things) = open_locked(place, &Locks::new(&[2])).await;
    let found = store.get(things, &key("a")).unwrap();
    assert_eq!(found.read_error().unwrap().0, "no matching key was found");
    assert!(found.attrs.is_empty() && store.has_undecodable(things));
    assert_eq!(found.mod_revision, a.mod_revision);
    store.commit(delete(things, "a", a.mod_revision)).await.unwrap();
    assert!(store.get(things, &key("a")).is_none() && !store.has_undecodable(things));
}

async fn a_value_that_can_be_read_again_shows_up(place: &Place) {
    let locks = Locks::new(&[1]);
    let (store, things) = open_locked(place, &locks).await;
    let before = store.revision();
    let a = store.commit(put(things, "a", "1 x", Precondition::NotExists)).await.unwrap();
    store.commit(put(things, "b", "2", Precondition::NotExists)).await.unwrap();
    store.close().await;

    locks.set(&[2]);
    let (store, things) = open_locked(place, &locks).await;
    assert_eq!(store.retry_unreadable(things, &Plain).await, 2);
    locks.set(&[1, 2]);
    assert_eq!(store.retry_unreadable(things, &Plain).await, 0);
    let found = store.get(things, &key("a")).unwrap();
    assert_eq!((found.value.as_ref(), &found.attrs), (b"1 x".as_ref(), &a.attrs));
    assert!(!store.has_undecodable(things));
    // Events of before would show the values as they were found.
    assert!(store.watch(things, WatchFrom::After(before), WatchPredicate::default()).is_err());
    let changed = put(things, "a", "2 x", Precondition::ModRevision(a.mod_revision));
    assert_eq!(store.commit(changed).await.unwrap().value, "2 x");
}

async fn a_value_that_cannot_be_encrypted_is_not_written(place: &Place) {
    let (store, things) = open_locked(place, &Locks::new(&[])).await;
    let refused = store.commit(put(things, "a", "1", Precondition::NotExists)).await;
    assert!(matches!(refused, Err(CommitError::NotEncrypted(_))), "{refused:?}");
    assert!(store.get(things, &key("a")).is_none());
}

/// Copies keep values encrypted; values whose key changes on the way have to be encrypted again.
#[tokio::test]
async fn copies_keep_values_encrypted_or_encrypt_them_anew() {
    let Some(Place::Etcd(shared)) = Place::etcd() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from.db"), dir.path().join("to.db"));
    let locks = Locks::new(&[1]);
    let options = || Options { transformer: Some(locks.clone()), ..Options::default() };
    let (store, things) = open_with(Box::new(Sqlite::open(&from).unwrap()), options());
    store.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    store.close().await;

    let (from, to) = (transfer::StorePlace::Embedded(from), transfer::StorePlace::Embedded(to));
    transfer::copy(&from, &to, None, |_| {}).await.unwrap();
    let etcd = transfer::StorePlace::Etcd(shared.options());
    let refused = transfer::copy(&to, &etcd, None, |_| {}).await.unwrap_err();
    assert!(refused.0.contains("/registry/things/ns/a is encrypted for this key"), "{refused}");
    locks.set(&[1, 2]);
    transfer::copy(&to, &etcd, Some(locks.clone()), |_| {}).await.unwrap();
    let (store, things) = super::place::connect(&shared.options(), options()).await;
    let found = store.get(things, &key("a")).unwrap();
    assert_eq!((found.value.as_ref(), found.key_tag()), (b"1".as_ref(), KeyTag(2)));
}
