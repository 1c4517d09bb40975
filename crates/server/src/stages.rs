//! The places in the pipeline for stages that other crates fill, in upstream's order (`DefaultBuildHandlerChain`):
//!
//! ```text
//! panics > authentication > audit > impersonation > fairness > authorization > the request > the answer
//! ```
//!
//! With tracing on, each stage is a span that includes all later stages (`spans.rs`).
//!
//! An absent stage costs a comparison. Values that must live until an answer is sent to its end go into
//! `Carried::held` (dropped then, or when the client is gone); a seat of fairness goes into `Seat`.

use crate::fairness::Turns;
use crate::guard::Waiting;
use crate::request::Request;
use crate::response::Response;
use pintle_access::User;
use pintle_traces::Tracer;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The stages of a server; each may be absent.
#[derive(Default)]
pub struct Stages {
    pub audit: Option<Arc<dyn Audit>>,
    /// The tracer of requests.
    pub tracer: Option<Arc<Tracer>>,
    /// API Priority and Fairness; without it there are limits on reads and on writes.
    pub fairness: Option<Turns>,
}

/// Audit, around everything that happens to a request whose user is known. It is told of each stage of a request once,
/// in order; the pipeline waits for it, so that a blocking backend blocks requests, and one thread at most.
pub trait Audit: Send + Sync {
    /// Judges a request by the policy. Sets the level of `request.audit`, by which everything on the way knows what to
    /// leave there. None when no event of the request is wanted.
    fn begin(&self, request: &Request) -> Option<Arc<dyn AuditRecord>>;

    /// A request that ended before its user was known, with its unsent answer: invalid credentials, or an invalid
    /// timeout.
    fn failed<'a>(&'a self, request: &'a Request, response: &'a mut Response) -> Waiting<'a, ()>;

    /// Stores the events that were left: before a request waits for anything.
    fn flush(&self);

    /// Ready when so many events, of all that were ever left, are stored: before an answer is written whose record gives
    /// that number.
    fn poll_stored(&self, count: u64, context: &mut Context<'_>) -> Poll<()>;

    /// Waits for what is on its way, when all requests have ended and the server is about to.
    fn shut_down(&self) -> Waiting<'_, ()>;
}

/// The event of a request could not be stored, and its mode is `blocking-strict`: the request ends with a 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStored;

/// The state of an event of which the audit was told.
pub enum Recording<'a> {
    /// It is stored before `Audit::flush` returns, or else before `Audit::poll_stored` is ready.
    Left,
    /// It is stored when this is over.
    Awaited(Waiting<'a, Result<(), NotStored>>),
}

impl Recording<'_> {
    /// Waits for an event that must be waited for.
    pub async fn stored(self) -> Result<(), NotStored> {
        match self {
            Recording::Left => Ok(()),
            Recording::Awaited(stored) => stored.await,
        }
    }
}

/// The audit of one request. What is left in `request.audit` on the way is complete when it is told of an end.
pub trait AuditRecord: Send + Sync {
    /// The request as it came: `RequestReceived`.
    fn received(&self) -> Recording<'_>;

    /// From here on the request acts as this user, which a permission of this verb allows (empty for the old one).
    fn impersonated(&self, user: &Arc<User>, constraint: &str);

    /// The answer as it is going to be sent: status, headers, and a body that is not compressed yet.
    fn answered(&self, request: &Request, response: &mut Response);

    /// The number of events whose `Audit::poll_stored` is to be ready before anything of the answer is sent; 0 for none.
    fn left(&self) -> u64;

    /// The head of an answer that lasts (a watch, a tunnel) is about to be sent: `ResponseStarted`.
    fn started(&self) -> Recording<'_>;

    /// `ResponseComplete`, or `Panic`: before a complete answer is sent, and for others when they have ended or their
    /// client is gone.
    fn end(self: Arc<Self>, end: End) -> Recording<'static>;
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Complete,
    /// With a panic, and its words.
    Panic(String),
}
