//! What the store promises of watches.

use super::*;

#[tokio::test]
async fn watches_deliver_in_order_to_the_interested() {
    let dir = tempfile::tempdir().unwrap();
    let (store, things) = open(dir.path());
    let a = store.commit(put(things, "a", "l n1", Expected::Absent)).await.unwrap();
    let mut all = store.watch(things, WatchFrom::InitialState, Interest::default()).unwrap();
    let on_n2 = Interest { field: Some((0, Text::from("n2"))), ..Interest::default() };
    let mut n2 = store.watch(things, WatchFrom::Now, on_n2).unwrap();
    let named = Interest { name: Some(Text::from("b")), ..Interest::default() };
    let mut only_b = store.watch(things, WatchFrom::After(Revision(1)), named).unwrap();
    let moved = store.commit(put(things, "a", "l n2", Expected::At(a.modified))).await.unwrap();
    store.commit(put(things, "b", "l n1", Expected::Absent)).await.unwrap();
    store.commit(put(things, "a", "l n3", Expected::At(moved.modified))).await.unwrap();
    assert_eq!(lines(&mut all, 5).await, ["Added a", "InitialDone", "Modified a", "Added b", "Modified a"]);
    assert_eq!(lines(&mut n2, 2).await, ["Modified a", "Modified a"]);
    assert_eq!(lines(&mut only_b, 1).await, ["Added b"]);
    assert_eq!(n2.progress(), store.revision());
    store.close().await;
    assert_eq!(lines(&mut all, 1).await, ["Closed"]);
}

#[tokio::test]
async fn an_interest_gets_its_own_events_only() {
    let (store, things) = open_on(Box::new(Memory::default()));
    let mut watchers: Vec<Watcher> =
        [("a", "", ""), ("", "x", ""), ("b", "x", ""), ("", "", "n1"), ("a", "", "n1")]
            .into_iter()
            .map(|(namespace, name, field)| {
                store.watch(things, WatchFrom::Now, interest(namespace, name, field)).unwrap()
            })
            .collect();
    for (name, value) in [("a/x", "l n1"), ("b/x", "l n1"), ("a/y", "l n2"), ("b/y", "l n2")] {
        store.commit(put(things, name, value, Expected::Absent)).await.unwrap();
    }
    let expected: [&[&str]; 5] = [&["a/x", "a/y"], &["a/x", "b/x"], &["b/x"], &["a/x", "b/x"], &["a/x"]];
    for (watcher, expected) in watchers.iter_mut().zip(expected) {
        for name in expected {
            let Step::Event(event) = step(watcher).await else { panic!("an event was due") };
            assert_eq!(event.object.key.as_str(), key(name));
        }
        assert_eq!(watcher.progress(), store.revision());
    }
}

#[tokio::test]
async fn progress_never_runs_ahead_of_what_was_delivered() {
    let (store, things) = open_on(Box::new(Memory::default()));
    let a = store.commit(put(things, "a", "0", Expected::Absent)).await.unwrap().modified;
    let mut watchers = [
        store.watch(things, WatchFrom::InitialState, Interest::default()).unwrap(),
        store.watch(things, WatchFrom::InitialState, interest("ns", "", "")).unwrap(),
    ];
    let b = store.commit(put(things, "b", "0", Expected::Absent)).await.unwrap().modified;
    for watcher in &mut watchers {
        assert_eq!((watcher.initial_len(), watcher.progress()), (1, Revision(0)));
        assert_eq!(lines(watcher, 2).await, ["Added a", "InitialDone"]);
        assert_eq!(watcher.progress(), a);
        assert_eq!(lines(watcher, 1).await, ["Added b"]);
        assert_eq!(watcher.progress(), b);
    }
}

#[tokio::test]
async fn writes_elsewhere_are_progress_too() {
    let (store, things) = open_on(Box::new(Memory::default()));
    let others = store.add_collection("/registry/others/");
    let mut watcher = store.watch(things, WatchFrom::Now, Interest::default()).unwrap();
    let at = store.commit(put(others, "a", "0", Expected::Absent)).await.unwrap().modified;
    assert_eq!(watcher.progress(), at);
}

#[tokio::test]
async fn a_watch_from_the_future_waits_for_it() {
    let (store, things) = open_on(Box::new(Memory::default()));
    let now = store.revision();
    let ahead = WatchFrom::After(Revision(now.0 + 2));
    let mut all = store.watch(things, ahead, Interest::default()).unwrap();
    let mut some = store.watch(things, ahead, interest("ns", "", "")).unwrap();
    for name in ["a", "b", "c"] {
        store.commit(put(things, name, "0", Expected::Absent)).await.unwrap();
    }
    assert_eq!(lines(&mut all, 1).await, ["Added c"]);
    assert_eq!(lines(&mut some, 1).await, ["Added c"]);
}

#[tokio::test]
async fn who_is_slower_than_the_window_must_begin_anew() {
    let window = Window { events_max: 5, ..Window::default() };
    let options = Options { window, ..Options::default() };
    let (store, things) = open_with(Box::new(Memory::default()), options);
    let mut all = store.watch(things, WatchFrom::Now, Interest::default()).unwrap();
    let mut some = store.watch(things, WatchFrom::Now, interest("ns", "", "")).unwrap();
    let start = store.revision();
    for index in 0..6 {
        store.commit(put(things, &index.to_string(), "0", Expected::Absent)).await.unwrap();
    }
    assert_eq!(lines(&mut all, 1).await, ["TooSlow"]);
    assert_eq!(lines(&mut some, 1).await, ["TooSlow"]);
    let gone = store.watch(things, WatchFrom::After(start), Interest::default()).err().unwrap();
    assert_eq!(gone, Gone { oldest: Revision(start.0 + 1), current: Revision(start.0 + 6) });
}

#[tokio::test]
async fn a_slow_watcher_does_not_keep_old_objects_alive() {
    let window = Window { bytes_min: 10_000, bytes_divisor: usize::MAX, ..Window::default() };
    let options = Options { window, ..Options::default() };
    let (store, things) = open_with(Box::new(Memory::default()), options);
    let _slow = store.watch(things, WatchFrom::Now, interest("ns", "", "")).unwrap();
    let large = "x".repeat(6_000);
    let first = store.commit(put(things, "a", &large, Expected::Absent)).await.unwrap();
    let (mut at, weak) = (first.modified, Arc::downgrade(&first));
    drop(first);
    for _ in 0..3 {
        at = store.commit(put(things, "a", &large, Expected::At(at))).await.unwrap().modified;
    }
    assert_eq!(weak.strong_count(), 0);
}

#[tokio::test]
async fn a_watcher_that_left_costs_nothing() {
    let (store, things) = open_on(Box::new(Memory::default()));
    for interest in
        [interest("a", "", ""), interest("a", "x", ""), interest("", "x", ""), interest("", "", "n1")]
    {
        drop(store.watch(things, WatchFrom::Now, interest).unwrap());
    }
    assert!(!store.is_routing(things));
}

#[tokio::test]
async fn watches_end_with_the_store() {
    let (store, things) = open_on(Box::new(Memory::default()));
    let mut all = store.watch(things, WatchFrom::Now, Interest::default()).unwrap();
    let mut some = store.watch(things, WatchFrom::Now, interest("ns", "", "")).unwrap();
    drop(store);
    assert_eq!(lines(&mut all, 1).await, ["Closed"]);
    assert_eq!(lines(&mut some, 1).await, ["Closed"]);
}
