//! A webhook as it is configured, and whether it is to be called for a request.

use super::match_conditions::Matcher;
use super::predicates::rules::RuleWithOperations;
use super::predicates::{Matched, Selectors, matched};
use super::review::ReviewVersion;
use super::versioned::{ObjectVersions, VersionedAttributes};
use crate::cel::Variables;
use crate::metrics::{AdmissionStep, Owner};
use crate::request::Request;
use pintle_cel::Scope;
use pintle_object::{Status, Value, bytes};
use pintle_outbound::{HookAddress, HookTarget};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The timeout of a webhook that does not set one.
const TIMEOUT_SECONDS: i64 = 10;

/// The `sideEffects` of a webhook, which decide about dry runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideEffects {
    /// The field is not set.
    Unset,
    None,
    /// `Some` or `Unknown`: the webhook must not be called for a dry run.
    Some,
}

pub struct Webhook {
    /// The step: mutating or validating.
    pub step: AdmissionStep,
    pub configuration: String,
    pub name: String,
    /// Identifies the webhook: its configuration, its name, and its index among those of the same name.
    pub uid: String,
    /// Whether failures are ignored (`failurePolicy: Ignore`).
    pub is_lenient: bool,
    /// Whether it is called again after others have changed the object (`reinvocationPolicy: IfNeeded`).
    pub is_reinvoked: bool,
    pub side_effects: SideEffects,
    /// The version of reviews that both sides speak, if there is one.
    pub version: Option<ReviewVersion>,
    /// The Service or URL to call; an error in upstream's words for a configuration without one.
    pub target: Result<HookTarget, String>,
    pub timeout: Duration,
    rules: Vec<RuleWithOperations>,
    is_equivalent: bool,
    selectors: Selectors,
    conditions: Vec<Value>,
    matcher: OnceLock<Matcher>,
}

impl Webhook {
    /// `place` counts the webhooks of the configuration before it that have the same name.
    pub fn read(step: AdmissionStep, configuration: &str, place: usize, of: &Value) -> Webhook {
        let name = of.str_at(&["name"]);
        let seconds = of.int_at(&["timeoutSeconds"]).unwrap_or(TIMEOUT_SECONDS);
        Webhook {
            step,
            configuration: configuration.to_owned(),
            name: name.to_owned(),
            uid: format!("{configuration}/{name}/{place}"),
            is_lenient: of.str_at(&["failurePolicy"]) == "Ignore",
            is_reinvoked: of.str_at(&["reinvocationPolicy"]) == "IfNeeded",
            side_effects: match of.str_at(&["sideEffects"]) {
                "" => SideEffects::Unset,
                "None" | "NoneOnDryRun" => SideEffects::None,
                _ => SideEffects::Some,
            },
            version: ReviewVersion::first_known(of.list_at(&["admissionReviewVersions"])),
            target: target(name, of.get("clientConfig").unwrap_or(&Value::Null)),
            timeout: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
            rules: RuleWithOperations::list(of.list_at(&["rules"])),
            is_equivalent: of.str_at(&["matchPolicy"]) == "Equivalent",
            selectors: Selectors::from_value(of),
            conditions: of.list_at(&["matchConditions"]).to_vec(),
            matcher: OnceLock::new(),
        }
    }

    /// Whether the rules match a request. It costs little, and most webhooks are about other things.
    pub fn is_about(&self, request: &Request<'_>, object: &Value) -> bool {
        matched(request, request.admission_name(object), &self.rules, self.is_equivalent).is_some()
    }

    /// The resource with whose objects the webhook is called, if it is. A selector that fails is an error only if the
    /// rules match.
    fn should_call(
        &self,
        request: &Request<'_>,
        object: &Value,
        versions: &mut ObjectVersions<'_>,
    ) -> Result<Option<Matched>, Status> {
        let name = request.admission_name(object);
        let Some(matched) = matched(request, name, &self.rules, self.is_equivalent) else { return Ok(None) };
        let Some(selected) = self.selectors.select(request, object) else { return Ok(None) };
        selected?;
        if self.conditions.is_empty() {
            return Ok(Some(matched));
        }
        let versioned = versions.of(&matched).map_err(|status| Status::internal(status.bare_message()))?;
        let nothing = (&Value::Null, &Variables::default());
        match self.matcher().matches(request, object, &versioned, nothing) {
            Ok(true) => Ok(Some(matched)),
            Ok(false) => {
                request.metrics.exclusion(self.matcher().owner(), request.attributes.operation);
                Ok(None)
            }
            Err(why) => Err(Status::forbidden(&request.resource(), name, &why.message)),
        }
    }

    /// `should_call`, with the objects in the version that the webhook is sent.
    pub fn invocation(
        &self,
        request: &Request<'_>,
        object: &Value,
        versions: &mut ObjectVersions<'_>,
    ) -> Result<Option<(Matched, Arc<VersionedAttributes>)>, Status> {
        let Some(matched) = self.should_call(request, object, versions)? else { return Ok(None) };
        let versioned = versions.of(&matched).map_err(|status| Status::internal(status.bare_message()))?;
        Ok(Some((matched, versioned)))
    }

    /// The conditions, compiled when they are needed first.
    fn matcher(&self) -> &Matcher {
        self.matcher.get_or_init(|| {
            let owner = Owner { kind: "webhook", name: self.name.clone(), step: self.step };
            Matcher::new(&self.conditions, &Scope::admission(), self.is_lenient, owner)
        })
    }
}

/// The place that a `clientConfig` names.
fn target(name: &str, client: &Value) -> Result<HookTarget, String> {
    let service = client.get("service").filter(|service| !service.is_null());
    let address = match service {
        Some(service) => HookAddress::Service {
            namespace: service.str_at(&["namespace"]).to_owned(),
            name: service.str_at(&["name"]).to_owned(),
            path: service.str_at(&["path"]).to_owned(),
            port: service.int_at(&["port"]).and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        },
        None if client.str_at(&["url"]).is_empty() => {
            return Err(format!(
                "failed calling webhook {name:?}: webhook configuration must have either service or URL"
            ));
        }
        None => HookAddress::Url(client.str_at(&["url"]).to_owned()),
    };
    let ca_bundle = bytes::decode(client.str_at(&["caBundle"]))?;
    Ok(HookTarget { address, ca_bundle })
}
