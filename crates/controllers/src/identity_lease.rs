//! The lease by which a server of this kind is known in the cluster (KEP-1965): made, renewed, and collected when its
//! server is gone.

use crate::bootstrap::object;
use crate::own_writes;
use pintle_engine::{Engine, own};
use pintle_object::time::Time;
use pintle_object::{Status, Value, meta};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The name of API servers in leases, whatever the binary is called.
const SERVER: &str = "kube-apiserver";
const IDENTITY: &str = "apiserver.kubernetes.io/identity";
/// The annotation with the address for proxied requests.
const ADDRESS: &str = "kubernetes.io/peer-advertise-address";
/// The namespace of the leases.
pub const NAMESPACE: &str = "kube-system";
const LEASES: (&str, &str) = ("coordination.k8s.io", "leases");
const HOSTNAME: &str = "kubernetes.io/hostname";
const LEASE_SECONDS: i64 = 3600;
/// Upstream's interval (`IdentityLeaseRenewIntervalPeriod`), for servers that share an etcd.
const SHARED_INTERVAL: Duration = Duration::from_secs(10);
/// The renewal interval of a server alone on its store: nobody reads the lease, and disks wear out.
const ALONE_INTERVAL: Duration = Duration::from_secs(600);
/// The time between two searches for leases of servers that are gone (`IdentityLeaseGCPeriod`).
pub const COLLECT_INTERVAL: Duration = Duration::from_secs(3600);

pub struct IdentityLease {
    engine: Arc<Engine>,
    identity: Identity,
    /// The address that other servers proxy requests to; absent without such proxying.
    address: Option<SocketAddr>,
    /// Whether the server leaves. Held while the lease is written.
    is_leaving: Mutex<bool>,
}

/// The identity of a server.
#[derive(Clone)]
pub struct Identity {
    /// The lease's name: the same for every server that runs on a host of this name.
    pub name: String,
    holder: String,
    hostname: String,
}

impl IdentityLease {
    pub fn new(engine: Arc<Engine>, identity: Identity, address: Option<SocketAddr>) -> IdentityLease {
        IdentityLease { engine, identity, address, is_leaving: Mutex::new(false) }
    }

    /// The time between two renewals.
    pub fn interval(&self) -> Duration {
        if self.engine.store.is_shared() { SHARED_INTERVAL } else { ALONE_INTERVAL }
    }

    pub async fn renew(&self) -> Result<(), Status> {
        let is_leaving = self.is_leaving.lock().await;
        if *is_leaving {
            return Ok(());
        }
        let now = own::now();
        let address = self.address.map(|address| address.to_string());
        let lease = self.identity.lease(address.as_deref(), now);
        let holder = self.identity.holder.as_str();
        let renewed = |current: &Value| {
            let mut next = current.clone();
            if let Some(address) = &address {
                next.set(&["metadata", "annotations", ADDRESS], address.as_str());
            }
            next.set(&["metadata", "labels", IDENTITY], SERVER);
            next.set(&["metadata", "labels", HOSTNAME], self.identity.hostname.as_str());
            next.set(&["spec", "holderIdentity"], holder);
            next.set(&["spec", "renewTime"], now.to_micro_text());
            Some(next)
        };
        own_writes::keep(&self.engine, None, &lease, renewed, now).await
    }

    /// Deletes the lease of a server that stops.
    pub async fn leave(&self) -> Result<(), Status> {
        *self.is_leaving.lock().await = true;
        let is_own = |lease: &Value| meta::name(lease) == self.identity.name;
        own_writes::delete(&self.engine, LEASES, NAMESPACE, own::now(), is_own).await
    }

    /// Deletes the leases of API servers that were not renewed in time.
    pub async fn collect(&self) -> Result<(), Status> {
        let now = own::now();
        let is_expired = |lease: &Value| is_expired(lease, now);
        own_writes::delete(&self.engine, LEASES, NAMESPACE, now, is_expired).await
    }
}

/// Whether a lease is an API server's and ended, or never said when it would.
fn is_expired(lease: &Value, now: Time) -> bool {
    if lease.str_at(&["metadata", "labels", IDENTITY]) != SERVER {
        return false;
    }
    let renewed = Time::parse(lease.str_at(&["spec", "renewTime"]));
    match (renewed, lease.int_at(&["spec", "leaseDurationSeconds"])) {
        (Ok(renewed), Some(seconds)) => renewed.seconds.saturating_add(seconds) < now.seconds,
        _ => true,
    }
}

/// The process that a lease of an API server is held by; none of others' leases.
pub fn holder(lease: &Value) -> Option<String> {
    let is_server = lease.str_at(&["metadata", "labels", IDENTITY]) == SERVER;
    let holder = lease.str_at(&["spec", "holderIdentity"]);
    (is_server && !holder.is_empty()).then(|| holder.to_string())
}

impl Identity {
    /// As upstream: a hash of the names of host and server in lower-case base 32, and a UID of this very process.
    pub fn of_host(hostname: &str) -> Identity {
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

    fn lease(&self, address: Option<&str>, now: Time) -> Value {
        let mut lease = object("coordination.k8s.io/v1", "Lease", NAMESPACE, &self.name);
        if let Some(address) = address {
            lease.set(&["metadata", "annotations", ADDRESS], address);
        }
        lease.set(&["metadata", "labels", IDENTITY], SERVER);
        lease.set(&["metadata", "labels", HOSTNAME], self.hostname.as_str());
        lease.set(&["spec", "holderIdentity"], self.holder.as_str());
        lease.set(&["spec", "leaseDurationSeconds"], LEASE_SECONDS);
        lease.set(&["spec", "renewTime"], now.to_micro_text());
        lease
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_host() {
        assert_eq!(Identity::of_host("vm").name, "apiserver-wlv32tlttr4jl3gtroqexyxapa");
    }

    #[test]
    fn a_lease_ends_when_it_is_not_renewed() {
        let at = |seconds| Time { seconds, nanos: 0 };
        let lease = Identity::of_host("vm").lease(Some("10.0.0.1:6443"), at(1000));
        assert!(!is_expired(&lease, at(1000 + LEASE_SECONDS)));
        assert!(is_expired(&lease, at(1001 + LEASE_SECONDS)));
        let mut never = lease.clone();
        never.remove(&["spec", "renewTime"]);
        assert!(is_expired(&never, at(0)));
        let mut other = lease;
        other.set(&["metadata", "labels", IDENTITY], "another-server");
        assert!(!is_expired(&other, at(100_000)));
    }
}
