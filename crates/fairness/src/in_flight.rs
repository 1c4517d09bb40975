//! Requests of all levels together, by kind: reads and writes.

use crate::fairness::Fairness;
use crate::gauges::{ByKind, ReadsAndWrites};
use crate::lending::LevelState;
use crate::metrics::{MetricValue, Series};

/// Requests of all levels that wait, and that are worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    pub waiting: ByKind,
    pub executing: ByKind,
}

impl Fairness {
    /// The requests of all levels together, reads and writes.
    pub fn in_flight(&self) -> InFlight {
        let mut total = InFlight::default();
        for level in self.state().levels.values() {
            let (waiting, executing) =
                level.level.with(|requests, _| (requests.gauges.waiting, requests.gauges.executing));
            total.waiting = total.waiting.plus(waiting);
            total.executing = total.executing.plus(executing);
        }
        total
    }

    /// Samples how many requests there are; to be called about every second.
    pub fn sample(&self) {
        let in_flight = self.in_flight();
        let now = self.clock.now();
        let mut state = self.state();
        let room = state.levels.values().map(LevelState::room).sum::<f64>().max(1.0);
        let seats = f64::from(state.nominal_sum.max(1));
        let ratios = state.reads_and_writes.get_or_insert_with(|| ReadsAndWrites::new(now));
        for (ratio, count, whole) in [
            (&mut ratios.waiting_reads, in_flight.waiting.reads, room),
            (&mut ratios.waiting_writes, in_flight.waiting.writes, room),
            (&mut ratios.executing_reads, in_flight.executing.reads, seats),
            (&mut ratios.executing_writes, in_flight.executing.writes, seats),
        ] {
            ratio.set_denominator(now, whole);
            ratio.set(now, u32::try_from(count).map_or(f64::MAX, f64::from));
        }
    }

    pub(crate) fn read_write_series(&self) -> Vec<Series> {
        self.sample();
        let now = self.clock.now();
        let mut state = self.state();
        let Some(ratios) = &mut state.reads_and_writes else { return Vec::new() };
        [
            ("executing", "mutating", &mut ratios.executing_writes),
            ("executing", "readOnly", &mut ratios.executing_reads),
            ("waiting", "mutating", &mut ratios.waiting_writes),
            ("waiting", "readOnly", &mut ratios.waiting_reads),
        ]
        .into_iter()
        .map(|(phase, kind, ratio)| Series {
            labels: vec![("phase", phase.into()), ("request_kind", kind.into())],
            value: MetricValue::Histogram(ratio.cumulative(now)),
        })
        .collect()
    }
}
