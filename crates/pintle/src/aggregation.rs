//! Aggregated API servers: the flags for reaching them, and the identity that they see.

use crate::flags::FlagValues;
use pintle_admission::Outward;
use pintle_controllers::AvailabilityMetrics;
use pintle_metrics::Registry;
use pintle_outbound::{CertificateFaults, Pem, Tls};
use pintle_proxy::{ApiServices, Ways};
use std::path::PathBuf;
use std::sync::Arc;

/// The flags for aggregated API servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// Files of the certificate and key that they know this server by.
    identity: Option<(PathBuf, PathBuf)>,
    rejects_redirects: bool,
}

/// Other API servers, and the counters of whether they answer.
pub struct Remotes {
    pub services: Arc<ApiServices>,
    pub availability: Arc<AvailabilityMetrics>,
}

impl Aggregation {
    pub fn read(given: &FlagValues) -> Result<Aggregation, String> {
        let identity = match (given.path("proxy-client-cert-file"), given.path("proxy-client-key-file")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(String::from(
                    "--proxy-client-cert-file and --proxy-client-key-file must be given together",
                ));
            }
        };
        Ok(Aggregation { identity, rejects_redirects: given.bool("aggregator-reject-forwarding-redirect") })
    }

    /// The certificate and key that other servers know this one by.
    pub fn identity(&self) -> Option<(Pem, Pem)> {
        self.identity.clone().map(|(certificate, key)| (Pem::File(certificate), Pem::File(key)))
    }

    /// The table of other servers, which has none yet. Files are read again when they change.
    pub fn open(&self, outward: &Outward, registry: &Registry) -> Result<Remotes, String> {
        let identity = self.identity();
        // A bad certificate is an error at the start, not with the first request.
        let shown = Tls { is_insecure: true, identity: identity.clone(), ..Tls::default() };
        shown.config().map_err(|error| format!("--proxy-client-cert-file: {error}"))?;
        let availability = AvailabilityMetrics::new(registry);
        let services = ApiServices::new(Ways {
            services: outward.services.clone(),
            dialer: outward.cluster.clone(),
            proxies: outward.proxies.clone(),
            identity,
            rejects_redirects: self.rejects_redirects,
            faults: CertificateFaults::new(registry, "apiserver_kube_aggregator"),
        });
        Ok(Remotes { services: Arc::new(services), availability: Arc::new(availability) })
    }
}
