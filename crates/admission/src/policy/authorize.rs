//! Writers of a policy or a binding must be allowed to read its parameters: refusals may show their content.

use super::params;
use crate::request::Request;
use crate::view::GROUP;
use pintle_access::User;
use pintle_access::authorize::Decision;
use pintle_object::{FieldErrors, GroupVersion, Path, RequestInfo, Status, Value, Verb};

/// The refusal of a policy or binding whose writer may not read its parameters.
pub fn params(request: &Request<'_>, object: &Value) -> Result<(), Status> {
    let resource = &request.attributes.target.served.resource;
    let is_write = request.is_create() || request.is_update();
    if resource.group != GROUP || !is_write || !request.subresource().is_empty() {
        return Ok(());
    }
    // Members of `system:masters` may read everything.
    if request.attributes.user.groups.iter().any(|group| group == pintle_access::MASTERS) {
        return Ok(());
    }
    let (field, found) = match resource.plural.as_ref() {
        "validatingadmissionpolicies" | "mutatingadmissionpolicies" => ("paramKind", policy(request, object)),
        "validatingadmissionpolicybindings" => {
            ("paramRef", binding(request, object, "validatingadmissionpolicies"))
        }
        "mutatingadmissionpolicybindings" => {
            ("paramRef", binding(request, object, "mutatingadmissionpolicies"))
        }
        _ => return Ok(()),
    };
    let Err(why) = found else { return Ok(()) };
    let mut errors = FieldErrors::new();
    errors.forbidden(&Path::root("spec").child(field), &why);
    let name = request.known_name(object);
    Err(Status::invalid(&request.attributes.target.served.group_kind(), name, errors))
}

/// The resource of a `paramKind`; a part that cannot be resolved is a star.
struct Wanted<'a> {
    group: &'a str,
    version: &'a str,
    resource: &'a str,
}

const EVERYTHING: Wanted<'static> = Wanted { group: "*", version: "*", resource: "*" };

/// All objects of the kind may be the parameters of a policy.
fn policy(request: &Request<'_>, object: &Value) -> Result<(), String> {
    let Some(kind) = present(object, "paramKind") else { return Ok(()) };
    let before = request.attributes.old.and_then(|old| present(old, "paramKind"));
    let same = |field: &str| before.is_some_and(|old| old.str_at(&[field]) == kind.str_at(&[field]));
    if request.is_update() && same("apiVersion") && same("kind") {
        return Ok(());
    }
    let (api_version, name) = (kind.str_at(&["apiVersion"]), kind.str_at(&["kind"]));
    let parsed = GroupVersion::parse(api_version);
    let served = params::kind(request.view, object).ok().flatten();
    let wanted = match &parsed {
        Some(parsed) => Wanted {
            group: &parsed.group,
            version: &parsed.version,
            resource: served.as_ref().map_or("*", |served| &served.resource.plural),
        },
        None => EVERYTHING,
    };
    let user = request.user();
    match authorize(request, user, "get", &wanted, ("*", "*")) {
        AuthorizerAnswer::Allowed => Ok(()),
        AuthorizerAnswer::Failed(why) => Err(why),
        AuthorizerAnswer::Refused => Err(format!(
            "user {} must have \"get\" permission on all objects of the referenced paramKind (kind={name}, \
             apiVersion={api_version})",
            shown(user)
        )),
    }
}

/// The object that a binding names, or all that it may select.
fn binding(request: &Request<'_>, object: &Value, policies: &str) -> Result<(), String> {
    let Some(reference) = present(object, "paramRef") else { return Ok(()) };
    let policy_name = object.str_at(&["spec", "policyName"]);
    let policy = request.view.get(GROUP, policies, "", policy_name);
    let kind = policy.as_ref().and_then(|policy| present(policy, "paramKind"));
    let parsed = kind.map(|kind| GroupVersion::parse(kind.str_at(&["apiVersion"])));
    let served = policy.as_ref().map(|policy| params::kind(request.view, policy));
    let wanted = match (&parsed, &served) {
        (Some(Some(parsed)), Some(served)) => Wanted {
            group: &parsed.group,
            version: &parsed.version,
            resource: match served {
                Ok(Some(served)) => &served.resource.plural,
                _ => "*",
            },
        },
        _ => EVERYTHING,
    };
    let name = reference.str_at(&["name"]);
    let verb = if name.is_empty() { "list" } else { "get" };
    let user = request.user();
    let place = (reference.str_at(&["namespace"]), name);
    let is_validating = policies == "validatingadmissionpolicies";
    match authorize(request, user, verb, &wanted, place) {
        AuthorizerAnswer::Allowed => return Ok(()),
        AuthorizerAnswer::Failed(why) if is_validating => {
            return Err(format!("failed to authorize request: {why}"));
        }
        AuthorizerAnswer::Failed(why) => return Err(why),
        AuthorizerAnswer::Refused => {}
    }
    let user = shown(user);
    let everywhere = format!(
        "to determine minimum required permissions and user {user} does not have \"{verb}\" permission for all \
         groups, versions and resources"
    );
    let param_kind =
        kind.map(|kind| format!("&{{{} {}}}", kind.str_at(&["apiVersion"]), kind.str_at(&["kind"])));
    let param_kind = param_kind.unwrap_or_default();
    Err(match (&policy, parsed, served) {
        (None, ..) => format!("unable to get policy {policy_name} {everywhere}"),
        (_, Some(None), _) => format!("unable to parse paramKind {param_kind} {everywhere}"),
        (_, Some(Some(_)), Some(Err(_))) => format!("unable to resolve paramKind {param_kind} {everywhere}"),
        _ if is_validating => {
            format!("user {user} does not have \"{verb}\" permission on the object referenced by paramRef")
        }
        // The reference has these the other way round.
        _ => format!("user {verb} does not have \"{user}\" permission on the object referenced by paramRef"),
    })
}

enum AuthorizerAnswer {
    Allowed,
    Refused,
    Failed(String),
}

fn authorize(
    request: &Request<'_>,
    user: &User,
    verb: &str,
    wanted: &Wanted<'_>,
    (namespace, name): (&str, &str),
) -> AuthorizerAnswer {
    let info = RequestInfo {
        verb: Verb::named(verb),
        is_resource: true,
        group: wanted.group.into(),
        version: wanted.version.into(),
        resource: wanted.resource.into(),
        namespace: namespace.into(),
        name: name.into(),
        ..RequestInfo::default()
    };
    match request.permissions.authorizer.authorize(user, &info) {
        Decision::Allow(_) => AuthorizerAnswer::Allowed,
        Decision::Deny(_) | Decision::NoOpinion(_) => AuthorizerAnswer::Refused,
        Decision::Error { why, .. } => AuthorizerAnswer::Failed(why),
    }
}

fn present<'a>(of: &'a Value, field: &str) -> Option<&'a Value> {
    of.at(&["spec", field]).filter(|found| !found.is_null())
}

/// A user as Go prints one.
fn shown(user: &User) -> String {
    let extra: Vec<String> =
        user.extra.iter().map(|(name, values)| format!("{name}:[{}]", values.join(" "))).collect();
    format!("&{{{} {} [{}] map[{}]}}", user.name, user.uid, user.groups.join(" "), extra.join(" "))
}
