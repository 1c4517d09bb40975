//! The status of a ResourceClaim: permissions for binding, for reports of each driver's devices, and for administrative
//! access. KEP 4817 and 5018.

use crate::request::Request;
use pintle_access::authorize::check;
use pintle_object::{FieldErrors, Path, RequestInfo, Status, Text, Value, Verb};
use std::collections::BTreeSet;

const GROUP: &str = "resource.k8s.io";
const CLAIMS: &str = "resourceclaims";
const STATUS: Path<'static> = Path::root("status");
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";
/// The node that the token of a service account is bound to.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// The refusal of a status that its writer has no right to.
pub fn judge_status(request: &Request<'_>, claim: &Value) -> Result<(), Status> {
    let is_status = request.subresource() == "status" && request.is_update();
    if !is_status || !request.is_resource(GROUP, CLAIMS) {
        return Ok(());
    }
    let mut errors = FieldErrors::new();
    let write = StatusWrite { request, new: claim, old: request.attributes.old.unwrap_or(&Value::Null) };
    write.admin_access(&mut errors);
    write.binding(&mut errors);
    write.devices(&mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    let kind = request.attributes.target.served.storage.group_kind();
    Err(Status::invalid(&kind, request.attributes.target.name, errors))
}

struct StatusWrite<'a> {
    request: &'a Request<'a>,
    new: &'a Value,
    old: &'a Value,
}

impl StatusWrite<'_> {
    fn verb(&self) -> &'static str {
        if self.request.attributes.is_patch { "patch" } else { "update" }
    }

    /// Devices are administered in namespaces that are labelled for it.
    fn admin_access(&self, errors: &mut FieldErrors) {
        let results = ["status", "allocation", "devices", "results"];
        let administered = |claim: &Value| {
            claim.list_at(&results).iter().position(|result| result.bool_at(&["adminAccess"]))
        };
        let Some(index) = administered(self.new).filter(|_| administered(self.old).is_none()) else { return };
        let namespace = self.request.namespace();
        let labels = self.request.view.labels("", "namespaces", "", namespace);
        let label = labels.as_ref().and_then(|labels| labels.get(ADMIN_LABEL)).and_then(Value::as_str);
        if label != Some("true") {
            let why = format!(
                "admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
            );
            let path = Path::root("status.allocation.devices.results");
            errors.forbidden(&path.index(index).child("adminAccess"), &why);
        }
    }

    /// Changes of allocations or reservations need a permission for all claims (`resourceclaims/binding`).
    fn binding(&self, errors: &mut FieldErrors) {
        let field = |claim: &Value, name: &str| -> Option<Value> {
            claim.at(&["status", name]).filter(|value| !value.is_null()).cloned()
        };
        let is_same = |name: &str| field(self.new, name) == field(self.old, name);
        if is_same("allocation") && self.new.list_at(RESERVED) == self.old.list_at(RESERVED) {
            return;
        }
        let verb = self.verb();
        let asked = RequestInfo {
            subresource: "binding".into(),
            namespace: Text::default(),
            name: Text::default(),
            ..self.request.asked(Verb::named(verb))
        };
        if let Err(why) = self.check(&asked) {
            let why = format!(
                "changing status.allocation or status.reservedFor requires resource=\"resourceclaims/binding\", \
                 verb=\"{verb}\" permission: {why}"
            );
            errors.forbidden(&STATUS.child("allocation"), &why);
        }
    }

    /// Changes of device statuses need a permission for each driver, on the claim's node or on all.
    fn devices(&self, errors: &mut FieldErrors) {
        if self.new.map_at(&["status", "allocation"]).is_none() {
            return;
        }
        let drivers = changed_drivers(self.new, self.old);
        if drivers.is_empty() {
            return;
        }
        let verb = self.verb();
        let mut verbs = vec![format!("arbitrary-node:{verb}")];
        if self.is_on_node() {
            verbs.insert(0, format!("associated-node:{verb}"));
        }
        for driver in drivers {
            if let Err(why) = self.check_driver(&verbs, driver) {
                let verbs = verbs.join(" ");
                let why = format!(
                    "changing status.devices requires resource=\"resourceclaims/driver\", verb=\"[{verbs}]\" \
                     permission: {why}"
                );
                errors.forbidden(&STATUS.child("devices"), &why);
            }
        }
    }

    /// Checks that the user has one of the verbs; the refusal is that of the first.
    fn check_driver(&self, verbs: &[String], driver: &str) -> Result<(), String> {
        let mut refusal = Ok(());
        for verb in verbs {
            let asked = self.request.asked(Verb::named(verb));
            let asked = RequestInfo { subresource: "driver".into(), name: driver.into(), ..asked };
            match self.check(&asked) {
                Ok(()) => return Ok(()),
                Err(why) if refusal.is_ok() => refusal = Err(why),
                Err(_) => {}
            }
        }
        refusal
    }

    fn check(&self, asked: &RequestInfo) -> Result<(), String> {
        let authorizer = self.request.permissions.authorizer.as_ref();
        check(authorizer, self.request.user(), asked).map_err(|refusal| refusal.message)
    }

    /// Whether a service account asks from the one node that the claim is allocated for.
    fn is_on_node(&self) -> bool {
        let user = self.request.attributes.user;
        let node = allocated_node(self.new);
        let own = user.extra.get(NODE_NAME).map_or(&[][..], Vec::as_slice);
        let is_account =
            user.name.strip_prefix(ACCOUNT_PREFIX).and_then(|rest| rest.split_once(':')).is_some_and(
                |(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains(':'),
            );
        is_account && !node.is_empty() && own == [node]
    }
}

const RESERVED: &[&str] = &["status", "reservedFor"];

/// The drivers of devices whose status was added, changed or taken away.
fn changed_drivers<'a>(new: &'a Value, old: &'a Value) -> BTreeSet<&'a str> {
    const DEVICES: &[&str] = &["status", "devices"];
    let id = |device: &'a Value| ["driver", "pool", "device", "shareID"].map(|field| device.str_at(&[field]));
    let by_id = |claim: &'a Value| -> std::collections::BTreeMap<[&'a str; 4], &'a Value> {
        claim.list_at(DEVICES).iter().map(|device| (id(device), device)).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    let mut changed: BTreeSet<&str> = BTreeSet::new();
    // A device that is listed twice always counts as changed.
    for device in new.list_at(DEVICES) {
        if before.get(&id(device)).copied() != Some(device) {
            changed.insert(device.str_at(&["driver"]));
        }
    }
    let gone = before.keys().filter(|id| !after.contains_key(*id)).map(|[driver, ..]| *driver);
    changed.extend(gone);
    changed
}

/// The node of an allocation that is for one node by name; empty for any other.
fn allocated_node(claim: &Value) -> &str {
    let [term] = claim.list_at(&["status", "allocation", "nodeSelector", "nodeSelectorTerms"]) else {
        return "";
    };
    let ([], [field]) = (term.list_at(&["matchExpressions"]), term.list_at(&["matchFields"])) else {
        return "";
    };
    let is_name = field.str_at(&["key"]) == "metadata.name" && field.str_at(&["operator"]) == "In";
    match field.list_at(&["values"]) {
        [name] if is_name => name.as_str().unwrap_or(""),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(status: &str) -> Value {
        pintle_object::json::parse(format!(r#"{{"status":{status}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn drivers_of_changed_devices_are_found() {
        let check = |old: &str, new: &str, expected: &[&str]| {
            let (old, new) = (format!(r#"{{"devices":[{old}]}}"#), format!(r#"{{"devices":[{new}]}}"#));
            let (old, new) = (claim(&old), claim(&new));
            assert_eq!(changed_drivers(&new, &old).into_iter().collect::<Vec<_>>(), expected);
        };
        let (a, b) =
            (r#"{"driver":"a","pool":"p","device":"d"}"#, r#"{"driver":"b","pool":"p","device":"d"}"#);
        let changed = r#"{"driver":"a","pool":"p","device":"d","data":{"x":1}}"#;
        check(a, a, &[]);
        check("", a, &["a"]);
        check(a, "", &["a"]);
        check(a, changed, &["a"]);
        check(a, &format!("{a},{b}"), &["b"]);
        check(a, b, &["a", "b"]);
    }

    #[test]
    fn an_allocation_can_be_for_one_node() {
        let check = |terms: &str, expected: &str| {
            let status = format!(r#"{{"allocation":{{"nodeSelector":{{"nodeSelectorTerms":[{terms}]}}}}}}"#);
            assert_eq!(allocated_node(&claim(&status)), expected);
        };
        let one = r#"{"matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]}"#;
        check(one, "n");
        check(&format!("{one},{one}"), "");
        check(&one.replace("\"In\"", "\"NotIn\""), "");
        check(&one.replace("[\"n\"]", "[\"n\",\"m\"]"), "");
        check("", "");
    }
}
