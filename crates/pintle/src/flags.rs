//! The flag table: from it come parsing, help and warnings.

use crate::config::{Config, Etcd};
use clap::{Arg, ArgAction, ArgMatches, Command};
use pintle_object::time::parse_duration;
use pintle_server::access::Mode;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How a flag's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// May stand without a value, and then is true.
    Bool,
    /// Repeated, or separated by commas.
    List,
}

/// What the server does with a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    Full,
    /// Parsed and checked, but what it asks for is not built yet: said at start, never pretended.
    NotYet(&'static str),
}

struct Flag {
    name: &'static str,
    short: Option<char>,
    group: &'static str,
    kind: Kind,
    default: &'static str,
    support: Support,
    help: &'static str,
}

const SERVING: &str = "Secure serving flags";
const GENERIC: &str = "Generic flags";
const STORAGE: &str = "Storage flags";
const AUTHENTICATION: &str = "Authentication flags";
const AUTHORIZATION: &str = "Authorization flags";
const ADMISSION: &str = "Admission flags";
const MISC: &str = "Misc flags";
const LOGS: &str = "Logs flags";

const fn flag(
    group: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, short: None, group, kind, default, support: Support::Full, help }
}

/// Every flag that there is so far; names and meaning are kube-apiserver's, save `data-dir`.
const FLAGS: &[Flag] = &[
    flag(
        STORAGE,
        "data-dir",
        Kind::Text,
        "",
        "Directory of the embedded store, the PKI and the kubeconfig. Default: pintle in $XDG_DATA_HOME or ~/.local/share.",
    ),
    flag(STORAGE, "event-ttl", Kind::Text, "1h0m0s", "How long events are kept."),
    flag(
        STORAGE,
        "etcd-servers",
        Kind::List,
        "",
        "URLs of the etcd servers to keep objects in. Default: none, objects are kept in the data directory.",
    ),
    flag(STORAGE, "etcd-prefix", Kind::Text, "/registry", "What stands before all keys in etcd."),
    flag(
        STORAGE,
        "etcd-cafile",
        Kind::Text,
        "",
        "Authorities that certificates of etcd servers are checked by.",
    ),
    flag(STORAGE, "etcd-certfile", Kind::Text, "", "Certificate to show to etcd servers."),
    flag(STORAGE, "etcd-keyfile", Kind::Text, "", "Private key of --etcd-certfile."),
    flag(
        STORAGE,
        "etcd-compaction-interval",
        Kind::Text,
        "5m0s",
        "How often the past in etcd is compacted. 0 leaves it to others.",
    ),
    flag(
        STORAGE,
        "etcd-healthcheck-timeout",
        Kind::Text,
        "2s",
        "How long etcd may take to answer a check of health.",
    ),
    flag(
        STORAGE,
        "etcd-readycheck-timeout",
        Kind::Text,
        "2s",
        "How long etcd may take to answer a check of readiness.",
    ),
    flag(
        STORAGE,
        "lease-reuse-duration-seconds",
        Kind::Text,
        "60",
        "For how long a lease of etcd is given to further events.",
    ),
    flag(STORAGE, "storage-backend", Kind::Text, "", "Must be etcd3, if anything."),
    Flag {
        support: Support::NotYet("all resources are kept in the servers of --etcd-servers"),
        ..flag(STORAGE, "etcd-servers-overrides", Kind::List, "", "Other etcd servers for some resources.")
    },
    flag(SERVING, "bind-address", Kind::Text, "127.0.0.1", "Address to listen on."),
    flag(SERVING, "secure-port", Kind::Text, "6443", "Port to serve HTTPS on."),
    flag(
        SERVING,
        "cert-dir",
        Kind::Text,
        "",
        "Directory of the certificates that the server makes itself. Default: pki in the data directory.",
    ),
    flag(
        SERVING,
        "tls-cert-file",
        Kind::Text,
        "",
        "Serving certificate, followed by its intermediates, in PEM.",
    ),
    flag(SERVING, "tls-private-key-file", Kind::Text, "", "Private key of --tls-cert-file."),
    flag(
        GENERIC,
        "advertise-address",
        Kind::Text,
        "",
        "Address that clients are told to use. Default: --bind-address.",
    ),
    flag(
        AUTHENTICATION,
        "client-ca-file",
        Kind::Text,
        "",
        "Authorities, besides the server's own, whose client certificates are accepted.",
    ),
    flag(
        AUTHENTICATION,
        "token-auth-file",
        Kind::Text,
        "",
        "CSV file of tokens: token,user,uid,\"group1,group2\".",
    ),
    flag(
        AUTHENTICATION,
        "service-account-issuer",
        Kind::Text,
        "https://kubernetes.default.svc.cluster.local",
        "Issuer of ServiceAccount tokens.",
    ),
    Flag {
        support: Support::NotYet("bootstrap tokens are not accepted yet"),
        ..flag(AUTHENTICATION, "enable-bootstrap-token-auth", Kind::Bool, "false", "Accept bootstrap tokens.")
    },
    flag(
        AUTHORIZATION,
        "authorization-mode",
        Kind::List,
        "Node,RBAC",
        "Authorizers, in order: AlwaysAllow, AlwaysDeny, Node, RBAC.",
    ),
    flag(
        ADMISSION,
        "enable-admission-plugins",
        Kind::List,
        "",
        "Admission plugins besides those that are on by default.",
    ),
    flag(
        ADMISSION,
        "disable-admission-plugins",
        Kind::List,
        "",
        "Admission plugins that are off, though on by default.",
    ),
    flag(MISC, "allow-privileged", Kind::Bool, "true", "Allow privileged containers."),
    flag(MISC, "service-cluster-ip-range", Kind::List, "10.0.0.0/24", "Ranges of cluster IPs of Services."),
    Flag { short: Some('v'), ..flag(LOGS, "v", Kind::Text, "0", "Verbosity of the log, 0 to 10.") },
];

/// Why there is no configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    Help(String),
    Refused(String),
}

/// Reads a command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Config, Stop> {
    let args: Vec<String> = args.into_iter().map(|arg| normalised(&arg)).collect();
    let matches = command().try_get_matches_from(args).map_err(|error| match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => {
            Stop::Help(error.to_string())
        }
        _ => Stop::Refused(error.to_string()),
    })?;
    config(&matches).map_err(|message| Stop::Refused(format!("pintle: {message}")))
}

/// pflag's ways: underscores for dashes, and a single dash for none of ours but `-v`.
fn normalised(arg: &str) -> String {
    let Some(rest) = arg.strip_prefix("--") else { return arg.into() };
    match rest.split_once('=') {
        Some((name, value)) => format!("--{}={value}", name.replace('_', "-")),
        None => format!("--{}", rest.replace('_', "-")),
    }
}

fn command() -> Command {
    let mut command = Command::new("pintle")
        .about("The Kubernetes API server, in Rust. Without flags it serves on an embedded store.")
        .version(env!("CARGO_PKG_VERSION"))
        .args_override_self(true);
    for flag in FLAGS {
        let mut arg = Arg::new(flag.name)
            .long(flag.name)
            .help(flag.help)
            .help_heading(flag.group)
            .allow_hyphen_values(true);
        arg = match flag.kind {
            Kind::Text => arg.action(ArgAction::Set).value_name("value"),
            Kind::List => arg.action(ArgAction::Append).value_name("list"),
            Kind::Bool => arg
                .action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_name("bool"),
        };
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        if !flag.default.is_empty() {
            arg = arg.default_value(flag.default);
        }
        command = command.arg(arg);
    }
    command
}

fn config(matches: &ArgMatches) -> Result<Config, String> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str).to_string();
    let path = |name: &str| Some(text(name)).filter(|text| !text.is_empty()).map(PathBuf::from);
    let list = |name: &str| -> Vec<String> {
        let given = matches.get_many::<String>(name).into_iter().flatten();
        given
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(String::from)
            .collect()
    };
    let (tls_cert_file, tls_private_key_file) = (path("tls-cert-file"), path("tls-private-key-file"));
    if tls_cert_file.is_some() != tls_private_key_file.is_some() {
        return Err(String::from("--tls-cert-file and --tls-private-key-file must be given together"));
    }
    let ranges = list("service-cluster-ip-range").join(",");
    let first = ranges.split(',').next().unwrap_or("");
    if pintle_engine::allocate::IpPool::parse(first).is_none() {
        return Err(format!("--service-cluster-ip-range: {first:?} is no range of addresses"));
    }
    Ok(Config {
        data_dir: path("data-dir").map_or_else(default_data_dir, Ok)?,
        secure_port: number(&text("secure-port"), "secure-port", 1..=65535)? as u16,
        bind_address: address(&text("bind-address"), "bind-address")?,
        advertise_address: match text("advertise-address").as_str() {
            "" => None,
            given => Some(address(given, "advertise-address")?),
        },
        cert_dir: path("cert-dir"),
        tls_cert_file,
        tls_private_key_file,
        client_ca_file: path("client-ca-file"),
        token_auth_file: path("token-auth-file"),
        service_cluster_ip_range: ranges,
        service_account_issuer: text("service-account-issuer"),
        authorization_modes: modes(&list("authorization-mode"))?,
        enable_admission_plugins: plugins(list("enable-admission-plugins"), "enable-admission-plugins")?,
        disable_admission_plugins: plugins(list("disable-admission-plugins"), "disable-admission-plugins")?,
        allow_privileged: bool(&text("allow-privileged"), "allow-privileged")?,
        event_ttl_seconds: duration("event-ttl", &text("event-ttl"))?.as_secs(),
        etcd: etcd(matches)?,
        verbosity: number(&text("v"), "v", 0..=10)? as u8,
        warnings: warnings(matches)?,
    })
}

/// What was given on the command line and is not built yet.
fn warnings(matches: &ArgMatches) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    for flag in FLAGS {
        let Support::NotYet(why) = flag.support else { continue };
        let is_given = matches.value_source(flag.name) == Some(clap::parser::ValueSource::CommandLine);
        let is_off = flag.kind == Kind::Bool
            && !bool(matches.get_one::<String>(flag.name).map_or("false", String::as_str), flag.name)?;
        if is_given && !is_off {
            warnings.push(format!("--{}: {why}", flag.name));
        }
    }
    for name in matches.get_many::<String>("enable-admission-plugins").into_iter().flatten() {
        for name in name.split(',').filter(|name| pintle_admission::is_planned(name)) {
            warnings.push(format!("--enable-admission-plugins: {name} is not built yet"));
        }
    }
    Ok(warnings)
}

fn modes(names: &[String]) -> Result<Vec<Mode>, String> {
    let refuse = |name: &String, why: &str| format!("--authorization-mode: {name:?} {why}");
    for (place, name) in names.iter().enumerate() {
        if names.iter().take(place).any(|earlier| earlier == name) {
            return Err(refuse(name, "is named twice"));
        }
    }
    let mode = |name: &String| Mode::parse(name).ok_or_else(|| refuse(name, "is not a mode that there is"));
    names.iter().map(mode).collect()
}

fn plugins(names: Vec<String>, flag: &str) -> Result<Vec<String>, String> {
    let is_known = |name: &String| pintle_admission::PLUGINS.iter().any(|entry| entry.name == name);
    match names.iter().find(|name| !is_known(name)) {
        Some(unknown) => Err(format!("--{flag}: plugin {unknown:?} is unknown")),
        None => Ok(names),
    }
}

fn default_data_dir() -> Result<PathBuf, String> {
    let dir = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = dir("XDG_DATA_HOME").or_else(|| Some(dir("HOME")?.join(".local/share")));
    base.map(|base| base.join("pintle"))
        .ok_or_else(|| String::from("there is no home directory: give --data-dir"))
}

fn address(text: &str, name: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("--{name}: {text:?} is no IP address"))
}

fn number(text: &str, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let bounds = format!("{} to {}", range.start(), range.end());
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("--{name}: {text:?} is no number from {bounds}"))
}

/// Go's spellings of true and false.
fn bool(text: &str, name: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("--{name}: {text:?} is neither true nor false")),
    }
}

fn duration(name: &str, text: &str) -> Result<Duration, String> {
    let nanos = parse_duration(text).map_err(|error| format!("--{name}: {error}"))?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| format!("--{name}: must not be negative"))
}

/// Where etcd is; nothing when it is not asked for.
fn etcd(matches: &ArgMatches) -> Result<Option<Etcd>, String> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let path = |name: &str| Some(text(name)).filter(|text| !text.is_empty()).map(PathBuf::from);
    if !matches!(text("storage-backend"), "" | "etcd3") {
        return Err(format!("--storage-backend: {:?} is not known, only etcd3 is", text("storage-backend")));
    }
    let servers: Vec<String> = matches
        .get_many::<String>("etcd-servers")
        .into_iter()
        .flatten()
        .flat_map(|value| value.split(','))
        .map(|server| String::from(server.trim()))
        .filter(|server| !server.is_empty())
        .collect();
    let (cert_file, key_file) = (path("etcd-certfile"), path("etcd-keyfile"));
    if cert_file.is_some() != key_file.is_some() {
        return Err(String::from("--etcd-certfile and --etcd-keyfile must be given together"));
    }
    let reuse = number(text("lease-reuse-duration-seconds"), "lease-reuse-duration-seconds", 0..=86_400)?;
    let etcd = Etcd {
        store: pintle_store::etcd::Options {
            servers,
            prefix: String::from(text("etcd-prefix")),
            ca_file: path("etcd-cafile"),
            cert_file,
            key_file,
            compaction_interval: duration("etcd-compaction-interval", text("etcd-compaction-interval"))?,
            lease_reuse: Duration::from_secs(reuse),
        },
        health_max: duration("etcd-healthcheck-timeout", text("etcd-healthcheck-timeout"))?,
        ready_max: duration("etcd-readycheck-timeout", text("etcd-readycheck-timeout"))?,
    };
    Ok(Some(etcd).filter(|etcd| !etcd.store.servers.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Config, Stop> {
        let args = std::iter::once("pintle --data-dir=/d").chain(std::iter::once(line));
        parse(args.flat_map(str::split_whitespace).map(String::from))
    }

    #[test]
    fn flags_are_read_as_pflag_reads_them() {
        let config =
            read("--secure_port=7443 --bind-address 0.0.0.0 --allow-privileged=false -v=3 --event-ttl=2h")
                .unwrap();
        assert_eq!((config.secure_port, config.verbosity, config.event_ttl_seconds), (7443, 3, 7200));
        assert!(config.bind_address.is_unspecified() && !config.allow_privileged);
        let config = read(
            "--enable-admission-plugins=Priority,LimitRanger --enable-admission-plugins=RuntimeClass --secure-port=1 --secure-port=2",
        )
        .unwrap();
        assert_eq!(config.enable_admission_plugins, ["Priority", "LimitRanger", "RuntimeClass"]);
        assert_eq!(config.secure_port, 2);
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn what_is_not_built_is_warned_about() {
        let config = read("--enable-bootstrap-token-auth").unwrap();
        assert_eq!(config.warnings.len(), 1);
        assert!(read("--enable-bootstrap-token-auth=false").unwrap().warnings.is_empty());
    }

    #[test]
    fn bad_flags_are_refused() {
        for line in [
            "--no-such-flag",
            "--secure-port=0",
            "--secure-port=x",
            "--bind-address=here",
            "--allow-privileged=maybe",
            "--tls-cert-file=a",
            "--event-ttl=soon",
            "--service-cluster-ip-range=10",
            "--authorization-mode=RBAC,RBAC",
            "--authorization-mode=Everyone",
            "-v=11",
            "stray",
        ] {
            assert!(matches!(read(line), Err(Stop::Refused(_))), "{line}");
        }
        assert!(matches!(read("--help"), Err(Stop::Help(_))));
    }
}
