//! `Record`: the audit of one request, from its beginning to its last stage, filled by the parts of the server on the
//! way.

use crate::backend::Backend;
use crate::event::{Event, ObjectReference, ResponseStatus};
use crate::policy::{Attributes, Level, RequestConfig, Stage};
use bytes::Bytes;
use pintle_object::json;
use pintle_object::time::Time;
use pintle_object::user::User;
use std::borrow::Cow;
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
    state: Mutex<State>,
}

struct State {
    event: Event,
    has_started: bool,
    is_complete: bool,
}

/// What the object of a request says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestMeta<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub uid: &'a str,
    pub resource_version: &'a str,
}

impl Record {
    /// The record of a request, or none when the policy does not want one. The event is made only for those.
    pub fn begin(
        backend: &Arc<Backend>,
        attributes: &Attributes<'_>,
        is_long_running: bool,
        event: impl FnOnce() -> Event,
    ) -> Option<Record> {
        let config = backend.evaluate(attributes);
        if config.level == Level::None {
            return None;
        }
        let mut event = event();
        event.level = config.level;
        event.verb = attributes.verb.into();
        event.object = attributes.is_resource.then(|| ObjectReference {
            resource: attributes.resource.into(),
            namespace: attributes.namespace.into(),
            name: attributes.name.into(),
            group: attributes.group.into(),
            version: attributes.version.into(),
            subresource: attributes.subresource.into(),
            ..ObjectReference::default()
        });
        let state = State { event, has_started: false, is_complete: false };
        Some(Record { backend: backend.clone(), config, is_long_running, state: Mutex::new(state) })
    }

    /// Whether the object of the request is recorded.
    pub fn wants_request(&self) -> bool {
        self.config.level >= Level::Request
    }

    /// Whether the object of the response is recorded.
    pub fn wants_response(&self) -> bool {
        self.config.level >= Level::RequestResponse
    }

    /// Whether objects are recorded without `metadata.managedFields`.
    pub fn omits_managed_fields(&self) -> bool {
        self.config.omit_managed_fields
    }

    /// Adds an annotation; the first value of a key stays.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.state().event.annotate(key, value);
    }

    /// Notes as whom the request acts, and the verb of a constrained impersonation.
    pub fn impersonated(&self, user: Arc<User>, constraint: &str) {
        let event = &mut self.state().event;
        event.impersonated_user = Some(user);
        event.impersonation_constraint = constraint.into();
    }

    /// Completes the reference by what the object says of itself, and notes the object as JSON where it is wanted.
    pub fn request_object(&self, meta: RequestMeta<'_>, object: Option<Bytes>) {
        let event = &mut self.state().event;
        let reference = event.object.get_or_insert_default();
        complete(&mut reference.name, meta.name);
        complete(&mut reference.namespace, meta.namespace);
        complete(&mut reference.uid, meta.uid);
        complete(&mut reference.resource_version, meta.resource_version);
        if self.wants_request() {
            event.request_object = object;
        }
    }

    /// Notes a patch as it came. An event with one that is no JSON cannot be written, as upstream.
    pub fn request_patch(&self, patch: &[u8]) {
        if !self.wants_request() {
            return;
        }
        let event = &mut self.state().event;
        match json::read::check(patch) {
            Ok(_) => event.request_object = Some(json::compact(patch).into()),
            Err(error) => {
                let why = format!("json: error calling MarshalJSON for type *runtime.Unknown: {error}");
                event.undecodable = Some(why);
            }
        }
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

    /// The time since the request came.
    pub fn is_slow(&self) -> bool {
        let received = self.state().event.received;
        received.is_some_and(|received| since(received) > SLOW)
    }

    /// Adds how long parts of the request took, and the whole, where the whole is long enough to be worth it.
    pub fn latencies(&self, parts: &[(&'static str, Duration)]) {
        let event = &mut self.state().event;
        let total = event.received.map(since).unwrap_or_default();
        let mut parts = parts.iter().filter(|(_, part)| !part.is_zero()).peekable();
        if total <= SLOW || parts.peek().is_none() {
            return;
        }
        for (part, latency) in parts {
            event.annotate(format!("apiserver.latency.k8s.io/{part}"), go_text(*latency));
        }
        event.annotate("apiserver.latency.k8s.io/total", go_text(total));
    }

    /// Records the request as it came. False when it must be refused, because that could not be stored.
    pub async fn received(&self) -> bool {
        let is_stored = self.store(Stage::RequestReceived).await;
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
            self.store(Stage::ResponseStarted).await;
        }
    }

    /// Records that no more bytes are sent.
    pub async fn complete(&self) {
        if std::mem::replace(&mut self.state().is_complete, true) {
            return;
        }
        self.store(Stage::ResponseComplete).await;
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
        self.store(Stage::Panic).await;
    }

    async fn store(&self, stage: Stage) -> bool {
        if self.config.omit_stages.contains(stage) {
            return true;
        }
        let lines = {
            let event = &mut self.state().event;
            // The first stage is at the time of the request.
            let received = event.received.filter(|_| stage == Stage::RequestReceived);
            self.backend.prepare(event, stage, received.unwrap_or_else(now))
        };
        self.backend.process(lines).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut state.is_complete, true) {
            return;
        }
        let mut stages = vec![Stage::ResponseComplete];
        if state.event.response_status.is_none() {
            state.event.response_status = Some(ResponseStatus {
                status: "Success",
                message: "Connection closed early".into(),
                code: SUCCESS,
                ..ResponseStatus::default()
            });
            if self.is_long_running {
                stages.insert(0, Stage::ResponseStarted);
            }
        }
        for stage in stages.into_iter().filter(|stage| !self.config.omit_stages.contains(*stage)) {
            let lines = self.backend.prepare(&mut state.event, stage, now());
            self.backend.process_detached(lines);
        }
    }
}

fn complete(field: &mut String, value: &str) {
    if field.is_empty() {
        field.push_str(value);
    }
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
