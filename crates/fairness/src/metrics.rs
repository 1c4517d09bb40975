//! Metrics `apiserver_flowcontrol_*`: upstream's names, helps, labels and buckets (`util/flowcontrol/metrics`), with
//! the figures that there are now.

use crate::fairness::Fairness;
use crate::flow_stats::{FlowStats, Histogram, Refusal};
use crate::integrator::Cumulative;
use crate::lending::LevelState;
use crate::moment::Moment;
use crate::queue_set::QueueSet;
use crate::queuing::Queuing;
use crate::seat_seconds::SeatSeconds;
use pintle_object::Text;
use std::sync::Arc;

/// A metric with all its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub series: Vec<Series>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One series: its labels by their names in order, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Vec<(&'static str, String)>,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Histogram(Cumulative),
}

const LEVEL: &str = "priority_level";
const SCHEMA: &str = "flow_schema";

/// Figures of each flow schema at its level.
type OfFlow = fn(&FlowStats) -> Vec<(Option<(&'static str, &'static str)>, Value)>;
/// Figures of each level.
type OfLevel = fn(&LevelState, &mut QueueSet, Moment) -> Vec<(Option<(&'static str, &'static str)>, Value)>;

const FLOW_METRICS: [(&str, Kind, &str, OfFlow); 12] = [
    (
        "current_executing_requests",
        Kind::Gauge,
        "[BETA] Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem",
        |flow| one(number(flow.executing_requests.value())),
    ),
    (
        "current_executing_seats",
        Kind::Gauge,
        "[BETA] Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem",
        |flow| one(number(flow.executing_seats.value())),
    ),
    (
        "current_inqueue_requests",
        Kind::Gauge,
        "[BETA] Number of requests currently pending in queues of the API Priority and Fairness subsystem",
        |flow| one(number(flow.waiting_requests.value())),
    ),
    (
        "current_inqueue_seats",
        Kind::Gauge,
        "[ALPHA] Number of seats currently pending in queues of the API Priority and Fairness subsystem",
        |flow| one(number(flow.waiting_seats.value())),
    ),
    (
        "dispatched_requests_total",
        Kind::Counter,
        "[BETA] Number of requests executed by API Priority and Fairness subsystem",
        |flow| counted(None, flow.dispatched.value()),
    ),
    (
        "rejected_requests_total",
        Kind::Counter,
        "[BETA] Number of requests rejected by API Priority and Fairness subsystem",
        |flow| {
            let refused = |why: Refusal| counted(Some(("reason", why.as_str())), flow.refused(why));
            Refusal::ALL.into_iter().flat_map(refused).collect()
        },
    ),
    (
        "request_dispatch_no_accommodation_total",
        Kind::Counter,
        "[ALPHA] Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats",
        |flow| counted(None, flow.no_accommodation.value()),
    ),
    (
        "request_execution_seconds",
        Kind::Histogram,
        "[ALPHA] Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem",
        |flow| {
            let mut series = observed(Some(("type", "regular")), &flow.execution_regular);
            series.extend(observed(Some(("type", "watch")), &flow.execution_watch));
            series
        },
    ),
    (
        "request_queue_length_after_enqueue",
        Kind::Histogram,
        "[ALPHA] Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued",
        |flow| observed(None, &flow.queue_length),
    ),
    (
        "request_wait_duration_seconds",
        Kind::Histogram,
        "[BETA] Length of time a request spent waiting in its queue",
        |flow| {
            let mut series = observed(Some(("execute", "false")), &flow.wait_refused);
            series.extend(observed(Some(("execute", "true")), &flow.wait_executed));
            series
        },
    ),
    (
        "watch_count_samples",
        Kind::Histogram,
        "[ALPHA] count of watchers for mutating requests in API Priority and Fairness",
        |flow| observed(None, &flow.watchers),
    ),
    (
        "work_estimated_seats",
        Kind::Histogram,
        "[ALPHA] Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness",
        |flow| observed(None, &flow.width),
    ),
];

const LEVEL_METRICS: [(&str, Kind, &str, OfLevel); 17] = [
    (
        "current_limit_seats",
        Kind::Gauge,
        "[ALPHA] current derived number of execution seats available to each priority level",
        |level, _, _| one(seats(level.current)),
    ),
    ("current_r", Kind::Gauge, "[ALPHA] R(time of last change)", |_, requests, _| {
        one(Value::Number(requests.current_r().to_f64()))
    }),
    (
        "demand_seats",
        Kind::Histogram,
        "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)",
        |_, requests, now| one(Value::Histogram(requests.gauges.demand_ratio.cumulative(now))),
    ),
    (
        "demand_seats_average",
        Kind::Gauge,
        "[ALPHA] Time-weighted average, over last adjustment period, of demand_seats",
        |level, _, _| one(Value::Number(level.demand.mean)),
    ),
    (
        "demand_seats_high_watermark",
        Kind::Gauge,
        "[ALPHA] High watermark, over last adjustment period, of demand_seats",
        |level, _, _| one(seats(level.demand.high_watermark)),
    ),
    ("demand_seats_smoothed", Kind::Gauge, "[ALPHA] Smoothed seat demands", |level, _, _| {
        one(Value::Number(level.demand.smoothed))
    }),
    (
        "demand_seats_stdev",
        Kind::Gauge,
        "[ALPHA] Time-weighted standard deviation, over last adjustment period, of demand_seats",
        |level, _, _| one(Value::Number(level.demand.deviation)),
    ),
    ("dispatch_r", Kind::Gauge, "[ALPHA] R(time of last dispatch)", |_, requests, _| {
        queued(requests, requests.gauges.dispatched_r)
    }),
    ("latest_s", Kind::Gauge, "[ALPHA] S(most recently dispatched request)", |_, requests, _| {
        queued(requests, requests.gauges.dispatched_s)
    }),
    (
        "lower_limit_seats",
        Kind::Gauge,
        "[ALPHA] Configured lower bound on number of execution seats available to each priority level",
        |level, _, _| one(seats(level.min)),
    ),
    (
        "next_discounted_s_bounds",
        Kind::Gauge,
        "[ALPHA] min and max, over queues, of S(oldest waiting request in queue) - estimated work in progress",
        |_, requests, _| bounds(requests.gauges.next_discounted_s),
    ),
    (
        "next_s_bounds",
        Kind::Gauge,
        "[ALPHA] min and max, over queues, of S(oldest waiting request in queue)",
        |_, requests, _| bounds(requests.gauges.next_s),
    ),
    (
        "nominal_limit_seats",
        Kind::Gauge,
        "[BETA] Nominal number of execution seats configured for each priority level",
        |level, _, _| one(seats(level.nominal)),
    ),
    (
        "priority_level_request_utilization",
        Kind::Histogram,
        "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)",
        |_, requests, now| {
            let executing = requests.gauges.executing_ratio.cumulative(now);
            let waiting = requests.gauges.waiting_ratio.cumulative(now);
            vec![
                (Some(("phase", "executing")), Value::Histogram(executing)),
                (Some(("phase", "waiting")), Value::Histogram(waiting)),
            ]
        },
    ),
    (
        "priority_level_seat_utilization",
        Kind::Histogram,
        "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)",
        |_, requests, now| {
            let used = requests.gauges.seats_ratio.cumulative(now);
            vec![(Some(("phase", "executing")), Value::Histogram(used))]
        },
    ),
    ("target_seats", Kind::Gauge, "[ALPHA] Seat allocation targets", |level, _, _| {
        one(Value::Number(level.demand.target))
    }),
    (
        "upper_limit_seats",
        Kind::Gauge,
        "[ALPHA] Configured upper bound on number of execution seats available to each priority level",
        |level, _, _| one(seats(level.max)),
    ),
];

impl Fairness {
    /// All metrics, sorted by name.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut metrics = self.flow_metrics();
        metrics.extend(self.level_metrics());
        metrics.push(Metric {
            name: "seat_fair_frac",
            help: "[ALPHA] Fair fraction of server's concurrency to allocate to each priority level that can use it",
            kind: Kind::Gauge,
            series: vec![Series { labels: Vec::new(), value: Value::Number(self.state().fair_fraction) }],
        });
        metrics.push(Metric {
            name: "read_vs_write_current_requests",
            help: "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of the number of requests (as a fraction of the relevant limit) waiting or in regular stage of execution",
            kind: Kind::Histogram,
            series: self.read_write_series(),
        });
        metrics.sort_by_key(|metric| metric.name);
        metrics
    }

    fn flow_metrics(&self) -> Vec<Metric> {
        let state = self.state();
        let series = |figures: OfFlow| {
            let of = |((schema, level), stats): (&(Text, Text), &Arc<FlowStats>)| {
                let base = [(SCHEMA, schema.to_string()), (LEVEL, level.to_string())];
                figures(stats).into_iter().map(move |(label, value)| labelled(&base, label, value))
            };
            state.flows.iter().flat_map(of).collect()
        };
        FLOW_METRICS
            .iter()
            .map(|(name, kind, help, figures)| Metric { name, help, kind: *kind, series: series(*figures) })
            .collect()
    }

    fn level_metrics(&self) -> Vec<Metric> {
        let state = self.state();
        let series = |figures: OfLevel| {
            let of = |level: &LevelState| {
                let base = [(LEVEL, level.level.name.to_string())];
                let found = level.level.with(|requests, now| figures(level, requests, now));
                found.into_iter().map(move |(label, value)| labelled(&base, label, value))
            };
            state.levels.values().flat_map(of).collect()
        };
        LEVEL_METRICS
            .iter()
            .map(|(name, kind, help, figures)| Metric { name, help, kind: *kind, series: series(*figures) })
            .collect()
    }
}

fn one(value: Value) -> Vec<(Option<(&'static str, &'static str)>, Value)> {
    vec![(None, value)]
}

/// A series of counts, which there is once something was counted.
fn counted(
    label: Option<(&'static str, &'static str)>,
    count: u64,
) -> Vec<(Option<(&'static str, &'static str)>, Value)> {
    if count == 0 { Vec::new() } else { vec![(label, number(count))] }
}

/// A histogram, which there is once something was observed.
fn observed(
    label: Option<(&'static str, &'static str)>,
    histogram: &Histogram,
) -> Vec<(Option<(&'static str, &'static str)>, Value)> {
    let found = histogram.cumulative();
    if found.count == 0 { Vec::new() } else { vec![(label, Value::Histogram(found))] }
}

fn queued(requests: &QueueSet, at: SeatSeconds) -> Vec<(Option<(&'static str, &'static str)>, Value)> {
    if matches!(requests.queuing, Queuing::Queue { .. }) {
        one(Value::Number(at.to_f64()))
    } else {
        Vec::new()
    }
}

fn bounds(range: Option<(SeatSeconds, SeatSeconds)>) -> Vec<(Option<(&'static str, &'static str)>, Value)> {
    let Some((min, max)) = range else { return Vec::new() };
    let value = |at: SeatSeconds| Value::Number(at.to_f64());
    vec![(Some(("bound", "max")), value(max)), (Some(("bound", "min")), value(min))]
}

#[expect(clippy::cast_precision_loss, reason = "for metrics")]
fn number(count: u64) -> Value {
    Value::Number(count as f64)
}

fn seats(count: u32) -> Value {
    Value::Number(f64::from(count))
}

fn labelled(
    base: &[(&'static str, String)],
    label: Option<(&'static str, &'static str)>,
    value: Value,
) -> Series {
    let mut labels = base.to_vec();
    labels.extend(label.map(|(name, text)| (name, text.to_owned())));
    labels.sort_by_key(|(name, _)| *name);
    Series { labels, value }
}
