//! Copies are whole or refused.

use super::*;
use crate::tests::place::Place as Made;
use crate::tests::{delete, key, put};
use crate::{Precondition, Store, Write};
use std::collections::BTreeMap;

/// A store with a past, a deleted key, and an object that will end.
async fn filled(place: &Made) -> (BTreeMap<String, Vec<u8>>, Revision) {
    let (store, things) = place.open().await;
    for index in 0..40 {
        let name = format!("{index:02}");
        let at = store.commit(put(things, &name, "1", Precondition::NotExists)).await.unwrap().mod_revision;
        match index % 4 {
            0 => drop(store.commit(delete(things, &name, at)).await.unwrap()),
            1 => drop(store.commit(put(things, &name, "2", Precondition::ModRevision(at))).await.unwrap()),
            _ => {}
        }
    }
    let ends = Write { ttl_seconds: Some(3600), ..put(things, "ends", "3", Precondition::NotExists) };
    store.commit(ends).await.unwrap();
    let found = (objects(&store), store.revision());
    store.close().await;
    found
}

fn objects(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let things = store.add_collection("/registry/things/");
    let snapshot = store.snapshot(things);
    snapshot.range("", None).map(|object| (object.key.to_string(), object.value.to_vec())).collect()
}

fn place_of(made: &Made) -> StorePlace {
    match made {
        Made::Embedded(dir) => StorePlace::Embedded(dir.path().join("store.db")),
        Made::Etcd(shared) => StorePlace::Etcd(shared.options()),
        Made::Memory(_) => unreachable!("copies are of what lasts"),
    }
}

/// From one place to another, by way of a file or directly.
async fn check(from: &Made, to: &Made, by_file: bool) {
    let (expected, revision) = filled(from).await;
    let dir = tempfile::tempdir().unwrap();
    let file = StorePlace::File(dir.path().join("snapshot"));
    let mut stages = Vec::new();
    let report = |stage| stages.push(stage);
    let (tally, at) = if by_file {
        let saved = copy(&place_of(from), &file, None, report).await.unwrap();
        let restored = copy(&file, &place_of(to), None, |_| {}).await.unwrap();
        assert_eq!(saved, restored);
        restored
    } else {
        copy(&place_of(from), &place_of(to), None, report).await.unwrap()
    };
    assert_eq!((tally.objects, at), (31, revision));
    assert!(
        matches!(stages.last(), Some(TransferStage::Verifying(last, all)) if *last == tally && *all == tally.objects),
        "{stages:?}"
    );
    let (store, things) = to.open().await;
    assert_eq!(objects(&store), expected);
    assert!(store.revision() >= revision);
    store.commit(put(things, "next", "1", Precondition::NotExists)).await.unwrap();
    store.close().await;
    // A place that holds something is not written over.
    let again = copy(&place_of(from), &place_of(to), None, |_| {}).await;
    assert!(again.is_err_and(|error| error.0.contains("holds")));
}

#[tokio::test]
async fn an_embedded_store_is_saved_and_restored() {
    check(&Made::embedded(), &Made::embedded(), true).await;
}

#[tokio::test]
async fn a_copy_keeps_versions_and_times_of_life() {
    let (from, to) = (Made::embedded(), Made::embedded());
    filled(&from).await;
    copy(&place_of(&from), &place_of(&to), None, |_| {}).await.unwrap();
    let ((from, things), (to, _)) = (from.open().await, to.open().await);
    let (before, after) = (from.snapshot(things), to.snapshot(things));
    for (before, after) in before.range("", None).zip(after.range("", None)) {
        assert_eq!(
            (&before.key, before.create_revision, before.mod_revision),
            (&after.key, after.create_revision, after.mod_revision)
        );
    }
    let ends = to.get(things, &key("ends")).unwrap();
    assert!(
        to.watch(things, crate::WatchFrom::After(ends.mod_revision), crate::WatchPredicate::default())
            .is_ok()
    );
}

#[tokio::test]
async fn objects_move_to_etcd_and_back() {
    for by_file in [false, true] {
        let Some(etcd) = Made::etcd() else { return };
        check(&Made::embedded(), &etcd, by_file).await;
        drop(etcd);
        let Some(etcd) = Made::etcd() else { return };
        check(&etcd, &Made::embedded(), by_file).await;
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused() {
    let from = Made::embedded();
    filled(&from).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    copy(&place_of(&from), &StorePlace::File(path.clone()), None, |_| {}).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let target = StorePlace::Embedded(dir.path().join("store.db"));
    for place in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        match place % 2 {
            0 => damaged.truncate(place),
            _ => damaged[place] ^= 0x10,
        }
        std::fs::write(&path, &damaged).unwrap();
        let refused = copy(&StorePlace::File(path.clone()), &target, None, |_| {}).await;
        assert!(refused.is_err(), "damaged at {place} of {}", whole.len());
        assert!(!dir.path().join("store.db").exists());
    }
    std::fs::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(copy(&StorePlace::File(path), &target, None, |_| {}).await.is_err());
}
