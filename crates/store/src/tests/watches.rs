//! Promises of the store about watches.

use super::place::{Place, everywhere};
use super::*;

everywhere!(
    watches_deliver_in_order_to_the_interested,
    an_interest_gets_its_own_events_only,
    an_object_enters_and_leaves_an_interest,
    a_deletion_shows_the_last_state_at_its_revision,
    watches_begin_where_they_are_asked_to,
    progress_never_runs_ahead_of_what_was_delivered,
    writes_elsewhere_are_progress_too,
    a_watch_from_the_future_waits_for_it,
    who_is_slower_than_the_window_must_begin_anew,
    watches_end_with_the_store,
);

async fn watches_deliver_in_order_to_the_interested(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "l n1", Precondition::NotExists)).await.unwrap();
    let mut all = store.watch(things, WatchFrom::InitialState, WatchPredicate::default()).unwrap();
    let on_n2 = WatchPredicate { field: Some((0, Text::from("n2"))), ..WatchPredicate::default() };
    let mut n2 = store.watch(things, WatchFrom::Now, on_n2).unwrap();
    let named = WatchPredicate { name: Some(Text::from("b")), ..WatchPredicate::default() };
    let mut only_b = store.watch(things, WatchFrom::After(a.mod_revision), named).unwrap();
    let moved =
        store.commit(put(things, "a", "l n2", Precondition::ModRevision(a.mod_revision))).await.unwrap();
    store.commit(put(things, "b", "l n1", Precondition::NotExists)).await.unwrap();
    store.commit(put(things, "a", "l n3", Precondition::ModRevision(moved.mod_revision))).await.unwrap();
    assert_eq!(
        lines(&mut all, 5).await,
        ["Added a", "InitialEventsEnd", "Modified a", "Added b", "Modified a"]
    );
    assert_eq!(lines(&mut n2, 2).await, ["Modified a", "Modified a"]);
    assert_eq!(lines(&mut only_b, 1).await, ["Added b"]);
    assert_eq!(n2.progress(), store.revision());
    store.close().await;
    assert_eq!(lines(&mut all, 1).await, ["Closed"]);
}

async fn an_interest_gets_its_own_events_only(place: &Place) {
    let (store, things) = place.open().await;
    let mut watchers: Vec<Watcher> =
        [("a", "", ""), ("", "x", ""), ("b", "x", ""), ("", "", "n1"), ("a", "", "n1")]
            .into_iter()
            .map(|(namespace, name, field)| {
                store.watch(things, WatchFrom::Now, predicate(namespace, name, field)).unwrap()
            })
            .collect();
    for (name, value) in [("a/x", "l n1"), ("b/x", "l n1"), ("a/y", "l n2"), ("b/y", "l n2")] {
        store.commit(put(things, name, value, Precondition::NotExists)).await.unwrap();
    }
    let expected: [&[&str]; 5] = [&["a/x", "a/y"], &["a/x", "b/x"], &["b/x"], &["a/x", "b/x"], &["a/x"]];
    for (watcher, expected) in watchers.iter_mut().zip(expected) {
        for name in expected {
            let WatchItem::Event(event) = step(watcher).await else { panic!("an event was due") };
            assert_eq!(event.object.key.as_str(), key(name));
        }
        assert_eq!(watcher.progress(), store.revision());
    }
}

async fn an_object_enters_and_leaves_an_interest(place: &Place) {
    let (store, things) = place.open().await;
    let mut watcher = store.watch(things, WatchFrom::Now, predicate("", "", "n2")).unwrap();
    let mut at = store.commit(put(things, "a", "l n1", Precondition::NotExists)).await.unwrap().mod_revision;
    for value in ["l n2", "m n2", "l n3", "l n4", "l n2"] {
        at = store.commit(put(things, "a", value, Precondition::ModRevision(at))).await.unwrap().mod_revision;
    }
    store.commit(delete(things, "a", at)).await.unwrap();
    let mut fits = Vec::new();
    for _ in 0..5 {
        let WatchItem::Event(event) = step(&mut watcher).await else { panic!("an event was due") };
        let is_in = watcher.predicate().matches(&event.object);
        let was_in = watcher.predicate().matches(event.previous.as_ref().unwrap());
        fits.push((event.kind, was_in, is_in));
    }
    use EventKind::{Deleted, Modified};
    let expected = [
        (Modified, false, true),
        (Modified, true, true),
        (Modified, true, false),
        (Modified, false, true),
        (Deleted, true, true),
    ];
    assert_eq!(fits, expected);
    assert_eq!(watcher.progress(), store.revision());
}

async fn a_deletion_shows_the_last_state_at_its_revision(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "last", Precondition::NotExists)).await.unwrap();
    let mut watcher = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let gone = store.commit(delete(things, "a", a.mod_revision)).await.unwrap();
    let WatchItem::Event(event) = step(&mut watcher).await else { panic!("an event was due") };
    assert_eq!((event.kind, event.revision), (EventKind::Deleted, gone.mod_revision));
    assert_eq!(
        (event.object.mod_revision, event.object.create_revision),
        (gone.mod_revision, a.create_revision)
    );
    assert_eq!((event.object.value.as_ref(), &event.object.attrs), (b"last".as_ref(), &a.attrs));
    assert_eq!(event.previous.as_ref().unwrap().mod_revision, a.mod_revision);
}

async fn watches_begin_where_they_are_asked_to(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    let b = store.commit(put(things, "b", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    store.commit(put(things, "a", "1", Precondition::ModRevision(a))).await.unwrap();
    let watch = |from| store.watch(things, from, WatchPredicate::default()).unwrap();
    let mut watchers = [
        (watch(WatchFrom::Now), vec![]),
        (watch(WatchFrom::After(a)), vec!["Added b", "Modified a"]),
        (watch(WatchFrom::After(b)), vec!["Modified a"]),
        (watch(WatchFrom::InitialState), vec!["Added a", "Added b", "InitialEventsEnd"]),
    ];
    store.commit(put(things, "c", "0", Precondition::NotExists)).await.unwrap();
    for (watcher, expected) in &mut watchers {
        expected.push("Added c");
        assert_eq!(lines(watcher, expected.len()).await, *expected);
        assert_eq!(watcher.progress(), store.revision());
    }
}

async fn progress_never_runs_ahead_of_what_was_delivered(place: &Place) {
    let (store, things) = place.open().await;
    let a = store.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    let mut watchers = [
        store.watch(things, WatchFrom::InitialState, WatchPredicate::default()).unwrap(),
        store.watch(things, WatchFrom::InitialState, predicate("ns", "", "")).unwrap(),
    ];
    let b = store.commit(put(things, "b", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    for watcher in &mut watchers {
        assert_eq!((watcher.initial_len(), watcher.progress()), (1, Revision(0)));
        assert_eq!(lines(watcher, 2).await, ["Added a", "InitialEventsEnd"]);
        assert_eq!(watcher.progress(), a);
        assert_eq!(lines(watcher, 1).await, ["Added b"]);
        assert_eq!(watcher.progress(), b);
    }
}

async fn writes_elsewhere_are_progress_too(place: &Place) {
    let (store, things) = place.open().await;
    let others = store.add_collection("/registry/others/");
    let mut watcher = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let elsewhere =
        Write { key: Key::new("/registry/others/a"), ..put(others, "a", "0", Precondition::NotExists) };
    let at = store.commit(elsewhere).await.unwrap().mod_revision;
    assert_eq!(watcher.progress(), at);
}

async fn a_watch_from_the_future_waits_for_it(place: &Place) {
    let (store, things) = place.open().await;
    let now = store.revision();
    let ahead = WatchFrom::After(Revision(now.0 + 2));
    let mut all = store.watch(things, ahead, WatchPredicate::default()).unwrap();
    let mut some = store.watch(things, ahead, predicate("ns", "", "")).unwrap();
    for name in ["a", "b", "c"] {
        store.commit(put(things, name, "0", Precondition::NotExists)).await.unwrap();
    }
    assert_eq!(lines(&mut all, 1).await, ["Added c"]);
    assert_eq!(lines(&mut some, 1).await, ["Added c"]);
}

async fn who_is_slower_than_the_window_must_begin_anew(place: &Place) {
    let window = EventWindow { events_max: 5, ..EventWindow::default() };
    let options = Options { window, ..Options::default() };
    let (store, things) = place.open_with(options).await;
    let mut all = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let mut some = store.watch(things, WatchFrom::Now, predicate("ns", "", "")).unwrap();
    let start = store.revision();
    for index in 0..6 {
        store.commit(put(things, &index.to_string(), "0", Precondition::NotExists)).await.unwrap();
    }
    assert_eq!(lines(&mut all, 1).await, ["Lagged"]);
    assert_eq!(lines(&mut some, 1).await, ["Lagged"]);
    let gone = store.watch(things, WatchFrom::After(start), WatchPredicate::default()).err().unwrap();
    assert_eq!(gone, Gone { oldest: Revision(start.0 + 1), current: Revision(start.0 + 6) });
}

#[tokio::test]
async fn a_slow_watcher_does_not_keep_old_objects_alive() {
    let window = EventWindow { bytes_min: 10_000, bytes_divisor: usize::MAX, ..EventWindow::default() };
    let options = Options { window, ..Options::default() };
    let (store, things) = open_with(Box::new(Memory::default()), options);
    let _slow = store.watch(things, WatchFrom::Now, predicate("ns", "", "")).unwrap();
    let large = "x".repeat(6_000);
    let first = store.commit(put(things, "a", &large, Precondition::NotExists)).await.unwrap();
    let (mut at, weak) = (first.mod_revision, Arc::downgrade(&first));
    drop(first);
    for _ in 0..3 {
        at =
            store.commit(put(things, "a", &large, Precondition::ModRevision(at))).await.unwrap().mod_revision;
    }
    assert_eq!(weak.strong_count(), 0);
}

#[tokio::test]
async fn a_watcher_that_left_costs_nothing() {
    let (store, things) = open_on(Box::new(Memory::default()));
    for predicate in
        [predicate("a", "", ""), predicate("a", "x", ""), predicate("", "x", ""), predicate("", "", "n1")]
    {
        drop(store.watch(things, WatchFrom::Now, predicate).unwrap());
    }
    assert!(!store.is_dispatching(things));
}

async fn watches_end_with_the_store(place: &Place) {
    let (store, things) = place.open().await;
    let mut all = store.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let mut some = store.watch(things, WatchFrom::Now, predicate("ns", "", "")).unwrap();
    drop(store);
    assert_eq!(lines(&mut all, 1).await, ["Closed"]);
    assert_eq!(lines(&mut some, 1).await, ["Closed"]);
}
