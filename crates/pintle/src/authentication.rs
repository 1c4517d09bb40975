//! From the authentication flags to the authenticators.

use crate::files::read;
use crate::flags::FlagValues;
use crate::jwt;
use crate::service_account::Keys;
use pintle_access::jwt::{Anonymous, Configuration, Jwt, JwtAuthenticator};
use pintle_access::token_webhook;
use pintle_object::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The flags for authentication, and the file of `--authentication-config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// The flag `--anonymous-auth`; a configuration file may override it.
    anonymous: bool,
    /// Issuers of JSON web tokens, and anonymous paths.
    pub configuration: Configuration,
    /// The file of the configuration, if there is one.
    pub configuration_file: Option<PathBuf>,
    /// Algorithms that JSON web tokens may be signed with.
    jwt_algorithms: Vec<String>,
    pub(crate) webhook: Option<WebhookFlags>,
    pub bootstrap_tokens: bool,
    /// New tokens are of the first.
    pub service_account_issuers: Vec<String>,
    pub service_account_signing_key_file: Option<PathBuf>,
    pub service_account_key_files: Vec<PathBuf>,
    /// Zero: tokens may be requested for any lifetime.
    pub service_account_max_token_expiration_seconds: i64,
    pub service_account_extend_token_expiration: bool,
    /// As given; see `api_audiences`.
    api_audiences: Vec<String>,
    pub requestheader_client_ca_file: Option<PathBuf>,
    pub(crate) requestheader_allowed_names: Vec<String>,
    pub(crate) requestheader_username_headers: Vec<String>,
    pub(crate) requestheader_uid_headers: Vec<String>,
    pub(crate) requestheader_group_headers: Vec<String>,
    pub(crate) requestheader_extra_headers_prefix: Vec<String>,
}

/// The flags `--authentication-token-webhook-*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebhookFlags {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) version: String,
    pub(crate) holds: Duration,
}

/// Upstream's bounds of `--service-account-max-token-expiration`.
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

    /// The audiences of tokens for this server: by default the service account issuers.
    pub fn api_audiences(&self) -> Vec<String> {
        let given = &self.api_audiences;
        if given.is_empty() { self.service_account_issuers.clone() } else { given.clone() }
    }

    /// The paths for anonymous requests. The flag allows none when `AlwaysAllow` would give them every right.
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

    /// The data of the ConfigMap by which aggregated servers trust the same front proxies; empty without front proxies.
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

pub(crate) fn webhook(given: &FlagValues) -> Result<Option<WebhookFlags>, String> {
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
