//! The chain of authorizers: `--authorization-mode` with its flags, or the file of `--authorization-config`.

mod authorizer;
mod file;

use crate::authorization::authorizer::ConfiguredMode;
use crate::files::read;
use crate::flags::FlagValues;
use pintle_access::abac::Abac;
use pintle_access::authorization_webhook::AuthorizationWebhook;
use pintle_outbound::{Backoff, Webhook};
use pintle_server::App;
use pintle_server::authorizers::{ConfiguredAuthorizer, Mode};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The time between two checks whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Flags that cannot be combined with the file.
const REPLACED: [&str; 5] = [
    "authorization-mode",
    "authorization-webhook-config-file",
    "authorization-webhook-version",
    "authorization-webhook-cache-authorized-ttl",
    "authorization-webhook-cache-unauthorized-ttl",
];

/// The authorizers in order; the group `system:masters` is allowed before all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    pub authorizers: Vec<ConfiguredMode>,
    /// The policies of the mode ABAC.
    pub abac: Abac,
    /// The path and content of the file that `authorizers` were read from, if not from flags.
    file: Option<(PathBuf, String)>,
}

impl Authorization {
    pub fn read(given: &FlagValues) -> Result<Authorization, String> {
        let modes = modes(given)?;
        let policies = given.path("authorization-policy-file");
        let Some(path) = given.path("authorization-config") else {
            let authorizers: Result<_, _> =
                modes.iter().map(|mode| ConfiguredMode::of_flags(*mode, given)).collect();
            return Ok(Authorization {
                authorizers: authorizers?,
                abac: abac(policies, &modes)?,
                file: None,
            });
        };
        if REPLACED.iter().any(|flag| given.is_given(flag)) {
            return Err(String::from(
                "--authorization-config can not be specified when --authorization-mode or \
                 --authorization-webhook-* flags are defined",
            ));
        }
        let text = read(&path)?;
        let authorizers = file::parse(&text)?;
        let modes: Vec<Mode> = authorizers.iter().map(|authorizer| authorizer.mode).collect();
        Ok(Authorization { abac: abac(policies, &modes)?, authorizers, file: Some((path, text)) })
    }

    pub fn has(&self, mode: Mode) -> bool {
        self.authorizers.iter().any(|authorizer| authorizer.mode == mode)
    }

    /// Opens the authorizers: their kubeconfigs and policies.
    pub fn asked(&self) -> Result<Vec<ConfiguredAuthorizer>, String> {
        asked(&self.authorizers)
    }

    /// Reloads a changed file while the server runs. An invalid one leaves the authorizers unchanged.
    pub async fn keep_fresh(self, app: Arc<App>) {
        let Some((path, mut seen)) = self.file else { return };
        let own = |authorizers: &[ConfiguredMode]| -> BTreeSet<Mode> {
            authorizers
                .iter()
                .map(|authorizer| authorizer.mode)
                .filter(|mode| *mode != Mode::Webhook)
                .collect()
        };
        let (required, mut current) = (own(&self.authorizers), self.authorizers);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(text) = read(&path) else { continue };
            if text == seen {
                continue;
            }
            let renewed = file::parse(&text).and_then(|authorizers| {
                may_follow(&required, &own(&authorizers))?;
                if authorizers != current {
                    app.access.replace(asked(&authorizers)?);
                }
                Ok(authorizers)
            });
            match renewed {
                Ok(authorizers) => {
                    current = authorizers;
                    tracing::info!("reloaded the authorization configuration");
                }
                Err(error) => tracing::error!("cannot reload the authorization configuration: {error}"),
            }
            seen = text;
        }
    }
}

/// Only webhooks may be added and removed: other modes are on from the start or not at all.
fn may_follow(required: &BTreeSet<Mode>, own: &BTreeSet<Mode>) -> Result<(), String> {
    let mut missing: Vec<&str> = required.difference(own).map(|mode| mode.name()).collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        return Err(format!("missing required types: [{}]", missing.join(" ")));
    }
    let needs_start = [Mode::Abac, Mode::Node, Mode::Rbac];
    match own.difference(required).find(|mode| needs_start.contains(mode)) {
        Some(mode) => Err(format!(
            "authorizer type {} is not allowed if it was not enabled at initial server startup",
            mode.name()
        )),
        None => Ok(()),
    }
}

fn asked(authorizers: &[ConfiguredMode]) -> Result<Vec<ConfiguredAuthorizer>, String> {
    let one = |authorizer: &ConfiguredMode| match &authorizer.webhook {
        None => Ok(ConfiguredAuthorizer::Own(authorizer.mode)),
        Some(remote) => {
            let server = Webhook::open(&remote.kubeconfig, Backoff::WEBHOOK)?.within(remote.timeout);
            Ok(ConfiguredAuthorizer::Webhook(Arc::new(AuthorizationWebhook::new(
                server,
                remote.settings.clone(),
            ))))
        }
    };
    authorizers.iter().map(one).collect()
}

fn modes(given: &FlagValues) -> Result<Vec<Mode>, String> {
    let names = given.list("authorization-mode");
    if names.is_empty() {
        return Err(String::from("at least one authorization-mode must be passed"));
    }
    let mode = |name: &String| {
        Mode::parse(name).ok_or_else(|| format!("authorization-mode {name:?} is not a valid mode"))
    };
    let modes: Vec<Mode> = names.iter().map(mode).collect::<Result<_, _>>()?;
    let has_kubeconfig = given.path("authorization-webhook-config-file").is_some();
    match modes.contains(&Mode::Webhook) {
        true if !has_kubeconfig => {
            return Err(String::from("authorization-mode Webhook's authorization config file not passed"));
        }
        false if has_kubeconfig => {
            return Err(String::from(
                "cannot specify --authorization-webhook-config-file without mode Webhook",
            ));
        }
        _ => {}
    }
    if modes.iter().collect::<BTreeSet<_>>().len() != modes.len() {
        let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        return Err(format!("authorization-mode [{}] has mode specified more than once", quoted.join(" ")));
    }
    Ok(modes)
}

/// Reads the policy file, which must be given with the mode ABAC, and only then.
fn abac(path: Option<PathBuf>, modes: &[Mode]) -> Result<Abac, String> {
    match (path, modes.contains(&Mode::Abac)) {
        (Some(path), true) => {
            Abac::parse(&read(&path)?).map_err(|error| format!("{}: {error}", path.display()))
        }
        (None, false) => Ok(Abac::default()),
        (Some(_), false) => Err(String::from("cannot specify --authorization-policy-file without mode ABAC")),
        (None, true) => Err(String::from("authorization-mode ABAC's authorization policy file not passed")),
    }
}

#[cfg(test)]
mod tests;
