//! Validation of an `EncryptionConfiguration`.

use crate::fields::{decode_secret, kms_timeout, kms_version, texts};
use crate::group_resource::GroupResource;
use crate::{aes, secretbox};
use pintle_object::field::{Path, Shown};
use pintle_object::time::format_duration;
use pintle_object::{FieldErrors, Value};

/// Shown in the place of secrets.
const REDACTED: &str = "REDACTED";
/// Providers by their names in files and, for messages, in upstream's types.
const PROVIDERS: [(&str, &str); 5] = [
    ("aesgcm", "AESGCM"),
    ("aescbc", "AESCBC"),
    ("secretbox", "Secretbox"),
    ("identity", "Identity"),
    ("kms", "KMS"),
];
/// Resources that upstream stores without a REST API of their own.
const NOT_SERVED: [&str; 3] = ["apiserveripinfo", "serviceipallocations", "servicenodeportallocations"];

pub(crate) fn check(document: &Value, reloads: bool) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let root = Path::root("resources");
    let entries = document.list_at(&["resources"]);
    if entries.is_empty() {
        errors.required(&root, "at least one resources is required");
    }
    let mut kms_names = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let path = root.index(index);
        let (resources, providers) = (path.child("resources"), path.child("providers"));
        let names = texts(entry, "resources");
        if names.is_empty() {
            errors.required(&resources, &format!("at least one {} is required", resources.head()));
        }
        check_overlap(&names, &resources, &mut errors);
        for (index, name) in names.iter().enumerate() {
            if let Some(why) = name_fault(name) {
                errors.invalid(&resources.index(index), *name, why);
            }
        }
        let listed = entry.list_at(&["providers"]);
        if listed.is_empty() {
            errors.required(&providers, &format!("at least one {} is required", providers.head()));
        }
        for (index, provider) in listed.iter().enumerate() {
            check_provider(provider, &providers.index(index), &mut kms_names, reloads, &mut errors);
        }
    }
    errors
}

fn check_overlap(names: &[&str], path: &Path<'_>, errors: &mut FieldErrors) {
    let parsed: Vec<GroupResource> = names.iter().map(|name| GroupResource::parse(name)).collect();
    let pairs = || {
        let indexed = || parsed.iter().enumerate();
        indexed().flat_map(move |(i, one)| {
            indexed().filter(move |(j, _)| i != *j).map(move |(_, other)| (one, other))
        })
    };
    let shown = Value::List(names.iter().map(|name| Value::from(*name)).collect());
    if pairs().any(|(one, other)| one == other) {
        errors.invalid(path, &shown, "the same resource cannot be specified multiple times");
    }
    if has_overlap(pairs()) {
        errors.invalid(
            path,
            &shown,
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they \
             will be masked",
        );
    }
}

/// Whether one resource of a list masks another. As upstream, the first pair of equals is not looked at.
fn has_overlap<'a>(pairs: impl Iterator<Item = (&'a GroupResource, &'a GroupResource)>) -> bool {
    let mut has_duplicate = false;
    for (one, other) in pairs {
        if one == other && !has_duplicate {
            has_duplicate = true;
            continue;
        }
        let is_masked = one.group == other.group && (one.resource == "*" || other.resource == "*");
        if is_masked || *one == GroupResource::any() {
            return true;
        }
    }
    false
}

fn name_fault(name: &str) -> Option<&'static str> {
    if name.to_lowercase() != name {
        return Some("resource name should not contain capital letters");
    }
    if name == "*" {
        return Some(
            "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources",
        );
    }
    if NOT_SERVED.contains(&name) {
        return Some("resources which do not have REST API/s cannot be encrypted");
    }
    let GroupResource { group, resource } = GroupResource::parse(name);
    match group.as_str() {
        "events.k8s.io" => Some(
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the \
             config file",
        ),
        "extensions" => Some("'extensions' group has been removed and cannot be used for encryption"),
        "*" if resource != "*" => Some("encrypting the same resource across groups is not supported"),
        _ => None,
    }
}

fn check_provider<'a>(
    provider: &'a Value,
    path: &Path<'_>,
    kms_names: &mut Vec<&'a str>,
    reloads: bool,
    errors: &mut FieldErrors,
) {
    let section = |name: &str| provider.get(name).filter(|section| !section.is_null());
    match PROVIDERS.iter().filter(|(name, _)| section(name).is_some()).count() {
        0 => errors.invalid(
            path,
            Shown(shown(provider)),
            "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity",
        ),
        1 => {}
        _ => errors.invalid(
            path,
            Shown(shown(provider)),
            "more than one provider specified in a single element, should split into different list elements",
        ),
    }
    if let Some(kms) = section("kms") {
        check_kms(kms, &path.child("kms"), kms_names, reloads, errors);
        kms_names.push(kms.str_at(&["name"]));
        return;
    }
    let of_keys =
        [("aesgcm", aes::KEY_SIZES), ("aescbc", aes::KEY_SIZES), ("secretbox", secretbox::KEY_SIZES)];
    if let Some((name, sizes, found)) =
        of_keys.into_iter().find_map(|(name, sizes)| section(name).map(|found| (name, sizes, found)))
    {
        check_keys(found.list_at(&["keys"]), &path.child(name).child("keys"), sizes, errors);
    }
}

/// A provider in upstream's messages, without its secrets.
fn shown(provider: &Value) -> String {
    let section = |(name, type_name): &(&str, &str)| {
        let is_there = provider.get(name).is_some_and(|section| !section.is_null());
        format!("{type_name:?}:{}", if is_there { "\"REDACTED\"" } else { "null" })
    };
    format!("{{{}}}", PROVIDERS.iter().map(section).collect::<Vec<_>>().join(","))
}

fn check_keys(keys: &[Value], path: &Path<'_>, sizes: &[usize], errors: &mut FieldErrors) {
    if keys.is_empty() {
        errors.required(path, "at least one keys is required");
    }
    for (index, key) in keys.iter().enumerate() {
        let path = path.index(index);
        if key.str_at(&["name"]).is_empty() {
            errors.required(&path.child("name"), "name is a mandatory field for a key");
        }
        let (secret, path) = (key.str_at(&["secret"]), path.child("secret"));
        if secret.is_empty() {
            errors.required(&path, "secret is a mandatory field for a key");
            continue;
        }
        let Some(bytes) = decode_secret(secret) else {
            errors.invalid(&path, REDACTED, "secrets must be base64 encoded");
            continue;
        };
        if !sizes.contains(&bytes.len()) {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            let why = format!(
                "secret is not of the expected length, got {}, expected one of [{}]",
                bytes.len(),
                sizes.join(" ")
            );
            errors.invalid(&path, REDACTED, &why);
        }
    }
}

fn check_kms(kms: &Value, path: &Path<'_>, names: &[&str], reloads: bool, errors: &mut FieldErrors) {
    let (name, version) = (kms.str_at(&["name"]), kms_version(kms));
    let at = path.child("name");
    if name.is_empty() {
        errors.required(&at, "name is a mandatory field for a provider");
    }
    if version != "v1" && name.contains(':') {
        errors.invalid(&at, name, &format!("invalid KMS provider name {name}, must not contain ':'"));
    }
    if (reloads || version != "v1") && names.contains(&name) {
        errors.invalid(&at, name, &format!("duplicate KMS provider name {name}, names must be unique"));
    }
    let timeout = kms_timeout(kms);
    if timeout <= 0 {
        errors.invalid(
            &path.child("timeout"),
            &format_duration(timeout),
            "timeout should be a positive value",
        );
    }
    check_endpoint(kms.str_at(&["endpoint"]), &path.child("endpoint"), errors);
    let size = kms.get("cachesize").and_then(Value::as_i64);
    match (version, size) {
        ("v1", Some(0)) => errors.invalid(
            &path.child("cachesize"),
            0_i64,
            "cachesize should be a positive value, or negative to disable",
        ),
        ("v1", _) | (_, None) => {}
        (_, Some(size)) => errors.invalid(&path.child("cachesize"), size, "cachesize is not supported in v2"),
    }
    if !matches!(version, "v1" | "v2") {
        errors.invalid(
            &path.child("apiVersion"),
            version,
            "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported",
        );
    }
}

fn check_endpoint(endpoint: &str, path: &Path<'_>, errors: &mut FieldErrors) {
    if endpoint.is_empty() {
        return errors.invalid(path, "", "endpoint is a mandatory field for a kms");
    }
    match scheme(endpoint) {
        Ok("unix") => {}
        Ok(scheme) => {
            let why = format!("unsupported scheme {scheme:?} for KMS provider, only unix is supported");
            errors.invalid(path, endpoint, &why);
        }
        Err(why) => {
            errors.invalid(path, endpoint, &format!("invalid endpoint for kms provider, error: {why}"))
        }
    }
}

/// The scheme of a URL in lower case; empty without one. Errors are Go's.
fn scheme(url: &str) -> Result<&str, String> {
    let failed = |why: &str| format!("parse {}: {why}", pintle_object::field::quote(url));
    if url.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(failed("net/url: invalid control character in URL"));
    }
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    };
    match url.split_once(':') {
        Some(("", _)) => Err(failed("missing protocol scheme")),
        Some((scheme, _)) if is_scheme(scheme) => Ok(scheme),
        Some((first, _)) if !first.contains('/') && !url.starts_with('/') => {
            Err(failed("first path segment in URL cannot contain colon"))
        }
        _ => Ok(""),
    }
}
