//! `Record`: the audit of one request, from its beginning to its last stage, filled by the parts of the server on the
//! way.

use crate::backend::{Backend, Lines};
use crate::event::{AuditEvent, RequestFields, ResponseStatus};
use crate::log::DeferredLine;
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
    /// The line of `RequestReceived` where it was deferred.
    deferred: Option<DeferredLine>,
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
        let state = RecordState { event, deferred: None, has_started: false, is_complete: false };
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

    /// Records the request as it came, at the latest before `Backend::flush` returns or the record is complete. False when
    /// it must be refused, because that could not be stored.
    pub async fn received(&self) -> bool {
        let Some(mut lines) = self.prepared(AuditStage::RequestReceived) else { return true };
        if self.is_read {
            lines = match self.backend.defer(lines) {
                Ok(deferred) => {
                    self.state().deferred = deferred;
                    return true;
                }
                Err(lines) => lines,
            };
        }
        let is_stored = self.backend.process(lines).await;
        if !is_stored {
            self.backend.reject();
            self.state().is_complete = true;
        }
        is_stored
    }

    /// Records that the head of the response is about to be sent, if the request is long-running.
    pub async fn started(&self, code: u16) {
        self.response_code(code);
        if self.is_long_running && !std::mem::replace(&mut self.state().has_started, true) {
            self.store(AuditStage::ResponseStarted).await;
        }
    }

    /// Ends the record without a further event.
    pub fn abandon(&self) {
        self.state().is_complete = true;
    }

    /// Records that no more bytes are sent.
    pub async fn complete(&self) {
        if std::mem::replace(&mut self.state().is_complete, true) {
            return;
        }
        if self.is_long_running && !std::mem::replace(&mut self.state().has_started, true) {
            self.store(AuditStage::ResponseStarted).await;
        }
        self.store(AuditStage::ResponseComplete).await;
        self.settle().await;
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
        self.settle().await;
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
        take(&self.context, event, stage, self.is_watch);
        // The first stage is at the time of the request.
        let time = if stage == AuditStage::RequestReceived { event.received } else { now() };
        Some(self.backend.prepare(event, stage, time))
    }

    /// Waits for what was deferred.
    async fn settle(&self) {
        let deferred = self.state().deferred.take();
        if let Some(line) = deferred {
            self.backend.settle(line).await;
        }
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
            take(&self.context, &mut state.event, stage, self.is_watch);
            self.backend.prepare(&mut state.event, stage, now())
        };
        let lines: Vec<Lines> = stages.into_iter().map(prepare).collect();
        self.backend.process_detached(lines);
        self.backend.flush();
    }
}

/// Takes over what was left on the way so far.
fn take(context: &AuditContext, event: &mut AuditEvent, stage: AuditStage, is_watch: bool) {
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
            latencies(event, context);
        }
    });
}

/// Adds how long parts of the request took, and the whole, where the whole is long enough to be worth it.
fn latencies(event: &mut AuditEvent, context: &AuditContext) {
    let total = since(event.received);
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

fn since(time: Time) -> Duration {
    let at = Duration::new(u64::try_from(time.seconds).unwrap_or(0), time.nanos);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(at)
}

fn go_text(duration: Duration) -> String {
    pintle_object::time::format_duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}
