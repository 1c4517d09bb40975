//! From `--authentication-config`, or the flags `--oidc-*`, to the issuers of JSON web tokens.

use crate::files::read;
use crate::flags::FlagValues;
use pintle_access::jwt::{
    ALGORITHMS, ClaimMappings, ClaimRule, Configuration, Issuer, Jwt, Mapping, validate,
};
use std::path::Path;

const OIDC_FLAGS: [&str; 9] = [
    "oidc-issuer-url",
    "oidc-client-id",
    "oidc-ca-file",
    "oidc-username-claim",
    "oidc-username-prefix",
    "oidc-groups-claim",
    "oidc-groups-prefix",
    "oidc-signing-algs",
    "oidc-required-claim",
];

/// `own_issuers`: those of this server's own tokens.
pub fn configuration(
    given: &FlagValues,
    file: Option<&Path>,
    own_issuers: &[String],
) -> Result<Configuration, String> {
    let has_flags = OIDC_FLAGS.iter().any(|flag| given.is_given(flag));
    let configuration = match file {
        Some(_) if has_flags => {
            return Err("authentication-config file and oidc-* flags are mutually exclusive".into());
        }
        Some(path) => load(path).map_err(|error| {
            format!(
                "failed to load authentication configuration from file {:?}: {error}",
                path.display().to_string()
            )
        })?,
        None if has_flags => Configuration { jwt: vec![by_flags(given)?], anonymous: None },
        None => Configuration::default(),
    };
    if configuration.anonymous.is_some() && given.is_given("anonymous-auth") {
        let why = "--anonymous-auth flag cannot be set when anonymous field is configured in authentication \
                   configuration file";
        return Err(format!("anonymous: Forbidden: {why}"));
    }
    let valid = validate(&configuration, own_issuers);
    valid.map_err(|error| format!("invalid authentication configuration: {error}"))?;
    Ok(configuration)
}

pub fn load(path: &Path) -> Result<Configuration, String> {
    Configuration::parse(&read(path)?)
}

/// The algorithms that tokens may be signed with: a file leaves it to the keys.
pub fn algorithms(given: &FlagValues, has_file: bool) -> Result<Vec<String>, String> {
    if has_file {
        return Ok(ALGORITHMS.map(String::from).to_vec());
    }
    let algorithms = given.list("oidc-signing-algs");
    match algorithms.iter().find(|algorithm| !ALGORITHMS.contains(&algorithm.as_str())) {
        Some(unknown) => Err(format!("oidc: unsupported signing alg: {unknown:?}")),
        None => Ok(algorithms),
    }
}

fn by_flags(given: &FlagValues) -> Result<Jwt, String> {
    let text = |flag: &str| given.text(flag).to_string();
    let (issuer, client) = (text("oidc-issuer-url"), text("oidc-client-id"));
    if issuer.is_empty() || client.is_empty() {
        return Err(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set"
                .into(),
        );
    }
    let claim = text("oidc-username-claim");
    let prefix = match given.text("oidc-username-prefix") {
        // Names of different issuers are kept apart, but for addresses, which are one person's everywhere.
        "" if claim != "email" => format!("{issuer}#"),
        "-" => String::new(),
        prefix => prefix.into(),
    };
    let mapping =
        |claim: String, prefix: String| Mapping { claim, prefix: Some(prefix), ..Mapping::default() };
    let groups = match text("oidc-groups-claim") {
        claim if claim.is_empty() => Mapping::default(),
        claim => mapping(claim, text("oidc-groups-prefix")),
    };
    let mappings = ClaimMappings { username: mapping(claim, prefix), groups, ..ClaimMappings::default() };
    let certificate_authority = match given.path("oidc-ca-file") {
        Some(path) => read(&path)?,
        None => String::new(),
    };
    let rule =
        |(claim, value): (String, String)| ClaimRule { claim, required_value: value, ..ClaimRule::default() };
    Ok(Jwt {
        issuer: Issuer { url: issuer, audiences: vec![client], certificate_authority, ..Issuer::default() },
        rules: required(given).into_iter().map(rule).collect(),
        mappings,
        user_rules: Vec::new(),
    })
}

/// The last value of each claim.
fn required(given: &FlagValues) -> std::collections::BTreeMap<String, String> {
    let pairs = given.array("oidc-required-claim");
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs.map(|(claim, value)| (claim.trim().into(), value.trim().into())).collect()
}
