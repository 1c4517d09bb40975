//! `AuthorizationWebhook`: another server that decides, called with SubjectAccessReviews.

use crate::answers::Answers;
use crate::authorize::{Authorizer, Decision, Rules, Waiting};
use crate::match_conditions::MatchConditions;
use pintle_object::field::Path;
use pintle_object::selector::{FieldSelector, LabelSelector, Operator};
use pintle_object::user::User;
use pintle_object::{FieldErrors, Map, RequestInfo, Value, Verb, json};
use pintle_outbound::Webhook;
use std::time::{Duration, Instant};

/// The number of answers in the cache, and the largest question whose answer is cached: upstream's numbers.
const ANSWERS_MAX: usize = 8192;
const CACHED_BYTES_MAX: usize = 10_000;
/// The verbs whose selectors are part of the question.
const SELECTING: [Verb; 3] = [Verb::List, Verb::Watch, Verb::DeleteCollection];

/// The settings of an authorization webhook, apart from its kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `v1` or `v1beta1`.
    pub version: String,
    /// The time for which answers are cached; zero for not at all.
    pub authorized_ttl: Duration,
    pub unauthorized_ttl: Duration,
    /// CEL expressions; only requests for which all are true are sent to the webhook.
    pub match_conditions: Vec<String>,
    /// Whether requests are denied when the webhook fails; otherwise the next authorizer is asked.
    pub denies_on_error: bool,
}

/// The client of an authorization webhook, with a cache of its answers.
pub struct AuthorizationWebhook {
    server: Webhook,
    settings: Settings,
    conditions: MatchConditions,
    answers: Answers<ReviewStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ReviewStatus {
    is_allowed: bool,
    is_denied: bool,
    reason: String,
}

impl AuthorizationWebhook {
    pub fn new(server: Webhook, settings: Settings) -> AuthorizationWebhook {
        // They were checked when they were read.
        let path = Path::root("matchConditions");
        let conditions = MatchConditions::compile(&settings.match_conditions, &path, &mut FieldErrors::new());
        AuthorizationWebhook { server, settings, conditions, answers: Answers::new(ANSWERS_MAX) }
    }

    /// The decision, if the webhook need not be called; otherwise the review to send, and the key of its answer in the
    /// cache.
    fn prepare(&self, user: &User, info: &RequestInfo) -> Result<Decision, (Value, String)> {
        let spec = spec(&self.settings.version, user, info);
        if !self.conditions.is_empty() {
            match self.conditions.fit(&spec) {
                Ok(true) => {}
                Ok(false) => return Ok(Decision::NoOpinion(String::new())),
                Err(why) => return Ok(self.failed(why)),
            }
        }
        let key = json::to_string(&spec);
        match self.answers.get(&key, Instant::now()) {
            Some(status) => Ok(status.decision()),
            None => Err((spec, key)),
        }
    }

    fn failed(&self, why: String) -> Decision {
        Decision::Error { is_denial: self.settings.denies_on_error, reason: String::new(), why }
    }

    async fn ask(&self, user: &User, info: &RequestInfo) -> Decision {
        let (spec, key) = match self.prepare(user, info) {
            Ok(decision) => return decision,
            Err(question) => question,
        };
        let mut review = Value::map();
        review.set(&["kind"], "SubjectAccessReview");
        review.set(&["apiVersion"], format!("authorization.k8s.io/{}", self.settings.version));
        review.set(&["metadata"], Map::new());
        review.set(&["spec"], spec);
        review.set(&["status", "allowed"], false);
        let status = match self.server.call(&review).await {
            Ok(answer) => ReviewStatus::read(&answer),
            Err(failure) => {
                tracing::error!(%failure, "the authorization webhook failed");
                return self.failed(failure.to_string());
            }
        };
        let holds =
            if status.is_allowed { self.settings.authorized_ttl } else { self.settings.unauthorized_ttl };
        if !holds.is_zero() && controlled_bytes(info) < CACHED_BYTES_MAX {
            self.answers.put(&key, status.clone(), holds, Instant::now());
        }
        status.decision()
    }
}

impl Authorizer for AuthorizationWebhook {
    /// For callers that cannot wait: the cached decision, else a denial.
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        self.at_hand(user, info).unwrap_or_else(|| Decision::Error {
            is_denial: true,
            reason: String::new(),
            why: String::from("the authorization webhook was not waited for"),
        })
    }

    fn at_hand(&self, user: &User, info: &RequestInfo) -> Option<Decision> {
        self.prepare(user, info).ok()
    }

    fn waits(&self) -> bool {
        true
    }

    fn wait<'a>(&'a self, user: &'a User, info: &'a RequestInfo) -> Option<Waiting<'a>> {
        Some(Box::pin(self.ask(user, info)))
    }

    fn list_rules(&self, _: &User, _: &str, found: &mut Rules) {
        found.is_incomplete = true;
        found.errors.push("webhook authorizer does not support user rule resolution".into());
    }
}

impl ReviewStatus {
    fn read(review: &Value) -> ReviewStatus {
        ReviewStatus {
            is_allowed: review.bool_at(&["status", "allowed"]),
            is_denied: review.bool_at(&["status", "denied"]),
            reason: review.str_at(&["status", "reason"]).into(),
        }
    }

    fn decision(self) -> Decision {
        match (self.is_denied, self.is_allowed) {
            (true, true) => Decision::Error {
                is_denial: true,
                reason: self.reason,
                why: "webhook subject access review returned both allow and deny response".into(),
            },
            (true, false) => Decision::Deny(self.reason),
            (false, true) => Decision::Allow(self.reason),
            (false, false) => Decision::NoOpinion(self.reason),
        }
    }
}

/// The size of those parts of a question that the client controls.
fn controlled_bytes(info: &RequestInfo) -> usize {
    let RequestInfo { verb, path, group, version, resource, subresource, namespace, name, .. } = info;
    let texts = [path, group, version, resource, subresource, namespace, name];
    verb.as_str().len() + texts.iter().map(|text| text.len()).sum::<usize>()
}

fn spec(version: &str, user: &User, info: &RequestInfo) -> Value {
    let mut spec = Value::map();
    if info.is_resource {
        spec.set(&["resourceAttributes"], resource(info));
    } else {
        let parts = [("path", info.path.as_str()), ("verb", info.verb.as_str())];
        spec.set(&["nonResourceAttributes"], present(&parts));
    }
    if !user.name.is_empty() {
        spec.set(&["user"], user.name.as_str());
    }
    if !user.groups.is_empty() {
        // The first version of the kind had a field of another name.
        spec.set(&[if version == "v1beta1" { "group" } else { "groups" }], texts(&user.groups));
    }
    if !user.extra.is_empty() {
        let extra = user.extra.iter().map(|(key, values)| (key.as_str(), texts(values)));
        spec.set(&["extra"], extra.collect::<Map>());
    }
    if !user.uid.is_empty() {
        spec.set(&["uid"], user.uid.as_str());
    }
    spec
}

fn resource(info: &RequestInfo) -> Map {
    let mut map = present(&[
        ("namespace", info.namespace.as_str()),
        ("verb", info.verb.as_str()),
        ("group", &info.group),
        ("version", &info.version),
        ("resource", &info.resource),
        ("subresource", &info.subresource),
        ("name", &info.name),
    ]);
    if !SELECTING.contains(&info.verb) {
        return map;
    }
    // Selectors only narrow: unreadable ones are left out.
    for (field, requirements) in [
        ("fieldSelector", field_requirements(&info.field_selector)),
        ("labelSelector", label_requirements(&info.label_selector)),
    ] {
        if !requirements.is_empty() {
            map.insert(field, Map::from_iter([("requirements", requirements)]));
        }
    }
    map
}

fn field_requirements(selector: &str) -> Vec<Value> {
    let Ok(selector) = FieldSelector::parse(selector) else { return Vec::new() };
    let one = |term: &pintle_object::selector::FieldTerm| {
        let operator = if term.equals { "In" } else { "NotIn" };
        requirement(&term.field, operator, &[term.value.as_str()])
    };
    selector.terms().iter().map(one).collect()
}

fn label_requirements(selector: &str) -> Vec<Value> {
    let Ok(selector) = LabelSelector::parse(selector) else { return Vec::new() };
    let one = |own: &pintle_object::selector::Requirement| {
        let operator = match own.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => "In",
            Operator::NotIn | Operator::NotEquals => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
            Operator::GreaterThan | Operator::LessThan => return None,
        };
        let values: Vec<&str> = own.values.iter().map(|value| value.as_str()).collect();
        Some(requirement(&own.key, operator, &values))
    };
    selector.requirements().iter().filter_map(one).collect()
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> Value {
    let mut map = Map::from_iter([("key", Value::from(key)), ("operator", Value::from(operator))]);
    if !values.is_empty() {
        map.insert("values", values.iter().map(|value| Value::from(*value)).collect::<Vec<_>>());
    }
    Value::Map(map)
}

fn present(fields: &[(&'static str, &str)]) -> Map {
    fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (*key, Value::from(*value)))
        .collect()
}

fn texts(values: &[String]) -> Vec<Value> {
    values.iter().map(|value| Value::from(value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_say_what_is_known() {
        let check = |version: &str, info: &RequestInfo, expected: &str| {
            let groups = vec![String::from("dev")];
            let user = User { name: "ann".into(), groups, ..User::default() };
            assert_eq!(json::to_string(&spec(version, &user, info)), expected);
        };
        let pods = RequestInfo {
            verb: Verb::List,
            is_resource: true,
            version: "v1".into(),
            resource: "pods".into(),
            namespace: "ns".into(),
            field_selector: "spec.nodeName=n,metadata.name!=x".into(),
            label_selector: "a in (b,c),!d,e>1".into(),
            ..RequestInfo::default()
        };
        check(
            "v1",
            &pods,
            r#"{"groups":["dev"],"resourceAttributes":{"fieldSelector":{"requirements":[{"key":"metadata.name","operator":"NotIn","values":["x"]},{"key":"spec.nodeName","operator":"In","values":["n"]}]},"labelSelector":{"requirements":[{"key":"a","operator":"In","values":["b","c"]},{"key":"d","operator":"DoesNotExist"}]},"namespace":"ns","resource":"pods","verb":"list","version":"v1"},"user":"ann"}"#,
        );
        let get = RequestInfo { verb: Verb::Get, name: "p".into(), ..pods };
        check(
            "v1beta1",
            &get,
            r#"{"group":["dev"],"resourceAttributes":{"name":"p","namespace":"ns","resource":"pods","verb":"get","version":"v1"},"user":"ann"}"#,
        );
        let path = RequestInfo { verb: Verb::Get, path: "/metrics".into(), ..RequestInfo::default() };
        check(
            "v1",
            &path,
            r#"{"groups":["dev"],"nonResourceAttributes":{"path":"/metrics","verb":"get"},"user":"ann"}"#,
        );
    }

    #[test]
    fn answers_decide() {
        let check = |status: &str, expected: Decision| {
            let review = json::parse(format!(r#"{{"status":{status}}}"#).as_bytes()).unwrap();
            assert_eq!(ReviewStatus::read(&review).decision(), expected, "{status}");
        };
        check("{}", Decision::NoOpinion(String::new()));
        check(r#"{"allowed":true,"reason":"why"}"#, Decision::Allow("why".into()));
        check(r#"{"denied":true}"#, Decision::Deny(String::new()));
        let both = "webhook subject access review returned both allow and deny response".into();
        check(
            r#"{"allowed":true,"denied":true}"#,
            Decision::Error { is_denial: true, reason: String::new(), why: both },
        );
    }
}
