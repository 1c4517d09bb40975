//! The ways that calls to webhooks and other API servers take: Services as they are stored, and proxies of the
//! environment.

use crate::config::Config;
use pintle_admission::Outward;
use pintle_engine::Engine;
use pintle_metrics::Registry;
use pintle_object::Value;
use pintle_outbound::{CertificateFaults, Egress, Pending, Proxies, ServiceResolver, ServiceSource};
use std::sync::{Arc, OnceLock, Weak};

/// The label by which the slices of a Service are found.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Services and endpoints of an engine. Without an engine, nothing is found.
#[derive(Default)]
pub struct StoredServices(OnceLock<Weak<Engine>>);

impl StoredServices {
    /// From now on Services are those of this engine.
    pub fn follow(&self, engine: &Arc<Engine>) {
        // Followed twice, the first engine stays the one.
        let _ = self.0.set(Arc::downgrade(engine));
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.0.get()?.upgrade()
    }

    fn get(&self, namespace: &str, name: &str) -> Option<Value> {
        let engine = self.engine()?;
        let served = engine.find_any("", "services")?;
        let object = engine.store.get(served.collection()?, &served.key(namespace, name))?;
        engine.storage_tree(&served, &object).ok()
    }

    fn slices(&self, namespace: &str, service: &str) -> Option<Vec<Value>> {
        let engine = self.engine()?;
        let served = engine.find_any("discovery.k8s.io", "endpointslices")?;
        let snapshot = engine.store.snapshot(served.collection()?);
        let prefix = served.prefix(namespace);
        let found = snapshot.range(&prefix, None).filter(|object| {
            let labels = &object.attrs.labels;
            labels.iter().any(|(key, value)| &**key == SERVICE_NAME && &**value == service)
        });
        Some(found.filter_map(|object| engine.storage_tree(&served, object).ok()).collect())
    }
}

impl ServiceSource for StoredServices {
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> Pending<'a, Result<Option<Value>, String>> {
        Box::pin(std::future::ready(Ok(self.get(namespace, name))))
    }

    fn endpoint_slices<'a>(
        &'a self,
        namespace: &'a str,
        service: &'a str,
    ) -> Pending<'a, Result<Vec<Value>, String>> {
        Box::pin(std::future::ready(Ok(self.slices(namespace, service).unwrap_or_default())))
    }
}

/// The ways of a configuration.
pub fn outward(
    config: &Config,
    services: Arc<StoredServices>,
    registry: &Registry,
) -> Result<Outward, String> {
    let own = (config.local_address().to_string(), config.secure_port);
    let resolver = ServiceResolver::new(services, config.uses_endpoints, Some(own));
    let proxies = Proxies::from_environment()?;
    let Egress { cluster, control_plane } = config.proxying.egress()?;
    let faults = CertificateFaults::new(registry, "apiserver_webhooks");
    Ok(Outward { cluster, control_plane, faults, ..Outward::direct(Arc::new(resolver), Arc::new(proxies)) })
}
