//! `CertificateFaults`: the counters of servers whose certificates are of outdated kinds.
//! (`k8s.io/apiserver/pkg/util/x509metrics`.)

use crate::failure::Failure;
use crate::verify::OldCertificate;
use pintle_metrics::{Counter, Registry};

/// Requests that failed by certificates that name no server but in their subject, or that SHA-1 signs.
#[derive(Clone, Debug, Default)]
pub struct CertificateFaults {
    missing_san: Counter,
    insecure_sha1: Counter,
}

impl CertificateFaults {
    /// The families `{prefix}_x509_missing_san_total` and `{prefix}_x509_insecure_sha1_total`.
    pub fn new(registry: &Registry, prefix: &str) -> CertificateFaults {
        CertificateFaults {
            missing_san: registry.counter(&format!("{prefix}_x509_missing_san_total")),
            insecure_sha1: registry.counter(&format!("{prefix}_x509_insecure_sha1_total")),
        }
    }

    pub(crate) fn count(&self, failure: &Failure) {
        match failure {
            Failure::Untrusted(OldCertificate::MissingSan, _) => self.missing_san.inc(),
            Failure::Untrusted(OldCertificate::InsecureSha1, _) => self.insecure_sha1.inc(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_old_are_counted() {
        let registry = Registry::default();
        let faults = CertificateFaults::new(&registry, "apiserver_webhooks");
        for failure in [
            Failure::Untrusted(OldCertificate::MissingSan, String::new()),
            Failure::Untrusted(OldCertificate::InsecureSha1, String::new()).of_request("GET", "https://a"),
            Failure::Unreachable("x509: certificate signed by unknown authority".into()),
        ] {
            faults.count(&failure);
        }
        let text = registry.text();
        assert!(text.contains("apiserver_webhooks_x509_missing_san_total 1"));
        assert!(text.contains("apiserver_webhooks_x509_insecure_sha1_total 1"));
    }
}
