//! Which Kubernetes this server is: the version that it behaves as, its feature gates, and the APIs that are served.

mod enablement;
mod gates;

pub use gates::help;

use crate::compatibility::versions::{BINARY, COMPONENT, FLOOR};
use crate::flags::FlagValues;
use enablement::Enablement;
use gates::Gates;
use pintle_schema::Resources;
use std::collections::BTreeMap;

/// The flags for versions, feature gates and APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compatibility {
    /// The minor version that is emulated.
    pub emulated: u16,
    /// The minor version of the oldest servers beside this one.
    pub oldest: u16,
    gates: Gates,
    enablement: Enablement,
    /// Warnings about settings without effect.
    pub warnings: Vec<String>,
}

impl Compatibility {
    pub fn read(given: &FlagValues) -> Result<Compatibility, String> {
        let emulated = version(given, "emulated-version")?.unwrap_or(BINARY);
        let oldest = version(given, "min-compatibility-version")?;
        let oldest = oldest.unwrap_or(emulated.saturating_sub(1).max(FLOOR));
        if !(FLOOR..=BINARY).contains(&emulated) {
            return Err(format!("emulation version 1.{emulated} is not between [1.{FLOOR}, 1.{BINARY}.0]"));
        }
        if !(FLOOR..=emulated).contains(&oldest) {
            return Err(format!(
                "minCompatibilityVersion version 1.{oldest} is not between [1.{FLOOR}, 1.{emulated}]"
            ));
        }
        let forward = |flag: &str, option: &str| match given.bool(flag) {
            true if emulated == BINARY => Err(format!(
                "ServerRunOptions.{option} cannot be set to true if the emulation version is the same as the \
                 binary version"
            )),
            is_set => Ok(is_set),
        };
        let all = forward("emulation-forward-compatible", "EmulationForwardCompatible")?;
        let asked = forward(
            "runtime-config-emulation-forward-compatible",
            "RuntimeConfigEmulationForwardCompatible",
        )?;
        let gates = Gates::read(&given.list("feature-gates"), emulated)?;
        let enablement = Enablement::read(&given.list("runtime-config"), all, asked)?;
        let mut warnings = gates.warnings();
        if emulated != BINARY {
            warnings.push(format!(
                "--emulated-version: feature gates, served APIs and /version are those of 1.{emulated}; other \
                 behaviour is that of 1.{BINARY}"
            ));
        }
        let compatibility = Compatibility { emulated, oldest, gates, enablement, warnings };
        if !given.list("runtime-config").is_empty() {
            compatibility.served(pintle_schema::known().resources)?;
        }
        Ok(compatibility)
    }

    /// Whether a feature gate is on.
    pub fn is_on(&self, gate: &str) -> bool {
        self.gates.is_on(gate)
    }

    /// Every gate of the emulated version, its stage as metrics name it, and whether it is on.
    pub fn features(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        self.gates.all()
    }

    /// Those of all known resources that are served.
    pub fn served(&self, known: Resources) -> Result<Resources, String> {
        self.enablement.select(known, &self.gates, self.emulated)
    }
}

/// The minor version that a flag names: `1.35` or `kube=1.35`.
fn version(given: &FlagValues, flag: &str) -> Result<Option<u16>, String> {
    let mut versions: BTreeMap<String, u16> = BTreeMap::new();
    for text in given.list(flag) {
        let (component, version) = text.split_once('=').unwrap_or((COMPONENT, &text));
        let (component, version) = (component.trim(), version.trim());
        let bad = || format!("--{flag}: could not parse {version:?} as version");
        let numbers = version.trim_start_matches('v').split('.').map(str::parse::<u16>);
        let (minor, patch) = match numbers.collect::<Result<Vec<_>, _>>().map_err(|_| bad())?.as_slice() {
            [1, minor] => (*minor, 0),
            [1, minor, patch] => (*minor, *patch),
            _ => return Err(bad()),
        };
        if patch != 0 {
            return Err(format!("--{flag}: patch version not allowed, got: {component}=1.{minor}.{patch}"));
        }
        if let Some(known) = versions.insert(component.into(), minor) {
            return Err(format!(
                "--{flag}: duplicate version flag, {component}=1.{known} and {component}=1.{minor}"
            ));
        }
    }
    match versions.keys().find(|component| *component != COMPONENT) {
        Some(component) => Err(format!("--{flag}: component not registered: {component}")),
        None => Ok(versions.get(COMPONENT).copied()),
    }
}

#[cfg(test)]
mod tests;
mod versions;
