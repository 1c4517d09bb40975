//! MutatingAdmissionPolicy: expressions of the cluster's policies mutate objects.

use super::mutator::{MutationError, Mutator};
use super::reinvocation::Reinvocation;
use super::source::{Binding, Hook, Policy, PolicySource};
use super::{is_exempt, params};
use crate::cel::namespace_object;
use crate::plugin::{Outcome, Plugin};
use crate::request::{Request, not_found};
use crate::webhook::predicates::Matched;
use crate::webhook::versioned::VersionedAttributes;
use pintle_object::status::Cause;
use pintle_object::{Reason, Status, Value};
use std::sync::Arc;
use std::time::Instant;

pub struct MutatingAdmissionPolicy {
    source: PolicySource<Mutator>,
}

impl Default for MutatingAdmissionPolicy {
    fn default() -> Self {
        Self { source: PolicySource::new("mutatingadmissionpolicies", "mutatingadmissionpolicybindings") }
    }
}

/// A policy with a binding and an object of parameters, all of which are about a request.
struct Invocation<'a> {
    hook: &'a Hook<Mutator>,
    binding: &'a Binding,
    params: Value,
    matched: Matched,
}

/// A failure of a policy.
struct PolicyError {
    message: String,
    reason: Option<Reason>,
}

impl Plugin for MutatingAdmissionPolicy {
    fn handles_connect(&self) -> bool {
        true
    }

    fn admit<'a>(
        &'a self,
        request: &'a Request<'a>,
        object: &'a mut Value,
        reinvocation: &'a mut Reinvocation,
    ) -> Outcome<'a> {
        if !request.waits {
            return Outcome::Now(self.apply(request, object, reinvocation));
        }
        Outcome::later(async move {
            let before = reinvocation.clone();
            let (draft, after, result) = request
                .settled(|| {
                    let (mut draft, mut round) = (object.clone(), before.clone());
                    let result = self.apply(request, &mut draft, &mut round);
                    (draft, round, result)
                })
                .await;
            (*object, *reinvocation) = (draft, after);
            result
        })
    }
}

impl MutatingAdmissionPolicy {
    fn apply(
        &self,
        request: &Request<'_>,
        object: &mut Value,
        reinvocation: &mut Reinvocation,
    ) -> Result<(), Status> {
        // Without an object there is nothing to mutate.
        if is_exempt(request) || object.is_null() {
            return Ok(());
        }
        let hooks = self.source.hooks(request);
        if hooks.is_empty() {
            return Ok(());
        }
        let mut errors = Vec::new();
        let mut invocations = Vec::new();
        for hook in hooks.iter() {
            collect(request, object, hook, &mut invocations, &mut errors);
        }
        if !invocations.is_empty() {
            let mut round = Round { request, reinvocation, namespace: Value::Null, errors };
            round.run(&invocations, object)?;
            errors = round.errors;
        }
        if errors.is_empty() { Ok(()) } else { Err(refusal(request, object, &errors)) }
    }
}

/// Adds the invocations of a policy, one for each binding and its parameters, or their error.
fn collect<'a>(
    request: &Request<'_>,
    object: &Value,
    hook: &'a Hook<Mutator>,
    invocations: &mut Vec<Invocation<'a>>,
    errors: &mut Vec<PolicyError>,
) {
    let policy = &*hook.policy;
    let mut of_policy =
        |why: &str| errors.extend(failed(policy, None, format!("failed to configure policy: {why}"), None));
    let matched = match &policy.constraints {
        Some(constraints) => constraints.matches(request, object),
        None => Err(Status::internal("policy contained no match constraints, a required field")),
    };
    let matched = match matched {
        Ok(Some(matched)) => matched,
        Ok(None) => return,
        Err(status) => return of_policy(&status.message),
    };
    let kind = match params::kind(request.view, &policy.object) {
        Ok(kind) => kind,
        Err(why) => return of_policy(&why),
    };
    for binding in &hook.bindings {
        let is_bound = match &binding.resources {
            Some(resources) => resources.matches(request, object).map(|found| found.is_some()),
            None => Ok(true),
        };
        let found = match is_bound {
            Ok(false) => continue,
            Ok(true) => params::of(request, object, kind.as_deref(), &binding.object),
            Err(status) => Err(status.message),
        };
        match found {
            Ok(found) => invocations.extend(found.into_iter().map(|params| Invocation {
                hook,
                binding,
                params,
                matched: matched.clone(),
            })),
            Err(why) => {
                let why = format!("failed to configure binding: {why}");
                errors.extend(failed(policy, Some(binding), why, None));
            }
        }
    }
}

/// The error of a request for a policy that failed; none when its failure policy is `Ignore`.
fn failed(
    policy: &Policy<Mutator>,
    binding: Option<&Binding>,
    why: String,
    reason: Option<Reason>,
) -> Option<PolicyError> {
    if policy.is_lenient {
        return None;
    }
    let name = &policy.name;
    let message = match binding {
        Some(binding) => format!("policy '{name}' with binding '{}' denied request: {why}", binding.name),
        None => format!("policy \"{name}\" denied request: {why}"),
    };
    Some(PolicyError { message, reason })
}

/// All changes that policies make to one object, one after another.
struct Round<'a> {
    request: &'a Request<'a>,
    reinvocation: &'a mut Reinvocation,
    namespace: Value,
    errors: Vec<PolicyError>,
}

impl Round<'_> {
    fn run(&mut self, invocations: &[Invocation<'_>], object: &mut Value) -> Result<(), Status> {
        let missing = || not_found("", "namespaces", self.request.namespace());
        self.namespace = namespace_object(self.request).ok_or_else(missing)?;
        let is_again = self.reinvocation.is_again();
        self.reinvocation.policies.begin(is_again, object);
        for invocation in invocations {
            self.invoke(invocation, object)?;
        }
        self.reinvocation.policies.end(object);
        Ok(())
    }

    fn invoke(&mut self, invocation: &Invocation<'_>, object: &mut Value) -> Result<(), Status> {
        let mutator = invocation.hook.evaluator(Mutator::compile, self.request.metrics);
        let versioned = VersionedAttributes::new(self.request, object, &invocation.matched)?;
        let about = (&invocation.params, &mutator.variables);
        match mutator.conditions.matches(self.request, object, &versioned, about) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(why) => {
                self.fail(invocation, why.message);
                return Ok(());
            }
        }
        let key = invocation.key();
        let is_again = self.reinvocation.is_again();
        if !self.reinvocation.policies.is_meant(is_again, &key) {
            return Ok(());
        }
        let before = object.clone();
        self.mutate(invocation, &mutator, object)?;
        if *object != before {
            self.reinvocation.policies.changed();
            self.reinvocation.require();
        }
        if mutator.is_reinvoked {
            self.reinvocation.policies.add(key);
        }
        Ok(())
    }

    fn mutate(
        &mut self,
        invocation: &Invocation<'_>,
        mutator: &Arc<Mutator>,
        object: &mut Value,
    ) -> Result<(), Status> {
        for mutation in &mutator.mutations {
            let versioned = VersionedAttributes::new(self.request, object, &invocation.matched)?;
            let begin = Instant::now();
            let made = mutation.make(
                (self.request, object),
                &versioned,
                &invocation.matched,
                (&self.namespace, &invocation.params),
                &mutator.variables,
            );
            let error = match &made {
                Ok(_) => "no_error",
                Err(MutationError::Policy(why)) => why.cause.error_type(),
                Err(MutationError::Status(_)) => "invalid_error",
            };
            let names = (&invocation.hook.policy.name, &invocation.binding.name);
            self.request.metrics.evaluated(begin.elapsed());
            self.request.metrics.mutation(names.0, names.1, error, begin.elapsed());
            match made {
                Ok(changed) => *object = changed,
                Err(MutationError::Policy(why)) => self.fail(invocation, why.message),
                Err(MutationError::Status(status)) => return Err(status),
            }
        }
        Ok(())
    }

    fn fail(&mut self, invocation: &Invocation<'_>, why: String) {
        let policy = &invocation.hook.policy;
        self.errors.extend(failed(policy, Some(invocation.binding), why, Some(Reason::Invalid)));
    }
}

impl Invocation<'_> {
    /// Identifies the invocation.
    fn key(&self) -> [String; 4] {
        let text = |field: &str| self.params.str_at(&["metadata", field]).to_owned();
        [self.hook.policy.name.clone(), self.binding.name.clone(), text("namespace"), text("name")]
    }
}

/// The refusal: the first error is its message, and all are causes.
fn refusal(request: &Request<'_>, object: &Value, errors: &[PolicyError]) -> Status {
    let mut status = request.forbidden(object, "admission request denied by policy");
    if let Some(first) = errors.first() {
        status.message.clone_from(&first.message);
        if let Some(reason) = first.reason {
            status.reason = reason;
        }
    }
    if let Some(details) = &mut status.details {
        let causes = errors.iter().map(|one| Cause { message: one.message.clone(), ..Cause::default() });
        details.causes.extend(causes);
    }
    status
}
