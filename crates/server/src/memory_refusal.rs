//! Requests that memory has no room for.

use crate::app::App;
use crate::fairness::objects;
use crate::memory::{Pressure, Weight};
use crate::permits::Requester;
use crate::request::Request;
use pintle_object::{Status, Verb};

/// The refusal of a request that memory has no room for.
pub fn refusal(app: &App, request: &Request) -> Option<Status> {
    if app.memory.pressure() == Pressure::None || !request.info.is_resource {
        return None;
    }
    let who = Requester::of(&request.user);
    let weight = if is_large(app, request) { Weight::Large } else { Weight::Small };
    app.memory.refuses(who, &request.user.name, weight).then(|| {
        let message = "the server has too little memory left for this request, please try again later";
        Status::too_many_requests(message, RETRY_AFTER_SECONDS)
    })
}

pub(crate) fn is_large(app: &App, request: &Request) -> bool {
    match request.info.verb {
        Verb::Watch => true,
        Verb::List | Verb::DeleteCollection => objects(&app.engine, &request.info)
            .is_some_and(|stats| stats.count.saturating_mul(stats.bytes_mean) >= LARGE_BYTES_MIN),
        _ => false,
    }
}

/// Lists of more than this are large.
pub(crate) const LARGE_BYTES_MIN: u64 = 1 << 20;

/// The `Retry-After` of refusals for memory.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 5;
