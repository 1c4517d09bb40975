//! Promises of the store to many watchers of the same.

use super::place::{Place, everywhere};
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

everywhere!(
    every_watcher_of_many_hears_everything_in_order,
    watchers_who_show_events_alike_share_what_was_encoded,
    a_condition_is_judged_once_for_all_who_ask_for_it,
    one_who_stands_still_does_not_hold_up_the_others,
    who_watches_from_the_future_passes_over_what_others_hear,
    who_joins_later_begins_where_he_is_asked_to,
);

/// The next item, with a line of each event.
async fn item(watcher: &mut Watcher) -> WatchItem<Bytes> {
    let mut encode = |events: &[Arc<Event>]| lines_of(events);
    let item = std::future::poll_fn(|context| watcher.poll_encoded(context, &mut encode));
    tokio::time::timeout(Duration::from_secs(10), item).await.expect("word in time")
}

fn lines_of(events: &[Arc<Event>]) -> Bytes {
    let line = |event: &Arc<Event>| format!("{} {}\n", event.object.attrs.name, event.revision);
    Bytes::from(events.iter().map(line).collect::<String>())
}

/// Lines of events until there are `count`.
async fn receive(watcher: &mut Watcher, count: usize) -> Vec<String> {
    let mut received = Vec::new();
    while received.len() < count {
        match item(watcher).await {
            WatchItem::Event(bytes) => received.extend(text(&bytes).lines().map(String::from)),
            WatchItem::InitialEventsEnd(_) => {}
            other => panic!("{other:?} after {received:?}"),
        }
    }
    received
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn alike(store: &Store, things: CollectionId, from: WatchFrom, predicate: WatchPredicate) -> Watcher {
    store.watch_as(things, from, predicate, Some(Text::from("lines"))).unwrap()
}

async fn every_watcher_of_many_hears_everything_in_order(place: &Place) {
    const EVENTS: usize = 300;
    let (store, things) = place.open().await;
    let begin = store.revision();
    let mut watchers = tokio::task::JoinSet::new();
    for n in 0..60_usize {
        let from = if n % 3 == 0 { WatchFrom::After(begin) } else { WatchFrom::Now };
        let predicate = if n % 2 == 0 { WatchPredicate::default() } else { predicate("ns", "", "") };
        let mut watcher = alike(&store, things, from, predicate);
        watchers.spawn(async move {
            let mut received = Vec::new();
            while received.len() < EVENTS {
                received.extend(receive(&mut watcher, 1).await);
                // Some are slower than others, so that they share nothing for a while.
                for _ in 0..n % 7 {
                    tokio::task::yield_now().await;
                }
            }
            (received, watcher.progress())
        });
    }
    let mut expected = Vec::new();
    for n in 0..EVENTS {
        let name = format!("thing-{n}");
        let at = store.commit(put(things, &name, "0", Precondition::NotExists)).await.unwrap().mod_revision;
        expected.push(format!("{name} {at}"));
    }
    while let Some(done) = watchers.join_next().await {
        let (received, progress) = done.unwrap();
        assert_eq!(received, expected);
        assert!(progress <= store.revision());
    }
}

async fn watchers_who_show_events_alike_share_what_was_encoded(place: &Place) {
    let (store, things) = place.open().await;
    let watch = |rendering: &str| {
        let rendering = (!rendering.is_empty()).then(|| Text::from(rendering));
        store.watch_as(things, WatchFrom::Now, WatchPredicate::default(), rendering).unwrap()
    };
    let mut watchers = [watch("a"), watch("a"), watch("b"), watch("a"), watch(""), watch("")];
    store.commit(put(things, "x", "0", Precondition::NotExists)).await.unwrap();
    let mut encoded = 0;
    for (watcher, expected) in watchers.iter_mut().zip([1, 1, 2, 2, 3, 4]) {
        let mut encode = |events: &[Arc<Event>]| {
            encoded += 1;
            lines_of(events)
        };
        let item = std::future::poll_fn(|context| watcher.poll_encoded(context, &mut encode)).await;
        assert!(matches!(item, WatchItem::Event(bytes) if text(&bytes).starts_with("x ")));
        assert_eq!(encoded, expected);
    }
}

async fn a_condition_is_judged_once_for_all_who_ask_for_it(place: &Place) {
    let (store, things) = place.open().await;
    let judged = Arc::new(AtomicUsize::new(0));
    let wanted = |label: &'static str| {
        let judged = judged.clone();
        let matches = move |object: &Object| {
            judged.fetch_add(1, Ordering::Relaxed);
            object.attrs.labels.iter().any(|(_, value)| value == label)
        };
        let selector = Some(Selector { text: Text::from(label), matches: Arc::new(matches) });
        alike(&store, things, WatchFrom::Now, WatchPredicate { selector, ..WatchPredicate::default() })
    };
    let mut of_m: Vec<Watcher> = (0..100).map(|_| wanted("m")).collect();
    let _of_n: Vec<Watcher> = (0..100).map(|_| wanted("n")).collect();
    for (name, label) in [("a", "l"), ("b", "m"), ("c", "o")] {
        store.commit(put(things, name, label, Precondition::NotExists)).await.unwrap();
    }
    for watcher in &mut of_m {
        let received = receive(watcher, 1).await;
        assert!(received.len() == 1 && received[0].starts_with("b "), "{received:?}");
    }
    assert_eq!(judged.load(Ordering::Relaxed), 6);
}

async fn one_who_stands_still_does_not_hold_up_the_others(place: &Place) {
    let window = EventWindow { events_max: 20, ..EventWindow::default() };
    let (store, things) = place.open_with(Options { window, ..Options::default() }).await;
    let mut still = alike(&store, things, WatchFrom::Now, WatchPredicate::default());
    let mut quick = alike(&store, things, WatchFrom::Now, WatchPredicate::default());
    for n in 0..50 {
        let name = n.to_string();
        store.commit(put(things, &name, "0", Precondition::NotExists)).await.unwrap();
        let received = receive(&mut quick, 1).await;
        assert!(received.len() == 1 && received[0].starts_with(&format!("{name} ")), "{received:?}");
    }
    // It gets the events that others encoded before, or has lagged; but none is left out.
    let mut next = 0;
    while next < 50 {
        match item(&mut still).await {
            WatchItem::Event(bytes) => text(&bytes).lines().for_each(|line| {
                assert!(line.starts_with(&format!("{next} ")), "{line} and not {next}");
                next += 1;
            }),
            WatchItem::Lagged => break,
            other => panic!("{other:?}"),
        }
    }
    // A watcher that starts again gets new events.
    let mut again = alike(&store, things, WatchFrom::Now, WatchPredicate::default());
    store.commit(put(things, "new", "0", Precondition::NotExists)).await.unwrap();
    assert_eq!(receive(&mut again, 1).await, receive(&mut quick, 1).await);
}

async fn who_watches_from_the_future_passes_over_what_others_hear(place: &Place) {
    let (store, things) = place.open().await;
    let ahead = WatchFrom::After(Revision(store.revision().0 + 2));
    let mut now = alike(&store, things, WatchFrom::Now, WatchPredicate::default());
    let mut later = alike(&store, things, ahead, WatchPredicate::default());
    for name in ["a", "b", "c"] {
        store.commit(put(things, name, "0", Precondition::NotExists)).await.unwrap();
    }
    assert_eq!(receive(&mut now, 3).await.last(), receive(&mut later, 1).await.last());
}

async fn who_joins_later_begins_where_he_is_asked_to(place: &Place) {
    let (store, things) = place.open().await;
    let mut first = alike(&store, things, WatchFrom::Now, predicate("ns", "", ""));
    let a = store.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    store.commit(put(things, "b", "0", Precondition::NotExists)).await.unwrap();
    let mut from_a = alike(&store, things, WatchFrom::After(a), predicate("ns", "", ""));
    let mut from_now = alike(&store, things, WatchFrom::Now, predicate("ns", "", ""));
    let mut from_state = alike(&store, things, WatchFrom::InitialState, predicate("ns", "", ""));
    store.commit(put(things, "c", "0", Precondition::NotExists)).await.unwrap();
    let all = receive(&mut first, 3).await;
    assert_eq!(receive(&mut from_a, 2).await, all[1..]);
    assert_eq!(receive(&mut from_now, 1).await, all[2..]);
    assert_eq!(from_state.progress(), Revision(0));
    assert_eq!(receive(&mut from_state, 3).await, all);
    assert_eq!(from_state.progress(), store.revision());
}

#[tokio::test]
async fn watchers_that_fell_behind_or_left_leave_no_lane() {
    let (store, things) = open_on(Box::new(Memory::default()));
    let watchers: Vec<Watcher> =
        (0..3).map(|_| alike(&store, things, WatchFrom::Now, predicate("ns", "", ""))).collect();
    for watcher in watchers {
        assert!(store.is_dispatching(things));
        drop(watcher);
    }
    assert!(!store.is_dispatching(things));
}
