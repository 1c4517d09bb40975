//! Creates with matching admission webhooks, and creates beside webhooks that do not match.

use super::client::{Ask, LoadClient};
use super::measure::{Figures, hammer};
use super::options::TargetServer;
use crate::load::requests::{WRITES, config_map, post};
use pintle_testkit::Hook;
use pintle_testkit::hook::{configuration, entry, rule};
use std::time::Duration;

const KINDS: [(&str, &str); 2] = [
    ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
];
/// Webhooks that no request of the work is about.
const OTHERS: usize = 20;

/// Creates ConfigMaps with one mutating and one validating webhook on loopback.
pub async fn asked(target: &TargetServer, length: Duration, all: String) -> Result<Figures, String> {
    let hook = Hook::open();
    let maps = rule("", "v1", &["configmaps"]);
    let webhooks = [hook.entry("bench.example.com", "/", &maps)];
    let bodies = KINDS.map(|(kind, _)| configuration(kind, "bench", &webhooks).to_string());
    run(target, length, all, bodies).await
}

/// Creates ConfigMaps beside twenty webhooks of each sort that are about Secrets.
pub async fn beside(target: &TargetServer, length: Duration, all: String) -> Result<Figures, String> {
    let secrets = rule("", "v1", &["secrets"]);
    let other = |n: usize| entry(&format!("w{n}.example.com"), "https://127.0.0.1:1/", "", &secrets);
    let webhooks: Vec<_> = (0..OTHERS).map(other).collect();
    let bodies = KINDS.map(|(kind, _)| configuration(kind, "bench", &webhooks).to_string());
    run(target, length, all, bodies).await
}

/// The creates, while the configurations are there.
async fn run(
    target: &TargetServer,
    length: Duration,
    all: String,
    bodies: [String; 2],
) -> Result<Figures, String> {
    let mut client = LoadClient::connect(target).await?;
    let paths = KINDS.map(|(_, plural)| format!("/apis/admissionregistration.k8s.io/v1/{plural}"));
    for (path, body) in paths.iter().zip(bodies) {
        client.fetch(&post(path, body)).await?;
    }
    let figures = hammer(target, WRITES, length, move |n| post(&all, config_map(n, "v"))).await;
    for path in paths {
        let path = format!("{path}/bench");
        client.fetch(&Ask { method: "DELETE", path, ..Ask::default() }).await?;
    }
    figures
}
