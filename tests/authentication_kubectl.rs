//! The real kubectl, with a certificate, with tokens, and with a credential plugin.

use pintle_testkit::{Server, kubectl};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A plugin as users have them: a program that prints an ExecCredential.
const PLUGIN: &str = r#"#!/bin/sh
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$TOKEN"
"#;

/// The administrator's kubeconfig, and other users of the same cluster.
fn kubeconfig(server: &Server, dir: &Path, account_token: &str) -> std::path::PathBuf {
    let plugin = dir.join("plugin");
    std::fs::write(&plugin, PLUGIN).expect("the plugin can be written");
    std::fs::set_permissions(&plugin, PermissionsExt::from_mode(0o755)).expect("the plugin can be run");
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never",
        "env": [{"name": "TOKEN", "value": "alice-token"}],
    });
    let users = [
        ("token", json!({"token": "admin-token"})),
        ("account", json!({"token": account_token})),
        ("plugin", json!({"exec": exec})),
        ("wrong", json!({"token": "wrong"})),
    ];
    let cluster = json!({"server": server.url(), "insecure-skip-tls-verify": true});
    let named = |name: &str, field: &str, value: Value| json!({"name": name, field: value});
    let contexts: Vec<Value> = users
        .iter()
        .map(|(name, _)| named(name, "context", json!({"cluster": "own", "user": name})))
        .collect();
    let users: Vec<Value> = users.into_iter().map(|(name, user)| named(name, "user", user)).collect();
    let config = json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [named("own", "cluster", cluster)], "contexts": contexts, "users": users,
    });
    let path = dir.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("the kubeconfig can be written");
    path
}

#[test]
fn kubectl_is_known_by_all_its_credentials() {
    let Some(binary) = kubectl() else {
        eprintln!("no kubectl on this machine: nothing tested");
        return;
    };
    let (server, dir) = (Server::start(), tempfile::tempdir().expect("a temporary directory can be made"));
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer =
        server.admin().post("/api/v1/namespaces/default/serviceaccounts/default/token", &body).json();
    let token = answer["status"]["token"].as_str().expect("a token");
    let config = kubeconfig(&server, dir.path(), token);
    let whoami = |config: &Path, context: &[&str]| {
        let output = Command::new(&binary)
            .arg(format!("--kubeconfig={}", config.display()))
            .args(context)
            .args(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"])
            .env("HOME", dir.path())
            .output()
            .expect("kubectl starts");
        let printed = if output.status.success() { output.stdout } else { output.stderr };
        String::from_utf8_lossy(&printed).into_owned()
    };
    assert_eq!(whoami(&server.kubeconfig(), &[]), "kubernetes-admin");
    for (context, expected) in
        [("token", "admin"), ("account", "system:serviceaccount:default:default"), ("plugin", "alice")]
    {
        assert_eq!(whoami(&config, &["--context", context]), expected, "{context}");
    }
    let refused = whoami(&config, &["--context", "wrong"]);
    assert!(refused.contains("You must be logged in to the server"), "{refused}");
}
