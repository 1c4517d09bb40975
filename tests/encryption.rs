//! Encryption at rest for operators: the bytes on disk and in etcd, changed or missing keys, KMS plugins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pintle_testkit::{Client, Etcd, KmsPlugin, Server, WITHIN, eventually, pintle_binary};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const PLAIN: &str = "very-plain-words";
/// Two keys of 32 bytes.
const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
/// Also where the tests' other servers keep their objects elsewhere.
const EMBEDDED: &str = "--etcd-servers=";

/// A configuration file of Secrets' providers.
struct File(TempDir);

impl File {
    fn new(providers: &str) -> File {
        let file = File(tempfile::tempdir().expect("the test's own"));
        file.write(providers);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("encryption.yaml")
    }

    fn write(&self, providers: &str) {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  \
             providers: [{providers}]\n"
        );
        std::fs::write(self.path(), text).expect("the test's own");
    }

    fn flag(&self) -> String {
        format!("--encryption-provider-config={}", self.path().display())
    }
}

fn secretbox(name: &str, secret: &str) -> String {
    format!("{{secretbox: {{keys: [{{name: {name}, secret: {secret}}}]}}}}")
}

fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": PLAIN}})
}

fn create(admin: &Client, name: &str) {
    let made = admin.post(SECRETS, &secret(name));
    assert_eq!(made.status, 201, "{}", made.text());
}

fn data(admin: &Client, name: &str) -> String {
    let found = admin.get(&format!("{SECRETS}/{name}"));
    assert_eq!(found.status, 200, "{}", found.text());
    String::from_utf8(
        STANDARD.decode(found.json()["data"]["a"].as_str().expect("the test's own")).expect("the test's own"),
    )
    .expect("the test's own")
}

/// Whether bytes stand in any file of a directory.
fn is_on_disk(dir: &Path, words: &str) -> bool {
    let encoded = STANDARD.encode(words);
    let files =
        std::fs::read_dir(dir).expect("the test's own").flatten().filter(|entry| entry.path().is_file());
    files.map(|entry| std::fs::read(entry.path()).expect("the test's own")).any(|bytes| {
        [words, &encoded].iter().any(|words| bytes.windows(words.len()).any(|part| part == words.as_bytes()))
    })
}

#[test]
fn the_store_its_snapshots_and_what_is_restored_from_them_hold_no_plain_words() {
    let file = File::new(&secretbox("old", OLD));
    let mut server = Server::with_flags(&[EMBEDDED, &file.flag()]);
    create(&server.admin(), "kept");
    assert!(server.stop());
    assert!(!is_on_disk(&server.data_dir(), PLAIN));
    assert!(is_on_disk(&server.data_dir(), "k8s:enc:secretbox:v1:old:"));
    let dir = tempfile::tempdir().unwrap();
    let snapshot = |args: &[&str], data_dir: &Path| {
        let data_dir = format!("--data-dir={}", data_dir.display());
        let output = Command::new(pintle_binary()).arg("snapshot").args(args).arg(data_dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let saved = dir.path().join("saved");
    snapshot(&["save", saved.to_str().unwrap()], &server.data_dir());
    assert!(!is_on_disk(dir.path(), PLAIN));

    // Restored with another key first, everything is encrypted with that one.
    let both = File::new(&format!("{}, {}", secretbox("new", NEW), secretbox("old", OLD)));
    let restored = tempfile::tempdir().unwrap();
    snapshot(&["restore", saved.to_str().unwrap(), &both.flag()], restored.path());
    assert!(!is_on_disk(restored.path(), PLAIN));
    assert!(is_on_disk(restored.path(), "k8s:enc:secretbox:v1:new:"));
    assert!(!is_on_disk(restored.path(), "k8s:enc:secretbox:v1:old:"));

    std::fs::copy(restored.path().join("store.db"), server.data_dir().join("store.db")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(server.data_dir().join(format!("store.db{suffix}")));
    }
    let new = File::new(&secretbox("new", NEW));
    server.set_flags(&[EMBEDDED, &new.flag()]);
    server.spawn();
    assert_eq!(data(&server.admin(), "kept"), PLAIN);
}

#[test]
fn an_update_that_changes_nothing_takes_the_key_of_now() {
    let Some(etcd) = Etcd::start() else { return };
    let file = File::new(&format!("{}, {{identity: {{}}}}", secretbox("old", OLD)));
    let etcd_flag = format!("--etcd-servers={}", etcd.url());
    let mut server = Server::with_flags(&[&etcd_flag, &file.flag()]);
    create(&server.admin(), "kept");
    let stored = || STANDARD.decode(etcd.get("/registry/secrets/default/kept").unwrap()).unwrap();
    assert!(stored().starts_with(b"k8s:enc:secretbox:v1:old:"));
    assert!(server.stop());
    file.write(&format!("{}, {}", secretbox("new", NEW), secretbox("old", OLD)));
    server.spawn();
    let admin = server.admin();
    let path = format!("{SECRETS}/kept");
    let before = admin.get(&path).json();
    assert!(stored().starts_with(b"k8s:enc:secretbox:v1:old:"), "a read writes nothing");
    assert_eq!(admin.put(&path, &before).status, 200);
    assert!(stored().starts_with(b"k8s:enc:secretbox:v1:new:"));
    assert_eq!(data(&admin, "kept"), PLAIN);
    let after = admin.get(&path).json();
    assert_ne!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    assert_eq!(admin.put(&path, &after).json(), after, "the second time there is nothing to write");
}

#[test]
fn values_of_a_missing_key_are_refused_and_may_be_deleted_by_who_may_do_just_that() {
    let file = File::new(&secretbox("old", OLD));
    let gate = "--feature-gates=AllowUnsafeMalformedObjectDeletion=true";
    let mut server = Server::with_flags(&[EMBEDDED, &file.flag()]);
    for name in ["lost", "lost-too"] {
        create(&server.admin(), name);
    }
    assert!(server.stop());
    file.write(&secretbox("new", NEW));
    server.launch();
    let admin = server.admin();
    let path = format!("{SECRETS}/lost");
    let words = "no matching key was found for the provided Secretbox transformer";
    eventually("the server answers", WITHIN, || {
        admin.try_get("/livez").is_some_and(|answer| answer.status == 200)
    });
    let found = admin.get(&path);
    assert_eq!((found.status, found.json()["reason"].as_str()), (500, Some("InternalError")));
    assert_eq!(found.json()["message"], format!("Internal error occurred: {words}"));
    assert_eq!(admin.get(SECRETS).status, 500);
    assert_eq!(admin.delete(&path).status, 500);
    assert_eq!(admin.get("/readyz").status, 500);
    assert!(server.log().contains("/registry/secrets/default/lost"));

    // Without the feature gate the option has no effect.
    let option = json!({"apiVersion": "v1", "kind": "DeleteOptions",
        "ignoreStoreReadErrorWithClusterBreakingPotential": true});
    let delete = |client: &Client, path: &str| {
        client.send("DELETE", path, &[("content-type", "application/json")], option.to_string().into())
    };
    assert_eq!(delete(&admin, &path).status, 500);
    assert!(server.stop());
    server.set_flags(&[EMBEDDED, &file.flag(), gate]);
    server.launch();
    let admin = server.admin();
    eventually("the server answers", WITHIN, || {
        admin.try_get("/livez").is_some_and(|answer| answer.status == 200)
    });
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "deleter"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}]});
    assert_eq!(admin.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).status, 201);
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "deleter"}, "subjects": [{"kind": "User", "name": "alice"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deleter"}});
    assert_eq!(admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).status, 201);
    let refused = delete(&server.alice(), &path);
    assert_eq!(refused.status, 403);
    let message = refused.json()["message"].as_str().unwrap().to_string();
    assert!(message.contains("not permitted to do \"unsafe-delete-ignore-read-errors\""), "{message}");
    let listed = admin.get(SECRETS).json();
    assert_eq!(listed["reason"], "StorageReadError", "{listed}");
    assert_eq!(listed["details"]["causes"].as_array().map(Vec::len), Some(2));
    for name in ["lost", "lost-too"] {
        let deleted = delete(&admin, &format!("{SECRETS}/{name}"));
        assert_eq!(deleted.status, 200, "{}", deleted.text());
        assert_eq!(deleted.json()["details"], json!({"name": name, "kind": "Secret"}));
    }
    assert_eq!(admin.get(SECRETS).json()["items"], json!([]));
    assert_eq!(delete(&admin, &path).status, 422, "what is not there is not corrupt");
    create(&admin, "kept");
    let kept = delete(&admin, &format!("{SECRETS}/kept"));
    assert_eq!(kept.status, 422);
    assert!(kept.text().contains("is exclusively used to delete corrupt object(s)"), "{}", kept.text());
}

#[test]
fn a_plugin_encrypts_and_its_health_is_told() {
    let plugin = KmsPlugin::start();
    let providers =
        format!("{{kms: {{apiVersion: v2, name: vault, endpoint: '{}', timeout: 2s}}}}", plugin.endpoint());
    let file = File::new(&providers);
    let mut server = Server::with_flags(&[EMBEDDED, &file.flag()]);
    create(&server.admin(), "kept");
    assert_eq!(server.admin().get("/healthz/kms-providers").text(), "ok");
    assert_eq!(server.admin().get("/livez/kms-providers").status, 404);
    assert!(server.stop());
    assert!(!is_on_disk(&server.data_dir(), PLAIN));
    assert!(is_on_disk(&server.data_dir(), "k8s:enc:kms:v2:vault:"));
    let decrypted = plugin.calls("Decrypt");
    server.spawn();
    assert_eq!(data(&server.admin(), "kept"), PLAIN);
    assert_eq!(plugin.calls("Decrypt"), decrypted + 1, "one seed, one question");
    plugin.set_health("sealed");
    let admin = server.admin();
    eventually("the check fails", WITHIN, || admin.get("/readyz/kms-providers").text().contains("sealed"));
    assert_eq!(data(&admin, "kept"), PLAIN);
    let metrics = admin.get("/metrics").text();
    for family in [
        "apiserver_envelope_encryption_key_id_hash_total",
        "apiserver_storage_transformation_operations_total",
        "apiserver_envelope_encryption_kms_operations_latency_seconds",
    ] {
        assert!(metrics.contains(family), "{family}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_ends_the_start() {
    for (providers, words) in [
        ("{aesgcm: {keys: [{name: k, secret: YQ==}]}}", "secret is not of the expected length, got 1"),
        ("{kms: {name: a, endpoint: 'unix:///a'}}", "KMSv1 is deprecated"),
        ("{unknown: {}}", "unknown field"),
    ] {
        let file = File::new(providers);
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(pintle_binary())
            .arg(format!("--data-dir={}", dir.path().display()))
            .arg(format!("--secure-port={}", pintle_testkit::free_port()))
            .arg(file.flag())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
}
