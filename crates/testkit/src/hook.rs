//! `Hook`: an admission webhook of the test's own, which the process under test calls over TLS.

use crate::https::Https;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Answers reviews until the test ends.
pub struct Hook(Https);

impl Hook {
    /// Answers the requests of reviews with responses, to which it adds the uid. The handler gets the path, too.
    pub fn start(handler: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Hook {
        Hook(Https::start(move |asked| {
            let review: Value = serde_json::from_str(&asked.body).unwrap_or_default();
            let path = asked.path.split('?').next().unwrap_or_default();
            let mut response = handler(path, &review["request"]);
            if response.get("uid").is_none() {
                response["uid"] = review["request"]["uid"].clone();
            }
            let answer =
                json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response});
            (200, answer.to_string())
        }))
    }

    /// Lets everything through as it is.
    pub fn open() -> Hook {
        Hook::start(|_, _| json!({"allowed": true}))
    }

    /// A webhook of a configuration that is called at a path about resources of a group and version.
    pub fn entry(&self, name: &str, path: &str, rule: &Value) -> Value {
        entry(name, &format!("{}{path}", self.0.url()), &self.0.pem, rule)
    }

    /// The requests of all reviews so far.
    pub fn requests(&self) -> Vec<Value> {
        let review = |body: &str| serde_json::from_str::<Value>(body).unwrap_or_default()["request"].take();
        self.0.asked().iter().map(|asked| review(&asked.body)).collect()
    }

    /// The reviews as they came.
    pub fn bodies(&self) -> Vec<String> {
        self.0.asked().into_iter().map(|asked| asked.body).collect()
    }
}

/// A webhook of a configuration: one second, no side effects, and its failure counts.
pub fn entry(name: &str, url: &str, pem: &str, rule: &Value) -> Value {
    json!({
        "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2,
        "clientConfig": {"url": url, "caBundle": STANDARD.encode(pem)}, "rules": [rule],
    })
}

/// All operations on resources of a group and version.
pub fn rule(group: &str, version: &str, resources: &[&str]) -> Value {
    json!({"operations": ["*"], "apiGroups": [group], "apiVersions": [version], "resources": resources})
}

/// A configuration of webhooks.
pub fn configuration(kind: &str, name: &str, webhooks: &[Value]) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "webhooks": webhooks,
    })
}

/// The response that allows a request with a JSON patch.
pub fn patched(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}
