//! Feature gates: which there are is read from `gates.txt`; which are on is decided by the command line.

use crate::compatibility::versions::{COMPONENT, FLOOR};
use pintle_kinds::gated_fields;
use std::collections::BTreeMap;

const TEXT: &str = include_str!("gates.txt");
const ALL_ALPHA: &str = "AllAlpha";
const ALL_BETA: &str = "AllBeta";
/// Gates that decide whether resources are served.
const OF_RESOURCES: [&str; 9] = [
    "ClusterTrustBundle",
    "CoordinatedLeaderElection",
    "DRADeviceTaintRules",
    "DRAResourcePoolStatus",
    "GenericWorkload",
    "MutatingAdmissionPolicy",
    "PodCertificateRequest",
    "StorageVersionAPI",
    "StorageVersionMigrator",
];

/// Gates that decide how the server behaves, besides those of fields.
const OF_BEHAVIOUR: [&str; 19] = [
    "APIServerIdentity",
    "APIServerTracing",
    "AllowUnsafeMalformedObjectDeletion",
    "AuthorizePodWebsocketUpgradeCreatePermission",
    "ComponentFlagz",
    "ComponentStatusz",
    "ConstrainedImpersonation",
    "ExtendWebSocketsToKubelet",
    "LoggingAlphaOptions",
    "LoggingBetaOptions",
    "OpenAPIEnums",
    "PortForwardWebsockets",
    "RelaxedServiceNameValidation",
    "StorageVersionHash",
    "StrictIPCIDRValidation",
    "TranslateStreamCloseWebsocketRequests",
    "UnauthenticatedHTTP2DOSMitigation",
    "UnknownVersionInteroperabilityProxy",
    "WatchList",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GateStage {
    Alpha,
    Beta,
    Stable,
    Deprecated,
}

/// The state of a gate in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spec {
    stage: GateStage,
    is_on: bool,
    is_locked: bool,
}

/// Gates as they are in the version that is emulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gates {
    emulated: u16,
    given: BTreeMap<String, bool>,
}

impl Gates {
    /// From parts of `--feature-gates`: `Name=true` or `kube:Name=true`.
    pub fn read(parts: &[String], emulated: u16) -> Result<Gates, String> {
        let mut gates = Gates { emulated, given: BTreeMap::new() };
        let is_prefixed = |part: &&String| part.contains(':');
        if parts.iter().any(|part| is_prefixed(&part)) && !parts.iter().all(|part| is_prefixed(&part)) {
            return Err(String::from(
                "set kube feature gates with default empty prefix or kube: prefix consistently, do not mix use",
            ));
        }
        for part in parts {
            let (component, pair) = part.split_once(':').unwrap_or((COMPONENT, part));
            if component.trim() != COMPONENT {
                return Err(format!("component not registered: {}", component.trim()));
            }
            let (name, value) =
                pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
            let (name, value) = (name.trim(), value.map(str::trim));
            let value = value.ok_or_else(|| format!("missing bool value for {name}"))?;
            gates.given.insert(name.into(), switch(name, value)?);
        }
        gates.given.iter().try_for_each(|(name, is_on)| gates.check(name, *is_on))?;
        Ok(gates)
    }

    fn check(&self, name: &str, is_on: bool) -> Result<(), String> {
        if !table().any(|(known, _)| known == name) {
            return Err(format!("unrecognized feature gate: {name}"));
        }
        match self.spec(name) {
            None => Err(format!(
                "cannot set feature gate {name} to {is_on}, feature is PreAlpha at emulated version 1.{}, min \
                 compatibility version 1.{}",
                self.emulated,
                self.emulated.saturating_sub(1).max(FLOOR)
            )),
            Some(spec) if spec.is_locked && spec.is_on != is_on => {
                Err(format!("cannot set feature gate {name} to {is_on}, feature is locked to {}", spec.is_on))
            }
            Some(_) => Ok(()),
        }
    }

    pub fn is_on(&self, name: &str) -> bool {
        let Some(spec) = self.spec(name) else { return false };
        let of_stage = match spec.stage {
            GateStage::Alpha => self.given.get(ALL_ALPHA),
            GateStage::Beta => self.given.get(ALL_BETA),
            GateStage::Stable | GateStage::Deprecated => None,
        };
        self.given.get(name).or(of_stage).copied().unwrap_or(spec.is_on)
    }

    /// Every gate of the version, its stage as metrics name it, and whether it is on.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        table().filter_map(|(name, history)| {
            let stage = match at(history, self.emulated)?.stage {
                GateStage::Alpha => "ALPHA",
                GateStage::Beta => "BETA",
                GateStage::Stable => "",
                GateStage::Deprecated => "DEPRECATED",
            };
            Some((name, stage, self.is_on(name)))
        })
    }

    /// Warnings about gates that were set and are stable or deprecated, or have no effect.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, is_on) in &self.given {
            let Some(spec) = self.spec(name) else { continue };
            let stage = match spec.stage {
                GateStage::Stable => "GA",
                GateStage::Deprecated => "deprecated",
                GateStage::Alpha | GateStage::Beta => "",
            };
            if !stage.is_empty() {
                warnings.push(format!(
                    "setting {stage} feature gate {name}={is_on}. It will be removed in a future release."
                ));
            }
            let has_effect = OF_RESOURCES.contains(&name.as_str())
                || OF_BEHAVIOUR.contains(&name.as_str())
                || gated_fields::table().any(|(gate, ..)| gate == name)
                || name.starts_with("All")
                || *is_on == spec.is_on;
            if !has_effect {
                warnings.push(format!(
                    "--feature-gates: {name}={is_on} has no effect: this server always behaves as with {name}={}",
                    spec.is_on
                ));
            }
        }
        warnings
    }

    fn spec(&self, name: &str) -> Option<Spec> {
        let (_, history) = table().find(|(known, _)| *known == name)?;
        at(history, self.emulated)
    }
}

/// Go's spellings of true and false.
fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "invalid value of {name}={value}, err: strconv.ParseBool: parsing {value:?}: invalid syntax"
        )),
    }
}

/// A line for each gate that may still change, as upstream's help lists them.
pub fn help() -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = table().filter_map(|(name, history)| line(name, history)).collect();
    lines.sort();
    lines.into_iter()
}

fn line(name: &str, history: &str) -> Option<String> {
    let spec = at(history, crate::compatibility::versions::BINARY)?;
    let stage = match spec.stage {
        GateStage::Alpha => "ALPHA",
        GateStage::Beta => "BETA",
        GateStage::Stable | GateStage::Deprecated => return None,
    };
    Some(format!("{COMPONENT}:{name}=true|false ({stage} - default={})", spec.is_on))
}

/// Names and histories: `AuthorizeWithSelectors` and `33b+ 34g+!`.
fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEXT.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '))
}

/// The state of a gate at a minor version, from its history; none before it begins.
fn at(history: &str, minor: u16) -> Option<Spec> {
    let reached = |change: &&str| change.get(..2).and_then(|text| text.parse().ok()) <= Some(minor);
    let facts = history.split(' ').rfind(reached)?.get(2..)?;
    Some(Spec {
        stage: match facts.get(..1)? {
            "a" => GateStage::Alpha,
            "b" => GateStage::Beta,
            "g" => GateStage::Stable,
            _ => GateStage::Deprecated,
        },
        is_on: facts.contains('+'),
        is_locked: facts.ends_with('!'),
    })
}

#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    table().map(|(name, _)| name).collect()
}
