//! The width of a request: the seats that it takes, and the time for which some stay taken after it (upstream's
//! `util/flowcontrol/request`).

use crate::seat_seconds::SeatSeconds;
use pintle_object::{RequestInfo, Verb};
use std::time::Duration;

const SEATS_MIN: u32 = 1;
/// The widest list, and the widest write.
const LIST_SEATS_MAX: u32 = 100;
const WRITE_SEATS_MAX: u32 = 10;
/// The bytes of a list for each seat.
const BYTES_PER_SEAT: u64 = 100_000;
/// The most memory that a list from the cache holds at once, since it is sent while it is made.
const STREAM_BYTES_MAX: u64 = 1_000_000;
/// The assumed size of objects whose size is not known.
const OBJECT_BYTES_MAX: u64 = 1_500_000;
/// Watchers that one seat serves, and how long it takes.
const WATCHES_PER_SEAT: u64 = 10;
const EVENT_DURATION: Duration = Duration::from_millis(5);

/// The seats of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Seats while the request is worked on.
    pub initial_seats: u32,
    /// Seats for a while after it: a write's events are still sent then.
    pub final_seats: u32,
    pub additional_latency: Duration,
}

/// The part of a list's or watch's options that decide how much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListShape<'a> {
    pub limit: u64,
    pub resource_version: &'a str,
    pub resource_version_match: &'a str,
    pub has_continue: bool,
    pub has_selector: bool,
    pub sends_initial_events: bool,
    /// Whether the list is of one object, by its name.
    pub is_of_one: bool,
}

/// Stored objects of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectStats {
    pub count: u64,
    /// Their mean size; zero when it is not known.
    pub bytes_mean: u64,
}

/// Facts that an estimate may need; each is looked up only then.
pub trait Facts {
    /// The options of a list or watch; none when they are no options.
    fn list_shape(&self) -> Option<ListShape<'_>>;
    /// Objects of the request's resource; none when it is not stored here.
    fn objects(&self) -> Option<ObjectStats>;
    /// The number of watchers that receive a write.
    fn watchers(&self) -> u64;
}

/// A request's width, and for a write the number of watchers it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    pub width: Width,
    pub watchers: Option<u64>,
}

impl Width {
    /// The width of a request that is neither list, watch nor write.
    pub const ONE: Width = Width::seats(SEATS_MIN);

    const fn seats(initial_seats: u32) -> Width {
        Width { initial_seats, final_seats: 0, additional_latency: Duration::ZERO }
    }

    pub fn max_seats(&self) -> u32 {
        self.initial_seats.max(self.final_seats)
    }
}

/// Estimates a request's width. `level_seats_max` is the widest that its level takes; zero for no bound.
pub fn estimate(info: &RequestInfo, level_seats_max: u32, facts: &dyn Facts) -> Estimate {
    let bound = |max: u32| if level_seats_max == 0 { max } else { level_seats_max.min(max) };
    let quiet = |width| Estimate { width, watchers: None };
    match info.verb {
        Verb::List => quiet(list(false, bound(LIST_SEATS_MAX), facts)),
        Verb::Watch => quiet(list(true, bound(LIST_SEATS_MAX), facts)),
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete if !is_without_events(info) => {
            let watchers = facts.watchers();
            Estimate { width: write(watchers, bound(WRITE_SEATS_MAX)), watchers: Some(watchers) }
        }
        _ => quiet(Width::ONE),
    }
}

/// Whether a write stores nothing, so that no watcher receives it.
fn is_without_events(info: &RequestInfo) -> bool {
    info.resource == "serviceaccounts" && info.subresource == "token"
}

fn list(is_watch: bool, seats_max: u32, facts: &dyn Facts) -> Width {
    let Some(shape) = facts.list_shape() else { return Width::seats(seats_max) };
    let is_from_start = shape.sends_initial_events || matches!(shape.resource_version, "" | "0");
    if is_watch && !is_from_start {
        return Width::ONE;
    }
    let Some(stats) = facts.objects() else { return Width::ONE };
    let is_from_cache = is_watch || is_cached(&shape);
    let seats = bytes_at_once(&shape, stats, is_from_cache).div_ceil(BYTES_PER_SEAT);
    let seats = u32::try_from(seats).unwrap_or(u32::MAX);
    Width::seats(seats.max(SEATS_MIN).min(seats_max))
}

/// Whether a list is answered from the cache, by the rules of upstream's `storage/cacher/delegator`.
fn is_cached(shape: &ListShape) -> bool {
    match shape.resource_version_match {
        "NotOlderThan" => true,
        "" => {
            let is_exact = shape.limit > 0 && !matches!(shape.resource_version, "" | "0");
            !shape.has_continue && !is_exact
        }
        _ => false,
    }
}

fn bytes_at_once(shape: &ListShape, stats: ObjectStats, is_from_cache: bool) -> u64 {
    let mean = if stats.bytes_mean == 0 && stats.count > 0 { OBJECT_BYTES_MAX } else { stats.bytes_mean };
    let limited = if shape.limit > 0 { stats.count.min(shape.limit) } else { stats.count };
    let objects = match shape {
        ListShape { is_of_one: true, .. } => 1,
        ListShape { has_selector: true, .. } if !is_from_cache => limited.max(stats.count / 2),
        _ => limited,
    };
    let bytes = objects.saturating_mul(mean);
    if is_from_cache { bytes.min(STREAM_BYTES_MAX) } else { bytes }
}

fn write(watchers: u64, seats_max: u32) -> Width {
    if watchers < WATCHES_PER_SEAT {
        return Width::ONE;
    }
    let wanted = u32::try_from(watchers.div_ceil(WATCHES_PER_SEAT)).unwrap_or(u32::MAX);
    let work = SeatSeconds::of(f64::from(wanted), EVENT_DURATION);
    let final_seats = wanted.min(seats_max);
    let additional_latency = work.per_seat(f64::from(final_seats));
    Width { initial_seats: SEATS_MIN, final_seats, additional_latency }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given<'a> {
        shape: Option<ListShape<'a>>,
        objects: Option<ObjectStats>,
        watchers: u64,
    }

    impl Facts for Given<'_> {
        fn list_shape(&self) -> Option<ListShape<'_>> {
            self.shape
        }

        fn objects(&self) -> Option<ObjectStats> {
            self.objects
        }

        fn watchers(&self) -> u64 {
            self.watchers
        }
    }

    fn info(verb: &str) -> RequestInfo {
        RequestInfo {
            verb: Verb::named(verb),
            is_resource: true,
            resource: "pods".into(),
            ..RequestInfo::default()
        }
    }

    #[test]
    fn lists_are_as_wide_as_what_they_read() {
        let check = |verb: &str, level, shape: Option<ListShape>, objects: Option<(u64, u64)>, expected| {
            let objects = objects.map(|(count, bytes_mean)| ObjectStats { count, bytes_mean });
            let given = Given { shape, objects, watchers: 0 };
            let found = estimate(&info(verb), level, &given);
            assert_eq!(found, Estimate { width: Width::seats(expected), watchers: None }, "{verb} {shape:?}");
        };
        let plain = ListShape::default();
        check("list", 0, Some(plain), None, 1);
        check("list", 0, Some(plain), Some((0, 0)), 1);
        check("list", 0, Some(plain), Some((100, 1000)), 1);
        check("list", 0, Some(plain), Some((300, 1000)), 3);
        check("list", 0, Some(plain), Some((1_000_000, 1000)), 10);
        check("list", 4, Some(plain), Some((1_000_000, 1000)), 4);
        // Objects of unknown size may be of any.
        check("list", 0, Some(plain), Some((1, 0)), 10);
        // Pages of a fixed revision are read from storage.
        let page = ListShape { limit: 500, has_continue: true, ..plain };
        check("list", 0, Some(page), Some((10_000, 4000)), 20);
        check("list", 0, Some(ListShape { has_selector: true, ..page }), Some((10_000, 4000)), 100);
        let exact = ListShape { resource_version: "5", resource_version_match: "Exact", ..plain };
        check("list", 0, Some(exact), Some((500, 1000)), 5);
        check("list", 0, Some(ListShape { is_of_one: true, ..plain }), Some((500, 250_000)), 3);
        check("list", 0, None, Some((1, 1)), 100);
        check("watch", 0, Some(ListShape { resource_version: "5", ..plain }), Some((10_000, 4000)), 1);
        check("watch", 0, Some(plain), Some((10_000, 4000)), 10);
        let streamed = ListShape { resource_version: "5", sends_initial_events: true, ..plain };
        check("watch", 0, Some(streamed), Some((10_000, 4000)), 10);
        check("get", 0, Some(plain), Some((10_000, 4000)), 1);
        check("deletecollection", 0, Some(plain), Some((10_000, 4000)), 1);
    }

    #[test]
    fn writes_keep_seats_while_their_events_are_sent() {
        let check = |watchers, level, final_seats, millis| {
            let given = Given { shape: None, objects: None, watchers };
            let found = estimate(&info("create"), level, &given);
            let additional_latency = Duration::from_millis(millis);
            let width = Width { initial_seats: 1, final_seats, additional_latency };
            assert_eq!(found, Estimate { width, watchers: Some(watchers) });
        };
        check(0, 0, 0, 0);
        check(9, 0, 0, 0);
        check(10, 0, 1, 5);
        check(25, 0, 3, 5);
        check(1000, 0, 10, 50);
        check(1000, 5, 5, 100);
        let token =
            RequestInfo { resource: "serviceaccounts".into(), subresource: "token".into(), ..info("create") };
        let given = Given { shape: None, objects: None, watchers: 1000 };
        assert_eq!(estimate(&token, 0, &given), Estimate { width: Width::ONE, watchers: None });
    }
}
