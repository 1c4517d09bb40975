//! Values over time: mean, deviation and maximum of a period (upstream's `fairqueuing/integrator.go`), and the time in
//! each range of values (its timing histograms).

use crate::moment::Moment;

/// A value over a period.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integrator {
    value: f64,
    updated_at: Moment,
    seconds: f64,
    integral: f64,
    square_integral: f64,
    max: f64,
}

/// A period's figures; mean and deviation are missing when it had no length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub max: f64,
    pub mean_and_deviation: Option<(f64, f64)>,
}

impl Integrator {
    pub fn new(now: Moment) -> Integrator {
        Integrator { updated_at: now, ..Integrator::default() }
    }

    pub fn set(&mut self, now: Moment, value: f64) {
        self.advance(now);
        self.value = value;
        self.max = self.max.max(value);
    }

    /// Ends the period, and begins the next with the value as it is.
    pub fn reset(&mut self, now: Moment) -> Period {
        self.advance(now);
        let mean_and_deviation = (self.seconds > 0.0).then(|| {
            let mean = self.integral / self.seconds;
            // Rounding may take a variance of nothing below zero.
            let variance = (self.square_integral / self.seconds - mean * mean).max(0.0);
            (mean, variance.sqrt())
        });
        let period = Period { max: self.max, mean_and_deviation };
        *self = Integrator { value: self.value, max: self.value, ..Integrator::new(now) };
        period
    }

    fn advance(&mut self, now: Moment) {
        let seconds = now.since(self.updated_at).as_secs_f64();
        self.updated_at = self.updated_at.max(now);
        self.seconds += seconds;
        self.integral += self.value * seconds;
        self.square_integral += self.value * self.value * seconds;
    }
}

/// The time that a ratio spent in each of some ranges.
#[derive(Clone, Debug)]
pub struct TimedRatio {
    bounds: &'static [f64],
    numerator: f64,
    denominator: f64,
    updated_at: Moment,
    /// Nanoseconds in each range; the last is that above all bounds.
    nanos: Vec<u64>,
    /// The ratio times nanoseconds.
    sum: f64,
}

/// A histogram in the form of metrics: the number of observations up to each bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Cumulative {
    pub buckets: Vec<(f64, u64)>,
    pub count: u64,
    pub sum: f64,
}

impl TimedRatio {
    pub fn new(bounds: &'static [f64], now: Moment) -> TimedRatio {
        let nanos = vec![0; bounds.len() + 1];
        TimedRatio { bounds, numerator: 0.0, denominator: 1.0, updated_at: now, nanos, sum: 0.0 }
    }

    pub fn set(&mut self, now: Moment, numerator: f64) {
        self.advance(now);
        self.numerator = numerator;
    }

    pub fn set_denominator(&mut self, now: Moment, denominator: f64) {
        self.advance(now);
        self.denominator = denominator;
    }

    pub fn cumulative(&mut self, now: Moment) -> Cumulative {
        self.advance(now);
        let mut count = 0;
        let mut below = |nanos: &u64| {
            count += nanos;
            count
        };
        let buckets = self.bounds.iter().copied().zip(self.nanos.iter().map(&mut below)).collect();
        let count = self.nanos.iter().sum();
        Cumulative { buckets, count, sum: self.sum }
    }

    fn advance(&mut self, now: Moment) {
        let nanos = now.nanos().saturating_sub(self.updated_at.nanos());
        if nanos == 0 {
            return;
        }
        self.updated_at = now;
        let ratio = self.numerator / self.denominator;
        let range = self.bounds.iter().position(|bound| ratio <= *bound).unwrap_or(self.bounds.len());
        if let Some(total) = self.nanos.get_mut(range) {
            *total += nanos;
        }
        #[expect(clippy::cast_precision_loss, reason = "for metrics")]
        let weight = nanos as f64;
        self.sum += ratio * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_period_has_a_mean_a_deviation_and_a_highest_value() {
        let mut demand = Integrator::new(at(0));
        demand.set(at(0), 2.0);
        demand.set(at(1), 6.0);
        let period = demand.reset(at(2));
        assert_eq!(period, Period { max: 6.0, mean_and_deviation: Some((4.0, 2.0)) });
        demand.set(at(2), 1.0);
        let period = demand.reset(at(4));
        assert_eq!(period, Period { max: 6.0, mean_and_deviation: Some((1.0, 0.0)) });
        assert_eq!(demand.reset(at(4)), Period { max: 1.0, mean_and_deviation: None });
    }

    #[test]
    fn ratios_are_weighed_by_time() {
        let mut ratio = TimedRatio::new(&[0.0, 0.5, 1.0], at(0));
        ratio.set_denominator(at(0), 4.0);
        ratio.set(at(1), 2.0);
        ratio.set(at(3), 8.0);
        let found = ratio.cumulative(at(6));
        let second = 1_000_000_000;
        assert_eq!(found.buckets, [(0.0, second), (0.5, 3 * second), (1.0, 3 * second)]);
        assert_eq!(found.count, 6 * second);
        assert_eq!(found.sum, (2.0 * 0.5 + 3.0 * 2.0) * 1e9);
    }
}
