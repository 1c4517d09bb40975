//! `/debug/pintle/top`: the heaviest users and kinds of requests as JSON, for users who may read metrics.

use super::sketch::{LONG, SHORT, SketchEntry};
use super::{RequestKind, Shard, Top};
use crate::app::App;
use crate::request::Request;
use crate::response::Response;
use pintle_object::{Map, Value, json};
use std::sync::MutexGuard;
use std::time::Duration;

pub const PATH: &str = "/debug/pintle/top";
/// Rows of each table.
const ROWS_MAX: usize = 200;

/// Whether a path is this page's.
pub fn is_page(path: &str) -> bool {
    path == PATH
}

/// The answer, when the path is this page's.
pub fn answer(app: &App, request: &Request) -> Option<Response> {
    is_page(request.path()).then(|| Response::json(200, format!("{}\n", json::to_string(&page(app)))))
}

fn page(app: &App) -> Value {
    let (users, kinds) = app.top.tables();
    let mut page = Value::map();
    page.set(&["now", "seconds"], seconds(SHORT));
    page.set(&["lately", "seconds"], seconds(LONG));
    page.set(&["users"], users);
    page.set(&["requests"], kinds);
    page.set(&["seats"], seats(app));
    page
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

impl Top {
    /// The recent cost of each of the heaviest users.
    pub fn costs(&self) -> Vec<(String, f64)> {
        let now = self.now();
        let of = |shard: MutexGuard<'_, Shard>| {
            let users = shard.users.iter().map(|(user, entry)| (user.clone(), entry.totals(now).cost()));
            users.collect::<Vec<_>>()
        };
        self.shards().flat_map(of).collect()
    }

    /// Rows of users and of kinds of requests, the most expensive first.
    fn tables(&self) -> (Vec<Value>, Vec<Value>) {
        let now = self.now();
        let (mut users, mut kinds) = (Vec::new(), Vec::new());
        for shard in self.shards() {
            users.extend(shard.users.iter().map(|(user, entry)| (user.clone(), *entry)));
            kinds.extend(shard.kinds.iter().map(|(kind, entry)| (kind.clone(), *entry)));
        }
        let users = heaviest(users, now, |row, user: &String| {
            row.insert("user", user.as_str());
        });
        let kinds = heaviest(kinds, now, |row, kind: &RequestKind| {
            for (name, text) in [
                ("user", &kind.user),
                ("userAgent", &kind.agent),
                ("verb", &kind.verb),
                ("group", &kind.group),
                ("resource", &kind.resource),
            ] {
                row.insert(name, text.as_str());
            }
        });
        (users, kinds)
    }
}

fn heaviest<K>(mut entries: Vec<(K, SketchEntry)>, now: Duration, name: impl Fn(&mut Map, &K)) -> Vec<Value> {
    entries.sort_by(|one, other| other.1.totals(now).cost().total_cmp(&one.1.totals(now).cost()));
    let row = |(key, entry): &(K, SketchEntry)| {
        let mut row = Map::default();
        name(&mut row, key);
        row.insert("now", figures(&entry.rates(now)));
        row.insert("lately", figures(&entry.totals(now)));
        row.insert("watches", i64::try_from(entry.watches).unwrap_or(i64::MAX));
        row.insert("costUncertain", Value::Float(entry.uncertain_cost));
        Value::from(row)
    };
    entries.iter().take(ROWS_MAX).map(row).collect()
}

fn figures(figures: &super::sketch::Figures) -> Value {
    let mut value = Value::map();
    for (name, number) in [
        ("requests", figures.requests),
        ("errors", figures.errors),
        ("cpuSeconds", figures.cpu_seconds),
        ("bytes", figures.bytes),
        ("cost", figures.cost()),
    ] {
        value.set(&[name], Value::Float(number));
    }
    value
}

/// The seats that users hold and wait for now, by level.
fn seats(app: &App) -> Vec<Value> {
    let Some(turns) = &app.stages.fairness else { return Vec::new() };
    let row = |seats: pintle_fairness::dump::UserSeats| {
        let mut row = Value::map();
        row.set(&["level"], seats.level);
        row.set(&["user"], seats.user);
        row.set(&["held"], i64::try_from(seats.held).unwrap_or(i64::MAX));
        row.set(&["waiting"], i64::try_from(seats.waiting).unwrap_or(i64::MAX));
        row
    };
    turns.fairness.seats_by_user(ROWS_MAX).into_iter().map(row).collect()
}
