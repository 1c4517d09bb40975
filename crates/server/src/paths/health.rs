//! `/healthz`, `/livez`, `/readyz`: the server's own checks, each by its name.

use crate::app::App;
use crate::options::Options;
use crate::request::Request;
use crate::response::Response;
use crate::served;
use pintle_encryption::{CHECK as KMS, Encryption, RELOAD_HOOK};

/// Checks that all three paths share, in upstream's order. The store stands for etcd; upstream's post-start hooks are
/// done before this server's start ends.
const COMMON: [&str; 2] = ["ping", "log"];

/// Fails while a stored value cannot be read: upstream's cache does not fill.
const STORAGE: &str = "poststarthook/storage-readiness";

const HOOKS: [&str; 27] = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    STORAGE,
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-wait-for-first-sync",
    "poststarthook/apiservice-discovery-controller",
];

/// After this one upstream lists those of servers on the same store.
const BEFORE_PEERS: &str = "poststarthook/start-system-namespaces-controller";
const PEER_ENDPOINTS: &str = "poststarthook/peer-endpoint-reconciler-controller";
const PEERS: [&str; 3] = [
    "poststarthook/mixed-version-proxy-handler",
    "poststarthook/local-discovery-cache-sync",
    "poststarthook/peer-discovery-workers",
];

const LAST: [&str; 3] = [
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
];

const OPENAPI_V3: &str = "poststarthook/apiservice-openapiv3-controller";

/// The checks of a path in upstream's order.
fn checks(app: &App, root: &str) -> Vec<&'static str> {
    let encryption = app.encryption.as_deref();
    let mut checks: Vec<&'static str> = COMMON.to_vec();
    if root == "healthz" {
        checks.push("loopback-serving-certificate");
    }
    if root == "livez" {
        checks.push("loopback-serving-certificate");
    }
    checks.push("etcd");
    if root == "readyz" {
        checks.push("etcd-readiness");
    }
    if root != "livez" && encryption.is_some_and(Encryption::has_check) {
        checks.push(KMS);
    }
    if root == "readyz" {
        checks.push("informer-sync");
    }
    for hook in HOOKS {
        checks.push(hook);
        if hook == BEFORE_PEERS && app.options.has_peers {
            checks.push(PEER_ENDPOINTS);
            checks.extend(PEERS.iter().filter(|_| app.peers.is_some()));
        }
    }
    if encryption.is_some_and(Encryption::reloads) {
        checks.push(RELOAD_HOOK);
    }
    checks.extend(LAST);
    checks.push(OPENAPI_V3);
    if root == "readyz" {
        checks.push("shutdown");
    }
    checks
}

/// The paths of all checks.
pub fn paths(app: &App) -> impl Iterator<Item = String> {
    let roots = ["healthz", "livez", "readyz"].into_iter();
    roots.flat_map(|root| checks(app, root).into_iter().map(move |check| format!("/{root}/{check}")))
}

/// The answer, when the path is one of health.
pub async fn answer(app: &App, request: &Request) -> Option<Response> {
    let path = request.path().strip_prefix('/')?;
    let (root, check) = path.split_once('/').map_or((path, None), |(root, check)| (root, Some(check)));
    if !matches!(root, "healthz" | "livez" | "readyz") {
        return None;
    }
    let outage = match check {
        None | Some("etcd" | "etcd-readiness") => outage(app, root).await,
        Some(_) => None,
    };
    let plugins = match check {
        None | Some(KMS) if checks(app, root).contains(&KMS) => unwell_plugins(app).await,
        _ => None,
    };
    let failure = |check: &str| match check {
        KMS => plugins.clone(),
        "etcd" | "etcd-readiness" => outage.clone(),
        STORAGE if root == "readyz" && !app.engine.is_readable() => {
            app.engine.log_undecodable();
            Some(String::from("stored values cannot be read"))
        }
        "shutdown" if served::is_stopping(app) => Some(String::from("process is shutting down")),
        _ => None,
    };
    Some(match check {
        Some(check) if !checks(app, root).contains(&check) => Response::not_found_page(),
        Some(check) => match failure(check) {
            Some(why) => {
                Response::new(500, "text/plain; charset=utf-8", format!("internal server error: {why}\n"))
                    .with("x-content-type-options", "nosniff")
            }
            // Of a single check Go guesses the type, and does not say that it is sure.
            None => Response::text(200, "ok"),
        },
        None => all(app, root, request, |check| failure(check).is_some()),
    })
}

/// The error of the store's health check.
async fn outage(app: &App, root: &str) -> Option<String> {
    let Options { health_max, ready_max, .. } = app.options;
    app.engine.store.check(if root == "readyz" { ready_max } else { health_max }).await.err()
}

/// The errors of encryption plugins.
async fn unwell_plugins(app: &App) -> Option<String> {
    app.encryption.as_ref()?.check().await.err()
}

fn all(app: &App, root: &str, request: &Request, fails: impl Fn(&str) -> bool) -> Response {
    let excluded: Vec<&str> = request.query.all("exclude").collect();
    let mut failed = false;
    let mut lines = String::new();
    for check in checks(app, root) {
        let is_excluded = excluded.contains(&check);
        let is_failed = !is_excluded && fails(check);
        failed |= is_failed;
        if !is_excluded {
            app.metrics.observe_check(root, check, is_failed);
        }
        lines.push_str(&match (is_excluded, is_failed) {
            (true, _) => format!("[+]{check} excluded: ok\n"),
            (_, true) => format!("[-]{check} failed: reason withheld\n"),
            _ => format!("[+]{check} ok\n"),
        });
    }
    lines.push_str(&warning(&excluded, &checks(app, root)));
    if failed {
        return Response::new(500, "text/plain; charset=utf-8", format!("{lines}{root} check failed\n"))
            .with("x-content-type-options", "nosniff");
    }
    if request.query.first("verbose").is_none() {
        return ok("ok".into());
    }
    ok(format!("{lines}{root} check passed\n"))
}

/// The warning of checks that are excluded and not there.
fn warning(excluded: &[&str], known: &[&str]) -> String {
    let mut unknown: Vec<&str> = excluded.iter().filter(|name| !known.contains(name)).copied().collect();
    unknown.sort_unstable();
    unknown.dedup();
    if unknown.is_empty() {
        return String::new();
    }
    let unknown: Vec<String> = unknown.into_iter().map(pintle_object::field::quote).collect();
    format!("warn: some health checks cannot be excluded: no matches for {}\n", unknown.join(", "))
}

fn ok(body: String) -> Response {
    Response::new(200, "text/plain; charset=utf-8", body).with("x-content-type-options", "nosniff")
}

#[cfg(test)]
mod tests {
    use super::warning;

    #[test]
    fn checks_that_are_not_there_are_named_once_and_in_order() {
        let named = "warn: some health checks cannot be excluded: no matches for \"a\", \"x\"\n";
        assert_eq!(warning(&["ping", "x", "a", "x"], &["ping"]), named);
        assert_eq!(warning(&["ping"], &["ping", "log"]), "");
    }
}
