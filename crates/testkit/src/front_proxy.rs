//! Flags of a server that proves itself to others as the front proxy.

use std::path::Path;

/// Flags for the certificate, key and authority of a directory: `proxy.crt`, `proxy.key` and `front.crt`, and the headers
/// that name users.
pub fn front_proxy_flags(dir: &Path) -> [String; 8] {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    [
        file("proxy-client-cert-file", "proxy.crt"),
        file("proxy-client-key-file", "proxy.key"),
        file("requestheader-client-ca-file", "front.crt"),
        String::from("--requestheader-allowed-names=front-proxy-client"),
        String::from("--requestheader-username-headers=X-Remote-User"),
        String::from("--requestheader-uid-headers=X-Remote-Uid"),
        String::from("--requestheader-group-headers=X-Remote-Group"),
        String::from("--requestheader-extra-headers-prefix=X-Remote-Extra-"),
    ]
}
