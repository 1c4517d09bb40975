//! Takes changed files of authorities and issuers over while the server runs. Files that cannot be used leave
//! everything as it was.

use crate::config::Config;
use crate::files::{Watched, parse_certificates, read};
use crate::jwt;
use pintle_access::Authenticators;
use pintle_access::certificate::ClientAuthorities;
use pintle_access::jwt::{Configuration, validate};
use pintle_controllers::PublishedTrust;
use pintle_server::app::App;
use pintle_server::tls::{DistinguishedName, Listener, authority_names};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The time within which new issuers must be discovered; otherwise the change is put off.
const READY_MAX: Duration = Duration::from_secs(60);
const READY_EVERY: Duration = Duration::from_millis(100);

/// Runs until it is dropped.
pub async fn keep_fresh(config: Config, app: Arc<App>, tls: Arc<Listener>, trust: PublishedTrust) {
    let flags = &config.authentication;
    let follower = ReloadFollower { app: &app, tls: &tls, trust: &trust };
    let clients = follower.authorities(config.client_ca_file.as_deref(), &app.authenticators.authorities);
    let proxies = app.authenticators.front_proxy.as_ref().map(|proxy| proxy.authorities.clone());
    let proxies = proxies.unwrap_or_default();
    let proxies = follower.authorities(flags.requestheader_client_ca_file.as_deref(), &proxies);
    tokio::join!(clients, proxies, issuers(&app, &config));
}

/// The authorities that handshakes name: those of clients and of front proxies.
pub fn named_authorities(authenticators: &Authenticators) -> Vec<DistinguishedName> {
    let proxies = authenticators.front_proxy.iter().flat_map(|proxy| proxy.authorities.subjects());
    let subjects: Vec<_> = authenticators.authorities.subjects().into_iter().chain(proxies).collect();
    authority_names(&subjects)
}

/// The parts of the server that follow changed authorities.
struct ReloadFollower<'a> {
    app: &'a App,
    tls: &'a Listener,
    trust: &'a PublishedTrust,
}

impl ReloadFollower<'_> {
    async fn authorities(&self, file: Option<&Path>, authorities: &ClientAuthorities) {
        let Some(file) = file else { return };
        let mut watched = Watched::new(vec![PathBuf::from(file)]);
        loop {
            watched.changed().await;
            let name = file.display();
            let replaced = read(file)
                .and_then(|pem| parse_certificates(&pem))
                .and_then(|certificates| authorities.replace(&certificates));
            if let Err(error) = replaced {
                tracing::warn!("cannot reload the authorities of {name}: {error}");
                continue;
            }
            tracing::info!("reloaded the authorities of {name}");
            if let Err(error) = self.tls.name_authorities(named_authorities(&self.app.authenticators)) {
                tracing::warn!("cannot announce changed authorities in TLS handshakes: {error}");
            }
            if let Err(error) = self.trust.publish().await {
                tracing::warn!("cannot publish changed authorities: {}", error.message);
            }
        }
    }
}

async fn issuers(app: &App, config: &Config) {
    let flags = &config.authentication;
    let Some(file) = &flags.configuration_file else { return };
    let mut watched = Watched::new(vec![file.clone()]);
    let mut current = flags.configuration.clone();
    loop {
        watched.changed().await;
        let loaded = jwt::load(file).and_then(|new| checked(new, config));
        let started = loaded.and_then(|new| Ok((flags.start_issuers(&new.jwt)?, new)));
        let (started, new) = match started {
            Ok((_, new)) if new == current => continue,
            Ok(both) => both,
            Err(error) => {
                tracing::error!("failed to load authentication config: {error}");
                continue;
            }
        };
        let ready = async {
            while !started.iter().all(|issuer| issuer.is_ready()) {
                tokio::time::sleep(READY_EVERY).await;
            }
        };
        if tokio::time::timeout(READY_MAX, ready).await.is_err() {
            tracing::error!(
                "failed to update authentication config: not every issuer could be asked for its keys"
            );
            watched.forget();
            continue;
        }
        app.authenticators.remote.replace_issuers(started);
        current = new;
        tracing::info!("reloaded authentication config");
    }
}

/// Checks a changed configuration. Its `anonymous` cannot change while the server runs.
fn checked(new: Configuration, config: &Config) -> Result<Configuration, String> {
    let flags = &config.authentication;
    validate(&new, &flags.service_account_issuers)?;
    if new.anonymous != flags.configuration.anonymous {
        return Err("anonymous: Forbidden: changed from initial configuration file".into());
    }
    Ok(new)
}
