//! `kube-system/extension-apiserver-authentication`: the authorities that this server trusts, for aggregated servers
//! that trust the same. It is published again when it is changed or deleted, and checked each minute (upstream:
//! `clusterauthenticationtrust`).

use crate::bootstrap::object;
use crate::own_writes;
use crate::runner::{self, EventSource, Place, Reconciler};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_engine::{Engine, own};
use pintle_object::{Status, Value, json};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// Keys of certificates; the others hold lists.
const CERTIFICATES: [&str; 2] = ["client-ca-file", "requestheader-client-ca-file"];
const INTERVAL: Duration = Duration::from_secs(60);

/// Reads the current trust, by keys of the ConfigMap.
pub type Trusted = dyn Fn() -> Result<Vec<(&'static str, String)>, String> + Send + Sync;

#[derive(Clone)]
pub struct PublishedTrust {
    engine: Arc<Engine>,
    trusted: Arc<Trusted>,
}

impl PublishedTrust {
    pub fn new(engine: Arc<Engine>, trusted: Arc<Trusted>) -> PublishedTrust {
        PublishedTrust { engine, trusted }
    }

    /// Adds missing entries: other servers of the cluster may have added theirs.
    pub async fn publish(&self) -> Result<(), Status> {
        let wanted = (self.trusted)().map_err(Status::internal)?;
        let now = own::now();
        let mut own = object("v1", "ConfigMap", NAMESPACE, NAME);
        for (key, value) in &wanted {
            own.set(&["data", key], value.as_str());
        }
        let change = |current: &Value| {
            let mut next = current.clone();
            for (key, value) in &wanted {
                let held = current.str_at(&["data", key]);
                next.set(&["data", key], joined(key, held, value, now.seconds));
            }
            Some(next).filter(|next| next != current)
        };
        own_writes::keep(&self.engine, None, &own, change, now).await
    }

    /// Keeps it published until the store closes.
    pub fn control(self) {
        let Some(served) = self.engine.find_any("", "configmaps") else { return };
        let Some(source) = EventSource::one(&served, NAMESPACE, NAME) else { return };
        tokio::spawn(runner::run(self.engine.clone(), Controller { trust: self, source }));
    }
}

struct Controller {
    trust: PublishedTrust,
    source: EventSource,
}

impl Reconciler for Controller {
    const NAME: &'static str = "cluster_authentication_trust";

    fn sources(&self) -> Vec<EventSource> {
        vec![self.source.clone()]
    }

    async fn sync(&mut self, _: usize, _: &str, _: &str) -> Result<(), Status> {
        self.trust.publish().await
    }

    async fn woken(&mut self) -> Vec<Place> {
        tokio::time::sleep(INTERVAL).await;
        vec![(0, NAMESPACE.into(), NAME.into())]
    }
}

/// The union of the published and the wanted certificates, without expired ones.
fn joined(key: &str, held: &str, wanted: &str, now_seconds: i64) -> String {
    if !CERTIFICATES.contains(&key) {
        return joined_list(held, wanted);
    }
    let mut all: Vec<CertificateDer<'static>> = Vec::new();
    let held_now = certificates(held);
    let lasting = held_now.iter().filter(|certificate| !is_expired(certificate, now_seconds)).cloned();
    for certificate in lasting.chain(certificates(wanted)) {
        if !all.contains(&certificate) {
            all.push(certificate);
        }
    }
    // The same certificates may be there in another text.
    if all == held_now { held.into() } else { all.iter().map(pem).collect() }
}

fn joined_list(held: &str, wanted: &str) -> String {
    let list = |text: &str| json::parse(text.as_bytes()).unwrap_or_default();
    let mut all = list(held).as_list().unwrap_or_default().to_vec();
    for item in list(wanted).as_list().unwrap_or_default() {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    json::to_string(&Value::from(all))
}

/// The certificates of a text in PEM; none of one that cannot be read.
fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap_or_default()
}

fn is_expired(certificate: &CertificateDer<'_>, now_seconds: i64) -> bool {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map_or(true, |(_, parsed)| parsed.validity().not_after.timestamp() < now_seconds)
}

fn pem(certificate: &CertificateDer<'static>) -> String {
    let text = STANDARD.encode(certificate);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, others) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = others;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> String {
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        pem(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn trust_is_added_to_what_others_published() {
        let now = 1_800_000_000;
        let (a, b, old) = (certificate(2040), certificate(2040), certificate(2020));
        for (held, wanted, expected) in [
            (String::new(), a.clone(), a.clone()),
            (a.clone(), a.clone(), a.clone()),
            (a.clone(), b.clone(), format!("{a}{b}")),
            (format!("{old}{a}"), b.clone(), format!("{a}{b}")),
            (format!("{a}{b}"), b.clone(), format!("{a}{b}")),
        ] {
            assert_eq!(joined("client-ca-file", &held, &wanted, now), expected);
        }
        let list = |held, wanted| joined("requestheader-allowed-names", held, wanted, now);
        assert_eq!(list("", r#"["a"]"#), r#"["a"]"#);
        assert_eq!(list(r#"["b","a"]"#, r#"["a","c"]"#), r#"["b","a","c"]"#);
    }
}
