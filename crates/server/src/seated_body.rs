//! Bodies of requests that have seats.

use crate::app::App;
use crate::permits::Requester;
use crate::request::Request;
use crate::request_body::{ReadBody, Unread};
use crate::seat::Seat;
use hyper::body::Incoming;
use std::task::Poll;

/// A body whose request has a seat.
pub struct SeatedBody {
    pub seat: Seat,
    pub read: ReadBody,
}

/// Reads the body of a request that has a seat. If the body is not there yet, the seat is given back and taken again
/// later, so that a slow client keeps no other waiting.
pub async fn read_seated(
    app: &App,
    request: &Request,
    seat: Seat,
    body: Incoming,
) -> Result<SeatedBody, Unread> {
    let mut reading = std::pin::pin!(app.bodies.read(Requester::of(&request.user), body));
    let at_once = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    if let Poll::Ready(read) = at_once {
        return Ok(SeatedBody { seat, read: read? });
    }
    drop(seat);
    let read = reading.await?;
    let seat = app.limits.seat(app.stages.fairness.as_ref(), request, true, &app.metrics.in_queue).await.seat;
    let seat = seat.map_err(|refusal| Unread::NoSeat(Box::new(refusal)))?;
    Ok(SeatedBody { seat, read })
}
