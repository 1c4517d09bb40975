//! The division of the server's seats among levels that borrow from each other: in proportion to their targets,
//! within each one's bounds (upstream's `util/flowcontrol/conc_alloc.go`).

/// The least that a level counts as aiming at, so that proportions are finite.
const TARGET_MIN: f64 = 0.001;
/// Differences of sums that are rounding.
const EPSILON: f64 = 1e-7;

/// One level's part in the division.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    pub target: f64,
    pub lower: f64,
    pub upper: f64,
}

/// Seats by claim, and the proportion of its target that a level gets when its bounds do not matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    pub seats: Vec<f64>,
    pub fair_proportion: f64,
}

/// Divides seats; none when bounds contradict each other or leave no way to give out exactly these.
///
/// With `p` as the fair proportion each claim gets `target * p`, but at least `lower` and at most `upper`; the sum
/// rises with `p`, so there is one `p` that gives out all:
///
/// ```text
/// 10 seats   target 4, 0..=3    target 4, 0..=10    target 2, 2..=10     p = 7/6
///            3                  4.67                2.33
/// ```
pub fn divide(total: u32, claims: &[Claim]) -> Option<Division> {
    let total = f64::from(total);
    let is_sound =
        |claim: &Claim| claim.lower >= 0.0 && claim.target >= claim.lower && claim.upper >= claim.lower;
    let sum = |bound: fn(&Claim) -> f64| claims.iter().map(bound).sum::<f64>();
    let (lower, upper) = (sum(|claim| claim.lower), sum(|claim| claim.upper));
    if !claims.iter().all(is_sound) || lower - total > EPSILON || total - upper > EPSILON {
        return None;
    }
    if total == 0.0 {
        return Some(Division { seats: vec![0.0; claims.len()], fair_proportion: 0.0 });
    }
    let target = |claim: &Claim| claim.target.max(TARGET_MIN);
    if lower - total > -EPSILON {
        let fair_proportion = claims.iter().map(|claim| claim.lower / target(claim)).fold(f64::MAX, f64::min);
        return Some(Division { seats: claims.iter().map(|claim| claim.lower).collect(), fair_proportion });
    }
    if total - upper > -EPSILON {
        let fair_proportion = claims.iter().map(|claim| claim.upper / target(claim)).fold(0.0, f64::max);
        return Some(Division { seats: claims.iter().map(|claim| claim.upper).collect(), fair_proportion });
    }
    let fair_proportion = proportion(total, lower, claims)?;
    let seats =
        claims.iter().map(|claim| (fair_proportion * target(claim)).min(claim.upper).max(claim.lower));
    Some(Division { seats: seats.collect(), fair_proportion })
}

/// The proportion at which all is given out: raised from one bound to the next, with the claims that are between
/// theirs, until the sum is reached.
fn proportion(total: f64, lower: f64, claims: &[Claim]) -> Option<f64> {
    let mut steps: Vec<(f64, f64)> = Vec::with_capacity(2 * claims.len());
    for claim in claims {
        let target = claim.target.max(TARGET_MIN);
        steps.push((claim.lower / target, target));
        steps.push((claim.upper / target, -target));
    }
    steps.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut given, mut at, mut slope) = (lower, 0.0, 0.0_f64);
    for (bound, change) in steps {
        let rise = slope * (bound - at);
        if slope > EPSILON && given + rise >= total {
            return Some(at + (total - given) / slope);
        }
        given += rise;
        at = bound;
        slope += change;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(target: f64, lower: f64, upper: f64) -> Claim {
        Claim { target, lower, upper }
    }

    fn check(total: u32, claims: &[Claim], expected: Option<(&[f64], f64)>) {
        let found = divide(total, claims);
        let Some((seats, fair_proportion)) = expected else { return assert_eq!(found, None) };
        let found = found.expect("a division");
        let is_near = |one: f64, other: f64| (one - other).abs() < 1e-5;
        assert!(is_near(found.fair_proportion, fair_proportion), "{found:?}");
        assert!(found.seats.iter().zip(seats).all(|(one, other)| is_near(*one, *other)), "{found:?}");
    }

    #[test]
    fn seats_go_in_proportion_within_bounds() {
        check(10, &[claim(5.0, 0.0, 100.0), claim(15.0, 0.0, 100.0)], Some((&[2.5, 7.5], 0.5)));
        check(10, &[claim(4.0, 0.0, 3.0), claim(4.0, 0.0, 10.0), claim(2.0, 2.0, 10.0)], {
            Some((&[3.0, 14.0 / 3.0, 7.0 / 3.0], 7.0 / 6.0))
        });
        check(4, &[claim(1.0, 1.0, 9.0), claim(3.0, 3.0, 9.0)], Some((&[1.0, 3.0], 1.0)));
        check(18, &[claim(1.0, 1.0, 9.0), claim(3.0, 3.0, 9.0)], Some((&[9.0, 9.0], 9.0)));
        check(0, &[claim(0.0, 0.0, 9.0)], Some((&[0.0], 0.0)));
        // Nobody wants anything: all get the same, as far as they may.
        check(9, &[claim(0.0, 0.0, 2.0), claim(0.0, 0.0, 9.0)], Some((&[2.0, 7.0], 7000.0)));
    }

    #[test]
    fn contradictions_are_refused() {
        check(3, &[claim(1.0, 1.0, 9.0), claim(3.0, 3.0, 9.0)], None);
        check(19, &[claim(1.0, 1.0, 9.0), claim(3.0, 3.0, 9.0)], None);
        check(5, &[claim(1.0, 2.0, 9.0)], None);
        check(5, &[claim(9.0, 9.0, 8.0)], None);
        check(5, &[claim(1.0, -1.0, 9.0)], None);
    }

    proptest! {
        #[test]
        fn all_is_given_out_and_nobody_leaves_its_bounds(
            parts in prop::collection::vec((0_u32..50, 0_u32..50, 0_u32..50), 1..12),
            share in 0.0_f64..=1.0,
        ) {
            let claims: Vec<Claim> = parts.iter().map(|(lower, more, room)| {
                claim(f64::from(lower + more), f64::from(*lower), f64::from(lower + room))
            }).collect();
            let lower: u32 = parts.iter().map(|part| part.0).sum();
            let room: u32 = parts.iter().map(|part| part.2).sum();
            let total = lower + (f64::from(room) * share) as u32;
            let found = divide(total, &claims);
            prop_assert!(found.is_some(), "{claims:?} {total}");
            let Some(found) = found else { return Ok(()) };
            let sum: f64 = found.seats.iter().sum();
            prop_assert!((sum - f64::from(total)).abs() < 1e-3, "{sum} is not {total}: {found:?}");
            for (seats, claim) in found.seats.iter().zip(&claims) {
                prop_assert!(*seats >= claim.lower - 1e-6 && *seats <= claim.upper + 1e-6, "{seats} {claim:?}");
            }
        }
    }
}
