//! The flags for kubelets, and for requests that are proxied to pods, services and nodes.

use crate::compatibility::Compatibility;
use crate::flags::FlagValues;
use pintle_admission::Outward;
use pintle_outbound::{Egress, Settings, Tls, Transport};
use pintle_proxy::{KubeletFlags, Kubelets, limits};
use pintle_server::backends::{Backends, Gates};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxying {
    preferred_address_types: Vec<String>,
    port: u16,
    certificate_authority: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    egress_selector: Option<PathBuf>,
    /// Whether proxies are served at the legacy paths too.
    pub legacy_paths: bool,
    /// The port on loopback that asks for nothing; 0 for none.
    pub insecure_port: u16,
}

impl Proxying {
    pub fn read(given: &FlagValues) -> Result<Proxying, String> {
        let proxying = Proxying {
            preferred_address_types: given.list("kubelet-preferred-address-types"),
            port: u16::try_from(given.number("kubelet-port", 1..=65535)?).unwrap_or_default(),
            certificate_authority: given.path("kubelet-certificate-authority"),
            client_certificate: given.path("kubelet-client-certificate"),
            client_key: given.path("kubelet-client-key"),
            egress_selector: given.path("egress-selector-config-file"),
            legacy_paths: given.bool("legacy-proxy-paths"),
            insecure_port: u16::try_from(given.number("insecure-port", 0..=65535)?).unwrap_or_default(),
        };
        if proxying.client_certificate.is_some() != proxying.client_key.is_some() {
            return Err(String::from(
                "--kubelet-client-certificate and --kubelet-client-key must be given together",
            ));
        }
        Ok(proxying)
    }

    /// Which way connections leave the server.
    pub fn egress(&self) -> Result<Egress, String> {
        self.egress_selector.as_deref().map_or_else(|| Ok(Egress::default()), Egress::read)
    }

    /// The ways to kubelets, Pods and Services.
    pub fn backends(&self, compatibility: &Compatibility, outward: &Outward) -> Result<Backends, String> {
        let (dialer, proxies) = (outward.cluster.clone(), outward.proxies.clone());
        let flags = KubeletFlags {
            preferred_address_types: self.preferred_address_types.clone(),
            port: self.port,
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
        };
        let kubelets = Kubelets::new(flags, dialer.clone(), proxies.clone());
        let tls = Tls { is_insecure: true, ..Tls::default() };
        let settings = Settings { tls, limits: limits(), dialer, proxies, ..Settings::default() };
        let is_on = |gate| compatibility.is_on(gate);
        Ok(Backends {
            kubelets: Arc::new(kubelets.map_err(|why| format!("kubelets: {why}"))?),
            transport: Arc::new(Transport::new(settings)?),
            gates: Gates {
                asks_create: is_on("AuthorizePodWebsocketUpgradeCreatePermission"),
                extends: is_on("ExtendWebSocketsToKubelet"),
                translates: is_on("TranslateStreamCloseWebsocketRequests"),
                tunnels: is_on("PortForwardWebsockets"),
            },
        })
    }
}
