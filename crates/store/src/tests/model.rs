//! The store against a model of it: random writes, watches and restarts, checked against a plain list of writes.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 5] = ["a/x", "a/y", "b/x", "b/y", "c/z"];

#[derive(Clone, Debug)]
enum Op {
    /// Writes as the writer expects the key to be, or expecting something else.
    Put {
        name: usize,
        field: u8,
        is_expected: bool,
    },
    Delete {
        name: usize,
        is_expected: bool,
    },
    Watch {
        predicate: usize,
        back: Option<u64>,
    },
    WatchInitial {
        predicate: usize,
    },
    Drain,
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let name = 0..NAMES.len();
    let op = prop_oneof![
        8 => (name.clone(), 0..3u8, prop::bool::weighted(0.8))
            .prop_map(|(name, field, is_expected)| Op::Put { name, field, is_expected }),
        3 => (name, prop::bool::weighted(0.8)).prop_map(|(name, is_expected)| Op::Delete { name, is_expected }),
        2 => (0..6usize, prop::option::of(0..10u64)).prop_map(|(predicate, back)| Op::Watch { predicate, back }),
        1 => (0..6usize).prop_map(|predicate| Op::WatchInitial { predicate }),
        1 => Just(Op::Drain),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 0..60)
}

fn options() -> impl Strategy<Value = Options> {
    let small = (1..20usize, 0..20usize).prop_map(|(events_max, rows_max)| Options {
        window: EventWindow { events_max, ..EventWindow::default() },
        retention: Retention { rows_max, ..Retention::default() },
        ..Options::default()
    });
    prop_oneof![small, Just(Options::default())]
}

fn predicates(index: usize) -> WatchPredicate {
    match index {
        0 => predicate("", "", ""),
        1 => predicate("a", "", ""),
        2 => predicate("", "x", ""),
        3 => predicate("b", "y", ""),
        4 => predicate("", "", "n1"),
        _ => predicate("a", "", "n2"),
    }
}

/// One write that happened.
#[derive(Clone, Debug)]
struct Written {
    revision: Revision,
    key: String,
    value: Option<String>,
    previous: Option<String>,
}

impl Written {
    fn is_wanted_by(&self, predicate: &WatchPredicate) -> bool {
        [&self.value, &self.previous].into_iter().flatten().any(|value| fits(predicate, &self.key, value))
    }

    /// The event as text: of a deletion, the object is as it was.
    fn line(&self) -> String {
        let kind = match (&self.value, &self.previous) {
            (None, _) => EventKind::Deleted,
            (Some(_), None) => EventKind::Added,
            (Some(_), Some(_)) => EventKind::Modified,
        };
        let value = self.value.as_ref().or(self.previous.as_ref());
        format!("{kind:?} {} {} {value:?} {:?}", self.revision, self.key, self.previous)
    }
}

fn fits(predicate: &WatchPredicate, key: &str, value: &str) -> bool {
    let key = Key::new(key);
    let attrs = attrs(key.as_str(), value);
    predicate.matches(&Object::new(key, Revision(0), Revision(0), Bytes::new(), attrs))
}

fn line(event: &Event) -> String {
    let text = |object: &Object| String::from_utf8(object.value.to_vec()).unwrap();
    let previous = event.previous.as_deref().map(text);
    let value = Some(text(&event.object));
    format!("{:?} {} {} {value:?} {previous:?}", event.kind, event.revision, event.object.key)
}

/// A watcher, and the revision up to which it was checked.
struct Followed {
    watcher: Watcher,
    predicate: WatchPredicate,
    after: Revision,
}

struct Trial<'a> {
    open: &'a dyn Fn() -> Box<dyn DurableLog>,
    options: Options,
    store: Store,
    things: CollectionId,
    written: Vec<Written>,
    followed: Vec<Followed>,
}

impl Trial<'_> {
    async fn run(open: &dyn Fn() -> Box<dyn DurableLog>, options: Options, ops: Vec<Op>) {
        let (store, things) = open_with(open(), options.clone());
        let mut trial = Trial { open, options, store, things, written: Vec::new(), followed: Vec::new() };
        for op in ops {
            trial.apply(op).await;
        }
        trial.check_past();
        trial.drain().await;
        trial.restart().await;
        trial.store.close().await;
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Put { name, field, is_expected } => self.put(NAMES[name], field, is_expected).await,
            Op::Delete { name, is_expected } => self.delete(NAMES[name], is_expected).await,
            Op::Watch { predicate, back } => self.watch(predicates(predicate), back),
            Op::WatchInitial { predicate } => self.watch_initial(predicates(predicate)).await,
            Op::Drain => self.drain().await,
            Op::Restart => self.restart().await,
        }
    }

    /// Keys, values and revisions of last change, as of a revision.
    fn state(&self, at: Revision) -> BTreeMap<String, (String, Revision)> {
        let mut state = BTreeMap::new();
        for written in self.written.iter().filter(|written| written.revision <= at) {
            match &written.value {
                Some(value) => state.insert(written.key.clone(), (value.clone(), written.revision)),
                None => state.remove(&written.key),
            };
        }
        state
    }

    fn revision(&self) -> Revision {
        self.written.last().map_or(Revision(1), |written| written.revision)
    }

    async fn put(&mut self, name: &str, field: u8, is_expected: bool) {
        let found = self.state(self.revision()).remove(&key(name));
        let expected = match (&found, is_expected) {
            (Some((_, at)), true) => Precondition::ModRevision(*at),
            (None, true) | (Some(_), false) => Precondition::NotExists,
            (None, false) => Precondition::ModRevision(Revision(1)),
        };
        let value = format!("{} n{field}", self.written.len());
        let answer = self.store.commit(put(self.things, name, &value, expected)).await;
        match (&found, is_expected) {
            (_, true) => self.accepted(answer, name, found.map(|(value, _)| value), Some(value)),
            (Some(_), false) => assert!(matches!(answer, Err(CommitError::Exists(_))), "{answer:?}"),
            (None, false) => assert!(matches!(answer, Err(CommitError::Missing)), "{answer:?}"),
        }
    }

    async fn delete(&mut self, name: &str, is_expected: bool) {
        let found = self.state(self.revision()).remove(&key(name));
        let at = found.as_ref().filter(|_| is_expected).map_or(Revision(1), |(_, at)| *at);
        let answer = self.store.commit(delete(self.things, name, at)).await;
        match (&found, is_expected) {
            (Some((value, _)), true) => self.accepted(answer, name, Some(value.clone()), None),
            (Some(_), false) => assert!(matches!(answer, Err(CommitError::Stale(_))), "{answer:?}"),
            (None, _) => assert!(matches!(answer, Err(CommitError::Missing)), "{answer:?}"),
        }
    }

    fn accepted(
        &mut self,
        answer: Result<Arc<Object>, CommitError>,
        name: &str,
        previous: Option<String>,
        value: Option<String>,
    ) {
        let revision = Revision(self.revision().0 + 1);
        assert_eq!(answer.expect("as expected").mod_revision, revision);
        assert_eq!(self.store.revision(), revision);
        self.written.push(Written { revision, key: key(name), value, previous });
    }

    fn watch(&mut self, predicate: WatchPredicate, back: Option<u64>) {
        let after = Revision(self.revision().0.saturating_sub(back.unwrap_or(0)));
        let from = back.map_or(WatchFrom::Now, |_| WatchFrom::After(after));
        match self.store.watch(self.things, from, predicate.clone()) {
            Ok(watcher) => self.followed.push(Followed { watcher, predicate, after }),
            Err(gone) => self.check_gone(after, gone),
        }
    }

    async fn watch_initial(&mut self, predicate: WatchPredicate) {
        let mut watcher = self.store.watch(self.things, WatchFrom::InitialState, predicate.clone()).unwrap();
        let after = self.revision();
        for (key, (value, at)) in self.state(after) {
            if fits(&predicate, &key, &value) {
                let added = Written { revision: at, key, value: Some(value), previous: None };
                let WatchItem::Event(event) = step(&mut watcher).await else { panic!("{added:?} is due") };
                assert_eq!(line(&event), added.line());
            }
        }
        assert!(
            matches!(step(&mut watcher).await, WatchItem::InitialEventsEnd(revision) if revision == after)
        );
        self.followed.push(Followed { watcher, predicate, after });
    }

    /// Every watcher gets the matching events since its last poll, and no others; unless the window was too small.
    async fn drain(&mut self) {
        let now = self.revision();
        'watchers: for mut followed in std::mem::take(&mut self.followed) {
            let after = followed.after;
            let later = || self.written.iter().filter(|written| written.revision > after);
            for expected in later().filter(|written| written.is_wanted_by(&followed.predicate)) {
                match step(&mut followed.watcher).await {
                    WatchItem::Event(event) => assert_eq!(line(&event), expected.line()),
                    WatchItem::Lagged => {
                        assert!(later().count() > self.options.window.events_max);
                        continue 'watchers;
                    }
                    other => panic!("{other:?} instead of {expected:?}"),
                }
            }
            if later().count() <= self.options.window.events_max {
                assert_eq!(followed.watcher.progress(), now);
                self.followed.push(Followed { after: now, ..followed });
            }
        }
    }

    /// Every past state is exact, or said to be gone.
    fn check_past(&self) {
        for revision in (0..=self.revision().0).map(Revision) {
            match self.store.snapshot_at(self.things, revision) {
                Ok(snapshot) => self.check_snapshot(&snapshot, revision),
                Err(gone) => self.check_gone(revision, gone),
            }
        }
        self.check_snapshot(&self.store.snapshot(self.things), self.revision());
    }

    fn check_snapshot(&self, snapshot: &Snapshot, revision: Revision) {
        let found: BTreeMap<_, _> = snapshot
            .range("", None)
            .map(|object| {
                let value = String::from_utf8(object.value.to_vec()).unwrap();
                (object.key.to_string(), (value, object.mod_revision))
            })
            .collect();
        assert_eq!(found, self.state(revision));
        assert_eq!(snapshot.revision, revision);
    }

    fn check_gone(&self, asked: Revision, gone: Gone) {
        assert_eq!(gone.current, self.revision());
        assert!(asked < gone.oldest && gone.oldest <= gone.current);
        assert!(self.store.snapshot_at(self.things, gone.oldest).is_ok());
        let Options { window, retention, .. } = self.options;
        // A write leaves two superseded rows at most.
        assert!(self.written.len() > window.events_max.min(retention.rows_max / 2), "{gone:?} without need");
    }

    async fn restart(&mut self) {
        self.store.close().await;
        for mut followed in self.followed.drain(..) {
            assert!(matches!(step(&mut followed.watcher).await, WatchItem::Closed));
        }
        let (store, things) = open_with((self.open)(), self.options.clone());
        assert_eq!(store.revision(), self.revision());
        (self.store, self.things) = (store, things);
        self.check_past();
    }
}

fn run(open: &dyn Fn() -> Box<dyn DurableLog>, options: Options, ops: Vec<Op>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(Trial::run(open, options, ops));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_store_behaves_as_its_model(options in options(), ops in ops()) {
        let memory = Memory::default();
        run(&|| Box::new(memory.clone()), options, ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20) })]

    #[test]
    fn the_embedded_backend_behaves_as_the_model(options in options(), ops in ops()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        run(&|| Box::new(Sqlite::open(&path).unwrap()), options, ops);
    }
}
