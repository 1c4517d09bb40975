//! Values encrypted with a seed that is stored beside them, encrypted by a plugin.

use crate::failure::Failure;
use crate::kms::cache::{Cache, Opener, cache_key};
use crate::kms::plugin::Plugin;
use crate::kms::uid::uid;
use crate::kms::validation::check;
use crate::kms::wire::{DecryptRequest, EncryptedObject};
use crate::metrics::{Metrics, Way};
use crate::tag::tag;
use pintle_store::transformer::{KeyTag, ValueContext};
use pintle_traces::{Entered, enter, event};
use prost::Message;
use std::sync::Arc;

pub(crate) struct Envelope {
    plugin: Arc<Plugin>,
    cache: Cache,
    metrics: Arc<Metrics>,
}

impl Envelope {
    pub fn new(plugin: Arc<Plugin>, metrics: Arc<Metrics>) -> Envelope {
        Envelope { plugin, cache: Cache::default(), metrics }
    }

    /// The beginning of its values.
    pub fn prefix(&self) -> String {
        format!("k8s:enc:kms:v2:{}:", self.plugin.name)
    }

    /// The tag of current writes; none while the plugin has given no key.
    pub fn tag(&self) -> Option<KeyTag> {
        let state = self.plugin.state().ok()?;
        Some(self.tag_of(&state.object))
    }

    fn tag_of(&self, object: &EncryptedObject) -> KeyTag {
        let kind = object.encrypted_dek_source_type.to_le_bytes();
        tag(&[self.prefix().as_bytes(), object.key_id.as_bytes(), &kind])
    }

    /// Decrypts a value. The plugin is called only for a seed that is not cached.
    pub async fn decrypt(
        &self,
        context: ValueContext<'_>,
        data: &[u8],
    ) -> Result<(Vec<u8>, KeyTag), Failure> {
        let _span = self.span("TransformFromStorage with envelopeTransformer");
        event("About to decode encrypted object", |_| ());
        let object = EncryptedObject::decode(data)
            .map_err(|_| Failure::new("proto: cannot parse invalid wire-format data"))?;
        event("Decoded encrypted object", |_| ());
        check(&object)?;
        self.plugin.state()?;
        let key = cache_key(&object);
        let opener = match self.cache.get(&key) {
            Some(opener) => opener,
            None => {
                event("About to decrypt DEK using remote service", |_| ());
                let opener = self.fetch(context.key, &object).await?;
                event("DEK decryption succeeded", |_| ());
                opener
            }
        };
        let Plugin { name, .. } = &*self.plugin;
        self.metrics.key_used(Way::FromStorage, name, &object.key_id);
        event("About to decrypt data using DEK", |_| ());
        let plain = opener.decrypt(context.authenticated, &object.encrypted_data)?;
        event("Data decryption succeeded", |_| ());
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

    /// The stored form of a value, without its prefix. It fails once the plugin has not been well for too long.
    pub fn encrypt(&self, context: ValueContext<'_>, plain: &[u8]) -> Result<(Vec<u8>, KeyTag), Failure> {
        let _span = self.span("TransformToStorage with envelopeTransformer");
        let state = self.plugin.state()?;
        state.check_not_expired()?;
        if self.cache.get(&state.cache_key).is_none() {
            self.keep(&state.object, state.seed.clone());
        }
        let Opener::Seed(seed) = &*state.seed else { return Err(Failure::new("the state has no seed")) };
        event("About to encrypt data using DEK", |_| ());
        let encrypted_data = seed.encrypt(context.authenticated, plain)?;
        event("Data encryption succeeded", |_| ());
        self.metrics.key_used(Way::ToStorage, &self.plugin.name, &state.object.key_id);
        let object = EncryptedObject { encrypted_data, ..state.object.clone() };
        check(&object)?;
        event("About to encode encrypted object", |_| ());
        let encoded = object.encode_to_vec();
        event("Encoded encrypted object", |_| ());
        Ok((encoded, self.tag_of(&object)))
    }

    fn span(&self, name: &'static str) -> Entered {
        enter(name, |attributes| attributes.text("transformer.provider.name", &self.plugin.name))
    }
}
