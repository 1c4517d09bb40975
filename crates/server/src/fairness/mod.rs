//! Priority and fairness at its place in the pipeline: which request may go on, and when (upstream's
//! `filters/priority-and-fairness.go`).

mod clock;
pub mod dump;
mod facts;
mod metrics;

pub use clock::TokioClock;
pub use facts::objects;
pub use metrics::show;

use crate::metrics::Watermark;
use crate::request::{Request, is_long_running};
use crate::response::Headers;
use facts::StoredFacts;
use pintle_engine::Engine;
use pintle_fairness::{Admitted, Classified, Fairness, Schema, Seat, WatchCount};
use pintle_object::{RequestInfo, Verb};
use std::sync::Arc;
use std::time::Duration;

const SCHEMA_HEADER: &str = "x-kubernetes-pf-flowschema-uid";
const LEVEL_HEADER: &str = "x-kubernetes-pf-prioritylevel-uid";
/// The longest wait of a request, however long its own time is.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The part of its time that a request may wait.
const WAIT_PART: u32 = 4;
/// Resources with an index by a field, for whose watches few writes matter.
const INDEXED: (&str, &str) = ("pods", "spec.nodeName");

/// The fairness of a server.
pub struct Turns {
    pub fairness: Arc<Fairness>,
    pub clock: Arc<TokioClock>,
    engine: Arc<Engine>,
}

/// A request's turn.
pub enum Turn {
    /// It may go on. The seat is given back when the answer is made, of a list when it is sent, and of a watch when
    /// its initial events are; the watch counts until its end.
    Go { seat: Option<Seat>, watch: Option<WatchCount>, headers: Headers },
    /// The answer is upstream's 429.
    Reject { retry_after_seconds: u64, headers: Headers },
}

impl Turns {
    pub fn new(fairness: Arc<Fairness>, clock: Arc<TokioClock>, engine: Arc<Engine>) -> Turns {
        Turns { fairness, clock, engine }
    }

    /// Waits for the turn of a request that may take some time in all. `is_again`: it gave its seat away before;
    /// `in_queue` counts it while it waits.
    pub async fn turn(
        &self,
        request: &Request,
        time: Duration,
        is_again: bool,
        in_queue: &Watermark,
    ) -> Turn {
        let info = &request.info;
        if is_long_running(info) && info.verb != Verb::Watch {
            return Turn::Go { seat: None, watch: None, headers: Headers::new() };
        }
        let facts = StoredFacts { engine: &self.engine, fairness: &self.fairness, request };
        let started = self.fairness.start(&request.user, info, &facts, is_again);
        let Some(Classified { schema, admitted }) = started else {
            return Turn::Go { seat: None, watch: None, headers: Headers::new() };
        };
        let headers = headers(&schema);
        let seat = match admitted {
            Admitted::Seat(seat) => Some(seat),
            Admitted::Waiting(waiting) => {
                let _counted = in_queue.begin();
                let wait = (time / WAIT_PART).min(WAIT_MAX);
                tokio::time::timeout(wait, waiting).await.ok()
            }
            Admitted::Refused(_) => None,
        };
        match seat {
            Some(seat) => Turn::Go { seat: Some(seat), watch: self.watch(request), headers },
            None => Turn::Reject { retry_after_seconds: schema.level.retry_after(), headers },
        }
    }

    /// Counts a watch among those that receive writes.
    fn watch(&self, request: &Request) -> Option<WatchCount> {
        let info = &request.info;
        if info.verb != Verb::Watch || !info.is_resource || is_of_one_node(info) {
            return None;
        }
        Some(self.fairness.watches().register(&info.group, &info.resource, &info.namespace, &info.name))
    }
}

fn headers(schema: &Schema) -> Headers {
    vec![
        (SCHEMA_HEADER, schema.spec.uid.to_string().into()),
        (LEVEL_HEADER, schema.level_uid.to_string().into()),
    ]
}

/// Whether a watch is of the objects of one node alone.
fn is_of_one_node(info: &RequestInfo) -> bool {
    let (resource, field) = INDEXED;
    info.resource == resource
        && info.field_selector.split(',').any(|term| {
            let (key, value) = term.split_once("==").or_else(|| term.split_once('=')).unwrap_or(("", ""));
            key == field && !value.is_empty()
        })
}
