//! The endpoints of the Service `kubernetes`: the addresses of all API servers of the cluster, and nothing else.
//!
//! Servers that share an etcd learn of each other by their leases there; a server that is alone on its store is the
//! only one. As upstream (`reconcilers/lease.go`), changes by others are reverted at each check.

use crate::bootstrap::object;
use crate::master_leases::MasterLeases;
use crate::own_writes;
use pintle_engine::{Engine, own};
use pintle_object::{Status, Value};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The time between two renewals of the lease and checks of the endpoints (`DefaultEndpointReconcilerInterval`).
pub const INTERVAL: Duration = Duration::from_secs(10);
/// The time for which a stopping server tries to remove its address.
const LEAVE_MAX: Duration = Duration::from_secs(20);

pub struct KubernetesEndpoints {
    engine: Arc<Engine>,
    address: IpAddr,
    port: u16,
    /// Absent on a store of this server alone.
    leases: Option<MasterLeases>,
    /// Whether the server leaves. Held while endpoints are written.
    is_leaving: Mutex<bool>,
}

impl KubernetesEndpoints {
    pub fn new(engine: Arc<Engine>, address: IpAddr, port: u16) -> KubernetesEndpoints {
        let leases = engine.store.is_shared().then(|| MasterLeases::new(engine.clone()));
        KubernetesEndpoints { engine, address, port, leases, is_leaving: Mutex::new(false) }
    }

    /// Renews this server's lease, and writes the endpoints of all leases.
    pub async fn reconcile(&self) -> Result<(), Status> {
        let is_leaving = self.is_leaving.lock().await;
        if *is_leaving {
            return Ok(());
        }
        let addresses = match &self.leases {
            Some(leases) => {
                leases.renew(self.address).await?;
                leases.addresses()
            }
            None => vec![self.address.to_string()],
        };
        if addresses.is_empty() {
            let why = "no address of an API server has a lease; the endpoints of the Service kubernetes stay";
            return Err(Status::internal(why));
        }
        self.write(&addresses, true).await
    }

    /// Takes the address back when the server stops.
    pub async fn leave(&self) {
        let left = async {
            *self.is_leaving.lock().await = true;
            let addresses = match &self.leases {
                Some(leases) => {
                    leases.remove(self.address).await?;
                    leases.addresses()
                }
                None => Vec::new(),
            };
            self.write(&addresses, false).await
        };
        let why = match tokio::time::timeout(LEAVE_MAX, left).await {
            Ok(Ok(())) => return,
            Ok(Err(status)) => status.message,
            Err(_) => String::from("it took too long"),
        };
        tracing::warn!("cannot remove this server from the endpoints of the Service kubernetes: {why}");
    }

    /// Writes Endpoints and EndpointSlice; objects that are missing are made if `makes` says so.
    async fn write(&self, addresses: &[String], makes: bool) -> Result<(), Status> {
        let now = own::now();
        let is_ipv6 = self.address.is_ipv6();
        for wanted in [endpoints(addresses, self.port), slice(addresses, is_ipv6, self.port)] {
            if makes {
                own_writes::keep(&self.engine, None, &wanted, |current| corrected(current, &wanted), now)
                    .await?;
            } else {
                own_writes::change(&self.engine, &wanted, |current| corrected(current, &wanted), now).await?;
            }
        }
        Ok(())
    }
}

fn endpoints(addresses: &[String], port: u16) -> Value {
    let mut endpoints = object("v1", "Endpoints", "default", "kubernetes");
    endpoints.set(&["metadata", "labels", "endpointslice.kubernetes.io/skip-mirror"], "true");
    let mut entries: Vec<Value> = Vec::new();
    for address in sorted(addresses) {
        let mut entry = Value::map();
        entry.set(&["ip"], address.as_str());
        entries.push(entry);
    }
    if !entries.is_empty() {
        let mut subset = Value::map();
        subset.set(&["addresses"], entries);
        subset.set(&["ports"], vec![https(port)]);
        endpoints.set(&["subsets"], vec![subset]);
    }
    endpoints
}

fn slice(addresses: &[String], is_ipv6: bool, port: u16) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for address in sorted(addresses) {
        let mut endpoint = Value::map();
        endpoint.set(&["addresses"], vec![Value::from(address.as_str())]);
        endpoint.set(&["conditions", "ready"], true);
        entries.push(endpoint);
    }
    let mut slice = object("discovery.k8s.io/v1", "EndpointSlice", "default", "kubernetes");
    slice.set(&["metadata", "labels", "kubernetes.io/service-name"], "kubernetes");
    slice.set(&["addressType"], if is_ipv6 { "IPv6" } else { "IPv4" });
    slice.set(&["endpoints"], entries);
    slice.set(&["ports"], vec![https(port)]);
    slice
}

/// The addresses in text order, as upstream's servers sort them: otherwise two kinds of servers would never agree.
fn sorted(addresses: &[String]) -> Vec<String> {
    let mut sorted = addresses.to_vec();
    sorted.sort();
    sorted.dedup();
    sorted
}

fn https(port: u16) -> Value {
    let mut value = Value::map();
    value.set(&["name"], "https");
    value.set(&["port"], i64::from(port));
    value.set(&["protocol"], "TCP");
    value
}

/// The object as it should be; none when it is. What others added beside it stays.
fn corrected(current: &Value, wanted: &Value) -> Option<Value> {
    let mut next = current.clone();
    for (key, value) in wanted.map_at(&["metadata", "labels"]).into_iter().flat_map(|labels| labels.iter()) {
        next.set(&["metadata", "labels", key], value.clone());
    }
    for field in ["subsets", "endpoints", "ports"] {
        match wanted.get(field) {
            Some(value) => next.set(&[field], value.clone()),
            None if current.get(field).is_some() => {
                next.remove(&[field]);
            }
            None => {}
        }
    }
    Some(next).filter(|next| next != current)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(addresses: &[&str]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn endpoints_name_all_servers_and_nobody_else() {
        let (one, two) = (names(&["10.0.0.1"]), names(&["10.0.0.2", "10.0.0.1"]));
        let both = corrected(&endpoints(&one, 6443), &endpoints(&two, 6443)).unwrap();
        assert_eq!(both, endpoints(&names(&["10.0.0.1", "10.0.0.2"]), 6443));
        assert_eq!(corrected(&both, &endpoints(&two, 6443)), None);
        assert_eq!(corrected(&both, &endpoints(&one, 6443)), Some(endpoints(&one, 6443)));
        let none = corrected(&both, &endpoints(&[], 6443)).unwrap();
        assert_eq!(none.get("subsets"), None);
        let moved = slice(&two, false, 8443);
        assert_eq!(corrected(&slice(&one, false, 6443), &moved), Some(moved));
    }

    #[test]
    fn labels_of_others_stay() {
        let mut current = slice(&names(&["10.0.0.1"]), false, 6443);
        current.set(&["metadata", "labels", "mine"], "yes");
        assert_eq!(corrected(&current, &slice(&names(&["10.0.0.1"]), false, 6443)), None);
    }
}
