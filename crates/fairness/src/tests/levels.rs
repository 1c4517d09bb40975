//! Several levels: their seats, and the classification of requests.

use super::virtual_time::VirtualClock;
use crate::clock::Clock;
use crate::configuration::{LevelSpec, SchemaSpec};
use crate::fairness::Fairness;
use crate::level::{Admitted, Seat};
use crate::moment::Moment;
use crate::queuing::Queuing;
use crate::width::{Facts, ListShape, ObjectStats};
use crate::{Classified, Refusal};
use pintle_object::user::User;
use pintle_object::{RequestInfo, Value, Verb, json};
use std::sync::Arc;
use std::time::Duration;

const SERVER_SEATS: u32 = 600;

struct Nothing;

impl Facts for Nothing {
    fn list_shape(&self) -> Option<ListShape<'_>> {
        Some(ListShape::default())
    }

    fn objects(&self) -> Option<ObjectStats> {
        None
    }

    fn watchers(&self) -> u64 {
        0
    }
}

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).expect("the test's own JSON")
}

fn level(name: &str, shares: u32, lendable: u32, borrowing: Option<u32>) -> LevelSpec {
    let borrowing =
        borrowing.map(|percent| format!(",\"borrowingLimitPercent\":{percent}")).unwrap_or_default();
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","uid":"uid-{name}"}},"spec":{{"type":"Limited","limited":{{
        "nominalConcurrencyShares":{shares},"lendablePercent":{lendable}{borrowing},"limitResponse":{{"type":"Reject"}}}}}}}}"#
    );
    LevelSpec::read(&parse(&text)).expect("a level")
}

fn schema(name: &str, level: &str, precedence: u32, user: &str) -> SchemaSpec {
    SchemaSpec::read(&parse(&format!(
        r#"{{"metadata":{{"name":"{name}","uid":"uid-{name}"}},"spec":{{"matchingPrecedence":{precedence},
        "priorityLevelConfiguration":{{"name":"{level}"}},"rules":[{{"subjects":[{{"kind":"User","user":{{"name":"{user}"}}}}],
        "resourceRules":[{{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true}}]}}]}}}}"#
    )))
}

/// The class of a user's request for one node.
fn get(fairness: &Fairness, user: &str, groups: Vec<String>) -> Option<Classified> {
    let user = User { name: user.into(), groups, ..User::default() };
    let info = RequestInfo {
        verb: Verb::Get,
        is_resource: true,
        resource: "nodes".into(),
        name: "a".into(),
        path: "/api/v1/nodes/a".into(),
        ..RequestInfo::default()
    };
    fairness.start(&user.into(), &info.into(), &Nothing, false)
}

struct Server {
    clock: Arc<VirtualClock>,
    fairness: Fairness,
}

impl Server {
    fn new(levels: Vec<LevelSpec>, schemas: Vec<SchemaSpec>) -> Server {
        let clock = Arc::new(VirtualClock::default());
        let fairness = Fairness::new(clock.clone(), SERVER_SEATS);
        fairness.configure(levels, schemas);
        Server { clock, fairness }
    }

    fn start(&self, user: &str) -> Result<Seat, Refusal> {
        let classified = get(&self.fairness, user, Vec::new()).expect("a schema");
        match classified.admitted {
            Admitted::Seat(seat) => Ok(seat),
            Admitted::Refused(why) => Err(why),
            Admitted::Waiting(_) => panic!("these levels have no queues"),
        }
    }

    fn schema_of(&self, user: &str, groups: &[&str]) -> String {
        let groups: Vec<String> = groups.iter().map(|group| (*group).into()).collect();
        let classified = get(&self.fairness, user, groups).expect("a schema");
        classified.schema.spec.name.to_string()
    }

    fn pass(&self, duration: Duration) {
        let now = self.clock.now();
        self.clock.set(now.plus(duration));
    }

    /// The seats of a level: nominal, least, most, current.
    fn seats(&self, name: &str) -> (u32, u32, u32, u32) {
        let state = self.fairness.state();
        let level = state.levels.get(name).expect("a level");
        (level.nominal, level.min, level.max, level.current)
    }
}

#[test]
fn seats_are_divided_by_shares_and_bounds_are_percents_of_them() {
    // Of 600 seats by 245 + 1 shares: three are 600 / 246 rounded up.
    let server = Server::new(
        vec![level("big", 240, 50, None), level("small", 1, 0, Some(0)), level("catch-all", 5, 0, None)],
        Vec::new(),
    );
    assert_eq!(server.seats("small"), (3, 3, 3, 3));
    let (nominal, min, max, _) = server.seats("big");
    assert_eq!((nominal, min, max), (586, 293, 1186));
    assert_eq!(server.seats("exempt").0, 0);
}

#[test]
fn the_first_schema_counts_and_masters_and_others_have_theirs() {
    let server = Server::new(
        vec![level("a", 10, 0, None)],
        vec![
            schema("z", "a", 100, "alice"),
            schema("b", "a", 200, "alice"),
            schema("first-by-name", "a", 300, "bob"),
            schema("second-by-name", "a", 300, "bob"),
            schema("dangling", "none", 1, "carol"),
        ],
    );
    assert_eq!(server.schema_of("alice", &[]), "z");
    assert_eq!(server.schema_of("bob", &[]), "first-by-name");
    assert_eq!(server.schema_of("carol", &[]), "catch-all");
    assert_eq!(server.schema_of("alice", &["system:masters"]), "exempt");
    assert_eq!(server.schema_of("carol", &["system:authenticated"]), "catch-all");
}

#[test]
fn a_level_lends_what_it_does_not_use_and_gets_it_back() {
    let queuing = Queuing::Queue { queues: 8, hand_size: 4, queue_length_max: 1000 };
    let levels = vec![LevelSpec { queuing, ..level("idle", 50, 100, None) }, level("busy", 50, 0, None)];
    let server =
        Server::new(levels, vec![schema("s", "busy", 100, "alice"), schema("i", "idle", 100, "bob")]);
    let nominal = server.seats("busy").0;
    let mut seats = Vec::new();
    for _ in 0..10 {
        while let Ok(seat) = server.start("alice") {
            seats.push(seat);
        }
        server.pass(Duration::from_secs(10));
        server.fairness.adjust();
    }
    let (borrowed, lent) = (server.seats("busy").3, server.seats("idle").3);
    assert!(borrowed > nominal && lent < nominal / 10, "{borrowed} of {nominal}, {lent} left");
    // Its owner comes back, waits for its seats, and has them after the next adjustment, even if they were borrowed.
    let start = |_| get(&server.fairness, "bob", Vec::new()).map(|one| one.admitted);
    let own: Vec<Admitted> = (0..nominal).filter_map(start).collect();
    assert!(own.iter().any(|one| matches!(one, Admitted::Waiting(_))));
    server.pass(Duration::from_secs(10));
    server.fairness.adjust();
    let executing =
        server.fairness.state().levels["idle"].level.with(|requests, _| requests.totals().executing);
    assert_eq!(executing, u64::from(nominal));
    assert!(server.seats("busy").3 <= 600 - nominal + 20);
}

#[test]
fn levels_that_are_gone_stay_until_their_requests_have_ended() {
    let levels = || vec![level("a", 10, 0, None), level("b", 10, 0, None)];
    let server = Server::new(levels(), vec![schema("s", "a", 100, "alice")]);
    let seat = server.start("alice").expect("a seat");
    server.fairness.configure(levels().split_off(1), vec![schema("s", "a", 100, "alice")]);
    assert_eq!(server.schema_of("alice", &[]), "catch-all");
    let is_there = || server.fairness.state().levels.contains_key("a");
    assert!(
        is_there()
            && server.fairness.dump_levels().contains("a,                 0,            false,  true,")
    );
    drop(seat);
    server.fairness.adjust();
    assert!(!is_there());
    // A level that comes back is the same as long as it has requests.
    server.fairness.configure(levels(), vec![schema("s", "a", 100, "alice")]);
    let seat = server.start("alice").expect("a seat");
    server.fairness.configure(Vec::new(), Vec::new());
    server.fairness.configure(levels(), vec![schema("s", "a", 100, "alice")]);
    let executing = server.fairness.state().levels["a"].level.with(|requests, _| requests.totals().executing);
    assert_eq!(executing, 1);
    drop(seat);
}

#[test]
fn requests_are_dumped_with_what_they_take() {
    let server = Server::new(vec![level("a", 10, 0, None)], vec![schema("s", "a", 100, "alice")]);
    server.pass(Duration::from_secs(5));
    let _seat = server.start("alice").expect("a seat");
    let text = server.fairness.dump_requests(false, &|moment: Moment| moment.seconds().to_string());
    let row = text.lines().nth(1).expect("a request");
    let cells: Vec<&str> = row.split(", ").map(str::trim).collect();
    assert_eq!(cells, ["a", "s", "-1", "-1", "", "5", "1", "0", "0s", "5"]);
    assert_eq!(server.fairness.dump_queues().lines().count(), 1);
}
