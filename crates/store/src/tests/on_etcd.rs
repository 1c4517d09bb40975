//! Cases that only etcd brings: others that write beside us, lost connections, a past that is compacted, leases.

use super::place::{connect, etcd_options};
use super::*;
use pintle_testkit::Etcd;

/// An etcd for this test, which is skipped on machines without etcd.
macro_rules! etcd {
    () => {
        match Etcd::start() {
            Some(etcd) => etcd,
            None => return,
        }
    };
}

async fn open_at(etcd: &Etcd) -> (Store, CollectionId) {
    connect(&etcd_options(&[etcd.url()]), Options::default()).await
}

#[tokio::test]
async fn what_others_write_shows_up() {
    let etcd = etcd!();
    let (ours, things) = open_at(&etcd).await;
    let (theirs, _) = open_at(&etcd).await;
    let mut watcher = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let a = theirs.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    ours.wait_for_latest().await.unwrap();
    let found = ours.get(things, &key("a")).unwrap();
    assert_eq!((found.mod_revision, &found.attrs), (a.mod_revision, &a.attrs));
    assert!(matches!(
        ours.commit(put(things, "a", "2", Precondition::NotExists)).await,
        Err(CommitError::Exists(found)) if found.mod_revision == a.mod_revision
    ));
    let b = ours.commit(put(things, "a", "2", Precondition::ModRevision(a.mod_revision))).await.unwrap();
    // A write that was overtaken learns of the newer object.
    match theirs.commit(put(things, "a", "3", Precondition::ModRevision(a.mod_revision))).await {
        Err(CommitError::Stale(found)) => assert_eq!(found.mod_revision, b.mod_revision),
        other => panic!("{other:?}"),
    }
    assert_eq!(theirs.get(things, &key("a")).unwrap().mod_revision, b.mod_revision);
    theirs.commit(delete(things, "a", b.mod_revision)).await.unwrap();
    assert!(matches!(
        ours.commit(put(things, "a", "4", Precondition::ModRevision(b.mod_revision))).await,
        Err(CommitError::Missing)
    ));
    assert_eq!(lines(&mut watcher, 3).await, ["Added a", "Modified a", "Deleted a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_of_now_see_every_write_before_them() {
    let etcd = etcd!();
    let (ours, things) = open_at(&etcd).await;
    let (theirs, _) = open_at(&etcd).await;
    let ours = Arc::new(ours);
    let mut at = theirs.commit(put(things, "a", "0", Precondition::NotExists)).await.unwrap().mod_revision;
    for index in 0..50 {
        at = theirs
            .commit(put(things, "a", &index.to_string(), Precondition::ModRevision(at)))
            .await
            .unwrap()
            .mod_revision;
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let ours = ours.clone();
                tokio::spawn(async move {
                    ours.wait_for_latest().await.unwrap();
                    ours.get(things, &key("a")).unwrap().mod_revision
                })
            })
            .collect();
        for reader in readers {
            assert!(reader.await.unwrap() >= at);
        }
    }
}

#[tokio::test]
async fn keys_of_others_count_as_progress() {
    let etcd = etcd!();
    for tells_progress in [None, Some(true)] {
        let options = etcd::EtcdOptions { tells_progress, ..etcd_options(&[etcd.url()]) };
        let (ours, things) = connect(&options, Options::default()).await;
        let elsewhere = etcd::EtcdOptions { prefix: "/elsewhere".into(), ..options };
        let (theirs, _) = connect(&elsewhere, Options::default()).await;
        let mut watcher = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
        let name = format!("a-{tells_progress:?}");
        for _ in 0..5 {
            let a = theirs.commit(put(things, &name, "1", Precondition::NotExists)).await.unwrap();
            let gone = theirs.commit(delete(things, &name, a.mod_revision)).await.unwrap().mod_revision;
            assert!(ours.wait_for_revision(gone, Duration::from_secs(5)).await);
            ours.wait_for_latest().await.unwrap();
            assert_eq!((ours.revision(), watcher.progress()), (gone, gone));
        }
        assert!(!ours.wait_for_revision(Revision(ours.revision().0 + 1), Duration::from_millis(250)).await);
    }
}

#[tokio::test]
async fn a_lost_etcd_is_followed_again_without_a_gap() {
    let mut etcd = etcd!();
    let (ours, things) = open_at(&etcd).await;
    let mut watcher = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let a = ours.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    etcd.kill();
    assert!(matches!(
        ours.commit(put(things, "b", "1", Precondition::NotExists)).await,
        Err(CommitError::Unavailable(_))
    ));
    assert!(ours.check(Duration::from_secs(2)).await.is_err());
    // Objects in memory can be read all the same.
    assert_eq!(ours.get(things, &key("a")).unwrap().mod_revision, a.mod_revision);
    etcd.spawn();
    let (theirs, _) = open_at(&etcd).await;
    theirs.commit(put(things, "b", "1", Precondition::NotExists)).await.unwrap();
    ours.commit(put(things, "c", "1", Precondition::NotExists)).await.unwrap();
    assert_eq!(lines(&mut watcher, 3).await, ["Added a", "Added b", "Added c"]);
    assert!(ours.check(Duration::from_secs(2)).await.is_ok());
}

#[tokio::test]
async fn another_endpoint_is_asked_when_one_is_down() {
    let etcd = etcd!();
    let nobody = format!("http://127.0.0.1:{}", pintle_testkit::free_port());
    let (ours, things) = connect(&etcd_options(&[nobody, etcd.url()]), Options::default()).await;
    let mut watcher = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    ours.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    assert_eq!(lines(&mut watcher, 1).await, ["Added a"]);
}

/// Members of a cluster go one after the other, and come back. Writes go on, except those on the way to a stopped
/// member; a watch sees every write once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_cluster_come_and_go() {
    let Some(mut members) = Etcd::cluster(3) else { return };
    let servers: Vec<String> = members.iter().map(Etcd::url).collect();
    let (ours, things) = connect(&etcd_options(&servers), Options::default()).await;
    let mut watcher = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let mut written = Vec::new();
    for (round, place) in [0, 1, 2].into_iter().enumerate() {
        members[place].kill();
        let mut done = 0;
        for index in 0..200 {
            let name = format!("{round}-{index:03}");
            match ours.commit(put(things, &name, "1", Precondition::NotExists)).await {
                Ok(object) => {
                    written.push((name, object.mod_revision));
                    done += 1;
                }
                Err(CommitError::Unavailable(_) | CommitError::Refused(_)) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(other) => panic!("{other:?}"),
            }
            if done == 20 {
                break;
            }
        }
        assert_eq!(done, 20);
        members[place].spawn();
    }
    ours.wait_for_latest().await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(_, at)| *at < ours.revision()) {
        let WatchItem::Event(event) = step(&mut watcher).await else { panic!("an event was due") };
        seen.push((event.object.attrs.name.to_string(), event.revision));
    }
    assert!(seen.is_sorted_by_key(|(_, at)| *at));
    // Unanswered writes may be there too.
    assert!(written.iter().all(|write| seen.contains(write)));
    assert_eq!(names(&ours.snapshot(things)).len(), seen.len());
}

/// The way to an etcd, which can be closed and opened.
struct Gate {
    port: u16,
    etcd: u16,
    open: Option<tokio::task::JoinHandle<()>>,
}

impl Gate {
    async fn new(etcd: &Etcd) -> Gate {
        let etcd = Gate::port_of(etcd);
        let mut gate = Gate { port: pintle_testkit::free_port(), etcd, open: None };
        gate.open().await;
        gate
    }

    fn port_of(etcd: &Etcd) -> u16 {
        etcd.url().rsplit(':').next().unwrap().parse().unwrap()
    }

    async fn open(&mut self) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let etcd = self.etcd;
        self.open = Some(tokio::spawn(async move {
            // Ends all that go through it when it ends.
            let mut passing = tokio::task::JoinSet::new();
            loop {
                let (mut ours, _) = listener.accept().await.unwrap();
                passing.spawn(async move {
                    let mut theirs = tokio::net::TcpStream::connect(("127.0.0.1", etcd)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
                });
            }
        }));
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            assert!(open.await.is_err());
        }
    }
}

#[tokio::test]
async fn what_was_compacted_while_etcd_was_away_is_read_anew() {
    let etcd = etcd!();
    let mut gate = Gate::new(&etcd).await;
    let through = format!("http://127.0.0.1:{}", gate.port);
    let (ours, things) = connect(&etcd_options(&[through]), Options::default()).await;
    let (theirs, _) = open_at(&etcd).await;
    let kept = ours.commit(put(things, "kept", "1", Precondition::NotExists)).await.unwrap();
    let gone = ours.commit(put(things, "gone", "1", Precondition::NotExists)).await.unwrap();
    let kept_object = ours.get(things, &key("kept")).unwrap();
    let mut all = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    let mut some = ours.watch(things, WatchFrom::Now, predicate("ns", "", "")).unwrap();
    gate.close().await;
    theirs.commit(delete(things, "gone", gone.mod_revision)).await.unwrap();
    let new = theirs.commit(put(things, "new", "1", Precondition::NotExists)).await.unwrap();
    theirs.compact(new.mod_revision).await.unwrap();
    gate.open().await;
    ours.wait_for_latest().await.unwrap();
    assert_eq!(names(&ours.snapshot(things)), ["kept", "new"]);
    let found = ours.get(things, &key("kept")).unwrap();
    assert_eq!(found.mod_revision, kept.mod_revision);
    assert!(Arc::ptr_eq(&found, &kept_object), "what is unchanged stays as it is");
    assert_eq!(lines(&mut all, 1).await, ["Lagged"]);
    assert_eq!(lines(&mut some, 1).await, ["Lagged"]);
    let early = ours.watch(things, WatchFrom::After(gone.mod_revision), WatchPredicate::default());
    assert!(early.is_err_and(|gone| gone.oldest >= new.mod_revision));
    // From here on it is followed as before.
    let mut after = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    theirs.commit(put(things, "next", "1", Precondition::NotExists)).await.unwrap();
    assert_eq!(lines(&mut after, 1).await, ["Added next"]);
}

#[tokio::test]
async fn what_was_missed_is_made_up_for() {
    let etcd = etcd!();
    let mut gate = Gate::new(&etcd).await;
    let through = format!("http://127.0.0.1:{}", gate.port);
    let (ours, things) = connect(&etcd_options(&[through]), Options::default()).await;
    let (theirs, _) = open_at(&etcd).await;
    let mut all = ours.watch(things, WatchFrom::Now, WatchPredicate::default()).unwrap();
    for round in 0..3 {
        gate.close().await;
        let name = round.to_string();
        let at = theirs.commit(put(things, &name, "1", Precondition::NotExists)).await.unwrap().mod_revision;
        theirs.commit(delete(things, &name, at)).await.unwrap();
        gate.open().await;
        assert_eq!(lines(&mut all, 2).await, [format!("Added {name}"), format!("Deleted {name}")]);
    }
}

#[tokio::test]
async fn an_etcd_that_lost_its_past_is_not_taken_for_the_same() {
    let (before, after) = (etcd!(), etcd!());
    let mut gate = Gate::new(&before).await;
    let through = format!("http://127.0.0.1:{}", gate.port);
    let (ours, things) = connect(&etcd_options(&[through]), Options::default()).await;
    for name in ["a", "b", "c"] {
        ours.commit(put(things, name, "1", Precondition::NotExists)).await.unwrap();
    }
    assert_eq!(ours.check(Duration::from_secs(5)).await, Ok(()));
    gate.close().await;
    gate.etcd = Gate::port_of(&after);
    gate.open().await;
    let why = ours.check(Duration::from_secs(5)).await.unwrap_err();
    assert!(why.starts_with("etcd went back from revision 4 to 1"), "{why}");
    assert!(matches!(ours.wait_for_latest().await, Err(CommitError::Unavailable(_))));
}

#[tokio::test]
async fn a_start_takes_the_recent_past_along() {
    let etcd = etcd!();
    let (first, things) = open_at(&etcd).await;
    let a = first.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap().mod_revision;
    first.commit(put(things, "b", "1", Precondition::NotExists)).await.unwrap();
    let gone = first.commit(delete(things, "a", a)).await.unwrap().mod_revision;
    first.close().await;
    let (next, _) = open_at(&etcd).await;
    assert_eq!((next.revision(), names(&next.snapshot(things))), (gone, vec![String::from("b")]));
    let mut watcher = next.watch(things, WatchFrom::After(a), WatchPredicate::default()).unwrap();
    assert_eq!(lines(&mut watcher, 2).await, ["Added b", "Deleted a"]);
    // The compacted revision is not remembered unless another server's key has it.
    next.compact(gone).await.unwrap();
    let (last, _) = open_at(&etcd).await;
    assert!(last.watch(things, WatchFrom::After(a), WatchPredicate::default()).is_err());
    assert_eq!((last.revision(), names(&last.snapshot(things))), (gone, vec![String::from("b")]));
}

#[tokio::test]
async fn the_past_before_the_start_is_read_from_etcd() {
    let etcd = etcd!();
    let (theirs, things) = open_at(&etcd).await;
    let a = theirs.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap();
    let b = theirs.commit(put(things, "b", "1", Precondition::NotExists)).await.unwrap();
    let last = theirs.commit(delete(things, "a", a.mod_revision)).await.unwrap();
    let window = EventWindow { events_max: 1, ..EventWindow::default() };
    let options = Options { window, ..Options::default() };
    let (ours, _) = connect(&etcd_options(&[etcd.url()]), options).await;
    assert!(ours.snapshot_at(things, a.mod_revision).is_err());
    ours.commit(put(things, "c", "1", Precondition::NotExists)).await.unwrap();
    assert!(ours.snapshot_at(things, b.mod_revision).is_err());
    let past = ours.historical_read(things, b.mod_revision).await.unwrap();
    assert_eq!((names(&past), past.revision), (vec![String::from("a"), String::from("b")], b.mod_revision));
    ours.compact(last.mod_revision).await.unwrap();
    assert!(matches!(ours.historical_read(things, b.mod_revision).await, Err(HistoricalReadError::Gone(_))));
}

#[tokio::test]
async fn a_large_collection_comes_in_pages() {
    let etcd = etcd!();
    let (theirs, things) = open_at(&etcd).await;
    let theirs = Arc::new(theirs);
    let large = "x".repeat(20_000);
    let tasks: Vec<_> = (0..1200)
        .map(|index| {
            let (theirs, value) = (theirs.clone(), if index % 2 == 0 { large.clone() } else { "1".into() });
            tokio::spawn(async move {
                theirs
                    .commit(put(things, &format!("{index:04}"), &value, Precondition::NotExists))
                    .await
                    .unwrap()
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (ours, _) = open_at(&etcd).await;
    let (ours, theirs) = (ours.snapshot(things), theirs.snapshot(things));
    assert_eq!(names(&ours), names(&theirs));
    assert!(ours.range("", None).zip(theirs.range("", None)).all(|(a, b)| a.value == b.value));
}

#[tokio::test]
async fn a_full_etcd_says_so_in_its_own_words() {
    let Some(etcd) = Etcd::with_flags(&["--quota-backend-bytes=1000000"]) else { return };
    let (ours, things) = open_at(&etcd).await;
    let large = "x".repeat(100_000);
    // etcd looks at its size every now and then.
    for index in 0..1000 {
        match ours.commit(put(things, &index.to_string(), &large, Precondition::NotExists)).await {
            Ok(_) => {}
            Err(CommitError::Refused(why)) => {
                assert_eq!(why, "etcdserver: mvcc: database space exceeded");
                return;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("etcd is not full");
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused() {
    let etcd = etcd!();
    let (ours, things) = open_at(&etcd).await;
    let refused = ours.commit(put(things, "a", &"x".repeat(1_800_000), Precondition::NotExists)).await;
    assert!(
        matches!(&refused, Err(CommitError::TooLarge(why)) if why == "etcdserver: request is too large"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn servers_take_turns_in_compacting() {
    let etcd = etcd!();
    let compacting =
        etcd::EtcdOptions { compaction_interval: Duration::from_millis(300), ..etcd_options(&[etcd.url()]) };
    let (ours, things) = connect(&compacting, Options::default()).await;
    let (_theirs, _) = connect(&compacting, Options::default()).await;
    let first = ours.commit(put(things, "a", "1", Precondition::NotExists)).await.unwrap().mod_revision;
    let mut at = first;
    for index in 0..200 {
        at = ours
            .commit(put(things, "a", &index.to_string(), Precondition::ModRevision(at)))
            .await
            .unwrap()
            .mod_revision;
        tokio::time::sleep(Duration::from_millis(10)).await;
        // A third one, which knows nothing of the past, asks etcd for it.
        if index % 20 == 0 {
            let (asking, _) = open_at(&etcd).await;
            if matches!(asking.historical_read(things, first).await, Err(HistoricalReadError::Gone(_))) {
                return;
            }
        }
    }
    panic!("nothing was compacted");
}
