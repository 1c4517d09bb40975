//! API servers behind this one: real servers, known by certificates, that may hang, go, or be of this kind themselves.

mod behind;
mod delegated;
mod outages;

use pintle_testkit::certificates::{Authority, write};
use pintle_testkit::{ApiServer, Client, Server, WITHIN, eventually, front_proxy_flags};
use serde_json::{Value, json};
use tempfile::TempDir;

const SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// A server that shows others a certificate, and where that is.
struct Front {
    server: Server,
    /// The authority of that certificate.
    proxies: Authority,
    _dir: TempDir,
}

impl Front {
    fn start() -> Front {
        Front::with_flags(&[])
    }

    fn with_flags(flags: &[&str]) -> Front {
        let (dir, proxies) = (tempfile::tempdir().expect("a temporary directory"), Authority::new("front"));
        proxies.client("front-proxy-client", &[]).write(dir.path(), "proxy");
        write(dir.path(), "front.crt", &proxies.pem());
        let own = front_proxy_flags(dir.path());
        let flags: Vec<&str> = own.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        Front { server: Server::with_flags(&flags), proxies, _dir: dir }
    }

    /// Starts a server of `flunders` behind this one; it is known, and not yet looked at.
    fn begin(&self, name: &str) -> ApiServer {
        let group = format!("{name}.example.com");
        let (behind, authority) = ApiServer::of_service(name, &group, &self.proxies.pem());
        register(&self.server.admin(), name, (&group, "v1"), behind.port(), &authority);
        behind
    }

    /// The same, when it is known to answer.
    fn add(&self, name: &str) -> ApiServer {
        let behind = self.begin(name);
        self.is_available(&format!("v1.{name}.example.com"), "True");
        behind
    }

    fn is_available(&self, api: &str, expected: &str) {
        let admin = self.server.admin();
        eventually(&format!("{api} is available: {expected}"), WITHIN, || {
            condition(&admin, api)["status"] == json!(expected)
        });
    }

    /// Lets everybody do everything with a group.
    fn open(&self, group: &str) {
        let admin = self.server.admin();
        let rules = json!([{"apiGroups": [group], "resources": ["*"], "verbs": ["*"]}]);
        let role = json!({"metadata": {"name": group}, "rules": rules});
        assert_eq!(admin.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role).status, 201);
        bind(&admin, group, &json!({"kind": "Group", "name": "system:authenticated"}));
    }
}

/// Binds a ClusterRole to a subject.
fn bind(admin: &Client, role: &str, subject: &Value) {
    let api = "rbac.authorization.k8s.io";
    let mut subject = subject.clone();
    if subject["kind"] != json!("ServiceAccount") {
        subject["apiGroup"] = json!(api);
    }
    let binding = json!({
        "metadata": {"name": role}, "subjects": [subject],
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
    });
    let answer = admin.post(&format!("/apis/{api}/v1/clusterrolebindings"), &binding);
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Registers an APIService for a server at a port of this machine, with a certificate of `authority`.
fn register(admin: &Client, name: &str, (group, version): (&str, &str), port: u16, authority: &str) {
    use base64::Engine as _;
    let service = json!({"metadata": {"name": name}, "spec": {
        "type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}});
    assert_eq!(admin.post("/api/v1/namespaces/default/services", &service).status, 201);
    let api = json!({
        "metadata": {"name": format!("{version}.{group}")},
        "spec": {
            "group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 15,
            "service": {"namespace": "default", "name": name, "port": port},
            "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
        },
    });
    let answer = admin.post(SERVICES, &api);
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn condition(admin: &Client, api: &str) -> Value {
    let api = admin.get(&format!("{SERVICES}/{api}")).json();
    let conditions = api["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|one| one["type"] == json!("Available")).unwrap_or_default()
}

fn flunder(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": "a"})
}
