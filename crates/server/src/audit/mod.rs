//! The audit stage: records of `pintle-audit` for the requests that pass through the pipeline.

mod response;

#[cfg(test)]
mod tests;

use crate::guard::Waiting;
use crate::request::{Request, X_FORWARDED_FOR, X_REAL_IP, is_long_running};
use crate::response::{Body, Response};
use crate::stages::{Audit, AuditRecord, End, NotStored, Recording};
use bytes::Bytes;
use pintle_access::User;
use pintle_audit::{Backend, Record, RequestFields};
use pintle_object::audit::{AuditContext, Latency};
use pintle_schema::Builtin;
use response::{ResponseFormat, is_negotiated, recorded, status_of};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

/// The size up to which lists are recorded; longer ones are recorded without their content.
const LIST_BYTES_MAX: usize = 64 << 20;
/// The annotation of an event that lost its bodies, as upstream's.
const TRUNCATED: &str = "audit.k8s.io/truncated";

/// Audits requests by a policy.
pub struct Auditor {
    backend: Arc<Backend>,
    api: Arc<Builtin>,
}

impl Auditor {
    pub fn new(backend: Arc<Backend>, api: Arc<Builtin>) -> Auditor {
        Auditor { backend, api }
    }

    /// The record of a request of this user; none when the policy wants none.
    fn record(&self, request: &Request, user: Option<&Arc<User>>, is_long_running: bool) -> Option<Record> {
        let fields = RequestFields {
            info: &request.info,
            user: user.map(AsRef::as_ref),
            audit_id: &request.audit_id,
            uri: &request.uri,
            user_agent: &request.user_agent(),
            forwarded_for: &request.header(X_FORWARDED_FOR),
            real_ip: &request.header(X_REAL_IP),
            peer: request.peer.ip(),
            received: request.received,
            is_long_running,
        };
        Record::begin(&self.backend, &fields, &request.audit)
    }

    fn wrap(&self, record: Record, context: &Arc<AuditContext>) -> Recorded {
        let (api, context) = (self.api.clone(), context.clone());
        Recorded { record, api, context, answer: Mutex::default() }
    }
}

impl Audit for Auditor {
    fn begin(&self, request: &Request) -> Option<Arc<dyn AuditRecord>> {
        let is_long_running = is_long_running(&request.info);
        let record = self.record(request, Some(&request.user), is_long_running)?;
        Some(Arc::new(self.wrap(record, &request.audit)))
    }

    fn flush(&self) {
        self.backend.flush();
    }

    fn poll_stored(&self, count: u64, context: &mut Context<'_>) -> Poll<()> {
        self.backend.poll_stored(count, context)
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(self.backend.shut_down())
    }

    fn failed<'a>(&'a self, request: &'a Request, response: &'a mut Response) -> Waiting<'a, ()> {
        Box::pin(async move {
            // As upstream, which records only that such requests were answered.
            let Some(record) = self.record(request, None, true) else { return };
            let recorded = self.wrap(record, &request.audit);
            recorded.answered(request, response);
            // No request fails for it.
            let _ = recorded.started().stored().await;
            recorded.record.abandon();
            response.carried.left = recorded.record.left();
        })
    }
}

/// The record of one request on its way through the pipeline.
struct Recorded {
    record: Record,
    api: Arc<Builtin>,
    context: Arc<AuditContext>,
    answer: Mutex<AuditedAnswer>,
}

/// The facts about the answer that are recorded.
#[derive(Default)]
struct AuditedAnswer {
    code: u16,
    list: Option<Arc<Mutex<AuditedList>>>,
    /// When it began to be sent, where it is not there whole.
    began: Option<Instant>,
}

/// A list, as far as it was sent.
struct AuditedList {
    format: ResponseFormat,
    bytes: Vec<u8>,
    is_done: bool,
    is_too_long: bool,
}

impl AuditedList {
    fn take(&mut self, piece: &[u8], is_last: bool) {
        self.is_done |= is_last;
        self.is_too_long |= self.bytes.len() + piece.len() > LIST_BYTES_MAX;
        if self.is_too_long {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }
}

impl Recorded {
    /// Notes an object that the answer is, if it is one that upstream records.
    fn note(&self, request: &Request, response: &mut Response) {
        // Objects that are read are no Status, unless the read failed.
        if !self.record.wants_response() && request.info.verb.is_read() && response.status < 400 {
            return;
        }
        let Some(format) = is_negotiated(request, response) else { return };
        let body = match &mut response.body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::Chunks(chunks) if self.record.wants_response() => Bytes::from(chunks.concat()),
            Body::List(list) if self.record.wants_response() => {
                let (bytes, is_done, is_too_long) = (Vec::new(), false, false);
                let collected = Arc::new(Mutex::new(AuditedList { format, bytes, is_done, is_too_long }));
                lock(&self.answer).list = Some(collected.clone());
                list.tap(Box::new(move |piece, is_last| lock(&collected).take(piece, is_last)));
                return;
            }
            Body::Chunks(_) | Body::List(_) | Body::Stream(_) | Body::Passed(_) | Body::Upgrade(_) => return,
        };
        let status = status_of(&self.api, format, &body);
        if status.is_none() && !request.info.is_resource && !is_discovery(request.path()) {
            return;
        }
        let object = self
            .record
            .wants_response()
            .then(|| recorded(&self.api, format, body, self.record.omits_managed_fields()));
        self.record.response_object(status, object.flatten());
    }

    /// Notes the list that was sent, when all of it was.
    fn note_list(&self) {
        let Some(list) = lock(&self.answer).list.take() else { return };
        let mut list = lock(&list);
        if list.is_too_long {
            self.context.annotate(TRUNCATED, "true");
        } else if list.is_done {
            let bytes = Bytes::from(std::mem::take(&mut list.bytes));
            let object = recorded(&self.api, list.format, bytes, self.record.omits_managed_fields());
            self.record.response_object(None, object);
        }
    }
}

/// Whether a path is one of discovery's documents, which are objects.
fn is_discovery(path: &str) -> bool {
    matches!(path, "/api" | "/apis") || path.starts_with("/api/") || path.starts_with("/apis/")
}

impl AuditRecord for Recorded {
    fn impersonated(&self, user: &Arc<User>, constraint: &str) {
        self.record.impersonated(user.clone(), constraint);
    }

    fn answered(&self, request: &Request, response: &mut Response) {
        self.note(request, response);
        let mut answer = lock(&self.answer);
        answer.code = response.status;
        answer.began =
            (!response.is_whole() && !matches!(response.body, Body::Upgrade(_))).then(Instant::now);
        drop(answer);
        self.record.response_code(response.status);
    }

    fn received(&self) -> Recording<'_> {
        if self.record.leave_received() {
            return Recording::Left;
        }
        let received = async move { if self.record.received().await { Ok(()) } else { Err(NotStored) } };
        Recording::Awaited(Box::pin(received))
    }

    fn left(&self) -> u64 {
        self.record.left()
    }

    fn started(&self) -> Recording<'_> {
        let code = lock(&self.answer).code;
        if self.record.leave_started(code) {
            return Recording::Left;
        }
        Recording::Awaited(Box::pin(async move {
            self.record.started(code).await;
            Ok(())
        }))
    }

    fn end(self: Arc<Self>, end: End) -> Recording<'static> {
        let why = match end {
            End::Complete => None,
            End::Panic(why) => Some(why),
        };
        if why.is_none() {
            self.note_list();
            if let Some(began) = lock(&self.answer).began {
                self.context.add_latency(Latency::ResponseWrite, began.elapsed());
            }
            if self.record.leave_complete() {
                return Recording::Left;
            }
        }
        Recording::Awaited(Box::pin(async move {
            match why {
                None => self.record.complete().await,
                Some(why) => self.record.panicked(&why).await,
            }
            Ok(())
        }))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
