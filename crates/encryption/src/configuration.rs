//! `EncryptionConfiguration`: read strictly, with upstream's defaults and in its words.

use crate::digest::hex;
use crate::failure::joined;
use crate::fields::{decode_secret, kms_timeout, kms_version, texts};
use crate::validation;
use aws_lc_rs::digest::{SHA256, digest};
use pintle_object::Value;
use pintle_object::config_file::{Fields, Form, Kind};
use pintle_object::field::quote;
use std::fmt;
use std::path::Path;
use std::time::Duration;

const KEYS: Fields = &[("keys", Form::List(&[("name", Form::Text), ("secret", Form::Text)]))];
const KMS: Fields = &[
    ("apiVersion", Form::Text),
    ("name", Form::Text),
    ("cachesize", Form::Integer),
    ("endpoint", Form::Text),
    ("timeout", Form::Duration),
];
const PROVIDER: Fields = &[
    ("aesgcm", Form::Struct(KEYS)),
    ("aescbc", Form::Struct(KEYS)),
    ("secretbox", Form::Struct(KEYS)),
    ("identity", Form::Struct(&[])),
    ("kms", Form::Struct(KMS)),
];
const FILE: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1"],
    name: "EncryptionConfiguration",
    fields: &[("resources", Form::List(&[("resources", Form::Texts), ("providers", Form::List(PROVIDER))]))],
};

/// The contents of a file, valid in themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub(crate) entries: Vec<Entry>,
    /// `sha256:` and the digest of the file, by which changes are noticed.
    pub(crate) hash: String,
}

/// Resources, and the providers of their values: the first writes, all read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `secrets`, `leases.coordination.k8s.io`, `*.apps`, `*.` or `*.*`.
    pub resources: Vec<String>,
    pub providers: Vec<Provider>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    AesGcm(Vec<NamedKey>),
    AesCbc(Vec<NamedKey>),
    Secretbox(Vec<NamedKey>),
    Identity,
    Kms(KmsSettings),
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NamedKey {
    pub name: String,
    pub secret: Vec<u8>,
}

impl fmt::Debug for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name: {}, Secret: [REDACTED]", self.name)
    }
}

/// The settings of a KMS plugin: its endpoint, name and API version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KmsSettings {
    pub api_version: String,
    pub name: String,
    pub endpoint: String,
    pub timeout: Duration,
}

/// Reads the file of `--encryption-provider-config`. `reloads`: whether it is read again while the server runs, for
/// which more must hold.
pub fn read_file(path: &Path, reloads: bool) -> Result<Configuration, String> {
    let text = file_text(path)
        .map_err(|error| format!("error while parsing file: error while loading file: {error}"))?;
    parse(&text, path, reloads).map_err(|error| format!("error while parsing file: {error}"))
}

/// The digest of the file's bytes.
pub(crate) fn file_hash(path: &Path) -> Result<String, String> {
    file_text(path).map(|text| hash(&text))
}

fn file_text(path: &Path) -> Result<String, String> {
    let shown = quote(&path.to_string_lossy());
    let bytes = std::fs::read(path)
        .map_err(|error| format!("error reading encryption provider configuration file {shown}: {error}"))?;
    if bytes.is_empty() {
        return Err(format!("encryption provider configuration file {shown} is empty"));
    }
    String::from_utf8(bytes).map_err(|_| {
        format!("error decoding encryption provider configuration file {shown}: it is not valid UTF-8")
    })
}

fn hash(text: &str) -> String {
    format!("sha256:{}", hex(digest(&SHA256, text.as_bytes()).as_ref()))
}

fn parse(text: &str, path: &Path, reloads: bool) -> Result<Configuration, String> {
    let document = FILE.read(text).map_err(|error| {
        let shown = quote(&path.to_string_lossy());
        format!("error decoding encryption provider configuration file {shown}: {error}")
    })?;
    let errors = validation::check(&document, reloads);
    if !errors.is_empty() {
        return Err(joined(errors.iter().map(ToString::to_string)));
    }
    let entries = document.list_at(&["resources"]).iter().map(entry).collect();
    Ok(Configuration { entries, hash: hash(text) })
}

fn entry(document: &Value) -> Entry {
    Entry {
        resources: texts(document, "resources").into_iter().map(String::from).collect(),
        providers: document.list_at(&["providers"]).iter().filter_map(provider).collect(),
    }
}

fn provider(document: &Value) -> Option<Provider> {
    let section = |name| document.get(name).filter(|section| !section.is_null());
    if let Some(kms) = section("kms") {
        return Some(Provider::Kms(kms_settings(kms)));
    }
    let all = [
        ("aesgcm", Provider::AesGcm as fn(Vec<NamedKey>) -> Provider),
        ("aescbc", Provider::AesCbc),
        ("secretbox", Provider::Secretbox),
    ];
    let of_keys =
        all.into_iter().find_map(|(name, provider)| section(name).map(|keys| provider(named_keys(keys))));
    of_keys.or_else(|| section("identity").map(|_| Provider::Identity))
}

fn named_keys(document: &Value) -> Vec<NamedKey> {
    let key = |key: &Value| NamedKey {
        name: key.str_at(&["name"]).into(),
        secret: decode_secret(key.str_at(&["secret"])).unwrap_or_default(),
    };
    document.list_at(&["keys"]).iter().map(key).collect()
}

fn kms_settings(document: &Value) -> KmsSettings {
    KmsSettings {
        api_version: kms_version(document).into(),
        name: document.str_at(&["name"]).into(),
        endpoint: document.str_at(&["endpoint"]).into(),
        timeout: Duration::from_nanos(u64::try_from(kms_timeout(document)).unwrap_or(0)),
    }
}
