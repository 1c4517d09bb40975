//! Conversion between the versions of a custom resource by its definition's webhook: one review for a batch of objects,
//! whose answer is checked as upstream does (apiextensions-apiserver, `pkg/apiserver/conversion`).

use super::metrics::FailureType;
use crate::engine::Engine;
use crate::resource::ServedResource;
use crate::write::conversions::Conversions;
use bytes::Bytes;
use pintle_kinds::custom_resource::converted::{Place, checked};
use pintle_object::{Map, Reason, Status, Value, json};
use pintle_outbound::{Answer, HookTarget, Hooks};
use pintle_traces::{enter, event};
use std::time::Duration;

/// The timeout of one review, as upstream's.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Objects and bytes that are sent in one review. More are sent in several, one after the other.
pub(crate) const BATCH_OBJECTS_MAX: usize = 500;
pub(crate) const BATCH_BYTES_MAX: usize = 2 << 20;
/// Upstream's scheme in whose name kinds are refused.
const SCHEME: &str = "pkg/util/webhook/client.go:71";
const GROUP: &str = "apiextensions.k8s.io";

impl Engine {
    /// Asks for the conversions that a write wants to know of; false when it wants none.
    pub async fn learn(&self, conversions: &Conversions, served: &ServedResource) -> bool {
        let wanted = conversions.take_wanted();
        let is_any = !wanted.is_empty();
        for (object, to) in wanted {
            let converted =
                Box::pin(self.convert_by_webhook(served, std::slice::from_ref(&object), &to)).await;
            let one = converted.map(|mut all| all.pop().unwrap_or_default());
            conversions.note(object, to, one.map_err(|status| status.message));
        }
        is_any
    }

    /// Converts trees with kind and apiVersion, none of which is in the wanted version.
    pub(crate) async fn convert_by_webhook(
        &self,
        served: &ServedResource,
        objects: &[Value],
        to: &str,
    ) -> Result<Vec<Value>, Status> {
        let started = std::time::Instant::now();
        let from = objects.first().map_or("", |object| object.str_at(&["apiVersion"]));
        let result = self.converted_by_webhook(served, objects, to).await;
        if !objects.is_empty() {
            let version = |api_version: &str| api_version.rsplit('/').next().unwrap_or("").to_string();
            let name = format!("{}.{}", served.resource.plural, served.resource.group);
            let failure = result.as_ref().err().map(|(failure, _)| *failure);
            self.conversion_metrics().observe(
                &name,
                (&version(from), &version(to)),
                failure,
                started.elapsed(),
            );
        }
        result.map_err(|(_, message)| Status::new(500, Reason::Unknown, message))
    }

    async fn converted_by_webhook(
        &self,
        served: &ServedResource,
        objects: &[Value],
        to: &str,
    ) -> Result<Vec<Value>, (FailureType, String)> {
        let webhook = served.codec.webhook();
        let (Some(first), Some(webhook)) = (objects.first(), webhook) else { return Ok(objects.to_vec()) };
        let from = format!("{}, Kind={}", first.str_at(&["apiVersion"]), first.str_at(&["kind"]));
        let version = webhook.review.ok_or_else(|| unmade("no supported conversion review versions"))?;
        let hooks = self.hooks().ok_or_else(|| unmade("this server calls no webhooks"))?;
        let uid = self.generator.uid();
        let body = review(version, &uid, objects, to);
        let failed = |failure, why: String| (failure, format!("conversion webhook for {from} failed: {why}"));
        let span = enter("Call conversion webhook", |attributes| {
            let definition = format!("{}.{}", served.resource.plural, served.resource.group);
            attributes.text("custom-resource-definition", &definition);
            attributes.text("desired-api-version", to);
            attributes.int("object-count", objects.len());
            attributes.text("UID", &uid);
        });
        let answer = post(hooks, &webhook.target, body, version).await;
        let answer = answer.map_err(|why| failed(FailureType::Call, why))?;
        event("Request completed", |_| ());
        drop(span);
        let converted = response(answer, version, &uid);
        let converted = converted.map_err(|why| failed(FailureType::MalformedResponse, why))?;
        if converted.len() != objects.len() {
            let (got, expected) = (converted.len(), objects.len());
            let why = format!("conversion webhook for {from} returned {got} objects, expected {expected}");
            return Err((FailureType::PartialResponse, why));
        }
        let pairs = objects.iter().zip(converted);
        let checked = pairs.map(|(original, converted)| checked(original, converted, to));
        checked.collect::<Result<_, _>>().map_err(|fault| {
            let why = match fault {
                Place::Object(why) => format!("conversion webhook for {from} returned invalid {why}"),
                Place::Document(why) => why,
            };
            (FailureType::InvalidObject, why)
        })
    }
}

/// A review that is not made at all.
fn unmade(why: &str) -> (FailureType, String) {
    (FailureType::Call, why.into())
}

/// The body of a review: upstream sends the empty response too.
fn review(version: &str, uid: &str, objects: &[Value], to: &str) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"kind\":\"ConversionReview\",\"apiVersion\":\"apiextensions.k8s.io/");
    out.extend_from_slice(version.as_bytes());
    out.extend_from_slice(b"\",\"request\":{\"uid\":");
    json::write_string(&mut out, uid);
    out.extend_from_slice(b",\"desiredAPIVersion\":");
    json::write_string(&mut out, to);
    out.extend_from_slice(b",\"objects\":[");
    for (place, object) in objects.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        json::write_value(&mut out, object);
    }
    out.extend_from_slice(
        b"]},\"response\":{\"uid\":\"\",\"convertedObjects\":null,\"result\":{\"metadata\":{}}}}\n",
    );
    Bytes::from(out)
}

/// The document that a webhook answers with, if it is a review.
async fn post(hooks: &Hooks, target: &HookTarget, body: Bytes, version: &str) -> Result<Value, String> {
    let client = hooks.client(target)?;
    let answer =
        client.post(body, Some(TIMEOUT), TIMEOUT, &[]).await.map_err(|failure| failure.to_string())?;
    if !(200..=206).contains(&answer.code) {
        return Err(refusal(&answer));
    }
    if answer.body.is_empty() {
        let (code, kind) = (answer.code, answer.header("content-type").unwrap_or(""));
        return Err(format!("0-length response with status code: {code} and content type: {kind}"));
    }
    let document = json::parse(&answer.body)
        .map_err(|error| format!("couldn't get version/kind; json parse error: {}", error.message))?;
    let mut api_version = document.str_at(&["apiVersion"]).to_string();
    if api_version.is_empty() {
        api_version = format!("{GROUP}/{version}");
    }
    let kind = match document.str_at(&["kind"]) {
        "" => "ConversionReview",
        kind => kind,
    };
    let is_known =
        api_version.strip_prefix("apiextensions.k8s.io/").is_some_and(|v| v == "v1" || v == "v1beta1");
    if kind != "ConversionReview" || !is_known {
        return Err(format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}"
        ));
    }
    let own = format!("{GROUP}/{version}");
    if version == "v1" && api_version != own {
        return Err(format!(
            "expected webhook response of {own}, Kind=ConversionReview, got {api_version}, Kind=ConversionReview"
        ));
    }
    Ok(document)
}

/// The error of an answer with a code of failure: the message of its Status, or the code's own words.
fn refusal(answer: &Answer) -> String {
    let document = json::parse(&answer.body).unwrap_or_default();
    let is_status = document.str_at(&["kind"]) == "Status"
        && document.str_at(&["apiVersion"]) == "v1"
        && document.str_at(&["status"]) == "Failure";
    match (is_status, document.str_at(&["message"])) {
        (true, "") => String::from("unknown"),
        (true, message) => message.into(),
        (false, _) => answer.failure(),
    }
}

/// The converted objects of a review's response.
fn response(document: Value, version: &str, uid: &str) -> Result<Vec<Value>, String> {
    let Some(Value::Map(response)) = document.get("response") else {
        return Err(String::from("no response provided"));
    };
    let text = |map: &Map, field: &str| map.get(field).and_then(Value::as_str).unwrap_or("").to_string();
    let answered = text(response, "uid");
    if version == "v1" && answered != uid {
        return Err(format!("expected response.uid={uid:?}, got {answered:?}"));
    }
    let empty = Map::new();
    let result = response.get("result").and_then(Value::as_map).unwrap_or(&empty);
    let (status, message) = (text(result, "status"), text(result, "message"));
    match (status.as_str(), message.as_str()) {
        ("Success", _) => {}
        (status, "") => return Err(format!("response.result.status was '{status}', not 'Success'")),
        (_, message) => return Err(message.into()),
    }
    Ok(response.get("convertedObjects").and_then(Value::as_list).map(<[Value]>::to_vec).unwrap_or_default())
}
