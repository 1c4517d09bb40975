//! `Outward`: the ways that calls of webhooks take.

use pintle_object::Value;
use pintle_outbound::{
    AuthInfos, CertificateFaults, Dialer, Direct, Hooks, Loopback, Pending, Proxies, ServiceResolver,
    ServiceSource,
};
use std::path::Path;
use std::sync::Arc;

/// The ways to reach webhooks: dialers, proxies, and the resolver of Services.
#[derive(Clone)]
pub struct Outward {
    pub services: Arc<ServiceResolver>,
    /// The ways to URLs and to Services.
    pub control_plane: Arc<dyn Dialer>,
    pub cluster: Arc<dyn Dialer>,
    pub proxies: Arc<Proxies>,
    pub loopback: Option<Loopback>,
    /// Counts insecure certificates of webhooks.
    pub faults: CertificateFaults,
}

impl Outward {
    /// Direct ways, to Services as a resolver finds them.
    pub fn direct(services: Arc<ServiceResolver>, proxies: Arc<Proxies>) -> Outward {
        let direct: Arc<dyn Dialer> = Arc::new(Direct);
        let (control_plane, faults) = (direct.clone(), CertificateFaults::default());
        Outward { services, control_plane, cluster: direct, proxies, loopback: None, faults }
    }

    /// Ways of a server that has no Services, to check settings with.
    pub(crate) fn nowhere() -> Outward {
        Outward::direct(Arc::new(ServiceResolver::new(Arc::new(Nowhere), false, None)), Arc::default())
    }

    /// The clients of webhooks, with the credentials of a kubeconfig's users; without one they have none.
    pub fn hooks(&self, kubeconfig: &str) -> Result<Hooks, String> {
        let users = match kubeconfig.is_empty() {
            true => AuthInfos::default(),
            false => AuthInfos::read(Path::new(kubeconfig))?,
        };
        let mut hooks = Hooks::new(users, self.services.clone(), self.proxies.clone());
        hooks.control_plane = self.control_plane.clone();
        hooks.cluster = self.cluster.clone();
        hooks.loopback = self.loopback.clone();
        hooks.faults = self.faults.clone();
        Ok(hooks)
    }
}

struct Nowhere;

impl ServiceSource for Nowhere {
    fn service<'a>(&'a self, _: &'a str, _: &'a str) -> Pending<'a, Result<Option<Value>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn endpoint_slices<'a>(&'a self, _: &'a str, _: &'a str) -> Pending<'a, Result<Vec<Value>, String>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
