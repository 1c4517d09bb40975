//! ValidatingAdmissionPolicy: expressions of the cluster's policies validate objects.

use super::source::{Binding, Hook, Policy, PolicySource};
use super::validator::{Validator, ValidatorDecision};
use super::{is_exempt, params};
use crate::cel::namespace_object;
use crate::plugin::Plugin;
use crate::request::{Request, not_found};
use crate::webhook::predicates::Matched;
use crate::webhook::versioned::ObjectVersions;
use pintle_object::status::Cause;
use pintle_object::{Reason, Status, Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub struct ValidatingAdmissionPolicy {
    source: PolicySource<Validator>,
}

impl Default for ValidatingAdmissionPolicy {
    fn default() -> Self {
        Self { source: PolicySource::new("validatingadmissionpolicies", "validatingadmissionpolicybindings") }
    }
}

/// The annotation of a request that a policy would have refused.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";
/// The most bytes of one value of an annotation: upstream's.
const ANNOTATION_BYTES_MAX: usize = 10 * 1024;

/// The values of a policy's annotations, by key.
type Annotations = BTreeMap<String, Vec<String>>;

/// A refusal by a policy and its binding.
struct Denial {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: Reason,
}

impl Plugin for ValidatingAdmissionPolicy {
    fn handles_connect(&self) -> bool {
        true
    }

    fn validate(&self, request: &Request<'_>, object: &Value) -> Result<(), Status> {
        if is_exempt(request) {
            return Ok(());
        }
        let hooks = self.source.hooks(request);
        if hooks.is_empty() {
            return Ok(());
        }
        let versions = ObjectVersions::new(request, object);
        let mut round = Round { request, object, versions, namespace: None, first: None };
        hooks.iter().try_for_each(|hook| round.hook(hook))?;
        match round.first {
            Some(denial) => Err(denial.status(request, object)),
            None => Ok(()),
        }
    }
}

/// The evaluation of all policies for one request; the answer is the first refusal.
struct Round<'a> {
    request: &'a Request<'a>,
    object: &'a Value,
    versions: ObjectVersions<'a>,
    namespace: Option<Value>,
    first: Option<Denial>,
}

impl Round<'_> {
    fn hook(&mut self, hook: &Hook<Validator>) -> Result<(), Status> {
        let policy = &*hook.policy;
        let matched = match &policy.constraints {
            Some(constraints) => constraints.matches(self.request, self.object),
            None => Err(Status::internal("policy contained no match constraints, a required field")),
        };
        let matched = match matched {
            Ok(Some(matched)) => matched,
            Ok(None) => return Ok(()),
            Err(status) => {
                self.misconfigured(policy, None, &status.message);
                return Ok(());
            }
        };
        let kind = match params::kind(self.request.view, &policy.object) {
            Ok(kind) => kind,
            Err(why) => {
                self.misconfigured(policy, None, &why);
                return Ok(());
            }
        };
        let mut annotations = Annotations::default();
        for binding in &hook.bindings {
            let is_bound = match &binding.resources {
                Some(resources) => resources.matches(self.request, self.object).map(|found| found.is_some()),
                None => Ok(true),
            };
            let found = match is_bound {
                Ok(false) => continue,
                Ok(true) => params::of(self.request, self.object, kind.as_deref(), &binding.object),
                Err(status) => Err(status.message),
            };
            match found {
                Ok(found) => self.binding(hook, binding, (&matched, &found), &mut annotations)?,
                Err(why) => self.misconfigured(policy, Some(binding), &why),
            }
        }
        for (key, values) in annotations {
            self.request.notes.annotate(format!("{}/{key}", policy.name), values.join(", "));
        }
        Ok(())
    }

    fn binding(
        &mut self,
        hook: &Hook<Validator>,
        binding: &Binding,
        (matched, params): (&Matched, &[Value]),
        annotations: &mut Annotations,
    ) -> Result<(), Status> {
        if params.is_empty() {
            return Ok(());
        }
        let policy = &*hook.policy;
        let versioned = match self.versions.of(matched) {
            Ok(versioned) => versioned,
            Err(status) => {
                let why = format!("failed to convert object version: {}", status.message);
                self.misconfigured(policy, Some(binding), &why);
                return Ok(());
            }
        };
        let namespace = match self.namespace.take() {
            Some(namespace) => namespace,
            None => {
                let missing = || not_found("", "namespaces", self.request.namespace());
                namespace_object(self.request).ok_or_else(missing)?
            }
        };
        let validator = hook.evaluator(Validator::compile, self.request.metrics);
        for params in params {
            let begin = Instant::now();
            let result =
                validator.validate((self.request, self.object), &versioned, matched, (&namespace, params));
            let took = begin.elapsed();
            self.request.metrics.evaluated(took);
            result.decisions.into_iter().for_each(|one| self.act(policy, binding, one, took));
            for message in result.annotation_errors {
                self.deny(policy, Some(binding), message, Reason::Invalid);
            }
            for (key, value) in result.annotations {
                let values = annotations.entry(key).or_default();
                let value = cut(value);
                // Equal annotations of several bindings are listed once.
                if !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        self.namespace = Some(namespace);
        Ok(())
    }

    fn act(
        &mut self,
        policy: &Policy<Validator>,
        binding: &Binding,
        decision: ValidatorDecision,
        took: Duration,
    ) {
        for action in binding.object.list_at(&["spec", "validationActions"]) {
            let action = action.as_str().unwrap_or("");
            let name = action.to_ascii_lowercase();
            self.request.metrics.validation(&name, decision.error, &policy.name, &binding.name, took);
            match action {
                "Deny" => self.deny(policy, Some(binding), decision.message.clone(), decision.reason),
                "Warn" => self.request.notes.warn(format!(
                    "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                    policy.name, binding.name, decision.message
                )),
                "Audit" => self.request.notes.annotate(FAILURE.into(), failure(binding, &decision)),
                _ => {}
            }
        }
    }

    /// A policy that cannot be applied refuses, unless it is lenient.
    fn misconfigured(&mut self, policy: &Policy<Validator>, binding: Option<&Binding>, why: &str) {
        if policy.is_lenient {
            return;
        }
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.deny(policy, binding, format!("failed to configure {what}: {why}"), Reason::Invalid);
    }

    fn deny(
        &mut self,
        policy: &Policy<Validator>,
        binding: Option<&Binding>,
        message: String,
        reason: Reason,
    ) {
        self.first.get_or_insert_with(|| Denial {
            policy: policy.name.clone(),
            binding: binding.map(|binding| binding.name.clone()),
            message,
            reason,
        });
    }
}

/// The value of `FAILURE`.
fn failure(binding: &Binding, decision: &ValidatorDecision) -> String {
    let text = |text: &str| json::to_string(&Value::text(text));
    let actions = binding.object.at(&["spec", "validationActions"]).map(json::to_string);
    format!(
        "[{{\"message\":{},\"policy\":{},\"binding\":{},\"expressionIndex\":{},\"validationActions\":{}}}]",
        text(&decision.message),
        text(binding.object.str_at(&["spec", "policyName"])),
        text(&binding.name),
        decision.index,
        actions.unwrap_or_default()
    )
}

/// Cuts a value to the length that is kept.
fn cut(mut value: String) -> String {
    let end = (0..=ANNOTATION_BYTES_MAX.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
    value.truncate(end.unwrap_or_default());
    value
}

impl Denial {
    fn status(self, request: &Request<'_>, object: &Value) -> Status {
        let binding = self.binding.map(|name| format!(" with binding '{name}'")).unwrap_or_default();
        let why =
            format!("ValidatingAdmissionPolicy '{}'{binding} denied request: {}", self.policy, self.message);
        let object = if object.is_null() { request.attributes.old.unwrap_or(object) } else { object };
        let mut status = request.forbidden(object, &why);
        status.code = match self.reason {
            Reason::Forbidden => 403,
            Reason::Unauthorized => 401,
            Reason::RequestEntityTooLarge => 413,
            _ => 422,
        };
        status.reason = self.reason;
        if let Some(details) = &mut status.details {
            details.causes.push(Cause { message: why, ..Cause::default() });
        }
        status
    }
}
