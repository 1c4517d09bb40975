//! One call of a webhook: the review is posted, and its answer read and verified.

use super::accessor::{SideEffects, Webhook};
use super::response::{AdmissionResponse, decode, document, verify};
use super::review::{ReviewVersion, review};
use super::versioned::VersionedAttributes;
use crate::request::Request;
use crate::webhook::predicates::Matched;
use bytes::Bytes;
use pintle_engine::admission::Attributes;
use pintle_object::status::Details;
use pintle_object::{Reason, Status, Value};
use pintle_outbound::{HookClient, Hooks};
use pintle_traces::{Entered, enter, event};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The error of a call to a webhook.
pub enum CallError {
    /// The call failed, or its answer is invalid: the failure policy decides.
    Calling { why: String, code: u16 },
    /// The webhook refuses the request.
    Refused(Status),
    /// The request fails, even with `failurePolicy: Ignore`.
    Broken(Status),
}

/// A call that failed, with the code that it is counted by.
pub fn calling(code: u16, why: String) -> CallError {
    CallError::Calling { why, code }
}

/// Counts a call and its result.
pub fn count(webhook: &Webhook, request: &Request<'_>, error: Option<&CallError>, took: Duration) {
    let (metrics, name, step) = (request.metrics, &webhook.name, webhook.step);
    let operation = request.attributes.operation;
    let (code, kind) = match error {
        None => (200, None),
        Some(CallError::Calling { code, .. }) if webhook.is_lenient => {
            metrics.fail_open(name, step);
            (*code, None)
        }
        Some(CallError::Calling { code, .. }) => (*code, Some("calling_webhook_error")),
        Some(CallError::Refused(status)) => (status.code, Some("no_error")),
        Some(CallError::Broken(_)) => (0, Some("apiserver_internal_error")),
    };
    if let Some(kind) = kind {
        metrics.rejection(name, step, operation, kind, code);
    }
    metrics.webhook(name, step, operation, (code, kind.is_some()), took);
}

/// A call that is ready to be made. It borrows nothing, so that many can be made at a time.
pub struct PreparedCall {
    name: String,
    client: Arc<HookClient>,
    version: ReviewVersion,
    uid: String,
    body: Bytes,
    timeout: Duration,
    is_mutating: bool,
}

impl PreparedCall {
    /// Prepares the call of a webhook about a request.
    pub fn prepare(
        hooks: &Hooks,
        webhook: &Webhook,
        (request, object): (&Request<'_>, &Value),
        versioned: &VersionedAttributes,
        matched: &Matched,
        is_mutating: bool,
    ) -> Result<PreparedCall, CallError> {
        if request.attributes.dry_run {
            check_dry_run(webhook)?;
        }
        let version = webhook.version.ok_or_else(|| {
            let why = "could not create admission objects: webhook does not accept known AdmissionReview versions \
                       (v1, v1beta1)";
            calling(400, why.to_owned())
        })?;
        let unmade = |why: &String| calling(500, format!("could not get REST client: {why}"));
        let target = webhook.target.as_ref().map_err(unmade)?;
        let client = hooks.client(target).map_err(|why| unmade(&why))?;
        let uid = request.view.random_uid();
        let body = Bytes::from(review(version, &uid, (request, object), versioned, matched));
        let (name, timeout) = (webhook.name.clone(), webhook.timeout);
        Ok(PreparedCall { name, client, version, uid, body, timeout, is_mutating })
    }

    /// Makes the call. Warnings and annotations are noted whether the request is let through or not.
    pub async fn make(
        self,
        webhook: &Webhook,
        request: &Request<'_>,
    ) -> Result<AdmissionResponse, CallError> {
        let _span = self.span(webhook, request);
        let notes = request.notes;
        let failed = |code, why: String| calling(code, format!("failed to call webhook: {why}"));
        let uncalled = |why| failed(503, why);
        let (said, within) = time_left(self.timeout, request.attributes.deadline, Instant::now());
        let answer = self.client.post(self.body, said, within, &[]).await;
        let answer = answer.map_err(|failure| uncalled(failure.to_string()))?;
        if !(200..=206).contains(&answer.code) {
            let said = said_by_status(&answer.body);
            return Err(failed(answer.code, said.unwrap_or_else(|| answer.failure())));
        }
        if answer.body.is_empty() {
            let kind = answer.header("content-type").unwrap_or("");
            let code = answer.code;
            return Err(uncalled(format!(
                "0-length response with status code: {code} and content type: {kind}"
            )));
        }
        let document = decode(&answer.body, self.version).map_err(uncalled)?;
        event("Request completed", |_| ());
        let response = verify(&document, self.version, &self.uid, self.is_mutating)
            .map_err(|why| calling(503, format!("received invalid webhook response: {why}")))?;
        for (key, value) in &response.annotations {
            notes.annotate(format!("{}/{key}", self.name), value.clone());
        }
        response.warnings.iter().for_each(|text| notes.warn(text.clone()));
        match response.is_allowed {
            true => Ok(response),
            false => Err(CallError::Refused(rejection(&self.name, response.status))),
        }
    }

    /// The span of the call: webhook, configuration, resource and operation.
    fn span(&self, webhook: &Webhook, request: &Request<'_>) -> Entered {
        let name = if self.is_mutating { "Call mutating webhook" } else { "Call validating webhook" };
        enter(name, |attributes| {
            let Attributes { operation, target, .. } = request.attributes;
            let resource = &target.served.resource;
            let shown = format!("{}/{}, Resource={}", resource.group, resource.version, resource.plural);
            attributes.text("configuration", &webhook.configuration);
            attributes.text("webhook", &webhook.name);
            attributes.text("resource", &shown);
            attributes.text("subresource", target.subresource);
            attributes.text("operation", operation.as_str());
            attributes.text("UID", &self.uid);
        })
    }
}

/// The timeout in the query, in whole seconds, and the actual one: the webhook's own, or the rest of the request's.
fn time_left(timeout: Duration, deadline: Option<Instant>, now: Instant) -> (Option<Duration>, Duration) {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
    let within = left.map_or(timeout, |left| left.min(timeout));
    let seconds = within.as_secs() + u64::from(within.subsec_nanos() > 0);
    ((seconds > 0).then(|| Duration::from_secs(seconds)), within)
}

/// A rehearsal is shown only to webhooks that promise to have no effects.
fn check_dry_run(webhook: &Webhook) -> Result<(), CallError> {
    match webhook.side_effects {
        SideEffects::None => Ok(()),
        SideEffects::Unset => Err(calling(400, String::from("Webhook SideEffects is nil"))),
        SideEffects::Some => {
            let why = format!("admission webhook {:?} does not support dry run", webhook.name);
            Err(CallError::Broken(Status::bad_request(why)))
        }
    }
}

/// The message of a Status that came with a code of failure.
fn said_by_status(body: &[u8]) -> Option<String> {
    let document = document(body).ok()?;
    let is = |field: &str, default: &str, wanted: &str| {
        let found = document.str_at(&[field]);
        (if found.is_empty() { default } else { found }) == wanted
    };
    let is_status = is("apiVersion", "v1", "v1") && is("kind", "", "Status") && is("status", "", "Failure");
    is_status.then(|| match document.str_at(&["message"]) {
        "" => String::from("unknown"),
        message => message.to_owned(),
    })
}

/// The refusal by a webhook: its Status, with a message that names it.
fn rejection(webhook: &str, status: Value) -> Status {
    let denied = format!("admission webhook {webhook:?} denied the request");
    let message = match (status.str_at(&["message"]), status.str_at(&["reason"])) {
        ("", "") => format!("{denied} without explanation"),
        ("", why) | (why, _) => format!("{denied}: {why}"),
    };
    let code = status.int_at(&["code"]).unwrap_or(0);
    let code = u16::try_from(code).unwrap_or(0).clamp(LOWEST_CODE, HIGHEST_CODE);
    let retry_after = status.int_at(&["details", "retryAfterSeconds"]).unwrap_or(0);
    let details =
        Details { retry_after_seconds: u32::try_from(retry_after).unwrap_or(0), ..Details::default() };
    let mut refusal = Status::new(code, Reason::Unknown, message).with_details(details);
    refusal.foreign = Some(Box::new(shown(status, &refusal.message, code)));
    refusal
}

/// Codes of refusals: less is no failure, and more is no code.
const LOWEST_CODE: u16 = 400;
const HIGHEST_CODE: u16 = 999;

/// The Status as clients see it.
fn shown(given: Value, message: &str, code: u16) -> pintle_object::Map {
    let mut out = Value::map();
    out.set(&["kind"], "Status");
    out.set(&["apiVersion"], "v1");
    out.set(&["metadata"], metadata(&given));
    out.set(
        &["status"],
        match given.str_at(&["status"]) {
            "" | "Success" => "Failure",
            other => other,
        },
    );
    out.set(&["message"], message);
    let reason = given.str_at(&["reason"]);
    if !reason.is_empty() {
        out.set(&["reason"], reason);
    }
    if let Some(details) = given.get("details").filter(|details| !details.is_null()) {
        out.set(&["details"], known(details, &["name", "group", "kind", "uid", "retryAfterSeconds"]));
        let causes = details.list_at(&["causes"]);
        if !causes.is_empty() {
            let causes = causes.iter().map(|cause| known(cause, &["reason", "message", "field"]));
            out.set(&["details", "causes"], Value::List(causes.collect()));
        }
    }
    out.set(&["code"], i64::from(code));
    match out {
        Value::Map(map) => map,
        _ => pintle_object::Map::new(),
    }
}

fn metadata(status: &Value) -> Value {
    let empty = Value::map();
    let of = status.get("metadata").unwrap_or(&empty);
    let mut out = known(of, &["selfLink", "resourceVersion", "continue"]);
    if let Some(count) = of.int_at(&["remainingItemCount"]) {
        out.set(&["remainingItemCount"], count);
    }
    out
}

/// The known fields of a struct, without empty ones.
fn known(of: &Value, fields: &[&str]) -> Value {
    let mut out = Value::map();
    for field in fields {
        match of.get(field) {
            Some(Value::Text(text)) if !text.is_empty() => out.set(&[field], text.clone()),
            Some(Value::Int(number)) if *number != 0 => out.set(&[field], *number),
            _ => {}
        }
    }
    out
}

/// The 500 of a webhook that failed and whose failure counts.
pub fn failed(webhook: &str, why: &str) -> Status {
    Status::internal(format!("failed calling webhook {webhook:?}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_ends_sooner_leaves_a_webhook_less_time() {
        let now = Instant::now();
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        let check = |left: Option<Duration>, said: Option<Duration>, within: Duration| {
            let deadline = left.map(|left| now + left);
            assert_eq!(time_left(seconds(10), deadline, now), (said, within), "{left:?}");
        };
        check(None, Some(seconds(10)), seconds(10));
        check(Some(seconds(60)), Some(seconds(10)), seconds(10));
        check(Some(millis(2_300)), Some(seconds(3)), millis(2_300));
        check(Some(seconds(2)), Some(seconds(2)), seconds(2));
        check(Some(Duration::ZERO), None, Duration::ZERO);
    }
}
