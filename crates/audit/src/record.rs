//! `Record`: the audit of one request, from its beginning to its last stage, filled by the parts of the server on the
//! way.

use crate::backend::{Backend, Lines};
use crate::event::{AuditEvent, RequestFields, ResponseStatus};
use crate::policy::{AuditStage, Level, RequestConfig};
use bytes::Bytes;
use pintle_object::Verb;
use pintle_object::audit::AuditContext;
use pintle_object::time::Time;
use pintle_object::user::User;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Latencies are annotated when a request takes longer than this.
const SLOW: Duration = Duration::from_millis(500);
const SUCCESS: u16 = 200;

/// The audit of one request. Dropped before its last stage, it is completed: its client went away.
pub struct Record {
    backend: Arc<Backend>,
    config: RequestConfig,
    is_long_running: bool,
    is_watch: bool,
    /// Whether the request changes nothing, so that its first line may be deferred.
    is_read: bool,
    context: Arc<AuditContext>,
    /// Apart, so that a record is moved at little cost.
    state: Mutex<Box<RecordState>>,
}

struct RecordState {
    event: AuditEvent,
    /// The number that `Backend::leave` gave last; 0 for none.
    left: u64,
    has_started: bool,
    is_complete: bool,
}

impl Record {
    /// The record of a request, or none when the policy does not want one.
    pub fn begin(
        backend: &Arc<Backend>,
        request: &RequestFields<'_>,
        context: &Arc<AuditContext>,
    ) -> Option<Record> {
        let config = backend.evaluate(request.user, request.info);
        context.set_level(config.level, config.omit_managed_fields);
        if config.level == Level::None {
            return None;
        }
        let event = AuditEvent::new(config.level, request);
        let state = RecordState { event, left: 0, has_started: false, is_complete: false };
        Some(Record {
            backend: backend.clone(),
            config,
            is_long_running: request.is_long_running,
            is_watch: request.info.verb == Verb::Watch,
            is_read: request.info.verb.is_read() && !request.is_long_running,
            context: context.clone(),
            state: Mutex::new(Box::new(state)),
        })
    }

    /// Whether the object of the response is recorded.
    pub fn wants_response(&self) -> bool {
        self.config.level >= Level::RequestResponse
    }

    /// Whether objects are recorded without `metadata.managedFields`.
    pub fn omits_managed_fields(&self) -> bool {
        self.config.omit_managed_fields
    }

    /// Notes as whom the request acts, and the verb of a constrained impersonation.
    pub fn impersonated(&self, user: Arc<User>, constraint: &str) {
        let event = &mut self.state().event;
        event.impersonated_user = Some(user);
        event.impersonation_constraint = constraint.into();
    }

    /// Notes the object of the response as JSON where it is wanted, and its fields if it is a Status.
    pub fn response_object(&self, status: Option<ResponseStatus>, object: Option<Bytes>) {
        let event = &mut self.state().event;
        if status.is_some() {
            event.response_status = status;
        }
        if self.wants_response() {
            event.response_object = object;
        }
    }

    /// Notes the status of a request that failed before anything was made for it.
    pub fn response_status(&self, status: ResponseStatus) {
        self.state().event.response_status = Some(status);
    }

    /// Notes the code of the response, which counts for more than that of its Status.
    pub fn response_code(&self, code: u16) {
        self.state().event.response_status.get_or_insert_default().code = code;
    }

    /// Leaves the record of the request as it came to be stored before it waits for anything (`Backend::flush`) or is
    /// answered (`Backend::poll_stored`). False where it must be waited for, by `received`.
    pub fn leave_received(&self) -> bool {
        let must_wait = !self.is_read || self.backend.is_strict();
        !must_wait && self.leave(AuditStage::RequestReceived)
    }

    /// Records the request as it came. False when it must be refused, because that could not be stored.
    pub async fn received(&self) -> bool {
        let Some(lines) = self.prepared(AuditStage::RequestReceived) else { return true };
        let is_stored = self.backend.process(lines).await;
        if !is_stored {
            self.backend.reject();
            self.state().is_complete = true;
        }
        is_stored
    }

    /// Leaves the record of a long-running request whose head of a response is about to be sent, to be stored before it
    /// is. False where that must be waited for, by `started`.
    pub fn leave_started(&self, code: u16) -> bool {
        self.response_code(code);
        self.leave_start()
    }

    /// Records that the head of the response is about to be sent, if the request is long-running.
    pub async fn started(&self, code: u16) {
        self.response_code(code);
        self.start().await;
    }

    /// The number whose `Backend::poll_stored` is to be ready before anything of an answer is sent; 0 for none.
    pub fn left(&self) -> u64 {
        self.state().left
    }

    /// Ends the record without a further event.
    pub fn abandon(&self) {
        self.state().is_complete = true;
    }

    /// Leaves the record of a request of which no more bytes are sent, or whose answer is there whole, to be stored before
    /// that is sent. False where it must be waited for, by `complete`.
    pub fn leave_complete(&self) -> bool {
        if self.state().is_complete {
            return true;
        }
        let is_left = self.leave_start() && self.leave(AuditStage::ResponseComplete);
        self.state().is_complete |= is_left;
        is_left
    }

    /// Records that no more bytes are sent.
    pub async fn complete(&self) {
        if std::mem::replace(&mut self.state().is_complete, true) {
            return;
        }
        self.start().await;
        self.store(AuditStage::ResponseComplete).await;
    }

    /// Records that the request panicked.
    pub async fn panicked(&self, why: &str) {
        if std::mem::replace(&mut self.state().is_complete, true) {
            return;
        }
        self.response_status(ResponseStatus {
            status: "Failure",
            message: format!("APIServer panic'd: {why}"),
            reason: "InternalError".into(),
            details: None,
            code: 500,
        });
        self.store(AuditStage::Panic).await;
    }

    fn leave_start(&self) -> bool {
        let is_due = self.is_long_running && !self.state().has_started;
        let is_left = !is_due || self.leave(AuditStage::ResponseStarted);
        self.state().has_started |= is_left;
        is_left
    }

    async fn start(&self) {
        if self.is_long_running && !std::mem::replace(&mut self.state().has_started, true) {
            self.store(AuditStage::ResponseStarted).await;
        }
    }

    /// Leaves the event of a stage to be stored, or nothing where the stage is not recorded.
    fn leave(&self, stage: AuditStage) -> bool {
        if self.config.omit_stages.contains(stage) {
            return true;
        }
        let RecordState { event, left, .. } = &mut **self.state();
        let time = self.reach(event, stage);
        let number = self.backend.leave(event, stage, time);
        *left = number.unwrap_or(*left);
        number.is_some()
    }

    async fn store(&self, stage: AuditStage) {
        if let Some(lines) = self.prepared(stage) {
            self.backend.process(lines).await;
        }
    }

    /// The lines of a stage, unless it is not recorded.
    fn prepared(&self, stage: AuditStage) -> Option<Lines> {
        if self.config.omit_stages.contains(stage) {
            return None;
        }
        let event = &mut self.state().event;
        let time = self.reach(event, stage);
        Some(self.backend.prepare(event, stage, time))
    }

    /// Takes over what was left on the way so far; gives the time of the stage.
    fn reach(&self, event: &mut AuditEvent, stage: AuditStage) -> Time {
        // The first stage is at the time of the request.
        let time = if stage == AuditStage::RequestReceived { event.received } else { now() };
        take(&self.context, event, stage, time, self.is_watch);
        time
    }

    fn state(&self) -> MutexGuard<'_, Box<RecordState>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut state.is_complete, true) {
            return;
        }
        let mut stages = vec![AuditStage::ResponseComplete];
        if state.event.response_status.is_none() {
            state.event.response_status = Some(ResponseStatus {
                status: "Success",
                message: "Connection closed early".into(),
                code: SUCCESS,
                ..ResponseStatus::default()
            });
            if self.is_long_running {
                stages.insert(0, AuditStage::ResponseStarted);
            }
        }
        stages.retain(|stage| !self.config.omit_stages.contains(*stage));
        let prepare = |stage| {
            let time = now();
            take(&self.context, &mut state.event, stage, time, self.is_watch);
            self.backend.prepare(&mut state.event, stage, time)
        };
        let lines: Vec<Lines> = stages.into_iter().map(prepare).collect();
        self.backend.process_detached(lines);
        self.backend.flush();
    }
}

/// Takes over what was left on the way so far.
fn take(context: &AuditContext, event: &mut AuditEvent, stage: AuditStage, time: Time, is_watch: bool) {
    context.visit(|kept| {
        event.annotations.append(&mut kept.annotations);
        if stage == AuditStage::ResponseComplete {
            event.annotations.append(&mut kept.last_annotations);
        }
        if let Some(object) = &mut event.object {
            object.complete(&mut kept.reference);
        }
        if let Some(object) = kept.request_object.take() {
            event.request_object = Some(object.into());
        }
        if let Some(why) = kept.undecodable.take() {
            event.undecodable = Some(why);
        }
        // Watches last as long as their clients want.
        if stage == AuditStage::ResponseComplete && !is_watch {
            latencies(event, context, time);
        }
    });
}

/// Adds how long parts of the request took, and the whole, where the whole is long enough to be worth it.
fn latencies(event: &mut AuditEvent, context: &AuditContext, now: Time) {
    let total = since_epoch(now).saturating_sub(since_epoch(event.received));
    if total <= SLOW {
        return;
    }
    let mut parts = context.latencies().peekable();
    if parts.peek().is_none() {
        return;
    }
    for (part, latency) in parts {
        event.annotations.add(part.key().into(), go_text(latency).into());
    }
    event.annotations.add("apiserver.latency.k8s.io/total".into(), go_text(total).into());
}

/// The time of now, as events have it.
pub fn now() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanos: now.subsec_nanos() }
}

fn since_epoch(time: Time) -> Duration {
    Duration::new(u64::try_from(time.seconds).unwrap_or(0), time.nanos)
}

fn go_text(duration: Duration) -> String {
    pintle_object::time::format_duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}
