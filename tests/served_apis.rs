//! The served APIs, by `--runtime-config` and by the emulated version; and the refusal of too many requests.

use pintle_testkit::Server;
use serde_json::json;

#[test]
fn versions_are_served_and_taken_away_as_asked() {
    let server = Server::with_flags(&[
        "--runtime-config=resource.k8s.io/v1beta1=true,batch/v1/cronjobs=false,policy/v1=false,api/alpha=true",
        "--feature-gates=CoordinatedLeaderElection=true",
    ]);
    let admin = server.admin();
    for (path, status) in [
        ("/apis/resource.k8s.io/v1beta1", 200),
        ("/apis/resource.k8s.io/v1beta2", 404),
        ("/apis/resource.k8s.io/v1beta1/resourceslices", 200),
        ("/apis/coordination.k8s.io/v1alpha2/leasecandidates", 200),
        ("/apis/certificates.k8s.io/v1alpha1", 404),
        ("/apis/batch/v1/jobs", 200),
        ("/apis/batch/v1/cronjobs", 404),
        ("/apis/policy", 404),
        ("/openapi/v3/apis/resource.k8s.io/v1beta1", 200),
        ("/openapi/v3/apis/policy/v1", 404),
        ("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.resource.k8s.io", 200),
        ("/apis/apiregistration.k8s.io/v1/apiservices/v1.policy", 404),
    ] {
        assert_eq!(admin.get(path).status, status, "{path}");
    }
    // One object, in both of its versions.
    let claims = |version: &str| format!("/apis/resource.k8s.io/{version}/namespaces/default/resourceclaims");
    let request = json!({"name": "r", "deviceClassName": "c.example.org"});
    let claim = json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [request]}}});
    assert_eq!(admin.post(&claims("v1beta1"), &claim).status, 201);
    let exactly = json!({"allocationMode": "ExactCount", "count": 1, "deviceClassName": "c.example.org"});
    let shown = admin.get(&format!("{}/c", claims("v1"))).json();
    assert_eq!(shown["spec"]["devices"]["requests"], json!([{"exactly": exactly, "name": "r"}]));
}

#[test]
fn an_emulated_version_serves_what_it_had() {
    let server = Server::with_flags(&["--emulated-version=1.33"]);
    let admin = server.admin();
    assert_eq!(admin.get("/apis/resource.k8s.io").status, 404);
    let version = admin.get("/version").json();
    assert_eq!((&version["emulationMinor"], &version["minor"]), (&json!("33"), &json!("36")));
}

#[test]
fn a_request_may_say_how_long_it_may_take() {
    let server = Server::start();
    let refused = server.admin().get("/api/v1/pods?timeout=soon");
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.json()["message"],
        "invalid timeout specified in the request URL - time: invalid duration \"soon\""
    );
    assert_eq!(server.admin().get("/api/v1/pods?timeout=10s").status, 200);
}
