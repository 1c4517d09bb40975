//! From the authentication flags to the ways in which a client can prove who it is.

use crate::config::Config;
use crate::flags::FlagValues;
use crate::jwt;
use crate::pki::Pki;
use crate::service_account::Keys;
use crate::serving::{parse_certificates, read};
use pintle_access::authenticate::{Authenticators, Remote};
use pintle_access::bootstrap_token::BootstrapTokens;
use pintle_access::cache::Cache;
use pintle_access::certificate::ClientAuthorities;
use pintle_access::front_proxy::FrontProxy;
use pintle_access::jwt::{Anonymous, Configuration, Jwt, JwtAuthenticator};
use pintle_access::service_account::{KeySource, ServiceAccountTokens, TokenMetrics};
use pintle_access::token::{Objects, TokenAuthenticator};
use pintle_access::token_file::TokenFile;
use pintle_access::token_webhook::{self, TokenWebhook};
use pintle_controllers::Trusted;
use pintle_metrics::Registry;
use pintle_object::{Value, json};
use pintle_outbound::{Backoff, Webhook};
use pintle_server::authorizers::Mode;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who is believed to be whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// What the flag says; a configuration file may say more.
    anonymous: bool,
    /// Issuers of JSON web tokens, and anonymous paths.
    pub configuration: Configuration,
    /// Where that was read from, if from a file.
    pub configuration_file: Option<PathBuf>,
    /// Algorithms that JSON web tokens may be signed with.
    jwt_algorithms: Vec<String>,
    webhook: Option<WebhookFlags>,
    pub bootstrap_tokens: bool,
    /// New tokens are of the first.
    pub service_account_issuers: Vec<String>,
    pub service_account_signing_key_file: Option<PathBuf>,
    pub service_account_key_files: Vec<PathBuf>,
    /// Zero: tokens may be asked for for any time.
    pub service_account_max_token_expiration_seconds: i64,
    pub service_account_extend_token_expiration: bool,
    /// As given; see `api_audiences`.
    api_audiences: Vec<String>,
    pub requestheader_client_ca_file: Option<PathBuf>,
    requestheader_allowed_names: Vec<String>,
    requestheader_username_headers: Vec<String>,
    requestheader_uid_headers: Vec<String>,
    requestheader_group_headers: Vec<String>,
    requestheader_extra_headers_prefix: Vec<String>,
}

/// Any client could then pass for a front proxy.
const OVERLAP: &str = "--requestheader-client-ca-file and --client-ca-file contain overlapping certificates; \
                       --requestheader-allowed-names must be specified to ensure regular client certificates cannot \
                       set authenticating proxy headers for arbitrary users";

/// The flags `--authentication-token-webhook-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WebhookFlags {
    kubeconfig: PathBuf,
    version: String,
    holds: Duration,
}

/// What upstream allows as the longest life of tokens.
const HOUR_SECONDS: u64 = 60 * 60;
const TOKEN_SECONDS_MAX: u64 = 1 << 32;

impl Authentication {
    pub fn read(given: &FlagValues) -> Result<Authentication, String> {
        let max = given.duration("service-account-max-token-expiration")?.as_secs();
        if max != 0 && !(HOUR_SECONDS..=TOKEN_SECONDS_MAX).contains(&max) {
            let why = "must be from 1h to 2^32 seconds";
            return Err(format!("--service-account-max-token-expiration: {why}"));
        }
        let issuers = given.array("service-account-issuer");
        if issuers.is_empty() || issuers.iter().any(String::is_empty) {
            return Err(String::from("--service-account-issuer: an issuer must not be empty"));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = issuers.iter().find(|issuer| !seen.insert(*issuer)) {
            return Err(format!("service-account-issuer {twice:?} is already specified"));
        }
        let jwks_uri = given.text("service-account-jwks-uri");
        if !jwks_uri.is_empty() && !jwks_uri.starts_with("https://") {
            return Err(format!("service-account-jwks-uri requires https scheme, parsed as: {jwks_uri}"));
        }
        let username_headers = given.list("requestheader-username-headers");
        let proxies = given.path("requestheader-client-ca-file");
        let key_files = given.array("service-account-key-file");
        let configuration_file = given.path("authentication-config");
        let configuration = jwt::configuration(given, configuration_file.as_deref(), &issuers)?;
        Ok(Authentication {
            anonymous: given.bool("anonymous-auth"),
            configuration,
            jwt_algorithms: jwt::algorithms(given, configuration_file.is_some())?,
            configuration_file,
            webhook: webhook(given)?,
            bootstrap_tokens: given.bool("enable-bootstrap-token-auth"),
            service_account_issuers: issuers,
            service_account_signing_key_file: given.path("service-account-signing-key-file"),
            service_account_key_files: key_files.into_iter().map(PathBuf::from).collect(),
            service_account_max_token_expiration_seconds: i64::try_from(max).unwrap_or(i64::MAX),
            service_account_extend_token_expiration: given.bool("service-account-extend-token-expiration"),
            api_audiences: given.list("api-audiences"),
            requestheader_client_ca_file: proxies,
            requestheader_allowed_names: given.list("requestheader-allowed-names"),
            requestheader_username_headers: username_headers,
            requestheader_uid_headers: given.list("requestheader-uid-headers"),
            requestheader_group_headers: given.list("requestheader-group-headers"),
            requestheader_extra_headers_prefix: given.list("requestheader-extra-headers-prefix"),
        })
    }

    /// What tokens are for when they are for this server: the issuers, if nothing else is said.
    pub fn api_audiences(&self) -> Vec<String> {
        let given = &self.api_audiences;
        if given.is_empty() { self.service_account_issuers.clone() } else { given.clone() }
    }

    /// Where who proves nothing may ask. Where everyone may do all, a flag does not let them in.
    pub fn anonymous(&self, is_all_allowed: bool) -> Anonymous {
        let by_flag = Anonymous { enabled: self.anonymous && !is_all_allowed, paths: Vec::new() };
        self.configuration.anonymous.clone().unwrap_or(by_flag)
    }

    /// Begins to ask the issuers of JSON web tokens for their keys.
    pub fn start_issuers(&self, issuers: &[Jwt]) -> Result<Vec<Arc<JwtAuthenticator>>, String> {
        let start = |jwt: &Jwt| {
            let (algorithms, audiences) = (self.jwt_algorithms.clone(), self.api_audiences());
            JwtAuthenticator::start(jwt.clone(), algorithms, audiences).map(Arc::new)
        };
        issuers.iter().map(start).collect()
    }

    /// What aggregated servers need to trust the same front proxies; nothing without any.
    pub fn front_proxy_data(&self) -> Result<Vec<(&'static str, String)>, String> {
        let Some(path) = &self.requestheader_client_ca_file else { return Ok(Vec::new()) };
        let list = |texts: &[String]| {
            let texts: Vec<Value> = texts.iter().map(|text| Value::from(text.as_str())).collect();
            json::to_string(&Value::from(texts))
        };
        let uid_headers = &self.requestheader_uid_headers;
        let uid_headers = (!uid_headers.is_empty()).then(|| ("requestheader-uid-headers", list(uid_headers)));
        let mut data = vec![
            ("requestheader-allowed-names", list(&self.requestheader_allowed_names)),
            ("requestheader-client-ca-file", read(path)?),
            ("requestheader-extra-headers-prefix", list(&self.requestheader_extra_headers_prefix)),
            ("requestheader-group-headers", list(&self.requestheader_group_headers)),
            ("requestheader-username-headers", list(&self.requestheader_username_headers)),
        ];
        data.extend(uid_headers);
        Ok(data)
    }

    /// The keys of service account tokens; the server's own lies at `own`.
    pub fn keys(&self, own: PathBuf) -> Result<Keys, String> {
        Keys::open(own, self.service_account_signing_key_file.as_deref(), &self.service_account_key_files)
    }
}

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

fn webhook(given: &FlagValues) -> Result<Option<WebhookFlags>, String> {
    let Some(kubeconfig) = given.path("authentication-token-webhook-config-file") else { return Ok(None) };
    let version = given.text("authentication-token-webhook-version");
    if !token_webhook::VERSIONS.contains(&version) {
        let [first, second] = token_webhook::VERSIONS;
        return Err(format!(
            "unsupported authentication webhook version {version:?}, supported versions are {first:?}, {second:?}"
        ));
    }
    let holds = given.duration("authentication-token-webhook-cache-ttl")?;
    Ok(Some(WebhookFlags { kubeconfig, version: version.into(), holds }))
}

/// In PEM, the authorities whose client certificates are believed: those given, or else the server's own.
/// Reads whom the server trusts each time that it is asked, for the ConfigMap that others learn it from.
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

fn front_proxy(config: &Config, flags: &Authentication) -> Result<Option<FrontProxy>, String> {
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
