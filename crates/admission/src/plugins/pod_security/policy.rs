//! Policies: the levels and versions that the labels of a namespace set, by mode.

use pintle_object::{FieldErrors, Map, Path};
use std::fmt;

pub const PREFIX: &str = "pod-security.kubernetes.io/";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodSecurityLevel {
    Privileged,
    Baseline,
    Restricted,
}

/// The rules of a minor version of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Minor(u32),
    Latest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelVersion {
    pub level: PodSecurityLevel,
    pub version: Version,
}

/// The levels of a namespace: `enforce` refuses pods, `audit` annotates the audit event, `warn` warns the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodSecurityPolicy {
    pub enforce: LevelVersion,
    pub audit: LevelVersion,
    pub warn: LevelVersion,
}

const OPEN: LevelVersion = LevelVersion { level: PodSecurityLevel::Privileged, version: Version::Latest };

impl Default for PodSecurityPolicy {
    fn default() -> PodSecurityPolicy {
        PodSecurityPolicy { enforce: OPEN, audit: OPEN, warn: OPEN }
    }
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            PodSecurityLevel::Privileged => "privileged",
            PodSecurityLevel::Baseline => "baseline",
            PodSecurityLevel::Restricted => "restricted",
        };
        match self.version {
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
            Version::Latest => write!(f, "{level}:latest"),
        }
    }
}

impl PodSecurityPolicy {
    /// Reads labels over the defaults. An unreadable label is an error, and stands for the most restrictive level, but
    /// for no warning.
    pub fn read(
        labels: Option<&Map>,
        defaults: &PodSecurityPolicy,
        errors: &mut FieldErrors,
    ) -> PodSecurityPolicy {
        let mut policy = *defaults;
        let label = |name: &str| labels.and_then(|labels| labels.get(&format!("{PREFIX}{name}"))?.as_str());
        let enforced = read_level(label("enforce"), "enforce", PodSecurityLevel::Restricted, errors);
        policy.enforce.level = enforced.unwrap_or(policy.enforce.level);
        let version = read_version(label("enforce-version"), "enforce-version", errors);
        policy.enforce.version = version.unwrap_or(policy.enforce.version);
        let audit = read_level(label("audit"), "audit", PodSecurityLevel::Privileged, errors);
        policy.audit.level = audit.unwrap_or(policy.audit.level);
        let version = read_version(label("audit-version"), "audit-version", errors);
        policy.audit.version = version.unwrap_or(policy.audit.version);
        let warn = read_level(label("warn"), "warn", PodSecurityLevel::Privileged, errors);
        policy.warn.level = warn.unwrap_or(policy.warn.level);
        let version = read_version(label("warn-version"), "warn-version", errors);
        policy.warn.version = version.unwrap_or(policy.warn.version);
        // The enforced level only refuses pods; templates of pods get a warning instead.
        let is_level = label("enforce").is_some_and(|text| read_level_text(text).is_ok());
        if warn.is_none() && is_level && policy.enforce.level > policy.warn.level {
            policy.warn.level = policy.enforce.level;
            if version.is_none() {
                policy.warn.version = policy.enforce.version;
            }
        }
        policy
    }
}

pub fn read_level_text(text: &str) -> Result<PodSecurityLevel, &'static str> {
    match text {
        "privileged" => Ok(PodSecurityLevel::Privileged),
        "baseline" => Ok(PodSecurityLevel::Baseline),
        "restricted" => Ok(PodSecurityLevel::Restricted),
        _ => Err("must be one of privileged, baseline, restricted"),
    }
}

/// `latest`, or `v1.` and a number as it is usually written.
pub fn read_version_text(text: &str) -> Result<Version, &'static str> {
    if text == "latest" {
        return Ok(Version::Latest);
    }
    let digits = text.strip_prefix("v1.").filter(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (*digits == "0" || !digits.starts_with('0'))
    });
    let minor = digits.and_then(|digits| digits.parse().ok());
    minor.map(Version::Minor).ok_or("must be \"latest\" or \"v1.x\"")
}

fn read_level(
    text: Option<&str>,
    label: &str,
    otherwise: PodSecurityLevel,
    errors: &mut FieldErrors,
) -> Option<PodSecurityLevel> {
    let text = text?;
    Some(read_level_text(text).unwrap_or_else(|why| {
        invalid(label, text, why, errors);
        otherwise
    }))
}

fn read_version(text: Option<&str>, label: &str, errors: &mut FieldErrors) -> Option<Version> {
    let text = text?;
    Some(read_version_text(text).unwrap_or_else(|why| {
        invalid(label, text, why, errors);
        Version::Latest
    }))
}

fn invalid(label: &str, text: &str, why: &str, errors: &mut FieldErrors) {
    let path = Path::root("metadata");
    let path = path.child("labels");
    let key = format!("{PREFIX}{label}");
    errors.invalid(&path.key(&key), text, why);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_make_a_policy() {
        let check = |labels: &[(&str, &str)], expected: &str, error_count: usize| {
            let labels: Map = labels.iter().map(|(key, value)| (format!("{PREFIX}{key}"), *value)).collect();
            let mut errors = FieldErrors::new();
            let policy = PodSecurityPolicy::read(Some(&labels), &PodSecurityPolicy::default(), &mut errors);
            let PodSecurityPolicy { enforce, audit, warn } = policy;
            assert_eq!(format!("{enforce} {audit} {warn}"), expected);
            assert_eq!(errors.len(), error_count, "{expected}");
        };
        check(&[], "privileged:latest privileged:latest privileged:latest", 0);
        check(&[("enforce", "baseline")], "baseline:latest privileged:latest baseline:latest", 0);
        check(
            &[("enforce", "restricted"), ("enforce-version", "v1.20")],
            "restricted:v1.20 privileged:latest restricted:v1.20",
            0,
        );
        check(
            &[("enforce", "baseline"), ("warn", "privileged"), ("audit", "restricted")],
            "baseline:latest restricted:latest privileged:latest",
            0,
        );
        check(&[("enforce", "x")], "restricted:latest privileged:latest privileged:latest", 1);
        check(
            &[("enforce-version", "v1.08"), ("warn", "x"), ("warn-version", "1.8")],
            "privileged:latest privileged:latest privileged:latest",
            3,
        );
    }
}
