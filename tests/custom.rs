//! Custom resources, from their definition to their end.

use pintle_testkit::{Client, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.org/v1/namespaces/default/widgets";

/// A definition takes less than this from its creation to its first object.
const SERVED_MAX: Duration = Duration::from_secs(5);

/// A definition with one version, `v1`.
pub fn definition(plural: &str, kind: &str, group: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// Creates a definition, and waits until it is established.
pub fn install(client: &Client, definition: &Value) -> Value {
    let created = client.post(DEFINITIONS, definition);
    assert_eq!(created.status, 201, "{}", created.text());
    let name = definition["metadata"]["name"].as_str().expect("a name");
    wait(|| {
        let current = client.get(&format!("{DEFINITIONS}/{name}")).json();
        let conditions = current["status"]["conditions"].as_array()?;
        let is_done = |one: &Value| one["type"] == "Established" && one["status"] == "True";
        conditions.iter().any(is_done).then(|| current.clone())
    })
}

/// Asks until there is an answer.
fn wait<T>(ask: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + SERVED_MAX;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "nothing happened within {SERVED_MAX:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn widgets() -> Value {
    let spec = json!({"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1},
        "color": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "replicas": {"type": "integer", "default": 1},
        "port": {"x-kubernetes-int-or-string": true},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    let status = json!({"type": "object", "properties": {"replicas": {"type": "integer"}, "phase": {"type": "string"}}});
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": status}});
    let mut definition = definition("widgets", "Widget", "example.org", &schema);
    definition["spec"]["names"]["shortNames"] = json!(["wg"]);
    definition["spec"]["names"]["categories"] = json!(["all"]);
    let version = &mut definition["spec"]["versions"][0];
    version["subresources"] = json!({
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
    });
    version["additionalPrinterColumns"] =
        json!([{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]);
    version["selectableFields"] = json!([{"jsonPath": ".spec.color"}]);
    definition
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

#[test]
fn a_definition_is_served_everywhere() {
    let server = Server::start();
    let admin = server.admin();
    let installed = install(&admin, &widgets());
    assert_eq!(installed["spec"]["names"]["listKind"], "WidgetList");
    assert_eq!(installed["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(installed["status"]["acceptedNames"]["singular"], "widget");

    let resources = admin.get("/apis/example.org/v1").json();
    let names: Vec<&str> = resources["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    assert_eq!(resources["resources"][0]["shortNames"], json!(["wg"]));
    assert_eq!(admin.get("/apis/example.org").json()["preferredVersion"]["version"], "v1");

    let index = admin.get("/openapi/v3").json();
    let url = index["paths"]["apis/example.org/v1"]["serverRelativeURL"].as_str().expect("a URL").to_string();
    let document = admin.get(&url).json();
    let schema = &document["components"]["schemas"]["org.example.v1.Widget"];
    assert_eq!(schema["properties"]["spec"]["properties"]["size"]["type"], "integer");
    let service = wait(|| {
        let answer = admin.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.example.org");
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(service["status"]["conditions"][0]["reason"], "Local");
}

#[test]
fn objects_are_pruned_defaulted_and_checked() {
    let server = Server::start();
    let admin = server.admin();
    install(&admin, &widgets());
    let spec = json!({"size": 1, "port": "http", "bogus": true, "any": {"a": [1, {"b": null}]}});
    let created = admin.post(WIDGETS, &widget("a", spec));
    assert_eq!(created.header("warning"), Some("299 - \"unknown field \\\"spec.bogus\\\"\""));
    let expected =
        json!({"size": 1, "port": "http", "color": "red", "replicas": 1, "any": {"a": [1, {"b": null}]}});
    assert_eq!(created.json()["spec"], expected);
    assert_eq!(created.json()["metadata"]["generation"], 1);
    for (spec, message) in [
        (json!({}), "spec.size: Required value"),
        (
            json!({"size": 0}),
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            json!({"size": 1, "color": "green"}),
            "spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\"",
        ),
        (
            json!({"size": "1"}),
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
        ),
    ] {
        let refused = admin.post(WIDGETS, &widget("b", spec));
        assert_eq!(refused.status, 422);
        let expected = format!("Widget.example.org \"b\" is invalid: {message}");
        assert_eq!(refused.json()["message"], expected.as_str());
    }
    let strategic = admin.patch("strategic-merge", &format!("{WIDGETS}/a"), &json!({}));
    assert_eq!(strategic.status, 415);
}

/// A few bytes of a body can ask for defaults that no store takes: 100 MB here.
#[test]
fn defaults_of_many_items_are_refused_before_they_fill_memory() {
    let server = Server::start();
    let admin = server.admin();
    let item =
        json!({"type": "object", "properties": {"a": {"type": "string", "default": "x".repeat(1000)}}});
    let spec = json!({"type": "object", "properties": {"items": {"type": "array", "items": item}}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    install(&admin, &definition("widgets", "Widget", "example.org", &schema));
    let of = |name: &str, items: usize| widget(name, json!({"items": vec![json!({}); items]}));
    let made = wait(|| Some(admin.post(WIDGETS, &of("a", 1000))).filter(|made| made.status != 404));
    assert_eq!(made.status, 201, "{}", made.text());
    let refused = admin.post(WIDGETS, &of("b", 100_000));
    assert_eq!(
        (refused.status, &refused.json()["message"]),
        (500, &json!("etcdserver: request is too large"))
    );
    let patch = json!({"spec": {"items": vec![json!({}); 100_000]}});
    let refused = admin.patch("merge", &format!("{WIDGETS}/a"), &patch);
    assert_eq!(
        (refused.status, &refused.json()["message"]),
        (500, &json!("etcdserver: request is too large"))
    );
}

#[test]
fn status_scale_table_and_selectors_work() {
    let server = Server::start();
    let admin = server.admin();
    install(&admin, &widgets());
    let path = format!("{WIDGETS}/a");
    let mut with_status = widget("a", json!({"size": 3, "color": "blue"}));
    with_status["status"] = json!({"phase": "Early"});
    let created = admin.post(WIDGETS, &with_status).json();
    assert!(created["status"].is_null(), "a create has no status");
    admin.post(WIDGETS, &widget("b", json!({"size": 4})));

    let patch = json!({"status": {"phase": "Ready", "replicas": 2}, "spec": {"size": 9}});
    let ready = admin.patch("merge", &format!("{path}/status"), &patch).json();
    assert_eq!((&ready["status"]["phase"], &ready["spec"]["size"]), (&json!("Ready"), &json!(3)));
    assert_eq!(ready["metadata"]["generation"], 1);

    let scale = admin.get(&format!("{path}/scale")).json();
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["replicas"]), (&json!(1), &json!(2)));
    let scaled = admin.patch("merge", &format!("{path}/scale"), &json!({"spec": {"replicas": 5}})).json();
    assert_eq!(scaled["spec"]["replicas"], 5);
    let after = admin.get(&path).json();
    assert_eq!((&after["spec"]["replicas"], &after["metadata"]["generation"]), (&json!(5), &json!(2)));

    let blue = admin.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dblue")).json();
    assert_eq!(blue["items"].as_array().map(Vec::len), Some(1));
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = admin.send("GET", WIDGETS, &accept, bytes::Bytes::new()).json();
    assert_eq!(table["columnDefinitions"][1]["name"], "Size");
    assert_eq!(table["rows"][1]["cells"], json!(["b", 4]));
}

#[test]
fn a_changed_definition_changes_what_is_seen_and_selected() {
    let server = Server::start();
    let admin = server.admin();
    install(&admin, &widgets());
    admin.post(WIDGETS, &widget("a", json!({"size": 1})));
    let path = format!("{DEFINITIONS}/widgets.example.org");
    let base = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let shape = json!({"type": "string", "default": "round"});
    let changes = json!([
        {"op": "add", "path": format!("{base}/shape"), "value": shape},
        {"op": "remove", "path": format!("{base}/replicas")},
        {"op": "add", "path": "/spec/versions/0/selectableFields/-", "value": {"jsonPath": ".spec.shape"}},
    ]);
    let changed = admin.patch("json", &path, &changes);
    assert_eq!(changed.status, 200, "{}", changed.text());
    let selected = format!("{WIDGETS}?fieldSelector=spec.shape%3Dround");
    let list = wait(|| Some(admin.get(&selected)).filter(|answer| answer.status == 200)).json();
    assert_eq!(list["items"][0]["spec"], json!({"size": 1, "color": "red", "shape": "round"}));
    assert_eq!(admin.get(&format!("{WIDGETS}/a")).json()["spec"], list["items"][0]["spec"]);
}

#[test]
fn versions_show_what_they_know() {
    let server = Server::start();
    let admin = server.admin();
    let version = |name: &str, field: &str, storage: bool| {
        let spec =
            json!({"type": "object", "properties": {"both": {"type": "string"}, field: {"type": "string"}}});
        let schema = json!({"type": "object", "properties": {"spec": spec}});
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema}})
    };
    let mut definition = definition("widgets", "Widget", "example.org", &json!({}));
    definition["spec"]["versions"] = json!([version("v1", "one", true), version("v2", "two", false)]);
    definition["spec"]["versions"][1]["deprecated"] = json!(true);
    definition["spec"]["versions"][1]["deprecationWarning"] = json!("use v1");
    install(&admin, &definition);
    admin.post(WIDGETS, &widget("a", json!({"both": "x", "one": "y"})));
    let second = admin.get("/apis/example.org/v2/namespaces/default/widgets/a");
    assert_eq!(second.header("warning"), Some("299 - \"use v1\""));
    assert_eq!(second.json()["apiVersion"], "example.org/v2");
    assert_eq!(second.json()["spec"], json!({"both": "x"}));
    let patch = json!({"spec": {"two": "z"}});
    let patched = admin.patch("merge", "/apis/example.org/v2/namespaces/default/widgets/a", &patch).json();
    assert_eq!(patched["metadata"]["generation"], 2);
    // Fields of the other version alone went when it was read, and those of this one alone when it was stored.
    assert_eq!(admin.get(&format!("{WIDGETS}/a")).json()["spec"], json!({"both": "x"}));
}

#[test]
fn custom_resources_survive_restarts() {
    let mut server = Server::start();
    install(&server.admin(), &widgets());
    let before = server.admin().post(WIDGETS, &widget("a", json!({"size": 1, "color": "blue"}))).json();
    server.kill();
    server.spawn();
    let admin = server.admin();
    assert_eq!(admin.get(&format!("{WIDGETS}/a")).json(), before);
    let selected = admin.get(&format!("{WIDGETS}?fieldSelector=spec.color%3Dblue")).json();
    assert_eq!(selected["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(admin.post(WIDGETS, &widget("b", json!({"size": 2}))).status, 201);
}

#[test]
fn a_deleted_definition_takes_its_objects_with_it() {
    let server = Server::start();
    let admin = server.admin();
    install(&admin, &widgets());
    let mut held = widget("held", json!({"size": 1}));
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    admin.post(WIDGETS, &held);
    admin.post(WIDGETS, &widget("free", json!({"size": 1})));
    let path = format!("{DEFINITIONS}/widgets.example.org");
    assert_eq!(admin.delete(&path).status, 200);
    wait(|| (admin.get(&format!("{WIDGETS}/free")).status == 404).then_some(()));
    // An object that a finalizer holds also holds the definition.
    let terminating = admin.get(&path).json();
    assert_eq!(terminating["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let refused = admin.post(WIDGETS, &widget("late", json!({"size": 1})));
    assert_eq!(refused.status, 405, "{}", refused.text());
    admin.patch("merge", &format!("{WIDGETS}/held"), &json!({"metadata": {"finalizers": null}}));
    wait(|| (admin.get(&path).status == 404).then_some(()));
    wait(|| (admin.get(WIDGETS).status == 404).then_some(()));
    let service = "/apis/apiregistration.k8s.io/v1/apiservices/v1.example.org";
    wait(|| (admin.get(service).status == 404).then_some(()));
}

#[test]
fn objects_go_though_no_version_is_served() {
    let server = Server::start();
    let admin = server.admin();
    let definition = widgets();
    install(&admin, &definition);
    for name in ["a", "b", "c"] {
        assert_eq!(admin.post(WIDGETS, &widget(name, json!({"size": 1}))).status, 201);
    }
    let path = format!("{DEFINITIONS}/widgets.example.org");
    let unserved = json!([{"op": "replace", "path": "/spec/versions/0/served", "value": false}]);
    assert_eq!(admin.patch("json", &path, &unserved).status, 200);
    wait(|| (admin.get(WIDGETS).status == 404).then_some(()));
    admin.delete(&path);
    wait(|| (admin.get(&path).status == 404).then_some(()));
    install(&admin, &definition);
    let list = wait(|| Some(admin.get(WIDGETS)).filter(|answer| answer.status == 200)).json();
    assert_eq!(list["items"], json!([]));
}

#[test]
fn what_is_stored_can_be_read_again_however_deep() {
    let server = Server::start();
    let admin = server.admin();
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    install(&admin, &definition("widgets", "Widget", "example.org", &open));
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({"a": inner}));
    for levels in [100, 400, 470, 480, 490, 497, 499, 505, 600] {
        let name = format!("a{levels}");
        let answer = admin.post(WIDGETS, &widget(&name, nested(levels)));
        assert!([201, 400].contains(&answer.status), "{levels}: {}", answer.text());
        let found = admin.get(&format!("{WIDGETS}/{name}")).status;
        assert_eq!(found, if answer.status == 201 { 200 } else { 404 }, "{levels}");
    }
    // A patch of little depth can make an object of much.
    let place = format!("/spec{}/b", "/a".repeat(399));
    let deepened = admin.patch(
        "json",
        &format!("{WIDGETS}/a400"),
        &json!([{"op": "add", "path": place, "value": nested(300)}]),
    );
    assert_eq!(deepened.status, 422, "{}", deepened.text());
    assert_eq!(admin.get(WIDGETS).status, 200);
    let deep = (0..300).fold(json!({"type": "string"}), |items, _| json!({"type": "array", "items": items}));
    let schema = json!({"type": "object", "properties": {"spec": deep}});
    let path = format!("{DEFINITIONS}/deeps.example.org");
    assert_eq!(admin.post(DEFINITIONS, &definition("deeps", "Deep", "example.org", &schema)).status, 201);
    assert_eq!(admin.get(&path).text().matches("\"items\":").count(), 300);
}

#[test]
fn rules_of_definitions_are_evaluated() {
    let server = Server::start();
    let admin = server.admin();
    let rule = json!([{"rule": "self.size() > 1"}]);
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-validations": rule}}});
    install(&admin, &definition("rules", "Rule", "example.org", &schema));
    for (text, expected) in [("x", 422), ("xy", 201)] {
        let object =
            json!({"apiVersion": "example.org/v1", "kind": "Rule", "metadata": {"name": "r"}, "a": text});
        let answer = admin.post(&WIDGETS.replace("widgets", "rules"), &object);
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
}
