//! In kube-apiserver's place: started by its name and with the flags of others.

mod envtest;
mod kubeadm;

use pintle_testkit::{Client, Deployed};
use serde_json::json;

/// Checks the things that a user of a deployed server takes for granted; `admin` may do everything.
fn check_is_usable(server: &Deployed, admin: &Client) {
    assert_eq!(admin.get("/version").json()["minor"], "36");
    let path = "/api/v1/namespaces/default/configmaps";
    let made = admin.post(path, &json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(admin.get(&format!("{path}/a")).json(), made.json());
    assert!(!server.log().lines().any(|line| line.starts_with('W')), "{}", server.log());
    assert!(!server.has_home(), "files were written that nobody asked for");
}
