//! `kube-system/extension-apiserver-authentication`: whom this server trusts, for others that trust the same.

use crate::authentication::Authentication;
use crate::bootstrap::object;
use crate::config::Config;
use crate::own;
use crate::serving::{parse_certificates, read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_engine::Engine;
use pintle_object::time::Time;
use pintle_object::{Value, json};
use rustls_pki_types::CertificateDer;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate};

const NAME: &str = "extension-apiserver-authentication";
/// Keys of certificates; the others hold lists.
const CERTIFICATES: [&str; 2] = ["client-ca-file", "requestheader-client-ca-file"];

/// Adds what is missing: other servers of the cluster may have added theirs.
pub async fn publish(engine: &Engine, config: &Config) -> Result<(), String> {
    let client_authorities = config.client_ca_file.as_deref().map(read).transpose()?;
    let wanted = data(client_authorities.as_deref(), &config.authentication)?;
    let now = now();
    let mut own = object("v1", "ConfigMap", "kube-system", NAME);
    for (key, value) in &wanted {
        own.set(&["data", key], value.as_str());
    }
    let change = |current: &Value| {
        let mut next = current.clone();
        for (key, value) in &wanted {
            let held = current.str_at(&["data", key]);
            next.set(&["data", key], joined(key, held, value, now.seconds));
        }
        Some(next).filter(|next| next != current)
    };
    own::keep(engine, None, &own, change, now).await.map_err(|status| status.message)
}

fn data(
    client_authorities: Option<&str>,
    flags: &Authentication,
) -> Result<Vec<(&'static str, String)>, String> {
    let clients = client_authorities.map(|pem| ("client-ca-file", pem.to_string()));
    Ok(clients.into_iter().chain(flags.front_proxy_data()?).collect())
}

/// What is held and what is wanted, each once. Certificates that have expired are let go.
fn joined(key: &str, held: &str, wanted: &str, now_seconds: i64) -> String {
    if !CERTIFICATES.contains(&key) {
        return joined_list(held, wanted);
    }
    let mut all: Vec<CertificateDer<'static>> = Vec::new();
    let held_now = parse_certificates(held).unwrap_or_default();
    let lasting = held_now.iter().filter(|certificate| !is_expired(certificate, now_seconds)).cloned();
    for certificate in lasting.chain(parse_certificates(wanted).unwrap_or_default()) {
        if !all.contains(&certificate) {
            all.push(certificate);
        }
    }
    // The same certificates may stand there in another form.
    if all == held_now { held.into() } else { all.iter().map(pem).collect() }
}

fn joined_list(held: &str, wanted: &str) -> String {
    let list = |text: &str| json::parse(text.as_bytes()).unwrap_or_default();
    let mut all = list(held).as_list().unwrap_or_default().to_vec();
    for item in list(wanted).as_list().unwrap_or_default() {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    json::to_string(&Value::from(all))
}

fn is_expired(certificate: &CertificateDer<'_>, now_seconds: i64) -> bool {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map_or(true, |(_, parsed)| parsed.validity().not_after.timestamp() < now_seconds)
}

fn pem(certificate: &CertificateDer<'static>) -> String {
    let text = STANDARD.encode(certificate);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, others) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = others;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanos: since.subsec_nanos() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(year: i32) -> String {
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        pem(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn trust_is_added_to_what_others_published() {
        let now = 1_800_000_000;
        let (a, b, old) = (certificate(2040), certificate(2040), certificate(2020));
        for (held, wanted, expected) in [
            (String::new(), a.clone(), a.clone()),
            (a.clone(), a.clone(), a.clone()),
            (a.clone(), b.clone(), format!("{a}{b}")),
            (format!("{old}{a}"), b.clone(), format!("{a}{b}")),
            (format!("{a}{b}"), b.clone(), format!("{a}{b}")),
        ] {
            assert_eq!(joined("client-ca-file", &held, &wanted, now), expected);
        }
        let list = |held, wanted| joined("requestheader-allowed-names", held, wanted, now);
        assert_eq!(list("", r#"["a"]"#), r#"["a"]"#);
        assert_eq!(list(r#"["b","a"]"#, r#"["a","c"]"#), r#"["b","a","c"]"#);
    }
}
