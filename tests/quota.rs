//! Quotas hold when many create at once, on one server and on two.

use pintle_testkit::{Client, Etcd, Server};
use serde_json::json;

const NAMESPACE: &str = "/api/v1/namespaces/default";
const LIMIT: usize = 10;
const THREADS: usize = 8;
const TRIES: usize = 5;

/// A quota as its controller leaves it: the limit in its status, and nothing used.
fn limit_configmaps(admin: &Client) {
    let hard = json!({"count/configmaps": LIMIT.to_string()});
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": hard},
    });
    let made = admin.post(&format!("{NAMESPACE}/resourcequotas"), &quota);
    assert_eq!(made.status, 201, "{made:?}");
    let mut quota = made.json();
    quota["status"] = json!({"hard": hard, "used": {"count/configmaps": "0"}});
    let put = admin.put(&format!("{NAMESPACE}/resourcequotas/few/status"), &quota);
    assert_eq!(put.status, 200, "{put:?}");
}

/// Requests more than is allowed from all servers at once.
fn rush(servers: &[&Server]) -> Vec<u16> {
    std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..THREADS)
            .map(|thread| {
                let admin = servers[thread % servers.len()].admin();
                scope.spawn(move || (0..TRIES).map(|i| make(&admin, thread, i)).collect::<Vec<_>>())
            })
            .collect();
        tasks.into_iter().flat_map(|task| task.join().expect("requests do not panic")).collect()
    })
}

fn make(admin: &Client, thread: usize, index: usize) -> u16 {
    let name = format!("c-{thread}-{index}");
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    admin.post(&format!("{NAMESPACE}/configmaps"), &body).status
}

fn used_and_there(admin: &Client) -> (String, usize) {
    let quota = admin.get(&format!("{NAMESPACE}/resourcequotas/few")).json();
    let list = admin.get(&format!("{NAMESPACE}/configmaps")).json();
    let used = quota["status"]["used"]["count/configmaps"].as_str().expect("an amount").to_string();
    (used, list["items"].as_array().expect("items").len())
}

#[test]
fn the_last_free_unit_is_given_once() {
    let server = Server::start();
    limit_configmaps(&server.admin());
    let answers = rush(&[&server]);
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), LIMIT);
    assert!(answers.iter().all(|status| [201, 403].contains(status)), "{answers:?}");
    assert_eq!(used_and_there(&server.admin()), (LIMIT.to_string(), LIMIT));
}

#[test]
fn servers_that_share_a_store_share_its_quotas() {
    let Some(etcd) = Etcd::start() else { return };
    let flag = format!("--etcd-servers={}", etcd.url());
    let (one, other) = (Server::with_flags(&[&flag]), Server::with_flags(&[&flag]));
    limit_configmaps(&one.admin());
    let answers = rush(&[&one, &other]);
    // A client that lost too many races gets a conflict, as upstream.
    assert!(answers.iter().all(|status| [201, 403, 409].contains(status)), "{answers:?}");
    let (used, there) = used_and_there(&one.admin());
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), there);
    assert!(there <= LIMIT && used == there.to_string(), "{used} used, {there} there: {answers:?}");
}
