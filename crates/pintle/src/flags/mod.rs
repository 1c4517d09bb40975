//! The command line, in pflag's syntax: from the flag table come parsing, help and warnings.

mod given;
mod stop;
mod table;
mod version;

pub use given::FlagValues;
pub use stop::Stop;

use crate::compatibility;
use crate::config::Config;
use clap::{Arg, ArgAction, Command};
use std::collections::BTreeMap;
use table::{Flag, FlagKind, table};
use version::{VERSION, reported_version, version_arg};

/// Reads a command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Config, Stop> {
    let args: Vec<String> = args.into_iter().map(|arg| normalised(&arg)).collect();
    let program = args.first().cloned().unwrap_or_default();
    let mut matches = command().try_get_matches_from(args).map_err(|error| match error.kind() {
        clap::error::ErrorKind::DisplayHelp => Stop::Help(error.to_string()),
        _ => Stop::Refused(error.to_string()),
    })?;
    let mut values = BTreeMap::new();
    for flag in table() {
        let Some(given) = matches.remove_many::<String>(flag.name) else { continue };
        if let Some(words) = flag.deprecation() {
            eprintln!("{words}");
        }
        values.insert(flag.name, given.collect());
    }
    let refused = |message| Stop::Refused(format!("pintle: {message}"));
    let reported = reported_version(matches.remove_many::<String>(VERSION).into_iter().flatten())?;
    let config = FlagValues::new(program, values).and_then(Config::read).map_err(refused)?;
    Ok(Config { reported_version: reported, ..config })
}

/// Replaces underscores by dashes.
fn normalised(arg: &str) -> String {
    let Some(rest) = arg.strip_prefix("--") else { return arg.into() };
    match rest.split_once('=') {
        Some((name, value)) => format!("--{}={value}", name.replace('_', "-")),
        None => format!("--{}", rest.replace('_', "-")),
    }
}

fn command() -> Command {
    let command = Command::new("pintle")
        .about("The Kubernetes API server, in Rust. Without flags it serves on an embedded store.")
        .arg(version_arg());
    table().fold(command, |command, flag| command.arg(arg(&flag)))
}

fn arg(flag: &Flag) -> Arg {
    let default = match (flag.default, flag.kind) {
        ("" | "0" | "0s" | "false", _) => String::new(),
        (default, FlagKind::Text) => format!(" (default {default:?})"),
        (default, _) => format!(" (default {default})"),
    };
    let options: String = match flag.kind {
        FlagKind::Gates => compatibility::help().map(|line| format!("\n{line}")).collect(),
        _ => String::new(),
    };
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .help(format!("{}{default}{options}", flag.help))
        .help_heading(flag.group)
        .hide(flag.is_hidden())
        .allow_hyphen_values(true)
        .action(ArgAction::Append);
    let arg = match flag.kind {
        FlagKind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    };
    let arg = if flag.name.len() == 1 { arg.short(flag.name.chars().next()) } else { arg };
    arg.value_name(match flag.kind {
        FlagKind::Text | FlagKind::Path => "string",
        FlagKind::Ip => "ip",
        FlagKind::Int => "int",
        FlagKind::Float => "float",
        FlagKind::Bool => "bool",
        FlagKind::Duration => "duration",
        FlagKind::Ports => "portRange",
        FlagKind::List => "strings",
        FlagKind::Array => "stringArray",
        FlagKind::Map | FlagKind::Pairs | FlagKind::Switches => "mapStringString",
        FlagKind::Gates => "colonSeparatedMultimapStringString",
    })
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
        assert_eq!(
            (config.secure_port, config.logging.verbosity, config.event_ttl.as_secs()),
            (7443, 3, 7200)
        );
        assert!(config.bind_address.is_unspecified() && !config.allow_privileged);
        let config = read(
            "--enable-admission-plugins=Priority,LimitRanger --enable-admission-plugins=RuntimeClass --secure-port=1 --secure-port=2",
        )
        .unwrap();
        assert_eq!(config.admission.enabled, ["Priority", "LimitRanger", "RuntimeClass"]);
        assert_eq!(config.secure_port, 2);
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn plugins_that_are_listed_whole_stand_for_the_default_ones() {
        let config =
            read("--admission-control=LimitRanger,AlwaysAdmit --admission-control=Priority").unwrap();
        assert_eq!(config.admission.only.as_deref().unwrap(), ["LimitRanger", "AlwaysAdmit", "Priority"]);
        assert!(read("").unwrap().admission.only.is_none());
    }

    #[test]
    fn the_server_writes_under_the_name_that_it_was_started_by() {
        let cases = [
            ("/usr/bin/kube-apiserver", "kube-apiserver"),
            ("./pintle", "kube-apiserver"),
            ("api-1", "api-1"),
        ];
        for (program, manager) in cases {
            let config = parse([program, "--data-dir=/d"].map(String::from)).unwrap();
            assert_eq!(config.manager, manager);
        }
    }

    #[test]
    fn the_server_is_seen_from_outside_only_when_it_is_part_of_a_cluster() {
        assert!(read("").unwrap().bind_address.is_loopback());
        assert!(read("--advertise-address=10.0.0.1").unwrap().bind_address.is_unspecified());
        assert!(read("--advertise-address=10.0.0.1 --bind-address=10.0.0.1").unwrap().bind_address.is_ipv4());
    }

    #[test]
    fn what_has_no_effect_is_warned_about() {
        let warnings = |line: &str| read(line).unwrap().warnings.len();
        assert_eq!(warnings("--vmodule=a=1 --max-connection-bytes-per-sec=9"), 1);
        assert_eq!(warnings("--goaway-chance=0 --watch-cache=true --kubelet-timeout=5000ms"), 0);
        assert_eq!(warnings("--profiling=false --emulated-version=1.36"), 0);
    }

    #[test]
    fn flags_that_upstream_hides_are_taken() {
        let config = read(
            "--apiserver-count=3 --kubelet-port=1 --kubelet-read-only-port=2 --default-watch-cache-size=9 \
             --storage-media-type= --runtime-config=api/v1,api/legacy=false",
        );
        assert!(config.unwrap().warnings.is_empty());
        let Err(Stop::Help(help)) = read("--help") else { panic!("no help") };
        assert!(!help.contains("apiserver-count") && help.contains("enable-logs-handler"));
    }

    #[test]
    fn bad_flags_are_refused() {
        for line in [
            "--no-such-flag",
            "--secure-port=0",
            "--secure-port=x",
            "--bind-address=here",
            "--allow-privileged=maybe",
            "--allow-privileged false",
            "--tls-cert-file=a",
            "--event-ttl=soon",
            "--service-cluster-ip-range=10",
            "--service-node-port-range=9-1",
            "--feature-gates=A",
            "--audit-log-path=/p --audit-log-mode=often",
            "--audit-webhook-config-file=/f --audit-webhook-version=v1",
            "--audit-log-path=/p --audit-log-maxsize=-1",
            "--storage-media-type=application/json",
            "--enable-admission-plugins=Other",
            "--enable-admission-plugins=Priority --disable-admission-plugins=Priority",
            "--admission-control=Other",
            "--admission-control=Priority --disable-admission-plugins=LimitRanger",
            "--enable-admission-plugins=EventRateLimit",
            "--enable-admission-plugins=ImagePolicyWebhook",
            "--authorization-mode=RBAC,RBAC",
            "--authorization-mode=Everyone",
            "--authorization-mode=ABAC",
            "--service-account-issuer=a --service-account-issuer=a",
            "--service-account-jwks-uri=http://h",
            "--oidc-issuer-url=https://h",
            "--oidc-username-claim=sub",
            "--oidc-issuer-url=http://h --oidc-client-id=c",
            "--oidc-issuer-url=https://h --oidc-client-id=c --oidc-signing-algs=HS256",
            "--oidc-issuer-url=https://h --oidc-client-id=c --oidc-required-claim=a",
            "--oidc-issuer-url=https://h --oidc-client-id=c --authentication-config=/f",
            "--oidc-issuer-url=https://kubernetes.default.svc.cluster.local --oidc-client-id=c",
            "--authentication-config=/no/such/file",
            "--authentication-token-webhook-config-file=/f --authentication-token-webhook-version=v2",
            "--tls-curve-preferences=x",
            "--authorization-policy-file=/p",
            "stray",
        ] {
            assert!(matches!(read(line), Err(Stop::Refused(_))), "{line}");
        }
        assert!(matches!(read("--help"), Err(Stop::Help(_))));
    }
}
