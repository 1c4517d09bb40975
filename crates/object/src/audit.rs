//! `AuditContext`: the facts that the stages of one request collect for its audit event, from authentication through
//! admission to the answer. (Upstream: `k8s.io/apiserver/pkg/audit`, `AuditContext`.)

use crate::json;
use crate::value::{Text, Value};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The amount of a request that its event records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// The user, the request, its time and its outcome.
    Metadata,
    /// Also the object of the request.
    Request,
    /// Also the object of the response.
    RequestResponse,
}

impl Level {
    /// All of them, in their order.
    pub const ALL: [Level; 4] = [Level::None, Level::Metadata, Level::Request, Level::RequestResponse];

    /// The name in policies and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::None => "None",
            Level::Metadata => "Metadata",
            Level::Request => "Request",
            Level::RequestResponse => "RequestResponse",
        }
    }
}

/// A part of the server whose time in slow requests is annotated. (`k8s.io/apiserver/pkg/endpoints/request`,
/// `LatencyTrackers`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    ApfQueueWait,
    Authentication,
    Authorization,
    /// The store's, of either kind.
    Etcd,
    Impersonation,
    MutatingWebhook,
    /// The time to send an answer that is made while it is sent.
    ResponseWrite,
    SerializeResponseObject,
    TransformResponseObject,
    ValidatingWebhook,
}

impl Latency {
    /// All of them, in the order of their names.
    pub const ALL: [Latency; 10] = [
        Latency::ApfQueueWait,
        Latency::Authentication,
        Latency::Authorization,
        Latency::Etcd,
        Latency::Impersonation,
        Latency::MutatingWebhook,
        Latency::ResponseWrite,
        Latency::SerializeResponseObject,
        Latency::TransformResponseObject,
        Latency::ValidatingWebhook,
    ];

    /// The key of the annotation.
    pub fn key(self) -> &'static str {
        match self {
            Latency::ApfQueueWait => "apiserver.latency.k8s.io/apf-queue-wait",
            Latency::Authentication => "apiserver.latency.k8s.io/authentication",
            Latency::Authorization => "apiserver.latency.k8s.io/authorization",
            Latency::Etcd => "apiserver.latency.k8s.io/etcd",
            Latency::Impersonation => "apiserver.latency.k8s.io/impersonation",
            Latency::MutatingWebhook => "apiserver.latency.k8s.io/mutating-webhook",
            Latency::ResponseWrite => "apiserver.latency.k8s.io/response-write",
            Latency::SerializeResponseObject => "apiserver.latency.k8s.io/serialize-response-object",
            Latency::TransformResponseObject => "apiserver.latency.k8s.io/transform-response-object",
            Latency::ValidatingWebhook => "apiserver.latency.k8s.io/validating-webhook",
        }
    }
}

/// The keys and values of an event's annotations.
pub type Annotations = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// The collector of one request. Nothing is kept at level `None`, so that servers without an audit pay for a load and a
/// comparison.
#[derive(Debug, Default)]
pub struct AuditContext {
    level: AtomicU8,
    omits_managed_fields: AtomicBool,
    /// In nanoseconds, by `Latency`. Outside of the lock, since every stage of a request adds to them.
    latencies: [AtomicU64; Latency::ALL.len()],
    kept: Mutex<Kept>,
}

/// The parts of a request that are kept for an event.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// In the order in which they came.
    pub annotations: Annotations,
    pub reference: RequestReference,
    /// The request's object as JSON.
    pub request_object: Option<Vec<u8>>,
    /// The reason why the event cannot be encoded, in upstream's words.
    pub undecodable: Option<String>,
    /// Annotations of the last event alone.
    pub last_annotations: Annotations,
}

/// The kind and names that the object of a request gives itself, where its path does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestReference {
    pub namespace: Text,
    pub name: Text,
    pub uid: Text,
    pub resource_version: Text,
}

impl AuditContext {
    /// A collector at a level.
    pub fn new(level: Level) -> AuditContext {
        AuditContext { level: AtomicU8::new(level as u8), ..AuditContext::default() }
    }

    /// Sets the level of later facts.
    pub fn set_level(&self, level: Level, omits_managed_fields: bool) {
        self.level.store(level as u8, Ordering::Relaxed);
        self.omits_managed_fields.store(omits_managed_fields, Ordering::Relaxed);
    }

    pub fn level(&self) -> Level {
        let level = self.level.load(Ordering::Relaxed);
        Level::ALL.into_iter().find(|known| *known as u8 == level).unwrap_or_default()
    }

    /// Whether objects are recorded without their managed fields.
    pub fn omits_managed_fields(&self) -> bool {
        self.omits_managed_fields.load(Ordering::Relaxed)
    }

    /// Whether as much as a level has is kept.
    pub fn is_at_least(&self, level: Level) -> bool {
        self.level.load(Ordering::Relaxed) >= level as u8
    }

    /// Adds an annotation of the event. The first value of a key stays; false when there is another already.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> bool {
        !self.is_at_least(Level::Metadata) || self.lock().annotate(key.into(), value.into())
    }

    /// The same for a value that costs something to make.
    pub fn annotate_with(&self, key: impl Into<Cow<'static, str>>, value: impl FnOnce() -> String) -> bool {
        !self.is_at_least(Level::Metadata) || self.lock().annotate(key.into(), value().into())
    }

    /// Adds an annotation of the last event of the request alone.
    pub fn annotate_last(&self, key: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) {
        if self.is_at_least(Level::Metadata) {
            self.lock().last_annotations.push((key.into(), value.into()));
        }
    }

    /// Keeps kind and names of the object of a create or update, and the whole of it as JSON, with its defaults, if the
    /// event records it.
    pub fn set_request(&self, object: &Value, json: impl FnOnce() -> Vec<u8>) {
        if !self.is_at_least(Level::Metadata) {
            return;
        }
        let text = |field: &str| Text::from(object.str_at(&["metadata", field]));
        let reference = RequestReference {
            namespace: text("namespace"),
            name: text("name"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
        };
        self.lock().reference = reference;
        self.set_request_object(json);
    }

    /// Keeps the object of a request that says nothing of itself: the options of a delete.
    pub fn set_request_object(&self, json: impl FnOnce() -> Vec<u8>) {
        if self.is_at_least(Level::Request) {
            let json = json();
            self.lock().request_object = Some(json);
        }
    }

    /// Keeps a patch as it came. As upstream, an event with one that is no JSON cannot be written.
    pub fn set_request_patch(&self, patch: &[u8]) {
        if !self.is_at_least(Level::Request) {
            return;
        }
        match json::read::check(patch) {
            Ok(_) => self.set_request_object(|| json::compact(patch).into_bytes()),
            Err(error) => {
                let why = format!("json: error calling MarshalJSON for type *runtime.Unknown: {error}");
                self.lock().undecodable = Some(why);
            }
        }
    }

    /// Adds to the time that a part of the server took.
    pub fn add_latency(&self, of: Latency, latency: Duration) {
        if !self.is_at_least(Level::Metadata) {
            return;
        }
        if let Some(sum) = self.latencies.get(of as usize) {
            sum.fetch_add(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The latencies of the parts that took any time, in the order of their names.
    pub fn latencies(&self) -> impl Iterator<Item = (Latency, Duration)> {
        let nanos = self.latencies.iter().map(|sum| sum.load(Ordering::Relaxed));
        Latency::ALL.into_iter().zip(nanos.map(Duration::from_nanos)).filter(|(_, sum)| !sum.is_zero())
    }

    /// Calls `look` with the collected facts.
    pub fn visit<R>(&self, look: impl FnOnce(&mut Kept) -> R) -> R {
        look(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn annotate(&mut self, key: Cow<'static, str>, value: Cow<'static, str>) -> bool {
        if let Some((_, known)) = self.annotations.iter().find(|(known, _)| *known == key) {
            return *known == value;
        }
        self.annotations.push((key, value));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_level_asks_for_is_kept() {
        let context = AuditContext::default();
        let annotations = |context: &AuditContext| context.visit(|kept| kept.annotations.clone());
        let object = |context: &AuditContext| context.visit(|kept| kept.request_object.clone());
        assert_eq!(context.level(), Level::None);
        assert!(context.annotate("a", "1") && context.annotate_with("a", || panic!("nobody asked")));
        context.set_request_object(|| panic!("nobody asked"));
        context.add_latency(Latency::Etcd, Duration::from_secs(1));
        assert!(annotations(&context).is_empty() && object(&context).is_none());
        assert_eq!(context.latencies().count(), 0);
        context.set_level(Level::Metadata, false);
        assert_eq!(context.level(), Level::Metadata);
        let draft = json::parse(br#"{"metadata":{"name":"n","uid":"u"}}"#).unwrap();
        context.set_request(&draft, || panic!("nobody asked"));
        assert_eq!(
            context.visit(|kept| (kept.reference.name.clone(), kept.reference.uid.clone())),
            ("n".into(), "u".into())
        );
        context.set_request_patch(b"nonsense");
        assert!(context.visit(|kept| kept.undecodable.is_none()));
        assert!(context.annotate("b", "1") && context.annotate_with("a", || String::from("2")));
        assert!(context.annotate("b", "1"), "the same once more");
        assert!(!context.annotate("b", "3"), "the first value stays");
        assert_eq!(annotations(&context), [("b".into(), "1".into()), ("a".into(), "2".into())]);
        context.set_level(Level::RequestResponse, true);
        assert!(context.omits_managed_fields());
        context.set_request(&draft, || b"{}".to_vec());
        assert_eq!(object(&context).as_deref(), Some(b"{}".as_slice()));
    }

    #[test]
    fn patches_are_kept_compact_and_others_than_json_cost_the_event() {
        let context = AuditContext::new(Level::Request);
        context.set_request_patch(b"{\"a\": \"<b>\"}\n");
        assert_eq!(
            context.visit(|kept| kept.request_object.clone()).as_deref(),
            Some(br#"{"a":"\u003cb\u003e"}"#.as_slice())
        );
        context.set_request_patch(b"a: b");
        let why = context.visit(|kept| kept.undecodable.clone()).unwrap();
        assert!(
            why.starts_with("json: error calling MarshalJSON for type *runtime.Unknown: invalid character"),
            "{why}"
        );
    }

    #[test]
    fn latencies_of_a_part_add_up() {
        let context = AuditContext::new(Level::Metadata);
        let seconds = Duration::from_secs;
        context.add_latency(Latency::Etcd, seconds(1));
        context.add_latency(Latency::Etcd, seconds(2));
        context.add_latency(Latency::Authentication, seconds(1));
        let told: Vec<(Latency, Duration)> = context.latencies().collect();
        assert_eq!(told, [(Latency::Authentication, seconds(1)), (Latency::Etcd, seconds(3))]);
    }

    #[test]
    fn latencies_stand_in_the_order_of_their_names() {
        assert!(Latency::ALL.is_sorted_by_key(|of| of.key()));
        assert!(Latency::ALL.iter().enumerate().all(|(place, of)| *of as usize == place));
    }
}
