//! The line that stands for an event in the legacy format of logs, and in the words for an event that was lost.

use crate::event::AuditEvent;
use crate::policy::AuditStage;
use pintle_object::field::quote;
use pintle_object::time::Time;
use pintle_object::{Value, json};

/// The fields that the line shows.
struct LegacyText<'a> {
    received: String,
    audit_id: &'a str,
    stage: &'a str,
    ip: &'a str,
    verb: &'a str,
    user: &'a str,
    groups: Vec<&'a str>,
    /// Name and groups of the impersonated user.
    acted_as: Option<(&'a str, Option<Vec<&'a str>>)>,
    user_agent: &'a str,
    namespace: &'a str,
    uri: &'a str,
    code: Option<i64>,
}

/// The line of an event at a stage, without its end.
pub fn line(event: &AuditEvent, stage: AuditStage) -> String {
    let mut json = Vec::new();
    event.write_without_objects(stage, event.received, &mut json);
    line_of(&json, Some(event.received))
}

/// The line of an event that is there as JSON only, which has microseconds.
pub fn line_of_json(event: &[u8]) -> String {
    line_of(event, None)
}

fn line_of(event: &[u8], received: Option<Time>) -> String {
    let event = json::parse(event).unwrap_or(Value::Null);
    let groups = |user: &str| {
        let groups = event.list_at(&[user, "groups"]);
        groups.iter().filter_map(Value::as_str).collect::<Vec<&str>>()
    };
    let acted_as = event.get("impersonatedUser").map(|user| {
        let groups = groups("impersonatedUser");
        (user.str_at(&["username"]), Some(groups).filter(|groups| !groups.is_empty()))
    });
    let received = received.or_else(|| Time::parse(event.str_at(&["requestReceivedTimestamp"])).ok());
    let status = event.get("responseStatus");
    let shown = LegacyText {
        received: received.map(nano_text).unwrap_or_default(),
        audit_id: event.str_at(&["auditID"]),
        stage: event.str_at(&["stage"]),
        ip: event.list_at(&["sourceIPs"]).first().and_then(Value::as_str).unwrap_or_default(),
        verb: event.str_at(&["verb"]),
        user: event.str_at(&["user", "username"]),
        groups: groups("user"),
        acted_as,
        user_agent: event.str_at(&["userAgent"]),
        namespace: event.str_at(&["objectRef", "namespace"]),
        uri: event.str_at(&["requestURI"]),
        code: status.map(|status| status.int_at(&["code"]).unwrap_or(0)),
    };
    shown.line()
}

impl LegacyText<'_> {
    fn line(&self) -> String {
        let has_user = !self.user.is_empty();
        let groups = if has_user && !self.groups.is_empty() { quoted(&self.groups) } else { "<none>".into() };
        let (acted_as, acted_groups) = match &self.acted_as {
            None => ("<self>", None),
            Some((name, groups)) => (*name, groups.as_deref().map(quoted)),
        };
        let or = |text: &str, other: &str| quote(if text.is_empty() { other } else { text });
        format!(
            "{} AUDIT: id={} stage={} ip={} method={} user={} groups={} as={} asgroups={} user-agent={} \
             namespace={} uri={} response=\"{}\"",
            self.received,
            quote(self.audit_id),
            quote(self.stage),
            or(self.ip, "<unknown>"),
            quote(self.verb),
            or(self.user, "<none>"),
            quote(&groups),
            quote(acted_as),
            quote(acted_groups.as_deref().unwrap_or("<lookup>")),
            quote(self.user_agent),
            or(self.namespace, "<none>"),
            quote(self.uri),
            self.code.map_or_else(|| "<deferred>".into(), |code| code.to_string()),
        )
    }
}

/// `"a","b"`
fn quoted(groups: &[&str]) -> String {
    groups.iter().map(|group| quote(group)).collect::<Vec<_>>().join(",")
}

/// RFC 3339 with as many digits of the second as there are.
fn nano_text(time: Time) -> String {
    let seconds = time.to_seconds_text();
    if time.nanos == 0 {
        return seconds.to_string();
    }
    let digits = format!("{:09}", time.nanos);
    format!("{}.{}Z", seconds.trim_end_matches('Z'), digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RequestFields, ResponseStatus};
    use pintle_object::audit::Level;
    use pintle_object::user::User;
    use pintle_object::{RequestInfo, Verb};
    use std::sync::Arc;

    fn user(name: &str, groups: &[&str]) -> User {
        let groups = groups.iter().map(ToString::to_string).collect();
        User { name: name.into(), groups, ..User::default() }
    }

    #[test]
    fn lines_read_as_upstreams_from_events_and_from_json() {
        let check = |event: &AuditEvent, expected: &str| {
            assert_eq!(line(event, AuditStage::ResponseComplete), expected);
            let mut out = Vec::new();
            event.write(AuditStage::ResponseComplete, Time { seconds: 0, nanos: 0 }, &mut out);
            assert_eq!(line_of_json(&out), expected);
        };
        let info = Arc::new(RequestInfo { verb: Verb::Get, ..RequestInfo::default() });
        let received = Time { seconds: 1_700_000_000, nanos: 120_000_000 };
        let request = RequestFields { uri: "/x", ..RequestFields::of(&info, received) };
        check(
            &AuditEvent::new(Level::Metadata, &request),
            "2023-11-14T22:13:20.12Z AUDIT: id=\"id\" stage=\"ResponseComplete\" ip=\"127.0.0.1\" method=\"get\" \
             user=\"<none>\" groups=\"<none>\" as=\"<self>\" asgroups=\"<lookup>\" user-agent=\"\" \
             namespace=\"<none>\" uri=\"/x\" response=\"<deferred>\"",
        );
        let info = RequestInfo { is_resource: true, namespace: "ns".into(), ..RequestInfo::default() };
        let (info, alice) = (Arc::new(info), user("alice", &["dev", "ops"]));
        let received = Time { seconds: 1_700_000_000, nanos: 0 };
        let request = RequestFields { user: Some(&alice), ..RequestFields::of(&info, received) };
        let mut event = AuditEvent::new(Level::Request, &request);
        event.impersonated_user = Some(Arc::new(user("carol", &["g"])));
        event.response_status = Some(ResponseStatus { code: 201, ..ResponseStatus::default() });
        check(
            &event,
            "2023-11-14T22:13:20Z AUDIT: id=\"id\" stage=\"ResponseComplete\" ip=\"127.0.0.1\" method=\"\" \
             user=\"alice\" groups=\"\\\"dev\\\",\\\"ops\\\"\" as=\"carol\" asgroups=\"\\\"g\\\"\" user-agent=\"\" \
             namespace=\"ns\" uri=\"\" response=\"201\"",
        );
    }

    #[test]
    fn events_with_objects_and_their_times_have_all_there_is() {
        let info = Arc::default();
        let received = Time { seconds: 1_700_000_000, nanos: 123_456_789 };
        let mut event = AuditEvent::new(Level::Request, &RequestFields::of(&info, received));
        event.request_object = Some("no JSON".into());
        let line = line(&event, AuditStage::RequestReceived);
        assert!(line.starts_with("2023-11-14T22:13:20.123456789Z AUDIT: id=\"id\" "), "{line}");
    }
}
