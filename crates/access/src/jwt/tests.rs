//! Claims and configurations, accepted and refused, with upstream's messages.

use super::claims;
use super::expressions::Expressions;
use super::{ClaimMappings, ClaimRule, Configuration, Jwt, KeySet, Mapping, Unproven, validate};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pintle_object::{Value, json};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap()
}

fn mappings(username: &str, groups: &str) -> ClaimMappings {
    let mapping = |claim: &str, prefix: &str| Mapping {
        claim: claim.into(),
        prefix: Some(prefix.into()),
        expression: String::new(),
    };
    ClaimMappings {
        username: mapping(username, "u:"),
        groups: mapping(groups, "g:"),
        ..ClaimMappings::default()
    }
}

#[test]
fn claims_become_a_user() {
    let rule = ClaimRule { claim: "hd".into(), required_value: "a".into(), ..ClaimRule::default() };
    let check = |text: &str, username: &str, rules: &[ClaimRule], expected: &str| {
        let jwt = Jwt { mappings: mappings(username, "groups"), rules: rules.to_vec(), ..Jwt::default() };
        let shown = match claims::user(&parse(text), &jwt, &Expressions::default()) {
            Ok(user) => format!(
                "{} [{}] {:?}",
                user.name,
                user.groups.join(" "),
                user.extra.values().collect::<Vec<_>>()
            ),
            Err(why) => why,
        };
        assert_eq!(shown, expected, "{text}");
    };
    check(r#"{"sub":"x","groups":["a","b"],"jti":"1"}"#, "sub", &[], r#"u:x [g:a g:b] [["JTI=1"]]"#);
    check(r#"{"sub":"x","groups":"a"}"#, "sub", &[], "u:x [g:a] []");
    check(r#"{"sub":"x"}"#, "sub", &[], "u:x [] []");
    check(r#"{"sub":null,"groups":null}"#, "sub", &[], "u: [] []");
    check(r#"{"email":"x@y"}"#, "email", &[], "u:x@y [] []");
    check(r#"{"email":"x@y","email_verified":true}"#, "email", &[], "u:x@y [] []");
    check(r#"{"email":"x@y","email_verified":false}"#, "email", &[], "oidc: email not verified");
    check(
        r#"{"email":"x@y","email_verified":"true"}"#,
        "email",
        &[],
        "oidc: parse 'email_verified' claim: json: cannot unmarshal string into Go value of type bool",
    );
    check(r#"{"a":1}"#, "sub", &[], r#"oidc: parse username claims "sub": claim not present"#);
    check(
        r#"{"sub":1}"#,
        "sub",
        &[],
        r#"oidc: parse username claims "sub": json: cannot unmarshal number into Go value of type string"#,
    );
    check(
        r#"{"sub":"x","groups":[1]}"#,
        "sub",
        &[],
        r#"oidc: parse groups claim "groups": json: cannot unmarshal number into Go value of type string"#,
    );
    check(
        r#"{"sub":"x","_claim_names":{"groups":"s"},"_claim_sources":{"s":{"endpoint":"https://h"}}}"#,
        "sub",
        &[],
        "oidc: could not expand distributed claims: they are not supported",
    );
    let rules = [rule];
    check(r#"{"sub":"x","hd":"a"}"#, "sub", &rules, "u:x [] []");
    check(r#"{"sub":"x"}"#, "sub", &rules, "oidc: required claim hd not present in ID token");
    check(
        r#"{"sub":"x","hd":"b"}"#,
        "sub",
        &rules,
        "oidc: required claim hd value does not match. Got = b, want = a",
    );
}

const GOOD: &str = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n\
    jwt:\n- issuer:\n    url: https://i.example\n    audiences: [a]\n  claimMappings:\n    username: {claim: sub, prefix: ''}\n\
    anonymous: {enabled: true, conditions: [{path: /livez}]}\n";

#[test]
fn configurations_are_read_strictly() {
    for version in ["v1", "v1beta1", "v1alpha1"] {
        let read = Configuration::parse(&GOOD.replace("/v1", &format!("/{version}"))).unwrap();
        assert_eq!(read.jwt[0].issuer.audiences, ["a"]);
        assert!(read.anonymous.as_ref().unwrap().allows("/livez"));
        assert!(!read.anonymous.unwrap().allows("/readyz"));
    }
    let check = |text: &str, expected: &str| {
        assert_eq!(Configuration::parse(text).unwrap_err(), expected, "{text}");
    };
    check("", "empty config data");
    check("apiVersion: v1", "Object 'Kind' is missing in 'apiVersion: v1'");
    check("kind: X", "Object 'apiVersion' is missing in 'kind: X'");
    check(
        &GOOD.replace("/v1", "/v2"),
        "no kind \"AuthenticationConfiguration\" is registered for version \"apiserver.config.k8s.io/v2\"",
    );
    check(
        &GOOD.replace("audiences:", "audience:"),
        "strict decoding error: unknown field \"jwt[0].issuer.audience\"",
    );
    check(
        &GOOD.replace("{path: ", "{pat: "),
        "strict decoding error: unknown field \"anonymous.conditions[0].pat\"",
    );
    check(&GOOD.replace("[a]", "a"), "jwt[0].issuer.audiences must be a list");
    assert!(
        Configuration::parse(&format!("{GOOD}kind: AuthenticationConfiguration\n"))
            .unwrap_err()
            .starts_with("strict decoding error: yaml")
    );
}

#[test]
fn configurations_are_checked_with_upstreams_words() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = GOOD.replace(from, to);
        let configuration = Configuration::parse(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        let found = validate(&configuration, &["https://own".to_string()]).err().unwrap_or_default();
        assert_eq!(found, expected, "{text}");
    };
    check("", "", "");
    check("url: https://i.example", "url: ''", "jwt[0].issuer.url: Required value");
    check(
        "https://i",
        "http://i",
        "jwt[0].issuer.url: Invalid value: \"http://i.example\": URL scheme must be https",
    );
    check(
        "https://i.example",
        "https://own",
        "jwt[0].issuer.url: Invalid value: \"https://own\": URL must not overlap with disallowed issuers: [https://own]",
    );
    check(
        "https://i.example",
        "https://u@i?q#f",
        "[jwt[0].issuer.url: Invalid value: \"https://u@i?q#f\": URL must not contain a username or password, \
         jwt[0].issuer.url: Invalid value: \"https://u@i?q#f\": URL must not contain a query, \
         jwt[0].issuer.url: Invalid value: \"https://u@i?q#f\": URL must not contain a fragment]",
    );
    check(
        "[a]",
        "[]",
        "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required",
    );
    check(
        "[a]",
        "[a, a]\n    audienceMatchPolicy: MatchAny",
        "jwt[0].issuer.audiences[1]: Duplicate value: \"a\"",
    );
    check(
        "[a]",
        "[a, b]",
        "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny for multiple audiences",
    );
    check(
        "[a]",
        "[a]\n    discoveryURL: https://i.example/",
        "jwt[0].issuer.discoveryURL: Invalid value: \"https://i.example/\": discoveryURL must be different from URL",
    );
    check(
        "[a]",
        "[a]\n    certificateAuthority: x",
        "jwt[0].issuer.certificateAuthority: Invalid value: \"<omitted>\": data does not contain any valid RSA or ECDSA certificates",
    );
    check(
        ", prefix: ''",
        "",
        "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an \
         empty string to disable prefixing",
    );
    check(
        "claim: sub, prefix: ''",
        "",
        "jwt[0].claimMappings.username: Required value: claim or expression is required",
    );
    check("claim: sub, prefix: ''", "expression: claims.sub", "");
    check(
        "claim: sub, prefix: ''",
        "expression: claims.email",
        "jwt[0].claimMappings.username.expression: Invalid value: \"claims.email\": claims.email_verified must be used in \
         claimMappings.username.expression or claimMappings.extra[*].valueExpression or \
         claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression",
    );
    check(
        "anonymous:",
        "  claimValidationRules: [{expression: claims.a}, {expression: 'claims.a == 1'}]\nanonymous:",
        "jwt[0].claimValidationRules[0].expression: Invalid value: \"claims.a\": must evaluate to bool",
    );
    check(
        "anonymous:",
        "  userValidationRules: [{expression: \"user.username.startsWith('a')\"}]\nanonymous:",
        "",
    );
    check(
        "enabled: true",
        "enabled: false",
        "anonymous.conditions: Invalid value: [{\"Path\":\"/livez\"}]: enabled should be set to true when conditions are defined",
    );
    check(
        "anonymous:",
        "  claimValidationRules: [{claim: a, requiredValue: b}, {claim: a}, {}]\nanonymous:",
        "[jwt[0].claimValidationRules[1].claim: Duplicate value: \"a\", jwt[0].claimValidationRules[2]: Required value: claim \
         or expression is required]",
    );
}

fn set(jwk: &str) -> KeySet {
    KeySet::read(&parse(&format!(r#"{{"keys":[{jwk},{{"kty":"oct","k":"AA"}}]}}"#))).unwrap()
}

fn token(algorithm: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> String {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#));
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode("{}"));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
}

#[test]
fn tokens_are_signed_with_every_algorithm() {
    let random = SystemRandom::new();
    let rsa = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let spki: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let (_, info) = SubjectPublicKeyInfo::from_der(spki.as_ref()).unwrap();
    let PublicKey::RSA(numbers) = info.parsed().unwrap() else { panic!("an RSA key is one") };
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (n, e) = (number(numbers.modulus), number(numbers.exponent));
    let jwk = format!(r#"{{"kty":"RSA","kid":"k","n":"{n}","e":"{e}"}}"#);
    let paddings: [(&str, &'static dyn RsaEncoding); 6] = [
        ("RS256", &signature::RSA_PKCS1_SHA256),
        ("RS384", &signature::RSA_PKCS1_SHA384),
        ("RS512", &signature::RSA_PKCS1_SHA512),
        ("PS256", &signature::RSA_PSS_SHA256),
        ("PS384", &signature::RSA_PSS_SHA384),
        ("PS512", &signature::RSA_PSS_SHA512),
    ];
    for (algorithm, padding) in paddings {
        let sign = |message: &[u8]| {
            let mut out = vec![0; rsa.public_modulus_len()];
            rsa.sign(padding, &random, message, &mut out).unwrap();
            out
        };
        let token = token(algorithm, &sign);
        let unproven = Unproven::parse(&token).unwrap();
        assert!(set(&jwk).has_signed(&unproven), "{algorithm}");
        assert!(!set(&jwk.replace(r#""k""#, r#""other""#)).has_signed(&unproven), "{algorithm}");
    }
    let curves = [
        ("ES256", "P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", "P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", "P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (algorithm, curve, signing) in curves {
        let pair = signature::EcdsaKeyPair::generate(signing).unwrap();
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        let jwk =
            format!(r#"{{"kty":"EC","kid":"k","crv":"{curve}","x":"{}","y":"{}"}}"#, number(x), number(y));
        let token = token(algorithm, &|message| pair.sign(&random, message).unwrap().as_ref().to_vec());
        let unproven = Unproven::parse(&token).unwrap();
        assert!(set(&jwk).has_signed(&unproven), "{algorithm}");
        assert!(!KeySet::default().has_signed(&unproven), "{algorithm}");
    }
}

#[test]
fn expressions_say_what_claims_mean() {
    let configuration = |username: &str| {
        let rules = "claimValidationRules: [{expression: 'claims.level > 1', message: too low}]";
        let users = "userValidationRules: [{expression: \"!user.username.startsWith('system:')\", message: reserved}]";
        let more = "groups: {expression: 'claims.roles.map(r, \"g:\" + r)'}\n    uid: {expression: claims.id}\n    \
                    extra: [{key: example.com/t, valueExpression: claims.team}]";
        let mappings = format!("username: {{expression: '{username}'}}\n    {more}\n  {rules}\n  {users}");
        let text = GOOD.replace("username: {claim: sub, prefix: ''}", &mappings);
        let configuration = Configuration::parse(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        validate(&configuration, &[]).unwrap();
        configuration.jwt[0].clone()
    };
    let check = |username: &str, claims: &str, expected: &str| {
        let jwt = configuration(username);
        let found = claims::user(&parse(claims), &jwt, &Expressions::compile(&jwt).unwrap());
        let shown = match found {
            Ok(user) => format!("{} {} [{}] {:?}", user.name, user.uid, user.groups.join(" "), user.extra),
            Err(why) => why,
        };
        assert_eq!(shown, expected, "{username} {claims}");
    };
    let good = r#"{"sub":"x","level":2,"roles":["a","b"],"id":"7","team":["t",""]}"#;
    check("claims.sub + \"!\"", good, r#"x! 7 [g:a g:b] {"example.com/t": ["t"]}"#);
    check(
        "\"system:\" + claims.sub",
        good,
        "oidc: error evaluating user info validation rule: validation expression \
        '!user.username.startsWith('system:')' failed: reserved",
    );
    check(
        "claims.sub",
        &good.replace('2', "1"),
        "oidc: error evaluating claim validation expression: validation expression 'claims.level > 1' failed: too low",
    );
    check(
        "claims.level",
        good,
        "oidc: error evaluating username claim expression: username claim expression must return a string",
    );
    check(
        "claims.empty",
        &good.replace("\"sub\":\"x\"", "\"empty\":\"\""),
        "oidc: empty username via CEL expression is not allowed",
    );
    check(
        "claims.none",
        good,
        "oidc: error evaluating username claim expression: expression 'claims.none' resulted in error: no such key: none",
    );
}
