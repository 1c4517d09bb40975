//! Serving certificates: loaded at start, and again when their files change.

use crate::config::{Config, Pair};
use crate::files::{Watched, parse_certificates, read};
use crate::pki::{self, Pki};
use pintle_server::tls::{Certificates, Named};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::path::PathBuf;
use std::sync::Arc;

/// The certificates of a configuration: the one for everybody, then those for names.
pub fn certificates(config: &Config, pki: &Pki) -> Result<Vec<Named>, String> {
    let mut all = Vec::new();
    if let Some(pair) = &config.serving {
        all.push(load(pair)?);
    }
    if let Some(own) = &pki.serving {
        let named = named(&own.certificate, &own.key, Vec::new());
        all.push(named.map_err(|error| format!("the serving certificate: {error}"))?);
    }
    for pair in &config.sni {
        let mut named = load(pair)?;
        if named.names.is_empty() {
            let own = named.key.cert.first().map(|der| pki::names_of(der)).unwrap_or_default();
            named.names = own.dns.iter().map(|name| name.to_ascii_lowercase()).collect();
        }
        all.push(named);
    }
    Ok(all)
}

/// Reloads changed files while the server runs. Invalid files leave the served certificates unchanged.
pub async fn keep_fresh(config: Config, pki: Pki, served: Arc<Certificates>) {
    let files: Vec<PathBuf> = config
        .serving
        .iter()
        .chain(&config.sni)
        .flat_map(|pair| [pair.certificate.clone(), pair.key.clone()])
        .collect();
    let mut watched = Watched::new(files);
    loop {
        watched.changed().await;
        match certificates(&config, &pki) {
            Ok(all) => {
                served.replace(all);
                tracing::info!("reloaded the serving certificates");
            }
            Err(error) => tracing::warn!("cannot reload the serving certificates: {error}"),
        }
    }
}

fn load(pair: &Pair) -> Result<Named, String> {
    let (chain, key) = (read(&pair.certificate)?, read(&pair.key)?);
    named(&chain, &key, pair.names.clone())
        .map_err(|error| format!("{}: {error}", pair.certificate.display()))
}

fn named(chain: &str, key: &str, names: Vec<String>) -> Result<Named, String> {
    let chain = parse_certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| format!("its key: {error}"))?;
    Named::new(chain, key, names).map_err(|error| error.to_string())
}
