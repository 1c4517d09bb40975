//! Admission webhooks: which of those that are configured a request is about.
//!
//! They are not called yet. What one of them would have to be asked about is refused if its failure is to count, and
//! let through otherwise, as if it could not be reached.

mod accessor;
pub mod match_conditions;
pub mod predicates;
mod source;
pub mod versioned;

use crate::plugin::Plugin;
use crate::request::Request;
use accessor::Webhook;
use pintle_object::{Reason, Status, Value};
use source::Source;
use versioned::Versions;

pub const MUTATING: Kind =
    Kind { kind: "MutatingWebhookConfiguration", plural: "mutatingwebhookconfigurations" };
pub const VALIDATING: Kind =
    Kind { kind: "ValidatingWebhookConfiguration", plural: "validatingwebhookconfigurations" };

/// One of the two kinds of configurations.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub kind: &'static str,
    pub plural: &'static str,
}

/// `MutatingAdmissionWebhook`.
pub struct MutatingAdmissionWebhook(Source);

/// `ValidatingAdmissionWebhook`.
pub struct ValidatingAdmissionWebhook(Source);

impl Default for MutatingAdmissionWebhook {
    fn default() -> Self {
        Self(Source::new(MUTATING))
    }
}

impl Default for ValidatingAdmissionWebhook {
    fn default() -> Self {
        Self(Source::new(VALIDATING))
    }
}

impl Plugin for MutatingAdmissionWebhook {
    fn mutate(&self, request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
        dispatch(&self.0, request, object)
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        crate::unenforced::warn(request, object, MUTATING.plural);
        Ok(())
    }
}

impl Plugin for ValidatingAdmissionWebhook {
    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        dispatch(&self.0, request, object)?;
        crate::unenforced::warn(request, object, VALIDATING.plural);
        Ok(())
    }
}

/// Refuses what a webhook has to be asked about whose failure counts.
fn dispatch(source: &Source, request: &Request<'_>, object: &Value) -> Result<(), Status> {
    if is_exempt(request) || request.is_own() {
        return Ok(());
    }
    let webhooks = source.webhooks(request);
    let mut versions = Versions::new(request, object);
    for webhook in webhooks.iter() {
        let invocation = webhook.should_call(request, object, &mut versions)?;
        if invocation.is_some() && !webhook.is_lenient {
            return Err(not_called(request, webhook));
        }
    }
    Ok(())
}

/// What configures admission, so that webhooks cannot keep their own mistakes from being mended.
fn is_exempt(request: &Request<'_>) -> bool {
    const KINDS: [&str; 6] = [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    ];
    let kind = request.kind_in(request.attributes.target.served);
    kind.group == crate::policy::GROUP && KINDS.contains(&kind.kind.as_ref())
}

/// The refusal in the form of a webhook's that cannot be reached: a service that is not there has its own words.
fn not_called(request: &Request<'_>, webhook: &Webhook) -> Status {
    let name = &webhook.name;
    if let Some((namespace, service)) = &webhook.service
        && request.view.labels("", "services", namespace, service).is_none()
    {
        let url = &webhook.url;
        let seconds = webhook.timeout_seconds;
        return failed(format!(
            "failed calling webhook \"{name}\": failed to call webhook: Post \"{url}?timeout={seconds}s\": service \
             \"{service}\" not found"
        ));
    }
    failed(format!(
        "failed calling webhook \"{name}\": failed to call webhook: this server does not call admission webhooks yet, \
         and the failure policy of this one in {} \"{}\" is Fail",
        webhook.kind.kind, webhook.configuration
    ))
}

fn failed(why: String) -> Status {
    let mut status = Status::internal(why.clone());
    status.reason = Reason::InternalError;
    if let Some(details) = &mut status.details
        && details.causes.is_empty()
    {
        details.causes.push(pintle_object::status::Cause { message: why, ..Default::default() });
    }
    status
}
