//! Authenticators from the configuration, in the order of their calls.

use crate::authentication::Authentication;
use crate::config::Config;
use crate::files::{parse_certificates, read};
use crate::pki::Pki;
use pintle_access::authenticate::{Authenticators, Remote};
use pintle_access::bootstrap_token::BootstrapTokens;
use pintle_access::cache::Cache;
use pintle_access::certificate::ClientAuthorities;
use pintle_access::front_proxy::FrontProxy;
use pintle_access::service_account::{KeySource, ServiceAccountTokens, TokenMetrics};
use pintle_access::token::{Objects, TokenAuthenticator};
use pintle_access::token_file::TokenFile;
use pintle_access::token_webhook::TokenWebhook;
use pintle_controllers::Trusted;
use pintle_metrics::Registry;
use pintle_outbound::{Backoff, Webhook};
use pintle_server::authorizers::Mode;
use std::sync::Arc;

/// Any client could then pass for a front proxy.
const OVERLAP: &str = "--requestheader-client-ca-file and --client-ca-file contain overlapping certificates; \
                       --requestheader-allowed-names must be specified to ensure regular client certificates cannot \
                       set authenticating proxy headers for arbitrary users";

pub fn authenticators(
    config: &Config,
    pki: &Pki,
    keys: Arc<dyn KeySource>,
    objects: Arc<dyn Objects>,
    registry: &Registry,
) -> Result<Authenticators, String> {
    let flags = &config.authentication;
    let authorities = parse_certificates(&client_authorities(config, pki)?)
        .map_err(|error| format!("--client-ca-file: {error}"))?;
    let front_proxy = front_proxy(config, flags)?;
    let api_audiences = flags.api_audiences();
    let mut tokens: Vec<Box<dyn TokenAuthenticator>> = Vec::new();
    if let Some(path) = &config.token_auth_file {
        let mut file = TokenFile::parse(&path.display().to_string(), &read(path)?)
            .map_err(|error| format!("--token-auth-file: {error}"))?;
        file.api_audiences.clone_from(&api_audiences);
        tokens.push(Box::new(file));
    }
    tokens.push(Box::new(ServiceAccountTokens {
        issuers: flags.service_account_issuers.clone(),
        api_audiences: api_audiences.clone(),
        keys,
        objects: objects.clone(),
        proven: Cache::default(),
        metrics: TokenMetrics::new(registry),
    }));
    if flags.bootstrap_tokens {
        tokens.push(Box::new(BootstrapTokens { api_audiences: api_audiences.clone(), objects }));
    }
    let mut remote = Remote::default();
    remote.replace_issuers(flags.start_issuers(&flags.configuration.jwt)?);
    if let Some(flags) = &flags.webhook {
        let webhook = Webhook::open(&flags.kubeconfig, Backoff::WEBHOOK)
            .map_err(|error| format!("--authentication-token-webhook-config-file: {error}"))?;
        let webhook = TokenWebhook::new(webhook, &flags.version, api_audiences, flags.holds);
        remote.others.push(Box::new(webhook));
    }
    Ok(Authenticators {
        front_proxy,
        authorities: ClientAuthorities::new(&authorities)
            .map_err(|error| format!("--client-ca-file: {error}"))?,
        tokens,
        remote,
        anonymous: flags.anonymous(config.authorization.has(Mode::AlwaysAllow)),
    })
}

/// Reads the authorities of client certificates (those given, or else the server's own) and the front proxies'
/// settings, for the ConfigMap from which aggregated servers learn them.
pub fn trusted(config: &Config, pki: &Pki) -> Arc<Trusted> {
    let (config, own) = (config.clone(), client_authorities(config, pki));
    Arc::new(move || {
        let clients = match &config.client_ca_file {
            Some(path) => read(path)?,
            None => own.clone()?,
        };
        let clients = Some(("client-ca-file", clients)).filter(|(_, pem)| !pem.is_empty());
        Ok(clients.into_iter().chain(config.authentication.front_proxy_data()?).collect())
    })
}

pub fn client_authorities(config: &Config, pki: &Pki) -> Result<String, String> {
    match &config.client_ca_file {
        Some(path) => read(path),
        None => Ok(pki.administrator.as_ref().map(|own| own.ca.clone()).unwrap_or_default()),
    }
}

pub(crate) fn front_proxy(config: &Config, flags: &Authentication) -> Result<Option<FrontProxy>, String> {
    const FLAG: &str = "--requestheader-client-ca-file";
    let Some(path) = &flags.requestheader_client_ca_file else { return Ok(None) };
    let authorities = parse_certificates(&read(path)?).map_err(|error| format!("{FLAG}: {error}"))?;
    if let Some(path) = &config.client_ca_file
        && flags.requestheader_allowed_names.is_empty()
    {
        let clients = parse_certificates(&read(path)?).unwrap_or_default();
        if authorities.iter().any(|authority| clients.contains(authority)) {
            return Err(String::from(OVERLAP));
        }
    }
    let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
    Ok(Some(FrontProxy {
        authorities: ClientAuthorities::new(&authorities).map_err(|error| format!("{FLAG}: {error}"))?,
        allowed_names: flags.requestheader_allowed_names.clone(),
        username_headers: lower(&flags.requestheader_username_headers),
        uid_headers: lower(&flags.requestheader_uid_headers),
        group_headers: lower(&flags.requestheader_group_headers),
        extra_prefixes: lower(&flags.requestheader_extra_headers_prefix),
    }))
}
