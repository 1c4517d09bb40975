//! `--runtime-config`: which groups, versions and resources are served. What is named more closely wins: a resource
//! over its version, a version over all of its stage, a stage over everything.

use super::gates::Gates;
use crate::compatibility::versions::BINARY;
use pintle_schema::{Builtin, Resource, Resources, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// The keys of stages, in the order in which they are applied.
const STAGES: [(&str, Option<Stage>); 4] = [
    ("api/all", None),
    ("api/ga", Some(Stage::Stable)),
    ("api/beta", Some(Stage::Beta)),
    ("api/alpha", Some(Stage::Alpha)),
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enablement {
    /// The values of `api/all`, `api/ga`, `api/beta` and `api/alpha`.
    stages: BTreeMap<&'static str, bool>,
    /// Keys are `group/version`, and `group/version/resource`.
    versions: BTreeMap<String, bool>,
    resources: BTreeMap<String, bool>,
    /// Whether later versions of resources served in the emulated version are served too.
    is_forward_compatible: bool,
    /// Whether versions that are enabled by name may be later than the emulated version.
    serves_asked: bool,
}

impl Enablement {
    /// From the parts `key=value` of the flag; the last of a key counts.
    pub fn read(
        parts: &[String],
        is_forward_compatible: bool,
        serves_asked: bool,
    ) -> Result<Enablement, String> {
        let mut enablement = Enablement { is_forward_compatible, serves_asked, ..Enablement::default() };
        let pairs = parts.iter().map(|part| part.split_once('=').unwrap_or((part, "")));
        let pairs = pairs.map(|(key, value)| (current(key.trim()), value.trim()));
        let pairs: BTreeMap<&str, &str> = pairs.filter(|(key, _)| *key != LEGACY).collect();
        if pairs.is_empty() {
            return Ok(enablement);
        }
        if pairs.len() == 1 && pairs.get("api/all") == Some(&"false") {
            return Err(String::from("invalid runtime-config with only api/all=false"));
        }
        let (stages, keys): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(key, _)| STAGES.iter().any(|(stage, _)| stage == key));
        check_groups(&keys, &pintle_schema::known())?;
        for (key, value) in stages {
            enablement.read_stage(key, value)?;
        }
        for (key, value) in keys {
            let is_on = switch(key, value)?;
            if key.split('/').count() == 2 {
                enablement.versions.insert(key.into(), is_on);
            } else {
                enablement.resources.insert(key.into(), is_on);
            }
        }
        Ok(enablement)
    }

    fn read_stage(&mut self, key: &str, value: &str) -> Result<(), String> {
        let is_on = match value {
            "true" => true,
            "false" => false,
            _ => return Err(format!("invalid value {key}={value}")),
        };
        self.stages.extend(STAGES.iter().find(|(stage, _)| *stage == key).map(|(stage, _)| (*stage, is_on)));
        Ok(())
    }

    /// Those of all known resources that are served, with these gates, by a server of this minor version.
    pub fn select(&self, known: Resources, gates: &Gates, emulated: u16) -> Result<Resources, String> {
        let mut all = known.all;
        all.retain(|resource| resource.life.gate.is_empty() || gates.is_on(&resource.life.gate));
        let enabled: Vec<bool> = all.iter().map(|resource| self.serves(resource)).collect();
        let mut kept = vec![false; all.len()];
        // From the last to the first: whether an older version is served may decide about a newer one.
        for place in (0..all.len()).rev() {
            let (Some(resource), Some(is_on)) = (all.get(place), enabled.get(place)) else { continue };
            let has_older =
                all.iter().zip(&kept).any(|(other, is_kept)| *is_kept && is_older(other, resource));
            let is_on = *is_on || (self.is_forward_compatible && has_older && !self.is_named(resource));
            if let Some(kept) = kept.get_mut(place) {
                *kept = is_on && self.is_in_time(resource, emulated, has_older)?;
            }
        }
        if emulated < BINARY {
            self.check_versions(&all, &kept, emulated)?;
        }
        let mut kept = kept.into_iter();
        all.retain(|_| kept.next().unwrap_or(false));
        Ok(Resources { all })
    }

    /// Whether a resource was introduced early enough, or is served all the same.
    fn is_in_time(&self, resource: &Resource, emulated: u16, has_older: bool) -> Result<bool, String> {
        if resource.life.since <= emulated || (self.is_forward_compatible && has_older) {
            return Ok(true);
        }
        let is_asked = self.resources.get(&key(resource)) == Some(&true);
        if self.serves_asked && (is_asked || self.versions.get(&version_key(resource)) == Some(&true)) {
            return Ok(true);
        }
        match is_asked {
            true => Err(format!(
                "cannot enable resource {}/{}, Resource={} in runtime-config because it is introduced at 1.{} after \
                 the current version 1.{emulated}. Consider setting \
                 --runtime-config-emulation-forward-compatible=true",
                resource.group, resource.version, resource.plural, resource.life.since
            )),
            false => Ok(false),
        }
    }

    /// Checks that every enabled version has at least one resource.
    fn check_versions(&self, all: &[Resource], kept: &[bool], emulated: u16) -> Result<(), String> {
        for (version, _) in self.versions.iter().filter(|(_, is_on)| **is_on) {
            let mut own =
                all.iter().zip(kept).filter(|(resource, _)| version_key(resource) == *version).peekable();
            if own.peek().is_some() && !own.any(|(_, is_kept)| *is_kept) {
                return Err(format!(
                    "cannot enable version {version} in runtime-config because all the resources have been \
                     introduced after the current version 1.{emulated}. Consider setting \
                     --runtime-config-emulation-forward-compatible=true"
                ));
            }
        }
        Ok(())
    }

    fn is_named(&self, resource: &Resource) -> bool {
        self.resources.contains_key(&key(resource)) || self.versions.contains_key(&version_key(resource))
    }

    fn serves(&self, resource: &Resource) -> bool {
        let stage = Stage::of(&resource.version);
        let of_stage = || {
            let fits = STAGES.iter().filter(|(_, of)| of.is_none() || *of == stage);
            fits.filter_map(|(key, _)| self.stages.get(key)).next_back().copied()
        };
        let named = self.resources.get(&key(resource)).or_else(|| self.versions.get(&version_key(resource)));
        named.copied().or_else(of_stage).unwrap_or(stage == Some(Stage::Stable))
    }
}

/// Whether a resource is another version of the same, of lower priority and no alpha.
fn is_older(other: &Resource, resource: &Resource) -> bool {
    other.group == resource.group
        && other.plural == resource.plural
        && other.version != resource.version
        && Stage::of(&other.version) != Some(Stage::Alpha)
}

fn version_key(resource: &Resource) -> String {
    format!("{}/{}", resource.group, resource.version)
}

fn key(resource: &Resource) -> String {
    format!("{}/{}/{}", resource.group, resource.version, resource.plural)
}

/// Groups and versions must be known, be they served or not.
fn check_groups(keys: &[(&str, &str)], api: &Builtin) -> Result<(), String> {
    let mut unknown = BTreeSet::new();
    for (key, _) in keys {
        if !(2..=3).contains(&key.split('/').count()) {
            return Err(format!("runtime-config invalid key {key}"));
        }
        let (group, version) = group_version(key);
        if !api.kinds.keys().any(|kind| kind.group == group) {
            unknown.insert(if group.is_empty() { version.into() } else { format!("{group}/{version}") });
        }
    }
    if !unknown.is_empty() {
        return Err(format!("unknown api groups {}", Vec::from_iter(unknown).join(",")));
    }
    for (key, _) in keys {
        let (group, version) = group_version(key);
        if !api.kinds.keys().any(|kind| kind.group == group && kind.version == version) {
            let name = if group.is_empty() { version.into() } else { format!("{group}/{version}") };
            return Err(format!("group version {name} that has not been registered"));
        }
        let resource = key.split('/').nth(2).unwrap_or("");
        if resource.to_lowercase() != resource {
            return Err(format!(
                "invalid key {key}: group/version/resource and resource is always lowercase plural, not \
                 {resource:?}"
            ));
        }
    }
    Ok(())
}

/// A key that has meant nothing for long.
const LEGACY: &str = "api/legacy";

/// The current form of a key: all old names of the core group's version stand for `v1`.
fn current(key: &str) -> &str {
    let is_old =
        |name: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_old("v1") || is_old("api/v1") { "/v1" } else { key }
}

fn group_version(key: &str) -> (&str, &str) {
    let mut parts = key.split('/');
    (parts.next().unwrap_or(""), parts.next().unwrap_or(""))
}

/// Nothing says yes, too.
fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "invalid value of {key}: {value}, err: strconv.ParseBool: parsing {value:?}: invalid syntax"
        )),
    }
}
