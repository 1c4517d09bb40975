//! One authorizer of the configuration.

use crate::flags::FlagValues;
use pintle_access::authorization_webhook::Settings;
use pintle_server::authorizers::Mode;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredMode {
    pub mode: Mode,
    /// Of the mode Webhook.
    pub(crate) webhook: Option<RemoteAuthorizer>,
}

/// An authorization webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteAuthorizer {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) timeout: Duration,
    pub(crate) settings: Settings,
}

impl ConfiguredMode {
    pub(crate) fn of_flags(mode: Mode, given: &FlagValues) -> Result<ConfiguredMode, String> {
        let Some(kubeconfig) =
            given.path("authorization-webhook-config-file").filter(|_| mode == Mode::Webhook)
        else {
            return Ok(ConfiguredMode { mode, webhook: None });
        };
        let version = match given.text("authorization-webhook-version") {
            version @ ("v1" | "v1beta1") => version.into(),
            other => {
                return Err(format!(
                    "unsupported webhook authorizer version {other:?}, supported versions are \"v1\", \"v1beta1\""
                ));
            }
        };
        let settings = Settings {
            version,
            authorized_ttl: given.duration("authorization-webhook-cache-authorized-ttl")?,
            unauthorized_ttl: given.duration("authorization-webhook-cache-unauthorized-ttl")?,
            match_conditions: Vec::new(),
            denies_on_error: false,
        };
        let webhook = Some(RemoteAuthorizer { kubeconfig, timeout: Duration::from_secs(30), settings });
        Ok(ConfiguredMode { mode, webhook })
    }
}
