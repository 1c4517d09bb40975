//! What the server keeps up in the cluster while it runs: the lease that tells that it is there, and its address
//! among the endpoints of the Service `kubernetes`.

use crate::bootstrap::object;
use crate::config::Config;
use crate::own;
use pintle_engine::Engine;
use pintle_object::time::Time;
use pintle_object::{Status, Value};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What this kind of server is called in leases, whatever its binary is called.
const SERVER: &str = "kube-apiserver";
const LEASE_SECONDS: i64 = 3600;
/// Upstream's interval, for servers that share an etcd.
const SHARED_EVERY: Duration = Duration::from_secs(10);
/// A server alone on its store has nobody to tell in a hurry, and disks wear out.
const ALONE_EVERY: Duration = Duration::from_secs(600);
/// How often the records of addresses and ports are looked through, as upstream does it.
const MEND_EVERY: Duration = Duration::from_secs(180);

/// What is kept up, and how.
pub struct Upkeep {
    engine: Arc<Engine>,
    identity: Identity,
    address: IpAddr,
    port: u16,
    every: Duration,
    keeps_endpoints: bool,
}

struct Identity {
    /// The lease's name: the same for every server that runs on this host.
    name: String,
    holder: String,
    hostname: String,
}

impl Upkeep {
    pub fn new(engine: Arc<Engine>, config: &Config) -> Upkeep {
        Upkeep {
            engine,
            identity: Identity::of_host(&hostname()),
            address: config.address(),
            port: config.secure_port,
            // Endpoints may not be on the loopback: a server that is told of by such an address has none.
            keeps_endpoints: config.keeps_endpoints && !config.address().is_loopback(),
            every: if config.etcd.is_some() { SHARED_EVERY } else { ALONE_EVERY },
        }
    }

    /// Runs until it is dropped.
    pub async fn run(&self) {
        tokio::join!(self.keep_up(), self.mend());
    }

    async fn mend(&self) {
        loop {
            tokio::time::sleep(MEND_EVERY).await;
            self.engine.mend_records(now()).await;
        }
    }

    async fn keep_up(&self) {
        loop {
            if let Err(status) = self.renew().await {
                tracing::warn!("the lease of this server could not be renewed: {}", status.message);
            }
            if let Err(status) = self.join_endpoints().await {
                tracing::warn!(
                    "the endpoints of the Service kubernetes could not be kept: {}",
                    status.message
                );
            }
            tokio::time::sleep(self.every).await;
        }
    }

    async fn renew(&self) -> Result<(), Status> {
        let now = now();
        let lease = self.identity.lease(&format!("{}:{}", self.address, self.port), now);
        let holder = self.identity.holder.as_str();
        let renewed = |current: &Value| {
            let mut next = current.clone();
            next.set(&["spec", "holderIdentity"], holder);
            next.set(&["spec", "renewTime"], now.to_micro_text());
            Some(next)
        };
        own::keep(&self.engine, None, &lease, renewed, now).await
    }

    async fn join_endpoints(&self) -> Result<(), Status> {
        if !self.keeps_endpoints {
            return Ok(());
        }
        let (endpoints, slice) = (endpoints(self.address, self.port), slice(self.address, self.port));
        let now = now();
        own::keep(&self.engine, None, &endpoints, |current| joined(current, &endpoints, &["subsets"]), now)
            .await?;
        own::keep(&self.engine, None, &slice, |current| joined(current, &slice, &["endpoints"]), now).await
    }

    /// Takes the address back when the server stops.
    pub async fn leave(&self) {
        if !self.keeps_endpoints {
            return;
        }
        let (endpoints, slice) = (endpoints(self.address, self.port), slice(self.address, self.port));
        for (object, list) in [(endpoints, "subsets"), (slice, "endpoints")] {
            let left = |current: &Value| left(current, &object, list);
            if let Err(status) = own::keep(&self.engine, None, &object, left, now()).await {
                tracing::warn!(
                    "the endpoints of the Service kubernetes still name this server: {}",
                    status.message
                );
            }
        }
    }
}

impl Identity {
    /// As upstream: a hash of the names of host and server in lower-case base 32, and a UID of this very process.
    fn of_host(hostname: &str) -> Identity {
        let mut names = Vec::new();
        for name in [hostname, SERVER] {
            names.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
            names.extend(name.as_bytes());
        }
        let hash = Sha256::digest(&names);
        let name = format!("apiserver-{}", base32(hash.get(..16).unwrap_or_default()));
        let holder = format!("{name}_{}", pintle_engine::generate::Generator::system().uid());
        Identity { name, holder, hostname: hostname.into() }
    }

    fn lease(&self, address: &str, now: Time) -> Value {
        let mut lease = object("coordination.k8s.io/v1", "Lease", "kube-system", &self.name);
        lease.set(&["metadata", "annotations", "kubernetes.io/peer-advertise-address"], address);
        lease.set(&["metadata", "labels", "apiserver.kubernetes.io/identity"], SERVER);
        lease.set(&["metadata", "labels", "kubernetes.io/hostname"], self.hostname.as_str());
        lease.set(&["spec", "holderIdentity"], self.holder.as_str());
        lease.set(&["spec", "leaseDurationSeconds"], LEASE_SECONDS);
        lease.set(&["spec", "renewTime"], now.to_micro_text());
        lease
    }
}

fn endpoints(address: IpAddr, port: u16) -> Value {
    let mut subset = Value::map();
    let mut one = Value::map();
    one.set(&["ip"], address.to_string());
    subset.set(&["addresses"], vec![one]);
    subset.set(&["ports"], vec![https(port)]);
    let mut endpoints = object("v1", "Endpoints", "default", "kubernetes");
    endpoints.set(&["metadata", "labels", "endpointslice.kubernetes.io/skip-mirror"], "true");
    endpoints.set(&["subsets"], vec![subset]);
    endpoints
}

fn slice(address: IpAddr, port: u16) -> Value {
    let mut endpoint = Value::map();
    endpoint.set(&["addresses"], vec![Value::from(address.to_string())]);
    endpoint.set(&["conditions", "ready"], true);
    let mut slice = object("discovery.k8s.io/v1", "EndpointSlice", "default", "kubernetes");
    slice.set(&["metadata", "labels", "kubernetes.io/service-name"], "kubernetes");
    slice.set(&["addressType"], if address.is_ipv6() { "IPv6" } else { "IPv4" });
    slice.set(&["endpoints"], vec![endpoint]);
    slice.set(&["ports"], vec![https(port)]);
    slice
}

fn https(port: u16) -> Value {
    let mut value = Value::map();
    value.set(&["name"], "https");
    value.set(&["port"], i64::from(port));
    value.set(&["protocol"], "TCP");
    value
}

/// The object with the entries that this server's has and it lacks.
fn joined(current: &Value, own: &Value, list: &[&str]) -> Option<Value> {
    let has = current.list_at(list);
    let lacks: Vec<Value> = own.list_at(list).iter().filter(|item| !holds(has, item)).cloned().collect();
    if lacks.is_empty() {
        return None;
    }
    let mut next = current.clone();
    next.set(list, [has, lacks.as_slice()].concat());
    Some(next)
}

/// The object without this server's entries.
fn left(current: &Value, own: &Value, list: &str) -> Option<Value> {
    let mine = own.list_at(&[list]);
    let rest: Vec<Value> =
        current.list_at(&[list]).iter().filter(|item| !holds(mine, item)).cloned().collect();
    let mut next = current.clone();
    next.set(&[list], rest);
    Some(next).filter(|next| next != current)
}

fn holds(list: &[Value], item: &Value) -> bool {
    list.iter().any(|entry| entry.list_at(&["addresses"]) == item.list_at(&["addresses"]))
}

fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(digit(DIGITS, bits >> count));
        }
    }
    if count > 0 {
        text.push(digit(DIGITS, bits << (5 - count)));
    }
    text
}

fn digit(digits: &[u8; 32], bits: u32) -> char {
    char::from(digits.get((bits & 31) as usize).copied().unwrap_or(b'a'))
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanos: since.subsec_nanos() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_host() {
        assert_eq!(Identity::of_host("vm").name, "apiserver-wlv32tlttr4jl3gtroqexyxapa");
    }

    #[test]
    fn servers_share_the_endpoints() {
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let both = joined(&slice(a, 6443), &slice(b, 6443), &["endpoints"]).unwrap();
        assert_eq!(both.list_at(&["endpoints"]).len(), 2);
        assert_eq!(joined(&both, &slice(a, 6443), &["endpoints"]), None);
        assert_eq!(left(&both, &slice(b, 6443), "endpoints"), Some(slice(a, 6443)));
        assert_eq!(left(&slice(a, 6443), &slice(b, 6443), "endpoints"), None);
    }
}
