//! Reviews as the `kube` crate reads them, and answers as it writes them: a webhook written with it works.

use k8s_openapi::api::core::v1::Pod;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use pintle_testkit::hook::{configuration, entry, rule};
use pintle_testkit::{Https, Server};
use serde_json::json;
use std::sync::{Arc, Mutex};

#[test]
fn a_webhook_of_the_kube_crate_reads_reviews_and_is_understood() {
    let seen: Arc<Mutex<Vec<AdmissionRequest<Pod>>>> = Arc::default();
    let kept = seen.clone();
    let hook = Https::start(move |asked| {
        let review: AdmissionReview<Pod> = serde_json::from_str(&asked.body).expect("a review of a pod");
        let request: AdmissionRequest<Pod> = review.try_into().expect("a review has a request");
        let mut response = AdmissionResponse::from(&request);
        if request.operation == Operation::Create {
            let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"by": "kube"}}]);
            let patch = serde_json::from_value(patch).expect("a patch");
            response = response.with_patch(patch).expect("the patch can be written");
        }
        if request.operation == Operation::Delete {
            response = response.deny("it stays");
        }
        kept.lock().expect("nobody panics with the list").push(request);
        (200, serde_json::to_string(&response.into_review()).expect("a review can be written"))
    });
    let server = Server::start();
    let admin = server.admin();
    let webhook =
        entry("pods.example.com", &hook.url(), &hook.pem, &rule("", "v1", &["pods", "pods/status"]));
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    let made = admin.post(path, &configuration("MutatingWebhookConfiguration", "m", &[webhook]));
    assert_eq!(made.status, 201, "{made:?}");

    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}});
    let made = admin.post(pods, &pod);
    assert_eq!(
        (made.status, made.json()["metadata"]["labels"]["by"].as_str()),
        (201, Some("kube")),
        "{made:?}"
    );
    let status = json!({"status": {"phase": "Running"}});
    assert_eq!(admin.patch("merge", &format!("{pods}/p/status"), &status).status, 200);
    let kept = admin.delete(&format!("{pods}/p"));
    assert_eq!(kept.status, 400, "{kept:?}");
    let message = "admission webhook \"pods.example.com\" denied the request: it stays";
    assert_eq!(kept.json()["message"], message);

    let seen = seen.lock().expect("nobody panics with the list");
    let operations: Vec<&Operation> = seen.iter().map(|request| &request.operation).collect();
    assert_eq!(operations, [&Operation::Create, &Operation::Update, &Operation::Delete]);
    let [created, updated, deleted] = seen.as_slice() else { panic!("three requests") };
    assert_eq!((created.kind.kind.as_str(), created.name.as_str()), ("Pod", "p"));
    assert_eq!(created.namespace.as_deref(), Some("default"));
    assert!(created.old_object.is_none() && created.object.is_some());
    assert_eq!(updated.sub_resource.as_deref(), Some("status"));
    let phase = updated.object.as_ref().and_then(|pod| pod.status.as_ref()?.phase.clone());
    assert_eq!(phase.as_deref(), Some("Running"));
    assert!(deleted.object.is_none() && deleted.old_object.is_some());
}
