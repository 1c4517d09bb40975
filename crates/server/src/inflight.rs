//! Limits on requests: their number in flight, and their duration. Long-running requests, such as watches, are outside
//! of both once they are allowed and have begun, and have a limit of their own.

use crate::fairness::{Turn, Turns};
use crate::guard::Guard;
use crate::metrics::Watermark;
use crate::permits::{Pool, Requester};
use crate::place::LongRunningPlace;
pub(crate) use crate::request::{Request, is_long_running};
use crate::response::{Headers, Response};
use crate::seat::Seat;
use pintle_object::Status;
use pintle_object::time::parse_duration;
use std::time::Duration;

/// One user may have this part of the seats.
const USER_PART: usize = 2;

/// Open long-running requests at a time: those of some thousand nodes, with their watches for pods.
const PLACES_MAX: usize = 256 << 10;
/// Of them, one user's may be this part, which rests in 100 MB: the agents of all nodes may be one user.
const PLACES_USER_PART: usize = 8;

/// The number of requests that may be under way without API Priority and Fairness: reads and writes apart, and requests
/// beyond it are refused; none for no limit.
pub struct Seats {
    reads: Option<Pool>,
    writes: Option<Pool>,
}

pub struct Limits {
    seats: Seats,
    places: Pool,
    /// The longest that a request may take.
    request_max: Duration,
}

/// A request's turn: its seat, or the refusal, and headers for the answer in either case.
pub struct Seating {
    pub seat: Result<Seat, Response>,
    pub headers: Headers,
}

impl Seats {
    pub fn new(reads: usize, writes: usize) -> Seats {
        let limit = |count: usize| (count > 0).then(|| Pool::new(count, USER_PART));
        Seats { reads: limit(reads), writes: limit(writes) }
    }
}

impl Limits {
    pub fn new(seats: Seats, request_max: Duration) -> Limits {
        Limits { seats, places: Pool::new(PLACES_MAX, PLACES_USER_PART), request_max }
    }

    /// The time that a request may take: its `timeout`, up to the limit; without end for long-running requests.
    pub fn time(&self, request: &Request) -> Result<Duration, Status> {
        if is_long_running(&request.info) {
            return Ok(Duration::MAX);
        }
        let asked = match request.query.text("timeout") {
            "" => 0,
            text => parse_duration(text).map_err(|error| {
                Status::bad_request(format!("invalid timeout specified in the request URL - {error}"))
            })?,
        };
        let asked = u64::try_from(asked).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos);
        Ok(asked.map_or(self.request_max, |asked| asked.min(self.request_max)))
    }

    /// A place for a request that is allowed; none when its user has too many open already.
    pub fn place(&self, request: &Request) -> Option<LongRunningPlace> {
        if !is_long_running(&request.info) {
            return Some(LongRunningPlace(None));
        }
        self.places.try_permit(Requester::of(&request.user), 1).map(|permit| LongRunningPlace(Some(permit)))
    }

    /// A seat for a request, or the refusal when there are too many already. Long-running requests keep theirs until
    /// they begin. `is_again`: the request had one, and gave it back while it waited for its client; `in_queue` counts
    /// waiting reads and writes.
    pub async fn seat(
        &self,
        turns: Option<&Turns>,
        request: &Request,
        is_again: bool,
        [reads, writes]: &[Watermark; 2],
    ) -> Seating {
        let Some(turns) = turns else {
            return Seating {
                seat: self.own_seat(request).ok_or_else(|| too_many(1)),
                headers: Headers::new(),
            };
        };
        // Requests that last are watches here: they wait as long as others.
        let time = self.time(request).unwrap_or(self.request_max).min(self.request_max);
        let in_queue = if request.info.verb.is_read() { reads } else { writes };
        match turns.turn(request, time, is_again, in_queue).await {
            Turn::Go { seat, watch, headers } => {
                let held = watch.map(|watch| -> Guard { Box::new(watch) });
                Seating { seat: Ok(Seat { _turn: seat, held, ..Seat::default() }), headers }
            }
            Turn::Reject { retry_after_seconds, headers } => {
                Seating { seat: Err(too_many(retry_after_seconds)), headers }
            }
        }
    }

    /// A seat where nothing decides about turns.
    fn own_seat(&self, request: &Request) -> Option<Seat> {
        let who = Requester::of(&request.user);
        let Seats { reads, writes } = &self.seats;
        let Some(seats) = (if request.info.verb.is_read() { reads } else { writes }) else {
            return Some(Seat::default());
        };
        let permit = seats.try_permit(who, 1);
        (permit.is_some() || who == Requester::Master).then(|| Seat { _permit: permit, ..Seat::default() })
    }
}

/// The 429 of upstream's filter for requests in flight.
pub fn too_many(retry_after_seconds: u64) -> Response {
    Response::text(429, "Too many requests, please try again later.\n")
        .with("x-content-type-options", "nosniff")
        .with("retry-after", retry_after_seconds.to_string())
}

/// The 504 of a request that took too long.
pub fn timed_out() -> Response {
    let words = "Timeout: request did not complete within the allotted timeout";
    Response::new(
        504,
        "text/plain; charset=utf-8",
        format!(
            "{{\"metadata\":{{}},\"status\":\"Failure\",\"message\":\"{words}\",\"reason\":\"Timeout\",\"details\":{{}},\
             \"code\":504}}\n"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::{Body, Parts};
    use crate::route;
    use bytes::Bytes;
    use hyper::{HeaderMap, Method};
    use pintle_object::Query;
    use pintle_object::time::Time;
    use pintle_object::user::MASTERS;
    use pintle_object::user::User;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    fn request(method: Method, uri: &str, group: &str) -> Request {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let parsed = Query::parse(query);
        let (info, resource_path) =
            route::parse(method.as_str(), path, &parsed).expect("the path says something");
        let user = Arc::new(User { groups: vec![group.into()], ..User::anonymous() });
        Request {
            method,
            version: hyper::Version::HTTP_11,
            authority: None,
            uri: uri.into(),
            query: parsed,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            is_read: false,
            user,
            info: info.into(),
            resource_path,
            received: Time { seconds: 0, nanos: 0 },
            deadline: None,
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            audit_id: String::new(),
            audit: Arc::default(),
        }
    }

    #[test]
    fn requests_end_in_time_unless_they_last() {
        let limits = Limits::new(Seats::new(0, 0), Duration::from_secs(60));
        let check = |uri: &str, expected: Result<u64, &str>| {
            let found = limits.time(&request(Method::GET, uri, ""));
            let found = found.map(|time| time.as_secs()).map_err(|status| status.message);
            assert_eq!(found, expected.map_err(String::from), "{uri}");
        };
        check("/api/v1/pods", Ok(60));
        check("/api/v1/pods?timeout=5s", Ok(5));
        check("/api/v1/pods?timeout=0s", Ok(60));
        check("/api/v1/pods?timeout=5m", Ok(60));
        check("/api/v1/pods?watch=1&timeout=x", Ok(u64::MAX));
        check("/api/v1/namespaces/a/pods/b/log", Ok(u64::MAX));
        check(
            "/version?timeout=x",
            Err("invalid timeout specified in the request URL - time: invalid duration \"x\""),
        );
    }

    #[test]
    fn who_finds_no_seat_is_sent_away_unless_a_master() {
        let limits = Limits::new(Seats::new(1, 0), Duration::from_millis(4));
        let read = request(Method::GET, "/api/v1/pods", "dev");
        let held = limits.own_seat(&read);
        assert!(held.is_some() && limits.own_seat(&read).is_none());
        assert!(limits.own_seat(&request(Method::GET, "/api/v1/pods", MASTERS)).is_some());
        // Whether a watch is allowed is decided in a seat too.
        assert!(limits.own_seat(&request(Method::GET, "/api/v1/pods?watch=1", "dev")).is_none());
        assert!(limits.own_seat(&request(Method::POST, "/api/v1/pods", "dev")).is_some());
        drop(held);
        assert!(limits.own_seat(&read).is_some());
    }

    struct Silent;

    impl Parts for Silent {
        fn poll_part(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
            Poll::Pending
        }
    }

    #[test]
    fn nobody_has_all_places_of_requests_that_last() {
        let limits = Limits {
            places: Pool::new(16, PLACES_USER_PART),
            ..Limits::new(Seats::new(0, 0), Duration::from_secs(60))
        };
        let watch = request(Method::GET, "/api/v1/pods?watch=1", "dev");
        let open = || {
            let answer = Response { body: Body::Stream(Box::new(Silent)), ..Response::empty(200) };
            limits.place(&watch).map(|place| place.kept_by(answer))
        };
        let both = (open(), open());
        assert!(both.0.is_some() && both.1.is_some() && open().is_none());
        assert!(limits.place(&request(Method::GET, "/api/v1/pods", "dev")).is_some());
        assert!(limits.place(&request(Method::GET, "/api/v1/pods?watch=1", MASTERS)).is_some());
        drop(both);
        // A request that is answered at once keeps no place.
        for _ in 0..PLACES_USER_PART {
            assert!(limits.place(&watch).is_some_and(|place| place.kept_by(Response::empty(403)).is_empty()));
        }
        assert!(open().is_some());
    }
}
