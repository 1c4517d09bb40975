//! A server whose memory is full refuses large requests, of others before the system's.

use pintle_testkit::{Server, WITHIN, eventually};

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn a_full_server_serves_the_system_and_what_is_small() {
    // A server that does nothing takes far more.
    let server = Server::with_flags(&["--memory-budget=1Mi"]);
    let (admin, alice) = (server.admin(), server.alice());
    eventually("alice is refused", WITHIN, || alice.get(CONFIGMAPS).status == 429);
    let refused = alice.get(CONFIGMAPS);
    assert_eq!(refused.header("retry-after"), Some("5"));
    let status = refused.json();
    assert_eq!(status["reason"], "TooManyRequests");
    assert_eq!(
        status["message"],
        "the server has too little memory left for this request, please try again later"
    );
    assert_eq!(admin.get(CONFIGMAPS).status, 200);
    assert_eq!(admin.get(&format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1")).status, 429);
    assert_eq!(alice.get("/readyz").status, 200);
    assert_eq!(alice.get("/api").status, 200);
}

#[test]
fn a_server_without_a_budget_refuses_nobody() {
    let server = Server::with_flags(&["--memory-budget=0"]);
    assert_eq!(server.alice().get(CONFIGMAPS).status, 403);
    assert_eq!(server.admin().get(&format!("{CONFIGMAPS}?watch=1&timeoutSeconds=1")).status, 200);
}
