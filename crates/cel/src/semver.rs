//! Semantic versions.

use pintle_object::field::quote;
use std::cmp::Ordering;
use std::fmt;

/// `1.2.3-rc.1+build`
#[derive(Debug)]
pub struct Version {
    /// Major, minor, patch.
    pub numbers: [u64; 3],
    before: Vec<Part>,
}

/// One part of a prerelease; numbers come before words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

/// The fault of a text that is no version; prints the words of the library that upstream reads versions with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionError {
    Empty,
    /// There are fewer than three numbers.
    Elements,
    /// A short version says more than numbers.
    Short,
    /// A part between dots is empty.
    EmptyPart(&'static str),
    Characters(&'static str, String),
    LeadingZeros(&'static str, String),
    /// A number does not fit; none is shown of those before a release.
    Range(Option<String>),
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VersionError::Empty => f.write_str("Version string empty"),
            VersionError::Elements => f.write_str("No Major.Minor.Patch elements found"),
            VersionError::Short => f.write_str("Short version cannot contain PreRelease/Build meta data"),
            VersionError::EmptyPart(part) => write!(f, "{part} is empty"),
            VersionError::Characters(part, text) => {
                write!(f, "Invalid character(s) found in {part} {}", quote(text))
            }
            VersionError::LeadingZeros(part, text) => {
                write!(f, "{part} must not contain leading zeroes {}", quote(text))
            }
            VersionError::Range(Some(text)) => {
                write!(f, "strconv.ParseUint: parsing {}: value out of range", quote(text))
            }
            VersionError::Range(None) => f.write_str("value out of range"),
        }
    }
}

impl Version {
    /// The order of two versions; build metadata does not count.
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
pub fn parse(text: &str) -> Result<Version, VersionError> {
    if text.is_empty() {
        return Err(VersionError::Empty);
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, patch] = parts.as_slice() else {
        return Err(VersionError::Elements);
    };
    let major = number(major, ["major number", "Major number"])?;
    let minor = number(minor, ["minor number", "Minor number"])?;
    let (patch, build) = patch.split_once('+').map_or((*patch, None), |(patch, build)| (patch, Some(build)));
    let (patch, before) =
        patch.split_once('-').map_or((patch, None), |(patch, before)| (patch, Some(before)));
    let patch = number(patch, ["patch number", "Patch number"])?;
    let before: Result<Vec<Part>, VersionError> =
        before.into_iter().flat_map(|all| all.split('.')).map(part).collect();
    for one in build.into_iter().flat_map(|all| all.split('.')) {
        if one.is_empty() {
            return Err(VersionError::EmptyPart("Build meta data"));
        }
        if !one.chars().all(is_plain) {
            return Err(VersionError::Characters("build meta data", one.to_owned()));
        }
    }
    Ok(Version { numbers: [major, minor, patch], before: before? })
}

/// Reads a version that may begin with `v`, leave parts out, or have leading zeros.
pub fn parse_loose(text: &str) -> Result<Version, VersionError> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    let last = parts.last().cloned().unwrap_or_default();
    if parts.len() < 3 {
        if last.contains(['+', '-']) {
            return Err(VersionError::Short);
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

/// A number, by its names within a message and at its beginning.
fn number(text: &str, [name, title]: [&'static str; 2]) -> Result<u64, VersionError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VersionError::Characters(name, text.to_owned()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(VersionError::LeadingZeros(title, text.to_owned()));
    }
    text.parse().map_err(|_| VersionError::Range(Some(text.to_owned())))
}

fn part(text: &str) -> Result<Part, VersionError> {
    if text.is_empty() {
        return Err(VersionError::EmptyPart("Prerelease"));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        if text.len() > 1 && text.starts_with('0') {
            return Err(VersionError::LeadingZeros("Numeric PreRelease version", text.to_owned()));
        }
        return text.parse().map(Part::Number).map_err(|_| VersionError::Range(None));
    }
    match text.chars().all(is_plain) {
        true => Ok(Part::Word(text.to_owned())),
        false => Err(VersionError::Characters("prerelease", text.to_owned())),
    }
}
