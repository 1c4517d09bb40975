//! ValidatingAdmissionWebhook: webhooks judge a request, all at a time.

use super::accessor::Webhook;
use super::call::{CallError, PreparedCall, count, failed};
use super::response::AdmissionResponse;
use super::source::WebhookSource;
use super::versioned::ObjectVersions;
use super::{hooks, is_exempt};
use crate::metrics::AdmissionStep;
use crate::plugin::{Outcome, Plugin};
use crate::request::Request;
use crate::settings::Setup;
use pintle_object::audit::Latency;
use pintle_object::{Status, Value};
use pintle_outbound::Hooks;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

/// The key of the audit annotation for a webhook that failed and was ignored.
const FAILED_OPEN: &str = "failed-open.validating.webhook.admission.k8s.io/round_0_index_";

pub struct ValidatingAdmissionWebhook {
    source: WebhookSource,
    hooks: Hooks,
}

impl ValidatingAdmissionWebhook {
    pub fn new(setup: &Setup<'_>) -> Result<Self, String> {
        Ok(Self {
            source: WebhookSource::new("validatingwebhookconfigurations", AdmissionStep::Validate),
            hooks: hooks(setup)?,
        })
    }
}

impl Plugin for ValidatingAdmissionWebhook {
    fn handles_connect(&self) -> bool {
        true
    }

    fn judge<'a>(&'a self, request: &'a Request<'a>, object: &'a Value) -> Outcome<'a> {
        if is_exempt(request) {
            return Outcome::Now(Ok(()));
        }
        let webhooks = self.source.webhooks(request);
        if !webhooks.iter().any(|webhook| webhook.is_about(request, object)) {
            return Outcome::Now(Ok(()));
        }
        Outcome::later(async move { self.dispatch(&webhooks, request, object).await })
    }
}

impl ValidatingAdmissionWebhook {
    async fn dispatch(
        &self,
        webhooks: &[Arc<Webhook>],
        request: &Request<'_>,
        object: &Value,
    ) -> Result<(), Status> {
        let mut relevant = Vec::new();
        let mut versions = ObjectVersions::new(request, object);
        for webhook in webhooks {
            let found = request.settled(|| webhook.invocation(request, object, &mut versions)).await?;
            let Some((matched, versioned)) = found else { continue };
            let about = (request, object);
            let call = PreparedCall::prepare(&self.hooks, webhook, about, &versioned, &matched, false);
            relevant.push((webhook, call));
        }
        let calls = relevant.into_iter().enumerate().map(|(index, (webhook, call))| {
            pintle_traces::carry(async move {
                let begin = Instant::now();
                let result = match call {
                    Ok(call) => call.make(webhook, request).await,
                    Err(error) => Err(error),
                };
                count(webhook, request, result.as_ref().err(), begin.elapsed());
                (index, webhook, result)
            })
        });
        let mut first = None;
        let begin = Instant::now();
        each_when_ready(calls, |(index, webhook, result)| {
            if let Err(status) = decide(webhook, index, result, request) {
                first.get_or_insert(status);
            }
        })
        .await;
        request.took(Latency::ValidatingWebhook, begin);
        first.map_or(Ok(()), Err)
    }
}

/// The effect of a call's result on the request.
fn decide(
    webhook: &Webhook,
    index: usize,
    result: Result<AdmissionResponse, CallError>,
    request: &Request<'_>,
) -> Result<(), Status> {
    match result {
        Ok(_) => Ok(()),
        Err(CallError::Refused(status) | CallError::Broken(status)) => Err(status),
        Err(CallError::Calling { why, .. }) if webhook.is_lenient => {
            tracing::warn!("failed calling webhook, failing open {}: {why}", webhook.name);
            request.notes.annotate(format!("{FAILED_OPEN}{index}"), webhook.name.clone());
            Ok(())
        }
        Err(CallError::Calling { why, .. }) => Err(failed(&webhook.name, &why)),
    }
}

/// Runs futures concurrently, and passes on their results in the order of their completion.
async fn each_when_ready<F: Future + Send>(
    futures: impl Iterator<Item = F>,
    mut hand_on: impl FnMut(F::Output),
) {
    let mut pending: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                hand_on(output);
                false
            }
            Poll::Pending => true,
        });
        if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
