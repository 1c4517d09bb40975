//! `--version`: prints the server's version, or sets the one that it reports.

use crate::flags::stop::Stop;
use clap::{Arg, ArgAction};
use pintle_server::KUBERNETES;

pub const VERSION: &str = "version";

pub fn version_arg() -> Arg {
    Arg::new(VERSION)
        .long(VERSION)
        .help(
            "Print the version and quit; raw prints all of it; vX.Y.Z-... is the version to report instead.",
        )
        .action(ArgAction::Append)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_name("version")
}

/// The version to report, from the values of the flag; a stop if the flag asks to print it.
pub fn reported_version(values: impl Iterator<Item = String>) -> Result<String, Stop> {
    let (mut reported, mut last) = (String::from(KUBERNETES), String::new());
    for value in values {
        match value.as_str() {
            "raw" | "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE"
            | "False" => {}
            own if own.starts_with('v') => {
                check(own).map_err(|why| refused(own, &why))?;
                reported = own.into();
            }
            other => {
                let why = format!("strconv.ParseBool: parsing {other:?}: invalid syntax");
                return Err(refused(other, &why));
            }
        }
        last = value;
    }
    match last.as_str() {
        "raw" => Err(Stop::Help(raw(&reported))),
        "1" | "t" | "T" | "true" | "TRUE" | "True" => {
            Err(Stop::Help(format!("Kubernetes {reported}\npintle {}\n", env!("CARGO_PKG_VERSION"))))
        }
        _ => Ok(reported),
    }
}

fn refused(value: &str, why: &str) -> Stop {
    Stop::Refused(format!("invalid argument {value:?} for \"--version\" flag: {why}"))
}

/// A version may say more of a build than our own, but not be another.
fn check(version: &str) -> Result<(), String> {
    let unread = || format!("could not parse {version:?} as version");
    let rest = version.strip_prefix('v').ok_or_else(unread)?;
    let end = rest.find(['-', '+']).unwrap_or(rest.len());
    let (numbers, build) = rest.split_at(end);
    let is_number = |part: &str| {
        part.bytes().all(|byte| byte.is_ascii_digit())
            && !part.is_empty()
            && (part == "0" || !part.starts_with('0'))
    };
    if numbers.split('.').count() != 3 || !numbers.split('.').all(is_number) {
        return Err(unread());
    }
    let is_of_build = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+');
    if build.len() == 1 || !build.bytes().all(is_of_build) {
        return Err(format!("could not parse prerelease/metadata ({build}) in version {version:?}"));
    }
    if KUBERNETES.strip_prefix('v') != Some(numbers) {
        return Err(format!(
            "version {version:?} must match major/minor/patch of default version {KUBERNETES:?}"
        ));
    }
    Ok(())
}

/// As Go prints the parts of a version.
fn raw(reported: &str) -> String {
    let parts = pintle_server::version_parts(reported);
    let part =
        |name: &str| parts.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value.as_str());
    let fields = [
        ("Major", part("major")),
        ("Minor", part("minor")),
        ("EmulationMajor", ""),
        ("EmulationMinor", ""),
        ("MinCompatibilityMajor", ""),
        ("MinCompatibilityMinor", ""),
        ("GitVersion", part("gitVersion")),
        ("GitCommit", part("gitCommit")),
        ("GitTreeState", part("gitTreeState")),
        ("BuildDate", part("buildDate")),
        ("GoVersion", part("goVersion")),
        ("Compiler", part("compiler")),
        ("Platform", part("platform")),
    ];
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{value:?}")).collect();
    format!("version.Info{{{}}}\n", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Result<&str, &str>) {
        let found = reported_version(std::iter::once(value.into()));
        let found = found.map_err(|stop| match stop {
            Stop::Help(text) | Stop::Refused(text) => text.lines().next().unwrap_or("").to_string(),
        });
        assert_eq!(found, expected.map(String::from).map_err(String::from), "{value}");
    }

    #[test]
    fn versions_are_told_or_taken() {
        let refused =
            |value: &str, why: &str| format!("invalid argument {value:?} for \"--version\" flag: {why}");
        check("true", Err("Kubernetes v1.36.2"));
        check("false", Ok("v1.36.2"));
        check("v1.36.2", Ok("v1.36.2"));
        check("v1.36.2-custom", Ok("v1.36.2-custom"));
        check("v1.36.2+build.1", Ok("v1.36.2+build.1"));
        let other = "version \"v1.36.3\" must match major/minor/patch of default version \"v1.36.2\"";
        check("v1.36.3", Err(&refused("v1.36.3", other)));
        check("v1.36", Err(&refused("v1.36", "could not parse \"v1.36\" as version")));
        check("x", Err(&refused("x", "strconv.ParseBool: parsing \"x\": invalid syntax")));
        let Err(Stop::Help(text)) = reported_version(std::iter::once("raw".into())) else {
            panic!("no text")
        };
        assert!(text.starts_with("version.Info{Major:\"1\", Minor:\"36\", EmulationMajor:\"\""), "{text}");
    }
}
