//! ValidatingAdmissionPolicy: expressions of the cluster's own policies judge what is written.

mod compiled;
mod matching;
mod params;
mod variables;

use crate::chain::Plugin;
use crate::request::Request;
use compiled::{Compiled, Judgement};
use pintle_engine::meta;
use pintle_object::status::Cause;
use pintle_object::{Reason, Status, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use variables::Input;

const GROUP: &str = "admissionregistration.k8s.io";
/// What all policies together may cost for one request.
const COST_SUM_MAX: u64 = 10_000_000;

/// Compiled policies by name, each for the version of the policy that it was made of.
#[derive(Default)]
pub struct ValidatingAdmissionPolicy {
    compiled: Mutex<HashMap<String, (String, Arc<Compiled>)>>,
}

/// Why a request is refused, and by whom.
struct Denial {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: Reason,
}

impl Plugin for ValidatingAdmissionPolicy {
    fn judge(&self, request: &Request<'_>, object: &Value, warnings: &mut Vec<String>) -> Result<(), Status> {
        // Policies cannot keep their own mistakes from being mended.
        if request.attributes.target.served.resource.group == GROUP {
            return Ok(());
        }
        let bindings = request.all_stored(GROUP, "validatingadmissionpolicybindings", "");
        if bindings.is_empty() {
            return Ok(());
        }
        let mut round = Round { plugin: self, request, object, warnings, first: None };
        for policy in request.all_stored(GROUP, "validatingadmissionpolicies", "") {
            let own =
                bindings.iter().filter(|one| one.str_at(&["spec", "policyName"]) == meta::name(&policy));
            let own: Vec<&Value> = own.collect();
            if !own.is_empty() && matching::matches(request, object, &policy, "matchConstraints") {
                round.policy(&policy, &own);
            }
        }
        match round.first {
            Some(denial) => Err(denial.status(request, object)),
            None => Ok(()),
        }
    }
}

impl ValidatingAdmissionPolicy {
    fn compiled(&self, policy: &Value) -> Arc<Compiled> {
        let (name, version) = (meta::name(policy), policy.str_at(&["metadata", "resourceVersion"]));
        let known = |known: &HashMap<String, (String, Arc<Compiled>)>| {
            known.get(name).filter(|(of, _)| of == version && !version.is_empty()).map(|(_, it)| it.clone())
        };
        let lock = || self.compiled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = known(&lock()) {
            return found;
        }
        let compiled = Arc::new(Compiled::new(policy));
        lock().insert(name.to_owned(), (version.to_owned(), compiled.clone()));
        compiled
    }
}

/// All policies over one request; the first refusal is the one that is told.
struct Round<'a> {
    plugin: &'a ValidatingAdmissionPolicy,
    request: &'a Request<'a>,
    object: &'a Value,
    warnings: &'a mut Vec<String>,
    first: Option<Denial>,
}

impl Round<'_> {
    fn policy(&mut self, policy: &Value, bindings: &[&Value]) {
        let is_lenient = policy.str_at(&["spec", "failurePolicy"]) == "Ignore";
        let kind = match params::kind(self.request, policy) {
            Ok(kind) => kind,
            Err(why) if !is_lenient => {
                self.deny(policy, None, format!("failed to configure policy: {why}"), Reason::Invalid);
                return;
            }
            Err(_) => return,
        };
        let compiled = self.plugin.compiled(policy);
        let mut budget = COST_SUM_MAX;
        for binding in bindings {
            if !matching::matches(self.request, self.object, binding, "matchResources") {
                continue;
            }
            match params::of(self.request, kind.as_deref(), binding) {
                Ok(found) => {
                    for params in found {
                        let input = Input::new(self.request, self.object, params);
                        let judgements = compiled.judge(input.bound(), is_lenient, &mut budget);
                        judgements.into_iter().for_each(|one| self.act(policy, binding, one));
                    }
                }
                Err(_) if is_lenient => {}
                Err(why) => {
                    let why = format!("failed to configure binding: {why}");
                    self.deny(policy, Some(binding), why, Reason::Invalid);
                }
            }
        }
    }

    fn act(&mut self, policy: &Value, binding: &Value, judgement: Judgement) {
        for action in binding.list_at(&["spec", "validationActions"]) {
            match action.as_str().unwrap_or("") {
                "Deny" => {
                    self.deny(policy, Some(binding), judgement.message.clone(), judgement.reason);
                }
                "Warn" => self.warnings.push(format!(
                    "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                    meta::name(policy),
                    meta::name(binding),
                    judgement.message
                )),
                _ => {}
            }
        }
    }

    fn deny(&mut self, policy: &Value, binding: Option<&Value>, message: String, reason: Reason) {
        self.first.get_or_insert_with(|| Denial {
            policy: meta::name(policy).to_owned(),
            binding: binding.map(|binding| meta::name(binding).to_owned()),
            message,
            reason,
        });
    }
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
