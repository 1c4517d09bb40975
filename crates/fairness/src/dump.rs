//! Dumps of levels, queues and requests as text, for `/debug/api_priority_and_fairness/` (upstream's
//! `apf_controller_debug.go`).

use crate::fairness::Fairness;
use crate::moment::Moment;
use crate::queue::Queue;
use crate::queue_set::{Arrival, Phase, QueueSet, QueuedRequest};
use crate::queuing::Queuing;
use pintle_object::RequestInfo;
use std::collections::BTreeMap;

/// The narrowest column, and the space after the longest cell.
const COLUMN_WIDTH_MIN: usize = 8;
const COLUMN_GAP: usize = 1;
/// Queues of a level that are told, whether anything is in them or not.
const QUEUES_MAX: u32 = 1 << 16;
/// The start of a request that did not start, as Go writes its zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

const LEVEL_COLUMNS: [&str; 10] = [
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
];
const QUEUE_COLUMNS: [&str; 9] = [
    "PriorityLevelName",
    "Index",
    "PendingRequests",
    "ExecutingRequests",
    "SeatsInUse",
    "NextDispatchR",
    "InitialSeatsSum",
    "MaxSeatsSum",
    "TotalWorkSum",
];
const REQUEST_COLUMNS: [&str; 10] = [
    "PriorityLevelName",
    "FlowSchemaName",
    "QueueIndex",
    "RequestIndexInQueue",
    "FlowDistingsher",
    "ArriveTime",
    "InitialSeats",
    "FinalSeats",
    "AdditionalLatency",
    "StartTime",
];
const DETAIL_COLUMNS: [&str; 8] =
    ["UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource"];

type Row = Vec<String>;

impl Fairness {
    /// A row for each level.
    pub fn dump_levels(&self) -> String {
        let mut rows = vec![header(&LEVEL_COLUMNS)];
        for (name, state) in &self.state().levels {
            let (totals, is_idle, active) = state.level.with(|requests, _| {
                let active = requests.queues.values().filter(|queue| queue.len() > 0).count();
                (requests.totals(), requests.is_idle(), active)
            });
            rows.push(vec![
                name.to_string(),
                active.to_string(),
                is_idle.to_string(),
                state.is_quiescing.to_string(),
                totals.waiting.to_string(),
                totals.executing.to_string(),
                totals.dispatched.to_string(),
                totals.refused.to_string(),
                String::from("0"),
                totals.cancelled.to_string(),
            ]);
        }
        aligned(&rows)
    }

    /// A row for each queue of each level.
    pub fn dump_queues(&self) -> String {
        let mut rows = vec![header(&QUEUE_COLUMNS)];
        for (name, state) in &self.state().levels {
            state.level.with(|requests, _| {
                let count = match requests.queuing {
                    Queuing::Queue { queues, .. } => queues.min(QUEUES_MAX),
                    Queuing::Exempt | Queuing::Reject => 0,
                };
                let idle = Queue::default();
                let configured =
                    (0..count).map(|index| (index, requests.queues.get(&index).unwrap_or(&idle)));
                let others = requests.queues.range(count..).map(|(index, queue)| (*index, queue));
                rows.extend(configured.chain(others).map(|(index, queue)| queue_row(name, index, queue)));
            });
        }
        aligned(&rows)
    }

    /// A row for each request, those that wait before those that are worked on. `wall` writes a moment as a time.
    pub fn dump_requests(&self, has_details: bool, wall: &dyn Fn(Moment) -> String) -> String {
        let details: &[&str] = if has_details { &DETAIL_COLUMNS } else { &[] };
        let mut rows = vec![header(&[&REQUEST_COLUMNS, details].concat())];
        for (name, state) in &self.state().levels {
            state.level.with(|requests, _| request_rows(name, requests, has_details, wall, &mut rows));
        }
        aligned(&rows)
    }
}

/// Seats of one user at one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSeats {
    pub level: String,
    pub user: String,
    pub held: u64,
    pub waiting: u64,
}

impl Fairness {
    /// The users that hold most seats and wait for most, at each level.
    pub fn seats_by_user(&self, rows_max: usize) -> Vec<UserSeats> {
        let mut all = Vec::new();
        for (level, state) in &self.state().levels {
            let mut users: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            state.level.with(|requests, _| {
                for (_, request) in &requests.requests {
                    let (held, waiting) = users.entry(request.arrival.user.name.clone()).or_default();
                    let is_waiting = matches!(request.phase, Phase::Waiting(_));
                    let seats = if is_waiting { waiting } else { held };
                    *seats += u64::from(request.arrival.width.max_seats());
                }
            });
            all.extend(users.into_iter().map(|(user, (held, waiting))| UserSeats {
                level: level.to_string(),
                user,
                held,
                waiting,
            }));
        }
        all.sort_by_key(|seats| std::cmp::Reverse(seats.held + seats.waiting));
        all.truncate(rows_max);
        all
    }
}

fn queue_row(level: &str, index: u32, queue: &Queue) -> Row {
    vec![
        level.to_owned(),
        index.to_string(),
        queue.len().to_string(),
        queue.requests_executing.to_string(),
        queue.seats_in_use.to_string(),
        queue.next_dispatch_r.to_string(),
        queue.sums.initial_seats.to_string(),
        queue.sums.max_seats.to_string(),
        queue.sums.work.to_string(),
    ]
}

fn request_rows(
    level: &str,
    requests: &QueueSet,
    has_details: bool,
    wall: &dyn Fn(Moment) -> String,
    rows: &mut Vec<Row>,
) {
    let row = |index: i64, place: i64, request: &QueuedRequest| {
        let mut row = request_row(level, index, place, request, wall);
        if has_details {
            row.extend(details(request));
        }
        row
    };
    for (index, queue) in &requests.queues {
        let index = i64::from(*index);
        let waiting = (0..).zip(queue.keys().filter_map(|key| requests.requests.get(key)));
        rows.extend(waiting.map(|(place, request)| row(index, place, request)));
        let executing = executing(requests).filter(|one| one.queue.map(i64::from) == Some(index));
        rows.extend(executing.map(|request| row(index, -1, request)));
    }
    let queueless = executing(requests).filter(|one| one.queue.is_none());
    rows.extend(queueless.map(|request| row(-1, -1, request)));
}

fn executing(requests: &QueueSet) -> impl Iterator<Item = &QueuedRequest> {
    requests.requests.iter().map(|(_, request)| request).filter(|one| one.phase == Phase::Executing)
}

fn request_row(
    level: &str,
    index: i64,
    place: i64,
    request: &QueuedRequest,
    wall: &dyn Fn(Moment) -> String,
) -> Row {
    let width = &request.arrival.width;
    vec![
        level.to_owned(),
        request.arrival.schema.to_string(),
        index.to_string(),
        place.to_string(),
        request.arrival.distinguisher.to_string(),
        wall(request.arrived_at),
        width.initial_seats.to_string(),
        width.final_seats.to_string(),
        pintle_object::time::format_duration(
            i64::try_from(width.additional_latency.as_nanos()).unwrap_or(i64::MAX),
        ),
        request.started_at.map_or_else(|| NEVER.to_owned(), wall),
    ]
}

fn details(request: &QueuedRequest) -> Row {
    let Arrival { user, info, .. } = &request.arrival;
    let RequestInfo { verb, path, namespace, name, group, version, resource, subresource, .. } =
        info.as_ref();
    let separator = if group.is_empty() { "" } else { "/" };
    let api_version = format!("{group}{separator}{version}");
    let texts = [&user.name, verb.as_str(), path, namespace, name, &api_version, resource, subresource];
    texts.map(String::from).into()
}

fn header(columns: &[&str]) -> Row {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

/// Rows with a comma after each cell but the last, and columns under each other, as Go's tabwriter lays them out.
fn aligned(rows: &[Row]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count() + 1).max().unwrap_or(0);
        COLUMN_WIDTH_MIN.max(longest + COLUMN_GAP)
    };
    let widths: Vec<usize> = (0..columns.saturating_sub(1)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.push(',');
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count() + 1)));
        }
        text.push_str(row.last().map_or("", String::as_str));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [header(&["Name", "Index", "X"]), header(&["global-default", "1", "22"])];
        assert_eq!(aligned(&rows), "Name,           Index,  X\nglobal-default, 1,      22\n");
    }
}
