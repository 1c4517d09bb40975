//! `FlagValues`: the values of flags, by name and type. A value that does not fit its flag's kind is refused here.

use super::table::{Flag, FlagKind, Support, table};
use pintle_object::time::parse_duration;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The values of a command line. A name that the table lacks is a bug of this program; it reads as empty.
pub struct FlagValues {
    /// The program as it was called.
    pub program: String,
    values: BTreeMap<&'static str, Vec<String>>,
    defaults: BTreeMap<&'static str, &'static str>,
    /// Warnings about flags without effect.
    pub warnings: Vec<String>,
}

impl FlagValues {
    /// Checks the value of each flag.
    pub fn new(program: String, values: BTreeMap<&'static str, Vec<String>>) -> Result<FlagValues, String> {
        let defaults = table().map(|flag| (flag.name, flag.default)).collect();
        let mut given = FlagValues { program, values, defaults, warnings: Vec::new() };
        for flag in table() {
            if given.is_given(flag.name) {
                given.check(&flag).map_err(|error| format!("--{}: {error}", flag.name))?;
            }
        }
        Ok(given)
    }

    fn check(&mut self, flag: &Flag) -> Result<(), String> {
        let value = self.text(flag.name);
        match flag.kind {
            FlagKind::Ip => ip(value).map(|_| ()),
            FlagKind::Int => {
                value.parse::<i64>().map(|_| ()).map_err(|_| format!("{value:?} is not an integer"))
            }
            FlagKind::Float => {
                value.parse::<f64>().map(|_| ()).map_err(|_| format!("{value:?} is not a number"))
            }
            FlagKind::Bool => bool(value).map(|_| ()),
            FlagKind::Duration => duration(value).map(|_| ()),
            FlagKind::Ports => ports(value).map(|_| ()),
            FlagKind::Map => pairs(&self.list(flag.name)),
            FlagKind::Pairs => pairs(&self.array(flag.name)),
            FlagKind::Text
            | FlagKind::Path
            | FlagKind::List
            | FlagKind::Array
            | FlagKind::Switches
            | FlagKind::Gates => Ok(()),
        }?;
        let is_default = match flag.kind {
            FlagKind::Bool => bool(value)? == bool(flag.default)?,
            FlagKind::Duration => duration(value)? == duration(flag.default)?,
            _ => value == flag.default || self.list(flag.name).is_empty(),
        };
        match flag.support {
            Support::Refused(why) if !is_default => Err(format!("not supported: {why}")),
            Support::Warned(why) if !is_default => {
                self.warnings.push(format!("--{}: {why}", flag.name));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Every flag with its value, by name.
    pub fn all(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> =
            table().map(|flag| (flag.name.to_string(), self.array(flag.name).join(","))).collect();
        all.sort();
        all
    }

    pub fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The last value given, or else the default.
    pub fn text(&self, name: &str) -> &str {
        let given = self.values.get(name).and_then(|values| values.last()).map(String::as_str);
        given.or_else(|| self.defaults.get(name).copied()).unwrap_or("")
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    /// The parts of all values, separated by commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        let values = self.array(name);
        let parts = values.iter().flat_map(|value| value.split(',')).map(str::trim);
        parts.filter(|part| !part.is_empty()).map(String::from).collect()
    }

    /// All values.
    pub fn array(&self, name: &str) -> Vec<String> {
        match self.values.get(name) {
            Some(values) => values.clone(),
            None => {
                Some(self.text(name)).filter(|text| !text.is_empty()).map(String::from).into_iter().collect()
            }
        }
    }

    pub fn bool(&self, name: &str) -> bool {
        bool(self.text(name)).unwrap_or(false)
    }

    pub fn ip(&self, name: &str) -> Option<IpAddr> {
        ip(self.text(name)).ok()
    }

    pub fn duration(&self, name: &str) -> Result<Duration, String> {
        let nanos = duration(self.text(name)).map_err(|error| format!("--{name}: {error}"))?;
        u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| format!("--{name}: must not be negative"))
    }

    pub fn ports(&self, name: &str) -> Result<RangeInclusive<u16>, String> {
        ports(self.text(name)).map_err(|error| format!("--{name}: {error}"))
    }

    /// A number between two bounds.
    pub fn number(&self, name: &str, bounds: RangeInclusive<i64>) -> Result<i64, String> {
        let text = self.text(name);
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        number.ok_or_else(|| {
            format!("--{name}: {text:?} is not a number from {} to {}", bounds.start(), bounds.end())
        })
    }
}

fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IP address"))
}

/// Go's spellings of true and false.
fn bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

fn duration(text: &str) -> Result<i64, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..=to.parse().ok()?));
    range.filter(|range| range.start() <= range.end()).ok_or_else(|| format!("{text:?} is not a port range"))
}

fn pairs(parts: &[String]) -> Result<(), String> {
    match parts.iter().find(|part| !part.contains('=')) {
        Some(part) => Err(format!("{part:?} must be formatted as name=value")),
        None => Ok(()),
    }
}
