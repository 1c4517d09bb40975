//! `TracingConfiguration`: the file of `--tracing-config-file`, read strictly, in upstream's words.
//! (The kind of that name in `apiserver.config.k8s.io`; `k8s.io/component-base/tracing/api/v1`.)

use crate::export::Endpoint;
use pintle_object::Value;
use pintle_object::config_file::{Form, Kind};
use pintle_object::field::{FieldErrors, Path, quote};

const PER_MILLION_MAX: i64 = 1_000_000;
const SCHEMES: [&str; 3] = ["dns", "unix", "unix-abstract"];

const FILE: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1", "v1beta1", "v1alpha1"],
    name: "TracingConfiguration",
    fields: &[("endpoint", Form::Text), ("samplingRatePerMillion", Form::Integer)],
};

/// Which traces are kept, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingConfiguration {
    pub(crate) endpoint: Endpoint,
    /// The number of sampled traces in a million that begin here; others are sampled as their parents are.
    pub(crate) sampled_per_million: u32,
}

/// Reads the file of the flag.
pub fn read_file(path: &std::path::Path) -> Result<TracingConfiguration, String> {
    let shown = path.display();
    if !path.exists() {
        return Err(format!("tracing-config-file {shown} does not exist"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        let shown = quote(&shown.to_string());
        format!("failed to read tracing config: unable to read tracing configuration from {shown}: {error}")
    })?;
    parse(&text)
}

fn parse(text: &str) -> Result<TracingConfiguration, String> {
    let undecodable =
        |why| format!("failed to read tracing config: unable to decode tracing configuration data: {why}");
    let document = FILE.read(text).map_err(undecodable)?;
    check(&document).map_err(|why| format!("failed to validate tracing configuration: {why}"))?;
    let per_million = document.get("samplingRatePerMillion").and_then(Value::as_i64).unwrap_or(0);
    Ok(TracingConfiguration {
        endpoint: Endpoint::parse(given(&document, "endpoint").unwrap_or_default())?,
        sampled_per_million: u32::try_from(per_million).unwrap_or(0),
    })
}

fn given<'a>(document: &'a Value, field: &str) -> Option<&'a str> {
    document.get(field).and_then(Value::as_str)
}

fn check(document: &Value) -> Result<(), String> {
    let mut errors = FieldErrors::new();
    if let Some(rate) = document.get("samplingRatePerMillion").and_then(Value::as_i64) {
        let path = Path::root("samplingRatePerMillion");
        if rate < 0 {
            errors.invalid(&path, rate, "sampling rate must be positive");
        }
        if rate > PER_MILLION_MAX {
            errors.invalid(
                &path,
                rate,
                "sampling rate per million must be less than or equal to one million",
            );
        }
    }
    if let Some(endpoint) = given(document, "endpoint") {
        let is_whole = endpoint.contains("//");
        let whole = if is_whole { endpoint.to_owned() } else { format!("dns://{endpoint}") };
        if let Err(why) = check_endpoint(&whole) {
            errors.invalid(&Path::root("endpoint"), &whole, &why);
        }
    }
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        _ => Err(format!("[{}]", errors.join(", "))),
    }
}

/// As Go's `url.Parse` refuses an address, and then its scheme.
fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let bad = |why: &str| format!("parse {}: {why}", quote(endpoint));
    if endpoint.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(bad("net/url: invalid control character in URL"));
    }
    let (scheme, rest) = match endpoint.split_once(':') {
        Some(("", _)) => return Err(bad("missing protocol scheme")),
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        Some((first, _)) if !first.contains('/') => {
            return Err(bad("first path segment in URL cannot contain colon"));
        }
        _ => (String::new(), endpoint),
    };
    if let Some(authority) = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()) {
        check_port(authority).map_err(|why| bad(&why))?;
    }
    if SCHEMES.contains(&scheme.as_str()) {
        return Ok(());
    }
    Err(format!(
        "unsupported scheme: {scheme}.  Options are none, dns, unix, or unix-abstract.  See \
         https://github.com/grpc/grpc/blob/master/doc/naming.md"
    ))
}

fn is_scheme(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fits)
}

fn check_port(authority: &str) -> Result<(), String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match host.strip_prefix('[') {
        Some(inner) => inner.rsplit_once(']').map(|(_, port)| port).ok_or("missing ']' in host")?,
        None => host.rfind(':').and_then(|place| host.get(place..)).unwrap_or(""),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if is_port { Ok(()) } else { Err(format!("invalid port {} after host", quote(port))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Result<TracingConfiguration, String> {
        parse(&format!("apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n{fields}"))
    }

    #[test]
    fn what_is_not_said_has_defaults() {
        let found = read("").unwrap();
        assert_eq!(found.endpoint, Endpoint::Tcp { host: "localhost".into(), port: 4317 });
        assert_eq!(found.sampled_per_million, 0);
        assert_eq!(read("samplingRatePerMillion: 100").unwrap().sampled_per_million, 100);
        for version in ["v1beta1", "v1alpha1"] {
            let text = format!("apiVersion: apiserver.config.k8s.io/{version}\nkind: TracingConfiguration");
            assert_eq!(parse(&text).unwrap(), found, "{version}");
        }
    }

    #[test]
    fn files_are_refused_in_upstreams_words() {
        let check = |fields: &str, why: &str| assert_eq!(read(fields).unwrap_err(), why, "{fields}");
        let decoding = "failed to read tracing config: unable to decode tracing configuration data: ";
        check("endpont: a", &format!("{decoding}strict decoding error: unknown field \"endpont\""));
        let invalid = "failed to validate tracing configuration: ";
        let rate = |rate: &str, why: &str| {
            check(
                &format!("samplingRatePerMillion: {rate}"),
                &format!("{invalid}samplingRatePerMillion: Invalid value: {rate}: {why}"),
            );
        };
        rate("-1", "sampling rate must be positive");
        rate("1000001", "sampling rate per million must be less than or equal to one million");
        let naming = "Options are none, dns, unix, or unix-abstract.  See \
                      https://github.com/grpc/grpc/blob/master/doc/naming.md";
        check(
            "endpoint: http://localhost:4317",
            &format!(
                "{invalid}endpoint: Invalid value: \"http://localhost:4317\": unsupported scheme: http.  {naming}"
            ),
        );
        check(
            "endpoint: dn%2s://localhost:4317",
            &format!(
                "{invalid}endpoint: Invalid value: \"dn%2s://localhost:4317\": parse \"dn%2s://localhost:4317\": first \
                 path segment in URL cannot contain colon"
            ),
        );
        check(
            "endpoint: localhost:otlp",
            &format!(
                "{invalid}endpoint: Invalid value: \"dns://localhost:otlp\": parse \"dns://localhost:otlp\": invalid \
                 port \":otlp\" after host"
            ),
        );
    }
}
