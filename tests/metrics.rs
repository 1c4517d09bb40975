//! `/metrics`: families, labels and values as kube-apiserver has them.

use pintle_testkit::{Client, Etcd, Server};
use serde_json::json;

const CONFIGMAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The value of a series, by its name and some of its labels.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let is_of = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or("?");
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| line.contains(label))
    };
    text.lines().find(is_of)?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn requests_users_and_objects_are_counted() {
    let server = Server::start();
    let admin = server.admin();
    assert_eq!(admin.post(CONFIGMAPS, &json!({"metadata": {"name": "a"}})).status, 201);
    assert_eq!(admin.get(CONFIGMAPS).status, 200);
    assert_eq!(Client::new(server.port(), Some("nobody")).get("/api").status, 401);
    // Requests without a user make no series of a resource's own.
    assert_eq!(Client::new(server.port(), Some("nobody")).get("/api/v1/limitranges").status, 401);
    assert_eq!(server.anonymous().get("/apis/batch/v1/cronjobs").status, 403);
    let text = admin.get("/metrics").text();
    let check = |name: &str, labels: &[&str], expected: f64| {
        assert_eq!(value(&text, name, labels), Some(expected), "{name} {labels:?}");
    };
    let post = ["verb=\"POST\"", "resource=\"configmaps\"", "code=\"201\"", "scope=\"resource\""];
    check("apiserver_request_total", &post, 1.0);
    check("apiserver_request_duration_seconds_count", &post[..2], 1.0);
    check("apiserver_request_sli_duration_seconds_count", &post[..2], 1.0);
    check("apiserver_request_body_size_bytes_count", &["resource=\"configmaps\"", "verb=\"create\""], 1.0);
    check("apiserver_response_sizes_count", &["verb=\"LIST\"", "resource=\"configmaps\""], 1.0);
    check("apiserver_cache_list_total", &["resource=\"configmaps\""], 1.0);
    check("authentication_attempts", &["result=\"error\""], 2.0);
    check("apiserver_watch_cache_initializations_total", &["resource=\"configmaps\""], 1.0);
    check("kubernetes_feature_enabled", &["name=\"WatchList\""], 1.0);
    check("kubernetes_build_info", &["minor=\"36\""], 1.0);
    assert!(value(&text, "process_resident_memory_bytes", &[]).is_some_and(|bytes| bytes > 1e6));
    check("kube_apiserver_nodeport_allocator_available_ports", &[], 2768.0);
    assert!(
        value(&text, "workqueue_adds_total", &["name=\"autoregister\""]).is_some_and(|count| count > 0.0)
    );
    let objects = value(&text, "apiserver_resource_objects", &["group=\"\"", "resource=\"configmaps\""]);
    assert_eq!(objects, value(&text, "apiserver_storage_objects", &["resource=\"configmaps\""]));
    assert!(text.contains("# HELP apiserver_request_total [STABLE] Counter of apiserver requests"));
    for resource in ["limitranges", "cronjobs"] {
        assert_eq!(value(&text, "apiserver_request_total", &[&format!("resource=\"{resource}\"")]), None);
    }
    assert!(text.contains("le=\"1e+06\""), "numbers are written as Go writes them");
}

#[test]
fn families_are_left_out_and_labels_kept_to_what_is_allowed() {
    let server = Server::with_flags(&[
        "--disabled-metrics=apiserver_request_total",
        "--allow-metric-labels=apiserver_request_duration_seconds,resource=configmaps,pods",
    ]);
    let admin = server.admin();
    assert_eq!(admin.get(CONFIGMAPS).status, 200);
    assert_eq!(admin.get("/api/v1/services").status, 200);
    let text = admin.get("/metrics").text();
    assert!(!text.contains("apiserver_request_total"));
    assert_eq!(value(&text, "disabled_metrics_total", &[]), Some(1.0));
    let count = |resource: &str| {
        let label = format!("resource=\"{resource}\"");
        value(&text, "apiserver_request_duration_seconds_count", &[&label])
    };
    assert_eq!(count("configmaps"), Some(1.0));
    assert_eq!(count("services"), None);
    assert!(count("unexpected").is_some_and(|count| count >= 1.0));
    let counted = value(&text, "cardinality_enforcement_unexpected_categorizations_total", &[]);
    assert!(counted.is_some_and(|count| count >= 1.0));
}

#[test]
fn calls_to_etcd_are_counted_as_grpc_counts_them() {
    let Some(etcd) = Etcd::start() else { return };
    let server = Server::with_flags(&[&format!("--etcd-servers={}", etcd.url())]);
    let admin = server.admin();
    assert_eq!(admin.post(CONFIGMAPS, &json!({"metadata": {"name": "a"}})).status, 201);
    let updated = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    assert_eq!(admin.put(&format!("{CONFIGMAPS}/a"), &updated).status, 200);
    let text = admin.get("/metrics").text();
    let method = "grpc_method=\"Txn\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"";
    for family in ["started", "msg_sent", "msg_received"] {
        let name = format!("grpc_client_{family}_total");
        assert!(value(&text, &name, &[method]).is_some_and(|count| count > 0.0), "{name}");
    }
    let handled = value(&text, "grpc_client_handled_total", &["grpc_code=\"OK\"", method]);
    assert!(handled.is_some_and(|count| count > 0.0));
    let watched = value(&text, "grpc_client_msg_received_total", &["grpc_type=\"bidi_stream\""]);
    assert!(watched.is_some_and(|count| count > 0.0));
    assert!(value(&text, "etcd_lease_object_counts_count", &[]).is_some());
    assert!(value(&text, "etcd_bookmark_total", &["resource=\"pods\""]).is_some());
    let path = "code_path=\"unequal_objects_fast\"";
    let compared = value(&text, "apiserver_request_timestamp_comparison_time_count", &[path]);
    assert!(compared.is_some_and(|count| count >= 1.0));
    for family in ["apiserver_webhooks", "apiserver_kube_aggregator"] {
        assert_eq!(value(&text, &format!("{family}_x509_missing_san_total"), &[]), Some(0.0));
    }
}
