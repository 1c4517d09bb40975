//! `ServiceResolver`: from a Service to an address that answers for it: `apiserver/pkg/util/proxy` upstream.

use crate::backoff::random_below;
use crate::dial::{Dialed, Dialer, Pending};
use crate::failure::Failure;
use pintle_object::Value;
use std::sync::Arc;

/// Services and their endpoints as they are now.
pub trait ServiceSource: Send + Sync {
    /// The Service of a name, if there is one.
    fn service<'a>(&'a self, namespace: &'a str, name: &'a str)
    -> Pending<'a, Result<Option<Value>, String>>;

    /// The EndpointSlices with the label `kubernetes.io/service-name` of a Service.
    fn endpoint_slices<'a>(
        &'a self,
        namespace: &'a str,
        service: &'a str,
    ) -> Pending<'a, Result<Vec<Value>, String>>;
}

/// A host, without brackets, and a port.
pub type HostPort = (String, u16);

/// Looks Services up at each new connection.
pub struct ServiceResolver {
    source: Arc<dyn ServiceSource>,
    /// `--enable-aggregator-routing`: endpoints rather than cluster IPs.
    uses_endpoints: bool,
    /// The address at which this server itself answers for `kubernetes.default.svc`.
    own_address: Option<HostPort>,
}

impl ServiceResolver {
    pub fn new(source: Arc<dyn ServiceSource>, uses_endpoints: bool, own_address: Option<HostPort>) -> Self {
        ServiceResolver { source, uses_endpoints, own_address }
    }

    /// An address for a port of a Service. Errors have upstream's words.
    pub async fn resolve(&self, namespace: &str, name: &str, port: u16) -> Result<HostPort, String> {
        if let Some(own) = &self.own_address
            && (namespace, name, port) == ("default", "kubernetes", 443)
        {
            return Ok(own.clone());
        }
        let found = self.source.service(namespace, name).await?;
        let service = found.ok_or_else(|| format!("service {name:?} not found"))?;
        if !self.uses_endpoints {
            return of_cluster(&service, name, port);
        }
        check_type(&service)?;
        let port_name = port_name(&service, name, port)?;
        let slices = self.source.endpoint_slices(namespace, name).await?;
        of_endpoints(&service, slices, &port_name)
            .ok_or_else(|| format!("no endpoints available for service {name:?}"))
    }

    /// A dialer that takes connections to one Service to where it is, and all others where they lead.
    pub fn dialer(
        self: &Arc<Self>,
        namespace: &str,
        name: &str,
        port: u16,
        inner: Arc<dyn Dialer>,
    ) -> ServiceDialer {
        let host = format!("{name}.{namespace}.svc");
        ServiceDialer {
            resolver: self.clone(),
            inner,
            host,
            namespace: namespace.into(),
            name: name.into(),
            port,
        }
    }
}

fn of_cluster(service: &Value, name: &str, port: u16) -> Result<HostPort, String> {
    let cluster_ip = service.str_at(&["spec", "clusterIP"]);
    match service.str_at(&["spec", "type"]) {
        "ClusterIP" if cluster_ip == "None" => {
            Err(r#"cannot route to service with ClusterIP "None""#.to_string())
        }
        "ClusterIP" | "LoadBalancer" | "NodePort" => {
            port_name(service, name, port)?;
            Ok((cluster_ip.to_string(), port))
        }
        "ExternalName" => Ok((service.str_at(&["spec", "externalName"]).to_string(), port)),
        other => Err(format!("unsupported service type {other:?}")),
    }
}

fn check_type(service: &Value) -> Result<(), String> {
    match service.str_at(&["spec", "type"]) {
        "ClusterIP" | "LoadBalancer" | "NodePort" => Ok(()),
        other => Err(format!("unsupported service type {other:?}")),
    }
}

/// The name of a port; empty where it has none.
fn port_name(service: &Value, name: &str, port: u16) -> Result<String, String> {
    let ports = service.list_at(&["spec", "ports"]);
    let found = ports.iter().find(|one| one.int_at(&["port"]) == Some(port.into()));
    let found = found.ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
    Ok(found.str_at(&["name"]).to_string())
}

/// A ready endpoint, of the family that the service prefers if there is one.
fn of_endpoints(service: &Value, mut slices: Vec<Value>, port_name: &str) -> Option<HostPort> {
    let preferred = service.list_at(&["spec", "ipFamilies"]).first().and_then(Value::as_str);
    if slices.len() > 1
        && let Some(preferred) = preferred
    {
        let start = random_below(slices.len());
        slices.rotate_left(start);
        slices.sort_by_key(|slice| slice.str_at(&["addressType"]) != preferred);
    }
    slices.iter().find_map(|slice| of_slice(slice, port_name))
}

fn of_slice(slice: &Value, port_name: &str) -> Option<HostPort> {
    let endpoints = slice.list_at(&["endpoints"]);
    let ports = slice.list_at(&["ports"]).iter();
    let mut ports = ports.filter(|port| port.get("name").and_then(Value::as_str) == Some(port_name));
    ports.find_map(|port| {
        let number = u16::try_from(port.int_at(&["port"])?).ok()?;
        let start = random_below(endpoints.len().max(1));
        let (before, from) = endpoints.split_at_checked(start)?;
        let mut ready = from.iter().chain(before).filter(|endpoint| is_ready(endpoint));
        let address = ready.find_map(|endpoint| endpoint.list_at(&["addresses"]).first()?.as_str())?;
        Some((address.to_string(), number))
    })
}

fn is_ready(endpoint: &Value) -> bool {
    let ready = endpoint.get("conditions").and_then(|conditions| conditions.get("ready"));
    ready.and_then(Value::as_bool).unwrap_or(true)
}

/// See `ServiceResolver::dialer`.
pub struct ServiceDialer {
    resolver: Arc<ServiceResolver>,
    inner: Arc<dyn Dialer>,
    host: String,
    namespace: String,
    name: String,
    port: u16,
}

impl Dialer for ServiceDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Pending<'a, Result<Dialed, Failure>> {
        Box::pin(async move {
            if host != self.host || port != self.port {
                return self.inner.dial(host, port).await;
            }
            let found = self.resolver.resolve(&self.namespace, &self.name, port).await;
            let (host, port) = found.map_err(Failure::Unreachable)?;
            self.inner.dial(&host, port).await
        })
    }
}
