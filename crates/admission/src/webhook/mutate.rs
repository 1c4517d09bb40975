//! MutatingAdmissionWebhook: webhooks change a request, one after the other.

use super::accessor::Webhook;
use super::call::{CallError, PreparedCall, calling, count, failed};
use super::patched::patched;
use super::source::WebhookSource;
use super::versioned::{ObjectVersions, VersionedAttributes};
use super::{hooks, is_exempt};
use crate::metrics::AdmissionStep;
use crate::plugin::{Outcome, Plugin};
use crate::policy::Reinvocation;
use crate::request::Request;
use crate::settings::Setup;
use crate::webhook::predicates::Matched;
use pintle_object::audit::Latency;
use pintle_object::{Status, Value, json};
use pintle_outbound::Hooks;
use std::sync::Arc;
use std::time::Instant;

/// Keys of audit annotations begin so, and end with the place of the webhook.
const MUTATION: &str = "mutation.webhook.admission.k8s.io/";
const PATCH: &str = "patch.webhook.admission.k8s.io/";
const FAILED_OPEN: &str = "failed-open.mutation.webhook.admission.k8s.io/";

pub struct MutatingAdmissionWebhook {
    source: WebhookSource,
    hooks: Hooks,
}

impl MutatingAdmissionWebhook {
    pub fn new(setup: &Setup<'_>) -> Result<Self, String> {
        Ok(Self {
            source: WebhookSource::new("mutatingwebhookconfigurations", AdmissionStep::Admit),
            hooks: hooks(setup)?,
        })
    }
}

impl Plugin for MutatingAdmissionWebhook {
    fn handles_connect(&self) -> bool {
        true
    }

    fn admit<'a>(
        &'a self,
        request: &'a Request<'a>,
        object: &'a mut Value,
        reinvocation: &'a mut Reinvocation,
    ) -> Outcome<'a> {
        if is_exempt(request) {
            return Outcome::Now(Ok(()));
        }
        let webhooks = self.source.webhooks(request);
        if webhooks.is_empty() {
            return Outcome::Now(Ok(()));
        }
        Outcome::later(async move {
            reinvocation.webhooks.begin(reinvocation.is_again(), object);
            let result = self.dispatch(&webhooks, request, object, reinvocation).await;
            reinvocation.webhooks.end(object);
            result
        })
    }
}

/// The index of a webhook among all, and the pass in which it is called.
#[derive(Clone, Copy)]
struct WebhookPlace {
    round: usize,
    index: usize,
}

/// A matching webhook, with the objects in the version that it is sent.
struct Invocation<'a> {
    webhook: &'a Webhook,
    matched: Matched,
    versioned: Arc<VersionedAttributes>,
}

impl MutatingAdmissionWebhook {
    async fn dispatch(
        &self,
        webhooks: &[Arc<Webhook>],
        request: &Request<'_>,
        object: &mut Value,
        reinvocation: &mut Reinvocation,
    ) -> Result<(), Status> {
        let is_again = reinvocation.is_again();
        for (index, webhook) in webhooks.iter().enumerate() {
            let Some(invocation) = invocation(webhook, request, object).await? else { continue };
            // One that is not asked the first time is not asked the second either.
            if !reinvocation.webhooks.is_meant(is_again, &webhook.uid) {
                continue;
            }
            let place = WebhookPlace { round: usize::from(is_again), index };
            let begin = Instant::now();
            let result = self.ask(&invocation, request, object, place).await;
            count(webhook, request, result.as_ref().err(), begin.elapsed());
            if let Ok(Some((_, true))) = &result {
                reinvocation.webhooks.changed();
                reinvocation.require();
            }
            if webhook.is_reinvoked {
                reinvocation.webhooks.add(webhook.uid.clone());
            }
            match result {
                Ok(Some((draft, _))) => *object = draft,
                Ok(None) => {}
                Err(CallError::Refused(status) | CallError::Broken(status)) => return Err(status),
                Err(CallError::Calling { why, .. }) if webhook.is_lenient => {
                    tracing::warn!("failed calling webhook, failing open {}: {why}", webhook.name);
                    request.notes.annotate(place.key(FAILED_OPEN), webhook.name.clone());
                }
                Err(CallError::Calling { why, .. }) => return Err(failed(&webhook.name, &why)),
            }
        }
        Ok(())
    }

    /// Asks one webhook. The draft that its patch makes, and whether the patch changed anything before defaults.
    async fn ask(
        &self,
        invocation: &Invocation<'_>,
        request: &Request<'_>,
        object: &Value,
        place: WebhookPlace,
    ) -> Result<Option<(Value, bool)>, CallError> {
        let begin = Instant::now();
        let result = self.changed(invocation, request, object, place).await;
        request.took(Latency::MutatingWebhook, begin);
        let is_mutated = matches!(&result, Ok(Some((_, true))));
        request.notes.annotate(place.key(MUTATION), mutation(invocation.webhook, is_mutated));
        result
    }

    async fn changed(
        &self,
        invocation: &Invocation<'_>,
        request: &Request<'_>,
        object: &Value,
        place: WebhookPlace,
    ) -> Result<Option<(Value, bool)>, CallError> {
        let Invocation { webhook, matched, versioned } = invocation;
        let call = PreparedCall::prepare(&self.hooks, webhook, (request, object), versioned, matched, true)?;
        let response = call.make(webhook, request).await?;
        if response.patch.is_empty() {
            return Ok(None);
        }
        let operations = pintle_patch::document::webhook_operations(&response.patch)
            .map_err(|why| calling(503, format!("received undecodable patch in webhook response: {why}")))?;
        if operations.is_empty() {
            return Ok(None);
        }
        if object.is_null() {
            let name = &webhook.name;
            return Err(CallError::Broken(Status::internal(format!(
                "admission webhook {name:?} attempted to modify the object, which is not supported for this operation"
            ))));
        }
        if response.patch_type != "JSONPatch" {
            return Err(calling(400, format!("unsupported patch type {:?}", response.patch_type)));
        }
        let patch_once = || patched(request, object, versioned, matched, &operations);
        let found = request.settled(patch_once).await;
        let (draft, is_changed) = found.map_err(CallError::Broken)?;
        pintle_traces::event("Patch applied", |_| ());
        request.notes.annotate_request(place.key(PATCH), patch(webhook, operations));
        Ok(Some((draft, is_changed)))
    }
}

/// The invocation of a webhook, if it matches the request.
async fn invocation<'a>(
    webhook: &'a Webhook,
    request: &Request<'_>,
    object: &Value,
) -> Result<Option<Invocation<'a>>, Status> {
    if !webhook.is_about(request, object) {
        return Ok(None);
    }
    let mut versions = ObjectVersions::new(request, object);
    let found = request.settled(|| webhook.invocation(request, object, &mut versions)).await?;
    let Some((matched, versioned)) = found else { return Ok(None) };
    Ok(Some(Invocation { webhook, matched, versioned }))
}

impl WebhookPlace {
    fn key(self, prefix: &str) -> String {
        format!("{prefix}round_{}_index_{}", self.round, self.index)
    }
}

/// The value of the annotation that says whether a webhook changed the object.
fn mutation(webhook: &Webhook, is_mutated: bool) -> String {
    let mut out = whose(webhook);
    out.push_str(if is_mutated { ",\"mutated\":true}" } else { ",\"mutated\":false}" });
    out
}

/// The value of the annotation that shows a patch.
fn patch(webhook: &Webhook, operations: Vec<Value>) -> String {
    let mut out = whose(webhook);
    out.push_str(",\"patch\":");
    out.push_str(&json::to_string(&Value::List(operations)));
    out.push_str(",\"patchType\":\"JSONPatch\"}");
    out
}

fn whose(webhook: &Webhook) -> String {
    let text = |text: &str| json::to_string(&Value::from(text));
    format!("{{\"configuration\":{},\"webhook\":{}", text(&webhook.configuration), text(&webhook.name))
}
