//! Decisions and refusals of escalation, on roles and bindings written as JSON.

use super::*;
use crate::authorize::{Authorizer, Decision, Rules};
use pintle_object::user::User;
use pintle_object::{RequestInfo, Value, Verb};

fn parse(json: &str) -> Value {
    pintle_object::json::parse(json.as_bytes()).unwrap()
}

/// `alice` reads pods and one configmap in `ns`, `ops` scale anything, everyone reads `/a/*`.
fn index() -> Index {
    let mut index = Index::default();
    let role = |json: &str| parse(&format!(r#"{{"rules":{json}}}"#));
    let reader = role(
        r#"[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods","pods/log"]},
            {"verbs":["*"],"apiGroups":[""],"resources":["configmaps"],"resourceNames":["mine"]},
            {"verbs":["create"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"]},
            {"verbs":["bind"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles"],
             "resourceNames":["strong"]}]"#,
    );
    index.set_role("ns", "reader", Some(&reader));
    let strong = role(r#"[{"verbs":["get"],"apiGroups":[""],"resources":["secrets"]}]"#);
    index.set_role("ns", "strong", Some(&strong));
    index.set_role("ns", "other", Some(&strong));
    let scaler = role(r#"[{"verbs":["update"],"apiGroups":["*"],"resources":["*/scale"]}]"#);
    index.set_role("", "scaler", Some(&scaler));
    index.set_role("", "web", Some(&role(r#"[{"verbs":["get"],"nonResourceURLs":["/a/*","/b"]}]"#)));
    bind(&mut index, "ns", "b", "Role", "reader", r#"{"kind":"User","name":"alice"}"#);
    bind(&mut index, "", "c", "ClusterRole", "scaler", r#"{"kind":"Group","name":"ops"}"#);
    bind(&mut index, "", "w", "ClusterRole", "web", r#"{"kind":"Group","name":"system:authenticated"}"#);
    bind(&mut index, "ns", "s", "ClusterRole", "scaler", r#"{"kind":"ServiceAccount","name":"robot"}"#);
    bind(&mut index, "ns", "gone", "Role", "nothing", r#"{"kind":"User","name":"carl"}"#);
    index
}

fn bind(index: &mut Index, namespace: &str, name: &str, kind: &str, role: &str, subject: &str) {
    let json = format!(
        r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}"}},"subjects":[{subject}],
            "roleRef":{{"kind":"{kind}","name":"{role}"}}}}"#
    );
    index.set_binding(namespace, name, Some(&parse(&json)));
}

fn user(name: &str, groups: &[&str]) -> User {
    let groups = groups.iter().map(ToString::to_string).collect();
    User { name: name.into(), groups, ..User::default() }
}

/// `verb group/resource/subresource namespace/name`, or `verb path`.
fn info(text: &str) -> RequestInfo {
    let (verb, rest) = text.split_once(' ').unwrap();
    let verb = Verb::named(verb);
    let Some((what, place)) = rest.split_once(' ') else {
        return RequestInfo { verb, path: rest.into(), ..RequestInfo::default() };
    };
    let mut parts = what.split('/');
    let mut next = || parts.next().unwrap_or("").into();
    let (group, resource, subresource) = (next(), next(), next());
    let (namespace, name) = place.split_once('/').unwrap();
    RequestInfo {
        verb,
        is_resource: true,
        group,
        version: "v1".into(),
        resource,
        subresource,
        namespace: namespace.into(),
        name: name.into(),
        ..RequestInfo::default()
    }
}

#[test]
fn rules_allow_what_they_say() {
    let index = index();
    let check = |name: &str, groups: &[&str], wanted: &str, expected: bool| {
        let decision = index.authorize(&user(name, groups), &info(wanted));
        assert_eq!(matches!(decision, Decision::Allow(_)), expected, "{name} {groups:?} {wanted}");
    };
    check("alice", &[], "get /pods ns/p", true);
    check("alice", &[], "get /pods/log ns/p", true);
    check("alice", &[], "get /pods/exec ns/p", false);
    check("alice", &[], "delete /pods ns/p", false);
    check("alice", &[], "get /pods other/p", false);
    check("alice", &[], "list /pods /", false);
    check("alice", &[], "get apps/pods ns/p", false);
    check("alice", &[], "delete /configmaps ns/mine", true);
    check("alice", &[], "get /configmaps ns/other", false);
    check("alice", &[], "list /configmaps ns/", false);
    check("bob", &[], "get /pods ns/p", false);
    check("bob", &["ops"], "update apps/deployments/scale any/d", true);
    check("bob", &["ops"], "update apps/deployments any/d", false);
    check("bob", &["ops"], "update apps/scale any/d", false);
    check("bob", &["system:authenticated"], "get /a/b", true);
    check("bob", &["system:authenticated"], "get /a", false);
    check("bob", &["system:authenticated"], "get /b", true);
    check("bob", &["system:authenticated"], "get /b/c", false);
    check("bob", &["system:authenticated"], "post /b", false);
    check("system:serviceaccount:ns:robot", &[], "update apps/deployments/scale ns/d", true);
    check("system:serviceaccount:other:robot", &[], "update apps/deployments/scale ns/d", false);
}

#[test]
fn reasons_name_the_binding() {
    let index = index();
    let check = |name: &str, groups: &[&str], wanted: &str, expected: Decision| {
        assert_eq!(index.authorize(&user(name, groups), &info(wanted)), expected);
    };
    let allow = |why: &str| Decision::Allow(format!("RBAC: allowed by {why}"));
    check("alice", &[], "get /pods ns/p", allow(r#"RoleBinding "b/ns" of Role "reader" to User "alice""#));
    check(
        "x",
        &["ops"],
        "update apps/x/scale n/x",
        allow(r#"ClusterRoleBinding "c" of ClusterRole "scaler" to Group "ops""#),
    );
    check(
        "system:serviceaccount:ns:robot",
        &[],
        "update apps/x/scale ns/x",
        allow(r#"RoleBinding "s/ns" of ClusterRole "scaler" to ServiceAccount "robot/ns""#),
    );
    let missing = "RBAC: role.rbac.authorization.k8s.io \"nothing\" not found";
    check("carl", &[], "get /pods ns/p", Decision::NoOpinion(missing.into()));
}

#[test]
fn what_goes_is_forgotten() {
    let mut index = index();
    let may = |index: &Index| {
        let decision = index.authorize(&user("alice", &[]), &info("get /pods ns/p"));
        matches!(decision, Decision::Allow(_))
    };
    assert!(may(&index));
    index.set_binding("ns", "b", None);
    assert!(!may(&index));
    bind(&mut index, "ns", "b", "Role", "reader", r#"{"kind":"User","name":"alice"}"#);
    assert!(may(&index));
    bind(&mut index, "ns", "b", "Role", "reader", r#"{"kind":"User","name":"bob"}"#);
    assert!(!may(&index));
    bind(&mut index, "ns", "b", "Role", "reader", r#"{"kind":"User","name":"alice"}"#);
    index.set_role("ns", "reader", None);
    assert!(!may(&index));
}

#[test]
fn rules_are_listed_by_binding() {
    let mut found = Rules::default();
    index().list_rules(&user("alice", &["system:authenticated"]), "ns", &mut found);
    let shown: Vec<String> = found.rules.iter().map(Rule::describe).collect();
    assert_eq!(shown[0], r#"{NonResourceURLs:["/a/*" "/b"], Verbs:["get"]}"#);
    assert_eq!((shown.len(), found.errors.len()), (5, 0));
    index().list_rules(&user("carl", &[]), "ns", &mut found);
    assert_eq!(found.errors, ["role.rbac.authorization.k8s.io \"nothing\" not found"]);
}

struct Only(Index);

impl Authorizer for Only {
    fn authorize(&self, user: &User, info: &RequestInfo) -> Decision {
        self.0.authorize(user, info)
    }
}

fn write(user: &User, resource: &str, new: &str, old: &Value) -> Result<(), String> {
    let mut object = parse(new);
    object.set(&["metadata", "name"], "new");
    let info = RequestInfo {
        verb: Verb::Create,
        is_resource: true,
        group: "rbac.authorization.k8s.io".into(),
        version: "v1".into(),
        resource: resource.into(),
        namespace: if resource.starts_with("cluster") { "" } else { "ns" }.into(),
        ..RequestInfo::default()
    };
    if is_exempt(&Only(index()), user, &info, &object, old) {
        return Ok(());
    }
    confirm(&index(), user, &info, &object, old).map_err(|status| status.message)
}

#[test]
fn nobody_grants_more_than_they_have() {
    let alice = user("alice", &["dev"]);
    let check = |resource: &str, new: &str, missing: &str| {
        let result = write(&alice, resource, new, &Value::Null);
        let expected = format!(
            "{resource}.rbac.authorization.k8s.io \"new\" is forbidden: user \"alice\" (groups=[\"dev\"]) is \
             attempting to grant RBAC permissions not currently held:\n{missing}"
        );
        assert_eq!(result, if missing.is_empty() { Ok(()) } else { Err(expected) }, "{new}");
    };
    check("roles", r#"{"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}"#, "");
    check("roles", r#"{"rules":null}"#, "");
    check(
        "roles",
        r#"{"rules":[{"verbs":["get","delete","watch"],"apiGroups":[""],"resources":["pods"]}]}"#,
        r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]}"#,
    );
    check(
        "roles",
        r#"{"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["configmaps"],
            "resourceNames":["mine","other"]}]}"#,
        r#"{APIGroups:[""], Resources:["configmaps"], ResourceNames:["other"], Verbs:["get"]}"#,
    );
    check(
        "clusterroles",
        r#"{"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}"#,
        r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#,
    );
    let group = "\"apiGroup\":\"rbac.authorization.k8s.io\"";
    let of = |kind: &str, name: &str| format!(r#"{{"roleRef":{{{group},"kind":"{kind}","name":"{name}"}}}}"#);
    check("rolebindings", &of("Role", "reader"), "");
    check("rolebindings", &of("Role", "strong"), "");
    check("rolebindings", &of("Role", "other"), r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}"#);
    let missing = write(&alice, "rolebindings", &of("Role", "none"), &Value::Null);
    assert_eq!(missing, Err("rolebindings.rbac.authorization.k8s.io \"none\" not found".into()));
}

#[test]
fn masters_and_the_garbage_collector_are_not_held_up() {
    let all = r#"{"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}"#;
    assert!(write(&user("x", &[pintle_object::user::MASTERS]), "roles", all, &Value::Null).is_ok());
    assert!(write(&user("x", &[]), "roles", all, &Value::Null).is_err());
    let mut old = parse(all);
    old.set(&["metadata", "name"], "new");
    old.set(&["metadata", "finalizers"], vec![Value::from("f")]);
    assert!(write(&user("x", &[]), "roles", all, &old).is_ok());
}
