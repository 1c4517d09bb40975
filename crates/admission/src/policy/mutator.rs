//! A mutating policy's expressions made ready, and the objects that they make.

use crate::cel::{Activation, COST_SUM_MAX, Condition, EvaluationFailure, Variables};
use crate::metrics::{AdmissionStep, Owner};
use crate::request::Request;
use crate::webhook::match_conditions::Matcher;
use crate::webhook::patched::{SCHEME, as_requested, check_kind, keep_kind};
use crate::webhook::predicates::Matched;
use crate::webhook::versioned::VersionedAttributes;
use pintle_cel::{Scope, Type};
use pintle_engine::ServedResource;
use pintle_object::{GroupVersionKind, Status, Value};
use pintle_patch::json_patch;

pub struct Mutator {
    pub conditions: Matcher,
    pub variables: Variables,
    pub mutations: Vec<Mutation>,
    /// Whether the policy runs again after others have changed the object.
    pub is_reinvoked: bool,
}

/// One change, by one of the two kinds of patches.
pub struct Mutation {
    is_json_patch: bool,
    expression: Condition,
}

/// The reason why a mutation was not made.
pub enum MutationError {
    /// The policy failed; its failure policy decides about the request.
    Policy(EvaluationFailure),
    /// The request fails.
    Status(Status),
}

impl Mutator {
    pub fn compile(policy: &Value) -> Mutator {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let mut scope = Scope::admission();
        if spec.get("paramKind").is_some_and(|kind| !kind.is_null()) {
            scope.declare("params", Type::Dyn);
        }
        let variables = Variables::compile(spec.list_at(&["variables"]), &mut scope);
        let is_lenient = spec.str_at(&["failurePolicy"]) == "Ignore";
        let name = policy.str_at(&["metadata", "name"]).to_owned();
        let owner = Owner { kind: "policy", name, step: AdmissionStep::Admit };
        let conditions = Matcher::new(spec.list_at(&["matchConditions"]), &scope, is_lenient, owner);
        scope.with_objects();
        let mutation = |of: &Value| {
            let is_json_patch = of.str_at(&["patchType"]) == "JSONPatch";
            let field = if is_json_patch { "jsonPatch" } else { "applyConfiguration" };
            let wanted = match is_json_patch {
                true => Type::list(Type::message("JSONPatch")),
                false => Type::message("Object"),
            };
            let text = of.str_at(&[field, "expression"]);
            Mutation {
                is_json_patch,
                expression: Condition::new([Some(text)].into_iter(), &scope, &[wanted]),
            }
        };
        Mutator {
            conditions,
            variables,
            mutations: spec.list_at(&["mutations"]).iter().map(mutation).collect(),
            is_reinvoked: spec.str_at(&["reinvocationPolicy"]) == "IfNeeded",
        }
    }
}

impl Mutation {
    /// The object after the change, as admission has it.
    pub fn make(
        &self,
        (request, object): (&Request<'_>, &Value),
        versioned: &VersionedAttributes,
        matched: &Matched,
        (namespace, params): (&Value, &Value),
        variables: &Variables,
    ) -> Result<Value, MutationError> {
        let served = matched.served(request);
        let activation = Activation::new(request, object, versioned, matched, namespace, params);
        let found = self.expression.tree_for_input(&activation.bound(true, variables), COST_SUM_MAX);
        let found = found.map_err(MutationError::Policy)?;
        let changed = match self.is_json_patch {
            true => json_patched(versioned, &found),
            false => configured(request, served, versioned, &found),
        };
        let changed = changed.map_err(policy)?;
        check_version(&versioned.kind, &request.kind_in(request.attributes.target.served), served)?;
        let Some(changed) = changed else { return Ok(object.clone()) };
        let status = |why: String| MutationError::Status(Status::internal(why));
        if self.is_json_patch
            && let Some(why) = check_kind(request, &changed, versioned, served).map_err(status)?
        {
            return Err(status(format!("failed to convert object: {why}")));
        }
        let read = request.view.read_shown(served, request.subresource(), changed);
        let draft = read.and_then(|draft| as_requested(request, served, draft));
        let mut draft = draft.map_err(|failed| status(failed.bare_message().to_owned()))?;
        keep_kind(object, &mut draft);
        Ok(draft)
    }
}

/// Refuses a mutation of a built-in object in another version than the request's: upstream converts the result directly
/// between the two, which its scheme cannot do.
fn check_version(
    matched: &GroupVersionKind,
    requested: &GroupVersionKind,
    served: &ServedResource,
) -> Result<(), MutationError> {
    if !served.is_typed() || matched.group_version() == requested.group_version() {
        return Ok(());
    }
    let (own, kind, other) = (&matched.version, &matched.kind, &requested.version);
    Err(policy(match matched.group == requested.group {
        true => format!("converting ({own}.{kind}) to ({other}.{kind}): unknown conversion"),
        false => format!(
            "{own}.{kind} is not suitable for converting to \"{}\" in scheme {SCHEME:?}",
            requested.group_version()
        ),
    }))
}

fn policy(why: String) -> MutationError {
    MutationError::Policy(EvaluationFailure::from(why))
}

fn configured(
    request: &Request<'_>,
    served: &ServedResource,
    versioned: &VersionedAttributes,
    config: &Value,
) -> Result<Option<Value>, String> {
    let kind = &versioned.kind;
    if !request.view.has_type(kind) {
        return Err(format!(
            "error applying patch: failed to convert patch object to typed object: no corresponding type for {}/{}, Kind={}",
            kind.group, kind.version, kind.kind
        ));
    }
    let mut config = config.clone();
    config.set(&["apiVersion"], versioned.kind.group_version().to_string());
    config.set(&["kind"], versioned.kind.kind.to_string());
    let merged = request.view.configured(served, request.subresource(), &versioned.object, &config);
    merged.map(Some).map_err(|why| format!("error applying patch: {why}"))
}

/// None where a test of the patch fails: then nothing is changed.
fn json_patched(versioned: &VersionedAttributes, operations: &Value) -> Result<Option<Value>, String> {
    let Value::List(operations) = operations else {
        return Err("type mismatch: JSONPatchType.expression should evaluate to array".to_owned());
    };
    if operations.len() > json_patch::OPERATIONS_MAX {
        return Err("JSON Patch: there are too many operations".to_owned());
    }
    // Fields that an operation omits count as empty.
    let said = |operation: &Value| {
        let mut operation = operation.clone();
        for field in
            ["op", "path"].into_iter().filter(|field| operation.get(field).is_none()).collect::<Vec<_>>()
        {
            operation.set(&[field], "");
        }
        operation
    };
    let operations: Vec<Value> = operations.iter().map(said).collect();
    let mut target = pintle_patch::untyped(&versioned.object);
    match json_patch::json_patch(&mut target, &operations) {
        Ok(()) => Ok(Some(target)),
        Err(error) if error.is_failed_test() => Ok(None),
        Err(error) => Err(format!("JSON Patch: {error}")),
    }
}
