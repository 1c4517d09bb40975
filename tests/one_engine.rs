//! A built-in kind and a custom resource of the same shape give the same answers to the same requests.

use super::custom::{definition, install};
use bytes::Bytes;
use pintle_testkit::{Client, Server};
use serde_json::{Value, json};

/// A kind under test: answers may differ in these texts only.
struct Shape {
    api_version: &'static str,
    kind: &'static str,
    /// Plural and group, as messages name them.
    resource: &'static str,
    collection: &'static str,
}

const BUILTIN: Shape = Shape {
    api_version: "v1",
    kind: "ConfigMap",
    resource: "configmaps",
    collection: "/api/v1/namespaces/default/configmaps",
};

const CUSTOM: Shape = Shape {
    api_version: "shapes.example.org/v1",
    kind: "Parcel",
    resource: "parcels.shapes.example.org",
    collection: "/apis/shapes.example.org/v1/namespaces/default/parcels",
};

impl Shape {
    fn object(&self, name: &str, data: Value) -> Value {
        json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name}, "data": data})
    }
}

/// One conversation with one kind.
struct Talk<'a> {
    client: &'a Client,
    shape: &'a Shape,
    answers: Vec<Value>,
}

impl Talk<'_> {
    fn send(&mut self, method: &str, path: &str, content_type: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.shape.collection);
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let answer = self.client.send(method, &url, &[("content-type", content_type)], bytes);
        let body = answer.json();
        let shown = json!({
            "request": format!("{method} {path}"),
            "status": answer.status,
            "warning": answer.header("warning"),
            "body": plain(&body, self.shape),
        });
        self.answers.push(shown);
        body
    }

    fn get(&mut self, path: &str) -> Value {
        self.send("GET", path, "application/json", &Value::Null)
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.send("POST", path, "application/json", body)
    }

    fn put(&mut self, path: &str, body: &Value) -> Value {
        self.send("PUT", path, "application/json", body)
    }

    fn delete(&mut self, path: &str, options: &Value) -> Value {
        self.send("DELETE", path, "application/json", options)
    }

    fn merge(&mut self, path: &str, body: &Value) -> Value {
        self.send("PATCH", path, "application/merge-patch+json", body)
    }

    fn json_patch(&mut self, path: &str, body: &Value) -> Value {
        self.send("PATCH", path, "application/json-patch+json", body)
    }

    fn apply(&mut self, path: &str, body: &Value) -> Value {
        self.send("PATCH", path, "application/apply-patch+yaml", body)
    }
}

/// An answer without the texts of its kind, and without parts that differ between any two objects.
fn plain(value: &Value, shape: &Shape) -> Value {
    const UNLIKE: [&str; 7] =
        ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "time", "group"];
    match value {
        Value::Object(map) => {
            let is_status = map.get("kind").is_some_and(|kind| kind == "Status");
            let kept = map.iter().filter(|(key, _)| !UNLIKE.contains(&key.as_str()));
            let shown = kept.map(|(key, value)| match key.as_str() {
                "apiVersion" if is_status => (key.clone(), value.clone()),
                "managedFields" => (key.clone(), sorted(plain(value, shape))),
                _ => (key.clone(), plain(value, shape)),
            });
            Value::Object(shown.collect())
        }
        Value::Array(items) => items.iter().map(|item| plain(item, shape)).collect(),
        Value::String(text) => Value::from(plain_text(text, shape)),
        other => other.clone(),
    }
}

/// Managers stand in the order of their times, to the second: it differs where one ends in between.
fn sorted(mut managers: Value) -> Value {
    if let Some(managers) = managers.as_array_mut() {
        managers.sort_by_key(|manager| manager["manager"].to_string());
    }
    managers
}

fn plain_text(text: &str, shape: &Shape) -> String {
    if text == shape.api_version {
        return String::from("VERSION");
    }
    let plural = shape.resource.split('.').next().unwrap_or("");
    let group = shape.resource.strip_prefix(plural).unwrap_or("");
    let qualified = format!("{}{group} \"", shape.kind);
    text.replace(&format!("using {}:", shape.api_version), "using VERSION:")
        .trim_end_matches(&format!("using {}", shape.api_version))
        .replace(shape.resource, "RESOURCES")
        .replace(plural, "RESOURCES")
        .replace(&qualified, "KIND \"")
        .replace(shape.kind, "KIND")
        .split(' ')
        .map(|word| if is_uid(word.trim_matches(['(', ')', '.'])) { "UID" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

fn is_uid(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Runs a scenario on both kinds, and compares answer by answer.
fn compare(scenario: impl Fn(&mut Talk<'_>)) {
    let server = Server::start();
    let admin = server.admin();
    let data = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let schema = json!({"type": "object", "properties": {"data": data, "immutable": {"type": "boolean"}}});
    install(&admin, &definition("parcels", "Parcel", "shapes.example.org", &schema));
    let talk = |shape| {
        let mut talk = Talk { client: &admin, shape, answers: Vec::new() };
        scenario(&mut talk);
        talk.answers
    };
    let (builtin, custom) = (talk(&BUILTIN), talk(&CUSTOM));
    assert_eq!(builtin.len(), custom.len());
    for (builtin, custom) in builtin.iter().zip(&custom) {
        assert_eq!(builtin, custom, "the first is of the built-in kind");
    }
}

#[test]
fn creates_and_updates_are_alike() {
    compare(|talk| {
        let object = talk.shape.object("a", json!({"k": "v"}));
        let first = talk.post("", &object);
        talk.post("", &object);
        talk.get("/a");
        let mut next = first.clone();
        next["data"]["k"] = json!("w");
        let second = talk.put("/a", &next);
        assert_ne!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
        // The same again is based on a version that is not the latest.
        talk.put("/a", &next);
        let unchanged = talk.put("/a", &second);
        assert_eq!(unchanged["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
        talk.put("/b", &second);
        let missing = talk.shape.object("missing", json!({}));
        talk.get("/missing");
        talk.put("/missing", &missing);
        talk.merge("/missing", &json!({"data": {}}));
    });
}

#[test]
fn patches_are_alike() {
    compare(|talk| {
        let object = talk.shape.object("a", json!({"k": "v", "l": "w"}));
        talk.post("", &object);
        talk.merge("/a", &json!({"data": {"k": null, "m": "x"}, "metadata": {"labels": {"a": "b"}}}));
        talk.json_patch("/a", &json!([{"op": "test", "path": "/data/l", "value": "w"},
            {"op": "replace", "path": "/data/l", "value": "y"}, {"op": "add", "path": "/data/n", "value": "z"}]));
        talk.json_patch("/a", &json!([{"op": "test", "path": "/data/l", "value": "other"}]));
        talk.json_patch("/a", &json!([{"op": "remove", "path": "/data/none"}]));
        talk.json_patch("/a", &json!({"op": "remove"}));
        talk.merge("/a", &json!([1]));
        talk.merge("/a", &json!({"metadata": {"resourceVersion": "1"}}));
        talk.merge("/a", &json!({"metadata": {"name": "b"}}));
        talk.merge("/a?fieldManager=other", &json!({"data": {"o": "1"}}));
        talk.get("/a");
    });
}

#[test]
fn applies_are_alike() {
    compare(|talk| {
        let mut config = talk.shape.object("a", json!({"k": "1", "l": "1"}));
        talk.apply("/a?fieldManager=one", &config);
        talk.apply("/a", &config);
        config["data"] = json!({"k": "2"});
        talk.apply("/a?fieldManager=two", &config);
        talk.apply("/a?fieldManager=two&force=true", &config);
        // Giving up what somebody else owns too removes nothing; giving up the rest does.
        config["data"] = json!({"m": "1"});
        talk.apply("/a?fieldManager=one", &config);
        talk.merge("/a?fieldManager=three", &json!({"data": {"m": "2"}}));
        talk.apply("/a?fieldManager=one", &config);
        config.as_object_mut().expect("a map").remove("data");
        talk.apply("/a?fieldManager=one&dryRun=All", &config);
        talk.apply("/a?fieldManager=one", &config);
        config["metadata"]["resourceVersion"] = json!("1");
        talk.apply("/a?fieldManager=one", &config);
        talk.get("/a");
    });
}

#[test]
fn unknown_fields_are_handled_alike() {
    compare(|talk| {
        for (index, validation) in ["Strict", "Warn", "Ignore", ""].iter().enumerate() {
            let query =
                if validation.is_empty() { String::new() } else { format!("fieldValidation={validation}") };
            let name = format!("a{index}");
            let mut object = talk.shape.object(&name, json!({"k": "v"}));
            object["bogus"] = json!(1);
            talk.post(&format!("?{query}"), &object);
            object.as_object_mut().expect("a map").remove("bogus");
            object["metadata"]["unknown"] = json!(true);
            talk.post(&format!("?{query}"), &object);
            talk.merge(&format!("/a1?{query}"), &json!({"bogus": 1}));
        }
        talk.post("?fieldValidation=Sometimes", &talk.shape.object("b", json!({})));
    });
}

#[test]
fn bad_objects_are_refused_alike() {
    compare(|talk| {
        let good = talk.shape.object("a", json!({"k": "v"}));
        let with = |pointer: &str, value: Value| {
            let mut object = good.clone();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
            object.pointer_mut(parent).expect("the parent is there")[field] = value;
            object
        };
        talk.post("", &with("/metadata/name", json!("Upper")));
        talk.post("", &with("/metadata/name", json!("")));
        talk.post("", &with("/metadata/namespace", json!("other")));
        talk.post("", &with("/metadata/labels", json!({"a b": "c"})));
        talk.post("", &with("/metadata/annotations", json!({"Bad Key!": "c"})));
        talk.post("", &with("/metadata/resourceVersion", json!("5")));
        talk.post(
            "",
            &with(
                "/metadata/ownerReferences",
                json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]),
            ),
        );
        talk.post("?dryRun=Some", &good);
    });
}

#[test]
fn dry_runs_store_nothing_alike() {
    compare(|talk| {
        let object = talk.shape.object("a", json!({"k": "v"}));
        talk.post("?dryRun=All", &object);
        talk.get("/a");
        let stored = talk.post("", &object);
        talk.merge("/a?dryRun=All", &json!({"data": {"k": "w"}}));
        let mut next = stored.clone();
        next["data"]["l"] = json!("x");
        talk.put("/a?dryRun=All", &next);
        talk.delete("/a?dryRun=All", &Value::Null);
        assert_eq!(talk.get("/a")["metadata"]["resourceVersion"], stored["metadata"]["resourceVersion"]);
    });
}

#[test]
fn deletions_are_alike() {
    compare(|talk| {
        let mut held = talk.shape.object("held", json!({"k": "v"}));
        held["metadata"]["finalizers"] = json!(["example.org/hold"]);
        talk.post("", &held);
        talk.delete("/held", &json!({"preconditions": {"uid": "other"}}));
        talk.delete("/held", &json!({"propagationPolicy": "Sideways"}));
        talk.delete("/held", &Value::Null);
        talk.get("/held");
        talk.post("", &held);
        talk.merge("/held", &json!({"metadata": {"finalizers": ["example.org/hold", "example.org/more"]}}));
        talk.merge("/held", &json!({"metadata": {"finalizers": null}}));
        talk.get("/held");
        talk.delete("/held", &Value::Null);
        for (name, label) in [("x", "one"), ("y", "two"), ("z", "one")] {
            let mut object = talk.shape.object(name, json!({"k": "v"}));
            object["metadata"]["labels"] = json!({"part": label});
            talk.post("", &object);
        }
        let collection = format!("{}?labelSelector=part%3Done", talk.shape.collection);
        assert_eq!(talk.client.delete(&collection).status, 200);
        talk.get("/x");
        talk.get("/y");
    });
}

#[test]
fn watches_are_alike() {
    let events = |server: &Server, shape: &Shape| -> Vec<Value> {
        let admin = server.admin();
        let first = admin.post(shape.collection, &shape.object("w", json!({"k": "1"}))).json();
        let version = first["metadata"]["resourceVersion"].as_str().expect("a version").to_string();
        admin.patch("merge", &format!("{}/w", shape.collection), &json!({"data": {"k": "2"}}));
        admin.delete(&format!("{}/w", shape.collection));
        let watch = format!("{}?watch=1&resourceVersion={version}&timeoutSeconds=1", shape.collection);
        let events = admin.watch_for(&watch, std::time::Duration::from_secs(3));
        events.iter().map(|event| plain(event, shape)).collect()
    };
    let server = Server::start();
    let data = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let schema = json!({"type": "object", "properties": {"data": data}});
    install(&server.admin(), &definition("parcels", "Parcel", "shapes.example.org", &schema));
    let builtin = events(&server, &BUILTIN);
    assert_eq!(builtin.iter().map(|event| &event["type"]).collect::<Vec<_>>(), ["MODIFIED", "DELETED"]);
    assert_eq!(builtin, events(&server, &CUSTOM));
}
