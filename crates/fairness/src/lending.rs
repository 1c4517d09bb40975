//! The seats of each level: its nominal ones by its shares, and those that it lends and borrows by its recent demand.

use crate::allocation::{Claim, divide};
use crate::clock::Clock;
use crate::configuration::LevelSpec;
use crate::flow_stats::FlowStats;
use crate::gauges::ReadsAndWrites;
use crate::integrator::Period;
use crate::level::Level;
use crate::queuing::Queuing;
use pintle_object::Text;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The part of the smoothed demand that is kept from one adjustment to the next.
const SMOOTHING: f64 = 0.977;
/// The part of a level's seats that one request may have.
const REQUEST_SEATS_PART: f64 = 0.15;

/// All levels, and the figures of their flow schemas.
#[derive(Debug, Default)]
pub(crate) struct LendingState {
    pub levels: BTreeMap<Text, LevelState>,
    /// Figures by schema and level; those of schemas that are gone stay as they were.
    pub flows: BTreeMap<(Text, Text), Arc<FlowStats>>,
    pub nominal_sum: u32,
    pub fair_fraction: f64,
    /// Requests of all levels, at the times of sampling.
    pub reads_and_writes: Option<ReadsAndWrites>,
}

/// A level, and its part of the server's seats.
#[derive(Debug)]
pub(crate) struct LevelState {
    pub level: Arc<Level>,
    pub spec: LevelSpec,
    /// Whether its object is gone, and it stays only for the requests that it has.
    pub is_quiescing: bool,
    pub nominal: u32,
    pub min: u32,
    pub max: u32,
    pub current: u32,
    pub demand: Demand,
}

/// The seats that a level could have used in the last period.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Demand {
    pub high_watermark: u32,
    pub mean: f64,
    pub deviation: f64,
    pub smoothed: f64,
    pub target: f64,
}

impl LendingState {
    /// Divides the server's seats by shares, and finds the bounds within which each level lends and borrows.
    pub fn divide_nominal(&mut self, server_seats: u32) {
        let shares = |level: &LevelState| f64::from(level.spec.nominal_shares);
        let share_sum = self.levels.values().map(shares).sum::<f64>().max(1.0);
        for level in self.levels.values_mut() {
            let nominal = to_seats((f64::from(server_seats) * shares(level) / share_sum).ceil());
            let percent = |percent: u32| to_seats((f64::from(nominal) * f64::from(percent) / 100.0).round());
            let lendable = percent(level.spec.lendable_percent).min(nominal);
            let borrowing = level.spec.borrowing_percent.map_or(server_seats, percent);
            level.nominal = nominal;
            level.min = nominal - lendable;
            level.max = nominal.saturating_add(borrowing);
            level.level.set_seats_max(match level.spec.queuing {
                Queuing::Queue { hand_size, .. } => {
                    let part = to_seats((f64::from(nominal) * REQUEST_SEATS_PART).ceil());
                    part.min(nominal / hand_size.max(1)).max(1)
                }
                Queuing::Exempt | Queuing::Reject => 0,
            });
        }
        self.nominal_sum = self.levels.values().map(|level| level.nominal).sum();
    }

    /// The seats of each level, in the order of their names. Exempt levels have the seats that they use; the others
    /// divide the rest.
    pub fn lent_seats(&mut self) -> Vec<u32> {
        let is_exempt = |level: &&LevelState| level.spec.queuing == Queuing::Exempt;
        let exempt: u32 = self.levels.values().filter(is_exempt).map(LevelState::min_current).sum();
        let rest = i64::from(self.nominal_sum) - i64::from(exempt);
        let limited = || self.levels.values().filter(|level| !is_exempt(level));
        let min_sum: i64 = limited().map(|level| i64::from(level.min)).sum();
        let min_current_sum: i64 = limited().map(|level| i64::from(level.min_current())).sum();
        let claims: Vec<Claim> = limited().map(claim).collect();
        let division = (rest > min_current_sum).then(|| divide(self.nominal_sum, &claims));
        let fair_fraction = division.iter().flatten().next().map_or(0.0, |division| division.fair_proportion);
        let mut seats = division.iter().flatten().next().map(|division| division.seats.iter());
        let part = ratio(rest - min_sum, min_current_sum - min_sum);
        let mut current = Vec::with_capacity(self.levels.len());
        for level in self.levels.values_mut() {
            level.demand.target = claim(level).target;
            current.push(if level.spec.queuing == Queuing::Exempt {
                level.min_current()
            } else if rest <= min_sum {
                level.min
            } else if rest <= min_current_sum {
                level.min + to_seats((f64::from(level.min_current() - level.min) * part).round())
            } else {
                // Bounds that contradict each other leave levels as they are.
                let divided = seats.as_mut().and_then(Iterator::next);
                divided.map_or(level.current, |seats| to_seats(seats.round()))
            });
        }
        self.fair_fraction = fair_fraction;
        current
    }
}

impl LevelState {
    /// A level by its spec, with the requests that it has if it was there before.
    pub fn of(spec: LevelSpec, kept: Option<LevelState>, clock: &Arc<dyn Clock>) -> LevelState {
        match kept {
            Some(kept) => LevelState { spec, is_quiescing: false, ..kept },
            None => LevelState {
                level: Arc::new(Level::new(spec.name.clone(), clock.clone(), spec.queuing, 0)),
                spec,
                is_quiescing: false,
                nominal: 0,
                min: 0,
                max: 0,
                current: 0,
                demand: Demand::default(),
            },
        }
    }

    /// The requests that may wait at the level.
    pub fn room(&self) -> f64 {
        match self.spec.queuing {
            Queuing::Queue { queues, queue_length_max, .. } => {
                f64::from(queues) * f64::from(queue_length_max)
            }
            Queuing::Exempt | Queuing::Reject => 0.0,
        }
    }

    /// The seats that the level keeps whatever the demand of others: its recent use, up to its nominal seats.
    fn min_current(&self) -> u32 {
        if self.spec.queuing == Queuing::Exempt {
            self.min.max(self.demand.high_watermark)
        } else {
            self.min.max(self.nominal.min(self.demand.high_watermark))
        }
    }
}

impl Demand {
    pub fn update(&mut self, period: Period) {
        self.high_watermark = to_seats(period.max.round());
        let Some((mean, deviation)) = period.mean_and_deviation else { return };
        (self.mean, self.deviation) = (mean, deviation);
        let envelope = mean + deviation;
        self.smoothed = envelope.max(SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * envelope);
    }
}

fn claim(level: &LevelState) -> Claim {
    let lower = f64::from(level.min_current());
    Claim { target: lower.max(level.demand.smoothed), lower, upper: f64::from(level.max) }
}

#[expect(clippy::cast_precision_loss, reason = "seats are far below 2^53")]
fn ratio(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rounded float; casts saturate"
)]
fn to_seats(seats: f64) -> u32 {
    seats as u32
}
