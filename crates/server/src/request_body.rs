//! Bodies of requests: read whole, within limits of size, time, and memory for all of them.

use crate::inflight;
use crate::permits::{Permit, Pool, Requester};
use crate::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use pintle_object::Status;
use std::time::Duration;

/// The most that a body may hold: upstream's limit for requests that write.
pub const BODY_BYTES_MAX: usize = 3 << 20;
/// The bytes that are read of a body that is too large before its connection is closed.
const DRAINED_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;
/// The kilobytes of all bodies together that are read, wait for their turn, or are worked on.
const BODIES_KB_MAX: usize = 32 << 10;
/// Of that, one user's part: two of the largest.
const BODIES_USER_PART: usize = 4;
/// A body may take this much before it has a permit that is for all of it: most are smaller.
const FREE_BYTES: usize = 16 << 10;
/// The time that a client may take to send a body. Other requests do not wait for it: it has no seat yet.
const READ_MAX: Duration = Duration::from_secs(30);
/// The time that a body waits for room before its client is told to come back.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(5);
/// The `Retry-After` of bodies that found no room in time.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The memory for the bodies of all requests.
pub struct Bodies(Pool);

/// A body, and its permit of the memory for all bodies.
#[derive(Default)]
pub struct ReadBody {
    pub bytes: Bytes,
    pub permit: Option<Permit>,
}

/// The reason why a body was not read.
pub enum Unread {
    Refused(Status),
    TooSlow,
    NoSeat(Box<Response>),
}

impl Unread {
    pub fn answer(self) -> Result<Response, Status> {
        match self {
            Unread::Refused(status) => Err(status),
            Unread::TooSlow => Ok(inflight::timed_out()),
            Unread::NoSeat(refusal) => Ok(*refusal),
        }
    }
}

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies(Pool::new(BODIES_KB_MAX, BODIES_USER_PART))
    }
}

impl Bodies {
    /// Reads a body in time.
    pub async fn read(&self, who: Requester<'_>, body: Incoming) -> Result<ReadBody, Unread> {
        match tokio::time::timeout(READ_MAX, self.read_all(who, body)).await {
            Ok(read) => read.map_err(Unread::Refused),
            Err(_) => Err(Unread::TooSlow),
        }
    }

    /// Reads a body whole. One that is too large is still read on for a while, and dropped: a client that is cut off
    /// in the middle of sending may never see the answer.
    async fn read_all(&self, who: Requester<'_>, mut body: Incoming) -> Result<ReadBody, Status> {
        let too_large = || Status::too_large(format!("Request entity too large: limit is {BODY_BYTES_MAX}"));
        let announced = body.size_hint().upper().and_then(|len| usize::try_from(len).ok());
        let mut permit = None;
        let mut first = Bytes::new();
        let mut joined = Vec::new();
        let mut len = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Status::bad_request(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            len += data.len();
            if len > DRAINED_BYTES_MAX {
                return Err(too_large());
            }
            if permit.is_none() && len > FREE_BYTES {
                permit = Some(self.room(who, announced.unwrap_or(BODY_BYTES_MAX).max(len)).await?);
            }
            if len > BODY_BYTES_MAX {
                (first, joined) = (Bytes::new(), Vec::new());
            } else if len == data.len() {
                first = data;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&data);
            }
        }
        if len > BODY_BYTES_MAX {
            return Err(too_large());
        }
        Ok(ReadBody { bytes: if joined.is_empty() { first } else { Bytes::from(joined) }, permit })
    }

    /// Room for a whole body; the client is not read from meanwhile.
    async fn room(&self, who: Requester<'_>, bytes: usize) -> Result<Permit, Status> {
        let kilobytes = bytes.min(BODY_BYTES_MAX).div_ceil(1024);
        tokio::time::timeout(ROOM_WAIT_MAX, self.0.permit(who, kilobytes)).await.map_err(|_| {
            Status::too_many_requests("Too many requests, please try again later.", RETRY_AFTER_SECONDS)
        })
    }
}
