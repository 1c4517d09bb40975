//! The providers of a resource in order: the first encrypts, and the prefix of a value selects the provider that
//! decrypts it.

use crate::configuration::{NamedKey, Provider};
use crate::failure::Failure;
use crate::key_ring::{Family, KeyRing};
use crate::kms::{Envelope, Kms};
use crate::metrics::{Metrics, Way};
use bytes::Bytes;
use pintle_store::transformer::{self, KeyTag, TransformError, Transformed, ValueContext};
use std::sync::Arc;
use std::time::Instant;

#[derive(Default)]
pub(crate) struct Chain(Vec<Link>);

#[derive(Clone)]
struct Link {
    prefix: String,
    step: LinkTransform,
}

#[derive(Clone)]
enum LinkTransform {
    /// Values as they are.
    Identity,
    Keys(Arc<KeyRing>),
    Kms(Arc<Envelope>),
}

impl Chain {
    /// The chain of an entry of the configuration.
    pub fn new(providers: &[Provider], kms: &mut Kms) -> Result<Chain, String> {
        let link = |provider: &Provider| link(provider, kms);
        Ok(Chain(providers.iter().map(link).collect::<Result<_, String>>()?))
    }

    /// Whether values are stored as they are, and none is read that is not.
    pub fn is_identity(&self) -> bool {
        self.0.iter().all(|link| matches!(link.step, LinkTransform::Identity))
    }

    /// The tag of values that are written now; none where none can be written.
    pub fn tag(&self) -> Option<KeyTag> {
        match &self.0.first()?.step {
            LinkTransform::Identity => Some(KeyTag::PLAIN),
            LinkTransform::Keys(ring) => Some(ring.tag()),
            LinkTransform::Kms(envelope) => envelope.tag(),
        }
    }

    /// The plain value. Prefixes may overlap where keys are rotated by a second provider of the same kind, so a failure
    /// lets the later ones try.
    pub async fn decrypt(
        &self,
        named: (&str, &Metrics),
        context: ValueContext<'_>,
        stored: Bytes,
    ) -> Result<Transformed, Failure> {
        let (resource, metrics) = named;
        let began = Instant::now();
        let mut failures = Vec::new();
        for link in &self.0 {
            let Some(sealed) = stored.strip_prefix(link.prefix.as_bytes()) else { continue };
            let result = match &link.step {
                LinkTransform::Identity => match transformer::identity(stored.clone()) {
                    Ok(plain) => Ok(plain),
                    // A server that moves away from encryption writes values as they are, and still reads the others.
                    Err(TransformError(_)) => continue,
                },
                LinkTransform::Keys(ring) => {
                    ring.decrypt(named, context.authenticated, sealed).map(transformed)
                }
                LinkTransform::Kms(envelope) => envelope.decrypt(context, sealed).await.map(transformed),
            };
            let prefix = if link.prefix.is_empty() { "identity" } else { &link.prefix };
            metrics.transformed(resource, Way::FromStorage, prefix, began, result.as_ref().err());
            match result {
                Ok(plain) => return Ok(plain),
                Err(failure) => failures.push(failure),
            }
        }
        if let Some(failure) = Failure::joined(failures) {
            tracing::error!(key = context.key, "failed to decrypt data: {failure}");
            return Err(failure);
        }
        let failure = Failure::new("no matching prefix found");
        metrics.transformed(resource, Way::FromStorage, "unknown", began, Some(&failure));
        Err(failure)
    }

    /// The value as the first provider stores it.
    pub fn encrypt(
        &self,
        named: (&str, &Metrics),
        context: ValueContext<'_>,
        plain: Bytes,
    ) -> Result<Transformed, Failure> {
        let (resource, metrics) = named;
        let link = self.0.first().ok_or_else(|| Failure::new("no matching prefix found"))?;
        let began = Instant::now();
        let result = match &link.step {
            LinkTransform::Identity => Ok((plain, KeyTag::PLAIN)),
            LinkTransform::Keys(ring) => {
                let sealed = ring.encrypt(named, context.authenticated, &plain);
                sealed.map(|sealed| (prefixed(&link.prefix, &sealed), ring.tag()))
            }
            LinkTransform::Kms(envelope) => {
                let sealed = envelope.encrypt(context, &plain);
                sealed.map(|(sealed, tag)| (prefixed(&link.prefix, &sealed), tag))
            }
        };
        metrics.transformed(resource, Way::ToStorage, &link.prefix, began, result.as_ref().err());
        match result {
            Ok((value, tag)) => Ok(Transformed { value, tag }),
            Err(failure) => {
                tracing::error!(key = context.key, "failed to encrypt data: {failure}");
                Err(failure)
            }
        }
    }

    /// Adds the providers of a further entry, which only read.
    pub fn append(&mut self, later: &Chain) {
        self.0.extend(later.0.iter().cloned());
    }
}

fn transformed((plain, tag): (Vec<u8>, KeyTag)) -> Transformed {
    Transformed { value: Bytes::from(plain), tag }
}

fn prefixed(prefix: &str, sealed: &[u8]) -> Bytes {
    Bytes::from([prefix.as_bytes(), sealed].concat())
}

fn link(provider: &Provider, kms: &mut Kms) -> Result<Link, String> {
    let ring = |family: Family, keys: &[NamedKey]| {
        let ring = KeyRing::new(family, keys).map_err(|failure| failure.message)?;
        Ok(Link { prefix: family.prefix().into(), step: LinkTransform::Keys(Arc::new(ring)) })
    };
    match provider {
        Provider::AesGcm(keys) => ring(Family::AesGcm, keys),
        Provider::AesCbc(keys) => ring(Family::AesCbc, keys),
        Provider::Secretbox(keys) => ring(Family::Secretbox, keys),
        Provider::Identity => Ok(Link { prefix: String::new(), step: LinkTransform::Identity }),
        Provider::Kms(settings) => {
            let envelope = kms.open(settings)?;
            Ok(Link { prefix: envelope.prefix(), step: LinkTransform::Kms(envelope) })
        }
    }
}
