//! Flags of the servers beside this one.

use crate::compatibility::Compatibility;
use crate::flags::FlagValues;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The `--peer-*` flags: other servers on the same store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerFlags {
    /// Authorities of their certificates; without any no request is passed on.
    pub(crate) authorities: Option<PathBuf>,
    /// The address at which peers reach this server, if not its own.
    pub(crate) advertised: Option<SocketAddr>,
}

impl PeerFlags {
    pub fn read(given: &FlagValues, compatibility: &Compatibility) -> Result<PeerFlags, String> {
        if compatibility.is_on(GATE) && !compatibility.is_on(IDENTITY_GATE) {
            return Err(format!(
                "{GATE} is enabled, but depends on features that are disabled: [{IDENTITY_GATE}]"
            ));
        }
        let is_given = |flag: &&&str| !given.text(flag).is_empty();
        let flags = ["peer-ca-file", "peer-advertise-ip", "peer-advertise-port"];
        if !compatibility.is_on(GATE)
            && let Some(flag) = flags.iter().find(is_given)
        {
            return Err(format!("--{flag} requires {GATE} feature to be turned on"));
        }
        let authorities = given.path("peer-ca-file");
        if authorities.is_some() && given.path("proxy-client-cert-file").is_none() {
            return Err(String::from("error building peer proxy handler, proxy-cert-file not specified"));
        }
        Ok(PeerFlags { authorities, advertised: advertised(given)? })
    }

    /// The warning about flags without effect.
    pub fn warning(&self, has_etcd: bool) -> Option<String> {
        let is_moot = !has_etcd && *self != PeerFlags::default();
        is_moot.then(|| String::from("--peer-*: no other server shares the embedded store"))
    }
}

/// The feature gate of peers.
pub const GATE: &str = "UnknownVersionInteroperabilityProxy";
/// The gate without which this server has no identity that others could know.
pub(crate) const IDENTITY_GATE: &str = "APIServerIdentity";

/// The advertised address; as upstream, none unless both IP and port are given.
pub(crate) fn advertised(given: &FlagValues) -> Result<Option<SocketAddr>, String> {
    let (ip, port) = (given.text("peer-advertise-ip"), given.text("peer-advertise-port"));
    if ip.is_empty() || port.is_empty() {
        return Ok(None);
    }
    let ip: IpAddr = ip.parse().map_err(|_| format!("--peer-advertise-ip: {ip:?} is not an IP address"))?;
    let port = port.parse().map_err(|_| format!("--peer-advertise-port: {port:?} is not a port"))?;
    Ok(Some(SocketAddr::new(ip, port)))
}
