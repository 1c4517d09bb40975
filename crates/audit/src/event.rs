//! `Event`: what is recorded of one request, and its form in `audit.k8s.io/v1`, with upstream's order of fields.

use crate::fields::{Fields, MICRO_LEN, key};
use crate::policy::{AuditStage, Level};
use crate::source_ips::source_ips;
use bytes::Bytes;
use pintle_object::audit::RequestReference;
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{Details, RequestInfo, Status, json};
use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

/// The longest user agent that is recorded, and the mark of one that is cut.
const USER_AGENT_BYTES_MAX: usize = 1024;
const USER_AGENT_CUT: &str = "...TRUNCATED";

/// The fields that a request gives its events.
#[derive(Clone, Copy)]
pub struct RequestFields<'a> {
    pub info: &'a Arc<RequestInfo>,
    /// None when nobody could be authenticated.
    pub user: Option<&'a User>,
    pub audit_id: &'a str,
    /// Path and query as they came, with their escapes.
    pub uri: &'a str,
    pub user_agent: &'a str,
    /// The headers `X-Forwarded-For` and `X-Real-Ip`; empty when absent.
    pub forwarded_for: &'a str,
    pub real_ip: &'a str,
    /// The client's end of the connection.
    pub peer: IpAddr,
    /// When the request came.
    pub received: Time,
    /// Whether it lasts for as long as its client likes.
    pub is_long_running: bool,
}

/// The least that tests have of a request.
#[cfg(test)]
impl RequestFields<'_> {
    pub fn of(info: &Arc<RequestInfo>, received: Time) -> RequestFields<'_> {
        RequestFields {
            info,
            user: None,
            audit_id: "id",
            uri: "",
            user_agent: "",
            forwarded_for: "",
            real_ip: "",
            peer: IpAddr::from([127, 0, 0, 1]),
            received,
            is_long_running: false,
        }
    }
}

/// The event of a request, which its stages share.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub level: Level,
    pub impersonated_user: Option<Arc<User>>,
    /// The verb of a constrained impersonation.
    pub impersonation_constraint: String,
    pub object: Option<ObjectReference>,
    pub response_status: Option<ResponseStatus>,
    /// JSON; none where the level is lower than `Request`.
    pub request_object: Option<Bytes>,
    /// JSON; none where the level is lower than `RequestResponse`.
    pub response_object: Option<Bytes>,
    /// When the request came.
    pub received: Time,
    pub annotations: Annotations,
    /// The reason why the event cannot be written, in upstream's words.
    pub undecodable: Option<String>,
    unchanging: Unchanging,
}

/// The fields of an event that are the same at each stage, written once as its lines have them.
#[derive(Clone, Debug)]
struct Unchanging {
    bytes: Vec<u8>,
    /// The place of the stage.
    stage: usize,
    /// The place of the fields of an impersonation.
    impersonation: usize,
    /// The place of the object as the path names it.
    object: usize,
    received: [u8; MICRO_LEN],
}

thread_local! {
    /// The room of events that are over, for the next ones of this thread: it is there in the processor's cache.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The number of events whose room each thread keeps.
const SPARE_MAX: usize = 32;

/// The bytes of a time's date and second.
const SECOND_LEN: usize = 19;

/// Keys and values that the parts of the server add to an event, by their keys. There are few of them.
#[derive(Clone, Debug, Default)]
pub struct Annotations(Vec<(Cow<'static, str>, Cow<'static, str>)>);

impl Annotations {
    /// Adds an annotation, unless there is one of its key.
    pub fn add(&mut self, key: Cow<'static, str>, value: Cow<'static, str>) {
        if let Err(place) = self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            self.0.insert(place, (key, value));
        }
    }

    /// Adds what came on the way; of two values of a key the first stays.
    pub fn append(&mut self, came: &mut pintle_object::audit::Annotations) {
        if self.is_empty() {
            self.0 = std::mem::take(came);
            self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
            self.0.dedup_by(|(one, _), (before, _)| one == before);
        }
        came.drain(..).for_each(|(key, value)| self.add(key, value));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The object that a request is about: as its path names it, and where the path is silent, as the object itself does.
#[derive(Clone, Debug)]
pub struct ObjectReference {
    info: Arc<RequestInfo>,
    own: RequestReference,
}

/// The outcome of a request: the status code, and the bounded fields of a Status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResponseStatus {
    /// `Success`, `Failure`, or empty when the response is another object.
    pub status: &'static str,
    pub message: String,
    pub reason: String,
    pub details: Option<Box<Details>>,
    pub code: u16,
}

impl From<&Status> for ResponseStatus {
    fn from(status: &Status) -> ResponseStatus {
        ResponseStatus {
            status: "Failure",
            message: status.message.clone(),
            reason: status.reason.as_str().into(),
            details: status.details.clone(),
            code: status.code,
        }
    }
}

/// A user agent as events show it.
pub fn user_agent(header: &str) -> Cow<'_, str> {
    if header.len() <= USER_AGENT_BYTES_MAX {
        return header.into();
    }
    let starts = header.char_indices().map(|(at, _)| at);
    let end = starts.take_while(|at| *at <= USER_AGENT_BYTES_MAX).last();
    format!("{}{USER_AGENT_CUT}", header.get(..end.unwrap_or_default()).unwrap_or_default()).into()
}

/// The unchanging fields seldom take more.
const UNCHANGING_BYTES: usize = 1024;

/// Types come first where an event stands alone, and not at all in a list.
pub const TYPE: &[u8] = b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",";
const LIST_START: &[u8] =
    b"{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{},\"items\":[";
const LIST_END: &[u8] = b"]}\n";

/// The body of a list of events, of which each is a line that `Event::write` made.
pub fn list<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::from(LIST_START);
    for (index, line) in lines.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'{');
        out.extend_from_slice(line.strip_prefix(TYPE).unwrap_or(line).trim_ascii_end());
    }
    out.extend_from_slice(LIST_END);
    out
}

impl AuditEvent {
    /// The event of a request before anything else is known of it.
    pub fn new(level: Level, request: &RequestFields<'_>) -> AuditEvent {
        let reference = || ObjectReference { info: request.info.clone(), own: RequestReference::default() };
        let object = request.info.is_resource.then(reference);
        AuditEvent {
            level,
            impersonated_user: None,
            impersonation_constraint: String::new(),
            response_status: None,
            request_object: None,
            response_object: None,
            received: request.received,
            annotations: Annotations::default(),
            undecodable: None,
            unchanging: Unchanging::new(level, request, object.as_ref()),
            object,
        }
    }

    /// Appends the event at a stage, as a line.
    pub fn write(&self, stage: AuditStage, stage_time: Time, out: &mut Vec<u8>) {
        let objects = [self.request_object.as_deref(), self.response_object.as_deref()];
        self.write_with(stage, stage_time, objects, out);
    }

    /// The same without the objects of request and response.
    pub fn write_without_objects(&self, stage: AuditStage, stage_time: Time, out: &mut Vec<u8>) {
        self.write_with(stage, stage_time, [None; 2], out);
    }

    fn write_with(&self, stage: AuditStage, time: Time, objects: [Option<&[u8]>; 2], out: &mut Vec<u8>) {
        let same = &self.unchanging;
        let (before, rest) = same.bytes.split_at(same.stage);
        let (before_impersonation, rest) = rest.split_at(same.impersonation - same.stage);
        let (after, object) = rest.split_at(same.object - same.impersonation);
        out.extend_from_slice(before);
        let mut fields = Fields::more(out);
        fields.plain(key!("stage"), stage.as_str());
        fields.out.extend_from_slice(before_impersonation);
        if let Some(user) = &self.impersonated_user {
            fields.map(key!("impersonatedUser"), |fields| write_user(user, fields));
        }
        if !self.impersonation_constraint.is_empty() {
            fields.map(key!("authenticationMetadata"), |fields| {
                fields.text(key!("impersonationConstraint"), &self.impersonation_constraint);
            });
        }
        fields.out.extend_from_slice(after);
        match &self.object {
            Some(object) if object.own != RequestReference::default() => object.write(&mut fields),
            _ => fields.out.extend_from_slice(object),
        }
        if let Some(status) = &self.response_status {
            fields.map(key!("responseStatus"), |fields| status.write(fields));
        }
        let [request_object, response_object] = objects;
        fields.raw(key!("requestObject"), request_object);
        fields.raw(key!("responseObject"), response_object);
        fields.digits(key!("requestReceivedTimestamp"), &same.received);
        fields.digits(key!("stageTimestamp"), &self.stage_digits(time));
        if !self.annotations.0.is_empty() {
            fields.map(key!("annotations"), |fields| {
                for (key, value) in &self.annotations.0 {
                    fields.key(key);
                    json::write_string(fields.out, value);
                }
            });
        }
        fields.out.extend_from_slice(b"}\n");
    }

    /// The time of a stage, which is mostly in the second in which the request came.
    fn stage_digits(&self, time: Time) -> [u8; MICRO_LEN] {
        if time.seconds != self.received.seconds {
            return time.to_micro_digits();
        }
        let mut digits = self.unchanging.received;
        time.write_micros(&mut digits, SECOND_LEN + 1);
        digits
    }
}

impl Unchanging {
    fn new(level: Level, request: &RequestFields<'_>, reference: Option<&ObjectReference>) -> Unchanging {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let mut bytes = spare.unwrap_or_else(|| Vec::with_capacity(UNCHANGING_BYTES));
        bytes.extend_from_slice(TYPE);
        let mut fields = Fields::first(&mut bytes);
        fields.plain(key!("level"), level.as_str());
        fields.text(key!("auditID"), request.audit_id);
        let stage = fields.out.len();
        fields.text(key!("requestURI"), request.uri);
        fields.text(key!("verb"), request.info.verb.as_str());
        fields.map(key!("user"), |fields| request.user.iter().for_each(|user| write_user(user, fields)));
        let impersonation = fields.out.len();
        fields.ips(key!("sourceIPs"), &source_ips(request.forwarded_for, request.real_ip, request.peer));
        fields.given(key!("userAgent"), &user_agent(request.user_agent));
        let object = fields.out.len();
        reference.iter().for_each(|reference| reference.write(&mut fields));
        Unchanging { bytes, stage, impersonation, object, received: request.received.to_micro_digits() }
    }
}

impl Drop for Unchanging {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.shrink_to(UNCHANGING_BYTES);
        // Nothing is kept when the thread ends.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(bytes);
            }
        });
    }
}

fn write_user(user: &User, fields: &mut Fields<'_>) {
    fields.given(key!("username"), &user.name);
    fields.given(key!("uid"), &user.uid);
    fields.texts(key!("groups"), user.groups.iter());
    if !user.extra.is_empty() {
        fields.map(key!("extra"), |fields| {
            for (key, values) in &user.extra {
                fields.key(key);
                fields.list(values.iter());
            }
        });
    }
}

impl ObjectReference {
    /// Takes over what the object says of itself, the first time that it does.
    pub fn complete(&mut self, own: &mut RequestReference) {
        for (field, value) in [
            (&mut self.own.name, &mut own.name),
            (&mut self.own.namespace, &mut own.namespace),
            (&mut self.own.uid, &mut own.uid),
            (&mut self.own.resource_version, &mut own.resource_version),
        ] {
            if field.is_empty() && !value.is_empty() {
                *field = std::mem::take(value);
            }
        }
    }

    fn write(&self, fields: &mut Fields<'_>) {
        let (info, own) = (&self.info, &self.own);
        fields.map(key!("objectRef"), |fields| {
            fields.given(key!("resource"), &info.resource);
            fields.given(
                key!("namespace"),
                if info.namespace.is_empty() { &own.namespace } else { &info.namespace },
            );
            fields.given(key!("name"), if info.name.is_empty() { &own.name } else { &info.name });
            fields.given(key!("uid"), &own.uid);
            fields.given(key!("apiGroup"), &info.group);
            fields.given(key!("apiVersion"), &info.version);
            fields.given(key!("resourceVersion"), &own.resource_version);
            fields.given(key!("subresource"), &info.subresource);
        });
    }
}

impl ResponseStatus {
    fn write(&self, fields: &mut Fields<'_>) {
        fields.map(key!("metadata"), |_| {});
        fields.given(key!("status"), self.status);
        fields.given(key!("message"), &self.message);
        fields.given(key!("reason"), &self.reason);
        if let Some(details) = &self.details {
            fields.map(key!("details"), |fields| write_details(details, fields));
        }
        if self.code > 0 {
            fields.int(key!("code"), i64::from(self.code));
        }
    }
}

fn write_details(details: &Details, fields: &mut Fields<'_>) {
    fields.given(key!("name"), &details.name);
    fields.given(key!("group"), &details.group);
    fields.given(key!("kind"), &details.kind);
    fields.given(key!("uid"), &details.uid);
    if !details.causes.is_empty() {
        fields.name(key!("causes"));
        fields.out.push(b'[');
        for (index, cause) in details.causes.iter().enumerate() {
            if index > 0 {
                fields.out.push(b',');
            }
            fields.braces(|fields| {
                fields.given(key!("reason"), &cause.reason);
                fields.given(key!("message"), &cause.message);
                fields.given(key!("field"), &cause.field);
            });
        }
        fields.out.push(b']');
    }
    if details.retry_after_seconds > 0 {
        fields.int(key!("retryAfterSeconds"), i64::from(details.retry_after_seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::{Cause, Value, Verb};

    const RECEIVED: Time = Time { seconds: 1_700_000_000, nanos: 123_456_789 };
    const LATER: Time = Time { seconds: 1_700_000_001, nanos: 0 };

    fn least() -> AuditEvent {
        AuditEvent::new(Level::None, &RequestFields::of(&Arc::default(), RECEIVED))
    }

    fn line(event: &AuditEvent) -> String {
        let mut out = Vec::new();
        event.write(AuditStage::ResponseComplete, LATER, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn full() -> AuditEvent {
        let user = User {
            name: "alice".into(),
            uid: "u-1".into(),
            groups: vec!["dev".into(), "system:authenticated".into()],
            extra: [("scopes".to_string(), vec!["a".to_string(), "b".to_string()])].into(),
        };
        let details = Details {
            name: "n".into(),
            group: "apps".into(),
            kind: "deployments".into(),
            uid: "1".into(),
            causes: vec![Cause { reason: "R".into(), message: "M".into(), field: "f".into() }],
            retry_after_seconds: 3,
        };
        let info = Arc::new(RequestInfo {
            is_resource: true,
            verb: Verb::Create,
            resource: "deployments".into(),
            namespace: "ns".into(),
            group: "apps".into(),
            version: "v1".into(),
            subresource: "scale".into(),
            ..RequestInfo::default()
        });
        let request = RequestFields {
            user: Some(&user),
            audit_id: "id",
            uri: "/apis/apps/v1/x?a=<b>",
            user_agent: "golden/1.0 \"x\"",
            forwarded_for: "1.2.3.4, ::ffff:5.6.7.8",
            peer: "2001:db8::1".parse().unwrap(),
            ..RequestFields::of(&info, RECEIVED)
        };
        let mut event = AuditEvent {
            impersonated_user: Some(Arc::new(User { name: "carol".into(), ..User::default() })),
            impersonation_constraint: "impersonate:user-info".into(),
            response_status: Some(ResponseStatus {
                status: "Failure",
                message: "no".into(),
                reason: "Invalid".into(),
                details: Some(Box::new(details)),
                code: 422,
            }),
            request_object: Some(Bytes::from_static(b"{\"a\":1}")),
            response_object: Some(Bytes::from_static(b"{\"b\":2}\n")),
            ..AuditEvent::new(Level::RequestResponse, &request)
        };
        for (name, uid) in [("n", "2"), ("other", "3")] {
            let mut own = RequestReference {
                name: name.into(),
                namespace: "not the one of the path".into(),
                uid: uid.into(),
                resource_version: "7".into(),
            };
            event.object.as_mut().unwrap().complete(&mut own);
        }
        let came = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(key, value)| (Cow::from(*key), Cow::from(*value))).collect::<Vec<_>>()
        };
        event.annotations.append(&mut came(&[("b", "2"), ("b", "3")]));
        event.annotations.append(&mut came(&[("a", "1"), ("b", "4")]));
        event
    }

    #[test]
    fn events_have_upstreams_fields_in_upstreams_order() {
        let expected = concat!(
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"id","#,
            r#""stage":"ResponseComplete","requestURI":"/apis/apps/v1/x?a=\u003cb\u003e","verb":"create","#,
            r#""user":{"username":"alice","uid":"u-1","groups":["dev","system:authenticated"],"#,
            r#""extra":{"scopes":["a","b"]}},"impersonatedUser":{"username":"carol"},"#,
            r#""authenticationMetadata":{"impersonationConstraint":"impersonate:user-info"},"#,
            r#""sourceIPs":["1.2.3.4","5.6.7.8","2001:db8::1"],"userAgent":"golden/1.0 \"x\"","#,
            r#""objectRef":{"resource":"deployments","namespace":"ns","name":"n","uid":"2","apiGroup":"apps","#,
            r#""apiVersion":"v1","resourceVersion":"7","subresource":"scale"},"#,
            r#""responseStatus":{"metadata":{},"status":"Failure","message":"no","reason":"Invalid","#,
            r#""details":{"name":"n","group":"apps","kind":"deployments","uid":"1","causes":[{"reason":"R","#,
            r#""message":"M","field":"f"}],"retryAfterSeconds":3},"code":422},"#,
            r#""requestObject":{"a":1},"responseObject":{"b":2},"#,
            r#""requestReceivedTimestamp":"2023-11-14T22:13:20.123456Z","#,
            r#""stageTimestamp":"2023-11-14T22:13:21.000000Z","annotations":{"a":"1","b":"2"}}"#,
            "\n"
        );
        assert_eq!(line(&full()), expected);
    }

    #[test]
    fn what_there_is_not_is_left_out() {
        let expected = concat!(
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"None","auditID":"id","#,
            r#""stage":"ResponseComplete","requestURI":"","verb":"","user":{},"sourceIPs":["127.0.0.1"],"#,
            r#""requestReceivedTimestamp":"2023-11-14T22:13:20.123456Z","#,
            r#""stageTimestamp":"2023-11-14T22:13:21.000000Z"}"#,
            "\n"
        );
        assert_eq!(line(&least()), expected);
    }

    #[test]
    fn lists_hold_events_without_their_type() {
        let lines = [line(&full()), line(&least())];
        let list = list(lines.iter().map(String::as_bytes));
        let value = json::parse(&list).unwrap();
        assert_eq!(
            (value.str_at(&["kind"]), value.str_at(&["apiVersion"])),
            ("EventList", "audit.k8s.io/v1")
        );
        let items = value.list_at(&["items"]);
        assert_eq!(items.len(), 2);
        assert!(items.iter().all(|item| item.get("kind").is_none() && item.get("level").is_some()));
        assert_eq!(items.first().and_then(|item| item.get("auditID")), Some(&Value::text("id")));
    }

    #[test]
    fn stages_in_the_second_of_the_request_have_their_own_time() {
        let mut out = Vec::new();
        least().write(AuditStage::Panic, Time { nanos: 7_000, ..RECEIVED }, &mut out);
        let line = json::parse(&out).unwrap();
        assert_eq!(line.str_at(&["requestReceivedTimestamp"]), "2023-11-14T22:13:20.123456Z");
        assert_eq!(line.str_at(&["stageTimestamp"]), "2023-11-14T22:13:20.000007Z");
    }

    #[test]
    fn long_user_agents_are_cut() {
        assert_eq!(user_agent("short"), "short");
        assert_eq!(user_agent(&"a".repeat(1024)).len(), 1024);
        assert_eq!(user_agent(&"a".repeat(1025)), format!("{}...TRUNCATED", "a".repeat(1024)));
        assert_eq!(user_agent(&"é".repeat(600)), format!("{}...TRUNCATED", "é".repeat(512)));
    }
}
