//! `Event`: what is recorded of one request, and its form in `audit.k8s.io/v1`, with upstream's order of fields.

use crate::policy::{AuditStage, Level};
use bytes::Bytes;
use pintle_object::time::Time;
use pintle_object::user::User;
use pintle_object::{Details, Status, Text, json};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The longest user agent that is recorded, and the mark of one that is cut.
const USER_AGENT_BYTES_MAX: usize = 1024;
const USER_AGENT_CUT: &str = "...TRUNCATED";

/// The event of a request, which its stages share.
#[derive(Clone, Debug, Default)]
pub struct AuditEvent {
    pub level: Level,
    pub audit_id: String,
    pub request_uri: String,
    pub verb: Text,
    /// None when nobody could be authenticated.
    pub user: Option<Arc<User>>,
    pub impersonated_user: Option<Arc<User>>,
    /// The verb of a constrained impersonation.
    pub impersonation_constraint: String,
    pub source_ips: Vec<IpAddr>,
    pub user_agent: String,
    pub object: Option<ObjectReference>,
    pub response_status: Option<ResponseStatus>,
    /// JSON; none where the level is lower than `Request`.
    pub request_object: Option<Bytes>,
    /// JSON; none where the level is lower than `RequestResponse`.
    pub response_object: Option<Bytes>,
    /// The time at which the request arrived.
    pub received: Option<Time>,
    pub annotations: Annotations,
    /// The reason why the event cannot be encoded, in upstream's words.
    pub undecodable: Option<String>,
    /// Written once.
    pub unchanging: OnceCell<Unchanging>,
}

/// The fields of an event that are the same at each stage, as its lines have them.
#[derive(Clone, Debug)]
pub struct Unchanging {
    fields: Vec<u8>,
    /// The place of the fields of an impersonation.
    impersonation: usize,
}

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

/// The object that a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectReference {
    pub resource: Text,
    pub namespace: Text,
    pub name: Text,
    pub uid: Text,
    pub group: Text,
    pub version: Text,
    pub resource_version: Text,
    pub subresource: Text,
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
pub fn user_agent(header: &str) -> String {
    if header.len() <= USER_AGENT_BYTES_MAX {
        return header.into();
    }
    let starts = header.char_indices().map(|(at, _)| at);
    let end = starts.take_while(|at| *at <= USER_AGENT_BYTES_MAX).last();
    format!("{}{USER_AGENT_CUT}", header.get(..end.unwrap_or_default()).unwrap_or_default())
}

/// The usual size of the fields that are the same at each stage.
const UNCHANGING_BYTES: usize = 512;

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
    /// Appends the event at a stage, as a line.
    pub fn write(&self, stage: AuditStage, stage_time: Time, out: &mut Vec<u8>) {
        let same = self.unchanging.get_or_init(|| self.unchanging());
        let (before, after) = same.fields.split_at(same.impersonation);
        out.extend_from_slice(TYPE);
        let mut fields = Fields { out, is_first: true };
        fields.text("level", self.level.as_str());
        fields.text("auditID", &self.audit_id);
        fields.text("stage", stage.as_str());
        fields.out.extend_from_slice(before);
        if let Some(user) = &self.impersonated_user {
            fields.map("impersonatedUser", |fields| write_user(user, fields));
        }
        if !self.impersonation_constraint.is_empty() {
            fields.map("authenticationMetadata", |fields| {
                fields.text("impersonationConstraint", &self.impersonation_constraint);
            });
        }
        fields.out.extend_from_slice(after);
        if let Some(object) = &self.object {
            fields.map("objectRef", |fields| object.write(fields));
        }
        if let Some(status) = &self.response_status {
            fields.map("responseStatus", |fields| status.write(fields));
        }
        fields.raw("requestObject", self.request_object.as_deref());
        fields.raw("responseObject", self.response_object.as_deref());
        fields.time("requestReceivedTimestamp", self.received);
        fields.time("stageTimestamp", Some(stage_time));
        if !self.annotations.0.is_empty() {
            fields.map("annotations", |fields| {
                for (key, value) in &self.annotations.0 {
                    fields.key(key);
                    json::write_string(fields.out, value);
                }
            });
        }
        fields.out.extend_from_slice(b"}\n");
    }
}

impl AuditEvent {
    fn unchanging(&self) -> Unchanging {
        let mut bytes = Vec::with_capacity(UNCHANGING_BYTES);
        let mut fields = Fields { out: &mut bytes, is_first: false };
        fields.text("requestURI", &self.request_uri);
        fields.text("verb", &self.verb);
        fields.map("user", |fields| self.user.iter().for_each(|user| write_user(user, fields)));
        let impersonation = fields.out.len();
        fields.ips("sourceIPs", &self.source_ips);
        fields.given("userAgent", &self.user_agent);
        Unchanging { fields: bytes, impersonation }
    }
}

fn write_user(user: &User, fields: &mut Fields<'_>) {
    fields.given("username", &user.name);
    fields.given("uid", &user.uid);
    fields.texts("groups", user.groups.iter());
    if !user.extra.is_empty() {
        fields.map("extra", |fields| {
            for (key, values) in &user.extra {
                fields.key(key);
                fields.list(values.iter());
            }
        });
    }
}

impl ObjectReference {
    fn write(&self, fields: &mut Fields<'_>) {
        fields.given("resource", &self.resource);
        fields.given("namespace", &self.namespace);
        fields.given("name", &self.name);
        fields.given("uid", &self.uid);
        fields.given("apiGroup", &self.group);
        fields.given("apiVersion", &self.version);
        fields.given("resourceVersion", &self.resource_version);
        fields.given("subresource", &self.subresource);
    }
}

impl ResponseStatus {
    fn write(&self, fields: &mut Fields<'_>) {
        fields.map("metadata", |_| {});
        fields.given("status", self.status);
        fields.given("message", &self.message);
        fields.given("reason", &self.reason);
        if let Some(details) = &self.details {
            fields.map("details", |fields| write_details(details, fields));
        }
        if self.code > 0 {
            fields.int("code", i64::from(self.code));
        }
    }
}

fn write_details(details: &Details, fields: &mut Fields<'_>) {
    fields.given("name", &details.name);
    fields.given("group", &details.group);
    fields.given("kind", &details.kind);
    fields.given("uid", &details.uid);
    if !details.causes.is_empty() {
        fields.name("causes");
        fields.out.push(b'[');
        for (index, cause) in details.causes.iter().enumerate() {
            if index > 0 {
                fields.out.push(b',');
            }
            fields.braces(|fields| {
                fields.given("reason", &cause.reason);
                fields.given("message", &cause.message);
                fields.given("field", &cause.field);
            });
        }
        fields.out.push(b']');
    }
    if details.retry_after_seconds > 0 {
        fields.int("retryAfterSeconds", i64::from(details.retry_after_seconds));
    }
}

fn write_ip_v4(ip: Ipv4Addr, out: &mut Vec<u8>) {
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        json::write_int(out, octet.into());
    }
}

/// Writes the fields of a JSON object one after the other.
struct Fields<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Fields<'_> {
    /// The name of a field; none has anything to escape.
    fn name(&mut self, name: &'static str) {
        self.out.extend_from_slice(if std::mem::take(&mut self.is_first) { b"\"" } else { b",\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A key that others chose.
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        json::write_string(self.out, key);
        self.out.push(b':');
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        json::write_string(self.out, text);
    }

    /// A text that is left out when it is empty.
    fn given(&mut self, name: &'static str, text: &str) {
        if !text.is_empty() {
            self.text(name, text);
        }
    }

    fn int(&mut self, name: &'static str, int: i64) {
        self.name(name);
        json::write_int(self.out, int);
    }

    /// A list that is left out when it is empty.
    fn texts<T: AsRef<str>>(&mut self, name: &'static str, texts: impl ExactSizeIterator<Item = T>) {
        if texts.len() > 0 {
            self.name(name);
            self.list(texts);
        }
    }

    fn list<T: AsRef<str>>(&mut self, texts: impl Iterator<Item = T>) {
        self.out.push(b'[');
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            json::write_string(self.out, text.as_ref());
        }
        self.out.push(b']');
    }

    /// Addresses, as the family that they are of.
    fn ips(&mut self, name: &'static str, ips: &[IpAddr]) {
        if ips.is_empty() {
            return;
        }
        self.name(name);
        for (index, ip) in ips.iter().enumerate() {
            self.out.extend_from_slice(if index > 0 { b",\"" } else { b"[\"" });
            match ip.to_canonical() {
                IpAddr::V4(ip) => write_ip_v4(ip, self.out),
                // Writing to a vector does not fail.
                IpAddr::V6(ip) => drop(write!(self.out, "{ip}")),
            }
            self.out.push(b'"');
        }
        self.out.push(b']');
    }

    fn raw(&mut self, name: &'static str, document: Option<&[u8]>) {
        if let Some(document) = document {
            self.name(name);
            self.out.extend_from_slice(document.trim_ascii_end());
        }
    }

    /// Upstream's MicroTime; null when there is none.
    fn time(&mut self, name: &'static str, time: Option<Time>) {
        match time {
            Some(time) => {
                self.name(name);
                self.out.push(b'"');
                self.out.extend_from_slice(&time.to_micro_digits());
                self.out.push(b'"');
            }
            None => {
                self.name(name);
                self.out.extend_from_slice(b"null");
            }
        }
    }

    fn map(&mut self, name: &'static str, write: impl FnOnce(&mut Fields<'_>)) {
        self.name(name);
        self.braces(write);
    }

    fn braces(&mut self, write: impl FnOnce(&mut Fields<'_>)) {
        self.out.push(b'{');
        write(&mut Fields { out: self.out, is_first: true });
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pintle_object::{Cause, Value};

    const RECEIVED: Time = Time { seconds: 1_700_000_000, nanos: 123_456_789 };
    const LATER: Time = Time { seconds: 1_700_000_001, nanos: 0 };

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
        let mut event = AuditEvent {
            level: Level::RequestResponse,
            audit_id: "id".into(),
            request_uri: "/apis/apps/v1/x?a=<b>".into(),
            verb: "create".into(),
            user: Some(Arc::new(user)),
            impersonated_user: Some(Arc::new(User { name: "carol".into(), ..User::default() })),
            impersonation_constraint: "impersonate:user-info".into(),
            source_ips: vec![
                "1.2.3.4".parse().unwrap(),
                "::ffff:5.6.7.8".parse().unwrap(),
                "2001:db8::1".parse().unwrap(),
            ],
            user_agent: "golden/1.0 \"x\"".into(),
            object: Some(ObjectReference {
                resource: "deployments".into(),
                namespace: "ns".into(),
                name: "n".into(),
                uid: "2".into(),
                group: "apps".into(),
                version: "v1".into(),
                resource_version: "7".into(),
                subresource: "scale".into(),
            }),
            response_status: Some(ResponseStatus {
                status: "Failure",
                message: "no".into(),
                reason: "Invalid".into(),
                details: Some(Box::new(details)),
                code: 422,
            }),
            request_object: Some(Bytes::from_static(b"{\"a\":1}")),
            response_object: Some(Bytes::from_static(b"{\"b\":2}\n")),
            received: Some(RECEIVED),
            ..AuditEvent::default()
        };
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
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"None","auditID":"","#,
            r#""stage":"ResponseComplete","requestURI":"","verb":"","user":{},"#,
            r#""requestReceivedTimestamp":null,"stageTimestamp":"2023-11-14T22:13:21.000000Z"}"#,
            "\n"
        );
        assert_eq!(line(&AuditEvent::default()), expected);
    }

    #[test]
    fn lists_hold_events_without_their_type() {
        let lines = [line(&full()), line(&AuditEvent::default())];
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
    fn long_user_agents_are_cut() {
        assert_eq!(user_agent("short"), "short");
        assert_eq!(user_agent(&"a".repeat(1024)).len(), 1024);
        assert_eq!(user_agent(&"a".repeat(1025)), format!("{}...TRUNCATED", "a".repeat(1024)));
        assert_eq!(user_agent(&"é".repeat(600)), format!("{}...TRUNCATED", "é".repeat(512)));
    }
}
