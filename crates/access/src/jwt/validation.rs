//! Validation of an AuthenticationConfiguration: upstream's rules and words.

use super::configuration::{ClaimMappings, ClaimRule, Configuration, Issuer, Jwt, Mapping};
use super::expressions::{reads_claim, refuse_over_claims, refuse_over_user};
use pintle_object::content;
use pintle_object::field::{Path, Shown, quote};
use pintle_object::{FieldErrors, Map, Value};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::collections::HashSet;

const ISSUERS_MAX: usize = 64;
const MATCH_ANY: &str = "MatchAny";
const UNVERIFIED: &str = "claims.email_verified must be used in claimMappings.username.expression or \
                          claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when \
                          claims.email is used in claimMappings.username.expression";

/// `own_issuers`: the issuers of this server's own tokens, which others must not use.
pub fn validate(configuration: &Configuration, own_issuers: &[String]) -> Result<(), String> {
    let mut errors = FieldErrors::new();
    issuers(&configuration.jwt, own_issuers, &mut errors);
    if let Some(anonymous) = &configuration.anonymous
        && !anonymous.enabled
        && !anonymous.paths.is_empty()
    {
        let shown = anonymous
            .paths
            .iter()
            .map(|path| Value::Map([("Path", Value::from(path.as_str()))].into_iter().collect::<Map>()));
        let shown = Value::from(shown.collect::<Vec<_>>());
        let conditions = Path::root("anonymous.conditions");
        errors.invalid(&conditions, &shown, "enabled should be set to true when conditions are defined");
    }
    aggregate(&errors)
}

/// Upstream's text of an aggregate: several errors are in brackets.
fn aggregate(errors: &FieldErrors) -> Result<(), String> {
    let mut shown: Vec<String> = Vec::new();
    for error in errors.iter().map(ToString::to_string) {
        if !shown.contains(&error) {
            shown.push(error);
        }
    }
    match shown.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        all => Err(format!("[{}]", all.join(", "))),
    }
}

fn issuers(all: &[Jwt], own_issuers: &[String], errors: &mut FieldErrors) {
    let root = Path::root("jwt");
    if all.len() > ISSUERS_MAX {
        return errors.too_many(&root, all.len(), ISSUERS_MAX);
    }
    let (mut urls, mut discoveries) = (HashSet::new(), HashSet::new());
    for (index, jwt) in all.iter().enumerate() {
        let path = root.index(index);
        let at_issuer = path.child("issuer");
        issuer(&jwt.issuer, own_issuers, &at_issuer, errors);
        rules(&jwt.rules, &path.child("claimValidationRules"), errors);
        mappings(&jwt.mappings, &path.child("claimMappings"), errors);
        email(jwt, &path.child("claimMappings"), errors);
        user_rules(&jwt.user_rules, &path.child("userValidationRules"), errors);
        let (url, discovery) = (&jwt.issuer.url, &jwt.issuer.discovery_url);
        if !urls.insert(url) {
            errors.duplicate(&at_issuer.child("url"), url);
        }
        if !discovery.is_empty() && !discoveries.insert(discovery) {
            errors.duplicate(&at_issuer.child("discoveryURL"), discovery);
        }
    }
}

fn issuer(issuer: &Issuer, own_issuers: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    match issuer.url.as_str() {
        "" => errors.required(&path.child("url"), ""),
        text => url(text, own_issuers, &path.child("url"), errors),
    }
    let discovery = issuer.discovery_url.as_str();
    if !discovery.is_empty() {
        let path = path.child("discoveryURL");
        if issuer.url.trim_end_matches('/') == discovery.trim_end_matches('/') {
            errors.invalid(&path, discovery, "discoveryURL must be different from URL");
        }
        url(discovery, &[], &path, errors);
    }
    audiences(issuer, path, errors);
    let pem = &issuer.certificate_authority;
    if !pem.is_empty()
        && let Err(why) = check_pem(pem)
    {
        errors.invalid(&path.child("certificateAuthority"), "<omitted>", why);
    }
    let egress = issuer.egress_selector_type.as_str();
    if !egress.is_empty() {
        let why = "egress selectors are not supported: every connection is direct";
        errors.invalid(&path.child("egressSelectorType"), egress, why);
    }
}

fn url(text: &str, own_issuers: &[String], path: &Path<'_>, errors: &mut FieldErrors) {
    if own_issuers.iter().any(|own| own == text) {
        let mut own = own_issuers.to_vec();
        own.sort();
        let detail = format!("URL must not overlap with disallowed issuers: [{}]", own.join(" "));
        errors.invalid(path, text, &detail);
    }
    let (base, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (base, query) = base.split_once('?').unwrap_or((base, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("", base));
    if text.contains(|c: char| c.is_ascii_control()) {
        let detail = format!("parse {}: net/url: invalid control character in URL", quote(text));
        return errors.invalid(path, text, &detail);
    }
    let authority = rest.split('/').next().unwrap_or("");
    for (is_wrong, detail) in [
        (!scheme.eq_ignore_ascii_case("https"), "URL scheme must be https"),
        (!scheme.is_empty() && authority.contains('@'), "URL must not contain a username or password"),
        (!query.is_empty(), "URL must not contain a query"),
        (!fragment.is_empty(), "URL must not contain a fragment"),
    ] {
        if is_wrong {
            errors.invalid(path, text, detail);
        }
    }
}

fn audiences(issuer: &Issuer, path: &Path<'_>, errors: &mut FieldErrors) {
    let at = path.child("audiences");
    let all = &issuer.audiences;
    if all.is_empty() {
        return errors.required(&at, &format!("at least one {at} is required"));
    }
    let mut seen = HashSet::new();
    for (index, audience) in all.iter().enumerate() {
        if audience.is_empty() {
            errors.required(&at.index(index), "");
        }
        if !seen.insert(audience) {
            errors.duplicate(&at.index(index), audience);
        }
    }
    let policy = issuer.audience_match_policy.as_str();
    let detail = match policy {
        MATCH_ANY => return,
        _ if all.len() > 1 => "audienceMatchPolicy must be MatchAny for multiple audiences",
        "" => return,
        _ => "audienceMatchPolicy must be empty or MatchAny for single audience",
    };
    errors.invalid(&path.child("audienceMatchPolicy"), policy, detail);
}

fn check_pem(pem: &str) -> Result<(), &'static str> {
    const NONE: &str = "data does not contain any valid RSA or ECDSA certificates";
    let found: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|_| NONE)?;
    let is_good = |certificate: &CertificateDer<'_>| webpki::anchor_from_trusted_cert(certificate).is_ok();
    if found.is_empty() || !found.iter().all(is_good) { Err(NONE) } else { Ok(()) }
}

fn rules(rules: &[ClaimRule], path: &Path<'_>, errors: &mut FieldErrors) {
    let (mut claims, mut expressions) = (HashSet::new(), HashSet::new());
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        match (rule.claim.as_str(), rule.expression.as_str()) {
            ("", "") => errors.required(&path, "claim or expression is required"),
            ("", expression) => {
                if !rule.required_value.is_empty() {
                    let detail = "may not be specified when expression is set";
                    errors.invalid(&path.child("requiredValue"), &rule.required_value, detail);
                }
                match expressions.insert(expression) {
                    true => over_claims(expression, true, &path.child("expression"), errors),
                    false => errors.duplicate(&path.child("expression"), expression),
                }
            }
            (claim, "") => {
                if !rule.message.is_empty() {
                    let detail = "may not be specified when claim is set";
                    errors.invalid(&path.child("message"), &rule.message, detail);
                }
                if !claims.insert(claim) {
                    errors.duplicate(&path.child("claim"), claim);
                }
            }
            (claim, _) => errors.invalid(&path, claim, "claim and expression can't both be set"),
        }
    }
}

fn mappings(mappings: &ClaimMappings, path: &Path<'_>, errors: &mut FieldErrors) {
    let username = path.child("username");
    if mappings.username.claim.is_empty() && mappings.username.expression.is_empty() {
        errors.required(&username, "claim or expression is required");
    }
    mapping(&mappings.username, &username, errors);
    mapping(&mappings.groups, &path.child("groups"), errors);
    let uid = path.child("uid");
    match (mappings.uid.claim.is_empty(), mappings.uid.expression.as_str()) {
        (_, "") => {}
        (false, _) => errors.invalid(&uid, "", "claim and expression can't both be set"),
        (true, expression) => over_claims(expression, false, &uid.child("expression"), errors),
    }
    extra(&mappings.extra, &path.child("extra"), errors);
}

fn over_claims(expression: &str, is_rule: bool, path: &Path<'_>, errors: &mut FieldErrors) {
    if let Err(why) = refuse_over_claims(expression, is_rule) {
        errors.invalid(path, expression, &why);
    }
}

/// A username made from the claim `email` requires a check of `email_verified`.
fn email(jwt: &Jwt, path: &Path<'_>, errors: &mut FieldErrors) {
    let username = &jwt.mappings.username.expression;
    let others = jwt.mappings.extra.iter().map(|(_, expression)| expression);
    let others = others.chain(jwt.rules.iter().map(|rule| &rule.expression));
    let mut all = std::iter::once(username).chain(others);
    if reads_claim(username, "email") && !all.any(|expression| reads_claim(expression, "email_verified")) {
        errors.invalid(&path.child("username").child("expression"), username, UNVERIFIED);
    }
}

fn mapping(mapping: &Mapping, path: &Path<'_>, errors: &mut FieldErrors) {
    match (mapping.claim.is_empty(), mapping.expression.as_str()) {
        (true, "") => {}
        (false, "") if mapping.prefix.is_none() => {
            let detail =
                "prefix is required when claim is set. It can be set to an empty string to disable prefixing";
            errors.required(&path.child("prefix"), detail);
        }
        (false, "") => {}
        (false, _) => errors.invalid(path, "", "claim and expression can't both be set"),
        (true, expression) => {
            if let Some(prefix) = &mapping.prefix {
                errors.invalid(&path.child("prefix"), prefix, "may not be specified when expression is set");
            }
            over_claims(expression, false, &path.child("expression"), errors);
        }
    }
}

fn extra(extra: &[(String, String)], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut keys = HashSet::new();
    for (index, (key, expression)) in extra.iter().enumerate() {
        let path = path.index(index);
        let at = path.child("key");
        check_key(key, &at, errors);
        if !keys.insert(key) {
            errors.duplicate(&at, key);
        } else if expression.is_empty() {
            errors.required(&path.child("valueExpression"), "");
        } else {
            over_claims(expression, false, &path.child("valueExpression"), errors);
        }
    }
}

/// A domain and a path, in lower case, and not of Kubernetes' own domains.
fn check_key(key: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    let (domain, rest) = key.split_once('/').unwrap_or(("", ""));
    if key.is_empty() {
        errors.required(path, "");
    } else if domain.is_empty() || rest.is_empty() {
        errors.invalid(path, key, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    } else {
        for detail in content::dns1123_subdomain(domain) {
            errors.invalid(path, Shown(quote(domain)), &detail);
        }
    }
    if key.to_lowercase() != *key {
        errors.invalid(path, key, "must be lowercase");
    }
    let is_of = |own: &str| domain == own || domain.strip_suffix(own).is_some_and(|rest| rest.ends_with('.'));
    if is_of("kubernetes.io") || is_of("k8s.io") {
        let detail = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
        errors.invalid(path, key, detail);
    }
}

fn user_rules(rules: &[(String, String)], path: &Path<'_>, errors: &mut FieldErrors) {
    let mut expressions = HashSet::new();
    for (index, (expression, _)) in rules.iter().enumerate() {
        let path = path.index(index);
        let at = path.child("expression");
        if expression.is_empty() {
            errors.required(&at, "");
        } else if !expressions.insert(expression) {
            errors.duplicate(&at, expression);
        } else if let Err(why) = refuse_over_user(expression) {
            errors.invalid(&at, expression, &why);
        }
    }
}
