//! Semantic versions.

use pintle_object::field::quote;
use std::cmp::Ordering;

/// `1.2.3-rc.1+build`
#[derive(Debug)]
pub struct Version {
    /// Major, minor, patch.
    pub numbers: [u64; 3],
    before: Vec<Part>,
}

/// One part of what comes before a release; numbers come before words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// Which of two versions is lower; what follows a plus does not count.
    pub fn compared(&self, other: &Self) -> Ordering {
        let by_release = || match (self.before.is_empty(), other.before.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.before.cmp(&other.before),
        };
        self.numbers.cmp(&other.numbers).then_with(by_release)
    }
}

/// Reads a version, strictly.
pub fn parse(text: &str) -> Result<Version, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, patch] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (major, minor) = (number(major, "major", "Major")?, number(minor, "minor", "Minor")?);
    let (patch, build) = patch.split_once('+').map_or((*patch, None), |(patch, build)| (patch, Some(build)));
    let (patch, before) =
        patch.split_once('-').map_or((patch, None), |(patch, before)| (patch, Some(before)));
    let patch = number(patch, "patch", "Patch")?;
    let before: Result<Vec<Part>, String> =
        before.into_iter().flat_map(|all| all.split('.')).map(part).collect();
    for one in build.into_iter().flat_map(|all| all.split('.')) {
        if one.is_empty() {
            return Err("Build meta data is empty".to_owned());
        }
        if !one.chars().all(is_plain) {
            return Err(format!("Invalid character(s) found in build meta data {}", quote(one)));
        }
    }
    Ok(Version { numbers: [major, minor, patch], before: before? })
}

/// Reads a version that may begin with `v`, leave parts out, or have leading zeros.
pub fn parse_loose(text: &str) -> Result<Version, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    let last = parts.last().cloned().unwrap_or_default();
    if parts.len() < 3 {
        if last.contains(['+', '-']) {
            return Err("Short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    parse(&parts.join("."))
}

fn without_zeros(part: &str) -> String {
    let plain = if part.len() > 1 { part.trim_start_matches('0') } else { part };
    match plain.starts_with(|c: char| c.is_ascii_digit()) || part.len() <= 1 {
        true => plain.to_owned(),
        false => format!("0{plain}"),
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn number(text: &str, name: &str, title: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {name} number {}", quote(text)));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{title} number must not contain leading zeroes {}", quote(text)));
    }
    let why = |_| format!("strconv.ParseUint: parsing {}: value out of range", quote(text));
    text.parse().map_err(why)
}

fn part(text: &str) -> Result<Part, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        if text.len() > 1 && text.starts_with('0') {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {}",
                quote(text)
            ));
        }
        return text.parse().map(Part::Number).map_err(|_| "value out of range".to_owned());
    }
    match text.chars().all(is_plain) {
        true => Ok(Part::Word(text.to_owned())),
        false => Err(format!("Invalid character(s) found in prerelease {}", quote(text))),
    }
}
