//! The flag table: every flag of kube-apiserver 1.36 and the server's own, read from `table.txt`.

const TEXT: &str = include_str!("table.txt");

/// The syntax of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    Text,
    Path,
    Ip,
    Int,
    Float,
    /// May be given without a value, which means true.
    Bool,
    Duration,
    /// Two ports with a dash between them.
    Ports,
    /// Repeated, or separated by commas.
    List,
    /// Repeated only.
    Array,
    /// `name=value`, repeated or separated by commas.
    Map,
    /// As `Map`, but a name may be given alone.
    Switches,
    /// The same, with the component that it is for before a colon.
    Gates,
    /// The first, repeated only.
    Pairs,
}

/// The degree to which the server supports a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Full,
    /// Accepted: the thing that it controls does not exist here.
    NoEffect,
    /// Accepted without effect, with a warning at start.
    Warned(&'static str),
    /// Refused when it asks for anything but the default.
    Refused(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Flag {
    pub group: &'static str,
    pub name: &'static str,
    pub kind: FlagKind,
    pub default: &'static str,
    pub support: Support,
    pub help: &'static str,
}

/// Flags that upstream has deprecated, with its words.
const DEPRECATED: [(&str, &str); 7] = [
    (
        "admission-control",
        "Use --enable-admission-plugins or --disable-admission-plugins instead. Will be removed in a future version.",
    ),
    ("apiserver-count", "apiserver-count is deprecated and will be removed in a future version."),
    ("audit-webhook-batch-initial-backoff", "Deprecated, use --audit-webhook-initial-backoff instead."),
    (
        "default-watch-cache-size",
        "watch caches are sized automatically and this flag will be removed in a future version",
    ),
    ("enable-logs-handler", "Log handler functionality is deprecated"),
    ("kubelet-port", "kubelet-port is deprecated and will be removed."),
    ("kubelet-read-only-port", "kubelet-read-only-port is deprecated and will be removed."),
];
/// Those of them that its help shows all the same.
const SHOWN: [&str; 2] = ["admission-control", "enable-logs-handler"];
/// Left out of the help: envtest takes a server whose help names it for one of long ago, and starts it as such.
const UNNAMED: &str = "insecure-port";

impl Flag {
    /// The warning of a deprecated flag.
    pub fn deprecation(&self) -> Option<String> {
        let (name, words) = DEPRECATED.iter().find(|(name, _)| *name == self.name)?;
        Some(format!("Flag --{name} has been deprecated, {words}"))
    }

    /// Whether help leaves the flag out.
    pub fn is_hidden(&self) -> bool {
        self.name == UNNAMED || self.deprecation().is_some() && !SHOWN.contains(&self.name)
    }
}

/// All flags, by group. The text is part of the program and checked by a test: a line that cannot be read is left out.
pub fn table() -> impl Iterator<Item = Flag> {
    let mut group = "";
    TEXT.lines().filter_map(move |line| {
        if let Some(heading) = line.strip_prefix("# ") {
            group = heading;
        }
        flag(group, line)
    })
}

fn flag(group: &'static str, line: &'static str) -> Option<Flag> {
    let mut parts = line.split('|').map(str::trim);
    let (name, kind, default) = (parts.next()?, kind(parts.next()?)?, parts.next()?);
    let support = support(parts.next()?)?;
    let help = parts.next()?;
    Some(Flag { group, name, kind, default, support, help })
}

fn kind(text: &str) -> Option<FlagKind> {
    Some(match text {
        "text" => FlagKind::Text,
        "path" => FlagKind::Path,
        "ip" => FlagKind::Ip,
        "int" => FlagKind::Int,
        "float" => FlagKind::Float,
        "bool" => FlagKind::Bool,
        "duration" => FlagKind::Duration,
        "ports" => FlagKind::Ports,
        "list" => FlagKind::List,
        "array" => FlagKind::Array,
        "map" => FlagKind::Map,
        "switches" => FlagKind::Switches,
        "gates" => FlagKind::Gates,
        "pairs" => FlagKind::Pairs,
        _ => return None,
    })
}

fn support(text: &'static str) -> Option<Support> {
    Some(match text.split_once(": ") {
        None if text == "yes" => Support::Full,
        Some(("moot", _)) => Support::NoEffect,
        Some(("warn", why)) => Support::Warned(why),
        Some(("no", why)) => Support::Refused(why),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_heading_or_a_flag() {
        let lines = TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        let mut names: Vec<&str> = table().map(|flag| flag.name).collect();
        assert_eq!(names.len(), lines);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), lines);
        assert!(DEPRECATED.iter().all(|(name, _)| names.contains(name)));
        assert!(table().all(|flag| !flag.group.is_empty() && !flag.help.is_empty()));
    }
}
