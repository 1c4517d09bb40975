//! Policies and webhooks of the cluster: stored ones are in force, and refusals name them.

use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn webhook(kind: &str, name: &str, more: &Value) -> Value {
    let mut hook = json!({
        "name": "deny.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/x"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
    });
    for (key, value) in more.as_object().expect("fields") {
        hook[key] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "webhooks": [hook],
    })
}

fn map(name: &str, labels: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}})
}

fn check(client: &Client, path: &str, body: &Value, expected: u16) -> String {
    let answer = client.post(path, body);
    assert_eq!(answer.status, expected, "{path} {body} {answer:?}");
    answer.json()["message"].as_str().unwrap_or("").to_owned()
}

#[test]
fn webhooks_that_cannot_be_reached_refuse_what_they_are_about() {
    let server = Server::start();
    let admin = server.admin();
    for (kind, plural) in [
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ] {
        let path = format!("{GROUP}/{plural}");
        let selected = json!({"objectSelector": {"matchLabels": {"a": "b"}}});
        let made = admin.post(&path, &webhook(kind, "w", &selected));
        assert_eq!((made.status, made.header("warning")), (201, None), "{made:?}");
        assert_eq!(check(&admin, MAPS, &map("free", &json!({})), 201), "");
        let why = check(&admin, MAPS, &map("held", &json!({"a": "b"})), 500);
        let text = "Internal error occurred: failed calling webhook \"deny.example.com\": failed to call webhook: \
                    Post \"https://127.0.0.1:1/x?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused";
        assert_eq!(why, text);
        // Policies apply to objects that become selected, and to those that cease to be.
        let labelled = json!({"metadata": {"labels": {"a": "b"}}});
        assert_eq!(admin.patch("merge", &format!("{MAPS}/free"), &labelled).status, 500);
        // A rehearsal is refused alike, and another resource is not.
        assert_eq!(admin.post(&format!("{MAPS}?dryRun=All"), &map("x", &json!({"a": "b"}))).status, 500);
        check(&admin, "/api/v1/namespaces/default/secrets", &map("free", &json!({"a": "b"})), 201);
        // A service that is not there has upstream's words.
        let service = json!({"service": {"name": "hook", "namespace": "default", "path": "/p"}});
        let next = webhook(kind, "w", &json!({"clientConfig": service, "timeoutSeconds": 3}));
        assert_eq!(admin.patch("merge", &format!("{path}/w"), &next).status, 200);
        let why = check(&admin, MAPS, &map("held", &json!({})), 500);
        let url = "https://hook.default.svc:443/p?timeout=3s";
        let text = format!(
            "Internal error occurred: failed calling webhook \"deny.example.com\": failed to call webhook: Post \
             \"{url}\": service \"hook\" not found"
        );
        assert_eq!(why, text);
        assert_eq!(admin.delete(&format!("{path}/w")).status, 200, "what configures admission is exempt");
        let lenient = admin.post(&path, &webhook(kind, "i", &json!({"failurePolicy": "Ignore"})));
        assert_eq!(lenient.status, 201, "{lenient:?}");
        assert_eq!(admin.delete(&format!("{MAPS}/free")).status, 200);
        assert_eq!(admin.delete("/api/v1/namespaces/default/secrets/free").status, 200);
    }
}

#[test]
fn webhooks_are_matched_as_they_would_be_called() {
    let server = Server::start();
    let admin = server.admin();
    let path = format!("{GROUP}/validatingwebhookconfigurations");
    let rule = |group: &str, version: &str, resource: &str| json!([{"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE"], "resources": [resource]}]);
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    let event = json!({"metadata": {"name": "e"}, "eventTime": "2024-01-01T00:00:00.000000Z", "action": "a",
        "reportingController": "x.io/y", "reportingInstance": "i", "reason": "r", "type": "Normal", "note": "n",
        "regarding": {"kind": "Pod", "namespace": "default", "name": "p"}});
    let hpas = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    let hpa = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}}});
    let target = "object.spec.metrics[0].resource.target.averageUtilization == 50";
    let condition = |text: &str| json!([{"name": "c", "expression": text}]);
    let selector = |labels: Value| json!({"matchLabels": labels});
    let here = json!({"kubernetes.io/metadata.name": "default"});
    let cases = [
        (
            "another version is another",
            hpas,
            &hpa,
            json!({"matchPolicy": "Exact", "rules": rule("autoscaling", "v2", "*")}),
            201,
        ),
        ("versions of the same objects", hpas, &hpa, json!({"rules": rule("autoscaling", "v2", "*")}), 500),
        ("groups of the same objects", events, &event, json!({"rules": rule("", "v1", "events")}), 500),
        (
            "conditions see the version of the rule",
            hpas,
            &hpa,
            json!({"rules": rule("autoscaling", "v2", "*"), "matchConditions": condition(target)}),
            500,
        ),
        (
            "conditions exempt",
            hpas,
            &hpa,
            json!({"rules": rule("autoscaling", "v2", "*"), "matchConditions": condition("request.kind.version == 'v1'")}),
            201,
        ),
        (
            "conditions that fail refuse",
            hpas,
            &hpa,
            json!({"rules": rule("autoscaling", "v1", "*"), "matchConditions": condition("object.spec.nope == 1")}),
            403,
        ),
        (
            "namespaces that are selected",
            hpas,
            &hpa,
            json!({"rules": rule("*", "*", "*/*"), "namespaceSelector": selector(here)}),
            500,
        ),
        (
            "namespaces that are not",
            hpas,
            &hpa,
            json!({"rules": rule("*", "*", "*/*"), "namespaceSelector": selector(json!({"a": "b"}))}),
            201,
        ),
        ("subresources are not objects", hpas, &hpa, json!({"rules": rule("*", "*", "*/status")}), 201),
    ];
    for (what, resource, object, more, expected) in cases {
        let configuration = webhook("ValidatingWebhookConfiguration", "w", &more);
        assert_eq!(admin.post(&path, &configuration).status, 201, "{what}");
        let answer = admin.post(&format!("{resource}?dryRun=All"), object);
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
        assert_eq!(admin.delete(&format!("{path}/w")).status, 200);
    }
    // A namespace is selected by its own labels, and is an object of the cluster.
    let mut rules = rule("", "v1", "namespaces");
    rules[0]["scope"] = json!("Cluster");
    let more = json!({"rules": rules, "namespaceSelector": selector(json!({"team": "a"}))});
    assert_eq!(admin.post(&path, &webhook("ValidatingWebhookConfiguration", "w", &more)).status, 201);
    check(&admin, "/api/v1/namespaces", &map("b", &json!({"team": "b"})), 201);
    check(&admin, "/api/v1/namespaces", &map("a", &json!({"team": "a"})), 500);
}

fn policy(name: &str, spec: &Value) -> Value {
    let mut policy = json!({"metadata": {"name": name}, "spec": {
        "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]},
        "validations": [{"expression": "true"}]}});
    for (key, value) in spec.as_object().expect("fields") {
        policy["spec"][key] = value.clone();
    }
    policy
}

fn bind(admin: &Client, name: &str, spec: &Value) {
    let path = format!("{GROUP}/validatingadmissionpolicies");
    assert_eq!(check(admin, &path, &policy(name, spec), 201), "");
    let binding =
        json!({"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}});
    check(admin, &format!("{GROUP}/validatingadmissionpolicybindings"), &binding, 201);
}

#[test]
fn policies_see_the_version_that_they_name() {
    let server = Server::start();
    let admin = server.admin();
    let rules = json!({"resourceRules": [{"apiGroups": ["autoscaling"], "apiVersions": ["v1"],
        "operations": ["CREATE"], "resources": ["horizontalpodautoscalers"]}]});
    let expression = "object.apiVersion == 'autoscaling/v1' && object.spec.targetCPUUtilizationPercentage == 50 \
                      && request.kind.version == 'v1' && request.resource.version == 'v1' \
                      && request.requestKind.version == request.requestResource.version";
    bind(
        &admin,
        "v",
        &json!({"matchConstraints": rules, "validations": [
        {"expression": expression}, {"expression": "request.requestKind.version in ['v1', 'v2']"}]}),
    );
    let target = json!({"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"});
    let old = json!({"metadata": {"name": "h"},
        "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50, "scaleTargetRef": target}});
    check(&admin, "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", &old, 201);
    let metric = json!({"type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}});
    let new = json!({"metadata": {"name": "i"},
        "spec": {"maxReplicas": 3, "metrics": [metric], "scaleTargetRef": target}});
    check(&admin, "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", &new, 201);
}

#[test]
fn policies_see_options_scales_and_their_variables() {
    let server = Server::start();
    let admin = server.admin();
    let text = "request.options.kind == 'CreateOptions' && request.options.fieldManager == 'me' \
                && request.options.fieldValidation == 'Strict' && request.options.dryRun == ['All'] && request.dryRun";
    bind(
        &admin,
        "options",
        &json!({"matchConditions": [{"name": "c", "expression": "object.metadata.name == 'o'"}],
        "validations": [{"expression": text}]}),
    );
    let query = "?fieldManager=me&fieldValidation=Strict&dryRun=All";
    check(&admin, &format!("{MAPS}{query}"), &map("o", &json!({})), 201);
    check(&admin, MAPS, &map("o", &json!({})), 422);
    let uses = "has(variables.x) && variables.?x.orValue(0) == 2 && optional.of(variables).hasValue()";
    bind(
        &admin,
        "variables",
        &json!({"variables": [{"name": "x", "expression": "1 + 1"}],
        "matchConditions": [{"name": "c", "expression": "object.metadata.name == 'v'"}],
        "validations": [{"expression": uses}]}),
    );
    check(&admin, MAPS, &map("v", &json!({})), 201);
    bind(
        &admin,
        "failing",
        &json!({"variables": [{"name": "x", "expression": "object.data.nope"}],
        "matchConditions": [{"name": "c", "expression": "object.metadata.name == 'f'"}],
        "validations": [{"expression": "variables.x == ''"}]}),
    );
    let why = check(&admin, MAPS, &map("f", &json!({})), 422);
    let failed = "expression 'variables.x == ''' resulted in error: composited variable \"x\" fails to evaluate: no such key: data";
    assert!(why.ends_with(failed), "{why}");
    bind(
        &admin,
        "annotated",
        &json!({"auditAnnotations": [{"key": "k", "valueExpression": "string(object.data.nope)"}],
        "matchConditions": [{"name": "c", "expression": "object.metadata.name == 'a'"}], "validations": []}),
    );
    let why = check(&admin, MAPS, &map("a", &json!({})), 422);
    assert!(why.contains("expression 'string(object.data.nope)' resulted in error"), "{why}");
    // A policy without variables cannot name them, and the authorizer has no fields.
    for expression in ["variables == variables", "has(authorizer.nope)", "int('x') == 1"] {
        let body = policy("bad", &json!({"validations": [{"expression": expression}]}));
        let why = check(&admin, &format!("{GROUP}/validatingadmissionpolicies"), &body, 422);
        assert!(why.contains("Invalid value"), "{why}");
    }
}

#[test]
fn parameters_are_referred_to_by_those_who_may_read_them() {
    let server = Server::start();
    let (admin, alice) = (server.admin(), server.alice());
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let allow = |name: &str, rules: Value| {
        check(
            &admin,
            &format!("{rbac}/clusterroles"),
            &json!({"metadata": {"name": name}, "rules": rules}),
            201,
        );
        let group = "rbac.authorization.k8s.io";
        let subjects = json!([{"apiGroup": group, "kind": "User", "name": "alice"}]);
        let role = json!({"apiGroup": group, "kind": "ClusterRole", "name": name});
        let binding = json!({"metadata": {"name": name}, "roleRef": role, "subjects": subjects});
        check(&admin, &format!("{rbac}/clusterrolebindings"), &binding, 201);
    };
    allow(
        "writes",
        json!([{"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]}]),
    );
    for (kind, short) in [("validating", "Validating"), ("mutating", "Mutating")] {
        let policies = format!("{GROUP}/{kind}admissionpolicies");
        let of_secrets = json!({"apiVersion": "v1", "kind": "Secret"});
        let mut body = policy("p", &json!({"paramKind": of_secrets, "failurePolicy": "Ignore"}));
        if kind == "mutating" {
            let spec = body["spec"].as_object_mut().expect("a spec");
            spec.remove("validations");
            spec.insert("reinvocationPolicy".into(), json!("Never"));
            let change = json!({"expression": "Object{}"});
            let mutation = json!([{"patchType": "ApplyConfiguration", "applyConfiguration": change}]);
            spec.insert("mutations".into(), mutation);
        }
        let why = check(&alice, &policies, &body, 422);
        let expected = format!(
            "{short}AdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: spec.paramKind: \
                                Forbidden: user &{{alice "
        );
        assert!(why.starts_with(&expected), "{why}");
        let ends = "must have \"get\" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)";
        assert!(why.ends_with(ends), "{why}");
        check(&admin, &policies, &body, 201);
        // An unchanged reference needs no new permission.
        let labelled = json!({"metadata": {"labels": {"a": "b"}}});
        assert_eq!(alice.patch("merge", &format!("{policies}/p"), &labelled).status, 200);
        let other = json!({"spec": {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}});
        assert_eq!(alice.patch("merge", &format!("{policies}/p"), &other).status, 422);
        let bindings = format!("{GROUP}/{kind}admissionpolicybindings");
        let reference = json!({"name": "s", "namespace": "kube-system", "parameterNotFoundAction": "Deny"});
        let mut binding =
            json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "paramRef": reference}});
        if kind == "validating" {
            binding["spec"]["validationActions"] = json!(["Audit"]);
        }
        let why = check(&alice, &bindings, &binding, 422);
        assert!(why.contains("spec.paramRef: Forbidden: user "), "{why}");
        assert!(why.ends_with("permission on the object referenced by paramRef"), "{why}");
        binding["spec"]["policyName"] = json!("none");
        let why = check(&alice, &bindings, &binding, 422);
        assert!(why.contains("unable to get policy none to determine minimum required permissions"), "{why}");
    }
    allow("reads", json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]));
    let reference = json!({"selector": {}, "parameterNotFoundAction": "Deny"});
    let binding = json!({"metadata": {"name": "c"},
        "spec": {"policyName": "p", "validationActions": ["Audit"], "paramRef": reference}});
    check(&alice, &format!("{GROUP}/validatingadmissionpolicybindings"), &binding, 201);
}

/// A mutating policy about ConfigMaps that is bound to everything.
fn mutate(admin: &Client, name: &str, reinvocation: &str, mutations: &Value) {
    let mut body = policy(name, &json!({"reinvocationPolicy": reinvocation, "mutations": mutations}));
    body["spec"].as_object_mut().expect("a spec").remove("validations");
    assert_eq!(check(admin, &format!("{GROUP}/mutatingadmissionpolicies"), &body, 201), "");
    let binding = json!({"metadata": {"name": name}, "spec": {"policyName": name}});
    check(admin, &format!("{GROUP}/mutatingadmissionpolicybindings"), &binding, 201);
}

fn applies(expression: &str) -> Value {
    json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
}

fn patches(expression: &str) -> Value {
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

#[test]
fn policies_change_what_is_written() {
    let server = Server::start();
    let admin = server.admin();
    let count =
        "Object{metadata: Object.metadata{labels: {'count': string(object.?data.orValue({}).size())}}}";
    mutate(&admin, "a-counts", "IfNeeded", &json!([applies(count)]));
    mutate(
        &admin,
        "b-adds",
        "Never",
        &json!([
            applies("Object{data: {'by': string(request.userInfo.username)}}"),
            patches(
                "[JSONPatch{op: 'test', path: '/metadata/name', value: 'a'}, \
                  JSONPatch{op: 'add', path: '/data/patched', value: object.data.by + '!'}]"
            ),
        ]),
    );
    let made = admin.post(MAPS, &json!({"metadata": {"name": "a"}})).json();
    let user = made["data"]["by"].as_str().expect("the first change is made").to_owned();
    assert_eq!(made["data"], json!({"by": user, "patched": format!("{user}!")}));
    // The first policy runs again, since the second has changed the object.
    assert_eq!(made["metadata"]["labels"], json!({"count": "2"}));
    // A test that finds something else leaves the rest of the patch undone.
    let made = admin.post(MAPS, &json!({"metadata": {"name": "b"}})).json();
    assert_eq!((&made["data"], &made["metadata"]["labels"]["count"]), (&json!({"by": user}), &json!("1")));
    // The mutated object is validated, and a failing mutation refuses.
    let made = admin.patch("merge", &format!("{MAPS}/a"), &json!({"data": {"x": "y"}}));
    assert_eq!(made.json()["metadata"]["labels"], json!({"count": "3"}), "{made:?}");
    mutate(
        &admin,
        "c-fails",
        "Never",
        &json!([patches("[JSONPatch{op: 'add', path: '/nope/x', value: 1}]")]),
    );
    let why = check(&admin, MAPS, &json!({"metadata": {"name": "c"}}), 403);
    let expected = "policy 'c-fails' with binding 'c-fails' denied request: JSON Patch: add operation does not apply: \
                    doc is missing path: \"/nope/x\": missing value";
    assert_eq!(why, expected);
    assert_eq!(admin.delete(&format!("{MAPS}/b")).status, 200, "what is deleted is not changed");
}

#[test]
fn what_is_found_of_types_says_where_and_what() {
    let server = Server::start();
    let admin = server.admin();
    bind(&admin, "p", &json!({}));
    let found =
        json!({"status": {"typeChecking": {"expressionWarnings": [{"fieldRef": "", "warning": ""}]}}});
    let path = format!("{GROUP}/validatingadmissionpolicies/p/status");
    let answer = admin.patch("merge", &path, &found);
    assert_eq!(answer.status, 422, "{answer:?}");
    let expected = "ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: \
                    [status.typeChecking.expressionWarnings[0].warning: Required value, \
                    status.typeChecking.expressionWarnings[0].fieldRef: Required value]";
    assert_eq!(answer.json()["message"], expected);
}
