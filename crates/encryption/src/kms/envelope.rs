//! Values encrypted with a seed that stands beside them, encrypted by a plugin.

use crate::failure::{Failure, joined};
use crate::kms::cache::{Cache, Opener, cache_key};
use crate::kms::plugin::Plugin;
use crate::kms::wire::{AES_GCM_KEY, DecryptRequest, EncryptedObject, SEED};
use crate::metrics::{Metrics, Way};
use crate::tag::tag;
use pintle_object::FieldErrors;
use pintle_object::content::{dns1123_label, dns1123_subdomain};
use pintle_object::field::Path;
use pintle_store::transformer::{KeyTag, ValueContext};
use prost::Message;
use std::sync::Arc;

const ANNOTATIONS_BYTES_MAX: usize = 32 * 1024;
const KEY_ID_BYTES_MAX: usize = 1024;
const SOURCE_BYTES_MAX: usize = 1024;

pub(crate) struct Envelope {
    plugin: Arc<Plugin>,
    cache: Cache,
    metrics: Arc<Metrics>,
}

impl Envelope {
    pub fn new(plugin: Arc<Plugin>, metrics: Arc<Metrics>) -> Envelope {
        Envelope { plugin, cache: Cache::default(), metrics }
    }

    /// What begins its values.
    pub fn prefix(&self) -> String {
        format!("k8s:enc:kms:v2:{}:", self.plugin.name)
    }

    /// The tag of what is written now; none while the plugin has given no key.
    pub fn tag(&self) -> Option<KeyTag> {
        let state = self.plugin.state().ok()?;
        Some(self.tag_of(&state.object))
    }

    fn tag_of(&self, object: &EncryptedObject) -> KeyTag {
        let kind = object.encrypted_dek_source_type.to_le_bytes();
        tag(&[self.prefix().as_bytes(), object.key_id.as_bytes(), &kind])
    }

    /// The plain value. The plugin is asked where the value's seed was not met before.
    pub async fn decrypt(
        &self,
        context: ValueContext<'_>,
        data: &[u8],
    ) -> Result<(Vec<u8>, KeyTag), Failure> {
        let object = EncryptedObject::decode(data).map_err(|error| {
            Failure::new(format!("proto: cannot parse invalid wire-format data: {error}"))
        })?;
        check(&object)?;
        self.plugin.state()?;
        let key = cache_key(&object);
        let opener = match self.cache.get(&key) {
            Some(opener) => opener,
            None => self.fetch(context.key, &object).await?,
        };
        let Plugin { name, .. } = &*self.plugin;
        self.metrics.key_used(Way::FromStorage, name, &object.key_id);
        let plain = opener.decrypt(context.authenticated, &object.encrypted_data)?;
        Ok((plain, self.tag_of(&object)))
    }

    async fn fetch(&self, key: &str, object: &EncryptedObject) -> Result<Arc<Opener>, Failure> {
        self.metrics.cache_missed();
        let uid = uid()?;
        tracing::trace!(uid, key, "decrypting content using envelope service");
        let ask = DecryptRequest {
            ciphertext: object.encrypted_dek_source.clone(),
            uid,
            key_id: object.key_id.clone(),
            annotations: object.annotations.clone(),
        };
        let answer = self.plugin.service.decrypt(ask).await;
        let plain = answer.map_err(|failure| Failure {
            message: format!("failed to decrypt DEK, error: {}", failure.message),
            ..failure
        })?;
        let opener = Arc::new(Opener::new(object.encrypted_dek_source_type, &plain.plaintext)?);
        self.keep(object, opener.clone());
        Ok(opener)
    }

    fn keep(&self, object: &EncryptedObject, opener: Arc<Opener>) {
        let count = self.cache.insert(cache_key(object), opener);
        self.metrics.seeds_cached(&self.plugin.name, count);
    }

    /// What is stored for a value, without its prefix. It fails once the plugin has not been well for too long.
    pub fn encrypt(&self, context: ValueContext<'_>, plain: &[u8]) -> Result<(Vec<u8>, KeyTag), Failure> {
        let state = self.plugin.state()?;
        state.check_not_expired()?;
        if self.cache.get(&state.cache_key).is_none() {
            self.keep(&state.object, state.seed.clone());
        }
        let Opener::Seed(seed) = &*state.seed else { return Err(Failure::new("the state has no seed")) };
        let encrypted_data = seed.encrypt(context.authenticated, plain)?;
        self.metrics.key_used(Way::ToStorage, &self.plugin.name, &state.object.key_id);
        let object = EncryptedObject { encrypted_data, ..state.object.clone() };
        check(&object)?;
        Ok((object.encode_to_vec(), self.tag_of(&object)))
    }
}

/// What must hold of a value as it is stored.
pub(crate) fn check(object: &EncryptedObject) -> Result<(), Failure> {
    let kind = object.encrypted_dek_source_type;
    if !matches!(kind, AES_GCM_KEY | SEED) {
        return Err(Failure::new(format!("unknown encryptedDEKSourceType: {kind}")));
    }
    if object.encrypted_data.is_empty() {
        return Err(Failure::new("encrypted data is empty"));
    }
    let source = check_source(&object.encrypted_dek_source);
    source.map_err(|failure| failure.within("failed to validate encrypted DEK source"))?;
    let key_id = check_key_id(&object.key_id);
    key_id.map_err(|(_, failure)| failure.within("failed to validate key id"))?;
    check_annotations(object).map_err(|failure| failure.within("failed to validate annotations"))
}

fn check_source(source: &[u8]) -> Result<(), Failure> {
    match source.len() {
        0 => Err(Failure::new("encrypted DEK source is empty")),
        len if len > SOURCE_BYTES_MAX => Err(Failure::new(format!(
            "encrypted DEK source is {len} bytes, which exceeds the max size of {SOURCE_BYTES_MAX}"
        ))),
        _ => Ok(()),
    }
}

/// Refused together with the label that metrics have for the refusal.
pub(crate) fn check_key_id(key_id: &str) -> Result<(), (&'static str, Failure)> {
    match key_id.len() {
        0 => Err(("empty", Failure::new("keyID is empty"))),
        len if len > KEY_ID_BYTES_MAX => Err((
            "too_long",
            Failure::new(format!("keyID is {len} bytes, which exceeds the max size of {KEY_ID_BYTES_MAX}")),
        )),
        _ => Ok(()),
    }
}

fn check_annotations(object: &EncryptedObject) -> Result<(), Failure> {
    let mut errors = Vec::new();
    let mut bytes = 0;
    for (key, value) in &object.annotations {
        let mut found = FieldErrors::new();
        check_domain(key, &mut found);
        if !found.is_empty() {
            errors.push(joined(found.iter().map(ToString::to_string)));
        }
        bytes += key.len() + value.len();
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(format!(
            "total size of annotations is {bytes}, which exceeds the max size of {ANNOTATIONS_BYTES_MAX}"
        ));
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(joined(errors))) }
}

/// A fully qualified domain name.
fn check_domain(name: &str, errors: &mut FieldErrors) {
    let path = Path::root("annotations");
    if name.is_empty() {
        return errors.required(&path, "");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let wrong = dns1123_subdomain(name);
    if !wrong.is_empty() {
        return errors.invalid(&path, name, &wrong.join(","));
    }
    if !name.contains('.') {
        return errors.invalid(
            &path,
            name,
            "should be a domain with at least two segments separated by dots",
        );
    }
    let wrong =
        name.split('.').map(|label| (label, dns1123_label(label))).find(|(_, wrong)| !wrong.is_empty());
    if let Some((label, wrong)) = wrong {
        errors.invalid(&path, label, &wrong.join(","));
    }
}

/// A random UUID, by which the server's and the plugin's logs are matched.
pub(crate) fn uid() -> Result<String, Failure> {
    let bits = u128::from_be_bytes(crate::aes::random()?);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}
