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
    pub kind: MetricKind,
    pub series: Vec<Series>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// One series: its labels by their names in order, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Vec<(&'static str, String)>,
    pub value: MetricValue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    Number(f64),
    Histogram(Cumulative),
}

const LEVEL: &str = "priority_level";
const SCHEMA: &str = "flow_schema";

/// Figures of each flow schema at its level.
type OfFlow = fn(&FlowStats) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)>;
/// Figures of each level.
type OfLevel =
    fn(&LevelState, &mut QueueSet, Moment) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)>;

const FLOW_METRICS: [(&str, MetricKind, &str, OfFlow); 12] = [
    (
        "current_executing_requests",
        MetricKind::Gauge,
        "[BETA] Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem",
        |flow| one(number(flow.executing_requests.value())),
    ),
    (
        "current_executing_seats",
        MetricKind::Gauge,
        "[BETA] Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem",
        |flow| one(number(flow.executing_seats.value())),
    ),
    (
        "current_inqueue_requests",
        MetricKind::Gauge,
        "[BETA] Number of requests currently pending in queues of the API Priority and Fairness subsystem",
        |flow| one(number(flow.waiting_requests.value())),
    ),
    (
        "current_inqueue_seats",
        MetricKind::Gauge,
        "[ALPHA] Number of seats currently pending in queues of the API Priority and Fairness subsystem",
        |flow| one(number(flow.waiting_seats.value())),
    ),
    (
        "dispatched_requests_total",
        MetricKind::Counter,
        "[BETA] Number of requests executed by API Priority and Fairness subsystem",
        |flow| counted(None, flow.dispatched.value()),
    ),
    (
        "rejected_requests_total",
        MetricKind::Counter,
        "[BETA] Number of requests rejected by API Priority and Fairness subsystem",
        |flow| {
            let refused = |why: Refusal| counted(Some(("reason", why.as_str())), flow.refused(why));
            Refusal::ALL.into_iter().flat_map(refused).collect()
        },
    ),
    (
        "request_dispatch_no_accommodation_total",
        MetricKind::Counter,
        "[ALPHA] Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats",
        |flow| counted(None, flow.no_accommodation.value()),
    ),
    (
        "request_execution_seconds",
        MetricKind::Histogram,
        "[ALPHA] Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem",
        |flow| {
            let mut series = observed(Some(("type", "regular")), &flow.execution_regular);
            series.extend(observed(Some(("type", "watch")), &flow.execution_watch));
            series
        },
    ),
    (
        "request_queue_length_after_enqueue",
        MetricKind::Histogram,
        "[ALPHA] Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued",
        |flow| observed(None, &flow.queue_length),
    ),
    (
        "request_wait_duration_seconds",
        MetricKind::Histogram,
        "[BETA] Length of time a request spent waiting in its queue",
        |flow| {
            let mut series = observed(Some(("execute", "false")), &flow.wait_refused);
            series.extend(observed(Some(("execute", "true")), &flow.wait_executed));
            series
        },
    ),
    (
        "watch_count_samples",
        MetricKind::Histogram,
        "[ALPHA] count of watchers for mutating requests in API Priority and Fairness",
        |flow| observed(None, &flow.watchers),
    ),
    (
        "work_estimated_seats",
        MetricKind::Histogram,
        "[ALPHA] Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness",
        |flow| observed(None, &flow.width),
    ),
];

const LEVEL_METRICS: [(&str, MetricKind, &str, OfLevel); 17] = [
    (
        "current_limit_seats",
        MetricKind::Gauge,
        "[ALPHA] current derived number of execution seats available to each priority level",
        |level, _, _| one(seats(level.current)),
    ),
    ("current_r", MetricKind::Gauge, "[ALPHA] R(time of last change)", |_, requests, _| {
        one(MetricValue::Number(requests.current_r().to_f64()))
    }),
    (
        "demand_seats",
        MetricKind::Histogram,
        "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)",
        |_, requests, now| one(MetricValue::Histogram(requests.gauges.demand_ratio.cumulative(now))),
    ),
    (
        "demand_seats_average",
        MetricKind::Gauge,
        "[ALPHA] Time-weighted average, over last adjustment period, of demand_seats",
        |level, _, _| one(MetricValue::Number(level.demand.mean)),
    ),
    (
        "demand_seats_high_watermark",
        MetricKind::Gauge,
        "[ALPHA] High watermark, over last adjustment period, of demand_seats",
        |level, _, _| one(seats(level.demand.high_watermark)),
    ),
    ("demand_seats_smoothed", MetricKind::Gauge, "[ALPHA] Smoothed seat demands", |level, _, _| {
        one(MetricValue::Number(level.demand.smoothed))
    }),
    (
        "demand_seats_stdev",
        MetricKind::Gauge,
        "[ALPHA] Time-weighted standard deviation, over last adjustment period, of demand_seats",
        |level, _, _| one(MetricValue::Number(level.demand.deviation)),
    ),
    ("dispatch_r", MetricKind::Gauge, "[ALPHA] R(time of last dispatch)", |_, requests, _| {
        queued(requests, requests.gauges.dispatched_r)
    }),
    ("latest_s", MetricKind::Gauge, "[ALPHA] S(most recently dispatched request)", |_, requests, _| {
        queued(requests, requests.gauges.dispatched_s)
    }),
    (
        "lower_limit_seats",
        MetricKind::Gauge,
        "[ALPHA] Configured lower bound on number of execution seats available to each priority level",
        |level, _, _| one(seats(level.min)),
    ),
    (
        "next_discounted_s_bounds",
        MetricKind::Gauge,
        "[ALPHA] min and max, over queues, of S(oldest waiting request in queue) - estimated work in progress",
        |_, requests, _| bounds(requests.gauges.next_discounted_s),
    ),
    (
        "next_s_bounds",
        MetricKind::Gauge,
        "[ALPHA] min and max, over queues, of S(oldest waiting request in queue)",
        |_, requests, _| bounds(requests.gauges.next_s),
    ),
    (
        "nominal_limit_seats",
        MetricKind::Gauge,
        "[BETA] Nominal number of execution seats configured for each priority level",
        |level, _, _| one(seats(level.nominal)),
    ),
    (
        "priority_level_request_utilization",
        MetricKind::Histogram,
        "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)",
        |_, requests, now| {
            let executing = requests.gauges.executing_ratio.cumulative(now);
            let waiting = requests.gauges.waiting_ratio.cumulative(now);
            vec![
                (Some(("phase", "executing")), MetricValue::Histogram(executing)),
                (Some(("phase", "waiting")), MetricValue::Histogram(waiting)),
            ]
        },
    ),
    (
        "priority_level_seat_utilization",
        MetricKind::Histogram,
        "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)",
        |_, requests, now| {
            let used = requests.gauges.seats_ratio.cumulative(now);
            vec![(Some(("phase", "executing")), MetricValue::Histogram(used))]
        },
    ),
    ("target_seats", MetricKind::Gauge, "[ALPHA] Seat allocation targets", |level, _, _| {
        one(MetricValue::Number(level.demand.target))
    }),
    (
        "upper_limit_seats",
        MetricKind::Gauge,
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
            kind: MetricKind::Gauge,
            series: vec![Series { labels: Vec::new(), value: MetricValue::Number(self.state().fair_fraction) }],
        });
        metrics.push(Metric {
            name: "read_vs_write_current_requests",
            help: "EXPERIMENTAL: [ALPHA] Observations, at the end of every nanosecond, of the number of requests (as a fraction of the relevant limit) waiting or in regular stage of execution",
            kind: MetricKind::Histogram,
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

fn one(value: MetricValue) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)> {
    vec![(None, value)]
}

/// A series of counts, which there is once something was counted.
fn counted(
    label: Option<(&'static str, &'static str)>,
    count: u64,
) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)> {
    if count == 0 { Vec::new() } else { vec![(label, number(count))] }
}

/// A histogram, which there is once something was observed.
fn observed(
    label: Option<(&'static str, &'static str)>,
    histogram: &Histogram,
) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)> {
    let found = histogram.cumulative();
    if found.count == 0 { Vec::new() } else { vec![(label, MetricValue::Histogram(found))] }
}

fn queued(requests: &QueueSet, at: SeatSeconds) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)> {
    if matches!(requests.queuing, Queuing::Queue { .. }) {
        one(MetricValue::Number(at.to_f64()))
    } else {
        Vec::new()
    }
}

fn bounds(
    range: Option<(SeatSeconds, SeatSeconds)>,
) -> Vec<(Option<(&'static str, &'static str)>, MetricValue)> {
    let Some((min, max)) = range else { return Vec::new() };
    let value = |at: SeatSeconds| MetricValue::Number(at.to_f64());
    vec![(Some(("bound", "max")), value(max)), (Some(("bound", "min")), value(min))]
}

#[expect(clippy::cast_precision_loss, reason = "for metrics")]
fn number(count: u64) -> MetricValue {
    MetricValue::Number(count as f64)
}

fn seats(count: u32) -> MetricValue {
    MetricValue::Number(f64::from(count))
}

fn labelled(
    base: &[(&'static str, String)],
    label: Option<(&'static str, &'static str)>,
    value: MetricValue,
) -> Series {
    let mut labels = base.to_vec();
    labels.extend(label.map(|(name, text)| (name, text.to_owned())));
    labels.sort_by_key(|(name, _)| *name);
    Series { labels, value }
}
